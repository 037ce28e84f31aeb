// Dict: every call, between real processes, and killed ones.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "tests/e2e/sync.h"

namespace shoal::e2e {
namespace {

class Dicts : public Sync {};

TEST_F(Dicts, GiveBackWhatWasPut) {
  const Dict dict = made<Dict>("it");
  const Dict other = test::must(client_.open<Dict>("it"));
  ASSERT_TRUE(dict.put("alice", 42).ok());
  EXPECT_EQ(test::must(other.get("alice")), Value(42));
  EXPECT_EQ(test::must(other.get_as<std::int64_t>("alice")), 42);
  const Value list = Value::list({1, "two", Value::tuple({3.5, nullptr})});
  for (const Value& value :
       {Value(), Value(true), Value(-1), Value(1.5), Value("text"), Value(Bytes("\0x", 2)), list,
        Value(std::string(100'000, 'x')), Value("")}) {
    ASSERT_TRUE(dict.put("key", value).ok());
    EXPECT_EQ(test::must(other.get("key")), value);
  }
  EXPECT_EQ(*dict.size(), 2U);
  EXPECT_TRUE(*other.contains("key"));
  ASSERT_TRUE(other.erase("key").ok());
  EXPECT_FALSE(*dict.contains("key"));
  EXPECT_EQ(dict.get("key").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(dict.erase("key").code(), absl::StatusCode::kNotFound);
  EXPECT_NE(dict.get("key").status().message().find("'key'"), absl::string_view::npos);
}

TEST_F(Dicts, HaveOneKeyForEqualNumbers) {
  const Dict dict = made<Dict>("it");
  ASSERT_TRUE(dict.put(1, "one").ok());
  EXPECT_EQ(test::must(dict.get(1.0)), Value("one"));
  EXPECT_EQ(test::must(dict.get(true)), Value("one"));
  EXPECT_EQ(dict.get("1").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(dict.get(Value::list({1})).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(dict.put(std::numeric_limits<double>::quiet_NaN(), 1).code(),
            absl::StatusCode::kInvalidArgument);
  ASSERT_TRUE(dict.put(Value::tuple({1, "a"}), 2).ok());
  EXPECT_EQ(test::must(dict.get(Value::tuple({1.0, "a"}))), Value(2));
  ASSERT_TRUE(dict.put(nullptr, 3).ok());
  EXPECT_EQ(test::must(dict.get(Value())), Value(3));
  EXPECT_EQ(dict.put("\xff", 1).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(dict.put(std::string(9000, 'k'), 1).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(Dicts, IterateInTheOrderOfInsertion) {
  const Dict dict = made<Dict>("it");
  for (int i = 0; i < 5000; ++i) ASSERT_TRUE(dict.put(i, i * 2).ok());
  ASSERT_TRUE(dict.put(7, "new").ok());
  ASSERT_TRUE(dict.erase(0).ok());
  const std::vector<DictEntry> items = test::must(dict.items());
  ASSERT_EQ(items.size(), 4999U);
  for (int i = 1; i < 5000; ++i) {
    EXPECT_EQ(items[static_cast<std::size_t>(i - 1)].key, Value(i));
  }
  EXPECT_EQ(items[6].value, Value("new"));
  EXPECT_EQ(test::must(dict.keys()).size(), 4999U);
  EXPECT_EQ(test::must(dict.copy()).entries().size(), 4999U);
  const DictEntry last = test::must(dict.pop_item());
  EXPECT_EQ(last, (DictEntry{4999, 9998}));
}

TEST_F(Dicts, ChangeAtomically) {
  const Dict dict = made<Dict>("it");
  EXPECT_EQ(test::must(dict.get_or_insert("a", 1)), Value(1));
  EXPECT_EQ(test::must(dict.get_or_insert("a", 2)), Value(1));
  EXPECT_EQ(test::must(dict.increment("n")), 1);
  EXPECT_EQ(test::must(dict.increment("n", 41)), 42);
  EXPECT_EQ(test::must(dict.increment("x", 0.5)), 0.5);
  ASSERT_TRUE(dict.put("max", std::numeric_limits<std::int64_t>::max()).ok());
  EXPECT_EQ(dict.increment("max").status().code(), absl::StatusCode::kOutOfRange);
  ASSERT_TRUE(dict.put("t", "text").ok());
  EXPECT_EQ(dict.increment("t").status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(dict.compare_and_swap("a", 2, 3).code(), absl::StatusCode::kAborted);
  EXPECT_TRUE(dict.compare_and_swap("a", 1, 3).ok());
  EXPECT_EQ(test::must(dict.get("a")), Value(3));
  EXPECT_TRUE(dict.compare_and_swap("fresh", std::nullopt, 1).ok());
  EXPECT_TRUE(dict.compare_and_swap("fresh", 1, std::nullopt).ok());
  EXPECT_FALSE(*dict.contains("fresh"));
  EXPECT_EQ(test::must(dict.pop("a")), Value(3));
  EXPECT_EQ(dict.pop("a").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(Dicts, AreWatched) {
  const Dict dict = made<Dict>("it");
  constexpr absl::StatusCode kInVain = absl::StatusCode::kDeadlineExceeded;
  ASSERT_TRUE(dict.put(1, "one").ok());
  EXPECT_EQ(dict.watch(1, "one", absl::ZeroDuration()).code(), kInVain);
  EXPECT_EQ(dict.watch(2, std::nullopt, absl::ZeroDuration()).code(), kInVain);
  EXPECT_TRUE(dict.watch(1, "two").ok());
  EXPECT_TRUE(dict.watch(1, 1).ok());
  EXPECT_TRUE(dict.watch(1, {}).ok());  // about the key 1, not about one change
  EXPECT_TRUE(dict.watch(2, "two").ok());
  EXPECT_EQ(dict.watch(Value::list({}), 1).code(), absl::StatusCode::kInvalidArgument);
  const std::uint64_t changes = test::must(dict.changes());
  EXPECT_EQ(dict.watch(changes, absl::ZeroDuration()).code(), kInVain);
  Child waiter([this](Channel& parent) {
    const Client client = manager_.client();
    const Dict mine = test::must(client.open<Dict>("it"));
    parent.say("ready");
    if (!mine.watch(1, "one").ok()) return std::string("in vain");
    return *test::must(mine.get(1)).as_string();
  });
  EXPECT_EQ(waiter.hear(), "ready");
  ASSERT_TRUE(dict.put(2, "two").ok());
  ASSERT_TRUE(dict.put(1, "another").ok());
  EXPECT_EQ(waiter.result(), "another");
  EXPECT_TRUE(dict.watch(changes).ok());
}

TEST_F(Dicts, AreReadButNotWrittenThroughReadOnlyProxies) {
  const Dict dict = made<Dict>("it");
  ASSERT_TRUE(dict.put("a", 1).ok());
  const Dict reader = test::must(client_.open<Dict>("it", {.access = Access::kReadOnly}));
  EXPECT_EQ(code(reader.update({{"key", 1}})), "PERMISSION_DENIED");
  EXPECT_EQ(test::must(reader.get("a")), Value(1));
  EXPECT_EQ(test::must(reader.items()).size(), 1U);
  EXPECT_EQ(reader.put("a", 2).code(), absl::StatusCode::kPermissionDenied);
}

// Processes that are killed in the middle of it leave every key as some put left it, and the dict
// in working order.
TEST_F(Dicts, SurviveTheirWriters) {
  const Dict dict = made<Dict>("it");
  constexpr int kRounds = 40;
  for (int round = 0; round < kRounds; ++round) {
    const pid_t child = ::fork();
    if (child == 0) {
      for (std::int64_t i = 0;; ++i) {
        const std::string text(static_cast<std::size_t>(i % 3000), static_cast<char>('a' + i % 26));
        if (!dict.put(i % 500, text).ok()) ::_exit(1);
        if (i % 7 == 0) (void)dict.erase(i % 500);
      }
    }
    const std::size_t seen = static_cast<std::size_t>(round) * 10;
    EXPECT_TRUE(test::wait_until([&] { return dict.size().value_or(0) > seen % 400; }));
    ::kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFSIGNALED(status)) << "it ended by itself";
    for (const DictEntry& entry : test::must(dict.items())) {
      const std::string* text = entry.value.as_string();
      ASSERT_NE(text, nullptr);
      ASSERT_EQ(text->find_first_not_of(text->empty() ? ' ' : text->front()), std::string::npos);
    }
    ASSERT_TRUE(dict.put("after", round).ok());
    const absl::StatusOr<DictStatistics> sound = dict.verify();
    ASSERT_TRUE(sound.ok()) << sound.status();
    ASSERT_TRUE(dict.erase("after").ok());
  }
}

TEST_F(Dicts, GiveTheirMemoryBack) {
  {
    const Dict dict = made<Dict>("it");
    for (int i = 0; i < 20'000; ++i) {
      ASSERT_TRUE(dict.put(i, std::string(100, 'x')).ok());
    }
    ASSERT_TRUE(dict.put("large", Bytes(std::string(10 << 20, 'y'))).ok());
    ASSERT_TRUE(dict.unlink().ok());
  }
  const Dict again = made<Dict>("it");
  EXPECT_EQ(*again.size(), 0U);
}

}  // namespace
}  // namespace shoal::e2e
