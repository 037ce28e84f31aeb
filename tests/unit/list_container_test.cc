// A List against a model of it: values of every encoding, every change, slices, memory.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/unit/list_container_memory.h"

namespace shoal::test {
namespace {

using memory::kLeafElements;
using memory::ListRange;
using memory::ListSlice;

std::vector<Item> all_encodings() {
  std::vector<Item> items;
  constexpr std::int64_t kInlineMost = (std::int64_t{1} << 60) - 1;
  for (const std::int64_t number :
       {std::int64_t{0}, std::int64_t{1}, std::int64_t{-1}, kInlineMost, kInlineMost + 1,
        -kInlineMost - 1, -kInlineMost - 2, INT64_MAX, INT64_MIN}) {
    items.push_back(int_item(number));
  }
  using Limits = std::numeric_limits<double>;
  for (const double number :
       {0.0, -0.0, 1.0, -1.5, 0.1, 1e-70, 1e70, 1e-90, 1e300, Limits::max(), Limits::min(),
        Limits::denorm_min(), Limits::infinity(), -Limits::infinity(), Limits::quiet_NaN()}) {
    items.push_back(double_item(number));
  }
  items.push_back(Item{});                                // none
  items.push_back({1, false, std::string(1, '\1')});      // a bool
  items.push_back({6, false, std::string("\0\0\0", 3)});  // bytes
  items.push_back({2, false, "abc"});                     // no int of 8 bytes
  items.push_back({4, false, "abc"});                     // no double
  items.push_back({12, false, "abcdefgh"});               // no reference, says its flag
  items.push_back({7, true, "ab"});                       // short, and has references
  items.push_back({31, false, ""});
  items.push_back(reference_item(std::uint64_t{0xffff'ffff} << 32 | 0xfffff));
  items.push_back(reference_item(std::uint64_t{1} << 32 | 0x100000));  // of no object table
  for (const std::size_t size : {0, 1, 5, 6, 7, 8, 9, 100, 240, 2047, 2048, 2049, 4096, 70'000}) {
    items.push_back(text_item(std::string(size, 'x')));
    items.push_back({6, (size & 1) != 0, std::string(size, '\xff')});
  }
  return items;
}

TEST(ListContainer, KeepsValuesOfEveryEncoding) {
  ListWorld world(64);
  const std::vector<Item> items = all_encodings();
  for (const Item& item : items) ASSERT_EQ(world.append(item), Result::kDone);
  EXPECT_EQ(world.size(), items.size());
  EXPECT_EQ(difference(world.items(), items), "");
  for (std::size_t i = 0; i < items.size(); ++i) {
    ListElement element;
    ASSERT_EQ(get(world.list, static_cast<std::int64_t>(i), element), Result::kDone);
    EXPECT_EQ(item_of(element), items[i]);
    const std::int64_t from_end =
        static_cast<std::int64_t>(i) - static_cast<std::int64_t>(items.size());
    ASSERT_EQ(get(world.list, from_end, element), Result::kDone);
    EXPECT_EQ(item_of(element), items[i]);
  }
  EXPECT_EQ(world.wrong(), "");
}

TEST(ListContainer, MostNumbersAndShortTextsAreOneWord) {
  for (const double number : {0.0, 1.0, 0.1, 1e-70, 1e70, -3.25}) {
    EXPECT_TRUE(memory::is_inline(double_item(number).value().word)) << number;
  }
  EXPECT_TRUE(memory::is_inline(int_item(-(std::int64_t{1} << 60)).value().word));
  EXPECT_TRUE(memory::is_inline(text_item("abcdef").value().word));
  EXPECT_FALSE(memory::is_inline(text_item("abcdefg").value().word));
  EXPECT_EQ(memory::int_in(memory::int_word(-7)), -7);
  EXPECT_EQ(memory::double_in(memory::double_word(-0.75)), -0.75);
}

TEST(ListContainer, AnElementThatIsNotThereIsOutOfRange) {
  ListWorld world(16);
  ListElement element;
  EXPECT_EQ(get(world.list, 0, element), Result::kAbsent);
  EXPECT_EQ(get(world.list, -1, element), Result::kAbsent);
  EXPECT_EQ(world.writer().pop(-1, element), Result::kAbsent);
  EXPECT_EQ(world.writer().set(0, int_item(1).value()), Result::kAbsent);
  ASSERT_EQ(world.append(int_item(1)), Result::kDone);
  for (const std::int64_t index : {std::int64_t{1}, std::int64_t{-2}, INT64_MAX, INT64_MIN}) {
    EXPECT_EQ(get(world.list, index, element), Result::kAbsent) << index;
    EXPECT_EQ(world.writer().pop(index, element), Result::kAbsent) << index;
    EXPECT_EQ(world.writer().set(index, int_item(1).value()), Result::kAbsent) << index;
  }
  EXPECT_EQ(world.wrong(), "");
}

TEST(ListContainer, AShortListCostsLittle) {
  ListWorld world(16);
  EXPECT_EQ(world.arena.memory.usage().owned_bytes(), 0U) << "an empty one has no memory at all";
  ASSERT_EQ(world.append(int_item(1)), Result::kDone);
  EXPECT_LE(world.arena.memory.usage().owned_bytes(), 512U);
}

// ---- slices ----

// The same as Python's slice.indices, by walking.
std::vector<std::int64_t> walked(const ListSlice& slice, std::int64_t size) {
  const bool down = slice.step < 0;
  const auto place = [&](std::int64_t at) {
    if (at < 0) at += size;
    if (at < 0) return down ? std::int64_t{-1} : std::int64_t{0};
    if (at >= size) return down ? size - 1 : size;
    return at;
  };
  const std::int64_t start = slice.start ? place(*slice.start) : down ? size - 1 : 0;
  const std::int64_t stop = slice.stop ? place(*slice.stop) : down ? -1 : size;
  std::vector<std::int64_t> all;
  for (std::int64_t i = start; down ? i > stop : i < stop; i += slice.step) all.push_back(i);
  return all;
}

TEST(ListContainer, SlicesAreThoseOfPython) {
  std::vector<std::optional<std::int64_t>> places = {std::nullopt, INT64_MIN + 100,
                                                     INT64_MAX - 100};
  for (std::int64_t at = -8; at <= 8; ++at) places.emplace_back(at);
  for (std::int64_t size = 0; size <= 6; ++size) {
    for (const auto& start : places) {
      for (const auto& stop : places) {
        for (const std::int64_t step : {1, 2, 3, 7, -1, -2, -3, -9}) {
          const ListSlice slice{start, stop, step};
          std::vector<std::int64_t> expected = walked(slice, size);
          const ListRange range = ListRange::of(slice, static_cast<std::uint64_t>(size));
          ASSERT_EQ(range.count, expected.size());
          if (step < 0) std::reverse(expected.begin(), expected.end());
          for (std::size_t i = 0; i < expected.size(); ++i) {
            ASSERT_EQ(range.first + i * range.step, static_cast<std::uint64_t>(expected[i]));
          }
        }
      }
    }
  }
}

// ---- against a model ----

class Model {
 public:
  Model(ListWorld& world, std::uint64_t seed) : world_(world), random_(seed) {}

  void step() {
    const std::uint64_t draw = random_() % 100;
    if (draw < 25) {
      append();
    } else if (draw < 45) {
      set();
    } else if (draw < 55) {
      pop(-1);
    } else if (draw < 65) {
      pop(some_index());
    } else if (draw < 75) {
      insert();
    } else if (draw < 80) {
      extend(random_() % 60);
    } else if (draw < 86) {
      assign();
    } else if (draw < 92) {
      erase();
    } else if (draw < 95) {
      std::reverse(items.begin(), items.end());
      ASSERT_EQ(world_.writer().reverse(), Result::kDone);
    } else if (draw < 98) {
      reorder();
    } else if (draw == 98) {
      items.clear();
      ASSERT_EQ(world_.writer().clear(), Result::kDone);
    } else {
      extend(random_() % 3000);
    }
  }

  std::vector<Item> items;

 private:
  Item some_item() {
    switch (random_() % 12) {
      case 0:
        return text_item(std::string(random_() % 300, static_cast<char>('a' + random_() % 26)));
      case 1:
        return text_item(std::string(random_() % 40, static_cast<char>('a' + random_() % 26)));
      case 2:
        return double_item(std::bit_cast<double>(random_()));
      case 3:
        return random_() % 20 == 0 ? Item{6, false, std::string(2000 + random_() % 9000, 'L')}
                                   : Item{};
      case 4:
        return reference_item(random_() & 0xffff'ffff'000f'ffff);
      default:
        return int_item(static_cast<std::int64_t>(random_()) >> (random_() % 64));
    }
  }
  std::int64_t some_index() {
    const auto size = static_cast<std::int64_t>(items.size());
    return static_cast<std::int64_t>(random_() % (2 * items.size() + 3)) - size - 1;
  }
  ListSlice some_slice() {
    ListSlice slice;
    if (random_() % 4 != 0) slice.start = some_index();
    if (random_() % 4 != 0) slice.stop = some_index();
    if (random_() % 3 == 0) slice.step = static_cast<std::int64_t>(random_() % 5) + 2;
    if (random_() % 3 == 0) slice.step = -slice.step;
    return slice;
  }
  std::vector<Item> some_items(std::size_t count) {
    std::vector<Item> made(count);
    for (Item& item : made) item = some_item();
    return made;
  }

  void append() {
    items.push_back(some_item());
    ASSERT_EQ(world_.append(items.back()), Result::kDone);
  }
  void extend(std::size_t count) {
    const std::vector<Item> more = some_items(count);
    items.insert(items.end(), more.begin(), more.end());
    ASSERT_EQ(world_.writer().append(values_of(more)), Result::kDone);
  }
  void set() {
    const std::int64_t index = some_index();
    const Item item = some_item();
    const auto at = memory::index_in(index, items.size());
    if (at) items[*at] = item;
    ASSERT_EQ(world_.writer().set(index, item.value()), at ? Result::kDone : Result::kAbsent);
  }
  void insert() {
    const std::int64_t index = some_index();
    const Item item = some_item();
    const auto size = static_cast<std::int64_t>(items.size());
    const std::int64_t at = std::clamp<std::int64_t>(index < 0 ? index + size : index, 0, size);
    items.insert(items.begin() + at, item);
    ASSERT_EQ(world_.writer().insert(index, item.value()), Result::kDone);
  }
  void pop(std::int64_t index) {
    const auto at = memory::index_in(index, items.size());
    ListElement element;
    ASSERT_EQ(world_.writer().pop(index, element), at ? Result::kDone : Result::kAbsent);
    if (!at) return;
    ASSERT_EQ(item_of(element), items[*at]);
    items.erase(items.begin() + static_cast<std::ptrdiff_t>(*at));
  }
  void erase() {
    const ListSlice slice = some_slice();
    std::vector<std::int64_t> gone = walked(slice, static_cast<std::int64_t>(items.size()));
    std::sort(gone.rbegin(), gone.rend());
    for (const std::int64_t at : gone) items.erase(items.begin() + at);
    ASSERT_EQ(world_.writer().erase(slice), Result::kDone);
  }
  void assign() {
    const ListSlice slice = some_slice();
    const std::vector<std::int64_t> places = walked(slice, static_cast<std::int64_t>(items.size()));
    if (slice.step != 1) {
      const std::vector<Item> made = some_items(places.size());
      ASSERT_EQ(world_.writer().assign(slice, values_of(some_items(places.size() + 1))),
                Result::kDiffers);
      for (std::size_t i = 0; i < places.size(); ++i) {
        items[static_cast<std::size_t>(places[i])] = made[i];
      }
      ASSERT_EQ(world_.writer().assign(slice, values_of(made)), Result::kDone);
      return;
    }
    const std::vector<Item> made = some_items(random_() % 30);
    const ListRange range = ListRange::of(slice, items.size());
    const auto first = items.begin() + static_cast<std::ptrdiff_t>(range.first);
    const auto at = items.erase(first, first + static_cast<std::ptrdiff_t>(range.count));
    items.insert(at, made.begin(), made.end());
    ASSERT_EQ(world_.writer().assign(slice, values_of(made)), Result::kDone);
  }
  void reorder() {
    std::vector<std::uint64_t> order(items.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::shuffle(order.begin(), order.end(), random_);
    std::vector<Item> shuffled(items.size());
    for (std::size_t i = 0; i < order.size(); ++i) shuffled[i] = items[order[i]];
    items = shuffled;
    ASSERT_EQ(world_.writer().reorder(order), Result::kDone);
  }

  ListWorld& world_;
  std::mt19937_64 random_;
};

class ListContainerModel : public testing::TestWithParam<int> {};

TEST_P(ListContainerModel, EveryChangeIsThatOfAVector) {
  ListWorld world(512);
  Model model(world, static_cast<std::uint64_t>(GetParam()));
  for (int round = 0; round < 400; ++round) {
    model.step();
    if (HasFatalFailure()) return;
    ASSERT_EQ(world.size(), model.items.size()) << "round " << round;
    ASSERT_EQ(world.wrong(), "") << "round " << round;
    if (round % 5 == 0) {
      ASSERT_EQ(difference(world.items(), model.items), "") << "round " << round;
    }
  }
  ASSERT_EQ(difference(world.items(), model.items), "");
  ASSERT_EQ(world.writer().clear(), Result::kDone);
  EXPECT_EQ(world.arena.memory.usage().owned_bytes(), 0U);
}

INSTANTIATE_TEST_SUITE_P(Seeds, ListContainerModel, testing::Range(1, 9));

// ---- growing and shrinking ----

TEST(ListContainer, GrowsAndShrinksAtItsEnd) {
  ListWorld world(512);
  constexpr std::int64_t kMany = 40 * std::int64_t{kLeafElements} + 7;  // more than one spine
  for (std::int64_t i = 0; i < kMany; ++i) {
    if (!append_quickly(world.list, world.caller, memory::int_word(i))) {
      ASSERT_EQ(world.append(int_item(i)), Result::kDone);
    }
  }
  EXPECT_EQ(world.wrong(), "");
  const std::uint64_t full = world.arena.memory.usage().owned_bytes();
  EXPECT_LE(full, 9 * static_cast<std::uint64_t>(kMany));
  for (std::int64_t i = 0; i < kMany; i += 997) {
    ListElement element;
    ASSERT_EQ(get(world.list, i, element), Result::kDone);
    ASSERT_EQ(memory::int_in(element.word), i);
  }
  for (std::int64_t i = kMany; i-- > 0;) {
    ListElement element;
    ASSERT_EQ(world.writer().pop(-1, element), Result::kDone);
    ASSERT_EQ(memory::int_in(element.word), i);
  }
  EXPECT_EQ(world.wrong(), "");
  EXPECT_LE(world.arena.memory.usage().owned_bytes(), std::uint64_t{64} << 10);
}

TEST(ListContainer, OverwrittenRecordsDoNotPileUp) {
  ListWorld world(64);
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(world.append(text_item(std::string(100, 'a'))), Result::kDone);
  }
  for (int round = 0; round < 20'000; ++round) {
    const Item item = text_item(std::string(90 + round % 20, static_cast<char>('a' + round % 26)));
    ASSERT_EQ(world.writer().set(round % 100, item.value()), Result::kDone);
  }
  EXPECT_EQ(world.wrong(), "");
  EXPECT_LE(world.arena.memory.usage().owned_bytes(), std::uint64_t{128} << 10);
}

TEST(ListContainer, WithoutMemoryNothingChanges) {
  ListWorld world(17);
  std::vector<Item> items;
  for (int i = 0; i < 50; ++i)
    items.push_back(text_item(std::string(1000, static_cast<char>('a' + i % 26))));
  ASSERT_EQ(world.writer().append(values_of(items)), Result::kDone);
  const Item large = text_item(std::string(2 << 20, 'L'));
  ListWriter writer = world.writer();
  const ListValue value = large.value();
  EXPECT_EQ(writer.append({&value, 1}), Result::kExhausted);
  EXPECT_TRUE(absl::IsResourceExhausted(world.call.why)) << world.call.why;
  EXPECT_EQ(world.writer().set(3, large.value()), Result::kExhausted);
  EXPECT_EQ(world.writer().insert(3, large.value()), Result::kExhausted);
  const std::vector<Item> four(4, text_item(std::string(400'000, 'L')));
  EXPECT_EQ(world.writer().append(values_of(four)), Result::kExhausted) << "after the third";
  EXPECT_EQ(world.wrong(), "");
  EXPECT_EQ(difference(world.items(), items), "");
}

TEST(ListContainer, AnExpectedListMustNotHaveChanged) {
  ListWorld world(16);
  ASSERT_EQ(world.append(int_item(1)), Result::kDone);
  ASSERT_EQ(world.append(int_item(2)), Result::kDone);
  memory::ListMark before;
  ASSERT_EQ(mark(world.list, before), Result::kDone);
  ASSERT_TRUE(set_quickly(world.list, world.caller, 0, memory::int_word(7)));
  const std::uint64_t order[] = {1, 0};
  {
    ListWriter writer = world.writer();
    writer.expect(before);
    EXPECT_EQ(writer.reorder(order), Result::kDiffers);
  }
  ListWriter writer = world.writer();
  ASSERT_EQ(writer.hold(), Result::kDone);
  ASSERT_EQ(mark(world.list, before), Result::kDone);
  writer.expect(before);
  EXPECT_EQ(writer.reorder(order), Result::kDone);
  EXPECT_EQ(world.items(), (std::vector<Item>{int_item(2), int_item(7)}));
}

TEST(ListContainer, ChangesForATransactionAreStoresOfOneWord) {
  ListWorld world(64);
  for (int i = 0; i < 3000; ++i) ASSERT_EQ(world.append(int_item(i)), Result::kDone);
  const Item text = text_item(std::string(1500, 'b'));
  const Item number = int_item(-1);
  ListWriter holder = world.writer();
  ASSERT_EQ(holder.hold(), Result::kDone);
  ListWriter writer = world.writer();
  writer.borrow_lock();
  // More records than the leaves have room for, in two of them, and a leaf that is not there yet.
  std::vector<ListWriter::Put> sets;
  for (std::uint64_t i = 10; i < 2900; i += 100) {
    sets.push_back({.index = i, .value = i % 200 == 10 ? text.value() : number.value()});
  }
  std::vector<ListWriter::Put> appended(1200, {.value = text.value()});
  std::vector<ListWriter::Change> changes;
  ASSERT_EQ(writer.prepare(sets, appended, changes), Result::kDone);
  ASSERT_EQ(changes.size(), sets.size() + 1);
  EXPECT_EQ(world.size(), 3000U);
  EXPECT_EQ(world.items()[10], int_item(10));
  for (const ListWriter::Change& change : changes) change.word->store(change.value);
  const std::vector<Item> items = world.items();
  ASSERT_EQ(items.size(), 4200U);
  EXPECT_EQ(items[10], text);
  EXPECT_EQ(items[110], number);
  EXPECT_EQ(items[11], int_item(11));
  EXPECT_EQ(items[2810], text);
  EXPECT_EQ(items[3000], text);
  EXPECT_EQ(items[4199], text);
  const std::vector<ListWriter::Put> beyond = {{.index = 4200, .value = number.value()}};
  EXPECT_EQ(writer.prepare(beyond, {}, changes), Result::kAbsent);
}

// All ids that the list refers to, in turns of so many steps; between them `meanwhile`.
std::vector<std::uint64_t> referred(
    ListWorld& world, std::uint32_t steps, const std::function<void()>& meanwhile = [] {}) {
  std::vector<std::uint64_t> ids;
  memory::ReferenceWalk walk;
  std::uint64_t left = std::uint64_t{1} << 30;
  const auto visit = [&](std::uint64_t id) { ids.push_back(id); };
  memory::Walked walked = memory::Walked::kMore;
  while (walked == memory::Walked::kMore) {
    walked = walk_references(world.list, walk, left, steps, visit);
    meanwhile();
  }
  EXPECT_EQ(walked, memory::Walked::kOver);
  return ids;
}

Item table_item(std::uint64_t first, std::uint64_t count) {
  std::string bytes(8 * (count + 1), '\0');
  std::memcpy(bytes.data(), &count, 8);
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint64_t id = first + i;
    std::memcpy(bytes.data() + 8 * (i + 1), &id, 8);
  }
  return {7, true, bytes};
}

TEST(ListContainer, ReferencesAreFound) {
  ListWorld world(16);
  ASSERT_EQ(world.append(int_item(1)), Result::kDone);
  EXPECT_TRUE(referred(world, 1).empty());
  const std::uint64_t id = std::uint64_t{9} << 32 | 77;
  ASSERT_EQ(world.append(reference_item(id)), Result::kDone);
  ASSERT_EQ(world.append(table_item(100, 3)), Result::kDone);
  ASSERT_EQ(world.append({7, true, "no table"}), Result::kDone);
  ASSERT_EQ(world.append(table_item(200, 1000)), Result::kDone);
  std::vector<std::uint64_t> wanted = {id, 100, 101, 102};
  for (std::uint64_t i = 0; i < 1000; ++i) wanted.push_back(200 + i);
  for (const std::uint32_t steps : {1U, 2U, 7U, 100'000U}) {
    EXPECT_EQ(referred(world, steps), wanted) << steps;
  }
}

// Leaves are replaced by larger ones, and the list as a whole, in the middle of a walk.
TEST(ListContainer, ReferencesThatStayAreFoundMeanwhile) {
  ListWorld world(64);
  constexpr std::uint64_t kStaying = 5000;
  for (std::uint64_t i = 1; i <= kStaying; ++i) {
    ASSERT_EQ(world.append(reference_item(i)), Result::kDone);
  }
  int changes = 0;
  const std::vector<std::uint64_t> ids = referred(world, 40, [&] {
    if (++changes > 400) return;
    ASSERT_EQ(world.append(table_item(1'000'000, 20)), Result::kDone);
    if (changes % 50 != 0) return;
    const Item first = int_item(changes);
    ASSERT_EQ(world.writer().insert(0, first.value()), Result::kDone);
  });
  const std::set<std::uint64_t> met(ids.begin(), ids.end());
  for (std::uint64_t i = 1; i <= kStaying; ++i) ASSERT_TRUE(met.contains(i)) << i;
}

TEST(ListContainer, ReadersNeedNoRightToWrite) {
  ListWorld world(16);
  for (const Item& item :
       {int_item(1), text_item("a longer text"), text_item(std::string(5000, 'x'))}) {
    ASSERT_EQ(world.append(item), Result::kDone);
  }
  ASSERT_EQ(mprotect(world.arena.bytes.data(), world.arena.bytes.size(), PROT_READ), 0);
  EXPECT_EQ(world.items().size(), 3U);
  EXPECT_EQ(world.wrong(), "");
  EXPECT_TRUE(referred(world, 64).empty());
  ASSERT_EQ(mprotect(world.arena.bytes.data(), world.arena.bytes.size(), PROT_READ | PROT_WRITE),
            0);
}

}  // namespace
}  // namespace shoal::test
