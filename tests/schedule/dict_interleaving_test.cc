// A reader of one key that is interrupted at each access to a shared word, while one value is put,
// and another up to each of its own accesses, where its writer dies. What the reader finds must
// have been the key's: who looks after him finds that, or what came after it. The dict's sources
// are compiled once more for it, with a step of a scheduler before each access.
#define SHOAL_SCHEDULED 1
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

struct Death {};

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
  next.then();
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

// Whether the reader was interrupted, and whether the second put was.
struct Reached {
  bool reader = false;
  bool writer = false;
};

Reached interrupt(int reader_step, int writer_step, std::size_t bytes) {
  DictMemory memory(std::uint64_t{1} << 20);
  Process first(1);
  Process second(2);
  TextDict dict(memory.dict(), first.caller);
  // So that each value is written over the spare of the one before.
  for (int i = 0; i < 3; ++i) EXPECT_EQ(dict.put(kKey, value_of(i, bytes)), Result::kDone);

  Reached reached;
  interruption = {.left = reader_step, .then = [&] {
                    reached.reader = true;
                    EXPECT_EQ(dict.put(kKey, value_of(3, bytes)), Result::kDone);
                    interruption = {.left = writer_step, .then = [&] {
                                      reached.writer = true;
                                      throw Death();
                                    }};
                    try {
                      (void)TextDict(memory.dict(), second.caller).put(kKey, value_of(4, bytes));
                    } catch (const Death&) {
                    }
                    interruption = {};
                  }};
  const std::optional<std::string> found = TextDict::get(memory.reader(), kKey);
  interruption = {};
  const std::optional<std::string> afterwards = TextDict::get(memory.reader(), kKey);
  if (!found || !afterwards) {
    ADD_FAILURE() << "the key is not there";
    return {};
  }
  const int then = found->front() - '0';
  const int now = afterwards->front() - '0';
  EXPECT_EQ(*found, value_of(then, bytes)) << "torn";
  EXPECT_TRUE(then >= 2 && now >= (reached.reader ? 3 : 2) && then <= now)
      << "the reader found the value " << then << ", and the next one " << now
      << ", interrupted at step " << reader_step << ", with a writer who died at " << writer_step;
  return reached;
}

void interrupt_everywhere(std::size_t bytes) {
  int reader_steps = 0;
  for (Reached reached{.reader = true}; reached.reader && !testing::Test::HasFailure();
       ++reader_steps) {
    for (int writer_step = 0;; ++writer_step) {
      reached = interrupt(reader_steps, writer_step, bytes);
      if (!reached.writer) break;
    }
  }
  EXPECT_GT(reader_steps, 10);
}

TEST(DictInterleaving, ReaderOfAValueInItsEntry) { interrupt_everywhere(40); }
TEST(DictInterleaving, ReaderOfAValueInABlockOfItsOwn) {
  interrupt_everywhere(memory::kInlineValueBytesMax);
}

}  // namespace
}  // namespace shoal::test
