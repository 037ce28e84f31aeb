// What the `parameter` of an object in an arena may be, by its kind: asked for by clients, refused
// by the manager, and looked through by clients again, so that nothing is divided by zero or
// counted beyond its width.
#pragma once

#include <cstdint>

#include "schemas/control.capnp.h"
#include "schemas/limits.h"

namespace shoal::protocol {

struct ParameterRange {
  std::uint64_t least = 0;
  std::uint64_t most = 0;
  const char* what = "";  // it counts

  [[nodiscard]] constexpr bool contains(std::uint64_t parameter) const {
    return parameter >= least && parameter <= most;
  }
};

// `plain`: a semaphore's permits have no owner.
constexpr ParameterRange parameter_range(wire::Kind kind, bool plain) {
  switch (kind) {
    case wire::Kind::SHARED_LOCK:
      return {1, kSharersMax, "processes that read at once"};
    case wire::Kind::SEMAPHORE:
    case wire::Kind::BOUNDED_SEMAPHORE:
      if (plain) return {0, kPlainPermitsMax, "permits"};
      return {1, kOwnedPermitsMax, "owned permits"};
    case wire::Kind::CONDITION:
      return {1, kWaitersMax, "threads that wait at once"};
    case wire::Kind::BARRIER:
      return {1, kPartiesMax, "parties"};
    case wire::Kind::CELL:
      return {1, kCellBytesMax, "bytes of the value"};
    case wire::Kind::ARRAY:
      return {1, kArrayBytesMax, "bytes of all elements"};
    case wire::Kind::TYPED_DICT:
      return {1, kKeyBytesMax, "bytes of a key"};
    default:
      return {0, 0, "parameter"};
  }
}

}  // namespace shoal::protocol
