// Who calls: the session's slot and the thread's number, which name it in shared words, and where
// it notes what it waits for. One per thread and session, private to the thread.
#pragma once

#include <cstdint>

#include "memory/layout.h"
#include "memory/session_page.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

// Beyond it the arithmetic of a spin would overflow.
inline constexpr std::uint32_t kSpinsMax = 1U << 30;

struct Caller {
  std::uint32_t owner = 0;         // owner_of(slot, thread)
  ThreadRecord* record = nullptr;  // null: waits are noted nowhere
  // Turns of a spin before a sleep; grows and shrinks with success, up to `spins_max`,
  // which is at most kSpinsMax.
  std::uint32_t spins = 30;
  std::uint32_t spins_max = 100;
  // Tells the manager that a watched object has changed. May be null.
  void (*poke)(void* context, std::uint64_t object) = nullptr;
  void* context = nullptr;

  [[nodiscard]] std::uint16_t slot() const { return slot_of_owner(owner); }

  // Counts are the thread's own: nobody else writes them, so no atomic addition is needed.
  static void count(Word64& counter, std::uint64_t by = 1) {
    counter.store(counter.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
  }
};

SHOAL_VARIANT_END

}  // namespace shoal::memory
