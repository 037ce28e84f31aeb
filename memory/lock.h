// The lock word: in every descriptor, for Lock, RLock, a SharedLock's writer, and the lock that
// Condition, Cell and Array have of their own.
//
//   { owner: slot 16, thread 14 | watched | waiters }       all 0: free
//
// Free to held and held to free are one compare-and-swap each. A waiter sets the waiters bit in the
// word and sleeps on the word; an unlock that finds the bit frees the word, leaves the bit, and
// wakes one. Only an unlock that finds nobody to wake takes the bit away. So a free word may have
// the bit; who takes the lock then keeps it.
//
// Invariants
//  1. Who sleeps on the word did so with the bit set in it. The bit is taken away only from a free
//     word, after a wake that found nobody; a sleeper that came in between is woken by the unlock
//     that follows the lock it slept on, and that one sees the bit, or has woken it already.
//  2. Who was woken either takes the lock with the bit set, or, giving up, leaves it set:
//     so whoever may sleep without the bit has one awake who will set it again.
//  3. Token, depth and `abandoned` are written by the holder alone (and by recovery, when
//     the holder is dead); the word's release and acquire order them.
//
// What if a process dies here? Holding: recovery marks the lock abandoned, frees it, wakes one.
// Between freeing and waking, or woken and not yet holding: recovery wakes one of every lock that
// the process had attached.
#pragma once

#include <cstdint>

#include "memory/caller.h"
#include "memory/futex.h"
#include "memory/object.h"
#include "memory/seeded_faults.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

// `word`: the lock word, which is the descriptor's or another one of the object's.
Result acquire_slow(const ObjectView& lock, Word32& word, Caller& caller, Purpose purpose,
                    Deadline deadline);
Result release_slow(const ObjectView& lock, Word32& word, Caller& caller, std::uint32_t seen,
                    int wake);

// For who holds it.
inline Acquisition begin_holding(Descriptor& lock) {
  const std::uint64_t token = lock.token.load(std::memory_order_relaxed) + 1;
  lock.token.store(token, std::memory_order_relaxed);
  return {.token = token, .abandoned = lock.abandoned.load(std::memory_order_relaxed) != 0};
}

// Until the word is the caller's; nothing of what it guards is touched. Deadline 0: one try.
inline Result acquire_word(const ObjectView& lock, Caller& caller, Purpose purpose,
                           Deadline deadline) {
  Descriptor* const d = lock.descriptor;  // not loaded again after the change
  if (d->id.load(std::memory_order_acquire) != lock.id) [[unlikely]]
    return Result::kStale;
  std::uint32_t free = 0;
  if (d->lock.change(free, caller.owner << 2)) [[likely]]
    return Result::kDone;
  return acquire_slow(lock, d->lock, caller, purpose, deadline);
}

inline Result acquire(const ObjectView& lock, Caller& caller, Deadline deadline,
                      Acquisition* acquisition) {
  Descriptor* const d = lock.descriptor;
  if (has_fault(Fault::kTokenBeforeLock)) begin_holding(*d);
  const Result result = acquire_word(lock, caller, Purpose::kLock, deadline);
  if (result == Result::kDone) [[likely]]
    *acquisition = begin_holding(*d);
  return result;
}

// kNotOwner: it is free, or another process holds it and not everybody may release it.
inline Result release(const ObjectView& lock, Caller& caller) {
  if (lock.is_stale()) [[unlikely]]
    return Result::kStale;
  std::uint32_t seen = caller.owner << 2;
  if (lock.descriptor->lock.change(seen, 0)) [[likely]]
    return Result::kDone;
  return release_slow(lock, lock.descriptor->lock, caller, seen, 1);
}

// ---- RLock: the owner is the thread, and counts ----

inline constexpr std::uint32_t kDepthMax = 0x7fffffff;

inline bool holds(const Descriptor& lock, const Caller& caller) {
  return owner_in(lock.lock.load(std::memory_order_relaxed)) == caller.owner;
}

inline Result acquire_recursive(const ObjectView& lock, Caller& caller, Deadline deadline,
                                Acquisition* acquisition) {
  Descriptor& d = *lock.descriptor;
  if (holds(d, caller)) {
    if (lock.is_stale()) return Result::kStale;
    const std::uint32_t depth = d.depth.load(std::memory_order_relaxed);
    if (depth >= kDepthMax) return Result::kOverflow;
    d.depth.store(depth + 1, std::memory_order_relaxed);
    *acquisition = {.token = d.token.load(std::memory_order_relaxed),
                    .abandoned = d.abandoned.load(std::memory_order_relaxed) != 0};
    return Result::kDone;
  }
  const Result result = acquire(lock, caller, deadline, acquisition);
  if (result == Result::kDone) d.depth.store(1, std::memory_order_relaxed);
  return result;
}

inline Result release_recursive(const ObjectView& lock, Caller& caller) {
  Descriptor& d = *lock.descriptor;
  if (!holds(d, caller)) return lock.is_stale() ? Result::kStale : Result::kNotOwner;
  const std::uint32_t depth = d.depth.load(std::memory_order_relaxed);
  if (depth > 1) {
    d.depth.store(depth - 1, std::memory_order_relaxed);
    return Result::kDone;
  }
  d.depth.store(0, std::memory_order_relaxed);
  return release(lock, caller);
}

// ---- of any lock ----

inline bool is_held(const Descriptor& lock) {
  return owner_in(lock.lock.load(std::memory_order_relaxed)) != 0;
}

// What the lock guards is whole again. kNotOwner: only a holder can say so.
Result mark_consistent(const ObjectView& lock, const Caller& caller);

// Nothing of the dead `slot` stays in the word; one of those who wait is woken, in any case.
void recover_lock(Descriptor& lock, std::uint16_t slot, int wake);

// The last step of it: the word is free if `slot` had it, and somebody is woken in any case. True:
// `slot` had it.
bool recover_word(Word32& word, std::uint16_t slot, int wake);

SHOAL_VARIANT_END

}  // namespace shoal::memory
