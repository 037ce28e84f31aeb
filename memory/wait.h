// Waiting for something to become true in shared memory, and telling those who wait: the one way,
// used by every kind but the lock word itself (lock.h), which is its own futex.
//
// An eventcount: the waiters bit lives inside the futex word. Who waits sets the bit, looks at the
// condition once more, and sleeps while the word is what it was; who changed the condition looks
// for the bit, and only if it is set clears it, moves the sequence on, and wakes everybody. A flag
// beside the word, cleared by the waker, would be lost between two sleepers.
//
// Memory order: the change and the look at the word are sequentially consistent on the one side,
// setting the bit and the look at the condition on the other. So one of the two sees the other.
//
// What if a process dies here? Between the change and the wake: recovery announces every object
// that the process had attached (recover.h). A waiter dies: its bit costs one needless wake.
#pragma once

#include <cstdint>
#include <utility>

#include "memory/caller.h"
#include "memory/futex.h"
#include "memory/object.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

// Notes in the caller's record that it is about to sleep, and what for, until destroyed.
class Waiting {
 public:
  Waiting(Caller& caller, const ObjectView& object, Purpose purpose);
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;
  ~Waiting();

 private:
  ThreadRecord* record_;
  std::int64_t since_ns_ = 0;
};

// Wakes who sleeps on `word`, whose signals were `signals`, and pokes the manager if it is watched.
// How many were woken.
int signal(Caller& caller, const ObjectView& object, Word32& word, std::uint32_t signals, int most);

// Tells everybody who waits for a change of the object. After the change, which was sequentially
// consistent.
void announce_slow(Caller& caller, const ObjectView& object);
[[gnu::always_inline]] inline void announce(Caller& caller, const ObjectView& object) {
  if ((object.descriptor->event.load(std::memory_order_seq_cst) & kSignals) != 0) [[unlikely]] {
    announce_slow(caller, object);
  }
}

// A spin that learns: a success makes the next one up to its length and a little more, a failure
// makes it shorter. True as soon as `is_true`.
//
// `gap` turns pass between two looks, twice as many each time up to kLongestGap: looking takes the
// line away from who works on it, and a lock that is looked at all the time gets free later.
inline constexpr std::uint32_t kLongestGap = 32;
template <typename Condition>
bool spin(Caller& caller, const ObjectView& object, Deadline deadline, Condition is_true,
          std::uint32_t gap = 1) {
  constexpr std::uint32_t kTurnsWithoutClock = 4096;
  const std::uint32_t more =
      caller.spins < caller.spins_max / 2 ? caller.spins * 2 + 10 : UINT32_MAX;
  const std::uint32_t most = more < caller.spins_max ? more : caller.spins_max;
  const bool widen = gap > 1;
  std::uint32_t look_at_clock = kTurnsWithoutClock;
  for (std::uint32_t turn = 0; turn < most;) {
    if (turn >= look_at_clock) [[unlikely]] {
      if (object.is_stale() || is_over(deadline)) return false;
      look_at_clock = turn + kTurnsWithoutClock;
    }
    if (is_true()) {
      const auto difference = static_cast<std::int32_t>(turn - caller.spins);
      caller.spins += static_cast<std::uint32_t>(difference / 8);
      return true;
    }
    for (std::uint32_t i = 0; i < gap; ++i) relax();
    turn += gap;
    if (widen && gap < kLongestGap) gap *= 2;
  }
  caller.spins -= caller.spins / 8;
  return false;
}

// For a read without a lock that did not stand: once more, with pauses, until it has been disturbed
// for `timeout_ns`. The clock is looked at now and then only.
class Retries {
 public:
  explicit Retries(std::int64_t timeout_ns) : timeout_ns_(timeout_ns) {}

  // kDone: once more. kStale, kTimedOut.
  Result again(const ObjectView& object) { return object.is_stale() ? Result::kStale : again(); }
  Result again();

 private:
  std::int64_t timeout_ns_;
  std::int64_t deadline_ = 0;
  std::uint32_t count_ = 0;
};

// The two steps of a sleep on an eventcount, for a loop that looks at its condition in between:
//
//   for (EventSleep sleep(event, deadline);;) {
//     if (condition) return done;
//     if (!sleep.step()) return timed_out;
//   }
class EventSleep {
 public:
  EventSleep(Word32& event, Deadline deadline) : event_(event), deadline_(deadline) {}

  // Sets the waiters bit, or, if the last call did so, sleeps. True: look again. False: the
  // deadline was over before the last look.
  bool step();

 private:
  Word32& event_;
  Deadline deadline_;
  std::uint32_t seen_ = 0;
  bool armed_ = false;
  bool expired_ = false;
};

// Moves the sequence on and clears the signals; what they were. The caller wakes.
std::uint32_t advance(Word32& event);
// For an eventcount that belongs to no object of an arena: wakes whoever waits.
void announce(Word32& event);

// Until `is_true`, which may change shared memory when it says so and must use sequentially
// consistent loads. A deadline in the past: one look.
template <typename Condition>
Result wait_until(Caller& caller, const ObjectView& object, Purpose purpose, Deadline deadline,
                  Condition is_true) {
  if (object.is_stale()) return Result::kStale;
  if (is_true()) return Result::kDone;
  if (deadline == 0) return Result::kTimedOut;
  if (spin(caller, object, deadline, is_true)) return Result::kDone;
  const Waiting noted(caller, object, purpose);
  for (EventSleep sleep(object.descriptor->event, deadline);;) {
    // Before every sleep: the sequence of an object that is no more may stand still for ever.
    if (object.is_stale()) return Result::kStale;
    if (is_true()) return Result::kDone;
    if (!sleep.step()) return Result::kTimedOut;
  }
}

// The same for who may not write: no bit can be set, so it looks again every so often.
template <typename Condition>
Result poll_until(const ObjectView& object, Deadline deadline, Condition is_true) {
  constexpr std::int64_t kLookAgainNs = 5'000'000;
  for (;;) {
    if (object.is_stale()) return Result::kStale;
    const std::uint32_t seen = object.descriptor->event.load(std::memory_order_seq_cst);
    if (is_true()) return Result::kDone;
    const std::int64_t now = monotonic_ns();
    if (now >= deadline) return Result::kTimedOut;
    (void)futex_wait(object.descriptor->event, seen,
                     deadline - now < kLookAgainNs ? deadline : now + kLookAgainNs);
  }
}

// So that the object's poll_fd becomes readable at its next change. False: it is stale.
bool arm_watch(const ObjectView& object);

SHOAL_VARIANT_END

}  // namespace shoal::memory
