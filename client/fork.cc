// See fork.h. The only process-wide state of the library: a page, a counter and a list. None of it
// is ever destroyed, so that nothing depends on the order of exit.
#include "client/fork.h"

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <new>

namespace shoal::internal {

namespace {

std::atomic<std::uint64_t> forks{0};

}  // namespace

struct ForkRegistry {
  std::mutex mutex;
  ForkGuarded* first = nullptr;

  static ForkRegistry& get() {
    static ForkRegistry* const registry = make();
    return *registry;
  }

  static ForkRegistry* make() {
    ::pthread_atfork(before, after_in_parent, after);
    return new ForkRegistry;
  }

  static void before() {
    ForkRegistry& registry = get();
    registry.mutex.lock();
    for (ForkGuarded* g = registry.first; g != nullptr; g = g->next_) g->call_mutex_.lock();
    for (ForkGuarded* g = registry.first; g != nullptr; g = g->next_) g->state_mutex_.lock();
  }

  static void after_in_parent() {
    forks.fetch_add(1, std::memory_order_relaxed);
    after();
  }

  static void after() {
    ForkRegistry& registry = get();
    for (ForkGuarded* g = registry.first; g != nullptr; g = g->next_) {
      g->state_mutex_.unlock();
      g->call_mutex_.unlock();
    }
    registry.mutex.unlock();
  }
};

ForkGuarded::ForkGuarded() {
  ForkRegistry& registry = ForkRegistry::get();
  const std::lock_guard lock(registry.mutex);
  next_ = registry.first;
  if (next_ != nullptr) next_->previous_ = this;
  registry.first = this;
}

ForkGuarded::~ForkGuarded() {
  ForkRegistry& registry = ForkRegistry::get();
  const std::lock_guard lock(registry.mutex);
  (previous_ != nullptr ? previous_->next_ : registry.first) = next_;
  if (next_ != nullptr) next_->previous_ = previous_;
}

namespace {

// In ordinary memory: inherited by forks, so that a child's number is a new one in its line.
std::atomic<std::uint64_t> last_epoch{0};

// The word that the kernel wipes in a child. Null where it cannot: then the pid tells.
std::atomic<std::uint64_t>* wiped_word() {
  static std::atomic<std::uint64_t>* const word = []() -> std::atomic<std::uint64_t>* {
    void* page = ::mmap(nullptr, static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)),
                        PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) return nullptr;
    if (::madvise(page, 1, MADV_WIPEONFORK) != 0) return nullptr;
    return new (page) std::atomic<std::uint64_t>(0);
  }();
  return word;
}

}  // namespace

std::uint64_t fork_count() { return forks.load(std::memory_order_relaxed); }

std::uint64_t fork_epoch() {
  std::atomic<std::uint64_t>* const word = wiped_word();
  if (word == nullptr) return static_cast<std::uint64_t>(::getpid());
  std::uint64_t epoch = word->load(std::memory_order_relaxed);
  if (epoch != 0) return epoch;
  const std::uint64_t fresh = last_epoch.fetch_add(1, std::memory_order_relaxed) + 1;
  return word->compare_exchange_strong(epoch, fresh, std::memory_order_relaxed) ? fresh : epoch;
}

}  // namespace shoal::internal
