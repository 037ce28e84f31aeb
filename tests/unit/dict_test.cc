// memory/dict*: one process's calls against a model.
#include <map>
#include <random>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "dict_memory.h"

namespace shoal {
namespace {

using memory::Dict;
using memory::Result;
using test::DictMemory;
using test::expect_sound;
using test::Process;
using test::TextDict;

std::string random_text(std::mt19937_64& random, std::size_t most) {
  std::string text(random() % (most + 1), ' ');
  for (char& c : text) c = static_cast<char>('a' + random() % 26);
  return text;
}

// The format's: what is in line for short keys is the library's for all.
TEST(DictHash, IsSeededXxh3OfEveryLength) {
  std::string key;
  for (int bytes = 0; bytes < 300; ++bytes, key += static_cast<char>('a' + bytes % 26)) {
    EXPECT_EQ(memory::dict_hash(7, 5, key.data(), key.size()),
              XXH3_64bits_withSeed(key.data(), key.size(), 7 + 5 * 0x9e3779b97f4a7c15ULL))
        << bytes;
  }
}

TEST(DictBucket, IsLookedAtAsThePortableTwinDoes) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 10'000; ++round) {
    alignas(memory::kBucketBytes) memory::Word32 bucket[memory::kSlotsPerBucket];
    for (memory::Word32& slot : bucket) {
      const auto tag = static_cast<std::uint32_t>(random() % 4) * 0x2aaa;
      slot.store(random() % 3 == 0 ? 0 : memory::slot_of(tag, 64 * (random() % 16)));
    }
    for (const std::uint32_t tag : {0U, 0x2aaaU, 0x5554U, 0x7ffeU, 0x7fffU}) {
      EXPECT_EQ(memory::tagged_slots(bucket, tag), memory::tagged_slots_portable(bucket, tag));
    }
    EXPECT_EQ(memory::empty_slots(bucket), memory::empty_slots_portable(bucket));
  }
}

TEST(Dict, AnswersAsAMapDoes) {
  DictMemory memory;
  Process process(1);
  TextDict dict(memory.dict(), process.caller);
  std::map<std::string, std::string> model;
  std::mt19937_64 random(1);
  for (int round = 0; round < 200'000; ++round) {
    const std::string key = "key" + std::to_string(random() % 3000);
    switch (random() % 8) {
      case 0:
      case 1: {
        ASSERT_EQ(dict.erase(key), model.erase(key) == 1 ? Result::kDone : Result::kAbsent);
        break;
      }
      case 2: {
        const bool fresh = model.count(key) == 0;
        const std::string value = random_text(random, 60);
        ASSERT_EQ(dict.put_if_absent(key, value), fresh ? Result::kDone : Result::kPresent);
        if (fresh) model[key] = value;
        break;
      }
      case 3:
      case 4: {
        const std::size_t most = random() % 50 == 0 ? 20'000 : 100;
        const std::string value = random_text(random, most);
        ASSERT_EQ(dict.put(key, value), Result::kDone);
        model[key] = value;
        break;
      }
      default: {
        const auto known = model.find(key);
        const std::optional<std::string> found = TextDict::get(memory.reader(), key);
        ASSERT_EQ(found.has_value(), known != model.end()) << key;
        if (found) {
          ASSERT_EQ(*found, known->second);
        }
      }
    }
    if (round % 20'000 == 0) {
      ASSERT_EQ(memory.dict().size(), model.size());
      expect_sound(memory);
    }
  }
  expect_sound(memory);
  memory::DictSnapshot snapshot;
  ASSERT_EQ(memory.dict(1).snapshot(nullptr, test::kPatienceNs, true, snapshot), Result::kDone);
  ASSERT_EQ(snapshot.items.size(), model.size());
  for (const memory::DictItem& item : snapshot.items) {
    const auto* bytes = reinterpret_cast<const char*>(snapshot.bytes.data());
    const std::string key(bytes + item.key, item.key_bytes);
    EXPECT_EQ(model[key], std::string(bytes + item.value, item.value_bytes));
  }
  for (const auto& [key, value] : model) ASSERT_EQ(dict.erase(key), Result::kDone);
  expect_sound(memory);
  EXPECT_EQ(memory.dict().size(), 0U);
  memory::DictStat stat;
  (void)memory.dict().verify(stat, [](const std::string&) {});
  EXPECT_EQ(stat.large_values, 0U);
  EXPECT_LE(memory.owned_bytes(), stat.block_bytes + 2 * memory::kHeaderPageBytes);
  EXPECT_EQ(stat.block_bytes, 1024U);
}

