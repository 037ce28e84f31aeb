// SharedLock on plain mapped bytes.
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "memory/shared_lock.h"
#include "tests/unit/object_memory.h"

namespace shoal::memory {
namespace {

Result write(const ObjectView& lock, Caller& caller, Deadline deadline = 0) {
  Acquisition ignored;
  return acquire_exclusive(lock, caller, deadline, &ignored);
}
Result read(const ObjectView& lock, Caller& caller, Deadline deadline = 0) {
  Acquisition ignored;
  return acquire_shared(lock, caller, deadline, &ignored);
}

TEST(SharedLockMemory, ManyReadOrOneWrites) {
  const ObjectMemory memory(ObjectKind::kSharedLock, 32);
  Caller one = caller_of(1);
  Caller two = caller_of(2);
  ASSERT_EQ(read(memory.view(), one), Result::kDone);
  ASSERT_EQ(read(memory.view(), one), Result::kDone);
  ASSERT_EQ(read(memory.other_view(), two), Result::kDone);
  EXPECT_EQ(sharers(memory.view()), 3U);
  EXPECT_EQ(write(memory.view(), one), Result::kTimedOut);
  EXPECT_FALSE(is_held(memory.descriptor())) << "a writer that gives up leaves its place";
  for (int i = 0; i < 2; ++i) ASSERT_EQ(release_shared(memory.view(), one), Result::kDone);
  EXPECT_EQ(release_shared(memory.view(), one), Result::kNotOwner);
  ASSERT_EQ(release_shared(memory.view(), two), Result::kDone);
  ASSERT_EQ(write(memory.view(), one), Result::kDone);
  EXPECT_EQ(read(memory.other_view(), two), Result::kTimedOut);
  EXPECT_EQ(read(memory.other_view(), two, brief()), Result::kTimedOut);
  EXPECT_EQ(sharers(memory.view()), 0U) << "a reader that gives up leaves no hold";
  EXPECT_EQ(release_exclusive(memory.view(), two), Result::kNotOwner);
  EXPECT_EQ(release_exclusive(memory.view(), one), Result::kDone);
  EXPECT_EQ(read(memory.other_view(), two), Result::kDone);
}

// Whoever watches the lock would try again, and so on for ever.
TEST(SharedLockMemory, ATryInVainTellsNobodyWhoWatches) {
  const ObjectMemory memory(ObjectKind::kSharedLock, 32);
  Caller one = caller_of(1);
  Caller two = caller_of(2);
  int poked = 0;
  two.poke = [](void* count, std::uint64_t) { ++*static_cast<int*>(count); };
  two.context = &poked;
  Descriptor& d = memory.descriptor();
  ASSERT_EQ(read(memory.view(), one), Result::kDone);
  d.lock.store(d.lock.load() | kWatched);
  d.event.store(d.event.load() | kWatched);
  EXPECT_EQ(write(memory.view(), two), Result::kTimedOut);
  EXPECT_EQ(poked, 0);
  ASSERT_EQ(release_shared(memory.view(), one), Result::kDone);
  ASSERT_EQ(write(memory.view(), one), Result::kDone);
  d.lock.store(d.lock.load() | kWatched);
  d.event.store(d.event.load() | kWatched);
  EXPECT_EQ(read(memory.view(), two), Result::kTimedOut);
  EXPECT_EQ(poked, 0);
  EXPECT_EQ(release_exclusive(memory.view(), one), Result::kDone);
}

TEST(SharedLockMemory, ADeathThatLeftSomethingHeldIsCountedOnce) {
  const ObjectMemory memory(ObjectKind::kSharedLock, 32);
  Caller one = caller_of(1);
  for (int i = 0; i < 3; ++i) ASSERT_EQ(read(memory.view(), one), Result::kDone);
  recover_shared_lock(memory.view(), 2);
  EXPECT_EQ(memory.descriptor().recoveries.load(), 0U);
  recover_shared_lock(memory.view(), 1);
  EXPECT_EQ(memory.descriptor().recoveries.load(), 1U);
  ASSERT_EQ(write(memory.view(), one), Result::kDone);
  recover_shared_lock(memory.view(), 1);
  EXPECT_EQ(memory.descriptor().recoveries.load(), 2U);
}

TEST(SharedLockMemory, AWriterThatWaitsKeepsNewReadersOut) {
  const ObjectMemory memory(ObjectKind::kSharedLock, 32);
  Caller one = caller_of(1);
  Caller three = caller_of(3);
  ASSERT_EQ(read(memory.view(), one), Result::kDone);
  Sleeper writer(2, [&](Caller& caller) { return write(memory.other_view(), caller, kForever); });
  writer.await_sleep();
  EXPECT_EQ(read(memory.view(), three), Result::kTimedOut);
  ASSERT_EQ(release_shared(memory.view(), one), Result::kDone);
  EXPECT_EQ(writer.result(), Result::kDone);
}

TEST(SharedLockMemory, MoreProcessesThanCellsTakeTurns) {
  const ObjectMemory memory(ObjectKind::kSharedLock, 1);
  Caller one = caller_of(1);
  ASSERT_EQ(read(memory.view(), one), Result::kDone);
  ASSERT_EQ(read(memory.view(), one), Result::kDone) << "the cell is its own";
  Sleeper reader(2, [&](Caller& caller) { return read(memory.other_view(), caller, kForever); });
  reader.await_sleep();
  for (int i = 0; i < 2; ++i) ASSERT_EQ(release_shared(memory.view(), one), Result::kDone);
  EXPECT_EQ(reader.result(), Result::kDone);
}

TEST(SharedLockMemory, ACellThatIsFullIsNotRaised) {
  const ObjectMemory memory(ObjectKind::kSharedLock, 1);
  Caller one = caller_of(1);
  memory.view().cells32()[0].store(1U << 16 | 0xffff);
  EXPECT_EQ(read(memory.view(), one), Result::kTimedOut);
  EXPECT_EQ(release_shared(memory.view(), one), Result::kDone);
  EXPECT_EQ(read(memory.view(), one), Result::kDone);
}

TEST(SharedLockMemory, TheHoldsOfADeadReaderGo) {
  const ObjectMemory memory(ObjectKind::kSharedLock, 4);
  Caller one = caller_of(1);
  Caller manager;
  for (int i = 0; i < 3; ++i) ASSERT_EQ(read(memory.view(), one), Result::kDone);
  Sleeper writer(2, [&](Caller& caller) { return write(memory.other_view(), caller, kForever); });
  writer.await_sleep();
  recover_object(memory.view(), manager, 1, true);
  EXPECT_EQ(writer.result(), Result::kDone);
  EXPECT_EQ(memory.descriptor().abandoned.load(), 0U) << "a reader leaves nothing half done";
}

TEST(SharedLockMemory, ADeadWriterIsToldOnlyIfItWasIn) {
  const ObjectMemory memory(ObjectKind::kSharedLock, 4);
  Caller two = caller_of(2);
  Caller manager;
  ASSERT_EQ(read(memory.view(), two), Result::kDone);
  // It died while it waited for the readers: the word is its, and nothing was changed.
  memory.descriptor().lock.store(owner_of(1, 1) << 2);
  recover_object(memory.view(), manager, 1, true);
  EXPECT_FALSE(is_held(memory.descriptor()));
  EXPECT_EQ(memory.descriptor().abandoned.load(), 0U);
  ASSERT_EQ(release_shared(memory.view(), two), Result::kDone);

  Caller one = caller_of(1);
  ASSERT_EQ(write(memory.view(), one), Result::kDone);
  Sleeper reader(3, [&](Caller& caller) { return read(memory.other_view(), caller, kForever); });
  reader.await_sleep();
  recover_object(memory.view(), manager, 1, true);
  EXPECT_EQ(reader.result(), Result::kDone);
  Acquisition got;
  ASSERT_EQ(acquire_shared(memory.view(), two, 0, &got), Result::kDone);
  EXPECT_TRUE(got.abandoned);
}

TEST(SharedLockMemory, WhoSleepsInARetiredLockIsTold) {
  ObjectMemory memory(ObjectKind::kSharedLock, 1);
  const ObjectView before = memory.view();
  Caller one = caller_of(1);
  ASSERT_EQ(read(before, one), Result::kDone);
  // One waits for the readers, one for the writer, which has its place already.
  Sleeper writer(2, [&](Caller& caller) { return write(before, caller, kForever); });
  writer.await_sleep();
  Sleeper second(3, [&](Caller& caller) { return write(before, caller, generous()); });
  Sleeper reader(1, [&](Caller& caller) { return read(before, caller, kForever); });
  second.await_sleep();
  reader.await_sleep();
  retire_object(before);
  EXPECT_EQ(writer.result(), Result::kStale);
  EXPECT_EQ(second.result(), Result::kStale);
  EXPECT_EQ(reader.result(), Result::kStale);
  EXPECT_EQ(release_shared(before, one), Result::kStale);
  memory.lay(ObjectKind::kSharedLock, 1);
  EXPECT_EQ(read(before, one), Result::kStale);
  EXPECT_EQ(write(memory.view(), one), Result::kDone);
}

TEST(SharedLockMemory, GarbageHoldsNobodyUp) {
  ObjectMemory memory(ObjectKind::kSharedLock, 40);
  Caller one = caller_of(1);
  Caller manager;
  expect_calls_return(memory, 60, [&] {
    (void)write(memory.other_view(), one, brief());
    (void)read(memory.other_view(), one, brief());
    (void)release_exclusive(memory.other_view(), one);
    (void)release_shared(memory.other_view(), one);
    (void)sharers(memory.other_view());
    recover_object(memory.other_view(), manager, 2, true);
  });
}

TEST(SharedLockMemory, ReadersSeeWholeWrites) {
  constexpr int kRounds = 5'000;
  const ObjectMemory memory(ObjectKind::kSharedLock, 2);
  std::uint64_t first = 0;
  std::uint64_t second = 0;
  std::vector<std::thread> threads;
  for (std::uint16_t slot = 1; slot <= 4; ++slot) {
    threads.emplace_back([&, slot] {
      Caller caller = caller_of(slot);
      const ObjectView lock = slot % 2 == 0 ? memory.view() : memory.other_view();
      for (int round = 0; round < kRounds; ++round) {
        if (round % 4 == slot % 4) {
          ASSERT_EQ(write(lock, caller, kForever), Result::kDone);
          ++first;
          ++second;
          ASSERT_EQ(release_exclusive(lock, caller), Result::kDone);
        } else {
          ASSERT_EQ(read(lock, caller, kForever), Result::kDone);
          ASSERT_EQ(first, second);
          ASSERT_EQ(release_shared(lock, caller), Result::kDone);
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(first, kRounds);
  EXPECT_EQ(memory.descriptor().token.load(), first);
}

}  // namespace
}  // namespace shoal::memory
