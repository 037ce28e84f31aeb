// Condition: who waits has a cell {slot 16 | thread 14 | notified | waiting} and sleeps on it, so
// that a notification goes to exactly one who waits, and a death tells whose it was. The lock is
// the caller's matter: enlist before giving it back, await without it, leave when it is had again.
//
//   0 --enlist--> waiting(me) --notify--> notified(me) --leave--> 0
//                     \-- await: deadline, compare-and-swap ------/
//
// What if a process dies here? Waiting: its cell goes. Notified, and not yet in possession of the
// lock again: it has seen nothing of what it was told of, so recovery notifies another first, then
// takes the cell; if the manager dies in between, one is notified twice, which is a wake-up without
// cause, and allowed. Between notifying and waking: recovery wakes every cell. Between the change
// of what others wait for and notifying: nothing shows that, so recovery notifies everybody.
#pragma once

#include "memory/wait.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

// kExhausted: as many wait as the condition has cells.
Result enlist(const ObjectView& condition, Caller& caller, std::uint32_t* cell);
// kDone: notified; the cell is the caller's until it leaves. Else the cell is given back.
Result await_notification(const ObjectView& condition, Caller& caller, std::uint32_t cell,
                          Deadline deadline);
// What it was notified of is now the caller's to deal with.
void leave(const ObjectView& condition, Caller& caller, std::uint32_t cell);
// At most `most` of those who wait; how many.
Result notify(const ObjectView& condition, Caller& caller, std::uint32_t most,
              std::uint32_t* notified = nullptr);

std::uint32_t waiters(const ObjectView& condition);

// `died`: it did not merely give its last reference back.
void recover_condition(const ObjectView& condition, Caller& manager, std::uint16_t slot, bool died);

SHOAL_VARIANT_END

}  // namespace shoal::memory
