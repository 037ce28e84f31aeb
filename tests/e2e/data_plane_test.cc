// The promise of the data plane: a warm operation makes no system call, asks for no memory, and
// does not need the manager. Shown by doing it a million times in a process that the kernel kills
// for any system call, while the manager is stopped.
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdlib>
#include <new>

#include "absl/functional/function_ref.h"
#include <gtest/gtest.h>

#include <shoal/shoal.h>

namespace {

long allocations = 0;

}  // namespace

// libshoal's own calls come here too.
[[gnu::noinline]] void* operator new(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace {

constexpr int kTimes = 1'000'000;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kInstrumented = true;  // the sanitizer makes system calls of its own
#else
constexpr bool kInstrumented = false;
#endif

enum Outcome : int { kDone = 0, kWrong = 1, kAllocated = 2, kNoFilter = 3 };

// Runs `operation` in a child under the filter; it has been run once before, so that it is warm.
int run_alone(absl::FunctionRef<bool(int)> operation) {
  const pid_t child = ::fork();
  if (child == 0) {
    // The child's first operation opens its session: the manager still runs then.
    int outcome = operation(0) ? kDone : kWrong;
    ::kill(::getpid(), SIGSTOP);
    // Strict mode: read, write, sigreturn and exit; anything else is SIGKILL.
    if (!kInstrumented && ::prctl(PR_SET_SECCOMP, 1) != 0) outcome = kNoFilter;
    const long before = allocations;
    for (int i = 0; i < kTimes && outcome == kDone; ++i) {
      if (!operation(i)) outcome = kWrong;
    }
    if (outcome == kDone && allocations != before) outcome = kAllocated;
    // Strict mode knows no exit_group, but a sanitizer may have a thread of its own to end.
    if (kInstrumented) ::_exit(outcome);
    ::syscall(SYS_exit, outcome);
  }
  return child;
}

class DataPlane : public testing::Test {
 protected:
  // What became of a million times with the manager stopped, or -signal.
  int outcome_of(absl::FunctionRef<bool(int)> operation) {
    const int child = run_alone(operation);
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, WUNTRACED), child);
    EXPECT_TRUE(WIFSTOPPED(status));
    ::kill(manager_.pid(), SIGSTOP);
    ::kill(child, SIGCONT);
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    ::kill(manager_.pid(), SIGCONT);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

  shoal::Manager manager_ = *shoal::Manager::start();
  shoal::Client client_ = *manager_.connect();
  shoal::ShareableList list_ = *client_.create<shoal::ShareableList>(
      "list", {.values = {0, 1.5, "twenty-four bytes of it!", nullptr}});
};

TEST_F(DataPlane, TheFilterKills) {
  if (kInstrumented) return;
  EXPECT_EQ(outcome_of([](int i) { return i == 0 || ::syscall(SYS_getppid) > 0; }), -SIGKILL);
}

TEST_F(DataPlane, GetInt) {
  EXPECT_EQ(outcome_of([&](int) { return *list_.get_int(0) == 0; }), kDone);
}

TEST_F(DataPlane, GetDouble) {
  EXPECT_EQ(outcome_of([&](int) { return *list_.get_double(1) == 1.5; }), kDone);
}

TEST_F(DataPlane, GetInto) {
  std::array<std::byte, 32> room;
  EXPECT_EQ(outcome_of([&](int) { return *list_.get_into(2, room) == 24; }), kDone);
}

TEST_F(DataPlane, SetInt) {
  EXPECT_EQ(outcome_of([&](int i) { return list_.set_int(0, i).ok(); }), kDone);
  EXPECT_EQ(*list_.get_int(0), kTimes - 1);
}

TEST_F(DataPlane, SetOfAText) {
  const shoal::Value text("twenty-four bytes of it?");
  EXPECT_EQ(outcome_of([&](int) { return list_.set(2, text).ok(); }), kDone);
}

TEST_F(DataPlane, BytesOfASegment) {
  const shoal::SharedMemory memory = *client_.create<shoal::SharedMemory>("bytes", {.size = 4096});
  EXPECT_EQ(outcome_of([&](int i) {
              memory.data()[i % 4096] = static_cast<std::byte>(i);
              return memory.size() == 4096;
            }),
            kDone);
}

}  // namespace
