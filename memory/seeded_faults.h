// Known faults that a test build puts into the list on purpose, one at a time, to show that the
// kill sweeps find them. Without SHOAL_SEEDED_FAULTS all of it compiles to nothing.
//
// A test that wants them compiles the list's sources once more with the macro; the inline namespace
// keeps those apart from the real ones in one program.
#pragma once

#include "memory/variant.h"

namespace shoal::memory {

enum class Fault {
  kNone,
  kPublishBeforeFill,     // the shadow record is filled after it was published
  kCopyBeforePublish,     // the element is changed before the record is published
  kReleaseBeforeCopy,     // the word is free again before the element was copied
  kScalarInPlace,         // format and value of a scalar written without the record
  kTailInPlace,           // the tail word written without the record
  kTakeOverWithoutCopy,   // an orphaned record is dropped, not finished
  kOrphanIgnoresClaim,    // a dead writer's claim is left
  kOrphanDropsPublished,  // a dead writer's record is dropped

  // Synchronisation.
  kUnlockForgetsWake,      // the last step of an unlock with waiters is left out
  kRecoverForgetsWake,     // a dead process's lock becomes free, and nobody is told
  kRecoverForgetsLock,     // a dead process's lock stays held
  kRecoverHidesDeath,      // it becomes free without `abandoned`
  kTokenBeforeLock,        // the fencing token is raised before the lock is held
  kRecoverForgetsPermits,  // owned permits of a dead process stay taken
  kReleaseTwice,           // a release of several permits gives one too many
  kRecoverForgetsShared,   // shared holds of a dead process stay
  kSharedIgnoresWriter,    // a reader does not look for a writer after it has claimed
  kNotifySwallowed,        // a notification given to a dead waiter goes with it
  kWaiterKeepsCell,        // a dead waiter's cell is not given back
  kBarrierHidesDeath,      // a dead party does not break the barrier
  kEventForgetsWaiters,    // `set` does not look at the waiters bit
  kCellTornPublish,        // a large value is published before it is whole
  kIntentForgotten,        // what a dead process was allocating is not given back
  kClaimBeforeIntent,      // a block is claimed before the intent says so
  kIntentEndsEarly,        // the intent is cleared before the block is owned
  kRecoverFreesReached,    // recovery does not ask whether a claimed block is reached
  kRunFreedFromHead,       // a run is freed from its first chunk on
  kFreeKeepsFreeing,       // "freeing" still stands when the head is free
  kClosingForgotten,       // a slab that a dead process was closing stays so
  kSlabIgnoresClaims,      // a slab is given back whatever its cells say
  kClaimIgnoresClosing,    // a cell is claimed without a second look at its chunk
  kDirtyBlockGiven,        // a block that was used before is not zeroed

  // List.
  kListCountFirst,         // an append publishes the count before the element
  kListTailForgotten,      // a leaf's tail does not go on behind a new record
  kListLeafUnbuilt,        // a larger leaf is published before the elements are in it
  kListRootUnbuilt,        // a list that is built anew is published before it is built
  kListNotesLate,          // what is replaced is noted after the root was stored
  kListReplacedForgotten,  // recovery does not free what was replaced
  kListFreesReached,       // recovery frees large values that the list still has
  kListFreedTooSoon,       // `freed` is set before the large values are freed
  kListOldValueKept,       // a large value that is overwritten is not given back

  // Dict.
  kNoRecount,             // derived fields of a dead writer's shard stay as they are
  kHalfSplitStays,        // a shard that a dead writer was splitting off stays
  kOldBlockForgotten,     // a block that was replaced is not freed
  kApplyBeforeCommit,     // a transaction's stores are made before it is committed
  kCommittedForgotten,    // a dead process's committed transaction is not finished
  kUnmarked,              // what a transaction is about to change is not marked
  kTakenForgotten,        // blocks of a transaction that was not committed stay
  kEraseLeavesGap,        // a slot that others were looked for past becomes empty
  kSlotBeforeEntry,       // the slot names an entry before it is written
  kNotRetired,            // a block goes out of the root word without an intent
  kSplitRootFirst,        // the lower half is published while the shard is still all of it
  kMergeDepthFirst,       // the lower shard has the upper one's hashes before its entries
  kValuesNotReached,      // recovery does not see that an entry names a value's block
  kSlotNotLookedAtAgain,  // a reader trusts the version of an entry alone
  kOtherKeyBelieved,      // a reader passes an entry of another key over without a second look
  kRaisedBeforeMark,      // a transaction raises `changes` before it marks a shard
  kSparesKept,            // the spares of a dead writer's shard are used further on
};

SHOAL_VARIANT_BEGIN
#ifdef SHOAL_SEEDED_FAULTS
inline Fault seeded_fault = Fault::kNone;
inline bool has_fault(Fault fault) { return seeded_fault == fault; }
#else
constexpr bool has_fault(Fault) { return false; }
#endif
SHOAL_VARIANT_END

}  // namespace shoal::memory
