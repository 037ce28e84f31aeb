// The wait-for graph: what is a deadlock, what only looks like one, and at which size.
#include "client/inspect_deadlocks.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace shoal::internal {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::uint64_t kManager = 1;

ThreadSeen thread(std::uint64_t session, std::uint32_t number) {
  ThreadSeen seen;
  seen.manager = kManager;
  seen.session = session;
  seen.thread = number;
  seen.pid = static_cast<pid_t>(session);
  seen.tid = static_cast<pid_t>(session * 100 + number);
  return seen;
}

// Threads, objects, who holds and who waits.
class Scene {
 public:
  // A session with that many threads.
  Scene& process(std::uint64_t session, std::uint32_t threads = 1) {
    SessionSeen seen;
    seen.manager = kManager;
    seen.session = session;
    for (std::uint32_t n = 1; n <= threads; ++n) seen.threads.push_back(thread(session, n));
    sessions_.push_back(seen);
    return *this;
  }
  LockSeen& object(std::uint64_t id, Kind kind = Kind::kLock) {
    for (LockSeen& lock : locks_) {
      if (lock.object == id) return lock;
    }
    LockSeen lock;
    lock.manager = kManager;
    lock.object = id;
    lock.kind = kind;
    locks_.push_back(lock);
    return locks_.back();
  }
  Scene& held(std::uint64_t id, std::uint64_t session, std::uint32_t number = 1) {
    object(id).holder = thread(session, number);
    return *this;
  }
  Scene& shared(std::uint64_t id, std::uint64_t session) {
    object(id, Kind::kSharedLock).holders.push_back({.holder = thread(session, 0)});
    return *this;
  }
  Scene& waits(std::uint64_t session, std::uint32_t number, std::uint64_t id,
               WaitPurpose purpose = WaitPurpose::kLock) {
    object(id).waiters.push_back(
        {.thread = thread(session, number), .object = id, .purpose = purpose});
    return *this;
  }
  [[nodiscard]] std::vector<Deadlock> find() const { return find_deadlocks(locks_, sessions_); }

 private:
  std::vector<LockSeen> locks_;
  std::vector<SessionSeen> sessions_;
};

// {pid, object, pid, object, ...}
std::vector<std::uint64_t> path(const Deadlock& deadlock) {
  std::vector<std::uint64_t> out;
  for (const DeadlockStep& step : deadlock.steps) {
    out.push_back(static_cast<std::uint64_t>(step.thread.pid));
    out.push_back(step.object);
  }
  return out;
}

TEST(FindDeadlocks, NothingWaits) { EXPECT_THAT(Scene().held(1, 1).find(), IsEmpty()); }

TEST(FindDeadlocks, AChainIsNone) {
  Scene scene;
  scene.held(10, 1).held(11, 2).held(12, 3).waits(1, 1, 11).waits(2, 1, 12);
  EXPECT_THAT(scene.find(), IsEmpty());
}

TEST(FindDeadlocks, TwoLocksInOppositeOrder) {
  Scene scene;
  scene.process(1).process(2);
  scene.held(10, 1).held(11, 2).waits(1, 1, 11).waits(2, 1, 10);
  const auto found = scene.find();
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_THAT(path(found[0]), ElementsAre(2, 10, 1, 11));
  EXPECT_TRUE(found[0].certain);
}

TEST(FindDeadlocks, WhoOnlyWaitsForTheCircleIsNotInIt) {
  Scene scene;
  scene.held(10, 1).held(11, 2).waits(1, 1, 11).waits(2, 1, 10);
  scene.held(12, 3).waits(3, 1, 10).waits(4, 1, 12);
  const auto found = scene.find();
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_THAT(found[0].steps, SizeIs(2));
}

TEST(FindDeadlocks, OneThreadTwiceIntoOneLock) {
  Scene scene;
  scene.held(10, 1).waits(1, 1, 10);
  const auto found = scene.find();
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_THAT(path(found[0]), ElementsAre(1, 10));
}

TEST(FindDeadlocks, AnotherThreadOfTheHolderIsNotTheHolder) {
  Scene scene;
  scene.process(1, 2).held(10, 1, 1).held(11, 2).waits(1, 2, 11).waits(2, 1, 10);
  EXPECT_THAT(scene.find(), IsEmpty());
}

TEST(FindDeadlocks, ThreadsOfOneProcess) {
  Scene scene;
  scene.process(1, 2).held(10, 1, 1).held(11, 1, 2).waits(1, 1, 11).waits(1, 2, 10);
  EXPECT_THAT(scene.find(), SizeIs(1));
}

TEST(FindDeadlocks, TwoCirclesAreTwo) {
  Scene scene;
  scene.held(10, 1).held(11, 2).waits(1, 1, 11).waits(2, 1, 10);
  scene.held(20, 3).held(21, 4).held(22, 5).waits(3, 1, 21).waits(4, 1, 22).waits(5, 1, 20);
  const auto found = scene.find();
  ASSERT_THAT(found, SizeIs(2));
  EXPECT_EQ(found[0].steps.size() + found[1].steps.size(), 5U);
}

