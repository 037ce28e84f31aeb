// TypedDict and Namespace: every call, between sessions, beside a killed writer, and with the wrong
// types.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "tests/e2e/sync.h"

namespace shoal::e2e {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

using Symbol = std::array<char, 16>;

struct Quote {
  double bid = 0;
  double ask = 0;
  std::int64_t at = 0;
  friend bool operator==(const Quote&, const Quote&) = default;
};
SHOAL_TYPE(Quote, "test.quote", 1);

using Quotes = TypedDict<Symbol, Quote>;
using Counts = TypedDict<std::int32_t, std::int64_t>;

Symbol symbol(int number) {
  Symbol symbol{};
  std::snprintf(symbol.data(), symbol.size(), "symbol %d", number);
  return symbol;
}

class TypedDicts : public Sync {};

TEST_F(TypedDicts, GiveBackWhatWasPut) {
  const auto quotes = made<Quotes>("it");
  const auto other = opened<Quotes>("it");
  for (int i = 0; i < 3000; ++i) must(quotes.put(symbol(i), {.bid = i + 0.5, .at = i}));
  for (int i = 0; i < 3000; ++i) {
    EXPECT_EQ(must(other.get(symbol(i))), (Quote{.bid = i + 0.5, .at = i}));
  }
  EXPECT_EQ(must(other.size()), 3000U);
  must(other.erase(symbol(7)));
  EXPECT_FALSE(must(quotes.contains(symbol(7))));
  Quote found;
  EXPECT_FALSE(must(quotes.find(symbol(7), found)));
  EXPECT_TRUE(must(quotes.find(symbol(8), found)));
  EXPECT_EQ(found.at, 8);
  EXPECT_EQ(code(quotes.get(symbol(7))), "NOT_FOUND");
  EXPECT_THAT(outcome(quotes.get(symbol(7))), HasSubstr("TypedDict \"it\", key 73796d626f6c2037"));
  EXPECT_EQ(code(quotes.erase(symbol(7))), "NOT_FOUND");
  EXPECT_EQ(must(quotes.verify()).entries, 2999U);
}

TEST_F(TypedDicts, ListWhatTheyHoldInOrder) {
  const auto counts = made<Counts>("it");
  for (const int key : {5, 3, 9}) must(counts.put(key, std::int64_t{key} * 10));
  must(counts.put(5, 1));
  EXPECT_THAT(must(counts.keys()), ElementsAre(5, 3, 9));
  EXPECT_THAT(must(counts.values()), ElementsAre(1, 30, 90));
  const std::vector<Counts::Entry> items = must(counts.items());
  ASSERT_EQ(items.size(), 3U);
  EXPECT_EQ(items[2].key, 9);
  EXPECT_EQ(items[2].value, 90);
  const Counts::Entry last = must(counts.pop_item());
  EXPECT_EQ(last.key, 9);
  EXPECT_EQ(last.value, 90);
  must(counts.pop(5));
  must(counts.pop(3));
  EXPECT_EQ(code(counts.pop_item()), "NOT_FOUND");
  must(counts.put(1, 1));
  must(counts.clear());
  EXPECT_EQ(must(counts.size()), 0U);
  EXPECT_EQ(code(counts.pop(3)), "NOT_FOUND");
}

TEST_F(TypedDicts, ChangeAtomically) {
  const auto counts = made<Counts>("it");
  EXPECT_EQ(must(counts.get_or_insert(1, 4)), 4);
  EXPECT_EQ(must(counts.get_or_insert(1, 5)), 4);
  EXPECT_EQ(must(counts.increment(1)), 5);
  EXPECT_EQ(must(counts.increment(2, -3)), -3);
  must(counts.put(3, std::numeric_limits<std::int64_t>::max()));
  EXPECT_EQ(code(counts.increment(3)), "OUT_OF_RANGE");
  EXPECT_EQ(must(counts.get(3)), std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(code(counts.compare_and_swap(1, 4, 6)), "ABORTED");
  must(counts.compare_and_swap(1, 5, 6));
  EXPECT_EQ(must(counts.get(1)), 6);
  must(counts.compare_and_swap(1, 6, std::nullopt));
  EXPECT_EQ(code(counts.compare_and_swap(1, 6, 7)), "ABORTED");
  must(counts.compare_and_swap(1, std::nullopt, 7));
  EXPECT_EQ(must(counts.get(1)), 7);

  const auto small = made<TypedDict<std::uint64_t, std::uint8_t>>("small");
  EXPECT_EQ(must(small.increment(1, 250)), 250);
  EXPECT_EQ(code(small.increment(1, 6)), "OUT_OF_RANGE");
  const auto real = made<TypedDict<std::uint64_t, float>>("real");
  EXPECT_EQ(must(real.increment(1, 0.5F)), 0.5F);
}

TEST_F(TypedDicts, ChangeSeveralKeysInOneStep) {
  const auto counts = made<Counts>("it");
  const auto quotes = made<Quotes>("quotes");
  must(counts.update({{5, 50}, {3, 30}, {5, 51}}));
  EXPECT_EQ(must(counts.keys()), (std::vector<std::int32_t>{5, 3}));
  EXPECT_EQ(must(counts.get(5)), 51);
  must(client_.transact([&](Transaction& t) -> absl::Status {
    EXPECT_EQ(must(t.get(counts, 5)), 51);
    EXPECT_FALSE(must(t.contains(counts, 7)));
    EXPECT_EQ(code(t.get(counts, 7)), "NOT_FOUND");
    EXPECT_EQ(code(t.erase(counts, 7)), "NOT_FOUND");
    EXPECT_EQ(must(t.increment(counts, 7, 70)), 70);
    EXPECT_EQ(must(t.increment(counts, 7)), 71) << "of its own change";
    must(t.put(quotes, symbol(1), {.bid = 1, .ask = 2, .at = 3}));
    EXPECT_EQ(must(t.get(quotes, symbol(1))).ask, 2);
    must(t.erase(counts, 3));
    EXPECT_FALSE(must(t.contains(counts, 3)));
    EXPECT_EQ(code(counts.get(7)), "NOT_FOUND") << "nothing is seen yet";
    return t.put(counts, 5, 52);
  }));
  EXPECT_EQ(must(counts.get(7)), 71);
  EXPECT_EQ(must(counts.get(5)), 52);
  EXPECT_EQ(must(quotes.get(symbol(1))).at, 3);
  EXPECT_EQ(code(counts.get(3)), "NOT_FOUND");
  const absl::Status refused = client_.transact([&](Transaction& t) -> absl::Status {
    must(t.put(counts, 5, 99));
    must(t.put(counts, 8, std::numeric_limits<std::int64_t>::max()));
    return t.increment(counts, 8).status();
  });
  EXPECT_EQ(code(refused), "OUT_OF_RANGE");
  EXPECT_EQ(must(counts.get(5)), 52);
  EXPECT_TRUE(counts.verify().ok());
  must(client_.read_transaction([&](ReadTransaction& t) -> absl::Status {
    EXPECT_EQ(must(t.get(counts, 5)), 52);
    return t.get(quotes, symbol(1)).status();
  }));

  const auto seen = opened<Counts>("it", {.access = Access::kReadOnly});
  EXPECT_EQ(code(seen.update({{1, 1}})), "PERMISSION_DENIED");
  const Client another = manager_.client();
  EXPECT_EQ(code(another.transact([&](Transaction& t) { return t.put(counts, 1, 1); })),
            "INVALID_ARGUMENT");
}

// One key gives to another, in several processes at once: nothing is lost.
TEST_F(TypedDicts, TakeTurnsInTransactions) {
  constexpr int kRounds = 500;
  const auto counts = made<Counts>("it");
  must(counts.update({{0, 100}, {1, 100}, {2, 100}}));
  std::vector<Child> children;
  children.reserve(3);
  for (int n = 0; n < 3; ++n) {
    children.emplace_back([this, n](Channel&) {
      const Client client = manager_.client();
      const auto mine = must(client.open<Counts>("it"));
      for (int i = 0; i < kRounds; ++i) {
        must(client.transact([&](Transaction& t) -> absl::Status {
          const auto taken = t.increment(mine, (n + i) % 3, -1);
          if (!taken.ok()) return taken.status();
          return t.increment(mine, (n + i + 1 + n) % 3, 1).status();
        }));
      }
      return std::string("done");
    });
  }
  for (Child& child : children) EXPECT_EQ(child.result(), "done");
  // Each has given away as often as the one before gave to it, once the rounds are over.
  std::array<std::int64_t, 3> expected = {100, 100, 100};
  for (int n = 0; n < 3; ++n) {
    for (int i = 0; i < kRounds; ++i) {
      --expected[static_cast<std::size_t>((n + i) % 3)];
      expected[static_cast<std::size_t>((n + i + 1 + n) % 3)] += 1;
    }
  }
  EXPECT_EQ(must(counts.values()), std::vector<std::int64_t>(expected.begin(), expected.end()));
}

TEST_F(TypedDicts, AreWatched) {
  const auto counts = made<Counts>("it");
  must(counts.put(1, 10));
  EXPECT_EQ(code(counts.watch(1, 10, absl::ZeroDuration())), "DEADLINE_EXCEEDED");
  EXPECT_EQ(code(counts.watch(2, std::nullopt, absl::ZeroDuration())), "DEADLINE_EXCEEDED");
  must(counts.watch(1, 9, absl::ZeroDuration()));
  must(counts.watch(1, std::nullopt, absl::ZeroDuration()));
  must(counts.watch(1, {}, absl::ZeroDuration()));
  must(counts.watch(1, {}));
  const std::uint64_t changes = must(counts.changes());
  EXPECT_EQ(code(counts.watch(changes, absl::ZeroDuration())), "DEADLINE_EXCEEDED");
  Child waiter([this](Channel& parent) {
    const Client client = manager_.client();
    const auto mine = must(client.open<Counts>("it"));
    parent.say("ready");
    must(mine.watch(1, 10, kLong));
    return std::to_string(must(mine.get(1)));
  });
  EXPECT_EQ(waiter.hear(), "ready");
  must(counts.put(2, 5));
  must(counts.put(1, 11));
  EXPECT_EQ(waiter.result(), "11");
  EXPECT_GT(must(counts.changes()), changes);
}

TEST_F(TypedDicts, HoldValuesOfAnySize) {
  using Large = std::array<std::uint64_t, 1000>;
  const auto dict = made<TypedDict<std::uint8_t, Large>>("it");
  Large one{};
  one.fill(1);
  Large two{};
  two.fill(2);
  must(dict.put(1, one));
  must(dict.compare_and_swap(1, one, two));
  EXPECT_EQ(must(dict.get(1)), two);
  EXPECT_EQ(must(dict.get_or_insert(2, one)), one);
  EXPECT_EQ(must(dict.pop(1)), two);
  EXPECT_EQ(must(dict.verify()).large_values, 1U);
}

TEST_F(TypedDicts, AreOpenedAsWhatTheyAre) {
  const auto counts = made<Counts>("it");
  EXPECT_EQ(code(client_.open<Quotes>("it")), "FAILED_PRECONDITION");
  EXPECT_THAT(outcome(client_.open<Quotes>("it")), HasSubstr("i32,i64"));
  EXPECT_EQ(code(client_.open<Dict>("it")), "FAILED_PRECONDITION");
  EXPECT_EQ(code(client_.open_or_create<TypedDict<std::int64_t, std::int32_t>>("it")),
            "FAILED_PRECONDITION");
  EXPECT_EQ(must(client_.stat("it")).object.fingerprint, "i32,i64");
  EXPECT_EQ(must(client_.stat("it")).object.element_bytes, 8U);
  const auto dict = made<Dict>("dict");
  EXPECT_EQ(code(client_.open<Counts>("dict")), "FAILED_PRECONDITION");
  EXPECT_EQ(must(client_.open_or_create<Counts>("it")).id(), counts.id());
}

TEST_F(TypedDicts, AreReadButNotWrittenThroughReadOnlyProxies) {
  auto counts = made<Counts>("it");
  must(counts.put(1, 2));
  const auto reader = opened<Counts>("it", {.access = Access::kReadOnly});
  EXPECT_EQ(must(reader.get(1)), 2);
  EXPECT_EQ(must(reader.items()).size(), 1U);
  EXPECT_EQ(code(reader.put(1, 3)), "PERMISSION_DENIED");
  EXPECT_EQ(code(reader.pop_item()), "PERMISSION_DENIED");
  must(counts.close());
  EXPECT_EQ(code(counts.get(1)), "FAILED_PRECONDITION");
  EXPECT_EQ(code(counts.put(1, 1)), "FAILED_PRECONDITION");
  EXPECT_EQ(code(counts.size()), "FAILED_PRECONDITION");
}

TEST_F(TypedDicts, SurviveTheirWriters) {
  const auto quotes = made<Quotes>("it");
  for (int round = 0; round < 20; ++round) {
    const pid_t child = ::fork();
    if (child == 0) {
      for (int i = 0;; ++i) {
        const double x = i;
        if (!quotes.put(symbol(i % 300), {.bid = x, .ask = x, .at = i}).ok()) ::_exit(1);
        if (i % 7 == 0) (void)quotes.erase(symbol(i % 300));
      }
    }
    EXPECT_TRUE(wait_until([&] { return quotes.size().value_or(0) > 200; }));
    ::kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFSIGNALED(status)) << "it ended by itself";
    for (const Quotes::Entry& entry : must(quotes.items())) {
      ASSERT_EQ(entry.value.bid, entry.value.ask);
      ASSERT_EQ(entry.value.bid, static_cast<double>(entry.value.at));
    }
    must(quotes.put(symbol(-1), {}));
    must(quotes.erase(symbol(-1)));
    must(quotes.verify());
  }
}

class Namespaces : public Sync {};

TEST_F(Namespaces, HoldAttributesByName) {
  auto mine = made<Namespace>("it");
  const auto other = opened<Namespace>("it");
  must(mine.set("colour", "blue"));
  must(mine.set("size", Value::list({1, 2})));
  must(mine.set("colour", "red"));
  EXPECT_EQ(must(other.get("colour")), Value("red"));
  EXPECT_TRUE(must(other.has("size")));
  EXPECT_FALSE(must(other.has("shape")));
  EXPECT_THAT(must(other.names()), ElementsAre("colour", "size"));
  EXPECT_EQ(must(other.items()).size(), 2U);
  EXPECT_EQ(code(other.get("shape")), "NOT_FOUND");
  EXPECT_THAT(outcome(other.get("shape")), HasSubstr("Namespace \"it\", key 'shape'"));
  must(other.erase("colour"));
  EXPECT_EQ(code(mine.erase("colour")), "NOT_FOUND");
  EXPECT_EQ(must(mine.verify()).entries, 1U);
  must(mine.close());
  EXPECT_EQ(code(mine.get("size")), "FAILED_PRECONDITION");
}

TEST_F(Namespaces, RefuseWhatIsNoName) {
  const auto it = made<Namespace>("it");
  EXPECT_EQ(code(it.set("", 1)), "INVALID_ARGUMENT");
  EXPECT_EQ(code(it.get("")), "INVALID_ARGUMENT");
  EXPECT_EQ(code(it.set("\xff", 1)), "INVALID_ARGUMENT");
  EXPECT_EQ(code(it.set(std::string(9000, 'n'), 1)), "INVALID_ARGUMENT");
  EXPECT_EQ(code(client_.open<Dict>("it")), "FAILED_PRECONDITION");
}

}  // namespace
}  // namespace shoal::e2e
