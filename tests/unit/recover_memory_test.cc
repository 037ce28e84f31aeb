// Laying, recovering and ending objects on plain mapped bytes, of every kind alike.
#include <cstring>

#include <gtest/gtest.h>

#include "memory/barrier.h"
#include "memory/cell.h"
#include "memory/condition.h"
#include "memory/event.h"
#include "memory/lock.h"
#include "memory/recover.h"
#include "memory/semaphore.h"
#include "memory/shared_lock.h"
#include "tests/unit/object_memory.h"

namespace shoal::memory {
namespace {

struct Sample {
  ObjectKind kind;
  std::uint16_t flags;
  std::uint64_t parameter;
};

class EveryKind : public testing::TestWithParam<Sample> {
 protected:
  ObjectMemory memory_{GetParam().kind, GetParam().parameter, GetParam().flags};
};

TEST_P(EveryKind, IsLaidOverWhateverWasThere) {
  std::mt19937_64 random(3);
  const ObjectView before = memory_.view();
  memory_.scribble(random);
  const std::uint32_t sequence = memory_.descriptor().event.load() & ~kSignals;
  memory_.lay(GetParam().kind, GetParam().parameter, GetParam().flags);
  const Descriptor& d = memory_.descriptor();
  EXPECT_TRUE(before.is_stale());
  EXPECT_FALSE(memory_.view().is_stale());
  EXPECT_EQ(d.lock.load(), 0U);
  EXPECT_EQ(d.depth.load(), 0U);
  EXPECT_EQ(d.token.load(), 0U);
  EXPECT_EQ(d.abandoned.load(), 0U);
  EXPECT_EQ(d.hint.load(), 0U);
  EXPECT_EQ(d.parameter.load(), GetParam().parameter);
  EXPECT_EQ(d.kind.load(), static_cast<std::uint16_t>(GetParam().kind));
  EXPECT_EQ(d.flags.load(), GetParam().flags);
  EXPECT_EQ(d.event.load(), sequence + kEventStep) << "nobody sleeps on for the next object";
  for (const Word64& word : d.words) EXPECT_EQ(word.load(), 0U);
}

TEST_P(EveryKind, HasItsMemoryInTheDescriptorOrABlock) {
  const Sample& sample = GetParam();
  const std::uint64_t bytes = block_bytes(sample.kind, sample.flags, sample.parameter);
  EXPECT_TRUE(bytes == 0 || bytes > kInlineCellBytes);
  const ObjectView view = memory_.view();
  const auto* const inside = reinterpret_cast<const std::byte*>(view.descriptor) + 128;
  EXPECT_EQ(view.bytes == inside, bytes == 0);
  EXPECT_TRUE(bytes != 0 || view.size <= kInlineCellBytes);
}

TEST_P(EveryKind, RecoveringNobodyChangesNothingButTheSequence) {
  Caller manager;
  alignas(8) std::byte before[kDescriptorBytes];
  std::memcpy(before, &memory_.descriptor(), sizeof before);
  reinterpret_cast<Descriptor*>(before)->event.add(kEventStep);
  recover_object(memory_.view(), manager, 7, false);
  EXPECT_EQ(std::memcmp(before, &memory_.descriptor(), sizeof before), 0);
}

TEST_P(EveryKind, RecoveryEndsOnAnyBytesAndLeavesNothingOfTheDead) {
  std::mt19937_64 random(4);
  Caller manager;
  for (int round = 0; round < 500; ++round) {
    memory_.scribble(random);
    recover_object(memory_.view(), manager, 1, round % 2 == 0);
    const bool locks = GetParam().kind != ObjectKind::kEvent &&
                       GetParam().kind != ObjectKind::kBarrier &&
                       GetParam().kind != ObjectKind::kSemaphore &&
                       GetParam().kind != ObjectKind::kBoundedSemaphore;
    if (locks) {
      EXPECT_NE(slot_in(memory_.descriptor().lock.load()), 1);
    }
    if (GetParam().kind == ObjectKind::kSharedLock) {
      for (std::uint32_t i = 0; i < memory_.view().count; ++i) {
        EXPECT_NE(memory_.view().cells32()[i].load() >> 16, 1U);
      }
    }
    if (GetParam().kind == ObjectKind::kCondition) {
      for (std::uint32_t i = 0; i < memory_.view().count; ++i) {
        EXPECT_NE(slot_in(memory_.view().cells32()[i].load()), 1);
      }
    }
  }
}

TEST_P(EveryKind, RetiringTwiceIsRetiring) {
  const ObjectView view = memory_.view();
  retire_object(view);
  retire_object(view);
  EXPECT_TRUE(view.is_stale());
  EXPECT_EQ(slot_in(memory_.descriptor().lock.load()), kSlotGone);
}

INSTANTIATE_TEST_SUITE_P(
    All, EveryKind,
    testing::Values(Sample{ObjectKind::kLock, 0, 0},
                    Sample{ObjectKind::kLock, kFlagReleaseByAnyone, 0},
                    Sample{ObjectKind::kRLock, 0, 0}, Sample{ObjectKind::kSharedLock, 0, 32},
                    Sample{ObjectKind::kSharedLock, 0, 33}, Sample{ObjectKind::kSemaphore, 0, 64},
                    Sample{ObjectKind::kSemaphore, 0, 65},
                    Sample{ObjectKind::kSemaphore, kFlagPlain, 100'000},
                    Sample{ObjectKind::kBoundedSemaphore, kFlagPlain, 3},
                    Sample{ObjectKind::kCondition, 0, 32}, Sample{ObjectKind::kCondition, 0, 200},
                    Sample{ObjectKind::kEvent, 0, 0}, Sample{ObjectKind::kBarrier, 0, 3},
                    Sample{ObjectKind::kBarrier, 0, 500}, Sample{ObjectKind::kCell, 0, 8},
                    Sample{ObjectKind::kCell, 0, 24}, Sample{ObjectKind::kCell, 0, 4000},
                    Sample{ObjectKind::kArray, 0, 100}, Sample{ObjectKind::kArray, 0, 8000}));

TEST(RecoverMemory, BeginsWithItsPermitsAndItsValue) {
  const ObjectMemory plain(ObjectKind::kSemaphore, 5, kFlagPlain);
  EXPECT_EQ(free_permits(plain.view()), 5U);
  const ObjectMemory owned(ObjectKind::kSemaphore, 5);
  EXPECT_EQ(free_permits(owned.view()), 5U);
  ObjectMemory cell(ObjectKind::kCell, 4);
  const std::uint32_t initial = 77;
  cell.lay(ObjectKind::kCell, 4, 0, std::as_bytes(std::span(&initial, 1)));
  EXPECT_EQ(cell.descriptor().value.load(), 77U);
}

// The manager may have died after any of its steps: what it did before is done again.
TEST(RecoverMemory, IsDoneAgainWithoutHarm) {
  const ObjectMemory memory(ObjectKind::kLock);
  Caller one = caller_of(1);
  Caller manager;
  Acquisition got;
  ASSERT_EQ(acquire(memory.view(), one, 0, &got), Result::kDone);
  memory.descriptor().abandoned.store(1);  // and died before it freed the word
  recover_object(memory.view(), manager, 1, true);
  recover_object(memory.view(), manager, 1, true);
  EXPECT_EQ(memory.descriptor().recoveries.load(), 1U);
  Caller two = caller_of(2);
  ASSERT_EQ(acquire(memory.view(), two, 0, &got), Result::kDone);
  EXPECT_TRUE(got.abandoned);
  EXPECT_EQ(got.token, 2U);
}

}  // namespace
}  // namespace shoal::memory
