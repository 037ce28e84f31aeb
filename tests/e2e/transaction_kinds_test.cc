// Transactions over lists and cells, beside dicts: all or nothing, to readers and to death.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <string>
#include <vector>

#include "tests/e2e/sync.h"

namespace shoal::e2e {

struct Position {
  std::array<long, 6> numbers = {};
};
SHOAL_TYPE(Position, "shoal.test.position", 1);

namespace {

class TransactionKinds : public Sync {
 protected:
  const Dict dict_ = made<Dict>("dict");
  const List list_ = made<List>("list");
  const Cell<std::int64_t> cell_ = made<Cell<std::int64_t>>("cell", {.initial = 5});
  const Cell<Position> wide_ = made<Cell<Position>>("wide");
};

TEST_F(TransactionKinds, ChangeAllOfThemOrNone) {
  must(list_.extend({1, "two", 3}));
  const std::string large(5000, 'x');
  must(client_.transact([&](Transaction& t) -> absl::Status {
    EXPECT_EQ(must(t.size(list_)), 3U);
    must(t.set(list_, -1, "three"));
    EXPECT_EQ(must(t.get(list_, 2)), Value("three")) << "its own change";
    must(t.append(list_, large));
    must(t.append(list_, 5));
    EXPECT_EQ(must(t.size(list_)), 5U);
    EXPECT_EQ(must(t.get(list_, 3)), Value(large));
    must(t.set(list_, -1, 55));
    EXPECT_EQ(must(t.get(list_, 4)), Value(55));
    EXPECT_EQ(must(t.load(cell_)), 5);
    must(t.store(cell_, 6));
    EXPECT_EQ(must(t.load(cell_)), 6);
    must(t.store(wide_, {.numbers = {1, 2, 3, 4, 5, 6}}));
    EXPECT_EQ(must(t.load(wide_)).numbers[5], 6);
    return t.put(dict_, "a", "b");
  }));
  EXPECT_EQ(must(list_.items()), (std::vector<Value>{1, "two", "three", large, 55}));
  EXPECT_EQ(must(cell_.load()), 6);
  EXPECT_EQ(must(wide_.load()).numbers[2], 3);
  EXPECT_EQ(must(dict_.get("a")), Value("b"));
  const absl::Status refused = client_.transact([&](Transaction& t) -> absl::Status {
    must(t.append(list_, "never"));
    must(t.store(cell_, 7));
    must(t.put(dict_, "a", "never"));
    return absl::FailedPreconditionError("no");
  });
  EXPECT_EQ(refused.message(), "no");
  EXPECT_EQ(must(list_.size()), 5U);
  EXPECT_EQ(must(cell_.load()), 6);
  EXPECT_TRUE(list_.verify().ok());
}

TEST_F(TransactionKinds, TellWhatIsWrong) {
  must(list_.extend({1, 2}));
  const absl::Status beyond =
      client_.transact([&](Transaction& t) { return t.set(list_, 2, "x"); });
  EXPECT_EQ(code(beyond), "OUT_OF_RANGE");
  EXPECT_THAT(std::string(beyond.message()), testing::HasSubstr("\"list\" has no element 2"));
  EXPECT_EQ(
      code(client_.read_transaction([&](ReadTransaction& t) { return t.get(list_, -3).status(); })),
      "OUT_OF_RANGE");
  const List reader = must(client_.open<List>("list", {.access = Access::kReadOnly}));
  EXPECT_EQ(code(client_.transact([&](Transaction& t) { return t.append(reader, 1); })),
            "PERMISSION_DENIED");
  const List other = opened<List>("list");
  EXPECT_EQ(code(client_.transact([&](Transaction& t) { return t.append(other, 1); })),
            "INVALID_ARGUMENT");
  // Read through one that may not write, written through another.
  must(client_.transact([&](Transaction& t) -> absl::Status {
    EXPECT_EQ(must(t.get(reader, 0)), Value(1));
    return t.store(cell_, 8);
  }));
  EXPECT_EQ(must(cell_.load()), 8);
  EXPECT_EQ(must(list_.size()), 2U);
}

TEST_F(TransactionKinds, RunAgainWhenAListHasChanged) {
  must(list_.extend({1, 2, 3}));
  const List theirs = opened<List>("list");
  int runs = 0;
  must(client_.transact([&](Transaction& t) -> absl::Status {
    const auto last = t.get(list_, -1);
    if (!last.ok()) return last.status();
    if (++runs == 1) must(theirs.append(*last->as_int() + 1));
    return t.append(list_, *last->as_int() + 1);
  }));
  EXPECT_EQ(runs, 2);
  EXPECT_EQ(must(list_.items()), (std::vector<Value>{1, 2, 3, 4, 5}));
}

// Who has a cell's lock is not disturbed, and may use the cell in a transaction.
TEST_F(TransactionKinds, TakeTurnsWithTheLockOfACell) {
  const Cell<std::int64_t> theirs = opened<Cell<std::int64_t>>("cell");
  must(theirs.lock().acquire());
  Thread waiting(
      [&] { return code(client_.transact([&](Transaction& t) { return t.store(cell_, 50); })); });
  ASSERT_TRUE(waiting.falls_asleep());
  // Nobody waits for a shard meanwhile.
  must(dict_.put("a", 1));
  must(theirs.store(20));
  must(theirs.lock().release());
  EXPECT_EQ(waiting.result(), "OK");
  EXPECT_EQ(must(cell_.load()), 50);
  must(cell_.lock().acquire());
  must(client_.transact([&](Transaction& t) -> absl::Status {
    const auto now = t.load(cell_);
    if (!now.ok()) return now.status();
    must(t.put(dict_, "a", *now));
    return t.store(cell_, *now + 1);
  }));
  must(cell_.lock().release());
  EXPECT_EQ(must(cell_.load()), 51);
  EXPECT_EQ(must(dict_.get("a")), Value(50));
}

// A job goes from a list to a dict and is counted in a cell; whoever is killed, all three agree.
TEST_F(TransactionKinds, LoseNothingWhenProcessesAreKilled) {
  constexpr int kJobs = 40;
  for (int i = 0; i < kJobs; ++i) must(list_.append(0));
  must(cell_.store(0));
  const auto start = [&](unsigned seed) {
    const pid_t child = ::fork();
    if (child != 0) return child;
    for (unsigned i = seed;; i = i * 1103515245 + 12345) {
      const int job = static_cast<int>((i >> 8) % kJobs);
      const absl::Status status = client_.transact([&](Transaction& t) -> absl::Status {
        const auto turns = t.get(list_, job);
        if (!turns.ok()) return turns.status();
        const auto all = t.load(cell_);
        if (!all.ok()) return all.status();
        if (auto s = t.set(list_, job, *turns->as_int() + 1); !s.ok()) return s;
        if (auto s = t.store(cell_, *all + 1); !s.ok()) return s;
        return t.increment(dict_, job).status();
      });
      if (!status.ok()) ::_exit(1);
    }
  };
  // That all three are of one instant.
  const auto agree = [&] {
    std::int64_t all = 0;
    std::int64_t of_list = 0;
    std::int64_t of_dict = 0;
    must(client_.read_transaction([&](ReadTransaction& t) -> absl::Status {
      of_list = of_dict = 0;
      const auto cell = t.load(cell_);
      if (!cell.ok()) return cell.status();
      all = *cell;
      for (int i = 0; i < kJobs; ++i) {
        const auto turns = t.get(list_, i);
        if (!turns.ok()) return turns.status();
        of_list += *turns->as_int();
        const auto counted = t.get(dict_, i);
        if (!counted.ok() && !absl::IsNotFound(counted.status())) return counted.status();
        if (counted.ok()) of_dict += *counted->as_int();
      }
      return absl::OkStatus();
    }));
    EXPECT_EQ(of_list, all);
    EXPECT_EQ(of_dict, all);
  };
  constexpr int kKills = 40;
  std::vector<pid_t> children;
  for (unsigned i = 0; i < 2; ++i) children.push_back(start(i + 1));
  for (int kill = 0; kill < kKills; ++kill) {
    const std::int64_t before = must(cell_.load());
    ASSERT_TRUE(wait_until([&] { return must(cell_.load()) > before + 20; }));
    agree();
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
  agree();
  EXPECT_FALSE(must(cell_.lock().abandoned()));
  EXPECT_TRUE(wait_until([&] { return list_.append(0).ok(); }));
  EXPECT_TRUE(list_.verify().ok()) << list_.verify().status();
  EXPECT_TRUE(dict_.verify().ok()) << dict_.verify().status();
}

}  // namespace
}  // namespace shoal::e2e
