// memory/transaction.h: one that finds no room is taken back, and leaves nothing in the shards that
// had room for it.
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "dict_memory.h"
#include "memory/transaction.h"

namespace shoal {
namespace {

using memory::Result;
using test::DictMemory;
using test::expect_sound;
using test::Process;
using test::TextDict;

// A key that begins with `name`, of the shard that has these bits of the hash.
std::string key_in(DictMemory& memory, std::uint32_t bits, const std::string& name) {
  for (int i = 0;; ++i) {
    std::string key = name + std::to_string(i);
    if ((memory.dict().key(test::kText, key).hash & 63) == bits) return key;
  }
}

// Only the cells of a few pages are left, which suffice for a transaction's record.
void fill_up(DictMemory& memory, Process& process) {
  const memory::BlockFor block_for{.object = memory.view().id, .part = 1};
  for (std::uint64_t bytes = 1 << 10; bytes < 1 << 14; bytes *= 2) {
    ASSERT_TRUE(memory.allocator().allocate(process.caller, bytes, block_for).ok());
    memory::ArenaMemory::forget_intents(process.record);
  }
  for (std::uint64_t bytes = std::uint64_t{1} << 20; bytes >= 1 << 14; bytes /= 2) {
    while (memory.allocator().allocate(process.caller, bytes, block_for).ok()) {
      memory::ArenaMemory::forget_intents(process.record);
    }
  }
}

// All of the keys, by one transaction.
Result put_all(DictMemory& memory, Process& process, const std::vector<std::string>& keys,
               const std::string& value) {
  memory::TransactionChanges changes;
  for (const std::string& key : keys) {
    changes.keys.push_back(
        {.dict = &memory.dict(),
         .key = memory.dict().key(test::kText, key),
         .value = {.data = value.data(), .bytes = value.size(), .kind = test::kText}});
  }
  memory::Call call{.caller = process.caller, .timeout_ns = test::kPatienceNs};
  return memory::Transaction(memory.home()).commit(call, changes, {});
}

// Where a key would be is an entry that only looks like it.
TEST(DictTransaction, LeavesAnotherKeyOfTheSameTagAlone) {
  DictMemory memory;
  Process process(1);
  TextDict dict(memory.dict(), process.caller);
  const std::string value(50, 'v');
  ASSERT_EQ(dict.put("key", value), Result::kDone);
  const std::uint64_t hash = memory.dict().key(test::kText, "key").hash;
  std::string twin;
  for (int i = 0; twin.empty(); ++i) {
    const std::uint64_t other = memory.dict().key(test::kText, std::to_string(i)).hash;
    const bool same_bucket = ((memory::bucket_bits(hash) ^ memory::bucket_bits(other)) & 7) == 0;
    if (memory::tag_of(hash) == memory::tag_of(other) && same_bucket) twin = std::to_string(i);
  }
  ASSERT_EQ(put_all(memory, process, {twin}, value), Result::kDone);
  expect_sound(memory);
  ASSERT_EQ(dict.put("one more", value), Result::kDone);
  EXPECT_EQ(dict.get("key"), value);
  EXPECT_EQ(dict.get(twin), value);
}

// A transaction of so many new keys; they begin with `name`.
Result put_many(DictMemory& memory, Process& process, const std::string& name, int many,
                const std::string& value) {
  std::vector<std::string> keys;
  keys.reserve(static_cast<std::size_t>(many));
  for (int i = 0; i < many; ++i) keys.push_back(name + std::to_string(10'000'000 + i));
  return put_all(memory, process, keys, value);
}

// The keys that had room count, too, when more room is made.
TEST(DictTransaction, MakesRoomForManySmallEntriesBesideLargeOnes) {
  for (int many = 80; many < 125; ++many) {
    DictMemory memory(std::uint64_t{1} << 20);
    Process process(1);
    TextDict dict(memory.dict(), process.caller);
    for (int i = 0; i < 25; ++i) {
      ASSERT_EQ(dict.put("large" + std::to_string(i), std::string(128, 'l')), Result::kDone);
    }
    ASSERT_EQ(put_many(memory, process, "", many, "small"), Result::kDone) << many;
    expect_sound(memory);
    ASSERT_EQ(memory.dict().size(), 25U + static_cast<unsigned>(many));
  }
}

// Over the places that the last one has left, so that nothing is made anew.
TEST(DictTransaction, ReplacesManyValuesOverAndOver) {
  DictMemory memory;
  Process process(1);
  constexpr int kMany = 3000;
  const auto stat = [&] {
    memory::DictStat now;
    EXPECT_TRUE(memory.reader().verify(now, [](const std::string&) {}));
    return now;
  };
  for (int round = 0; round < 4; ++round) {
    ASSERT_EQ(put_many(memory, process, "", kMany, std::string(64, 'a')), Result::kDone);
  }
  const memory::DictStat before = stat();
  for (int round = 0; round < 20; ++round) {
    ASSERT_EQ(put_many(memory, process, "", kMany, std::string(64, 'b')), Result::kDone);
    expect_sound(memory);
  }
  EXPECT_EQ(stat().block_bytes, before.block_bytes);
  EXPECT_EQ(stat().dead_bytes, before.dead_bytes);
}

// However much of it is for one shard, which is split again and again.
TEST(DictTransaction, PutsMoreThanAShardHolds) {
  const std::string value(64, 'v');
  for (const int before : {450, 500, 560, 590}) {
    for (const int many : {1000, 8000}) {
      DictMemory memory;
      Process process(1);
      TextDict dict(memory.dict(), process.caller);
      for (int i = 0; i < before; ++i) {
        ASSERT_EQ(dict.put("before" + std::to_string(1'000'000 + i), value), Result::kDone);
      }
      ASSERT_EQ(put_many(memory, process, "many", many, value), Result::kDone)
          << before << ", " << many;
      // Blocks that became larger for it are split when they are full.
      for (int i = 0; i < 100'000; ++i) {
        ASSERT_EQ(dict.put("after" + std::to_string(1'000'000 + i), value), Result::kDone) << i;
      }
      expect_sound(memory);
      memory::DictStat stat;
      ASSERT_TRUE(memory.reader().verify(stat, [](const std::string&) {}));
      EXPECT_LE(stat.block_bytes / stat.shards_with_block, 70'000U);
    }
  }
}

TEST(DictTransaction, LeavesNothingBehindWhereItWasTakenBack) {
  DictMemory memory(std::uint64_t{64} << 20, /*quota_chunks=*/64);
  Process process(1);
  TextDict dict(memory.dict(), process.caller);
  for (int i = 0; i < 5000; ++i) {
    ASSERT_EQ(dict.put(std::to_string(i), std::string(50, 'v')), Result::kDone);
  }
  fill_up(memory, process);
  const std::string odd(200, '\xff');
  std::vector<std::string> keys{key_in(memory, 1, "odd")};
  while (keys.size() < 30) {
    keys.push_back(key_in(memory, 2, std::to_string(keys.size()) + std::string(8000, 'k')));
  }
  ASSERT_EQ(put_all(memory, process, keys, odd), Result::kExhausted);
  EXPECT_EQ(dict.get(keys[0]), std::nullopt);
  for (const char* name : {"a", "bbbbbbbbbb", "cccccccccccccccccccc"}) {
    const std::string key = key_in(memory, 1, name);
    ASSERT_EQ(dict.put(key, "value"), Result::kDone);
    std::size_t bytes = 0;
    constexpr std::int64_t kBrieflyNs = 1'000'000'000;  // one that never stands is read for so long
    EXPECT_EQ(memory.reader().find(memory.reader().key(test::kText, key), kBrieflyNs,
                                   [&](const memory::StoredValue& value) { bytes = value.bytes; }),
              Result::kDone);
    EXPECT_EQ(bytes, 5U);
  }
  expect_sound(memory);
}

}  // namespace
}  // namespace shoal
