// Lock and RLock on plain mapped bytes.
#include <atomic>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "memory/lock.h"
#include "tests/unit/object_memory.h"

namespace shoal::memory {
namespace {

Result take(const ObjectView& lock, Caller& caller, Deadline deadline = 0) {
  Acquisition ignored;
  return acquire(lock, caller, deadline, &ignored);
}
Result take_again(const ObjectView& lock, Caller& caller, Deadline deadline = 0) {
  Acquisition ignored;
  return acquire_recursive(lock, caller, deadline, &ignored);
}

TEST(LockMemory, IsHeldByOneAndCountsTokens) {
  const ObjectMemory memory(ObjectKind::kLock);
  Caller one = caller_of(1);
  Caller two = caller_of(2);
  Acquisition got;
  ASSERT_EQ(acquire(memory.view(), one, 0, &got), Result::kDone);
  EXPECT_EQ(got.token, 1U);
  EXPECT_FALSE(got.abandoned);
  EXPECT_TRUE(is_held(memory.descriptor()));
  EXPECT_EQ(take(memory.other_view(), two), Result::kTimedOut);
  EXPECT_EQ(take(memory.other_view(), two, brief()), Result::kTimedOut);
  EXPECT_EQ(take(memory.view(), one, brief()), Result::kTimedOut) << "it is not recursive";
  ASSERT_EQ(release(memory.view(), one), Result::kDone);
  ASSERT_EQ(acquire(memory.other_view(), two, generous(), &got), Result::kDone);
  EXPECT_EQ(got.token, 2U);
  EXPECT_EQ(release(memory.other_view(), two), Result::kDone);
  EXPECT_FALSE(is_held(memory.descriptor()));
}

TEST(LockMemory, IsReleasedByItsProcessAlone) {
  const ObjectMemory memory(ObjectKind::kLock);
  Caller one = caller_of(1);
  Caller neighbour = caller_of(1, 2);
  Caller two = caller_of(2);
  EXPECT_EQ(release(memory.view(), one), Result::kNotOwner);
  ASSERT_EQ(take(memory.view(), one), Result::kDone);
  EXPECT_EQ(release(memory.view(), two), Result::kNotOwner);
  EXPECT_EQ(mark_consistent(memory.view(), two), Result::kNotOwner);
  EXPECT_EQ(release(memory.view(), neighbour), Result::kDone);
}

TEST(LockMemory, IsReleasedByAnyoneWhereSaidSo) {
  const ObjectMemory memory(ObjectKind::kLock, 0, kFlagReleaseByAnyone);
  Caller one = caller_of(1);
  Caller two = caller_of(2);
  ASSERT_EQ(take(memory.view(), one), Result::kDone);
  EXPECT_EQ(mark_consistent(memory.view(), two), Result::kDone);
  EXPECT_EQ(release(memory.view(), two), Result::kDone);
  EXPECT_EQ(release(memory.view(), two), Result::kNotOwner) << "nobody holds it";
}

TEST(LockMemory, ADeathIsToldUntilMarkedConsistent) {
  const ObjectMemory memory(ObjectKind::kLock);
  Caller one = caller_of(1);
  Caller two = caller_of(2);
  Caller manager;
  ASSERT_EQ(take(memory.view(), one), Result::kDone);
  Sleeper sleeper(3, [&](Caller& caller) { return take(memory.other_view(), caller, kForever); });
  sleeper.await_sleep();
  recover_object(memory.view(), manager, 1, true);
  EXPECT_EQ(sleeper.result(), Result::kDone);
  recover_object(memory.view(), manager, 1, true);
  EXPECT_EQ(slot_in(memory.descriptor().lock.load()), 3) << "only what was its own is taken back";
  EXPECT_EQ(memory.descriptor().recoveries.load(), 1U);
  Caller three = caller_of(3);
  ASSERT_EQ(release(memory.view(), three), Result::kDone);
  for (const bool abandoned : {true, false}) {
    Acquisition got;
    ASSERT_EQ(acquire(memory.view(), two, 0, &got), Result::kDone);
    EXPECT_EQ(got.abandoned, abandoned);
    EXPECT_EQ(mark_consistent(memory.view(), two), Result::kDone);
    ASSERT_EQ(release(memory.view(), two), Result::kDone);
  }
}

TEST(LockMemory, RecursionCountsAndBelongsToTheThread) {
  const ObjectMemory memory(ObjectKind::kRLock);
  Caller one = caller_of(1);
  Caller neighbour = caller_of(1, 2);
  for (int i = 0; i < 3; ++i) ASSERT_EQ(take_again(memory.view(), one), Result::kDone);
  EXPECT_EQ(memory.descriptor().depth.load(), 3U);
  EXPECT_EQ(memory.descriptor().token.load(), 1U);
  EXPECT_EQ(take_again(memory.view(), neighbour), Result::kTimedOut);
  EXPECT_EQ(release_recursive(memory.view(), neighbour), Result::kNotOwner);
  for (int i = 0; i < 3; ++i) ASSERT_EQ(release_recursive(memory.view(), one), Result::kDone);
  EXPECT_EQ(release_recursive(memory.view(), one), Result::kNotOwner);
  EXPECT_EQ(take_again(memory.view(), neighbour), Result::kDone);
}

TEST(LockMemory, RecursionHasALimit) {
  const ObjectMemory memory(ObjectKind::kRLock);
  Caller one = caller_of(1);
  ASSERT_EQ(take_again(memory.view(), one), Result::kDone);
  memory.descriptor().depth.store(kDepthMax - 1);
  EXPECT_EQ(take_again(memory.view(), one), Result::kDone);
  EXPECT_EQ(take_again(memory.view(), one), Result::kOverflow);
  EXPECT_EQ(memory.descriptor().depth.load(), kDepthMax);
}

TEST(LockMemory, WhoSleepsInARetiredLockIsTold) {
  ObjectMemory memory(ObjectKind::kLock);
  const ObjectView before = memory.view();
  const ObjectView before_too = memory.other_view();
  Caller one = caller_of(1);
  ASSERT_EQ(take(before, one), Result::kDone);
  Sleeper sleeper(2, [&](Caller& caller) { return take(before_too, caller, kForever); });
  Sleeper another(3, [&](Caller& caller) { return take_again(before_too, caller, generous()); });
  sleeper.await_sleep();
  another.await_sleep();
  retire_object(before);
  EXPECT_EQ(sleeper.result(), Result::kStale);
  EXPECT_EQ(another.result(), Result::kStale);
  EXPECT_EQ(release(before, one), Result::kStale);
  EXPECT_EQ(mark_consistent(before, one), Result::kStale);

  memory.lay(ObjectKind::kLock);
  EXPECT_EQ(take(before, one), Result::kStale);
  Acquisition got;
  EXPECT_EQ(acquire(memory.view(), one, 0, &got), Result::kDone);
  EXPECT_EQ(got.token, 1U);
  EXPECT_EQ(release(before, one), Result::kStale) << "a stale handle freed another lock";
}

TEST(LockMemory, GarbageHoldsNobodyUp) {
  ObjectMemory memory(ObjectKind::kRLock);
  Caller one = caller_of(1);
  Caller manager;
  expect_calls_return(memory, 100, [&] {
    (void)take(memory.other_view(), one, brief());
    (void)take_again(memory.other_view(), one, brief());
    (void)release(memory.other_view(), one);
    (void)release_recursive(memory.other_view(), one);
    (void)mark_consistent(memory.other_view(), one);
    recover_object(memory.other_view(), manager, 2, true);
  });
}

TEST(LockMemory, ManyThreadsCountTogether) {
  constexpr int kRounds = 20'000;
  const ObjectMemory memory(ObjectKind::kLock);
  std::uint64_t counter = 0;
  std::vector<std::thread> threads;
  for (std::uint16_t slot = 1; slot <= 4; ++slot) {
    threads.emplace_back([&, slot] {
      Caller caller = caller_of(slot);
      const ObjectView lock = slot % 2 == 0 ? memory.view() : memory.other_view();
      for (int round = 0; round < kRounds; ++round) {
        ASSERT_EQ(take(lock, caller, kForever), Result::kDone);
        ++counter;
        ASSERT_EQ(release(lock, caller), Result::kDone);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(counter, 4U * kRounds);
  EXPECT_EQ(memory.descriptor().token.load(), 4U * kRounds);
}

}  // namespace
}  // namespace shoal::memory
