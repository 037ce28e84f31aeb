// A reader of one key that is interrupted at an access to a shared word, while one value is put,
// and another, of the same key or of another one, up to an access of its own, where its writer
// gives up: at each of either in turn. What the reader finds must have been the key's: who looks
// after him finds that, or what came after it. Both ways of reading, find() and snapshot(). One
// thread: it shows what may be seen in which order, not what the memory may do. Nobody dies for
// good: who gives up lets go of the lock.
#define SHOAL_SCHEDULED 1
#define SHOAL_SEEDED_FAULTS 1
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "tests/unit/dict_memory.h"

namespace shoal::test {
namespace {

// Counts down the accesses, and then does something else. Of one word after the other only the
// first few are counted: those are a value that is copied.
struct Interruption {
  static constexpr int kOfOneCopy = 6;

  int left = -1;  // less than 0: none
  std::function<void()> then;
};
Interruption interruption;
const char* last_word = nullptr;
int words_in_a_row = 0;

struct GivenUp {};

}  // namespace
}  // namespace shoal::test

namespace shoal::memory {
SHOAL_VARIANT_BEGIN
void scheduler_step(const void* word) {
  const char* const last = std::exchange(test::last_word, static_cast<const char*>(word));
  test::words_in_a_row = test::last_word == last + 8 ? test::words_in_a_row + 1 : 0;
  if (test::words_in_a_row >= test::Interruption::kOfOneCopy) return;
  test::Interruption& next = test::interruption;
  if (next.left < 0 || next.left-- > 0) return;
  next.left = -1;
  const auto then = std::move(next.then);  // it may set the next one
  then();
}
SHOAL_VARIANT_END
}  // namespace shoal::memory

