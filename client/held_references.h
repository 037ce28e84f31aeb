// What a value on its way into a container refers to: held by this session until the value is
// there, and marked as referred to, so that the manager's trace (daemon/trace.h) finds it or leaves
// it alone. A value without references costs nothing here.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "absl/status/status.h"

#include "client/value_encoding.h"

namespace shoal::internal {

class ArenaReference;
class Session;

class HeldReferences {
 public:
  HeldReferences() = default;
  HeldReferences(HeldReferences&& other) noexcept
      : session_(other.session_), epoch_(other.epoch_), ids_(std::move(other.ids_)) {
    other.ids_.clear();
  }
  HeldReferences& operator=(HeldReferences&& other) noexcept {
    std::swap(session_, other.session_);
    std::swap(epoch_, other.epoch_);
    ids_.swap(other.ids_);
    return *this;
  }
  ~HeldReferences() {
    if (!ids_.empty()) let_go();
  }

  // Before `value` is put into the container, whose session outlives this. FAILED_PRECONDITION: the
  // session does not hold an object that it refers to. INVALID_ARGUMENT: one of another arena, or
  // one that does not live in the memory of its arena.
  absl::Status hold(const ArenaReference& container, const EncodedValue& value) {
    return value.has_references ? hold_all(container, value) : absl::OkStatus();
  }

 private:
  absl::Status hold_all(const ArenaReference& container, const EncodedValue& value);
  void let_go();

  Session* session_ = nullptr;
  std::uint64_t epoch_ = 0;  // a child forked meanwhile has not held them
  std::vector<std::uint64_t> ids_;
};

}  // namespace shoal::internal
