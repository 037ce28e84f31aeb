// memory/dict*: what counts room in a shard stays right, and a split finds room whatever its
// halves.
#include <map>
#include <random>
#include <string>

#include <gtest/gtest.h>

#include "dict_memory.h"

namespace shoal {
namespace {

using memory::Result;
using test::DictMemory;
using test::expect_sound;
using test::Process;
using test::TextDict;

TEST(DictRoom, CountsTheRoomOfASpareThatIsUsedAgain) {
  DictMemory memory;
  Process process(1);
  TextDict dict(memory.dict(), process.caller);
  for (int round = 0; round < 3; ++round) {
    ASSERT_EQ(dict.put("key", std::string(200, 'a')), Result::kDone);
    ASSERT_EQ(dict.put_number("key", 1), Result::kDone);
    ASSERT_EQ(dict.put("key", std::string(50, 'b')), Result::kDone);  // over the first
    expect_sound(memory);
    ASSERT_EQ(dict.erase("key"), Result::kDone);
    expect_sound(memory);
  }
  for (int i = 0; i < 1000; ++i) {
    ASSERT_EQ(dict.put_number(std::to_string(i), i), Result::kDone) << i;
  }
  expect_sound(memory);
}

// However often values of one size are put, over whichever keys, and erased and put again, the logs
// do not go on: a key is written where another one was.
TEST(DictRoom, WritesEntriesWhereOthersWere) {
  DictMemory memory;
  Process process(1);
  TextDict dict(memory.dict(), process.caller);
  constexpr int kKeys = 300;
  const auto key = [](int i) { return "key " + std::to_string(100 + i); };
  const auto value = [](int i) { return std::to_string(1000 + i) + std::string(60, 'v'); };
  for (int i = 0; i < kKeys; ++i) ASSERT_EQ(dict.put(key(i), value(i)), Result::kDone);
  for (int round = 1; round < 20; ++round) {
    for (int i = 0; i < kKeys; ++i) {
      ASSERT_EQ(dict.put(key(i), value(i + round)), Result::kDone);
      if (i % 3 != 0) continue;
      ASSERT_EQ(dict.erase(key(i)), Result::kDone);
      ASSERT_EQ(dict.put(key(i), value(i + round)), Result::kDone);
    }
    expect_sound(memory);
    memory::DictStat stat;
    ASSERT_TRUE(memory.reader().verify(stat, [](const std::string&) {}));
    EXPECT_LE(stat.dead_bytes, stat.shards * 2 * memory::entry_bytes(8, 64));
  }
  for (int i = 0; i < kKeys; ++i) EXPECT_EQ(dict.get(key(i)), value(i + 19));
}

// Entries of many sizes come and go: what is there is what was put last, and the room is counted.
TEST(DictRoom, FindsAPlaceForEntriesOfAnySize) {
  DictMemory memory;
  Process process(1);
  TextDict dict(memory.dict(), process.caller);
  std::map<std::string, std::string> model;
  std::mt19937_64 random(7);
  for (int i = 0; i < 20'000; ++i) {
    const std::string key = std::string(random() % 3 * 20, 'k') + std::to_string(random() % 200);
    if (random() % 4 == 0) {
      EXPECT_EQ(dict.erase(key) == Result::kDone, model.erase(key) == 1);
      continue;
    }
    const std::string value(random() % (random() % 8 == 0 ? 3000 : 120),
                            static_cast<char>('a' + random() % 26));
    ASSERT_EQ(dict.put(key, value), Result::kDone);
    model[key] = value;
    if (i % 1000 == 0) expect_sound(memory);
  }
  expect_sound(memory);
  EXPECT_EQ(memory.dict().size(), model.size());
  for (const auto& [key, value] : model) EXPECT_EQ(dict.get(key), value);
}

// All keys have the same lowest bit of the hash, so that a first split leaves one half empty.
TEST(DictRoom, SplitsAShardWhoseEntriesAllGoToOneHalf) {
  DictMemory memory;
  Process process(1);
  TextDict dict(memory.dict(), process.caller);
  const std::string value(2000, 'v');
  int put = 0;
  for (int i = 0; put < 2000; ++i) {
    const std::string key = std::to_string(i) + std::string(1000, 'k');
    if ((memory.dict().key(test::kText, key).hash & 7) != 5) continue;
    ASSERT_EQ(dict.put(key, value.substr(0, 8 + static_cast<std::size_t>(i) % 1990)), Result::kDone)
        << put;
    ++put;
  }
  expect_sound(memory);
  EXPECT_EQ(memory.dict().size(), 2000U);
}

// The same for each number of large entries that may be in a block when it is to be split.
TEST(DictRoom, SplitsFewLargeEntriesHoweverTheyFall) {
  for (std::uint32_t key_bytes = 3000; key_bytes <= 8000; key_bytes += 250) {
    DictMemory memory;
    Process process(1);
    TextDict dict(memory.dict(), process.caller);
    int put = 0;
    for (int i = 0; put < 60; ++i) {
      std::string key = std::to_string(i);
      key.resize(key_bytes, 'k');
      if ((memory.dict().key(test::kText, key).hash & 3) != 3) continue;
      ASSERT_EQ(dict.put(key, "value"), Result::kDone) << key_bytes << ", " << put;
      ASSERT_EQ(dict.put(key, "other value of other length"), Result::kDone);
      ++put;
    }
    expect_sound(memory);
  }
}

}  // namespace
}  // namespace shoal
