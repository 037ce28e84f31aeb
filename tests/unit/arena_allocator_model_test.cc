// The arena's allocator against a model: many random calls, of which each is checked, with threads
// that die in between and a manager that collects.
#include <cstring>
#include <random>

#include <gtest/gtest.h>

#include "memory/arena.h"
#include "tests/unit/arena_allocator_memory.h"

namespace shoal::test {
namespace {

using memory::ArenaMemory;
using memory::BlockFor;
using memory::Caller;
using memory::kChunkBytes;

constexpr std::uint32_t kChunks = 24;
constexpr std::uint32_t kObjects = 4;
constexpr std::uint32_t kParts = 40;

struct Block {
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
  [[nodiscard]] std::uint64_t size() const { return ArenaMemory::block_size(bytes); }
};

class Model {
 public:
  explicit Model(std::uint64_t seed) : draw_(seed), arena_(kChunks) {}

  void run(int steps) {
    for (int step = 0; step < steps && !testing::Test::HasFatalFailure(); ++step) {
      const std::uint64_t what = draw_() % 100;
      if (what < 48) {
        put(draw_() % 8);
      } else if (what < 90) {
        take();
      } else if (what < 94) {
        destroy();
      } else if (what < 97) {
        arena_.collect_all(draw_() % 8);
      } else {
        arena_.header().quota_chunks.store(kChunks / 2 + draw_() % (kChunks / 2 + 1));
      }
      if (step % 16 == 0) compare();
    }
  }

 private:
  std::uint64_t draw_bytes() {
    const std::uint64_t magnitude = draw_() % 19;
    return 1 + draw_() % (std::uint64_t{1} << magnitude);
  }
  BlockFor draw_part() {
    const std::uint64_t index = 1 + draw_() % kObjects;
    return {.object = 9ULL << 32 | index, .part = static_cast<std::uint32_t>(draw_() % kParts)};
  }
  // Recognized again when it is taken away.
  static std::byte mark_of(std::uint64_t offset) { return std::byte(offset / 256 % 251 + 1); }

  // Gives a part its first or another block. `fate` 0: dies before the root word names it; 1: dies
  // before own; 2: dies after own, with the old block not freed; 3: does not need it after all.
  void put(std::uint64_t fate) {
    Caller caller = arena_.caller(static_cast<std::uint16_t>(1 + draw_() % 8));
    const BlockFor block_for = draw_part();
    const Block block = allocate(caller, block_for);
    if (block.offset == 0) return;
    const auto old = blocks_.find({block_for.object, block_for.part});
    const Block before = old == blocks_.end() ? Block{} : old->second;
    if (fate == 3) {
      ASSERT_TRUE(arena_.memory.free(caller, block.offset, block.bytes, block_for).ok());
      return;
    }
    if (fate != 0) {
      blocks_[{block_for.object, block_for.part}] = block;
      arena_.roots[{block_for.object, block_for.part}] = block.offset;
    }
    if (fate > 1) {
      ASSERT_TRUE(arena_.memory.own(caller, block.offset, block.bytes, block_for).ok());
    } else {
      ASSERT_TRUE(arena_.memory.recover_intents(*caller.record, caller.owner, arena_.reaches()));
    }
    if (fate != 0 && before.offset != 0) free(before, block_for);
    ASSERT_FALSE(ArenaMemory::has_intent(*caller.record));
  }

  Block allocate(Caller& caller, BlockFor block_for) {
    Block block{.bytes = draw_bytes()};
    const absl::StatusOr<std::uint64_t> got =
        arena_.memory.allocate(caller, block.bytes, block_for);
    if (!got.ok()) {
      EXPECT_EQ(got.status().code(), absl::StatusCode::kResourceExhausted) << got.status();
      EXPECT_FALSE(fits(block.bytes)) << block.bytes << " bytes: " << got.status();
      return {};
    }
    block.offset = *got;
    EXPECT_TRUE(arena_.holds(block.offset, block.size()));
    for (const auto& [part, other] : blocks_) {
      EXPECT_TRUE(other.offset + other.size() <= block.offset ||
                  block.offset + block.size() <= other.offset)
          << "two blocks overlap";
    }
    for (const std::byte byte : arena_.block(block.offset, block.size())) {
      if (byte == std::byte{0}) continue;
      ADD_FAILURE() << "a block of " << block.bytes << " is not zeroed";
      break;
    }
    std::memset(arena_.bytes.data() + block.offset, std::to_integer<int>(mark_of(block.offset)),
                block.size());
    return block;
  }

