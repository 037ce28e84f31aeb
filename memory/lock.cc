// See lock.h. Here: what happens when the word is not simply free, or simply the caller's.
#include "memory/lock.h"

#include <optional>

#include "memory/wait.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

namespace {

// Of the looks at a lock that is held.
constexpr std::uint32_t kFirstGap = 16;

// What an unlock leaves. Where one of several is woken the waiters bit stays, so that the next
// unlock wakes another, even if the one that was woken is stopped and does not get on.
std::uint32_t free_word(std::uint32_t seen, int wake) {
  return wake == kEverybody ? 0 : seen & kWaiters;
}

}  // namespace

Result acquire_slow(const ObjectView& lock, Word32& word, Caller& caller, Purpose purpose,
                    Deadline deadline) {
  const std::uint32_t mine = caller.owner << 2;
  const auto is_free = [&] { return owner_in(word.load(std::memory_order_relaxed)) == 0; };
  std::uint32_t slept = 0;  // kWaiters from the first sleep on: others may sleep, too
  bool expired = deadline == 0;
  if (!expired) (void)spin(caller, lock, deadline, is_free, kFirstGap);
  std::optional<Waiting> noted;
  for (;;) {
    std::uint32_t seen = word.load(std::memory_order_relaxed);
    if (lock.is_stale()) return Result::kStale;
    if (owner_in(seen) == 0) {
      if (word.change(seen, mine | (seen & kSignals) | slept)) return Result::kDone;
      continue;
    }
    if ((seen & kWaiters) == 0 && (slept != 0 || !expired)) {
      if (!word.change(seen, seen | kWaiters)) continue;
      seen |= kWaiters;
    }
    if (expired) return Result::kTimedOut;
    if (!noted) {
      noted.emplace(caller, lock, purpose);
      slept = kWaiters;
      // The note took time; the object may have gone meanwhile.
      continue;
    }
    // The clock is asked even after a wake: bytes that somebody rewrites all the time wake always.
    expired = !futex_wait(word, seen, deadline) || is_over(deadline);
  }
}

Result release_slow(const ObjectView& lock, Word32& word, Caller& caller, std::uint32_t seen,
                    int wake) {
  for (;;) {
    // Who holds it gives it back even of an object that is gone: others may sleep on the word.
    const bool may = owner_in(seen) != 0 && slot_in(seen) != kSlotGone &&
                     (slot_in(seen) == caller.slot() || lock.has(kFlagReleaseByAnyone));
    if (!may) return lock.is_stale() ? Result::kStale : Result::kNotOwner;
    if (word.change(seen, free_word(seen, wake))) break;
  }
  if (has_fault(Fault::kUnlockForgetsWake)) return Result::kDone;
  const int woken = signal(caller, lock, word, seen, wake);
  if (woken == 0 && (seen & kWaiters) != 0) {
    // Nobody sleeps: the next lock and unlock are quick again.
    std::uint32_t free = kWaiters;
    // But somebody may have fallen asleep meanwhile, with the bit that is taken away.
    if (word.change(free, 0)) (void)futex_wake(word, 1);
  }
  return Result::kDone;
}

Result mark_consistent(const ObjectView& lock, const Caller& caller) {
  Descriptor& d = *lock.descriptor;
  if (lock.is_stale()) return Result::kStale;
  const std::uint32_t word = d.lock.load(std::memory_order_relaxed);
  const bool by_process = lock.kind == ObjectKind::kLock || lock.kind == ObjectKind::kSharedLock;
  const bool mine = by_process ? slot_in(word) == caller.slot() : owner_in(word) == caller.owner;
  const bool may = owner_in(word) != 0 && (mine || lock.has(kFlagReleaseByAnyone));
  if (!may) return Result::kNotOwner;
  d.abandoned.store(0, std::memory_order_relaxed);
  return Result::kDone;
}

bool recover_word(Word32& word, std::uint16_t slot, int wake) {
  std::uint32_t seen = word.load(std::memory_order_seq_cst);
  bool held = false;
  while (!held && slot_in(seen) == slot && !has_fault(Fault::kRecoverForgetsLock)) {
    held = word.change(seen, free_word(seen, wake));
  }
  if (!has_fault(Fault::kRecoverForgetsWake)) futex_wake(word, wake);
  return held;
}

void recover_lock(Descriptor& lock, std::uint16_t slot, int wake) {
  if (slot_in(lock.lock.load(std::memory_order_seq_cst)) == slot) {
    // First, so that whoever finds the lock free finds this, too. Again after a death of the
    // manager in between: the word still names the dead.
    if (!has_fault(Fault::kRecoverHidesDeath)) lock.abandoned.store(1, std::memory_order_relaxed);
    lock.depth.store(0, std::memory_order_relaxed);
  }
  if (recover_word(lock.lock, slot, wake)) lock.recoveries.add(1);
}

SHOAL_VARIANT_END

}  // namespace shoal::memory
