// Locks between processes that survive their owners.
//
//   auto lock = client->open_or_create<shoal::Lock>("ledger");
//   std::scoped_lock guard(*lock);                     // or:
//   auto held = lock->acquire(absl::Seconds(1));       // absl::StatusOr<Acquired>
//   if (held.ok() && held->abandoned) { mend(); (void)lock->mark_consistent(); }
//
// Lock        one holder: a process. Another thread of it may release it. Locking again without
//             releasing waits for ever, as with std::mutex and Python's Lock.
// RLock       one holder: a thread. It may lock again, and releases as often.
// SharedLock  one writer, or many readers. A writer that waits keeps new readers out, so it does
//             not starve; who reads and wants to read once more may wait for that writer, so do not
//             nest. Not recursive.
// They model the standard's named requirements: TimedLockable, and SharedTimedLockable (SharedLock)
// for std::scoped_lock, std::unique_lock, std::shared_lock and std::condition_variable_any.
//
// Token: each acquisition for writing has a number that is greater than all before it of the same
// object. Hand it to what the lock protects, which can then refuse a late writer. A reader's token
// is that of the last writer.
//
// Death: the lock of a dead process is handed on within moments, and `abandoned` is true for every
// acquisition from then on, until a holder has mended what the lock protects and says so by
// mark_consistent(). A dead reader only leaves. A writer that died while it still waited for the
// readers to leave has changed nothing, and nothing is abandoned.
//
// Errors beside those of arena_object.h: acquire: DEADLINE_EXCEEDED. RLock: RESOURCE_EXHAUSTED
// beyond 2^31 - 1 locks. release, mark_consistent: FAILED_PRECONDITION by who does not hold it.
// lock(), try_lock() and their like throw std::system_error instead, for anything but a lock that
// somebody else holds. An abandoned lock is no error. unlock() never throws, and says nothing if
// there was nothing to unlock (the manager shut down, a forked child that inherited a guard):
// release() tells.
// Thread and fork safety, ownership, waiting: arena_object.h.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "shoal/arena_object.h"
#include "shoal/export.h"
#include "shoal/object.h"

namespace shoal {

class RLock;

struct Acquired {
  std::uint64_t token = 0;
  bool abandoned = false;  // a holder died, and nobody has called mark_consistent() since
};

namespace internal {

// True: acquired. False: the deadline is over. Throws std::system_error for anything else.
SHOAL_EXPORT bool acquired_or_throw(const absl::StatusOr<Acquired>& acquired);

// The lock that a cell or an array has of its own.
SHOAL_EXPORT RLock lock_of(const std::shared_ptr<Reference>& reference);

// Any duration of the standard, of floating point too; what is too long is for ever.
template <class Rep, class Period>
absl::Duration to_timeout(const std::chrono::duration<Rep, Period>& time) {
  return absl::Seconds(std::chrono::duration<double>(time).count());
}

template <class Acquire, class Rep, class Period>
bool try_for(Acquire acquire, const std::chrono::duration<Rep, Period>& time) {
  return acquired_or_throw(acquire(to_timeout(time)));
}

template <class Acquire, class Clock, class Length>
bool try_until(Acquire acquire, const std::chrono::time_point<Clock, Length>& deadline) {
  for (;;) {
    const auto now = Clock::now();
    // In doubles: the difference of extreme times is none of theirs.
    const std::chrono::duration<double> left =
        std::chrono::duration<double>(deadline.time_since_epoch()) -
        std::chrono::duration<double>(now.time_since_epoch());
    if (try_for(acquire, left)) return true;
    // The caller's clock may have been set back meanwhile.
    if (Clock::now() >= deadline) return false;
  }
}

}  // namespace internal

enum class ReleaseBy : std::uint8_t {
  kOwner,   // the process that holds it
  kAnyone,  // any process, as Python's Lock; the holder's death is told all the same
};

struct LockOptions {
  ReleaseBy release_by = ReleaseBy::kOwner;
  Lifetime lifetime = Lifetime::kNamed;
  Access access = Access::kReadWrite;  // open_or_create: how to open an existing object
};

class SHOAL_EXPORT Lock : public internal::ArenaKind<Lock> {
 public:
  using Options = LockOptions;