  void free(const Block& block, BlockFor block_for) {
    for (const std::byte byte : arena_.block(block.offset, block.size())) {
      if (byte == mark_of(block.offset)) continue;
      ADD_FAILURE() << "somebody wrote into a block of " << block.bytes;
      break;
    }
    Caller caller = arena_.caller(static_cast<std::uint16_t>(1 + draw_() % 8));
    const absl::Status status = arena_.memory.free(caller, block.offset, block.bytes, block_for);
    ASSERT_TRUE(status.ok()) << status;
  }

  void take() {
    const auto at = blocks_.lower_bound({draw_part().object, draw_part().part});
    if (at == blocks_.end()) return;
    const auto [part, block] = *at;
    arena_.roots.erase(part);
    blocks_.erase(at);
    free(block, {.object = part.first, .part = part.second});
  }

  void destroy() {
    const std::uint64_t object = draw_part().object;
    std::erase_if(blocks_, [&](const auto& block) { return block.first.first == object; });
    std::erase_if(arena_.roots, [&](const auto& root) { return root.first.first == object; });
    std::uint32_t cursor = 0;
    auto index = static_cast<std::uint32_t>(object);
    while (!arena_.memory.free_all(only(index), cursor, 5)) {
    }
  }

  // Whether there is room, as the tables say.
  bool fits(std::uint64_t bytes) {
    const std::uint64_t size = ArenaMemory::block_size(bytes);
    for (unsigned i = 0; i < memory::kCellSizes; ++i) {
      const memory::ArenaUsage usage = arena_.memory.usage();
      if (memory::cell_bytes(i) != size) continue;
      if (usage.cells[i].owned < usage.cells[i].slabs * memory::cells_in_slab(i)) return true;
    }
    const std::uint64_t need = (size + kChunkBytes - 1) / kChunkBytes;
    const std::uint64_t used = arena_.header().used_chunks.load();
    if (used + need > arena_.header().quota_chunks.load()) return false;
    std::uint64_t run = 0;
    for (std::uint32_t chunk = 0; chunk < kChunks; ++chunk) {
      const bool free =
          memory::block_state(arena_.chunk(chunk).load()) == memory::BlockState::kFree;
      run = free ? run + 1 : 0;
      if (run == need) return true;
    }
    return false;
  }

  void compare() {
    std::map<std::uint64_t, std::uint64_t> cells;
    std::uint64_t chunks = 0;
    for (const auto& [part, block] : blocks_) {
      if (block.size() < kChunkBytes) {
        ++cells[block.size()];
      } else {
        chunks += block.size() / kChunkBytes;
      }
    }
    const memory::ArenaUsage usage = arena_.memory.usage();
    for (unsigned i = 0; i < memory::kCellSizes; ++i) {
      ASSERT_EQ(usage.cells[i].owned, cells[memory::cell_bytes(i)]) << "cells of size " << i;
      ASSERT_EQ(usage.cells[i].claimed, 0U);
    }
    ASSERT_EQ(usage.run_chunks, chunks);
    ASSERT_EQ(usage.claimed_chunks, 0U);
    ASSERT_EQ(arena_.header().used_chunks.load(), usage.used_chunks());
  }

  std::mt19937_64 draw_;
  TestArena arena_;
  std::map<std::pair<std::uint64_t, std::uint32_t>, Block> blocks_;
};

TEST(ArenaAllocatorModel, DoesWhatTheModelDoes) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    SCOPED_TRACE(seed);
    Model(seed).run(4000);
    if (testing::Test::HasFailure()) break;
  }
}

}  // namespace
}  // namespace shoal::test
