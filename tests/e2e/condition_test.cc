// Condition: wait, wait_for, notify, notify_all, with its own lock and with others. What its lock
// has in common with other locks is tested in lock_behaviour_test.cc.
#include <mutex>
#include <string>
#include <vector>

#include "tests/e2e/sync.h"

namespace shoal::e2e {
namespace {

std::string await(Condition& condition) {
  const std::scoped_lock guard(condition);
  return code(condition.wait(kLong));
}

class Conditions : public Sync {
 protected:
  // Until so many wait, and are not notified yet.
  [[nodiscard]] bool there_wait(std::uint32_t count) const {
    return wait_until([&] { return condition_.waiters() == count; });
  }
  std::vector<Child> waiters(int count, std::string (*call)(Condition&) = await) {
    std::vector<Child> children;
    for (int i = 0; i < count; ++i) {
      children.emplace_back([this, call](Channel&) {
        Condition condition = opened<Condition>("it");
        return call(condition);
      });
    }
    EXPECT_TRUE(there_wait(static_cast<std::uint32_t>(count)));
    return children;
  }
  // How many of them have ended by now.
  static std::size_t ended(std::vector<Child>& children) {
    std::size_t count = 0;
    for (const Child& child : children) {
      siginfo_t info{};
      ::waitid(P_PID, static_cast<id_t>(child.pid()), &info, WEXITED | WNOHANG | WNOWAIT);
      if (info.si_pid != 0) ++count;
    }
    return count;
  }

