// Event on plain mapped bytes, and the watch that any object has.
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "memory/event.h"
#include "tests/unit/object_memory.h"

namespace shoal::memory {
namespace {

TEST(EventMemory, IsSetAndCleared) {
  const ObjectMemory memory(ObjectKind::kEvent);
  Caller one = caller_of(1);
  EXPECT_FALSE(event_is_set(memory.view()));
  EXPECT_EQ(wait_for_event(memory.view(), one, 0), Result::kTimedOut);
  EXPECT_EQ(wait_for_event(memory.view(), one, brief()), Result::kTimedOut);
  for (int i = 0; i < 2; ++i) ASSERT_EQ(set_event(memory.view(), one), Result::kDone);
  EXPECT_TRUE(event_is_set(memory.read_only_view()));
  EXPECT_EQ(wait_for_event(memory.other_view(), one, 0), Result::kDone);
  EXPECT_EQ(poll_for_event(memory.read_only_view(), 0), Result::kDone);
  for (int i = 0; i < 2; ++i) ASSERT_EQ(clear_event(memory.view()), Result::kDone);
  EXPECT_EQ(wait_for_event(memory.view(), one, 0), Result::kTimedOut);
  EXPECT_EQ(poll_for_event(memory.read_only_view(), brief()), Result::kTimedOut);
}

TEST(EventMemory, ASetLetsGoAllWhoWaitEvenIfClearedAtOnce) {
  const ObjectMemory memory(ObjectKind::kEvent);
  Caller one = caller_of(1);
  Sleeper first(
      2, [&](Caller& caller) { return wait_for_event(memory.other_view(), caller, kForever); });
  Sleeper second(3,
                 [&](Caller& caller) { return wait_for_event(memory.view(), caller, generous()); });
  first.await_sleep();
  second.await_sleep();
  ASSERT_EQ(set_event(memory.view(), one), Result::kDone);
  ASSERT_EQ(clear_event(memory.view()), Result::kDone);
  EXPECT_EQ(first.result(), Result::kDone);
  EXPECT_EQ(second.result(), Result::kDone);
}

TEST(EventMemory, WhoMayOnlyReadWaitsToo) {
  const ObjectMemory memory(ObjectKind::kEvent);
  Caller one = caller_of(1);
  std::thread setter([&] { EXPECT_EQ(set_event(memory.view(), one), Result::kDone); });
  EXPECT_EQ(poll_for_event(memory.read_only_view(), kForever), Result::kDone);
  setter.join();
}

TEST(EventMemory, WhoSleepsInARetiredOneIsTold) {
  ObjectMemory memory(ObjectKind::kEvent);
  const ObjectView before = memory.view();
  const ObjectView to_read = memory.read_only_view();
  Caller one = caller_of(1);
  Sleeper sleeper(2, [&](Caller& caller) { return wait_for_event(before, caller, kForever); });
  std::thread reader([&] { EXPECT_EQ(poll_for_event(to_read, kForever), Result::kStale); });
  sleeper.await_sleep();
  retire_object(before);
  EXPECT_EQ(sleeper.result(), Result::kStale);
  reader.join();
  memory.lay(ObjectKind::kEvent);
  EXPECT_EQ(set_event(before, one), Result::kStale);
  EXPECT_EQ(clear_event(before), Result::kStale);
  EXPECT_FALSE(event_is_set(memory.view()));
  EXPECT_EQ(set_event(memory.view(), one), Result::kDone);
}

TEST(EventMemory, GarbageHoldsNobodyUp) {
  ObjectMemory memory(ObjectKind::kEvent);
  Caller one = caller_of(1);
  Caller manager;
  expect_calls_return(memory, 100, [&] {
    (void)wait_for_event(memory.other_view(), one, brief());
    (void)poll_for_event(memory.read_only_view(), brief());
    (void)set_event(memory.other_view(), one);
    (void)clear_event(memory.other_view());
    (void)arm_watch(memory.other_view());
    recover_object(memory.other_view(), manager, 2, true);
  });
}

TEST(EventMemory, TwoPassTheirTurnsToEachOther) {
  constexpr int kRounds = 3'000;
  const ObjectMemory ping(ObjectKind::kEvent);
  const ObjectMemory pong(ObjectKind::kEvent);
  int turns = 0;
  const auto play = [&](const ObjectView& mine, const ObjectView& theirs, std::uint16_t slot) {
    Caller caller = caller_of(slot);
    for (int round = 0; round < kRounds; ++round) {
      ASSERT_EQ(wait_for_event(mine, caller, kForever), Result::kDone);
      ASSERT_EQ(clear_event(mine), Result::kDone);
      ++turns;
      ASSERT_EQ(set_event(theirs, caller), Result::kDone);
    }
  };
  std::thread other([&] { play(pong.other_view(), ping.other_view(), 2); });
  Caller one = caller_of(1);
  ASSERT_EQ(set_event(ping.view(), one), Result::kDone);
  play(ping.view(), pong.view(), 1);
  other.join();
  EXPECT_EQ(turns, 2 * kRounds);
}

TEST(WatchMemory, TheNextChangePokesOnce) {
  const ObjectMemory memory(ObjectKind::kEvent);
  std::vector<std::uint64_t> poked;
  Caller one = caller_of(1);
  one.poke = [](void* list, std::uint64_t object) {
    static_cast<std::vector<std::uint64_t>*>(list)->push_back(object);
  };
  one.context = &poked;
  ASSERT_EQ(set_event(memory.view(), one), Result::kDone);
  EXPECT_TRUE(poked.empty()) << "nobody watches";
  ASSERT_EQ(clear_event(memory.view()), Result::kDone);
  ASSERT_TRUE(arm_watch(memory.other_view()));
  for (int i = 0; i < 2; ++i) {
    ASSERT_EQ(set_event(memory.view(), one), Result::kDone);
    ASSERT_EQ(clear_event(memory.view()), Result::kDone);
  }
  EXPECT_EQ(poked, std::vector<std::uint64_t>{memory.view().id});
  retire_object(memory.view());
  EXPECT_FALSE(arm_watch(memory.view()));
}

}  // namespace
}  // namespace shoal::memory
