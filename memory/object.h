// One object of an arena as its algorithms see it, and what becomes of a call on it. The view is
// made once, at attach, from what the manager said; nothing in it is read from shared memory again.
#pragma once

#include <cstddef>
#include <cstdint>

#include "memory/layout.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

enum class [[nodiscard]] Result : std::uint8_t{
    kDone,      kTimedOut,
    kStale,      // the object is no more, or its arena is closed: see `is_closed`
    kNotOwner,   // released by somebody who does not hold it
    kBroken,     // barrier
    kExhausted,  // no cell is free
    kOverflow,   // a count at its limit
    kDiffers,    // a lost compare-and-exchange
    kAbsent,     // no such key or element
    kPresent,    // such a key already
    kDamaged,    // the object's bytes are not what they must be
};

struct ObjectView {
  Descriptor* descriptor = nullptr;
  const ArenaHeader* header = nullptr;
  std::uint64_t id = 0;
  ObjectKind kind = ObjectKind::kLock;
  std::uint16_t flags = 0;
  std::uint32_t count = 0;     // cells, or what else `parameter` means; checked against `bytes`
  std::byte* bytes = nullptr;  // the object's own memory: in the descriptor, or a block
  std::uint64_t size = 0;      // of `bytes`

  [[nodiscard]] bool has(std::uint16_t flag) const { return (flags & flag) != 0; }
  [[nodiscard]] Word16* cells16() const { return reinterpret_cast<Word16*>(bytes); }
  [[nodiscard]] Word32* cells32() const { return reinterpret_cast<Word32*>(bytes); }

  // The object was destroyed, and perhaps its place used again.
  [[nodiscard]] bool is_stale() const {
    return descriptor->id.load(std::memory_order_acquire) != id;
  }
  [[nodiscard]] bool is_closed() const { return header->closed.load() != 0; }
};

// What an acquisition gives.
struct Acquisition {
  std::uint64_t token = 0;
  bool abandoned = false;
};

SHOAL_VARIANT_END

}  // namespace shoal::memory
