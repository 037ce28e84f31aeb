// Barrier: a fixed number of threads wait for each other, again and again. All of its state is the
// value word, so every step is one compare-and-swap:
//
//   { how the last 16 phases ended 16 | phase 30 | arrived 16 | acting 1 | broken 1 }
//
// Arriving adds one; the last to arrive moves the phase on, which lets the others go. A phase that
// ended by `reset` is marked in the history: who waited in it learns so, however late it wakes.
// Cells {slot} name the processes that take part: those that have waited and are still attached.
//
// What if a process dies here? A process that takes part: the barrier breaks, waiting or not,
// since the others could only wait for it in vain.
#pragma once

#include "memory/wait.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

// Arrives. *is_last: the caller has the phase to end, by `end_phase`, after whatever it wants to do
// while the others wait. Else it waits with `wait_for_phase`. kBroken; kExhausted: more processes
// take part than the barrier has cells.
struct Arrival {
  std::uint32_t phase = 0;
  std::uint32_t index = 0;  // 0: the first to arrive
  bool is_last = false;
};
Result arrive(const ObjectView& barrier, Caller& caller, Deadline deadline, Arrival* arrival);
// kBroken: broken or reset meanwhile.
Result end_phase(const ObjectView& barrier, Caller& caller, const Arrival& arrival);
// kTimedOut: the deadline is over, and the barrier broken by that.
Result wait_for_phase(const ObjectView& barrier, Caller& caller, const Arrival& arrival,
                      Deadline deadline);

Result break_barrier(const ObjectView& barrier, Caller& caller);
Result reset_barrier(const ObjectView& barrier, Caller& caller);

bool is_broken(const ObjectView& barrier);
std::uint32_t arrived(const ObjectView& barrier);

// `died`: it did not merely detach.
void recover_barrier(const ObjectView& barrier, std::uint16_t slot, bool died);

SHOAL_VARIANT_END

}  // namespace shoal::memory
