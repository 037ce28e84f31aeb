// How a List proxy's call becomes one of memory/list_container_write.h's: values encoded and
// decoded, reads of many elements, changes that depend on what was read.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "client/arena_reference.h"
#include "client/held_references.h"
#include "client/value_encoding.h"
#include "memory/list_container_write.h"
#include "shoal/list.h"
#include "shoal/value.h"

namespace shoal::internal {

// A failed call, as the caller is told. `index`: of kAbsent; `why`: of kExhausted.
absl::Status list_failure(memory::Result result, const ArenaReference& object, std::int64_t index,
                          const absl::Status& why = {});

absl::StatusOr<Value> decode_element(const memory::ListElement& element);

// As Python has it; what cannot be decoded equals nothing.
bool equals(const memory::ListElement& element, const Value& value);

// A value ready to be stored; refers to the one that it was made from, and holds what that refers
// to. Most allocate nothing.
struct EncodedElement {
  // `into` null: the proxy is closed.
  absl::Status from(const Value& value, const ArenaReference* into);
  memory::ListValue value;
  std::string storage;  // of what is not its own bytes
  HeldReferences held;
};

// Many of them.
class EncodedList {
 public:
  absl::Status from(std::span<const Value> values, const ArenaReference* into);
  [[nodiscard]] std::span<const memory::ListValue> values() const { return values_; }

 private:
  std::vector<memory::ListValue> values_;
  std::vector<std::unique_ptr<EncodedElement>> kept_;  // whose storage is referred to
};

// Reads many elements of a list as it was at one moment, without a lock. While others change it all
// the time, it begins again and again; after some rounds it takes the lock, if it may, else it
// goes on for op_timeout.
class Scan {
 public:
  explicit Scan(const ArenaReference* object) : object_(object) {}
  // Reads while `writer` holds the lock.
  Scan(const ArenaReference* object, memory::ListWriter& writer)
      : object_(object), holder_(&writer) {}

  // `again` comes before the first element, each time; `visit` with ascending indices, until it
  // says false.
  absl::Status run(const memory::ListSlice& slice, absl::FunctionRef<void()> again,
                   absl::FunctionRef<bool(std::uint64_t index, const memory::ListElement&)> visit);
  // What was read.
  [[nodiscard]] const memory::ListMark& mark() const { return mark_; }

 private:
  memory::Result try_once(
      const memory::ListSlice& slice,
      absl::FunctionRef<bool(std::uint64_t index, const memory::ListElement&)> visit);
  absl::Status run_holding(
      const memory::ListSlice& slice, absl::FunctionRef<void()> again,
      absl::FunctionRef<bool(std::uint64_t index, const memory::ListElement&)> visit);

  const ArenaReference* object_;
  memory::ListWriter* holder_ = nullptr;
  memory::ListMark mark_;
};

// `change(writer)` gives a memory::Result.
template <typename Change>
absl::Status write_list(const std::shared_ptr<Reference>& reference, std::int64_t index,
                        Change change) {
  const ArenaReference* const object = object_of(reference);
  absl::StatusOr<ThreadEntry*> thread = enter(object);
  if (!thread.ok()) return thread.status();
  memory::Caller::count((*thread)->caller.record->operations);
  memory::Call call{.caller = (*thread)->caller, .timeout_ns = op_timeout_ns(*object)};
  memory::ListWriter writer(object->list, call);
  const memory::Result result = change(writer);
  if (result == memory::Result::kDone) return absl::OkStatus();
  return list_failure(result, *object, index, call.why);
}

// What became of a change that depends on what was read. kDiffers: it is to be decided anew.
struct Decision {
  absl::Status status = {};
  memory::Result result = memory::Result::kDone;
};

// Reads without the lock and changes what it has read only if it still is so; after some rounds in
// vain it reads under the lock.
absl::Status decide_and_write(
    const std::shared_ptr<Reference>& reference,
    absl::FunctionRef<Decision(Scan& scan, memory::ListWriter& writer)> decide);

// Which element comes where. FAILED_PRECONDITION: two have no order.
absl::Status sorted_order(const ArenaReference& object, const std::vector<Value>& values,
                          const ListSortOptions& options, std::vector<std::uint64_t>& order);

}  // namespace shoal::internal
