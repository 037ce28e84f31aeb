// Transactions: all or nothing, to readers and to death.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <numeric>
#include <string>
#include <vector>

#include "tests/e2e/sync.h"

namespace shoal::e2e {
namespace {

class Transactions : public Sync {};

TEST_F(Transactions, ChangeSeveralKeysOrNone) {
  const Dict one = made<Dict>("one");
  const Dict two = made<Dict>("two");
  ASSERT_TRUE(one.put("a", 10).ok());
  ASSERT_TRUE(client_
                  .transact([&](Transaction& t) -> absl::Status {
                    EXPECT_EQ(*t.increment(one, "a", -3), 7);
                    EXPECT_EQ(*t.get(one, "a"), Value(7)) << "its own change";
                    EXPECT_EQ(*t.increment(two, "b", 3), 3);
                    EXPECT_TRUE(t.put(two, "text", std::string(5000, 'x')).ok());
                    return t.put(two, "c", Value::list({1, 2}));
                  })
                  .ok());
  EXPECT_EQ(test::must(one.get("a")), Value(7));
  EXPECT_EQ(test::must(two.get("b")), Value(3));
  EXPECT_EQ(test::must(two.get("text")), Value(std::string(5000, 'x')));
  const absl::Status refused = client_.transact([&](Transaction& t) -> absl::Status {
    EXPECT_TRUE(t.erase(one, "a").ok());
    EXPECT_TRUE(absl::IsNotFound(t.get(one, "a").status()));
    return absl::FailedPreconditionError("no");
  });
  EXPECT_EQ(refused.message(), "no");
  EXPECT_EQ(test::must(one.get("a")), Value(7));
  ASSERT_TRUE(client_.transact([&](Transaction& t) { return t.erase(two, "text"); }).ok());
  EXPECT_FALSE(*two.contains("text"));
}

TEST_F(Transactions, TakeManyKeys) {
  const Dict dict = made<Dict>("it");
  constexpr int kKeys = 20'000;
  ASSERT_TRUE(client_
                  .transact([&](Transaction& t) -> absl::Status {
                    for (int i = 0; i < kKeys; ++i) {
                      if (absl::Status s = t.put(dict, i, i); !s.ok()) return s;
                    }
                    return absl::OkStatus();
                  })
                  .ok());
  EXPECT_EQ(*dict.size(), static_cast<std::size_t>(kKeys));
  EXPECT_TRUE(dict.verify().ok()) << dict.verify().status();
  std::vector<DictEntry> entries;
  for (int i = 0; i < kKeys; ++i) entries.push_back({i, "x"});
  ASSERT_TRUE(dict.update(entries).ok());
  EXPECT_EQ(test::must(dict.get(kKeys - 1)), Value("x"));
  EXPECT_EQ(*dict.size(), static_cast<std::size_t>(kKeys));
  ASSERT_TRUE(dict.put("large", std::string(100'000, 'y')).ok());
  ASSERT_TRUE(dict.clear().ok());
  EXPECT_EQ(*dict.size(), 0U);
  EXPECT_TRUE(dict.verify().ok());
  ASSERT_TRUE(dict.put(1, 2).ok());
  EXPECT_EQ(test::must(dict.items()).size(), 1U);
}

// Money moves between accounts, whoever is killed; readers never see it on its way.
TEST_F(Transactions, LoseNothingWhenProcessesAreKilled) {
  const Dict accounts = made<Dict>("accounts");
  constexpr int kAccounts = 64;
  constexpr int kEach = 1000;
  for (int i = 0; i < kAccounts; ++i) ASSERT_TRUE(accounts.put(i, kEach).ok());
  const auto total = [&](std::int64_t& sum) {
    return client_.read_transaction([&](ReadTransaction& t) -> absl::Status {
      sum = 0;
      for (int i = 0; i < kAccounts; ++i) {
        const absl::StatusOr<Value> value = t.get(accounts, i);
        if (!value.ok()) return value.status();
        sum += *value->as_int();
      }
      return absl::OkStatus();
    });
  };
  const Dict moved = made<Dict>("moved");
  std::vector<pid_t> children;
  const auto start = [&](unsigned seed) {
    const pid_t child = ::fork();
    if (child != 0) return child;
    for (unsigned i = seed;; i = i * 1103515245 + 12345) {
      const int from = static_cast<int>(i >> 8 & 63);
      const int to = static_cast<int>(i >> 16 & 63);
      const absl::Status status = client_.transact([&](Transaction& t) -> absl::Status {
        if (auto a = t.increment(accounts, from, -1); !a.ok()) return a.status();
        if (auto b = t.increment(accounts, to, 1); !b.ok()) return b.status();
        return t.increment(moved, "times").status();
      });
      if (!status.ok()) ::_exit(1);
    }
  };
  constexpr int kKills = 60;
  for (unsigned i = 0; i < 2; ++i) children.push_back(start(i + 1));
  for (int kill = 0; kill < kKills; ++kill) {
    const std::int64_t before = moved.get_as<std::int64_t>("times").value_or(0);
    EXPECT_TRUE(test::wait_until(
        [&] { return moved.get_as<std::int64_t>("times").value_or(0) > before + 20; }));
    std::int64_t sum = 0;
    const absl::Status read = total(sum);
    ASSERT_TRUE(read.ok()) << read;
    ASSERT_EQ(sum, kAccounts * kEach);
    pid_t& child = children[static_cast<std::size_t>(kill) % children.size()];
    ::kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "it ended by itself";
    child = start(static_cast<unsigned>(kill) + 100);
  }
  for (const pid_t child : children) {
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
  }
  std::int64_t sum = 0;
  ASSERT_TRUE(total(sum).ok());
  EXPECT_EQ(sum, kAccounts * kEach);
  EXPECT_TRUE(test::wait_until([&] { return accounts.put("end", 1).ok(); }));
  EXPECT_TRUE(accounts.verify().ok()) << accounts.verify().status();
}

}  // namespace
}  // namespace shoal::e2e