  Lock() = default;  // closed

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

  [[nodiscard]] bool locked() const;  // by whomever; false once closed
  // Whether a holder died and nobody has mended since. May be asked by anybody.
  [[nodiscard]] absl::StatusOr<bool> abandoned() const;
  // For who holds it.
  [[nodiscard]] absl::Status mark_consistent() const;

 private:
  friend class internal::ArenaKind<Lock>;
  using ArenaKind::ArenaKind;
  static internal::ArenaRequest wanted(const Options& options);
};

struct RLockOptions {
  Lifetime lifetime = Lifetime::kNamed;
  Access access = Access::kReadWrite;  // open_or_create: how to open an existing object
};

class SHOAL_EXPORT RLock : public internal::ArenaKind<RLock> {
 public:
  using Options = RLockOptions;

  RLock() = default;  // closed

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
  // How often this thread has to release it; 0 unless it holds it.
  [[nodiscard]] std::uint32_t depth() const;
  [[nodiscard]] absl::StatusOr<bool> abandoned() const;
  [[nodiscard]] absl::Status mark_consistent() const;

 private:
  friend class internal::ArenaKind<RLock>;
  friend RLock internal::lock_of(const std::shared_ptr<internal::Reference>& reference);
  using ArenaKind::ArenaKind;
  static internal::ArenaRequest wanted(const Options& options);
};

struct SharedLockOptions {
  std::uint32_t readers = 32;  // processes that read at once; others wait. At most 65534
  Lifetime lifetime = Lifetime::kNamed;
  Access access = Access::kReadWrite;  // open_or_create: how to open an existing object
};

class SHOAL_EXPORT SharedLock : public internal::ArenaKind<SharedLock> {
 public:
  using Options = SharedLockOptions;

  SharedLock() = default;  // closed

  void lock() const;
  bool try_lock() const;
  void unlock() const noexcept;
  void lock_shared() const;
  bool try_lock_shared() const;
  void unlock_shared() const noexcept;

  template <class Rep, class Period>
  bool try_lock_for(const std::chrono::duration<Rep, Period>& time) const {
    return internal::try_for([this](absl::Duration t) { return acquire(t); }, time);
  }
  template <class Clock, class Length>
  bool try_lock_until(const std::chrono::time_point<Clock, Length>& deadline) const {
    return internal::try_until([this](absl::Duration t) { return acquire(t); }, deadline);
  }
  template <class Rep, class Period>
  bool try_lock_shared_for(const std::chrono::duration<Rep, Period>& time) const {
    return internal::try_for([this](absl::Duration t) { return acquire_shared(t); }, time);
  }
  template <class Clock, class Length>
  bool try_lock_shared_until(const std::chrono::time_point<Clock, Length>& deadline) const {
    return internal::try_until([this](absl::Duration t) { return acquire_shared(t); }, deadline);
  }

  [[nodiscard]] absl::StatusOr<Acquired> acquire(
      absl::Duration timeout = absl::InfiniteDuration()) const;
  absl::Status release() const;
  [[nodiscard]] absl::StatusOr<Acquired> acquire_shared(
      absl::Duration timeout = absl::InfiniteDuration()) const;
  absl::Status release_shared() const;

  [[nodiscard]] bool locked() const;  // for writing, or by a writer that waits for readers
  [[nodiscard]] std::uint32_t readers() const;  // holds for reading, of all processes
  [[nodiscard]] absl::StatusOr<bool> abandoned() const;
  [[nodiscard]] absl::Status mark_consistent() const;  // for the writer

 private:
  friend class internal::ArenaKind<SharedLock>;
  using ArenaKind::ArenaKind;
  static internal::ArenaRequest wanted(const Options& options);
};

}  // namespace shoal
