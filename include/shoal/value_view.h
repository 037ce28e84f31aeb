// The bytes of a stored value, without a copy where that would cost more than it saves.
//
//   auto frame = frames->view("camera 1");               // Dict::view
//   if (frame.ok()) show(frame->bytes());                // 8 MiB, read where they lie
//
// A value of 64 KiB or more is shown where it lies in shared memory; to look it up costs one
// message to the manager, which from then on keeps the bytes. They do not change: whoever puts
// another value for the key, or erases it, does so at once and leaves these to the view. A smaller
// value is copied. So a view is what the value was at one instant, for as long as there is a view.
//
// Memory of a value that was replaced stays taken until its last view goes, which counts in the
// arena's quota; that of a process that is killed goes with it. A process has at most 4096 large
// values in view at once: RESOURCE_EXHAUSTED.
// Bytes that a hostile writer of the arena scribbles over do change: check what is not trusted
// after copying it.
//
// Thread safety: views may be copied and used by any number of threads. Fork safety: a view is not
// for the child, which looks the value up itself. Outlives the proxy it came from and the Client.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

#include "shoal/value.h"

namespace shoal {

class ValueView {
 public:
  ValueView() = default;  // of None
  // `bytes` are good for as long as `keeper` is.
  ValueView(ValueKind kind, std::span<const std::byte> bytes, std::shared_ptr<const void> keeper)
      : keeper_(std::move(keeper)), bytes_(bytes), kind_(kind) {}

  [[nodiscard]] ValueKind kind() const { return kind_; }
  // As in Dict::visit: bytes and text as they are, others encoded (docs/format.md).
  [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }
  [[nodiscard]] std::string_view text() const {
    return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()};
  }

 private:
  std::shared_ptr<const void> keeper_;
  std::span<const std::byte> bytes_;
  ValueKind kind_ = ValueKind::kNone;
};

}  // namespace shoal
