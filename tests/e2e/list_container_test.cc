// List: every call, between real processes, and killed ones.
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "tests/e2e/sync.h"

namespace shoal::e2e {
namespace {

class Lists : public Sync {};

using Values = std::vector<Value>;

TEST_F(Lists, GiveBackWhatWasPut) {
  const List list = made<List>("it");
  const List other = must(client_.open<List>("it"));
  const Values all = {Value(),
                      true,
                      -1,
                      std::numeric_limits<std::int64_t>::max(),
                      1.5,
                      -0.0,
                      "",
                      "text",
                      Bytes("\0x", 2),
                      std::string(100, 'y'),
                      std::string(100'000, 'x'),
                      Value::list({1, "two", Value::tuple({3.5, nullptr})}),
                      Value::reference(list.id()),
                      *Value::parse_integer("123456789012345678901234567890")};
  for (const Value& value : all) ASSERT_TRUE(list.append(value).ok());
  EXPECT_EQ(must(other.size()), all.size());
  EXPECT_EQ(must(other.items()), all);
  EXPECT_EQ(must(other.copy()), Value::list(all));
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto index = static_cast<std::ptrdiff_t>(i);
    EXPECT_EQ(must(other.get(index)), all[i]);
    EXPECT_EQ(must(other.get(index - static_cast<std::ptrdiff_t>(all.size()))), all[i]);
    EXPECT_EQ(must(other.index(all[i])), i == 2 ? 1U + 1 : i == 5 ? 5U : i);
  }
  EXPECT_EQ(must(list.get_as<std::int64_t>(3)), std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(must(list.get_as<double>(4)), 1.5);
  EXPECT_EQ(must(list.get_as<bool>(1)), true);
  EXPECT_EQ(must(list.get_as<std::string>(7)), "text");
  EXPECT_EQ(must(list.get_as<Bytes>(8)), Bytes("\0x", 2));
  EXPECT_EQ(code(list.get_as<std::int64_t>(7)), "FAILED_PRECONDITION");
  EXPECT_EQ(must(list.verify()).elements, all.size());
}

TEST_F(Lists, ChangeAsPythonsDo) {
  const List list = made<List>("it");
  ASSERT_TRUE(list.extend({1, 2, 3, 4, 5}).ok());
  ASSERT_TRUE(list.insert(0, "first").ok());
  ASSERT_TRUE(list.insert(-1, "before the last").ok());
  ASSERT_TRUE(list.insert(100, "last").ok());
  EXPECT_EQ(must(list.items()), (Values{"first", 1, 2, 3, 4, "before the last", 5, "last"}));
  EXPECT_EQ(must(list.pop()), Value("last"));
  EXPECT_EQ(must(list.pop(0)), Value("first"));
  EXPECT_EQ(must(list.pop(-2)), Value("before the last"));
  ASSERT_TRUE(list.set(-1, "five").ok());
  ASSERT_TRUE(list.set(0, 10).ok());
  ASSERT_TRUE(list.erase(3.0).ok()) << "equal is equal";
  EXPECT_EQ(must(list.items()), (Values{10, 2, 4, "five"}));
  EXPECT_EQ(must(list.slice({.start = 1, .stop = -1})), (Values{2, 4}));
  EXPECT_EQ(must(list.slice({.step = -2})), (Values{"five", 2}));
  const Values two = {7, 8};
  ASSERT_TRUE(list.assign({.start = 1, .stop = 1}, two).ok());
  ASSERT_TRUE(list.assign({.step = 3}, two).ok());
  EXPECT_EQ(must(list.items()), (Values{7, 7, 8, 8, 4, "five"}));
  EXPECT_EQ(must(list.count(7)), 2U);
  EXPECT_EQ(must(list.index(8, 3)), 3U);
  EXPECT_EQ(must(list.contains(9)), false);
  ASSERT_TRUE(list.erase_slice({.start = -1}).ok());
  ASSERT_TRUE(list.reverse().ok());
  EXPECT_EQ(must(list.items()), (Values{4, 8, 8, 7, 7}));
  Values seen;
  ASSERT_TRUE(list.for_each([&](std::size_t index, const Value& value) {
                    EXPECT_EQ(index, seen.size());
                    seen.push_back(value);
                    return seen.size() < 3;
                  })
                  .ok());
  EXPECT_EQ(seen, (Values{4, 8, 8}));
  ASSERT_TRUE(list.clear().ok());
  EXPECT_EQ(must(list.size()), 0U);
  EXPECT_EQ(must(list.items()), Values{});
}

TEST_F(Lists, SayWhatIsWrong) {
  const List list = made<List>("it");
  ASSERT_TRUE(list.extend({1, 2, 3}).ok());
  for (const std::ptrdiff_t index : {3, -4, 1000}) {
    EXPECT_EQ(code(list.get(index)), "OUT_OF_RANGE");
    EXPECT_EQ(code(list.set(index, 1)), "OUT_OF_RANGE");
    EXPECT_EQ(code(list.set(index, "text")), "OUT_OF_RANGE");
    EXPECT_EQ(code(list.pop(index)), "OUT_OF_RANGE");
  }
  EXPECT_EQ(list.get(7).status().message(), "List \"it\" has no element 7; it has 3 of them");
  EXPECT_EQ(code(list.erase("nobody")), "NOT_FOUND");
  EXPECT_EQ(code(list.index(1, 1)), "NOT_FOUND");
  EXPECT_EQ(code(list.slice({.step = 0})), "INVALID_ARGUMENT");
  const Values one = {1};
  EXPECT_EQ(code(list.assign({.step = 2}, one)), "INVALID_ARGUMENT");
  EXPECT_EQ(code(list.append("\xff")), "INVALID_ARGUMENT");
  EXPECT_EQ(must(list.items()), (Values{1, 2, 3}));
  List closed = list;
  ASSERT_TRUE(closed.close().ok());
  EXPECT_EQ(code(closed.get(0)), "FAILED_PRECONDITION");
  EXPECT_EQ(code(closed.append(1)), "FAILED_PRECONDITION");
  EXPECT_EQ(code(closed.items()), "FAILED_PRECONDITION");
}

TEST_F(Lists, AreSortedLikePythons) {
  const List list = made<List>("it");
  ASSERT_TRUE(list.extend({3, 1.5, true, -2, 1, 2.0, 2}).ok());
  ASSERT_TRUE(list.sort().ok());
  Values sorted = must(list.items());
  EXPECT_EQ(sorted, (Values{-2, 1, 1, 1.5, 2, 2, 3}));
  EXPECT_TRUE(sorted[1].is_bool()) << "stable";
  EXPECT_TRUE(sorted[4].is_double()) << "stable";
  ASSERT_TRUE(list.sort({.reverse = true}).ok());
  sorted = must(list.items());
  EXPECT_EQ(sorted, (Values{3, 2, 2, 1.5, 1, 1, -2}));
  EXPECT_TRUE(sorted[1].is_double()) << "stable also in reverse";
  ASSERT_TRUE(list.clear().ok());
  ASSERT_TRUE(list.extend({"b", "a", "abc", "", "\xc3\xa4"}).ok());
  ASSERT_TRUE(list.sort().ok());
  EXPECT_EQ(must(list.items()), (Values{"", "a", "abc", "b", "\xc3\xa4"}));
  ASSERT_TRUE(list.append(1).ok());
  const absl::Status status = list.sort();
  EXPECT_EQ(code(status), "FAILED_PRECONDITION");
  EXPECT_NE(status.message().find("between"), absl::string_view::npos) << status;
  EXPECT_EQ(must(list.get(-1)), Value(1));
  ASSERT_TRUE(list.clear().ok());
  const Values tuples = {Value::tuple({2, "b"}), Value::tuple({1, "z"}), Value::tuple({1, "a", 0}),
                         Value::tuple({1, "a"})};
  ASSERT_TRUE(list.extend(tuples).ok());
  ASSERT_TRUE(list.sort().ok());
  EXPECT_EQ(must(list.items()), (Values{tuples[3], tuples[2], tuples[1], tuples[0]}));
}

TEST_F(Lists, AreReadButNotWrittenThroughReadOnlyProxies) {
  const List list = made<List>("it");
  ASSERT_TRUE(list.extend({1, "a longer text", std::string(5000, 'x')}).ok());
  const List reader = must(client_.open<List>("it", {.access = Access::kReadOnly}));
  EXPECT_EQ(must(reader.get(1)), Value("a longer text"));
  EXPECT_EQ(must(reader.items()).size(), 3U);
  EXPECT_EQ(must(reader.verify()).large_values, 1U);
  EXPECT_EQ(code(reader.append(2)), "PERMISSION_DENIED");
  EXPECT_EQ(code(reader.set(0, 2)), "PERMISSION_DENIED");
  EXPECT_EQ(code(reader.sort()), "PERMISSION_DENIED");
}

TEST_F(Lists, GrowToManyElementsAndGiveTheirMemoryBack) {
  constexpr std::int64_t kMany = 200'000;
  for (int round = 0; round < 2; ++round) {
    const List list = made<List>("it");
    for (std::int64_t i = 0; i < kMany; ++i) ASSERT_TRUE(list.append(i).ok());
    EXPECT_EQ(must(list.size()), static_cast<std::size_t>(kMany));
    EXPECT_EQ(must(list.index(kMany - 1)), static_cast<std::size_t>(kMany - 1));
    ASSERT_TRUE(list.insert(0, std::string(1 << 20, 'y')).ok());
    EXPECT_EQ(must(list.get(-1)), Value(kMany - 1));
    EXPECT_LT(must(list.verify()).block_bytes, (1 << 20) + 10 * static_cast<std::uint64_t>(kMany));
    ASSERT_TRUE(list.unlink().ok());
  }
}

// Processes that are killed in the middle of it leave every element as some call left it, and the
// list in working order.
TEST_F(Lists, SurviveTheirWriters) {
  const List list = made<List>("it");
  const auto patterned = [](std::int64_t i) {
    const std::size_t size = static_cast<std::size_t>(i * i) % 3000;
    return std::string(size, static_cast<char>('a' + size % 26));
  };
  constexpr int kRounds = 40;
  for (int round = 0; round < kRounds; ++round) {
    Child child([&](Channel& parent) -> std::string {
      for (std::int64_t i = 0;; ++i) {
        absl::Status status = list.append(patterned(i));
        if (status.ok() && i % 3 == 0) status = list.set(-1, patterned(i + 1));
        if (status.ok() && i % 5 == 0) status = list.insert(i % 7, patterned(i));
        if (status.ok() && i % 6 == 0) status = list.pop(2).status();
        if (status.ok() && i % 11 == 0) status = list.reverse();
        if (status.ok() && i % 200 == 0) status = list.erase_slice({.step = 2});
        if (status.ok() && i % 997 == 0) status = list.clear();
        if (!status.ok() && !absl::IsOutOfRange(status)) return outcome(status);
        if (i == 50 + 17 * round) parent.say("busy");
      }
    });
    ASSERT_EQ(child.hear(), "busy");
    child.kill();
    ASSERT_TRUE(list.append(patterned(round)).ok());
    for (const Value& value : must(list.items())) {
      const std::string* text = value.as_string();
      ASSERT_NE(text, nullptr);
      ASSERT_EQ(*text, std::string(text->size(), static_cast<char>('a' + text->size() % 26)));
    }
    const absl::StatusOr<ListStatistics> sound = list.verify();
    ASSERT_TRUE(sound.ok()) << sound.status();
  }
}

// Many who sort, take away and append at once: nothing is lost, nothing is there twice.
TEST_F(Lists, LoseNothingAmongManyWriters) {
  const List list = made<List>("it");
  constexpr int kWriters = 4;
  constexpr int kEach = 150;
  std::vector<std::unique_ptr<Child>> children;
  for (int writer = 0; writer < kWriters; ++writer) {
    children.push_back(std::make_unique<Child>([&list, writer](Channel&) -> std::string {
      for (int i = 0; i < kEach; ++i) {
        const int number = writer * kEach + i;
        const std::string text = std::to_string(number) + " as text";
        absl::Status status = list.append(number);
        if (status.ok()) status = list.append(text);
        if (status.ok()) status = list.erase(text);
        if (status.ok() && i % 25 == 0) {
          status = list.sort();  // texts of others may be there
          if (absl::IsFailedPrecondition(status)) status = absl::OkStatus();
        }
        if (!status.ok()) return outcome(status);
      }
      return "done";
    }));
  }
  for (const auto& child : children) EXPECT_EQ(child->hear(), "done");
  ASSERT_TRUE(list.sort().ok());
  const Values all = must(list.items());
  ASSERT_EQ(all.size(), static_cast<std::size_t>(kWriters * kEach));
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(all[i], Value(static_cast<std::int64_t>(i)));
  }
}

}  // namespace
}  // namespace shoal::e2e
