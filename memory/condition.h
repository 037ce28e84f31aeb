// Condition: who waits has a cell {slot 16 | thread 14 | notified | waiting} and sleeps on it, so
// that a notification goes to exactly one who waits, and a death tells whose it was. The lock is
// the caller's matter: enlist before giving it back, await without it.
//
//   0 --enlist--> waiting(me) --notify--> notified(me) --await--> 0
//                     \------- deadline, by compare-and-swap -----/
//
// What if a process dies here? Waiting: its cell goes. Notified and not yet gone: recovery notifies
// another first, then takes the cell; if the manager dies in between, one is notified twice, which
// is a wake-up without cause, and allowed. Between notifying and waking: recovery wakes every cell.
#pragma once

#include "memory/wait.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

// kExhausted: as many wait as the condition has cells.
Result enlist(const ObjectView& condition, Caller& caller, std::uint32_t* cell);
// Gives the cell back, whatever comes of it.
Result await_notification(const ObjectView& condition, Caller& caller, std::uint32_t cell,
                          Deadline deadline);
// At most `most` of those who wait; how many.
Result notify(const ObjectView& condition, Caller& caller, std::uint32_t most,
              std::uint32_t* notified = nullptr);

std::uint32_t waiters(const ObjectView& condition);

void recover_condition(const ObjectView& condition, Caller& manager, std::uint16_t slot);

SHOAL_VARIANT_END

}  // namespace shoal::memory
