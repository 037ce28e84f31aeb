// Who owns a Lock: its process, any thread of it; or, by option, nobody in particular. What it has
// in common with other locks is tested in lock_behaviour_test.cc.
#include <chrono>
#include <mutex>
#include <string>
#include <vector>

#include "tests/e2e/sync.h"

namespace shoal::e2e {
namespace {

std::string take(Lock& lock) { return outcome(lock.acquire(kLong)); }

class LockOnly : public Sync {
 protected:
  Lock lock_ = made<Lock>("it");
  Lock anyones_ = made<Lock>("anyones", {.release_by = ReleaseBy::kAnyone});
};

TEST_F(LockOnly, IsNotRecursive) {
  must(lock_.acquire());
  EXPECT_EQ(code(lock_.acquire(kNow)), "DEADLINE_EXCEEDED");
  EXPECT_FALSE(lock_.try_lock());
  EXPECT_FALSE(lock_.try_lock_for(std::chrono::milliseconds(5)));
}

TEST_F(LockOnly, AnotherThreadOfTheProcessMayRelease) {
  must(lock_.acquire());
  Thread other([&] { return outcome(lock_.release()); });
  EXPECT_EQ(other.result(), "OK");
  EXPECT_FALSE(lock_.locked());
}

TEST_F(LockOnly, ReleasedElsewhereItLetsItsHolderTakeItAgain) {
  must(lock_.acquire());
  Thread again([&] { return code(lock_.acquire(kLong)); });
  EXPECT_TRUE(again.falls_asleep());
  must(lock_.release());
  EXPECT_EQ(again.result(), "OK");
}

TEST_F(LockOnly, OneOfAnyonesIsReleasedByAnotherProcess) {
  must(anyones_.acquire());
  EXPECT_EQ(in_child([&] { return outcome(opened<Lock>("anyones").release()); }), "OK");
  EXPECT_FALSE(anyones_.locked());
  EXPECT_EQ(code(anyones_.release()), "FAILED_PRECONDITION");
}

TEST_F(LockOnly, OneOfAnyonesWakesWhoWaitsWhenAnotherReleasesIt) {
  must(anyones_.acquire());
  Child waiter = sleeper<Lock>("anyones", take);
  EXPECT_EQ(in_child([&] { return outcome(opened<Lock>("anyones").release()); }), "OK");
  EXPECT_EQ(waiter.result(), "OK");
}

TEST_F(LockOnly, TheHoldersDeathIsToldWhoeverMayRelease) {
  holder<Lock>("anyones", take).kill();
  EXPECT_TRUE(must(anyones_.acquire(kLong)).abandoned);
}

TEST_F(LockOnly, AWaiterThatIsStoppedWhenWokenKeepsNobodyFromTheNextUnlock) {
  must(lock_.acquire());
  // Who slept first is woken first.
  Child stopped = sleeper<Lock>("it", take);
  Child other = sleeper<Lock>("it", [](Lock& lock) {
    const std::string got = code(lock.acquire(kLong));
    return got == "OK" ? outcome(lock.release()) : got;
  });
  ASSERT_EQ(::kill(stopped.pid(), SIGSTOP), 0);
  must(lock_.release());
  // It has been woken and does not get on; the lock is free.
  must(lock_.acquire(kLong));
  must(lock_.release());
  EXPECT_EQ(other.result(), "OK");
  ASSERT_EQ(::kill(stopped.pid(), SIGCONT), 0);
  EXPECT_EQ(stopped.result(), "OK");
}

TEST_F(LockOnly, AnotherHandoffAfterEveryDeath) {
  // A chain of waiters, each of which dies with the lock in its hand.
  must(lock_.acquire());
  std::vector<Child> waiters;
  for (int i = 0; i < 5; ++i) {
    waiters.push_back(sleeper<Lock>("it", [](Lock& lock) {
      const std::string got = code(lock.acquire(kLong));
      if (got == "OK") ::raise(SIGKILL);
      return got;
    }));
  }
  must(lock_.release());
  for (Child& waiter : waiters) EXPECT_TRUE(WIFSIGNALED(waiter.wait()));
  EXPECT_TRUE(must(lock_.acquire(kLong)).abandoned);
}

TEST_F(LockOnly, AGuardOutlivesTheManagerAndIsInheritedByAFork) {
  {
    const std::scoped_lock guard(lock_);
    EXPECT_EQ(in_child([&] {
                // What a child inherits of a guard unlocks nothing, and ends nothing.
                lock_.unlock();
                return code(lock_.release());
              }),
              "FAILED_PRECONDITION");
    EXPECT_TRUE(lock_.locked());
  }
  EXPECT_FALSE(lock_.locked());
  EXPECT_TRUE(lock_.try_lock_for(std::chrono::duration<double>(0.5)));
  EXPECT_FALSE(lock_.try_lock_until(std::chrono::steady_clock::time_point::min()));
}

}  // namespace
}  // namespace shoal::e2e
