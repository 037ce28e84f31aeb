// Event: a flag that many wait for. The value word is {times it was set 63 | set 1}, so that who
// waited is let go by a `set` even if a `clear` follows before it has woken.
//
// What if a process dies here? Between the change and the wake: recovery announces.
#pragma once

#include "memory/seeded_faults.h"
#include "memory/wait.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

inline bool event_is_set(const ObjectView& event) {
  return (event.descriptor->value.load() & 1) != 0;
}

inline Result set_event(const ObjectView& event, Caller& caller) {
  if (event.is_stale()) return Result::kStale;
  std::uint64_t seen = event.descriptor->value.load(std::memory_order_relaxed);
  do {
    if ((seen & 1) != 0) return Result::kDone;
  } while (!event.descriptor->value.change(seen, (seen + 2) | 1));
  if (!has_fault(Fault::kEventForgetsWaiters)) announce(caller, event);
  return Result::kDone;
}

inline Result clear_event(const ObjectView& event) {
  if (event.is_stale()) return Result::kStale;
  std::uint64_t seen = event.descriptor->value.load(std::memory_order_relaxed);
  while ((seen & 1) != 0 && !event.descriptor->value.change(seen, seen & ~std::uint64_t{1})) {
  }
  return Result::kDone;
}

// Whether it is set, or was since `before`.
inline bool event_was_set(const ObjectView& event, std::uint64_t before) {
  const std::uint64_t now = event.descriptor->value.load(std::memory_order_seq_cst);
  return (now & 1) != 0 || now >> 1 != before >> 1;
}

inline Result wait_for_event(const ObjectView& event, Caller& caller, Deadline deadline) {
  const std::uint64_t before = event.descriptor->value.load();
  return wait_until(caller, event, Purpose::kEvent, deadline,
                    [&] { return event_was_set(event, before); });
}

// For who may only read.
inline Result poll_for_event(const ObjectView& event, Deadline deadline) {
  const std::uint64_t before = event.descriptor->value.load();
  return poll_until(event, deadline, [&] { return event_was_set(event, before); });
}

SHOAL_VARIANT_END

}  // namespace shoal::memory
