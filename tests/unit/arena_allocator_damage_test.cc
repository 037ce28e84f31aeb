// Hostile bytes in header, tables and records: every call ends, and none leaves the arena.
#include <atomic>
#include <random>
#include <thread>

#include <gtest/gtest.h>

#include "memory/arena.h"
#include "tests/unit/arena_allocator_memory.h"

namespace shoal::test {
namespace {

using memory::ArenaMemory;
using memory::BlockFor;
using memory::Caller;

constexpr std::uint32_t kChunks = 6;

// Words that mean something, or nearly.
std::uint64_t draw_word(std::mt19937_64& draw) {
  const std::uint64_t raw = draw();
  const auto owner = memory::owner_of(static_cast<std::uint16_t>(raw % 5), 1);
  switch (draw() % 8) {
    case 0:
      return raw;
    case 1:
      return memory::claimed_word(raw, owner);
    case 2:
      return memory::owned_word(raw, static_cast<std::uint32_t>(raw >> 8) % 4, 0, raw % 2 == 0);
    case 3:
      return memory::slab_word(raw, static_cast<unsigned>(raw >> 8) % 8);
    case 4:
      return memory::closing_word(memory::slab_word(raw, (raw >> 8) % 8), owner);
    case 5:
      return memory::intent_word((raw >> 8) % (kChunks + 2), (raw >> 16) % 300, 0);
    case 6:
      return raw % 8;
    default:
      return 0;
  }
}

void damage(TestArena& arena, std::mt19937_64& draw) {
  const auto strike = [&](std::byte* at, std::size_t size) {
    for (std::size_t i = 0; i + 8 <= size; i += 8) {
      if (draw() % 3 != 0) continue;
      reinterpret_cast<memory::Word64*>(at + i)->store(draw_word(draw));
    }
  };
  strike(arena.bytes.data(), arena.geometry.chunks);
  for (memory::ThreadRecord& record : arena.records) {
    strike(reinterpret_cast<std::byte*>(&record), sizeof record);
  }
}

// Every call once. Callbacks abort when they are told of bytes outside the chunks.
void call_everything(TestArena& arena, std::mt19937_64& draw) {
  const BlockFor block_for{.object = draw() % 4, .part = 0};
  Caller caller = arena.caller(static_cast<std::uint16_t>(draw() % 5));
  ArenaMemory& memory = arena.memory;
  for (const std::uint64_t bytes :
       {std::uint64_t{100}, std::uint64_t{9000}, std::uint64_t{1} << 17, std::uint64_t{1} << 40}) {
    const absl::StatusOr<std::uint64_t> block = memory.allocate(caller, bytes, block_for);
    if (block.ok()) {
      EXPECT_TRUE(arena.holds(*block, ArenaMemory::block_size(bytes)));
      (void)memory.own(caller, *block, bytes, block_for);
    }
    (void)memory.free(caller, draw() % (arena.geometry.file_bytes + 9), bytes, block_for);
    (void)memory.free(caller, draw() / 2, bytes, block_for);
    (void)memory.own(caller, draw(), bytes, block_for);
  }
  const memory::Reaches reaches{[](void* self, std::uint64_t, std::uint32_t, std::uint64_t block) {
                                  if (!static_cast<TestArena*>(self)->holds(block, 256)) abort();
                                  return block % 512 == 0;
                                },
                                &arena};
  for (std::uint16_t slot = 0; slot < 5; ++slot) {
    (void)memory.recover_intents(arena.records[slot], memory::owner_of(slot, 1), reaches);
    EXPECT_FALSE(ArenaMemory::has_intent(arena.records[slot]));
  }
  (void)memory.recover_intents(*arena.manager.record, arena.manager.owner, reaches);
  std::uint32_t cursor = static_cast<std::uint32_t>(draw() % 9);
  auto index = static_cast<std::uint32_t>(draw() % 4);
  (void)memory.free_all(only(index), cursor, 1000);
  (void)arena.collect_all(draw() % 3);
  (void)memory.usage();
  (void)memory.recount({[](void*) { return false; }, nullptr});
}

TEST(ArenaAllocatorDamage, NeverLeavesTheArena) {
  TestArena arena(kChunks);
  arena.counts_commits = false;
  for (std::uint64_t seed = 1; seed <= 3000; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 draw(seed);
    damage(arena, draw);
    call_everything(arena, draw);
    arena.punched.clear();
    if (testing::Test::HasFailure()) break;
  }
}

// Somebody writes garbage while others work, in their blocks too.
TEST(ArenaAllocatorDamage, NeverLeavesTheArenaWhileItChanges) {
  TestArena arena(kChunks);
  arena.counts_commits = false;
  std::atomic<bool> stop = false;
  std::thread attacker([&] {
    std::mt19937_64 draw(7);
    while (!stop) {
      const std::uint64_t at = draw() % (arena.geometry.chunks / 8) * 8;
      reinterpret_cast<memory::Word64*>(arena.bytes.data() + at)->store(draw_word(draw));
    }
  });
  std::mt19937_64 draw(8);
  for (int round = 0; round < 1000; ++round) {
    call_everything(arena, draw);
    arena.punched.clear();
  }
  stop = true;
  attacker.join();
}

TEST(ArenaAllocatorDamage, IsWorthNothingAfterGarbageButGoesOnWhenLaidAnew) {
  TestArena arena(kChunks);
  std::mt19937_64 draw(1);
  damage(arena, draw);
  std::memset(arena.bytes.data(), 0, arena.geometry.chunks);
  memory::lay_arena(arena.bytes.data(),
                    {.layout = 2, .bytes = kChunks << 16, .id = 1, .quota_chunks = kChunks});
  Caller caller = arena.caller(9);
  *caller.record = {};
  EXPECT_TRUE(arena.memory.allocate(caller, 100, {.object = 1}).ok());
}

}  // namespace
}  // namespace shoal::test
