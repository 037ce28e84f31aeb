// memory/dict*: writers and readers of the same keys, as threads and as processes, while shards are
// split, rebuilt, merged and shrunk. No value is torn or another key's; keys that are there all the
// time are found always, and are in every snapshot exactly once.
#include <atomic>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "dict_memory.h"
#include "roles.h"

namespace shoal {
namespace {

using memory::Result;
using test::DictMemory;
using test::Process;
using test::TextDict;

constexpr int kStaying = 24;
constexpr int kComing = 1200;  // of each writer, in a turn
constexpr int kTurns = 40;
constexpr int kWriters = 2;
// Of long values, which ThreadSanitizer copies word by word.
#if defined(__SANITIZE_THREAD__)
constexpr int kChangesPart = 100;
#else
constexpr int kChangesPart = 1;
#endif

// Tells its key and is the same from end to end: "key:ccccc".
std::string describing(const std::string& key, std::mt19937_64& draw) {
  const std::uint64_t what = draw() % 100;
  const std::size_t bytes = what < 3 ? 2100 + draw() % 2000 : what < 40 ? 0 : draw() % 200;
  return key + ":" + std::string(bytes, static_cast<char>('a' + draw() % 26));
}
bool describes(std::string_view value, std::string_view key) {
  if (value.size() <= key.size() || value.substr(0, key.size()) != key) return false;
  const std::string_view rest = value.substr(key.size() + 1);
  return value[key.size()] == ':' &&
         rest.find_first_not_of(rest.substr(0, 1)) == std::string_view::npos;
}
std::string staying(std::uint64_t i) { return "stays" + std::to_string(i % kStaying); }

enum Wrong : int { kNothing, kNotPut, kNotErased, kNotFound, kTorn, kNoSnapshot, kTwice, kMissing };

struct Shared {
  std::atomic<int> writers;  // that are not done yet
  std::atomic<int> wrong;
  std::atomic<int> reads;
  std::atomic<int> snapshots;

