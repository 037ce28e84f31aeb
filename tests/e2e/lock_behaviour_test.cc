// What every lock does: Lock, RLock, a SharedLock's writer, and the lock of a Condition. What only
// one of them does stands in a test of its own.
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <system_error>
#include <type_traits>
#include <vector>

#include "tests/e2e/sync.h"

namespace shoal::e2e {
namespace {

using testing::HasSubstr;

template <class T>
std::string take(T& lock) {
  return outcome(lock.acquire(kLong));
}

template <class T>
class AnyLock : public Sync {
 protected:
  // From a process of its own, which holds nothing.
  std::string try_elsewhere(absl::Duration timeout = kNow) const {
    return in_child([&] { return code(this->template opened<T>("it").acquire(timeout)); });
  }
  T lock_ = made<T>("it");
};

using Locks = testing::Types<Lock, RLock, SharedLock, Condition>;
TYPED_TEST_SUITE(AnyLock, Locks);

TYPED_TEST(AnyLock, IsFreeAtFirst) {
  EXPECT_FALSE(this->lock_.locked());
  EXPECT_FALSE(*this->lock_.abandoned());
  EXPECT_EQ(this->lock_.name(), "it");
}

TYPED_TEST(AnyLock, HeldItKeepsOthersOutUntilReleased) {
  must(this->lock_.acquire());
  EXPECT_TRUE(this->lock_.locked());
  EXPECT_EQ(this->try_elsewhere(), "DEADLINE_EXCEEDED");
  EXPECT_EQ(this->try_elsewhere(kShort), "DEADLINE_EXCEEDED");
  // A span of time that is over already is one try.
  EXPECT_EQ(this->try_elsewhere(-absl::Seconds(1)), "DEADLINE_EXCEEDED");
  must(this->lock_.release());
  EXPECT_FALSE(this->lock_.locked());
  EXPECT_EQ(this->try_elsewhere(), "OK");
  EXPECT_EQ(this->try_elsewhere(-absl::Seconds(1)), "OK");
}

TYPED_TEST(AnyLock, LockedIsSeenByAllProcesses) {
  const auto locked_there = [&] {
    return in_child([&] {
      return std::string(this->template opened<TypeParam>("it").locked() ? "locked" : "free");
    });
  };
  EXPECT_EQ(locked_there(), "free");
  must(this->lock_.acquire());
  EXPECT_EQ(locked_there(), "locked");
  must(this->lock_.release());
  EXPECT_EQ(locked_there(), "free");
}

TYPED_TEST(AnyLock, ReleaseOfWhatOneDoesNotHoldIsRefused) {
  EXPECT_EQ(code(this->lock_.release()), "FAILED_PRECONDITION");
  must(this->lock_.acquire());
  EXPECT_EQ(in_child([&] { return code(this->template opened<TypeParam>("it").release()); }),
            "FAILED_PRECONDITION");
  EXPECT_TRUE(this->lock_.locked());
  must(this->lock_.release());
  const absl::Status again = this->lock_.release();
  EXPECT_EQ(code(again), "FAILED_PRECONDITION");
  EXPECT_THAT(again.message(), HasSubstr("it"));
  EXPECT_EQ(this->try_elsewhere(), "OK");
}

TYPED_TEST(AnyLock, AWaiterGetsItWhenItIsReleased) {
  must(this->lock_.acquire());
  Child waiter = this->template sleeper<TypeParam>(
      "it", [](TypeParam& lock) { return code(lock.acquire(kLong)); });
  must(this->lock_.release());
  EXPECT_EQ(waiter.result(), "OK");
}

TYPED_TEST(AnyLock, AWaiterWithoutATimeoutGetsItToo) {
  must(this->lock_.acquire());
  Child waiter =
      this->template sleeper<TypeParam>("it", [](TypeParam& lock) { return code(lock.acquire()); });
  must(this->lock_.release());
  EXPECT_EQ(waiter.result(), "OK");
}

TYPED_TEST(AnyLock, AfterATimeoutItCanStillBeHad) {
  Child other = this->template holder<TypeParam>("it", take<TypeParam>);
  EXPECT_EQ(code(this->lock_.acquire(kShort)), "DEADLINE_EXCEEDED");
  EXPECT_EQ(code(this->lock_.release()), "FAILED_PRECONDITION");
  other.say("go");
  EXPECT_EQ(other.result(), "let go");
  EXPECT_EQ(code(this->lock_.acquire(kLong)), "OK");
  EXPECT_EQ(code(this->lock_.release()), "OK");
}

TYPED_TEST(AnyLock, ThreadsOfOneProcessExcludeEachOther) {
  constexpr int kThreads = 4;
  constexpr int kRounds = 3000;
  int plain = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < kRounds; ++round) {
        const std::scoped_lock guard(this->lock_);
        ++plain;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(plain, kThreads * kRounds);
}

TYPED_TEST(AnyLock, ProcessesExcludeEachOther) {
  constexpr int kRounds = 3000;
  const SharedMemory memory = this->template made<SharedMemory>("plain", {.size = 8});
  auto* plain = reinterpret_cast<volatile long*>(memory.data().data());
  std::vector<Child> children;
  for (int i = 0; i < 4; ++i) {
    children.emplace_back([&](Channel&) {
      for (int round = 0; round < kRounds; ++round) {
        const std::scoped_lock guard(this->lock_);
        *plain = *plain + 1;
      }
      return std::string("done");
    });
  }
  for (Child& child : children) EXPECT_EQ(child.result(), "done");
  EXPECT_EQ(*plain, 4L * kRounds);
}

// ---- named requirements ----

TYPED_TEST(AnyLock, ScopedLockOfTwoDoesNotDeadlock) {
  const TypeParam second = this->template made<TypeParam>("second");
  TypeParam first = this->lock_;
  TypeParam other = second;
  const auto both = [](TypeParam& a, TypeParam& b) {
    for (int round = 0; round < 2000; ++round) const std::scoped_lock guard(a, b);
    return std::string("done");
  };
  Child there([&](Channel&) { return both(other, first); });
  EXPECT_EQ(both(first, other), "done");
  EXPECT_EQ(there.result(), "done");
  EXPECT_FALSE(first.locked() || other.locked());
}

TYPED_TEST(AnyLock, UniqueLockTriesForATime) {
  {
    std::unique_lock guard(this->lock_, std::defer_lock);
    EXPECT_TRUE(guard.try_lock_for(std::chrono::milliseconds(1)));
    EXPECT_EQ(this->try_elsewhere(), "DEADLINE_EXCEEDED");
  }
  Child other = this->template holder<TypeParam>("it", take<TypeParam>);
  EXPECT_FALSE(std::unique_lock(this->lock_, std::chrono::milliseconds(5)).owns_lock());
  const auto soon = std::chrono::system_clock::now() + std::chrono::milliseconds(5);
  EXPECT_FALSE(std::unique_lock(this->lock_, soon).owns_lock());
  EXPECT_FALSE(std::unique_lock(this->lock_, std::try_to_lock).owns_lock());
}

TYPED_TEST(AnyLock, ConditionVariableAnyWaitsWithIt) {
  std::condition_variable_any changed;
  bool ready = false;
  Thread waiter([&] {
    std::unique_lock guard(this->lock_);
    changed.wait(guard, [&] { return ready; });
    return std::string(this->lock_.locked() ? "held" : "not held");
  });
  {
    const std::scoped_lock guard(this->lock_);
    ready = true;
  }
  changed.notify_one();
  EXPECT_EQ(waiter.result(), "held");
}

TYPED_TEST(AnyLock, WhatTheStandardMakesThrowThrowsAndNothingElse) {
  EXPECT_NO_THROW(this->lock_.unlock());  // release() tells
  TypeParam closed = this->lock_;
  must(closed.close());
  EXPECT_THROW(closed.lock(), std::system_error);
  EXPECT_THROW((void)closed.try_lock(), std::system_error);
  EXPECT_EQ(code(closed.acquire(kNow)), "FAILED_PRECONDITION");
  EXPECT_EQ(code(closed.release()), "FAILED_PRECONDITION");
  EXPECT_FALSE(closed.locked());
}

// ---- deaths ----

TYPED_TEST(AnyLock, TokensGrowAlsoOverDeaths) {
  std::uint64_t last = 0;
  for (int i = 0; i < 5; ++i) {
    const Acquired mine = must(this->lock_.acquire(kLong));
    EXPECT_GT(mine.token, last);
    last = mine.token;
    must(this->lock_.release());

    Child other([&](Channel& parent) {
      const TypeParam lock = this->template opened<TypeParam>("it");
      parent.say(std::to_string(must(lock.acquire(kLong)).token));
      (void)parent.hear();
      return std::string();
    });
    const std::uint64_t theirs = std::stoull(other.hear());
    EXPECT_GT(theirs, last);
    last = theirs;
    other.kill();
  }
  EXPECT_GT(must(this->lock_.acquire(kLong)).token, last);
}

TYPED_TEST(AnyLock, TheLockOfTheDeadGoesToWhoWaits) {
  Child other = this->template holder<TypeParam>("it", take<TypeParam>);
  Child waiter = this->template sleeper<TypeParam>("it", [](TypeParam& lock) {
    const auto acquired = lock.acquire(kLong);
    if (!acquired.ok()) return outcome(acquired);
    must(lock.release());
    return std::string(acquired->abandoned ? "abandoned" : "whole");
  });
  other.kill();
  EXPECT_EQ(waiter.result(), "abandoned");
}

TYPED_TEST(AnyLock, IsAbandonedForAllUntilMarkedConsistent) {
  this->template holder<TypeParam>("it", take<TypeParam>).kill();
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(must(this->lock_.acquire(kLong)).abandoned);
    EXPECT_TRUE(*this->lock_.abandoned());
    must(this->lock_.release());
    EXPECT_EQ(in_child([&] {
                const TypeParam lock = this->template opened<TypeParam>("it");
                return std::string(must(lock.acquire(kLong)).abandoned ? "abandoned" : "whole");
              }),
              "abandoned");
  }
  // Only a holder knows that it has been mended.
  EXPECT_TRUE(wait_until([&] { return !this->lock_.locked(); }));
  EXPECT_EQ(code(this->lock_.mark_consistent()), "FAILED_PRECONDITION");
  {
    const std::scoped_lock guard(this->lock_);  // does not throw
    EXPECT_EQ(outcome(this->lock_.mark_consistent()), "OK");
    EXPECT_FALSE(*this->lock_.abandoned());
  }
  EXPECT_FALSE(must(this->lock_.acquire(kLong)).abandoned);
}

TYPED_TEST(AnyLock, ADeadWaiterTakesNoWakeUpWithIt) {
  must(this->lock_.acquire());
  Child doomed = this->template sleeper<TypeParam>("it", take<TypeParam>);
  Child waiter = this->template sleeper<TypeParam>("it", take<TypeParam>);
  doomed.kill();
  must(this->lock_.release());
  EXPECT_EQ(waiter.result(), "OK");
}

TYPED_TEST(AnyLock, AStoppedHolderIsWaitedForNeverRobbed) {
  Child other = this->template holder<TypeParam>("it", take<TypeParam>);
  stop(other);
  EXPECT_EQ(code(this->lock_.acquire(absl::Milliseconds(300))), "DEADLINE_EXCEEDED");
  EXPECT_TRUE(this->lock_.locked());
  resume(other);
  other.say("go");
  EXPECT_EQ(other.result(), "let go");
}

TYPED_TEST(AnyLock, WhoEndsWithItInHandLeavesItAbandoned) {
  EXPECT_EQ(in_child([&] { return code(this->lock_.acquire(kNow)); }), "OK");  // and _exit
  EXPECT_TRUE(must(this->lock_.acquire(kLong)).abandoned);
}

TYPED_TEST(AnyLock, TheLastReferenceGivenBackLetsGo) {
  Child other([&](Channel& parent) {
    TypeParam lock = this->template opened<TypeParam>("it");
    must(lock.acquire());
    must(lock.close());
    parent.say("closed");
    (void)parent.hear();  // stays alive
    return std::string();
  });
  EXPECT_EQ(other.hear(), "closed");
  EXPECT_EQ(code(this->lock_.acquire(kLong)), "OK");
}

// ---- fork, arenas, names ----

TYPED_TEST(AnyLock, AForkedChildUsesItsParentsLockButHoldsNothingOfIt) {
  must(this->lock_.acquire());
  Child child([&](Channel& parent) {
    std::string said = code(this->lock_.acquire(kNow));
    said += " " + code(this->lock_.release());
    parent.say(said);
    return code(this->lock_.acquire(kLong));
  });
  EXPECT_EQ(child.hear(), "DEADLINE_EXCEEDED FAILED_PRECONDITION");
  EXPECT_TRUE(falls_asleep(child));
  must(this->lock_.release());
  EXPECT_EQ(child.result(), "OK");
}

TYPED_TEST(AnyLock, TwoArenasAreSeparate) {
  must(this->client_.arena("other").create());
  const Client there = this->manager_.client({.arena = "other"});
  const TypeParam twin = must(there.template create<TypeParam>("it"));
  must(this->lock_.acquire());
  EXPECT_FALSE(twin.locked());
  EXPECT_EQ(code(twin.acquire(kNow)), "OK");
  EXPECT_EQ(code(twin.release()), "OK");
}

TYPED_TEST(AnyLock, AReadOnlyAttachmentMayNotTakeIt) {
  const TypeParam lock =
      must(this->manager_.client().template open<TypeParam>("it", {.access = Access::kReadOnly}));
  EXPECT_EQ(code(lock.acquire(kNow)), "PERMISSION_DENIED");
  EXPECT_EQ(code(lock.release()), "PERMISSION_DENIED");
  EXPECT_EQ(code(lock.mark_consistent()), "PERMISSION_DENIED");
  EXPECT_FALSE(lock.locked());
}

TYPED_TEST(AnyLock, AnAnonymousOneIsHandedOnByToken) {
  const TypeParam nameless = must(this->client_.template create<TypeParam>());
  must(nameless.acquire());
  const Token token = must(this->client_.share(nameless));
  Child child([&](Channel& parent) {
    const TypeParam lock = must(this->manager_.client().template open<TypeParam>(token));
    parent.say(code(lock.acquire(kNow)));
    return code(lock.acquire(kLong));
  });
  EXPECT_EQ(child.hear(), "DEADLINE_EXCEEDED");
  must(nameless.release());
  EXPECT_EQ(child.result(), "OK");
}

TYPED_TEST(AnyLock, AnotherKindUnderTheNameIsRefused) {
  EXPECT_EQ(code(this->client_.template open<Event>("it")), "FAILED_PRECONDITION");
  EXPECT_EQ(code(this->client_.template open<TypeParam>("nothing")), "NOT_FOUND");
  EXPECT_EQ(code(this->client_.template create<TypeParam>("it")), "ALREADY_EXISTS");
  EXPECT_EQ(code(this->client_.template open_or_create<TypeParam>("it")), "OK");
}

}  // namespace
}  // namespace shoal::e2e
