// References by the C library: see sync.h.
#include <atomic>

#include "reference/lock_sides.h"
#include "reference/sync.h"

namespace reference {
namespace {

class SemaphoreSide final : public Side {
 public:
  std::uint64_t run(std::uint64_t rounds) override {
    PosixSemaphore& semaphore = *semaphore_;
    return sync_rounds(rounds, [&] { return semaphore.take() & semaphore.give(); });
  }

 private:
  InSharedMemory<PosixSemaphore> semaphore_{1U};
};

struct FlagUnderMutex {
  PlainMutex mutex;
  bool set = true;
};

class FlagSide final : public Side {
 public:
  std::uint64_t run(std::uint64_t rounds) override {
    FlagUnderMutex& flag = *flag_;
    return sync_rounds(rounds, [&] {
      flag.mutex.lock();
      const std::uint64_t set = flag.set ? 1 : 0;
      flag.mutex.unlock();
      return set;
    });
  }

 private:
  InSharedMemory<FlagUnderMutex> flag_;
};

using Atomic = std::atomic<std::uint64_t>;

class AtomicLoad final : public Side {
 public:
  std::uint64_t run(std::uint64_t rounds) override {
    return sync_rounds(rounds, [value = value_.get()] { return value->load(); });
  }

 private:
  std::unique_ptr<Atomic> value_ = std::make_unique<Atomic>(1);
};

class AtomicFetchAdd final : public Side {
 public:
  std::uint64_t run(std::uint64_t rounds) override {
    return sync_rounds(rounds, [value = value_.get()] { return value->fetch_add(1) % kSyncRound; });
  }

 private:
  std::unique_ptr<Atomic> value_ = std::make_unique<Atomic>(0);
};

}  // namespace

std::unique_ptr<Side> pthread_lock() { return std::make_unique<Uncontended<PlainMutex>>(); }
std::unique_ptr<Side> pthread_robust_lock() { return std::make_unique<Uncontended<RobustMutex>>(); }
std::unique_ptr<Side> pthread_recursive_lock() {
  return std::make_unique<Uncontended<RecursiveMutex>>();
}
std::unique_ptr<Side> pthread_read_lock() {
  return std::make_unique<Uncontended<PthreadReadLock>>();
}
std::unique_ptr<Side> posix_semaphore() { return std::make_unique<SemaphoreSide>(); }
std::unique_ptr<Side> pthread_flag() { return std::make_unique<FlagSide>(); }
std::unique_ptr<Side> atomic_load() { return std::make_unique<AtomicLoad>(); }
std::unique_ptr<Side> atomic_fetch_add() { return std::make_unique<AtomicFetchAdd>(); }

std::unique_ptr<Side> pthread_contended(int outside_steps) {
  return std::make_unique<Contended<PlainMutex>>(outside_steps);
}
std::unique_ptr<Side> pthread_robust_contended(int outside_steps) {
  return std::make_unique<Contended<RobustMutex>>(outside_steps);
}

}  // namespace reference