  Condition condition_ = made<Condition>("it");
};

TEST_F(Conditions, WaitNeedsTheLock) {
  EXPECT_EQ(code(condition_.wait(kNow)), "FAILED_PRECONDITION");
  EXPECT_EQ(code(condition_.wait_for([] { return false; }, kNow)), "FAILED_PRECONDITION");
  must(condition_.acquire());
  Thread other([&] { return code(condition_.wait(kNow)); });
  EXPECT_EQ(other.result(), "FAILED_PRECONDITION");
  EXPECT_EQ(condition_.waiters(), 0U);
}

TEST_F(Conditions, WaitTimesOutAndHoldsTheLockAgain) {
  must(condition_.acquire());
  EXPECT_EQ(code(condition_.wait(kNow)), "DEADLINE_EXCEEDED");
  EXPECT_EQ(code(condition_.wait(kShort)), "DEADLINE_EXCEEDED");
  EXPECT_EQ(code(condition_.wait(-absl::Seconds(1))), "DEADLINE_EXCEEDED");
  EXPECT_EQ(condition_.depth(), 1U);
  EXPECT_EQ(condition_.waiters(), 0U);
  EXPECT_EQ(*condition_.notify(), 0U);
}

TEST_F(Conditions, WaitGivesTheLockBackAndTakesItAgain) {
  Thread waiter([&] {
    const std::scoped_lock guard(condition_);
    const std::string got = code(condition_.wait(kLong));
    return got + " " + std::to_string(condition_.depth());
  });
  EXPECT_TRUE(there_wait(1));
  EXPECT_EQ(code(condition_.acquire(kLong)), "OK");
  EXPECT_EQ(*condition_.notify(), 1U);
  EXPECT_EQ(condition_.waiters(), 0U);
  // It wants the lock now.
  EXPECT_TRUE(waiter.falls_asleep());
  must(condition_.release());
  EXPECT_EQ(waiter.result(), "OK 1");
}

TEST_F(Conditions, ANestedHoldIsGivenBackWholeAndTakenAsDeep) {
  Thread waiter([&] {
    for (int i = 0; i < 3; ++i) must(condition_.acquire());
    const std::string got = code(condition_.wait(kLong));
    return got + " " + std::to_string(condition_.depth());
  });
  EXPECT_TRUE(there_wait(1));
  {
    const std::scoped_lock guard(condition_);
    EXPECT_EQ(*condition_.notify(), 1U);
  }
  EXPECT_EQ(waiter.result(), "OK 3");
}

TEST_F(Conditions, NotifyWakesOneAtATime) {
  std::vector<Child> children = waiters(3);
  for (std::size_t i = 1; i <= 3; ++i) {
    EXPECT_EQ(*condition_.notify(), 1U);
    EXPECT_TRUE(wait_until([&] { return ended(children) == i; }));
    EXPECT_EQ(condition_.waiters(), 3 - i);
  }
  EXPECT_EQ(*condition_.notify(), 0U);
  for (Child& child : children) EXPECT_EQ(child.result(), "OK");
}

TEST_F(Conditions, NotifySome) {
  std::vector<Child> children = waiters(6);
  EXPECT_EQ(*condition_.notify(0), 0U);
  EXPECT_EQ(*condition_.notify(2), 2U);
  EXPECT_TRUE(wait_until([&] { return ended(children) == 2; }));
  EXPECT_EQ(condition_.waiters(), 4U);
  EXPECT_EQ(*condition_.notify(9), 4U);
  EXPECT_EQ(*condition_.notify(3), 0U);
  for (Child& child : children) EXPECT_EQ(child.result(), "OK");
}

TEST_F(Conditions, NotifyAllAfterSomeTimedOut) {
  const auto briefly = [](Condition& condition) {
    const std::scoped_lock guard(condition);
    return code(condition.wait(absl::Milliseconds(200)));
  };
  std::vector<Child> early = waiters(3, briefly);
  for (Child& child : early) EXPECT_EQ(child.result(), "DEADLINE_EXCEEDED");
  EXPECT_EQ(condition_.waiters(), 0U);
  std::vector<Child> late = waiters(5);
  EXPECT_EQ(*condition_.notify_all(), 5U);
  for (Child& child : late) EXPECT_EQ(child.result(), "OK");
  EXPECT_EQ(*condition_.notify_all(), 0U);
}

TEST_F(Conditions, ANotificationIsNotKeptForLater) {
  EXPECT_EQ(*condition_.notify(), 0U);
  EXPECT_EQ(*condition_.notify_all(), 0U);
  const std::scoped_lock guard(condition_);
  EXPECT_EQ(code(condition_.wait(kShort)), "DEADLINE_EXCEEDED");
}

TEST_F(Conditions, NotifyNeedsNoLock) {
  std::vector<Child> children = waiters(1);
  EXPECT_FALSE(condition_.locked());
  EXPECT_EQ(*condition_.notify(), 1U);
  EXPECT_EQ(children[0].result(), "OK");
}

// ---- wait_for ----

TEST_F(Conditions, WaitForAPredicate) {
  const Cell<int> state = made<Cell<int>>("state");
  Child other([&](Channel&) {
    for (int i = 1; i <= 4; ++i) {
      const std::scoped_lock guard(condition_);
      must(state.store(i));
      must(condition_.notify());
    }
    return std::string("done");
  });
  const std::scoped_lock guard(condition_);
  const auto is_four = [&] {
    EXPECT_EQ(condition_.depth(), 1U);
    return *state.load() == 4;
  };
  EXPECT_TRUE(*condition_.wait_for(is_four, kLong));
  EXPECT_TRUE(*condition_.wait_for(is_four));
  EXPECT_TRUE(*condition_.wait_for(is_four, kNow));
  EXPECT_EQ(other.result(), "done");
}

TEST_F(Conditions, WaitForThatTimesOutGivesThePredicatesLastValue) {
  const std::scoped_lock guard(condition_);
  int calls = 0;
  const auto never = [&] {
    ++calls;
    return false;
  };
  EXPECT_FALSE(*condition_.wait_for(never, kShort));
  EXPECT_GE(calls, 2);
  EXPECT_FALSE(*condition_.wait_for(never, kNow));
  // True only when it is asked for the last time.
  calls = 0;
  EXPECT_TRUE(*condition_.wait_for([&] { return ++calls > 1; }, kShort));
  EXPECT_EQ(condition_.depth(), 1U);
}

TEST_F(Conditions, WaitForIsNotHeldUpByNotificationsForNothing) {
  Child other([&](Channel& parent) {
    const Condition condition = opened<Condition>("it");
    parent.say("ready");
    const std::scoped_lock guard(condition);
    return std::string(
        *condition.wait_for([] { return false; }, absl::Milliseconds(300)) ? "true" : "false");
  });
  EXPECT_EQ(other.hear(), "ready");
  for (int i = 0; i < 20; ++i) must(condition_.notify());
  EXPECT_EQ(other.result(), "false");
}

// ---- other locks ----

template <class T>
class WithOther : public Conditions {};
using Others = testing::Types<std::mutex, Lock, RLock, SharedLock>;
TYPED_TEST_SUITE(WithOther, Others);

TYPED_TEST(WithOther, WaitsAsConditionVariableAny) {
  TypeParam lock;
  if constexpr (!std::is_same_v<TypeParam, std::mutex>) {
    lock = this->template made<TypeParam>("lock");
  }
  bool ready = false;
  Thread waiter([&] {
    std::unique_lock guard(lock);
    while (!ready) {
      const absl::Status status = this->condition_.wait(guard, kLong);
      if (!status.ok()) return outcome(status);
    }
    return std::string(guard.owns_lock() ? "held" : "not held");
  });
  EXPECT_TRUE(this->there_wait(1));
  {
    const std::scoped_lock guard(lock);
    ready = true;
  }
  EXPECT_EQ(*this->condition_.notify(), 1U);
  EXPECT_EQ(waiter.result(), "held");

  std::unique_lock guard(lock);
  EXPECT_EQ(code(this->condition_.wait(guard, kShort)), "DEADLINE_EXCEEDED");
  EXPECT_TRUE(guard.owns_lock());
  EXPECT_FALSE(this->condition_.locked());
}

// ---- deaths, limits ----

TEST_F(Conditions, ADeadWaiterNeitherBlocksNorSwallows) {
  std::vector<Child> children = waiters(1);
  children[0].kill();
  EXPECT_TRUE(there_wait(0));
  EXPECT_EQ(*condition_.notify(), 0U);
  children = waiters(2);
  children[0].kill();
  // Whether or not its death has been noticed by now.
  must(condition_.notify());
  EXPECT_EQ(children[1].result(), "OK");
}

TEST_F(Conditions, ANotificationOfTheDeadIsHandedOn) {
  std::vector<Child> children = waiters(2);
  for (const Child& child : children) stop(child);
  EXPECT_EQ(*condition_.notify(), 1U);  // one of the two, which cannot run
  const std::uint32_t left = condition_.waiters();
  EXPECT_EQ(left, 1U);
  // Kill one, look whether the other goes on; if it was the other's, it does anyway.
  children[0].kill();
  resume(children[1]);
  if (!wait_until([&] { return ended(children) >= 1; })) {
    ADD_FAILURE() << "the notification died with its receiver";
  }
  EXPECT_EQ(children[1].result(), "OK");
}

TEST_F(Conditions, ANotificationOfTheDeadIsHandedOnToTheOtherToo) {
  std::vector<Child> children = waiters(2);
  for (const Child& child : children) stop(child);
  EXPECT_EQ(*condition_.notify(), 1U);
  children[1].kill();
  resume(children[0]);
  EXPECT_EQ(children[0].result(), "OK");
}

// Its killed maker may have been about to notify: nothing in shared memory shows that.
TEST_F(Conditions, AChangeIsSeenThoughItsMakerDiesBeforeItNotifies) {
  const auto flag = made<Cell<int>>("flag");
  Child waiter([&](Channel&) {
    const Condition condition = opened<Condition>("it");
    const std::scoped_lock guard(condition);
    // Each wait, since wait_for looks once more when its time is over.
    std::string got = "OK";
    while (got == "OK" && flag.load().value_or(0) != 1) got = code(condition.wait(kLong));
    return got;
  });
  EXPECT_TRUE(there_wait(1));
  Child maker([&](Channel& parent) {
    const Condition condition = opened<Condition>("it");
    {
      const std::scoped_lock guard(condition);
      must(flag.store(1));
    }
    parent.say("changed");
    return parent.hear();
  });
  EXPECT_EQ(maker.hear(), "changed");
  maker.kill();
  EXPECT_EQ(waiter.result(), "OK");
}

TEST_F(Conditions, AWaiterThatDiesHoldingTheLockAbandonsIt) {
  Child child([&](Channel&) {
    const Condition condition = opened<Condition>("it");
    must(condition.acquire());
    must(condition.wait(kLong));
    ::raise(SIGKILL);
    return std::string();
  });
  EXPECT_TRUE(there_wait(1));
  must(condition_.notify());
  child.wait();
  const Acquired acquired = must(condition_.acquire(kLong));
  EXPECT_TRUE(acquired.abandoned);
  EXPECT_EQ(code(condition_.mark_consistent()), "OK");
}

TEST_F(Conditions, AStoppedWaiterKeepsItsNotification) {
  std::vector<Child> children = waiters(1);
  stop(children[0]);
  EXPECT_EQ(*condition_.notify(), 1U);
  EXPECT_EQ(*condition_.notify(), 0U);
  resume(children[0]);
  EXPECT_EQ(children[0].result(), "OK");
}

TEST_F(Conditions, MoreWaitersThanPlaces) {
  const Condition narrow = made<Condition>("narrow", {.waiters = 1});
  Thread waiter([&] {
    const std::scoped_lock guard(narrow);
    return code(narrow.wait(kLong));
  });
  EXPECT_TRUE(wait_until([&] { return narrow.waiters() == 1; }));
  {
    const std::scoped_lock guard(narrow);
    EXPECT_EQ(code(narrow.wait(kLong)), "RESOURCE_EXHAUSTED");
    EXPECT_EQ(narrow.depth(), 1U);
  }
  EXPECT_EQ(*narrow.notify_all(), 1U);
  EXPECT_EQ(waiter.result(), "OK");
  EXPECT_EQ(code(client_.create<Condition>("none", {.waiters = 0})), "INVALID_ARGUMENT");
}

TEST_F(Conditions, AReadOnlyAttachmentMayNeitherWaitNorNotify) {
  const Condition condition =
      must(manager_.client().open<Condition>("it", {.access = Access::kReadOnly}));
  EXPECT_EQ(code(condition.notify()), "PERMISSION_DENIED");
  EXPECT_EQ(code(condition.wait(kNow)), "PERMISSION_DENIED");
}

TEST_F(Conditions, ABoundedBufferBetweenProcesses) {
  // Producers and consumers over a ring of four places; everything arrives once.
  const Array<int> ring = made<Array<int>>("ring", {.size = 6});
  constexpr int kEach = 500;
  const auto count = [&]() -> int& { return ring.data()[4]; };
  const auto produce = [&](int first) {
    for (int i = 0; i < kEach; ++i) {
      const std::scoped_lock guard(condition_);
      if (!*condition_.wait_for([&] { return count() < 4; }, kLong)) return std::string("stuck");
      ring.data()[count()++] = first + i;
      must(condition_.notify_all());
    }
    return std::string("done");
  };
  const auto consume = [&] {
    long sum = 0;
    for (int i = 0; i < kEach; ++i) {
      const std::scoped_lock guard(condition_);
      if (!*condition_.wait_for([&] { return count() > 0; }, kLong)) return std::string("stuck");
      sum += ring.data()[--count()];
      must(condition_.notify_all());
    }
    return std::to_string(sum);
  };
  std::vector<Child> consumers;
  for (int i = 0; i < 2; ++i) consumers.emplace_back([&](Channel&) { return consume(); });
  Child producer([&](Channel&) { return produce(1); });
  EXPECT_EQ(produce(1 + kEach), "done");
  EXPECT_EQ(producer.result(), "done");
  const long sum = std::stol(consumers[0].result()) + std::stol(consumers[1].result());
  EXPECT_EQ(sum, 2L * kEach * (2L * kEach + 1) / 2);
}

}  // namespace
}  // namespace shoal::e2e
