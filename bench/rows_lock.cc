// The rows of locks, semaphores and events that nobody else wants: what a call costs.
#include <string>

#include <shoal/event.h>
#include <shoal/lock.h>
#include <shoal/semaphore.h>

#include "bench/manager.h"
#include "bench/row.h"
#include "reference/sync.h"
#include "reference/sync_work.h"

namespace bench {
namespace {

using reference::kSyncRound;
using reference::sync_rounds;

// `T` of an arena, alone.
template <typename T>
class SyncSide : public reference::Side {
 protected:
  explicit SyncSide(const typename T::Options& options = {})
      : object_(must("create", shoal_.client.create<T>("object", options))) {}

  ManagedClient shoal_;
  T object_;
};

// lock() and unlock(), as std::scoped_lock has them.
template <typename T>
class Uncontended final : public SyncSide<T> {
 public:
  std::uint64_t run(std::uint64_t rounds) override {
    const T& lock = this->object_;
    return sync_rounds(rounds, [&] {
      lock.lock();
      lock.unlock();
      return std::uint64_t{1};
    });
  }
};

class ReadLock final : public SyncSide<shoal::SharedLock> {
 public:
  std::uint64_t run(std::uint64_t rounds) override {
    const shoal::SharedLock& lock = object_;
    return sync_rounds(rounds, [&] {
      lock.lock_shared();
      lock.unlock_shared();
      return std::uint64_t{1};
    });
  }
};

// Owned permits, the default: more than a POSIX semaphore promises.
class OnePermit final : public SyncSide<shoal::Semaphore> {
 public:
  std::uint64_t run(std::uint64_t rounds) override {
    const shoal::Semaphore& semaphore = object_;
    return sync_rounds(rounds, [&] {
      const bool taken = semaphore.acquire().ok();
      const bool given = semaphore.release().ok();
      return std::uint64_t{taken && given ? 1U : 0U};
    });
  }
};

class IsSet final : public SyncSide<shoal::Event> {
 public:
  IsSet() { must("set", object_.set()); }

  std::uint64_t run(std::uint64_t rounds) override {
    const shoal::Event& event = object_;
    return sync_rounds(rounds, [&] { return std::uint64_t{event.is_set() ? 1U : 0U}; });
  }
};

template <typename S>
std::unique_ptr<reference::Side> make() {
  return std::make_unique<S>();
}

using MakeSide = std::unique_ptr<reference::Side> (*)();

Row sync_row(const char* name, const char* reference_name, MakeSide reference, MakeSide shoal) {
  return {.name = name,
          .reference_name = reference_name,
          .operations = kSyncRound,
          .reference = reference,
          .shoal = shoal};
}

}  // namespace

std::vector<Row> lock_rows() {
  constexpr MakeSide kLock = make<Uncontended<shoal::Lock>>;
  constexpr MakeSide kRLock = make<Uncontended<shoal::RLock>>;
  return {
      sync_row("lock/uncontended", "process-shared pthread mutex", reference::pthread_lock, kLock),
      sync_row("lock/uncontended_vs_robust", "robust process-shared pthread mutex",
               reference::pthread_robust_lock, kLock),
      sync_row("lock/uncontended_vs_boost", "Boost interprocess_mutex", reference::boost_lock,
               kLock),
      sync_row("rlock", "recursive process-shared pthread mutex", reference::pthread_recursive_lock,
               kRLock),
      sync_row("rlock_vs_boost", "Boost interprocess_recursive_mutex",
               reference::boost_recursive_lock, kRLock),
      sync_row("semaphore", "process-shared POSIX semaphore", reference::posix_semaphore,
               make<OnePermit>),
      sync_row("semaphore_vs_boost", "Boost interprocess_semaphore", reference::boost_semaphore,
               make<OnePermit>),
      sync_row("shared_lock/shared", "process-shared pthread read-write lock, read side",
               reference::pthread_read_lock, make<ReadLock>),
      sync_row("shared_lock/shared_vs_boost", "Boost interprocess_sharable_mutex, sharable side",
               reference::boost_read_lock, make<ReadLock>),
      sync_row("event/is_set", "flag under a process-shared pthread mutex", reference::pthread_flag,
               make<IsSet>),
  };
}

}  // namespace bench
