// Condition on plain mapped bytes: the cells of those who wait.
#include <deque>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "memory/condition.h"
#include "memory/lock.h"
#include "tests/unit/object_memory.h"

namespace shoal::memory {
namespace {

constexpr std::uint32_t kCells = 4;

std::uint32_t enlisted(const ObjectView& condition, Caller& caller) {
  std::uint32_t cell = UINT32_MAX;
  EXPECT_EQ(enlist(condition, caller, &cell), Result::kDone);
  return cell;
}
// Enlists, waits, leaves.
Result wait_once(const ObjectView& condition, Caller& caller, Deadline deadline) {
  std::uint32_t cell = 0;
  const Result in = enlist(condition, caller, &cell);
  if (in != Result::kDone) return in;
  const Result result = await_notification(condition, caller, cell, deadline);
  if (result == Result::kDone) leave(condition, caller, cell);
  return result;
}
std::uint32_t notified_of(const ObjectView& condition, Caller& caller, std::uint32_t most) {
  std::uint32_t count = UINT32_MAX;
  EXPECT_EQ(notify(condition, caller, most, &count), Result::kDone);
  return count;
}

TEST(ConditionMemory, NotifiesThoseWhoWaitAndNoMore) {
  const ObjectMemory memory(ObjectKind::kCondition, kCells);
  Caller one = caller_of(1);
  EXPECT_EQ(notified_of(memory.view(), one, 5), 0U);
  Sleeper first(2,
                [&](Caller& caller) { return wait_once(memory.other_view(), caller, kForever); });
  Sleeper second(3, [&](Caller& caller) { return wait_once(memory.view(), caller, generous()); });
  first.await_sleep();
  second.await_sleep();
  EXPECT_EQ(waiters(memory.view()), 2U);
  EXPECT_EQ(notified_of(memory.view(), one, 1), 1U);
  EXPECT_EQ(waiters(memory.view()), 1U);
  EXPECT_EQ(notified_of(memory.view(), one, UINT32_MAX), 1U);
  EXPECT_EQ(first.result(), Result::kDone);
  EXPECT_EQ(second.result(), Result::kDone);
  for (std::uint32_t i = 0; i < kCells; ++i) EXPECT_EQ(memory.view().cells32()[i].load(), 0U);
}

TEST(ConditionMemory, GivesUpAtItsDeadline) {
  const ObjectMemory memory(ObjectKind::kCondition, kCells);
  Caller one = caller_of(1);
  EXPECT_EQ(wait_once(memory.view(), one, 0), Result::kTimedOut);
  EXPECT_EQ(wait_once(memory.view(), one, brief()), Result::kTimedOut);
  EXPECT_EQ(waiters(memory.view()), 0U);
  const std::uint32_t cell = enlisted(memory.view(), one);
  EXPECT_EQ(notified_of(memory.view(), one, 1), 1U);
  EXPECT_EQ(await_notification(memory.view(), one, cell, 0), Result::kDone)
      << "a notification that came in time is not lost";
}

TEST(ConditionMemory, HasRoomForSoMany) {
  const ObjectMemory memory(ObjectKind::kCondition, kCells);
  std::deque<Caller> callers;
  for (std::uint16_t i = 0; i < kCells; ++i) {
    (void)enlisted(memory.view(), callers.emplace_back(caller_of(1, i + 1)));
  }
  Caller late = caller_of(2);
  std::uint32_t cell = 0;
  EXPECT_EQ(enlist(memory.view(), late, &cell), Result::kExhausted);
  EXPECT_EQ(notified_of(memory.view(), late, 1), 1U);
  EXPECT_EQ(enlist(memory.view(), late, &cell), Result::kExhausted) << "it has not left yet";
}

TEST(ConditionMemory, TheFirstToComeAreNotifiedFirst) {
  const ObjectMemory memory(ObjectKind::kCondition, kCells);
  std::vector<Caller> callers;
  for (std::uint16_t slot = 1; slot <= 3; ++slot) callers.push_back(caller_of(slot));
  Caller notifier = caller_of(9);
  std::vector<std::uint32_t> cells;
  for (Caller& caller : callers) cells.push_back(enlisted(memory.view(), caller));
  // Often enough to go round all cells.
  for (int round = 0; round < 10; ++round) {
    const std::size_t first = round % callers.size();
    EXPECT_EQ(notified_of(memory.view(), notifier, 1), 1U);
    ASSERT_EQ(await_notification(memory.view(), callers[first], cells[first], 0), Result::kDone);
    leave(memory.view(), callers[first], cells[first]);
    cells[first] = enlisted(memory.view(), callers[first]);
  }
}

TEST(ConditionMemory, TheDeadNeitherWaitNorSwallow) {
  const ObjectMemory memory(ObjectKind::kCondition, kCells);
  Caller dead = caller_of(1);
  Caller notifier = caller_of(9);
  Caller manager;
  // It waited.
  (void)enlisted(memory.view(), dead);
  recover_object(memory.view(), manager, 1, true);
  EXPECT_EQ(notified_of(memory.view(), notifier, 1), 0U);
  // It was notified, and another waits.
  const std::uint32_t cell = enlisted(memory.view(), dead);
  EXPECT_EQ(notified_of(memory.view(), notifier, 1), 1U);
  Sleeper sleeper(2, [&](Caller& caller) { return wait_once(memory.view(), caller, kForever); });
  sleeper.await_sleep();
  // Even if it knew already, but was not back yet.
  EXPECT_EQ(await_notification(memory.view(), dead, cell, 0), Result::kDone);
  recover_object(memory.view(), manager, 1, true);
  EXPECT_EQ(sleeper.result(), Result::kDone);
  EXPECT_EQ(waiters(memory.view()), 0U);
}

// It may have changed what they wait for, and not come to notify them.
TEST(ConditionMemory, WhoWaitsLooksAgainWhenAnotherDies) {
  const ObjectMemory memory(ObjectKind::kCondition, kCells);
  Caller manager;
  Sleeper one(2, [&](Caller& caller) { return wait_once(memory.view(), caller, generous()); });
  Sleeper two(3, [&](Caller& caller) { return wait_once(memory.view(), caller, generous()); });
  one.await_sleep();
  two.await_sleep();
  recover_object(memory.view(), manager, 1, true);
  EXPECT_EQ(one.result(), Result::kDone);
  EXPECT_EQ(two.result(), Result::kDone);
  for (std::uint32_t i = 0; i < kCells; ++i) EXPECT_EQ(memory.view().cells32()[i].load(), 0U);
}

TEST(ConditionMemory, WhoSleepsInARetiredOneIsTold) {
  ObjectMemory memory(ObjectKind::kCondition, 40);
  const ObjectView before = memory.view();
  Caller one = caller_of(1);
  Sleeper sleeper(2, [&](Caller& caller) { return wait_once(before, caller, kForever); });
  Sleeper another(3, [&](Caller& caller) { return wait_once(before, caller, generous()); });
  sleeper.await_sleep();
  another.await_sleep();
  retire_object(before);
  EXPECT_EQ(sleeper.result(), Result::kStale);
  EXPECT_EQ(another.result(), Result::kStale);
  EXPECT_EQ(notify(before, one, 1), Result::kStale);
  memory.lay(ObjectKind::kCondition, 40);
  EXPECT_EQ(wait_once(before, one, 0), Result::kStale);
  EXPECT_EQ(wait_once(memory.view(), one, 0), Result::kTimedOut);
}

TEST(ConditionMemory, GarbageHoldsNobodyUp) {
  ObjectMemory memory(ObjectKind::kCondition, 40);
  Caller one = caller_of(1);
  Caller manager;
  expect_calls_return(memory, 100, [&] {
    (void)wait_once(memory.other_view(), one, brief());
    (void)notify(memory.other_view(), one, UINT32_MAX);
    (void)waiters(memory.other_view());
    recover_object(memory.other_view(), manager, 2, true);
  });
}

TEST(ConditionMemory, AStoreIsEmptiedByManyTakers) {
  constexpr int kThings = 3'000;
  const ObjectMemory memory(ObjectKind::kCondition, kCells);
  int store = 0;
  const auto lock = [](const ObjectView& view, Caller& caller) {
    Acquisition ignored;
    ASSERT_EQ(acquire(view, caller, kForever, &ignored), Result::kDone);
  };
  std::vector<std::thread> takers;
  for (std::uint16_t slot = 1; slot <= 3; ++slot) {
    takers.emplace_back([&, slot] {
      Caller caller = caller_of(slot);
      const ObjectView view = slot == 2 ? memory.view() : memory.other_view();
      for (int taken = 0; taken < kThings; ++taken) {
        lock(view, caller);
        while (store == 0) {
          const std::uint32_t cell = enlisted(view, caller);
          ASSERT_EQ(release(view, caller), Result::kDone);
          ASSERT_EQ(await_notification(view, caller, cell, kForever), Result::kDone);
          lock(view, caller);
          leave(view, caller, cell);
        }
        --store;
        ASSERT_EQ(release(view, caller), Result::kDone);
      }
    });
  }
  Caller maker = caller_of(9);
  for (int made = 0; made < 3 * kThings; ++made) {
    lock(memory.view(), maker);
    ++store;
    ASSERT_EQ(release(memory.view(), maker), Result::kDone);
    ASSERT_EQ(notify(memory.view(), maker, 1), Result::kDone);
  }
  for (std::thread& taker : takers) taker.join();
  EXPECT_EQ(store, 0);
}

}  // namespace
}  // namespace shoal::memory