  [[nodiscard]] bool goes_on() const { return writers.load() > 0 && wrong.load() == kNothing; }
  void complain_unless(bool good, Wrong what) {
    int nothing = kNothing;
    if (!good) (void)wrong.compare_exchange_strong(nothing, what);
  }
};

// In each turn many come, which splits shards, and all of them go again, which merges them.
void write(DictMemory& memory, Shared& shared, std::size_t who) {
  Process process(static_cast<std::uint16_t>(1 + who));
  TextDict dict(memory.dict(who % 2), process.caller);
  std::mt19937_64 draw(who);
  const auto put = [&](const std::string& key) {
    shared.complain_unless(dict.put(key, describing(key, draw)) == Result::kDone, kNotPut);
  };
  for (int turn = 0; turn < kTurns; ++turn) {
    for (const bool come : {true, false}) {
      for (int i = 0; i < kComing && shared.goes_on(); ++i) {
        put(staying(draw()));
        const std::string key = "comes" + std::to_string(who) + "/" + std::to_string(i);
        if (come) {
          put(key);
        } else {
          shared.complain_unless(dict.erase(key) == Result::kDone && !dict.get(key), kNotErased);
        }
      }
    }
  }
  shared.writers.fetch_sub(1);
}

void read(DictMemory& memory, Shared& shared) {
  std::mt19937_64 draw(100);
  while (shared.goes_on()) {
    const std::string key = staying(draw());
    const std::optional<std::string> found = TextDict::get(memory.reader(), key);
    shared.complain_unless(found.has_value(), kNotFound);
    if (found) shared.complain_unless(describes(*found, key), kTorn);
    shared.reads.fetch_add(1);
  }
}

void take_snapshots(DictMemory& memory, Shared& shared) {
  while (shared.goes_on()) {
    memory::DictSnapshot snapshot;
    const Result result = memory.reader().snapshot(nullptr, test::kPatienceNs, true, snapshot);
    shared.complain_unless(result == Result::kDone, kNoSnapshot);
    std::set<std::string_view> met;
    const auto* const bytes = reinterpret_cast<const char*>(snapshot.bytes.data());
    for (const memory::DictItem& item : snapshot.items) {
      const std::string_view key(bytes + item.key, item.key_bytes);
      shared.complain_unless(describes({bytes + item.value, item.value_bytes}, key), kTorn);
      shared.complain_unless(met.insert(key).second, kTwice);
    }
    for (std::uint64_t i = 0; i < kStaying; ++i) {
      shared.complain_unless(met.count(staying(i)) == 1, kMissing);
    }
    shared.snapshots.fetch_add(1);
  }
}

void race(test::RunRoles run) {
  DictMemory memory(std::uint64_t{64} << 20);
  const test::SharedBy<Shared> shared;
  shared->writers.store(kWriters);
  Process process(9);
  TextDict dict(memory.dict(), process.caller);
  std::mt19937_64 draw(9);
  for (std::uint64_t i = 0; i < kStaying; ++i) {
    ASSERT_EQ(dict.put(staying(i), describing(staying(i), draw)), Result::kDone);
  }
  std::vector<test::Role> roles;
  for (std::size_t who = 0; who < kWriters; ++who) {
    roles.emplace_back([&, who] { write(memory, *shared, who); });
  }
  roles.emplace_back([&] { read(memory, *shared); });
  roles.emplace_back([&] { take_snapshots(memory, *shared); });
  run(roles);
  EXPECT_EQ(shared->wrong.load(), kNothing);
  EXPECT_GT(shared->reads.load(), 0);
  EXPECT_GT(shared->snapshots.load(), 0);
  memory::DictStat stat;
  std::string wrong;
  EXPECT_TRUE(memory.reader().verify(stat, [&](const std::string& what) { wrong += what + "\n"; }))
      << wrong;
  EXPECT_EQ(stat.entries, std::uint64_t{kStaying});
}

// One writer, whose i-th change puts a value of so many of one letter under `key_of(i)`, and a
// reader who looks all the time.
template <typename KeyOf, typename Look>
void race_of_changes(test::RunRoles run, DictMemory& memory, int changes, std::size_t bytes,
                     KeyOf key_of, Look look_once) {
  const test::SharedBy<Shared> shared;
  shared->writers.store(1);
  const auto change = [&] {
    Process process(1);
    TextDict dict(memory.dict(), process.caller);
    for (int i = 0; i < changes && shared->goes_on(); ++i) {
      const std::string value(bytes, static_cast<char>('a' + i % 26));
      shared->complain_unless(dict.put(key_of(i), value) == Result::kDone, kNotPut);
    }
    shared->writers.store(0);
  };
  const auto look = [&] {
    while (shared->goes_on()) look_once(*shared);
  };
  run({change, look});
  EXPECT_EQ(shared->wrong.load(), kNothing);
}

// Snapshots of one entry, begun anywhere in the changes of it. The value is so long that whoever
// begins when a change is raised, but not yet to be seen, meets its store while he copies.
void race_for_one_entry(test::RunRoles run) {
  DictMemory memory;
  const auto key_of = [](int) { return "key"; };
  race_of_changes(run, memory, 100'000 / kChangesPart, 60'000, key_of, [&](Shared& shared) {
    memory::DictSnapshot snapshot;
    const Result result = memory.reader().snapshot(nullptr, test::kPatienceNs, true, snapshot);
    shared.complain_unless(result == Result::kDone, kNoSnapshot);
  });
}

// Values in blocks of their own: what one key gives back another uses, while somebody copies it.
void race_for_large_values(test::RunRoles run) {
  DictMemory memory(std::uint64_t{1} << 20);  // so small that it is used again soon
  const auto key_of = [](int i) { return i % 4 == 0 ? "key" : "another"; };
  race_of_changes(run, memory, 30'000 / kChangesPart, 200'000, key_of, [&](Shared& shared) {
    const std::optional<std::string> found = TextDict::get(memory.reader(), "key");
    if (!found) return;
    shared.complain_unless(found->find_first_not_of(found->front()) == std::string::npos, kTorn);
  });
}

TEST(DictRace, OfThreadsForOneEntry) { race_for_one_entry(test::run_as_threads); }
TEST(DictRace, OfProcessesForOneEntry) { race_for_one_entry(test::run_as_processes); }
TEST(DictRace, OfThreadsForLargeValues) { race_for_large_values(test::run_as_threads); }
TEST(DictRace, OfProcessesForLargeValues) { race_for_large_values(test::run_as_processes); }
TEST(DictRace, OfThreads) { race(test::run_as_threads); }
TEST(DictRace, OfProcesses) { race(test::run_as_processes); }

}  // namespace
}  // namespace shoal
