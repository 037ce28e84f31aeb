// Telling processes apart after fork(), mutexes whole in the child, and descriptors that the host
// program took away.
#include "client/fork.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "client/guarded_fd.h"

namespace shoal::internal {
namespace {

// Runs `body` in a forked child, which sends back one number.
std::uint64_t in_child(const std::function<std::uint64_t()>& body) {
  int ends[2];
  EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const std::uint64_t result = body();
    ::_exit(::write(ends[1], &result, sizeof result) == sizeof result ? 0 : 1);
  }
  ::close(ends[1]);
  std::uint64_t result = 0;
  EXPECT_EQ(::read(ends[0], &result, sizeof result), static_cast<ssize_t>(sizeof result));
  ::close(ends[0]);
  int status = -1;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  return result;
}

TEST(ForkEpoch, StaysTheSameInOneProcess) {
  const std::uint64_t epoch = fork_epoch();
  EXPECT_NE(epoch, 0U);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(fork_epoch(), epoch);
  (void)in_child([] { return fork_epoch(); });
  EXPECT_EQ(fork_epoch(), epoch);  // a child's does not move its parent's
}

TEST(ForkEpoch, IsTheSameInAllThreads) {
  const std::uint64_t epoch = in_child([] {
    // Nobody has asked yet in this child: threads race for the first answer.
    std::vector<std::thread> threads;
    std::atomic<bool> go{false};
    std::vector<std::uint64_t> seen(8);
    for (std::size_t i = 0; i < seen.size(); ++i) {
      threads.emplace_back([&, i] {
        while (!go.load()) std::this_thread::yield();
        seen[i] = fork_epoch();
      });
    }
    go = true;
    for (std::thread& thread : threads) thread.join();
    const std::set<std::uint64_t> different(seen.begin(), seen.end());
    return different.size() == 1 ? *different.begin() : 0;
  });
  EXPECT_NE(epoch, 0U);
  EXPECT_NE(epoch, fork_epoch());
}

TEST(ForkEpoch, DiffersInChildAndGrandchild) {
  const std::uint64_t mine = fork_epoch();
  std::uint64_t grandchild = 0;
  const std::uint64_t child = in_child([&] {
    const std::uint64_t own = fork_epoch();
    const std::uint64_t below = in_child([] { return fork_epoch(); });
    return own != mine && below != own && below != mine ? own : 0;
  });
  EXPECT_NE(child, 0U);
  EXPECT_NE(child, mine);
  // Also where the child itself never asked.
  grandchild = in_child([] { return in_child([] { return fork_epoch(); }); });
  EXPECT_NE(grandchild, 0U);
  EXPECT_NE(grandchild, mine);
}

class Guarded : public ForkGuarded {
 public:
  std::mutex& call() { return call_mutex_; }
  std::mutex& state() { return state_mutex_; }
  // Guarded by both mutexes: always equal while neither is held.
  void count() {
    const std::lock_guard call(call_mutex_);
    const std::lock_guard state(state_mutex_);
    ++first_;
    ++second_;
  }
  bool whole() {
    const std::unique_lock call(call_mutex_, std::try_to_lock);
    const std::unique_lock state(state_mutex_, std::try_to_lock);
    return call.owns_lock() && state.owns_lock() && first_ == second_;
  }

 private:
  std::uint64_t first_ = 0;
  std::uint64_t second_ = 0;
};

// In the child no thread holds a mutex: all must be free, and what they guard whole.
TEST(ForkGuarded, MutexesAreFreeInTheChildWhileThreadsUseThem) {
  std::vector<std::unique_ptr<Guarded>> guarded;
  for (int i = 0; i < 3; ++i) guarded.push_back(std::make_unique<Guarded>());
  std::atomic<bool> over{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&, i] {
      while (!over.load()) guarded[i]->count();
    });
  }
  std::unique_ptr<Guarded> late;  // the list of them changes meanwhile
  for (int round = 0; round < 100; ++round) {
    EXPECT_EQ(in_child([&] {
                for (const auto& one : guarded) {
                  if (!one->whole()) return 2;
                }
                return late == nullptr || late->whole() ? 1 : 2;
              }),
              1U);
    if (round == 50) late = std::make_unique<Guarded>();
    if (round == 60) late.reset();
  }
  over = true;
  for (std::thread& thread : threads) thread.join();
  for (const auto& one : guarded) EXPECT_TRUE(one->whole());
}

TEST(ForkGuarded, ARemovedOneIsForgotten) {
  auto first = std::make_unique<Guarded>();
  auto second = std::make_unique<Guarded>();
  auto third = std::make_unique<Guarded>();
  second.reset();
  EXPECT_EQ(in_child([&] { return first->whole() && third->whole() ? 1 : 2; }), 1U);
  third.reset();
  EXPECT_EQ(in_child([&] { return first->whole() ? 1 : 2; }), 1U);
  first.reset();
  EXPECT_EQ(in_child([] { return 1; }), 1U);
}

// ---- GuardedFd ----

protocol::UniqueFd new_file() {
  int ends[2];
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  ::close(ends[1]);
  return protocol::UniqueFd(ends[0]);
}

bool is_open(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }

TEST(GuardedFd, ClosesItsOwn) {
  protocol::UniqueFd file = new_file();
  const int number = file.get();
  {
    const GuardedFd guarded(std::move(file));
    EXPECT_TRUE(guarded.ours());
    EXPECT_EQ(guarded.get(), number);
  }
  EXPECT_FALSE(is_open(number));
}

TEST(GuardedFd, KnowsThatTheHostClosedIt) {
  GuardedFd guarded(new_file());
  ::close(guarded.get());
  EXPECT_FALSE(guarded.ours());
  EXPECT_TRUE(guarded.valid());
  guarded.close();
  EXPECT_FALSE(guarded.valid());
}

TEST(GuardedFd, LeavesAnotherFileUnderItsNumberAlone) {
  const protocol::UniqueFd other = new_file();
  protocol::UniqueFd file = new_file();
  const int number = file.get();
  {
    const GuardedFd guarded(std::move(file));
    ASSERT_EQ(::dup2(other.get(), number), number);
    EXPECT_FALSE(guarded.ours());
  }
  EXPECT_TRUE(is_open(number));
  ::close(number);
}

TEST(GuardedFd, MovesAndAssigns) {
  GuardedFd first(new_file());
  const int number = first.get();
  GuardedFd second(std::move(first));
  EXPECT_TRUE(second.ours());
  GuardedFd third(new_file());
  const int closed = third.get();
  third = std::move(second);
  EXPECT_EQ(third.get(), number);
  EXPECT_TRUE(third.ours());
  EXPECT_FALSE(is_open(closed));
  third = GuardedFd();
  EXPECT_FALSE(is_open(number));
  EXPECT_FALSE(GuardedFd(protocol::UniqueFd()).ours());
}

}  // namespace
}  // namespace shoal::internal
