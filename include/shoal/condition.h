// A condition variable between processes, with a recursive lock of its own.
//
//   auto changed = client->open_or_create<shoal::Condition>("changed");
//   std::unique_lock guard(*changed);
//   absl::StatusOr<bool> ready = changed->wait_for([&] { return count() > 0; }, absl::Seconds(5));
//   ...
//   { std::scoped_lock guard(*changed); add(); (void)changed->notify(); }
//
// It also waits with any other lock, as std::condition_variable_any does: changed->wait(other). The
// waiters of one condition should all use the same lock. Notifying needs no lock.
// A notification goes to exactly one of those who wait, the longest first as a rule. A wait may end
// without one: look at what you wait for again.
//
// Death: a process that dies takes no notification with it: one that it was given is handed on, and
// because it may have died between a change and notifying of it, all waits end, to look again. Its
// lock: as with RLock, see abandoned() there.
//
// Errors beside those of arena_object.h: wait: DEADLINE_EXCEEDED; RESOURCE_EXHAUSTED: as many
// threads wait as it was created for; FAILED_PRECONDITION: this thread does not hold the
// condition's lock. After a wait, whatever it returns, the lock is held again as deep as before;
// but FAILED_PRECONDITION and UNAVAILABLE of an object that is gone: then nothing is held.
// lock() and try_lock() throw: see lock.h.
// Thread and fork safety, ownership, waiting: arena_object.h.
#pragma once

#include <cstdint>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "shoal/arena_object.h"
#include "shoal/export.h"
#include "shoal/lock.h"
#include "shoal/object.h"

namespace shoal {

struct ConditionOptions {
  std::uint32_t waiters = 32;  // threads that may wait at once, at most 4096
  Lifetime lifetime = Lifetime::kNamed;
  Access access = Access::kReadWrite;  // open_or_create: how to open an existing object
};

class SHOAL_EXPORT Condition : public internal::ArenaKind<Condition> {
 public:
  using Options = ConditionOptions;

  Condition() = default;  // closed

  // Its own lock: as RLock's.
  void lock() const;
  bool try_lock() const;
  void unlock() const noexcept;
  template <class Rep, class Period>
  bool try_lock_for(const std::chrono::duration<Rep, Period>& time) const {
    return internal::try_for([this](absl::Duration t) { return acquire(t); }, time);
  }
  template <class Clock, class Length>
  bool try_lock_until(const std::chrono::time_point<Clock, Length>& deadline) const {
    return internal::try_until([this](absl::Duration t) { return acquire(t); }, deadline);
  }
  [[nodiscard]] absl::StatusOr<Acquired> acquire(
      absl::Duration timeout = absl::InfiniteDuration()) const;
  absl::Status release() const;
  [[nodiscard]] bool locked() const;
  [[nodiscard]] std::uint32_t depth() const;
  [[nodiscard]] absl::StatusOr<bool> abandoned() const;
  [[nodiscard]] absl::Status mark_consistent() const;

  // Gives its lock back, waits for a notification, and takes the lock again. The timeout is for the
  // notification; the lock is waited for as long as it takes.
  [[nodiscard]] absl::Status wait(absl::Duration timeout = absl::InfiniteDuration()) const;

  // Waits until the predicate, called with the lock held, is true or the timeout is over: its last
  // value, as in Python.
  [[nodiscard]] absl::StatusOr<bool> wait_for(
      absl::FunctionRef<bool()> predicate, absl::Duration timeout = absl::InfiniteDuration()) const;

  // The same with another lock, which the caller holds.
  template <class Lockable>
  requires requires(Lockable& lockable) {
    lockable.lock();
    lockable.unlock();
  }
  [[nodiscard]] absl::Status wait(Lockable& other,
                                  absl::Duration timeout = absl::InfiniteDuration()) const {
    return wait_unlocked([&] { other.unlock(); }, [&] { other.lock(); }, timeout);
  }

  // Notifies at most `most` of those who wait; how many.
  absl::StatusOr<std::uint32_t> notify(std::uint32_t most = 1) const;
  absl::StatusOr<std::uint32_t> notify_all() const;

  [[nodiscard]] std::uint32_t waiters() const;  // threads that wait and are not notified yet

 private:
  friend class internal::ArenaKind<Condition>;
  using ArenaKind::ArenaKind;
  static internal::ArenaRequest wanted(const Options& options);

  absl::Status wait_unlocked(absl::FunctionRef<void()> unlock, absl::FunctionRef<void()> lock,
                             absl::Duration timeout) const;
};

}  // namespace shoal