// The manager closes: who waits for a shard's lock must not wait for its holder, who may be
// stopped.
TEST(Dict, ClosingWakesWhoWaitsForALock) {
  DictMemory memory;
  Process holder(1);
  ASSERT_EQ(TextDict(memory.dict(), holder.caller).put("a", "1"), Result::kDone);
  auto& descriptor = *reinterpret_cast<memory::DictDescriptor*>(memory.view().descriptor);
  memory::Word32& lock = descriptor.first.lock;
  lock.store(holder.caller.owner << 2);
  Result result{};
  std::thread waiter([&] {
    Process process(2);
    result = TextDict(memory.dict(1), process.caller).put("b", "2");
  });
  while ((lock.load() & memory::kWaiters) == 0) std::this_thread::yield();
  memory::retire_object(memory.view());
  memory::retire_container(memory.view(), memory.home());
  waiter.join();
  EXPECT_EQ(result, Result::kStale);
}

// ... nor must whoever holds one forget those who wait.
TEST(Dict, AnUnlockAfterTheEndWakesWhoWaits) {
  DictMemory memory;
  Process holder(1);
  ASSERT_EQ(TextDict(memory.dict(), holder.caller).put("a", "1"), Result::kDone);
  const memory::ObjectView view = memory.view();
  memory::Word32& lock = reinterpret_cast<memory::DictDescriptor*>(view.descriptor)->first.lock;
  lock.store(holder.caller.owner << 2 | memory::kWaiters);
  view.descriptor->id.store(0);
  EXPECT_EQ(memory::release_slow(view, lock, holder.caller, lock.load(), 1), Result::kDone);
  EXPECT_EQ(memory::owner_in(lock.load()), 0U);
}

TEST(Dict, GrowsWithoutLosingAnything) {
  DictMemory memory(std::uint64_t{1} << 30);
  Process process(1);
  TextDict dict(memory.dict(), process.caller);
  constexpr int kKeys = 300'000;
  for (int i = 0; i < kKeys; ++i) {
    ASSERT_EQ(dict.put_number(std::to_string(i), i), Result::kDone);
  }
  for (int i = 0; i < kKeys; ++i) {
    const std::optional<std::string> found = dict.get(std::to_string(i));
    ASSERT_TRUE(found.has_value()) << i;
    std::int64_t number = 0;
    std::memcpy(&number, found->data(), 8);
    ASSERT_EQ(number, i);
  }
  EXPECT_FALSE(dict.get("absent").has_value());
  expect_sound(memory);
  memory::DictSnapshot snapshot;
  ASSERT_EQ(memory.dict(1).snapshot(nullptr, test::kPatienceNs, true, snapshot), Result::kDone);
  ASSERT_EQ(snapshot.items.size(), static_cast<std::size_t>(kKeys));
  for (int i = 0; i < kKeys; ++i) {
    std::int64_t number = 0;
    std::memcpy(&number, snapshot.bytes.data() + snapshot.items[static_cast<std::size_t>(i)].value,
                8);
    ASSERT_EQ(number, i) << "in the order of insertion";
  }
  for (int i = kKeys; i-- > 0;) {
    std::string last;
    memory::Call call{.caller = process.caller, .timeout_ns = test::kPatienceNs};
    ASSERT_EQ(memory.dict().pop_last(call,
                                     [&](std::uint8_t, const std::byte* key, std::uint32_t bytes,
                                         const memory::StoredValue&) {
                                       last.assign(reinterpret_cast<const char*>(key), bytes);
                                     }),
              Result::kDone);
    if (i % 1000 == 0) {
      ASSERT_EQ(last, std::to_string(i));
    }
  }
  EXPECT_EQ(memory.dict().size(), 0U);
  expect_sound(memory);
}

}  // namespace
}  // namespace shoal