namespace shoal::test {
namespace {

using memory::Result;

constexpr char kKey[] = "key";
constexpr char kOtherKey[] = "too";

// Of its number, and as long as all others.
std::string value_of(int number, std::size_t bytes) {
  return std::to_string(number) + std::string(bytes, static_cast<char>('a' + number));
}

std::optional<std::string> found_by_snapshot(const memory::Dict& dict) {
  memory::DictSnapshot snapshot;
  if (dict.snapshot(nullptr, kPatienceNs, true, snapshot) != Result::kDone) return std::nullopt;
  const auto* const bytes = reinterpret_cast<const char*>(snapshot.bytes.data());
  for (const memory::DictItem& item : snapshot.items) {
    if (std::string_view(bytes + item.key, item.key_bytes) != kKey) continue;
    return std::string(bytes + item.value, item.value_bytes);
  }
  return std::nullopt;
}

std::optional<std::string> found_by_get(const memory::Dict& dict) {
  return TextDict::get(dict, kKey);
}

// Keys that fill the bucket of kKey, whatever the number of buckets, so that it is in the next one.
const std::vector<std::string>& keys_before() {
  static const auto keys = [] {
    DictMemory memory(std::uint64_t{1} << 20);
    const auto bucket = [&](std::string_view key) {
      return memory::bucket_bits(memory.dict().key(kText, key).hash) & 0xff;
    };
    std::vector<std::string> made;
    for (int i = 0; made.size() < memory::kSlotsPerBucket; ++i) {
      const std::string key = std::to_string(i);
      if (bucket(key) == bucket(kKey)) made.push_back(key);
    }
    return made;
  }();
  return keys;
}

// What recovery does for who died instead of giving up.
void forget_spares(DictMemory& memory) {
  auto* const dict = reinterpret_cast<memory::DictDescriptor*>(memory.view().descriptor);
  dict->first.spare.store(0);
  dict->first.spares.store(0);
}

using Read = std::optional<std::string> (*)(const memory::Dict&);

struct Outcome {
  bool reader_interrupted = false;
  bool writer_interrupted = false;
  std::string wrong;
};

struct Scene {
  std::size_t bytes = 0;     // of each value, about
  const char* last = kKey;   // the key that is put when the reader's has been
  bool next_bucket = false;  // the reader's is not in its first bucket
};

Outcome interrupt(Read read, int reader_step, int writer_step, const Scene& scene) {
  const std::size_t bytes = scene.bytes;
  DictMemory memory(std::uint64_t{1} << 20);
  Process first(1);
  Process second(2);
  TextDict dict(memory.dict(), first.caller);
  if (scene.next_bucket) {
    for (const std::string& key : keys_before()) {
      EXPECT_EQ(dict.put_number(key, 0), Result::kDone);
    }
  }
  // So that each value is written over the place of the one before.
  EXPECT_EQ(dict.put(kOtherKey, value_of(0, bytes)), Result::kDone);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(dict.put(kKey, value_of(i, bytes)), Result::kDone);

  Outcome outcome;
  const auto give_up = [&] {
    outcome.writer_interrupted = true;
    throw GivenUp();
  };
  const auto intrude = [&] {
    outcome.reader_interrupted = true;
    EXPECT_EQ(dict.put(kKey, value_of(3, bytes)), Result::kDone);
    interruption = {.left = writer_step, .then = give_up};
    try {
      (void)TextDict(memory.dict(), second.caller).put(scene.last, value_of(4, bytes));
    } catch (const GivenUp&) {
      forget_spares(memory);
    }
    interruption = {};
  };
  interruption = {.left = reader_step, .then = intrude};
  const std::optional<std::string> found = read(memory.reader());
  interruption = {};
  const std::optional<std::string> afterwards = TextDict::get(memory.reader(), kKey);
  expect_sound(memory);
  if (!found || !afterwards) {
    outcome.wrong = "the key is not there";
    return outcome;
  }
  const int then = found->front() - '0';
  const int now = afterwards->front() - '0';
  if (*found != value_of(then, bytes) || then < 2 || then > now) {
    outcome.wrong = "the reader found " + found->substr(0, 3) + "..., the next one " +
                    afterwards->substr(0, 3) + "..., interrupted at step " +
                    std::to_string(reader_step) + ", with a writer who gave up at " +
                    std::to_string(writer_step);
  }
  return outcome;
}

// The first thing that is wrong, if anything is.
std::string interrupt_everywhere(Read read, const Scene& scene) {
  for (int reader_step = 0;; ++reader_step) {
    for (int writer_step = 0;; ++writer_step) {
      const Outcome outcome = interrupt(read, reader_step, writer_step, scene);
      if (!outcome.wrong.empty()) return outcome.wrong;
      if (outcome.writer_interrupted) continue;
      if (outcome.reader_interrupted) break;
      EXPECT_GT(reader_step, 10);
      return {};
    }
  }
}

constexpr std::size_t kInEntry = 40;
constexpr std::size_t kInBlock = memory::kInlineValueBytesMax;  // and a digit

TEST(DictInterleaving, ValuesInTheirEntries) {
  EXPECT_EQ(interrupt_everywhere(found_by_get, {.bytes = kInEntry}), "");
  EXPECT_EQ(interrupt_everywhere(found_by_snapshot, {.bytes = kInEntry}), "");
}

TEST(DictInterleaving, ValuesInBlocksOfTheirOwn) {
  EXPECT_EQ(interrupt_everywhere(found_by_get, {.bytes = kInBlock}), "");
  EXPECT_EQ(interrupt_everywhere(found_by_snapshot, {.bytes = kInBlock}), "");
}

TEST(DictInterleaving, AnotherKeyInThePlaceOfTheOldEntry) {
  EXPECT_EQ(interrupt_everywhere(found_by_get, {.bytes = kInEntry, .last = kOtherKey}), "");
  EXPECT_EQ(interrupt_everywhere(found_by_snapshot, {.bytes = kInEntry, .last = kOtherKey}), "");
}

constexpr Scene kOtherBucket{.bytes = kInEntry, .last = kOtherKey, .next_bucket = true};

TEST(DictInterleaving, AKeyThatIsNotInItsFirstBucket) {
  EXPECT_EQ(interrupt_everywhere(found_by_get, kOtherBucket), "");
}

class DictInterleavingFault : public testing::TestWithParam<std::pair<memory::Fault, Scene>> {};

TEST_P(DictInterleavingFault, IsFound) {
  memory::seeded_fault = GetParam().first;
  EXPECT_NE(interrupt_everywhere(found_by_get, GetParam().second), "");
  memory::seeded_fault = memory::Fault::kNone;
}

INSTANTIATE_TEST_SUITE_P(
    Each, DictInterleavingFault,
    testing::Values(std::pair(memory::Fault::kSlotNotLookedAtAgain, Scene{.bytes = kInEntry}),
                    std::pair(memory::Fault::kOtherKeyBelieved, kOtherBucket)));

}  // namespace
}  // namespace shoal::test
