// Those who race in a test: as threads of it, or as processes forked from it.
#pragma once

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace shoal::test {

using Role = std::function<void()>;
// Returns when all are over.
using RunRoles = void (*)(const std::vector<Role>& roles);

inline void run_as_threads(const std::vector<Role>& roles) {
  std::vector<std::thread> threads;
  threads.reserve(roles.size());
  for (const Role& role : roles) threads.emplace_back(role);
  for (std::thread& thread : threads) thread.join();
}

// A role may not touch the test framework.
inline void run_as_processes(const std::vector<Role>& roles) {
#if defined(__SANITIZE_THREAD__)
  run_as_threads(roles);  // it sees one process only
#else
  std::vector<pid_t> children;
  for (const Role& role : roles) {
    const pid_t child = ::fork();
    if (child < 0) std::abort();
    if (child == 0) {
      role();
      ::_exit(0);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = -1;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
#endif
}

// One of a plain type, all zeros, that forked processes share.
template <typename T>
class SharedBy {
 public:
  SharedBy()
      : at_(::mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) {
    if (at_ == MAP_FAILED) std::abort();
  }
  SharedBy(const SharedBy&) = delete;
  SharedBy& operator=(const SharedBy&) = delete;
  ~SharedBy() { ::munmap(at_, sizeof(T)); }
  [[nodiscard]] T& operator*() const { return *static_cast<T*>(at_); }
  [[nodiscard]] T* operator->() const { return static_cast<T*>(at_); }

 private:
  void* at_;
};

}  // namespace shoal::test
