// Telling a forked child from its parent, and keeping the library's mutexes whole across fork().
#pragma once

#include <cstdint>
#include <mutex>

namespace shoal::internal {

// A number that differs between a process and every process forked from it. Costs one load.
std::uint64_t fork_epoch();

// How often this process has forked. Stands still while a ForkGuarded's mutex is held.
std::uint64_t fork_count();

// Something whose mutexes are held during fork(), so that the child gets them unlocked and what
// they guard whole. Registered for life; locked newest first. So fork() waits for a call that is
// under way in another thread.
class ForkGuarded {
 public:
  ForkGuarded(const ForkGuarded&) = delete;
  ForkGuarded& operator=(const ForkGuarded&) = delete;

 protected:
  ForkGuarded();
  ~ForkGuarded();

  std::mutex call_mutex_;   // taken first
  std::mutex state_mutex_;  // taken second, never held while waiting

 private:
  friend struct ForkRegistry;
  ForkGuarded* next_ = nullptr;
  ForkGuarded* previous_ = nullptr;
};

}  // namespace shoal::internal