TEST(FindDeadlocks, ALockThatAnyoneMayReleaseIsNotCertain) {
  Scene scene;
  scene.held(10, 1).held(11, 2).waits(1, 1, 11).waits(2, 1, 10);
  scene.object(10).release_by_anyone = true;
  ASSERT_THAT(scene.find(), SizeIs(1));
  EXPECT_FALSE(scene.find()[0].certain);
}

// A Lock's owner is the process: a thread that waits for nothing may release it.
TEST(FindDeadlocks, ALockOfAProcessWithAnotherThreadIsNotCertain) {
  Scene scene;
  scene.process(1, 2).process(2);
  scene.held(10, 1).held(11, 2).waits(1, 1, 11).waits(2, 1, 10);
  ASSERT_THAT(scene.find(), SizeIs(1));
  EXPECT_FALSE(scene.find()[0].certain);
  // Nor is it if that thread waits for what will come.
  scene.waits(1, 2, 13, WaitPurpose::kEvent);
  ASSERT_THAT(scene.find(), SizeIs(1));
  EXPECT_FALSE(scene.find()[0].certain);
}

TEST(FindDeadlocks, ALockOfAProcessWhoseThreadsAreAllStuckIsCertain) {
  Scene scene;
  scene.process(1, 2).process(2);
  scene.held(10, 1).held(11, 2).waits(1, 1, 11).waits(1, 2, 11).waits(2, 1, 10);
  ASSERT_THAT(scene.find(), SizeIs(1));
  EXPECT_TRUE(scene.find()[0].certain);
}

TEST(FindDeadlocks, AnRLockIsItsThreads) {
  Scene scene;
  scene.process(1, 2).process(2);
  scene.held(10, 1).held(11, 2).waits(1, 1, 11).waits(2, 1, 10);
  for (const std::uint64_t id : {10, 11}) scene.object(id).kind = Kind::kRLock;
  ASSERT_THAT(scene.find(), SizeIs(1));
  EXPECT_TRUE(scene.find()[0].certain);
}

TEST(FindDeadlocks, ADeadHolderIsAboutToBeRecovered) {
  Scene scene;
  scene.held(10, 1).held(11, 0).waits(1, 1, 11).waits(2, 1, 10);
  EXPECT_THAT(scene.find(), IsEmpty());
}

TEST(FindDeadlocks, APermitOfOneOtherHolderIsEnough) {
  Scene scene;
  scene.process(1).process(2).process(3);
  scene.shared(10, 1).shared(10, 3).held(11, 2);
  scene.waits(1, 1, 11).waits(2, 1, 10, WaitPurpose::kPermit);
  EXPECT_THAT(scene.find(), IsEmpty());
  scene.held(12, 2).waits(3, 1, 12);
  ASSERT_THAT(scene.find(), SizeIs(1));
  EXPECT_TRUE(scene.find()[0].certain);
}

TEST(FindDeadlocks, AFreeOrPlainPermitHoldsNobodyUp) {
  Scene scene;
  scene.shared(10, 1).held(11, 2).waits(1, 1, 11).waits(2, 1, 10, WaitPurpose::kPermit);
  EXPECT_THAT(scene.find(), SizeIs(1));
  scene.object(10).value = 1;
  EXPECT_THAT(scene.find(), IsEmpty());
  scene.object(10).value = 0;
  scene.object(10).plain = true;
  EXPECT_THAT(scene.find(), IsEmpty());
}

TEST(FindDeadlocks, AWriterNeedsEveryReaderToLeave) {
  Scene scene;
  scene.process(1).process(2).process(3);
  scene.held(10, 2).shared(10, 1).shared(10, 3).held(11, 2);
  scene.waits(1, 1, 11).waits(2, 1, 10, WaitPurpose::kReaders);
  const auto found = scene.find();
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_THAT(path(found[0]), ElementsAre(2, 10, 1, 11));
}

TEST(FindDeadlocks, AReaderThatWantsToWrite) {
  Scene scene;
  scene.process(1).held(10, 1).shared(10, 1).waits(1, 1, 10, WaitPurpose::kReaders);
  EXPECT_THAT(scene.find(), SizeIs(1));
}

TEST(FindDeadlocks, AnIdleThreadOfAHoldingProcessMightHelp) {
  Scene scene;
  scene.process(1, 2).process(2);
  scene.shared(10, 1).held(11, 2).waits(1, 1, 11).waits(2, 1, 10, WaitPurpose::kPermit);
  ASSERT_THAT(scene.find(), SizeIs(1));
  EXPECT_FALSE(scene.find()[0].certain);
}

TEST(FindDeadlocks, EventsMayComeFromAnybody) {
  Scene scene;
  scene.held(10, 1).waits(1, 1, 11, WaitPurpose::kEvent).waits(2, 1, 10);
  EXPECT_THAT(scene.find(), IsEmpty());
}

TEST(FindDeadlocks, ALongCircleAndALongChain) {
  constexpr std::uint64_t kMany = 3000;
  Scene circle;
  Scene chain;
  for (std::uint64_t i = 1; i <= kMany; ++i) {
    circle.held(1000 + i, i).waits(i, 1, 1000 + i % kMany + 1);
    chain.held(1000 + i, i).waits(i, 1, 1000 + i + 1);
  }
  const auto found = circle.find();
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_THAT(found[0].steps, SizeIs(kMany));
  EXPECT_THAT(chain.find(), IsEmpty());
}

}  // namespace
}  // namespace shoal::internal
