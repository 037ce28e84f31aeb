// The promise of the data plane as a test: a warm operation makes no system call, asks for no
// memory, and does not need the manager. Shown by doing it a million times in a process that the
// kernel kills for any system call, while the manager is stopped.
//
// Replaces operator new and delete: one source of a program includes this, no more.
#pragma once

#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <new>

#include "absl/functional/function_ref.h"
#include <gtest/gtest.h>

#include <shoal/shoal.h>

namespace shoal::e2e {

inline long allocations = 0;

}  // namespace shoal::e2e

// libshoal's own calls come here too.
[[gnu::noinline]] void* operator new(std::size_t size) {
  ++shoal::e2e::allocations;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace shoal::e2e {

inline constexpr int kTimes = 1'000'000;
inline constexpr int kWarmUps = 16;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kInstrumented = true;  // the sanitizer makes system calls of its own
#else
inline constexpr bool kInstrumented = false;
#endif

enum Outcome : int { kDone = 0, kWrong = 1, kAllocated = 2, kNoFilter = 3 };

// Runs `operation` in a child under the filter; it has been run a few times before, so that it is
// warm.
inline pid_t run_alone(absl::FunctionRef<bool(int)> operation) {
  const pid_t child = ::fork();
  if (child != 0) return child;
  // The child's first operation opens its session, and some more take what memory the objects need
  // to change in place: the manager still runs then.
  int outcome = kDone;
  for (int i = 0; i < kWarmUps && outcome == kDone; ++i) outcome = operation(i) ? kDone : kWrong;
  ::kill(::getpid(), SIGSTOP);
  // Strict mode: read, write, sigreturn and exit; anything else is SIGKILL, and a look at the
  // clock, which may be no system call, SIGSEGV.
  if (!kInstrumented && ::prctl(PR_SET_SECCOMP, 1) != 0) outcome = kNoFilter;
  const long before = allocations;
  for (int i = 0; i < kTimes && outcome == kDone; ++i) {
    if (!operation(i)) outcome = kWrong;
  }
  if (outcome == kDone && allocations != before) outcome = kAllocated;
  // Strict mode knows no exit_group, but a sanitizer may have a thread of its own to end.
  if (kInstrumented) ::_exit(outcome);
  ::syscall(SYS_exit, outcome);
  __builtin_unreachable();
}

class DataPlane : public testing::Test {
 protected:
  // What became of a million times with the manager stopped, or -signal.
  int outcome_of(absl::FunctionRef<bool(int)> operation) {
    const pid_t child = run_alone(operation);
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, WUNTRACED), child);
    EXPECT_TRUE(WIFSTOPPED(status));
    ::kill(manager_.pid(), SIGSTOP);
    ::kill(child, SIGCONT);
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    ::kill(manager_.pid(), SIGCONT);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

  Manager manager_ = *Manager::start();
  Client client_ = *manager_.connect();
};

}  // namespace shoal::e2e
