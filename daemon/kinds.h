// The kinds of objects: what they are called, and what a create of a kind that lives in an arena
// may ask for. Knows no catalog and no memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "absl/status/status.h"

#include "memory/layout.h"
#include "schemas/control.capnp.h"

namespace shoal::daemon {

// As users know it; an unknown number has a name, too.
const char* kind_name(std::uint16_t kind);

inline bool is_segment_kind(std::uint16_t kind) {
  return kind == static_cast<std::uint16_t>(wire::Kind::SHARED_MEMORY) ||
         kind == static_cast<std::uint16_t>(wire::Kind::SHAREABLE_LIST);
}
inline bool is_arena_kind(std::uint16_t kind) { return memory::is_arena_kind(kind); }

// What an object in an arena is made of.
struct Traits {
  std::uint64_t parameter = 0;  // what it means follows from the kind: memory/layout.h
  std::uint16_t flags = 0;
  std::string_view fingerprint;
  std::uint32_t element_bytes = 0;
  std::span<const std::byte> initial;
};

// INVALID_ARGUMENT says what is wrong and what to give. `name` is for the message.
absl::Status check_traits(std::string_view name, std::uint16_t kind, const Traits& traits);

}  // namespace shoal::daemon
