// SharedLock: one writer, or any number of readers. The lock word (lock.h) is the writer's; each
// process that reads has a cell {slot 16 | count 16}, so that a death tells whose holds are to go.
//
//  writer: take the word; wait until all cells are 0.
//  reader: add to a cell; look at the word; if a writer is there, take it back and wait for the
//  word.
//
// The reader's change of its cell and look at the word, and the writer's change of the word and
// look at the cells, are sequentially consistent, so one of them sees the other. A writer that
// waits already has the word: new readers stay out, and it does not starve. When all cells are
// taken by other processes a reader waits for one of them to leave: fewer read at once, nothing
// else.
//
// What if a process dies here? As a reader: its cells go. As a writer: as with any lock, but it is
// abandoned only once the writer was in (`depth` 1): before, it has changed nothing.
#pragma once

#include "memory/lock.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

Result acquire_exclusive(const ObjectView& lock, Caller& caller, Deadline deadline,
                         Acquisition* acquisition);
Result release_exclusive(const ObjectView& lock, Caller& caller);
Result acquire_shared(const ObjectView& lock, Caller& caller, Deadline deadline,
                      Acquisition* acquisition);
// kNotOwner: this process holds it not.
Result release_shared(const ObjectView& lock, Caller& caller);

// Holds of all readers together.
std::uint32_t sharers(const ObjectView& lock);

void recover_shared_lock(const ObjectView& lock, std::uint16_t slot);

SHOAL_VARIANT_END

}  // namespace shoal::memory
