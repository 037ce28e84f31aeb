// Barrier on plain mapped bytes.
#include <atomic>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "memory/barrier.h"
#include "tests/unit/object_memory.h"

namespace shoal::memory {
namespace {

// Arrives and waits, or ends the phase.
Result meet(const ObjectView& barrier, Caller& caller, Deadline deadline,
            std::uint32_t* index = nullptr) {
  Arrival arrival;
  const Result came = arrive(barrier, caller, deadline, &arrival);
  if (came != Result::kDone) return came;
  if (index != nullptr) *index = arrival.index;
  return arrival.is_last ? end_phase(barrier, caller, arrival)
                         : wait_for_phase(barrier, caller, arrival, deadline);
}

TEST(BarrierMemory, OneIsEnoughForOne) {
  const ObjectMemory memory(ObjectKind::kBarrier, 1);
  Caller one = caller_of(1);
  for (int i = 0; i < 20; ++i) ASSERT_EQ(meet(memory.view(), one, 0), Result::kDone);
  EXPECT_EQ(arrived(memory.view()), 0U);
}

TEST(BarrierMemory, TheLastLetsTheOthersGoWhenItHasActed) {
  const ObjectMemory memory(ObjectKind::kBarrier, 2);
  Caller one = caller_of(1);
  Sleeper first(2, [&](Caller& caller) { return meet(memory.other_view(), caller, kForever); });
  first.await_sleep();
  EXPECT_EQ(arrived(memory.view()), 1U);
  Arrival arrival;
  ASSERT_EQ(arrive(memory.view(), one, 0, &arrival), Result::kDone);
  EXPECT_TRUE(arrival.is_last);
  EXPECT_EQ(arrival.index, 1U);
  // Who comes meanwhile belongs to the next phase.
  Caller late = caller_of(3);
  Arrival ignored;
  EXPECT_EQ(arrive(memory.view(), late, brief(), &ignored), Result::kTimedOut);
  ASSERT_EQ(end_phase(memory.view(), one, arrival), Result::kDone);
  EXPECT_EQ(first.result(), Result::kDone);
  EXPECT_EQ(end_phase(memory.view(), one, arrival), Result::kBroken) << "it has ended";
}

TEST(BarrierMemory, ATimeoutBreaksItUntilReset) {
  const ObjectMemory memory(ObjectKind::kBarrier, 3);
  Caller one = caller_of(1);
  Sleeper first(2, [&](Caller& caller) { return meet(memory.other_view(), caller, kForever); });
  first.await_sleep();
  EXPECT_EQ(meet(memory.view(), one, brief()), Result::kTimedOut);
  EXPECT_EQ(first.result(), Result::kBroken);
  EXPECT_TRUE(is_broken(memory.view()));
  EXPECT_EQ(arrived(memory.view()), 0U);
  EXPECT_EQ(meet(memory.view(), one, kForever), Result::kBroken);
  ASSERT_EQ(reset_barrier(memory.view(), one), Result::kDone);
  EXPECT_FALSE(is_broken(memory.view()));
}

TEST(BarrierMemory, AResetAndABreakAreToldToThoseWhoWait) {
  const ObjectMemory memory(ObjectKind::kBarrier, 2);
  Caller one = caller_of(1);
  for (const bool reset : {true, false}) {
    Sleeper first(2, [&](Caller& caller) { return meet(memory.other_view(), caller, kForever); });
    first.await_sleep();
    ASSERT_EQ(reset ? reset_barrier(memory.view(), one) : break_barrier(memory.view(), one),
              Result::kDone);
    EXPECT_EQ(first.result(), Result::kBroken);
    EXPECT_EQ(is_broken(memory.view()), !reset);
  }
}

TEST(BarrierMemory, ADeathBreaksItADepartureDoesNot) {
  const ObjectMemory memory(ObjectKind::kBarrier, 2);
  Caller manager;
  Caller one = caller_of(1);
  // It took part once.
  for (const bool died : {false, true}) {
    Sleeper other(2, [&](Caller& caller) { return meet(memory.view(), caller, kForever); });
    ASSERT_EQ(meet(memory.view(), one, kForever), Result::kDone);
    ASSERT_EQ(other.result(), Result::kDone);
    Sleeper waits(2, [&](Caller& caller) { return meet(memory.view(), caller, kForever); });
    waits.await_sleep();
    recover_object(memory.view(), manager, 1, died);
    EXPECT_EQ(is_broken(memory.view()), died);
    if (!died) {
      ASSERT_EQ(meet(memory.view(), one, kForever), Result::kDone);
    }
    EXPECT_EQ(waits.result(), died ? Result::kBroken : Result::kDone);
  }
  EXPECT_EQ(memory.descriptor().recoveries.load(), 1U);
}

TEST(BarrierMemory, HasRoomForSoManyProcesses) {
  const ObjectMemory memory(ObjectKind::kBarrier, 1);
  const std::size_t cells = memory.view().size / sizeof(Word16);
  for (std::size_t slot = 1; slot <= cells; ++slot) {
    Caller caller = caller_of(static_cast<std::uint16_t>(slot));
    ASSERT_EQ(meet(memory.view(), caller, 0), Result::kDone);
  }
  Caller late = caller_of(60'000);
  EXPECT_EQ(meet(memory.view(), late, 0), Result::kExhausted);
  Caller manager;
  recover_object(memory.view(), manager, 1, false);
  EXPECT_EQ(meet(memory.view(), late, 0), Result::kDone);
}

TEST(BarrierMemory, WhoSleepsInARetiredOneIsTold) {
  ObjectMemory memory(ObjectKind::kBarrier, 3);
  const ObjectView before = memory.view();
  Sleeper sleeper(2, [&](Caller& caller) { return meet(before, caller, kForever); });
  Sleeper another(3, [&](Caller& caller) { return meet(before, caller, generous()); });
  sleeper.await_sleep();
  another.await_sleep();
  retire_object(before);
  EXPECT_EQ(sleeper.result(), Result::kStale);
  EXPECT_EQ(another.result(), Result::kStale);
  memory.lay(ObjectKind::kBarrier, 1);
  Caller one = caller_of(1);
  EXPECT_EQ(meet(before, one, 0), Result::kStale);
  EXPECT_EQ(reset_barrier(before, one), Result::kStale);
  EXPECT_EQ(break_barrier(before, one), Result::kStale);
  EXPECT_EQ(meet(memory.view(), one, 0), Result::kDone);
}

TEST(BarrierMemory, GarbageHoldsNobodyUp) {
  ObjectMemory memory(ObjectKind::kBarrier, 3);
  Caller one = caller_of(1);
  Caller manager;
  expect_calls_return(memory, 60, [&] {
    (void)meet(memory.other_view(), one, brief());
    (void)arrived(memory.other_view());
    (void)break_barrier(memory.other_view(), one);
    (void)reset_barrier(memory.other_view(), one);
    recover_object(memory.other_view(), manager, 2, true);
  });
}

TEST(BarrierMemory, PhasesAgree) {
  constexpr std::uint32_t kParties = 4;
  constexpr int kRounds = 2'000;
  const ObjectMemory memory(ObjectKind::kBarrier, kParties);
  std::vector<int> rounds(kParties);
  std::atomic<std::uint32_t> indices{0};
  std::vector<std::thread> threads;
  for (std::uint32_t party = 0; party < kParties; ++party) {
    threads.emplace_back([&, party] {
      Caller caller = caller_of(static_cast<std::uint16_t>(1 + party / 2), 1 + party % 2);
      const ObjectView barrier = party % 2 == 0 ? memory.view() : memory.other_view();
      for (int round = 1; round <= kRounds; ++round) {
        rounds[party] = round;
        std::uint32_t index = 0;
        ASSERT_EQ(meet(barrier, caller, kForever, &index), Result::kDone);
        indices += index;
        // All have come, and none goes on before all have looked.
        for (const int other : rounds) ASSERT_EQ(other, round);
        ASSERT_EQ(meet(barrier, caller, kForever), Result::kDone);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(indices.load(), kRounds * (0 + 1 + 2 + 3));
}

}  // namespace
}  // namespace shoal::memory
