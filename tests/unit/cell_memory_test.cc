// Cells of any size on plain mapped bytes.
#include <algorithm>
#include <cstring>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "memory/cell.h"
#include "memory/lock.h"
#include "tests/unit/object_memory.h"

namespace shoal::memory {
namespace {

using Bytes = std::vector<std::byte>;

Bytes filled(std::size_t size, int with) { return Bytes(size, static_cast<std::byte>(with)); }
Bytes loaded(const ObjectView& cell) {
  Bytes bytes(cell.count);
  EXPECT_EQ(load_cell(cell, kReadPatienceNs, bytes), Result::kDone);
  return bytes;
}
bool is_whole(const Bytes& bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [&](std::byte b) { return b == bytes[0]; });
}

// In the descriptor, at its edge, and in a block.
class LargeCell : public testing::TestWithParam<std::size_t> {};

TEST_P(LargeCell, IsStoredLoadedAndExchanged) {
  const std::size_t size = GetParam();
  ObjectMemory memory(ObjectKind::kCell, size);
  memory.lay(ObjectKind::kCell, size, 0, filled(size, 1));
  Caller one = caller_of(1);
  EXPECT_EQ(loaded(memory.read_only_view()), filled(size, 1));
  for (int i = 2; i < 5; ++i) {
    ASSERT_EQ(store_cell(memory.view(), one, 0, filled(size, i)), Result::kDone);
    EXPECT_EQ(loaded(memory.other_view()), filled(size, i));
  }
  Bytes expected = filled(size, 9);
  EXPECT_EQ(exchange_cell(memory.view(), one, 0, expected, filled(size, 10)), Result::kDiffers);
  EXPECT_EQ(expected, filled(size, 4)) << "what was found";
  EXPECT_EQ(exchange_cell(memory.view(), one, 0, expected, filled(size, 10)), Result::kDone);
  EXPECT_EQ(loaded(memory.view()), filled(size, 10));
}

TEST_P(LargeCell, AClaimIsWaitedForAndTakenBackFromTheDead) {
  const std::size_t size = GetParam();
  const ObjectMemory memory(ObjectKind::kCell, size);
  Caller manager;
  Caller one = caller_of(1);
  memory.descriptor().hint.store(owner_of(2, 1));
  EXPECT_EQ(store_cell(memory.view(), one, 0, filled(size, 1)), Result::kTimedOut);
  EXPECT_EQ(store_cell(memory.view(), one, brief(), filled(size, 1)), Result::kTimedOut);
  Sleeper sleeper(3, [&](Caller& caller) {
    return store_cell(memory.other_view(), caller, kForever, filled(size, 3));
  });
  sleeper.await_sleep();
  recover_object(memory.view(), manager, 2, true);
  EXPECT_EQ(sleeper.result(), Result::kDone);
  EXPECT_EQ(loaded(memory.view()), filled(size, 3));
  EXPECT_EQ(memory.descriptor().hint.load(), 0U);
}

TEST_P(LargeCell, ReadersSeeWholeValues) {
  constexpr int kRounds = 5'000;
  const std::size_t size = GetParam();
  const ObjectMemory memory(ObjectKind::kCell, size);
  std::vector<std::thread> threads;
  for (std::uint16_t slot = 1; slot <= 2; ++slot) {
    threads.emplace_back([&, slot] {
      Caller caller = caller_of(slot);
      for (int round = 0; round < kRounds; ++round) {
        ASSERT_EQ(store_cell(memory.view(), caller, kForever, filled(size, round % 251 + slot)),
                  Result::kDone);
      }
    });
    threads.emplace_back([&] {
      for (int round = 0; round < kRounds; ++round) {
        ASSERT_TRUE(is_whole(loaded(memory.other_view())));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_P(LargeCell, GarbageHoldsNobodyUp) {
  const std::size_t size = GetParam();
  ObjectMemory memory(ObjectKind::kCell, size);
  Caller one = caller_of(1);
  Caller manager;
  Bytes bytes(size);
  expect_calls_return(memory, 40, [&] {
    (void)load_cell(memory.other_view(), kReadPatienceNs, bytes);
    (void)store_cell(memory.other_view(), one, brief(), filled(size, 1));
    (void)exchange_cell(memory.other_view(), one, brief(), bytes, filled(size, 2));
    (void)wait_for_change(memory.other_view(), one, brief(), bytes);
    (void)poll_for_change(memory.read_only_view(), brief(), bytes);
    recover_object(memory.other_view(), manager, 2, true);
  });
}

INSTANTIATE_TEST_SUITE_P(Sizes, LargeCell, testing::Values(3, 12, 24, 64, 65, 1000));

class AnyCell : public testing::TestWithParam<std::size_t> {};

TEST_P(AnyCell, AChangeIsWaitedFor) {
  const std::size_t size = GetParam();
  const ObjectMemory memory(ObjectKind::kCell, size);
  Caller one = caller_of(1);
  const Bytes old = filled(size, 0);
  EXPECT_EQ(wait_for_change(memory.view(), one, 0, old), Result::kTimedOut);
  EXPECT_EQ(wait_for_change(memory.view(), one, brief(), old), Result::kTimedOut);
  EXPECT_EQ(poll_for_change(memory.read_only_view(), brief(), old), Result::kTimedOut);
  Sleeper sleeper(2, [&](Caller& caller) {
    return wait_for_change(memory.other_view(), caller, kForever, old);
  });
  std::thread reader(
      [&] { EXPECT_EQ(poll_for_change(memory.read_only_view(), kForever, old), Result::kDone); });
  sleeper.await_sleep();
  if (is_one_word(size)) {
    memory.descriptor().value.store(0x7f);
  } else {
    ASSERT_EQ(store_cell(memory.view(), one, kForever, filled(size, 0x7f)), Result::kDone);
  }
  ASSERT_EQ(notify_cell(memory.view(), one), Result::kDone);
  EXPECT_EQ(sleeper.result(), Result::kDone);
  reader.join();
}

TEST_P(AnyCell, WhoSleepsInARetiredOneIsTold) {
  const std::size_t size = GetParam();
  ObjectMemory memory(ObjectKind::kCell, size);
  const ObjectView before = memory.view();
  const Bytes old = filled(size, 0);
  Caller one = caller_of(1);
  Sleeper sleeper(2,
                  [&](Caller& caller) { return wait_for_change(before, caller, kForever, old); });
  sleeper.await_sleep();
  retire_object(before);
  EXPECT_EQ(sleeper.result(), Result::kStale);
  EXPECT_EQ(notify_cell(before, one), Result::kStale);
  memory.lay(ObjectKind::kCell, size, 0, filled(size, 5));
  Bytes bytes(size);
  if (!is_one_word(size)) {
    EXPECT_EQ(load_cell(before, kReadPatienceNs, bytes), Result::kStale);
    EXPECT_EQ(store_cell(before, one, 0, bytes), Result::kStale);
    EXPECT_EQ(loaded(memory.view()), filled(size, 5));
  }
  EXPECT_EQ(wait_for_change(memory.view(), one, 0, filled(size, 5)), Result::kTimedOut);
}

INSTANTIATE_TEST_SUITE_P(Sizes, AnyCell, testing::Values(1, 2, 4, 8, 24, 1000));

TEST(CellMemory, NoAdditionIsLost) {
  constexpr int kRounds = 3'000;
  struct Pair {
    std::uint64_t count, twice, thrice;
  };
  const ObjectMemory memory(ObjectKind::kCell, sizeof(Pair));
  std::vector<std::thread> threads;
  for (std::uint16_t slot = 1; slot <= 3; ++slot) {
    threads.emplace_back([&, slot] {
      Caller caller = caller_of(slot);
      const ObjectView cell = slot == 2 ? memory.view() : memory.other_view();
      Pair seen{};
      for (int round = 0; round < kRounds;) {
        const Pair next{seen.count + 1, 2 * (seen.count + 1), 3 * (seen.count + 1)};
        const Result result =
            exchange_cell(cell, caller, kForever, std::as_writable_bytes(std::span(&seen, 1)),
                          std::as_bytes(std::span(&next, 1)));
        ASSERT_TRUE(seen.twice == 2 * seen.count && seen.thrice == 3 * seen.count);
        if (result == Result::kDone) ++round;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  Pair last{};
  ASSERT_EQ(load_cell(memory.view(), kReadPatienceNs, std::as_writable_bytes(std::span(&last, 1))),
            Result::kDone);
  EXPECT_EQ(last.count, 3U * kRounds);
}

TEST(CellMemory, ItsLockIsRecoveredBesideItsValue) {
  const ObjectMemory memory(ObjectKind::kCell, 4);
  Caller one = caller_of(1);
  Caller manager;
  Acquisition got;
  ASSERT_EQ(acquire_recursive(memory.view(), one, 0, &got), Result::kDone);
  memory.descriptor().value.store(42);
  recover_object(memory.view(), manager, 1, true);
  EXPECT_FALSE(is_held(memory.descriptor()));
  EXPECT_EQ(memory.descriptor().abandoned.load(), 1U);
  EXPECT_EQ(memory.descriptor().value.load(), 42U);
}

}  // namespace
}  // namespace shoal::memory
