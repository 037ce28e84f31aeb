// The arena's allocator, one call at a time: sizes, quota, intents, what a dead thread leaves.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "memory/arena.h"
#include "tests/unit/arena_allocator_memory.h"

namespace shoal::test {
namespace {

using memory::ArenaMemory;
using memory::ArenaUsage;
using memory::BlockFor;
using memory::BlockState;
using memory::Caller;
using memory::kChunkBytes;

constexpr BlockFor kA{.object = 7ULL << 32 | 5, .part = 0};
constexpr BlockFor kB{.object = 3ULL << 32 | 6, .part = 9};

bool is_zero(std::span<const std::byte> bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

class ArenaAllocator : public testing::Test {
 public:
  ArenaAllocator() : arena(16) {}

  std::uint64_t allocate(std::uint64_t size, BlockFor block_for = kA) {
    const absl::StatusOr<std::uint64_t> block = arena.memory.allocate(me, size, block_for);
    EXPECT_TRUE(block.ok()) << block.status();
    return block.value_or(0);
  }
  std::uint64_t owned(std::uint64_t size, BlockFor block_for = kA) {
    const std::uint64_t block = allocate(size, block_for);
    EXPECT_TRUE(arena.memory.own(me, block, size, block_for).ok());
    return block;
  }
  void free(std::uint64_t block, std::uint64_t size, BlockFor block_for = kA) {
    const absl::Status status = arena.memory.free(me, block, size, block_for);
    EXPECT_TRUE(status.ok()) << status;
  }
  bool recover() { return arena.memory.recover_intents(*me.record, me.owner, arena.reaches()); }

  TestArena arena;
  Caller me = arena.caller(1);
};

TEST_F(ArenaAllocator, RoundsToCellsAndChunks) {
  EXPECT_EQ(ArenaMemory::block_size(0), 256U);
  EXPECT_EQ(ArenaMemory::block_size(256), 256U);
  EXPECT_EQ(ArenaMemory::block_size(257), 1024U);
  EXPECT_EQ(ArenaMemory::block_size(4096), 4096U);
  EXPECT_EQ(ArenaMemory::block_size(16384), 16384U);
  EXPECT_EQ(ArenaMemory::block_size(16385), kChunkBytes);
  EXPECT_EQ(ArenaMemory::block_size(kChunkBytes + 1), 2 * kChunkBytes);
  EXPECT_EQ(ArenaMemory::block_size(memory::kBlockBytesMax), memory::kBlockBytesMax);
  EXPECT_EQ(ArenaMemory::block_size(memory::kBlockBytesMax + 1), 0U);
  EXPECT_EQ(ArenaMemory::block_size(~std::uint64_t{0}), 0U);
}

TEST_F(ArenaAllocator, GivesAlignedBlocksInsideTheChunks) {
  for (const std::uint64_t size : {1, 256, 1000, 4096, 16000, 65536, 200000}) {
    const std::uint64_t block = owned(size);
    const std::uint64_t takes = ArenaMemory::block_size(size);
    EXPECT_EQ((block - arena.geometry.chunks) % std::min(takes, kChunkBytes), 0U) << size;
    EXPECT_TRUE(arena.holds(block, takes)) << size;
    EXPECT_TRUE(is_zero(arena.block(block, takes))) << size;
  }
  EXPECT_FALSE(ArenaMemory::has_intent(*me.record));
}

TEST_F(ArenaAllocator, CommitsBeforeItReturnsAndOnlyOnce) {
  const std::uint64_t block = owned(3 * kChunkBytes);
  EXPECT_THAT(arena.committed, testing::ElementsAre(testing::Pair(block, 3 * kChunkBytes)));
  free(block, 3 * kChunkBytes);
  EXPECT_EQ(owned(2 * kChunkBytes), block);
  EXPECT_EQ(arena.committed.size(), 1U);
  owned(100);
  EXPECT_EQ(arena.committed.size(), 1U) << "the third chunk is warm";
  owned(100);
  EXPECT_EQ(arena.committed.size(), 1U);
}

TEST_F(ArenaAllocator, ZeroesWhatWasUsed) {
  for (const std::uint64_t size : {std::uint64_t{100}, std::uint64_t{4096}, 2 * kChunkBytes}) {
    const std::uint64_t takes = ArenaMemory::block_size(size);
    for (int round = 0; round < 600; ++round) {
      const std::uint64_t block = owned(size);
      ASSERT_TRUE(is_zero(arena.block(block, takes))) << size << " in round " << round;
      std::memset(arena.bytes.data() + block, 0xee, takes);
      free(block, size);
    }
  }
}

TEST_F(ArenaAllocator, StaysSmallWhereBlocksComeAndGo) {
  for (int round = 0; round < 1000; ++round) {
    free(owned(kChunkBytes), kChunkBytes);
    free(owned(100), 100);
  }
  EXPECT_EQ(arena.header().highest_chunk.load(), 2U);
}

TEST_F(ArenaAllocator, IsRefusedWithoutMemory) {
  arena.commits = false;
  EXPECT_EQ(arena.memory.allocate(me, 100, kA).status().code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(arena.memory.allocate(me, 100000, kA).status().code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_FALSE(ArenaMemory::has_intent(*me.record));
  EXPECT_EQ(arena.header().used_chunks.load(), 0U);
  EXPECT_EQ(arena.memory.usage().used_chunks(), 0U);
}

TEST_F(ArenaAllocator, IsRefusedOverQuota) {
  arena.header().quota_chunks.store(3);
  owned(2 * kChunkBytes);
  EXPECT_EQ(arena.memory.allocate(me, 2 * kChunkBytes, kA).status().code(),
            absl::StatusCode::kResourceExhausted);
  owned(100);
  EXPECT_FALSE(arena.memory.allocate(me, 1024, kA).ok());
  owned(200);
  EXPECT_EQ(arena.header().used_chunks.load(), 3U);
  EXPECT_FALSE(ArenaMemory::has_intent(*me.record));
}

TEST_F(ArenaAllocator, FillsTheWholeArena) {
  for (int i = 0; i < 16; ++i) owned(kChunkBytes);
  EXPECT_FALSE(arena.memory.allocate(me, kChunkBytes, kA).ok());
  EXPECT_FALSE(arena.memory.allocate(me, 1, kA).ok());
  EXPECT_EQ(arena.memory.usage().used_chunks(), 16U);
  EXPECT_EQ(arena.header().used_chunks.load(), 16U);
}

TEST_F(ArenaAllocator, FillsWithCells) {
  std::vector<std::uint64_t> blocks;
  for (int i = 0; i < 16 * 256; ++i) blocks.push_back(owned(256));
  EXPECT_FALSE(arena.memory.allocate(me, 1, kA).ok());
  EXPECT_EQ(arena.memory.usage().cells[0].owned, 4096U);
  free(blocks[3000], 256);
  EXPECT_EQ(owned(256), blocks[3000]) << "the last free cell is found, wherever it is";
}

TEST_F(ArenaAllocator, FindsNoRunInFragments) {
  std::vector<std::uint64_t> blocks;
  for (int i = 0; i < 16; ++i) blocks.push_back(owned(kChunkBytes));
  for (int i = 0; i < 16; i += 2) free(blocks[i], kChunkBytes);
  EXPECT_EQ(arena.memory.allocate(me, 2 * kChunkBytes, kA).status().code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(arena.header().used_chunks.load(), 8U);
  free(blocks[5], kChunkBytes);
  EXPECT_EQ(owned(3 * kChunkBytes), blocks[4]);
}

TEST_F(ArenaAllocator, GivesEmptySlabsBackBeforeItIsFull) {
  std::vector<std::uint64_t> blocks;
  for (int i = 0; i < 16 * 4; ++i) blocks.push_back(owned(16384));
  EXPECT_FALSE(arena.memory.allocate(me, kChunkBytes, kA).ok());
  for (const std::uint64_t block : blocks) free(block, 16384);
  EXPECT_EQ(arena.header().used_chunks.load(), 16U);
  const std::uint64_t all = owned(16 * kChunkBytes);
  EXPECT_EQ(all, arena.geometry.chunks);
  EXPECT_TRUE(is_zero(arena.block(all, 16 * kChunkBytes)));
}

TEST_F(ArenaAllocator, HasSeveralBlocksInFlight) {
  const std::uint64_t old = owned(100);
  const std::uint64_t a = allocate(100);
  const std::uint64_t b = allocate(70000, {kA.object, 1});
  free(old, 100);
  EXPECT_TRUE(arena.memory.own(me, a, 100, kA).ok());
  free(b, 70000, {kA.object, 1});
  EXPECT_FALSE(ArenaMemory::has_intent(*me.record));
  EXPECT_EQ(arena.memory.usage().cells[0].owned, 1U);
  EXPECT_EQ(arena.memory.usage().runs, 0U);
}

TEST_F(ArenaAllocator, RefusesTooManyInFlightAndOtherObjects) {
  for (unsigned i = 0; i < memory::kIntentsMax; ++i) allocate(kChunkBytes);
  EXPECT_EQ(arena.memory.allocate(me, 100, kA).status().code(),
            absl::StatusCode::kFailedPrecondition);
  me = arena.caller(2);
  allocate(100);
  EXPECT_EQ(arena.memory.allocate(me, 100, kB).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(arena.memory.allocate(me, 100, {1ULL << 20, 0}).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(arena.memory.allocate(me, 100, {5, memory::kPartsMax}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(ArenaAllocator, RefusesToFreeWhatIsNotTheObjects) {
  const std::uint64_t block = owned(2 * kChunkBytes);
  const std::uint64_t cell = owned(100);
  const std::uint64_t used = arena.header().used_chunks.load();
  EXPECT_EQ(arena.memory.free(me, block, 2 * kChunkBytes, kB).code(), absl::StatusCode::kDataLoss);
  EXPECT_FALSE(arena.memory.free(me, block + kChunkBytes, kChunkBytes, kA).ok()) << "not its head";
  EXPECT_FALSE(arena.memory.free(me, cell, 100, kB).ok());
  EXPECT_FALSE(arena.memory.free(me, cell + 1, 100, kA).ok());
  EXPECT_FALSE(arena.memory.free(me, 0, 100, kA).ok());
  EXPECT_FALSE(arena.memory.free(me, ~std::uint64_t{0}, 100, kA).ok());
  EXPECT_FALSE(arena.memory.free(me, arena.geometry.file_bytes, 100, kA).ok());
  EXPECT_EQ(arena.header().used_chunks.load(), used);
  free(block, 2 * kChunkBytes);
  free(cell, 100);
  EXPECT_FALSE(arena.memory.free(me, cell, 100, kA).ok()) << "twice";
  EXPECT_FALSE(ArenaMemory::has_intent(*me.record));
}

// ---- recovery ----

TEST_F(ArenaAllocator, KeepsARunThatAViewShows) {
  const std::uint64_t run = owned(2 * kChunkBytes);
  ASSERT_TRUE(arena.memory.pin(run, 5));
  EXPECT_TRUE(arena.memory.pin(run, 5)) << "again";
  EXPECT_TRUE(arena.memory.is_owned(run, 2 * kChunkBytes, kA));
  Caller manager = arena.caller(2);
  arena.memory.unpin(manager, run, kA.object);
  ASSERT_TRUE(arena.memory.pin(run, 5));
  free(run, 2 * kChunkBytes);
  EXPECT_FALSE(arena.memory.is_owned(run, 2 * kChunkBytes, kA));
  EXPECT_EQ(arena.memory.usage().owned_bytes(), 2 * kChunkBytes);
  EXPECT_FALSE(arena.memory.pin(run, 5)) << "nobody names it any more";
  EXPECT_FALSE(arena.memory.free(me, run, 2 * kChunkBytes, kA).ok());
  arena.memory.unpin(manager, run, kA.object);
  EXPECT_EQ(arena.memory.usage().owned_bytes(), 0U);
  EXPECT_FALSE(ArenaMemory::has_intent(*manager.record));
  EXPECT_FALSE(ArenaMemory::has_intent(*me.record));
}

TEST_F(ArenaAllocator, ShowsOnlyRunsOfTheObject) {
  const std::uint64_t cell = owned(1000);
  const std::uint64_t run = owned(2 * kChunkBytes);
  EXPECT_FALSE(arena.memory.pin(cell, 5));
  EXPECT_FALSE(arena.memory.pin(run, 6)) << "another's";
  EXPECT_FALSE(arena.memory.pin(run + kChunkBytes, 5)) << "not its head";
  EXPECT_FALSE(arena.memory.pin(run + 8, 5));
  EXPECT_FALSE(arena.memory.pin(~std::uint64_t{0} - 100, 5));
  const std::uint64_t in_flight = allocate(kChunkBytes);
  EXPECT_FALSE(arena.memory.pin(in_flight, 5));
}

TEST_F(ArenaAllocator, FreesWhatADeadThreadHadInFlight) {
  allocate(100);
  allocate(3 * kChunkBytes);
  EXPECT_TRUE(ArenaMemory::has_intent(*me.record));
  EXPECT_TRUE(recover());
  EXPECT_FALSE(recover()) << "nothing is left to do";
  EXPECT_EQ(arena.memory.usage().owned_bytes(), 0U);
  EXPECT_EQ(arena.memory.usage().claimed_chunks, 0U);
  EXPECT_EQ(arena.memory.usage().cells[0].claimed, 0U);
  EXPECT_EQ(arena.header().used_chunks.load(), 1U) << "the slab";
}

TEST_F(ArenaAllocator, OwnsWhatADeadThreadHadPublished) {
  const std::uint64_t a = allocate(100);
  const std::uint64_t b = allocate(3 * kChunkBytes, {kA.object, 4});
  arena.roots[{kA.object, 0}] = a;
  arena.roots[{kA.object, 4}] = b;
  EXPECT_TRUE(recover());
  EXPECT_EQ(arena.memory.usage(5).cells[0].owned, 1U);
  EXPECT_EQ(arena.memory.usage(5).run_chunks, 3U);
  EXPECT_EQ(arena.memory.usage(5).runs, 1U);
  EXPECT_EQ(arena.memory.usage(6).owned_bytes(), 0U);
  free(a, 100);
  free(b, 3 * kChunkBytes, {kA.object, 4});
}

TEST_F(ArenaAllocator, KeepsWhatWasRetiredButIsReachedStill) {
  const std::uint64_t block = owned(3 * kChunkBytes);
  arena.roots[{kA.object, 0}] = block;
  ASSERT_TRUE(arena.memory.retire(me, block, 3 * kChunkBytes, kA).ok());
  EXPECT_TRUE(recover());
  EXPECT_EQ(arena.memory.usage(5).run_chunks, 3U);
  EXPECT_FALSE(ArenaMemory::has_intent(*me.record));
  ASSERT_TRUE(arena.memory.retire(me, block, 3 * kChunkBytes, kA).ok());
  arena.roots.clear();
  EXPECT_TRUE(recover());
  EXPECT_EQ(arena.memory.usage(5).run_chunks, 0U);
  EXPECT_EQ(arena.header().used_chunks.load(), 0U);
}

TEST_F(ArenaAllocator, LeavesOthersAlone) {
  Caller other = arena.caller(2);
  const std::uint64_t mine = allocate(2 * kChunkBytes);
  const absl::StatusOr<std::uint64_t> theirs = arena.memory.allocate(other, kChunkBytes, kB);
  ASSERT_TRUE(theirs.ok());
  // A record that claims everything.
  me.record->intent_1.store(memory::intent_word(0, 256 + 16, kB.part));
  EXPECT_TRUE(recover());
  EXPECT_EQ(arena.memory.usage().claimed_chunks, 1U);
  EXPECT_TRUE(arena.memory.own(other, *theirs, kChunkBytes, kB).ok());
  EXPECT_FALSE(arena.memory.own(me, mine, 2 * kChunkBytes, kA).ok());
}

// A thread died when all of a run but the head was free, and others have the rest by now.
TEST_F(ArenaAllocator, FinishesAFreeUpToWhatOthersGot) {
  const std::uint64_t block = owned(4 * kChunkBytes);
  free(block, 4 * kChunkBytes);
  // As the dead one left it: freeing, head owned; behind it a run of the same object and part.
  const std::uint64_t head = memory::owned_word(0, 5, 0, true);
  const std::uint64_t tail = memory::owned_word(0, 5, 0, false);
  for (const std::uint32_t left : {1U, 2U}) {
    arena.chunk(0).store(head);
    for (std::uint32_t i = 1; i < left; ++i) arena.chunk(i).store(tail);
    for (std::uint32_t i = left; i < 4; ++i) arena.chunk(i).store(i == left ? head : tail);
    me.record->intent_for.store(kA.object | 1ULL << memory::kFreeingShift);
    me.record->intent.store(memory::intent_word(0, 256 + 4, 0));
    EXPECT_TRUE(recover());
    for (std::uint32_t i = 0; i < 4; ++i) {
      EXPECT_EQ(memory::block_state(arena.chunk(i).load()),
                i < left ? BlockState::kFree : BlockState::kOwned)
          << i;
    }
  }
}

TEST_F(ArenaAllocator, RecoversAClosingSlab) {
  const std::uint64_t cell = owned(100);
  const std::uint64_t slab = arena.chunk(0).load();
  arena.chunk(0).store(memory::closing_word(slab, me.owner));
  EXPECT_FALSE(arena.memory.allocate(arena.manager, 100, kA).ok() &&
               memory::block_state(arena.chunk(1).load()) != BlockState::kSlab)
      << "no cell of a closing slab is given away";
  me.record->intent.store(memory::intent_word(0, 256 + 1, 0));
  EXPECT_TRUE(recover());
  EXPECT_EQ(arena.chunk(0).load(), slab);
  free(cell, 100);
}

// The count says so; the tables are not looked through for what cannot be there.
TEST_F(ArenaAllocator, AFullArenaIsNotSearched) {
  arena.header().quota_chunks.store(std::uint64_t{2} * arena.geometry.chunk_count);
  arena.header().used_chunks.store(arena.geometry.chunk_count);
  EXPECT_EQ(arena.memory.allocate(me, kChunkBytes, kA).status().code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(arena.recount());
  EXPECT_TRUE(arena.memory.allocate(me, kChunkBytes, kA).ok());
}

TEST_F(ArenaAllocator, FreesAllOfAnObjectInSlices) {
  for (int i = 0; i < 3; ++i) {
    owned(100, kA);
    owned(100, kB);
    owned(2 * kChunkBytes, {kA.object, static_cast<std::uint32_t>(i)});
  }
  owned(kChunkBytes, kB);
  const ArenaUsage before = arena.memory.usage(6);
  std::uint32_t cursor = 0;
  int slices = 0;
  std::uint32_t destroyed = 5;
  while (!arena.memory.free_all(only(destroyed), cursor, 2)) ++slices;
  EXPECT_GT(slices, 2);
  EXPECT_EQ(arena.memory.usage(5).owned_bytes(), 0U);
  EXPECT_EQ(arena.memory.usage(6).owned_bytes(), before.owned_bytes());
  EXPECT_EQ(arena.header().used_chunks.load(), arena.memory.usage().used_chunks());
}

// ---- the manager's visits ----

TEST_F(ArenaAllocator, PunchesAfterQuietAllButTheWarm) {
  const std::uint64_t block = owned(8 * kChunkBytes);
  const std::uint64_t cell = owned(100);
  free(block, 8 * kChunkBytes);
  free(cell, 100);
  auto visit = [&](std::uint64_t now) {
    return arena.memory.collect(arena.manager, arena.watch, now, 3, 1000, arena.punch());
  };
  EXPECT_EQ(visit(5), 0U);
  EXPECT_EQ(visit(5 + memory::kQuietNs - 1), 0U) << "not a second yet";
  free(owned(kChunkBytes), kChunkBytes);
  EXPECT_EQ(visit(5 + memory::kQuietNs), 0U) << "not quiet";
  EXPECT_EQ(visit(4 + 2 * memory::kQuietNs), 0U);
  EXPECT_EQ(visit(5 + 2 * memory::kQuietNs), 6U) << "8 free, one slab, 3 warm";
  EXPECT_EQ(visit(6 + 9 * memory::kQuietNs), 0U);
  EXPECT_EQ(arena.memory.usage().warm_chunks, 3U);
  EXPECT_EQ(arena.memory.usage().backed_bytes(), 3 * kChunkBytes);
  EXPECT_EQ(arena.header().used_chunks.load(), 0U);
  EXPECT_FALSE(ArenaMemory::has_intent(*arena.manager.record));
  arena.committed.clear();
  const std::uint64_t again = owned(8 * kChunkBytes);
  EXPECT_TRUE(is_zero(arena.block(again, 8 * kChunkBytes)));
  EXPECT_FALSE(arena.committed.empty()) << "what was punched is committed again";
}

TEST_F(ArenaAllocator, KeepsWhatCannotBePunched) {
  free(owned(2 * kChunkBytes), 2 * kChunkBytes);
  arena.punches = false;
  EXPECT_EQ(arena.collect_all(), 0U);
  EXPECT_EQ(arena.memory.usage().warm_chunks, 2U);
}

TEST_F(ArenaAllocator, PunchesInSlices) {
  free(owned(10 * kChunkBytes), 10 * kChunkBytes);
  std::uint64_t punched = 0;
  for (int visits = 0; visits < 20; ++visits) {
    const std::uint64_t now = arena.memory.collect(
        arena.manager, arena.watch, arena.now += memory::kQuietNs, 1, 2, arena.punch());
    EXPECT_LE(now, 2U);
    punched += now;
  }
  EXPECT_EQ(punched, 9U);
}

TEST_F(ArenaAllocator, CountsAnewWhenNobodyIsBusy) {
  owned(3 * kChunkBytes);
  owned(100);
  arena.header().used_chunks.store(99);
  EXPECT_FALSE(arena.memory.recount({[](void*) { return true; }, nullptr}));
  EXPECT_EQ(arena.header().used_chunks.load(), 99U);
  EXPECT_TRUE(arena.recount());
  EXPECT_EQ(arena.header().used_chunks.load(), 4U);
  // Somebody who allocates between the two looks.
  struct Context {
    ArenaAllocator* test;
    int calls = 0;
  } context{this};
  EXPECT_FALSE(arena.memory.recount({[](void* at) {
                                       auto& c = *static_cast<Context*>(at);
                                       if (++c.calls == 2) c.test->owned(kChunkBytes);
                                       return false;
                                     },
                                     &context}));
  EXPECT_EQ(arena.header().used_chunks.load(), 5U);
}

}  // namespace
}  // namespace shoal::test
