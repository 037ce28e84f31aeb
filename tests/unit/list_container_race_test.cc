// Readers and writers of one List at once: nobody ever sees a value that nobody has put in, and no
// change is lost.
#include <atomic>
#include <random>
#include <thread>

#include <gtest/gtest.h>

#include "tests/unit/list_container_memory.h"

namespace shoal::test {
namespace {

#if defined(__SANITIZE_THREAD__)
constexpr int kRounds = 300;
#else
constexpr int kRounds = 3'000;
#endif

// Its length says what it is made of: from an inline text to a large value.
Item patterned(std::uint64_t draw) {
  constexpr std::size_t kSizes[] = {3, 9, 30, 200, 2100, 5000};
  const std::size_t size = kSizes[draw % std::size(kSizes)];
  return text_item(std::string(size, static_cast<char>('a' + size % 23)));
}
bool is_patterned(const ListElement& element) {
  const Item item = item_of(element);
  return item.kind == 5 && !item.bytes.empty() &&
         item.bytes.find_first_not_of(static_cast<char>('a' + item.bytes.size() % 23)) ==
             std::string::npos;
}

struct Threads {
  std::vector<std::thread> all;
  template <typename Body>
  void start(Body body) {
    all.emplace_back(body);
  }
  ~Threads() {
    for (std::thread& thread : all) thread.join();
  }
};

TEST(ListContainerRace, ReadersSeeWholeValues) {
  ListWorld world(256);
  for (std::uint64_t i = 0; i < 100; ++i) ASSERT_EQ(world.append(patterned(i)), Result::kDone);
  std::atomic<int> writing{3};
  std::atomic<std::uint64_t> reads{0};
  {
    Threads threads;
    const auto write = [&](std::uint16_t slot, auto change) {
      threads.start([&, slot, change] {
        memory::Caller caller = world.arena.caller(slot);
        std::mt19937_64 random(slot);
        for (int round = 0; round < kRounds; ++round) {
          memory::Call call{.caller = caller, .timeout_ns = memory::kForever};
          ListWriter writer(world.list, call);
          const Item item = patterned(random());
          ASSERT_TRUE(change(writer, random, item.value()));
        }
        writing.fetch_sub(1);
      });
    };
    write(2, [](ListWriter& writer, std::mt19937_64& random, const ListValue& value) {
      const Result result = writer.set(static_cast<std::int64_t>(random() % 100), value);
      return result == Result::kDone || result == Result::kAbsent;
    });
    write(3, [](ListWriter& writer, std::mt19937_64& random, const ListValue& value) {
      ListElement element;
      if (random() % 2 == 0) return writer.append({&value, 1}) == Result::kDone;
      const Result result = writer.pop(-1, element);
      return result == Result::kAbsent || (result == Result::kDone && is_patterned(element));
    });
    write(4, [](ListWriter& writer, std::mt19937_64& random, const ListValue& value) {
      const auto index = static_cast<std::int64_t>(random() % 50);
      if (random() % 2 == 0) return writer.insert(index, value) == Result::kDone;
      ListElement element;
      const Result result = writer.pop(index, element);
      return result == Result::kAbsent || (result == Result::kDone && is_patterned(element));
    });
    for (int reader = 0; reader < 2; ++reader) {
      threads.start([&, reader] {
        std::mt19937_64 random(static_cast<std::uint64_t>(100 + reader));
        std::vector<ListElement> page;
        for (std::uint64_t own = 0; writing.load() > 0 || own < 100; ++own, reads.fetch_add(1)) {
          ListElement element;
          const Result result =
              get(world.list, static_cast<std::int64_t>(random() % 120) - 20, element);
          ASSERT_TRUE(result == Result::kDone || result == Result::kAbsent);
          ASSERT_TRUE(result != Result::kDone || is_patterned(element));
          memory::ListMark now;
          ASSERT_EQ(mark(world.list, now), Result::kDone);
          if (read_page(world.list, now, 0, now.count, page) != Result::kDone) continue;
          for (const ListElement& each : page) ASSERT_TRUE(is_patterned(each));
        }
      });
    }
  }
  EXPECT_GT(reads.load(), 0U);
  for (std::uint16_t slot = 2; slot <= 4; ++slot) {
    EXPECT_FALSE(memory::ArenaMemory::has_intent(world.arena.records[slot]));
  }
  EXPECT_EQ(world.wrong(), "");
}

TEST(ListContainerRace, NoAppendIsLost) {
  ListWorld world(256);
  constexpr std::int64_t kEach = 4 * kRounds;
  {
    Threads threads;
    for (std::uint16_t slot = 2; slot <= 4; ++slot) {
      threads.start([&, slot] {
        memory::Caller caller = world.arena.caller(slot);
        for (std::int64_t i = 0; i < kEach; ++i) {
          const std::uint64_t word = memory::int_word(slot * 1'000'000 + i);
          if (append_quickly(world.list, caller, word)) continue;
          memory::Call call{.caller = caller, .timeout_ns = memory::kForever};
          ListWriter writer(world.list, call);
          const ListValue value{.word = word};
          ASSERT_EQ(writer.append({&value, 1}), Result::kDone);
        }
      });
    }
  }
  std::vector<std::int64_t> next(5, 0);
  for (const Item& item : world.items()) {
    std::int64_t number = 0;
    std::memcpy(&number, item.bytes.data(), sizeof number);
    const auto slot = static_cast<std::size_t>(number / 1'000'000);
    ASSERT_EQ(number % 1'000'000, next[slot]++) << "of each thread in order";
  }
  for (std::size_t slot = 2; slot <= 4; ++slot) EXPECT_EQ(next[slot], kEach);
  EXPECT_EQ(world.wrong(), "");
}

// A list that is reversed all the time is at every moment either up or down.
TEST(ListContainerRace, AListIsReplacedAsAWhole) {
  ListWorld world(64);
  constexpr std::int64_t kCount = 3'000;
  std::vector<Item> up;
  for (std::int64_t i = 0; i < kCount; ++i) up.push_back(int_item(i));
  ASSERT_EQ(world.writer().append(values_of(up)), Result::kDone);
  std::atomic<bool> over{false};
  Threads threads;
  threads.start([&] {
    for (int round = 0; round < kRounds / 3; ++round) {
      ASSERT_EQ(world.writer().reverse(), Result::kDone);
    }
    over.store(true);
  });
  threads.start([&] {
    std::vector<ListElement> page;
    while (!over.load()) {
      memory::ListMark now;
      ASSERT_EQ(mark(world.list, now), Result::kDone);
      if (read_page(world.list, now, 0, 1, page) != Result::kDone) continue;
      const std::int64_t first = memory::int_in(page[0].word);
      if (read_page(world.list, now, kCount - 1, kCount, page) != Result::kDone) continue;
      ASSERT_EQ(memory::int_in(page[0].word), kCount - 1 - first);
    }
  });
}

// Whatever is found wrong while others write would be found at rest, too.
TEST(ListContainerRace, VerifyFindsNothingWrongWhileOthersWrite) {
  ListWorld world(1024);
  for (std::uint64_t i = 0; i < 2'040; ++i) ASSERT_EQ(world.append(patterned(i)), Result::kDone);
  std::atomic<int> writing{2};
  std::uint64_t stood = 0;
  {
    Threads threads;
    for (std::uint16_t slot = 2; slot <= 3; ++slot) {
      threads.start([&, slot] {
        memory::Caller caller = world.arena.caller(slot);
        std::mt19937_64 random(slot);
        for (int round = 0; round < 20 * kRounds; ++round) {
          memory::Call call{.caller = caller, .timeout_ns = memory::kForever};
          ListWriter writer(world.list, call);
          const Item item = patterned(random());
          const ListValue value = item.value();
          ListElement element;
          Result result = Result::kDone;
          if (slot == 3 && round % 1'010 == 1'009) {
            result = writer.reverse();
          } else if (slot == 3) {  // over the end of a leaf and back
            const bool up = round / 20 % 2 == 0;
            result = up ? writer.append({&value, 1}) : writer.pop(-1, element);
          } else {
            result = writer.set(static_cast<std::int64_t>(random() % 1'900), value);
          }
          ASSERT_EQ(result, Result::kDone);
        }
        writing.fetch_sub(1);
      });
    }
    while (writing.load() > 0) {
      const memory::ListReport report = memory::verify(world.list);
      if (!report.stood) continue;
      ++stood;
      ASSERT_EQ(report.wrong.size(), 0U) << report.wrong[0];
      ASSERT_GE(report.elements, 1'900U);
    }
  }
  EXPECT_GT(stood, 0U);
  EXPECT_EQ(world.wrong(), "");
}

// And damage is found although they do.
TEST(ListContainerRace, VerifyFindsDamageWhileOthersWrite) {
  ListWorld world(256);
  for (int i = 0; i < 5'000; ++i) ASSERT_EQ(world.append(patterned(2)), Result::kDone);
  const auto& d = reinterpret_cast<memory::ListDescriptor&>(world.descriptor());
  memory::ListTree tree;
  memory::ListLeafView leaf;
  ASSERT_TRUE(memory::ListTree::load(world.list, d.root.load(), tree));
  ASSERT_TRUE(memory::ListLeafView::load(world.list, tree, 1, leaf));
  memory::Word64& element = leaf.element(world.list, 2'000);
  std::atomic<bool> over{false};
  Threads threads;
  threads.start([&] {
    memory::Caller caller = world.arena.caller(2);
    for (std::int64_t i = 0; !over.load(); ++i) {
      (void)set_quickly(world.list, caller, i % 3'000, memory::int_word(i));
      (void)append_quickly(world.list, caller, memory::int_word(i));
    }
  });
  element.store(memory::record_word(1U << 23));
  const memory::ListReport outside = memory::verify(world.list);
  EXPECT_EQ(outside.wrong.size(), 1U);
  // That a block is another's is said only of a moment at which nobody writes.
  element.store(memory::LargePlace{.place = 1U << 15, .size = 1}.word(1));
  while (memory::verify(world.list).wrong.empty()) {
  }
  over.store(true);
}

}  // namespace
}  // namespace shoal::test
