// A reader of one key that is interrupted at an access to a shared word, while one value is put,
// and another up to an access of its own, where its writer gives up: at each of either in turn.
// What the reader finds must have been the key's: who looks after him finds that, or what came
// after it. Both ways of reading, find() and snapshot(). One thread: it shows what may be seen in
// which order, not what the memory may do. Nobody dies for good: who gives up lets go of the lock.
#define SHOAL_SCHEDULED 1
#define SHOAL_SEEDED_FAULTS 1
#include <functional>
#include <optional>
#include <string>
#include <utility>

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

// Of its number, and as long as all others.
std::string value_of(int number, std::size_t bytes) {
  return std::to_string(number) + std::string(bytes, static_cast<char>('a' + number));
}

std::optional<std::string> found_by_snapshot(const memory::Dict& dict) {
  memory::DictSnapshot snapshot;
  if (dict.snapshot(nullptr, kPatienceNs, true, snapshot) != Result::kDone) return std::nullopt;
  if (snapshot.items.size() != 1) return std::nullopt;
  const memory::DictItem& item = snapshot.items.front();
  return std::string(reinterpret_cast<const char*>(snapshot.bytes.data()) + item.value,
                     item.value_bytes);
}

std::optional<std::string> found_by_get(const memory::Dict& dict) {
  return TextDict::get(dict, kKey);
}

using Read = std::optional<std::string> (*)(const memory::Dict&);

struct Outcome {
  bool reader_interrupted = false;
  bool writer_interrupted = false;
  std::string wrong;
};

Outcome interrupt(Read read, int reader_step, int writer_step, std::size_t bytes) {
  DictMemory memory(std::uint64_t{1} << 20);
  Process first(1);
  Process second(2);
  TextDict dict(memory.dict(), first.caller);
  // So that each value is written over the spare of the one before.
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
      (void)TextDict(memory.dict(), second.caller).put(kKey, value_of(4, bytes));
    } catch (const GivenUp&) {
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
std::string interrupt_everywhere(Read read, std::size_t bytes) {
  for (int reader_step = 0;; ++reader_step) {
    for (int writer_step = 0;; ++writer_step) {
      const Outcome outcome = interrupt(read, reader_step, writer_step, bytes);
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
  EXPECT_EQ(interrupt_everywhere(found_by_get, kInEntry), "");
  EXPECT_EQ(interrupt_everywhere(found_by_snapshot, kInEntry), "");
}

TEST(DictInterleaving, ValuesInBlocksOfTheirOwn) {
  EXPECT_EQ(interrupt_everywhere(found_by_get, kInBlock), "");
  EXPECT_EQ(interrupt_everywhere(found_by_snapshot, kInBlock), "");
}

TEST(DictInterleaving, FindsAReaderWhoTrustsTheVersionAlone) {
  memory::seeded_fault = memory::Fault::kSlotNotLookedAtAgain;
  EXPECT_NE(interrupt_everywhere(found_by_get, kInEntry), "");
  memory::seeded_fault = memory::Fault::kNone;
}

}  // namespace
}  // namespace shoal::test
