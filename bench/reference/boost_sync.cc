// References by Boost.Interprocess: see sync.h.
#include <boost/interprocess/sync/interprocess_mutex.hpp>
#include <boost/interprocess/sync/interprocess_recursive_mutex.hpp>
#include <boost/interprocess/sync/interprocess_semaphore.hpp>
#include <boost/interprocess/sync/interprocess_sharable_mutex.hpp>

#include "reference/lock_sides.h"
#include "reference/sync.h"

namespace reference {
namespace {

namespace ipc = boost::interprocess;

template <typename Mutex>
struct BoostMutex {
  std::uint64_t lock() {
    mutex.lock();
    return 1;
  }
  std::uint64_t unlock() {
    mutex.unlock();
    return 1;
  }
  Mutex mutex;
};

struct BoostReadLock {
  std::uint64_t lock() {
    mutex.lock_sharable();
    return 1;
  }
  std::uint64_t unlock() {
    mutex.unlock_sharable();
    return 1;
  }
  ipc::interprocess_sharable_mutex mutex;
};

struct BoostSemaphore {
  std::uint64_t lock() {
    semaphore.wait();
    return 1;
  }
  std::uint64_t unlock() {
    semaphore.post();
    return 1;
  }
  ipc::interprocess_semaphore semaphore{1};
};

using Mutex = BoostMutex<ipc::interprocess_mutex>;

}  // namespace

std::unique_ptr<Side> boost_lock() { return std::make_unique<Uncontended<Mutex>>(); }
std::unique_ptr<Side> boost_recursive_lock() {
  return std::make_unique<Uncontended<BoostMutex<ipc::interprocess_recursive_mutex>>>();
}
std::unique_ptr<Side> boost_read_lock() { return std::make_unique<Uncontended<BoostReadLock>>(); }
std::unique_ptr<Side> boost_semaphore() { return std::make_unique<Uncontended<BoostSemaphore>>(); }
std::unique_ptr<Side> boost_contended(int outside_steps) {
  return std::make_unique<Contended<Mutex>>(outside_steps);
}

}  // namespace reference
