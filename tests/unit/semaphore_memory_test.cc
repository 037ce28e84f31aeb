// Semaphores on plain mapped bytes, with owned and with plain permits.
#include <atomic>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "memory/semaphore.h"
#include "tests/unit/object_memory.h"

namespace shoal::memory {
namespace {

// Inline cells, and a block of them.
class OwnedSemaphore : public testing::TestWithParam<std::uint32_t> {};

TEST_P(OwnedSemaphore, GivesOutWhatItHas) {
  const std::uint32_t permits = GetParam();
  const ObjectMemory memory(ObjectKind::kSemaphore, permits);
  Caller one = caller_of(1);
  Caller two = caller_of(2);
  EXPECT_EQ(free_permits(memory.view()), permits);
  for (std::uint32_t i = 0; i < permits; ++i) {
    ASSERT_EQ(acquire_permit(i % 2 == 0 ? memory.view() : memory.other_view(), one, 0),
              Result::kDone);
  }
  EXPECT_EQ(permits_of(memory.view(), 1), permits);
  EXPECT_EQ(acquire_permit(memory.view(), two, 0), Result::kTimedOut);
  EXPECT_EQ(acquire_permit(memory.view(), two, brief()), Result::kTimedOut);
  EXPECT_EQ(release_permits(memory.view(), two, 1), Result::kNotOwner);
  EXPECT_EQ(release_permits(memory.view(), one, permits + 1), Result::kNotOwner);
  EXPECT_EQ(free_permits(memory.view()), 0U) << "all of them or none";
  EXPECT_EQ(release_permits(memory.view(), one, 1), Result::kDone);
  EXPECT_EQ(acquire_permit(memory.other_view(), two, 0), Result::kDone);
  if (permits > 1) {
    EXPECT_EQ(release_permits(memory.view(), one, permits - 1), Result::kDone);
  }
  EXPECT_EQ(free_permits(memory.view()), permits - 1);
}

TEST_P(OwnedSemaphore, TakesBackFromTheDead) {
  const std::uint32_t permits = GetParam();
  const ObjectMemory memory(ObjectKind::kBoundedSemaphore, permits);
  Caller one = caller_of(1);
  Caller manager;
  for (std::uint32_t i = 0; i < permits; ++i) {
    ASSERT_EQ(acquire_permit(memory.view(), one, 0), Result::kDone);
  }
  Sleeper sleeper(
      2, [&](Caller& caller) { return acquire_permit(memory.other_view(), caller, kForever); });
  sleeper.await_sleep();
  recover_object(memory.view(), manager, 1, true);
  EXPECT_EQ(sleeper.result(), Result::kDone);
  EXPECT_EQ(free_permits(memory.view()), permits - 1);
  EXPECT_EQ(permits_of(memory.view(), 2), 1U);
  EXPECT_EQ(memory.descriptor().recoveries.load(), 1U);
}

INSTANTIATE_TEST_SUITE_P(Sizes, OwnedSemaphore, testing::Values(1, 3, 64, 65, 1000));

TEST(PlainSemaphoreMemory, AnybodyRaisesIt) {
  const ObjectMemory memory(ObjectKind::kSemaphore, 1, kFlagPlain);
  Caller one = caller_of(1);
  Caller manager;
  ASSERT_EQ(acquire_permit(memory.view(), one, 0), Result::kDone);
  recover_object(memory.view(), manager, 1, true);
  EXPECT_EQ(free_permits(memory.view()), 0U) << "what was received is gone";
  Sleeper first(
      2, [&](Caller& caller) { return acquire_permit(memory.other_view(), caller, kForever); });
  Sleeper second(
      3, [&](Caller& caller) { return acquire_permit(memory.other_view(), caller, generous()); });
  first.await_sleep();
  second.await_sleep();
  ASSERT_EQ(release_permits(memory.view(), one, 3), Result::kDone);
  EXPECT_EQ(first.result(), Result::kDone);
  EXPECT_EQ(second.result(), Result::kDone);
  EXPECT_EQ(free_permits(memory.view()), 1U);
}

TEST(PlainSemaphoreMemory, DoesNotOverflow) {
  const ObjectMemory memory(ObjectKind::kSemaphore, 1, kFlagPlain);
  Caller one = caller_of(1);
  EXPECT_EQ(release_permits(memory.view(), one, kPermitsMax - 1), Result::kDone);
  EXPECT_EQ(release_permits(memory.view(), one, 1), Result::kOverflow);
  EXPECT_EQ(free_permits(memory.view()), kPermitsMax);
  memory.descriptor().value.store(UINT64_MAX);
  EXPECT_EQ(release_permits(memory.view(), one, 1), Result::kOverflow);
  EXPECT_EQ(free_permits(memory.view()), kPermitsMax);
}

TEST(PlainSemaphoreMemory, ABoundedOneKeepsItsBound) {
  const ObjectMemory memory(ObjectKind::kBoundedSemaphore, 2, kFlagPlain);
  Caller one = caller_of(1);
  EXPECT_EQ(release_permits(memory.view(), one, 1), Result::kOverflow);
  ASSERT_EQ(acquire_permit(memory.view(), one, 0), Result::kDone);
  EXPECT_EQ(release_permits(memory.view(), one, 2), Result::kOverflow);
  EXPECT_EQ(release_permits(memory.view(), one, 1), Result::kDone);
}

TEST(SemaphoreMemory, WhoSleepsInARetiredOneIsTold) {
  for (const std::uint16_t flags : {std::uint16_t{0}, kFlagPlain}) {
    ObjectMemory memory(ObjectKind::kSemaphore, 1, flags);
    const ObjectView before = memory.view();
    Caller one = caller_of(1);
    ASSERT_EQ(acquire_permit(before, one, 0), Result::kDone);
    Sleeper sleeper(2, [&](Caller& caller) { return acquire_permit(before, caller, kForever); });
    sleeper.await_sleep();
    retire_object(before);
    EXPECT_EQ(sleeper.result(), Result::kStale);
    EXPECT_EQ(release_permits(before, one, 1), Result::kStale);
    memory.lay(ObjectKind::kSemaphore, 1, flags);
    EXPECT_EQ(acquire_permit(before, one, 0), Result::kStale);
    EXPECT_EQ(acquire_permit(memory.view(), one, 0), Result::kDone);
  }
}

TEST(SemaphoreMemory, GarbageHoldsNobodyUp) {
  for (const std::uint16_t flags : {std::uint16_t{0}, kFlagPlain}) {
    ObjectMemory memory(ObjectKind::kSemaphore, 100, flags);
    Caller one = caller_of(1);
    Caller manager;
    expect_calls_return(memory, 60, [&] {
      (void)acquire_permit(memory.other_view(), one, brief());
      (void)release_permits(memory.other_view(), one, 1);
      (void)release_permits(memory.other_view(), one, 3);
      (void)free_permits(memory.other_view());
      recover_object(memory.other_view(), manager, 2, true);
    });
  }
}

// The threads of two processes: permits move between the cells of one all the time.
TEST(SemaphoreMemory, NeverMoreAreInThanPermits) {
  constexpr int kRounds = 10'000;
  constexpr int kPermits = 2;
  for (const std::uint16_t flags : {std::uint16_t{0}, kFlagPlain}) {
    const ObjectMemory memory(ObjectKind::kSemaphore, kPermits, flags);
    std::atomic<int> inside{0};
    std::vector<std::thread> threads;
    for (std::uint16_t number = 0; number < 4; ++number) {
      threads.emplace_back([&, number] {
        Caller caller = caller_of(1 + number % 2, 1 + number / 2);
        const ObjectView semaphore = number % 2 == 0 ? memory.view() : memory.other_view();
        for (int round = 0; round < kRounds; ++round) {
          ASSERT_EQ(acquire_permit(semaphore, caller, kForever), Result::kDone);
          ASSERT_LE(++inside, kPermits);
          --inside;
          ASSERT_EQ(release_permits(semaphore, caller, 1), Result::kDone);
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(free_permits(memory.view()), 2U);
  }
}

}  // namespace
}  // namespace shoal::memory
