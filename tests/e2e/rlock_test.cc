// RLock: the owner is one thread of one process, and counts. What it has in common with other locks
// is tested in lock_behaviour_test.cc.
#include <mutex>
#include <string>
#include <thread>

#include "tests/e2e/sync.h"

namespace shoal::e2e {
namespace {

class RLocks : public Sync {
 protected:
  RLock lock_ = made<RLock>("it");
};

TEST_F(RLocks, IsReleasedAsOftenAsAcquired) {
  const Acquired first = must(lock_.acquire());
  const Acquired second = must(lock_.acquire());
  const Acquired third = must(lock_.acquire(kNow));
  EXPECT_EQ(first.token, second.token);
  EXPECT_EQ(first.token, third.token);
  for (int depth = 3; depth > 0; --depth) {
    EXPECT_EQ(lock_.depth(), static_cast<std::uint32_t>(depth));
    EXPECT_TRUE(lock_.locked());
    EXPECT_EQ(in_child([&] { return code(opened<RLock>("it").acquire(kNow)); }),
              "DEADLINE_EXCEEDED");
    EXPECT_EQ(outcome(lock_.release()), "OK");
  }
  EXPECT_EQ(lock_.depth(), 0U);
  EXPECT_FALSE(lock_.locked());
  EXPECT_EQ(code(lock_.release()), "FAILED_PRECONDITION");
  EXPECT_GT(must(lock_.acquire()).token, first.token);
}

TEST_F(RLocks, NestedGuards) {
  const std::scoped_lock outer(lock_);
  {
    const std::unique_lock inner(lock_, std::try_to_lock);
    EXPECT_TRUE(inner.owns_lock());
    EXPECT_EQ(lock_.depth(), 2U);
  }
  EXPECT_EQ(lock_.depth(), 1U);
}

TEST_F(RLocks, ItsOwnerIsTheThread) {
  must(lock_.acquire());
  Thread other([&] {
    return code(lock_.acquire(kNow)) + " " + code(lock_.release()) + " " +
           std::to_string(lock_.depth());
  });
  EXPECT_EQ(other.result(), "DEADLINE_EXCEEDED FAILED_PRECONDITION 0");
  EXPECT_EQ(lock_.depth(), 1U);
  Thread waiter([&] {
    std::string got = code(lock_.acquire(kLong));
    must(lock_.release());
    return got;
  });
  EXPECT_TRUE(waiter.falls_asleep());
  must(lock_.release());
  EXPECT_EQ(waiter.result(), "OK");
}

TEST_F(RLocks, AForkedChildIsAnotherOwner) {
  must(lock_.acquire());
  must(lock_.acquire());
  EXPECT_EQ(in_child([&] {
              return std::to_string(lock_.depth()) + " " + code(lock_.release()) + " " +
                     code(lock_.acquire(kNow));
            }),
            "0 FAILED_PRECONDITION DEADLINE_EXCEEDED");
  EXPECT_EQ(lock_.depth(), 2U);
}

TEST_F(RLocks, TheDepthOfTheDeadIsForgotten) {
  Child other = holder<RLock>("it", [](RLock& lock) {
    for (int i = 0; i < 3; ++i) must(lock.acquire());
    return std::string("OK");
  });
  other.kill();
  EXPECT_TRUE(must(lock_.acquire(kLong)).abandoned);
  EXPECT_EQ(lock_.depth(), 1U);
  EXPECT_EQ(outcome(lock_.mark_consistent()), "OK");
  EXPECT_EQ(outcome(lock_.release()), "OK");
  EXPECT_FALSE(lock_.locked());
}

TEST_F(RLocks, TheDepthIsTheThreadsAlsoAfterATimeoutOfAnother) {
  must(lock_.acquire());
  Thread other([&] { return code(lock_.acquire(kShort)); });
  EXPECT_EQ(other.result(), "DEADLINE_EXCEEDED");
  EXPECT_EQ(lock_.depth(), 1U);
  EXPECT_EQ(outcome(lock_.release()), "OK");
}

// A thread that holds a lock when its last proxy goes holds nothing any more.
TEST_F(RLocks, AThreadsNumberIsGivenBackThoughItClosedWhatItHeld) {
  for (int i = 0; i < 20; ++i) {
    Thread thread([&] {
      auto other = must(client_.create<RLock>());
      must(other.acquire());
      return code(other.close());
    });
    EXPECT_EQ(thread.result(), "OK");
  }
  Thread thread([&] {
    must(lock_.acquire());
    const Inspector seen = must(Inspector::look());
    std::string number;
    for (const LockSeen& lock : seen.locks()) {
      const bool is_it =
          lock.object == lock_.id() && lock.holder.has_value() && lock.holder->pid == ::getpid();
      if (is_it) number = std::to_string(lock.holder->thread);
    }
    must(lock_.release());
    return number;
  });
  EXPECT_EQ(thread.result(), "1");
}

TEST_F(RLocks, ThreadNumbersDoNotRunOutThoughTheThreadsEndBeforeTheProxies) {
  constexpr int kMoreThanThereAre = 16'400;
  for (int i = 0; i < kMoreThanThereAre; ++i) {
    RLock other = must(client_.create<RLock>());
    std::thread([&] { must(other.acquire()); }).join();
    must(other.close());
  }
}

}  // namespace
}  // namespace shoal::e2e
