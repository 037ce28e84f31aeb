// Dicts as large as their arena allows: one that grows, and gives back its memory as it is emptied,
// and one that finds no more room.
//
// $SHOAL_SIZE_ENTRIES: to how many entries the first grows (default 300,000).
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "tests/e2e/sync.h"

namespace shoal::e2e {
namespace {

using testing::HasSubstr;

// Of the manager's memfds, the arena's among them.
std::uint64_t resident(const test::TestManager& manager) {
  return manager.descriptors().memory_bytes;
}

// ---- growing and shrinking ----

class DictSize : public Sync {};

TEST_F(DictSize, GrowsToManyEntriesAndGivesTheirMemoryBack) {
  const char* const wanted = std::getenv("SHOAL_SIZE_ENTRIES");
  const std::int64_t entries = wanted == nullptr ? 300'000 : std::strtoll(wanted, nullptr, 10);
  const std::int64_t left = entries / 1000;
  const std::uint64_t before = resident(manager_);
  const Dict dict = made<Dict>("it");
  for (std::int64_t i = 0; i < entries; ++i) must(dict.put(i, i * 7));
  ASSERT_EQ(must(dict.size()), static_cast<std::size_t>(entries));
  const DictStatistics full = must(dict.verify());
  EXPECT_EQ(full.entries, static_cast<std::uint64_t>(entries));
  const std::uint64_t taken = resident(manager_) - before;
  EXPECT_GT(taken, full.block_bytes / 2);  // what was never written takes nothing
  // Through another table of shards.
  const Dict other = opened<Dict>("it");
  for (std::int64_t i = 0; i < entries; ++i) {
    ASSERT_EQ(must(other.get_as<std::int64_t>(i)), i * 7);
  }
  // Of all parts the same share, which is what keeps most memory.
  for (std::int64_t i = 0; i < entries; ++i) {
    if (i % 1000 != 0) must(dict.erase(i));
  }
  const DictStatistics few = must(dict.verify());
  EXPECT_EQ(few.entries, static_cast<std::uint64_t>(left));
  EXPECT_LT(few.block_bytes, full.block_bytes / 50);
  EXPECT_LT(few.shards, 1 + full.shards / 10);
  for (std::int64_t i = 0; i < entries; i += 1000) {
    ASSERT_EQ(must(other.get_as<std::int64_t>(i)), i * 7);
  }
  // The manager gives free memory back to the host when it has been quiet for a while.
  EXPECT_TRUE(wait_until([&] { return resident(manager_) - before < taken / 10; }));
  must(dict.clear());
  EXPECT_EQ(must(dict.verify()).block_bytes, 0U);
  must(dict.unlink());
}

// ---- full ----

struct Limit {
  const char* flag;
  const char* named;  // as the message says it
};

class FullDict : public testing::TestWithParam<Limit> {
 protected:
  static std::string text(std::int64_t i) {
    return std::string(20 + static_cast<std::size_t>(i % 200), static_cast<char>('a' + i % 26));
  }

  // Says no, as it should.
  static void expect_refused(const absl::Status& status, const std::string& about) {
    EXPECT_EQ(code(status), "RESOURCE_EXHAUSTED");
    const std::string message(status.message());
    EXPECT_THAT(message, HasSubstr(about));
    EXPECT_THAT(message, HasSubstr(GetParam().named));
    EXPECT_THAT(message, HasSubstr("Nothing was changed"));
  }

  // The entries that are there, from this key on, until there is no room for one more.
  static std::int64_t fill(const Dict& dict, std::int64_t from) {
    for (std::int64_t i = from;; ++i) {
      const absl::Status status = dict.put(i, text(i));
      if (status.ok()) continue;
      expect_refused(status, "Dict \"it\", key " + std::to_string(i));
      return i;
    }
  }

  static void expect_entries(const Dict& dict, std::int64_t from, std::int64_t end) {
    const std::vector<DictEntry> items = must(dict.items());
    ASSERT_EQ(items.size(), static_cast<std::size_t>(end - from));
    for (std::int64_t i = from; i < end; ++i) {
      ASSERT_EQ(items[static_cast<std::size_t>(i - from)], (DictEntry{i, text(i)}));
    }
    EXPECT_EQ(must(dict.verify()).entries, static_cast<std::uint64_t>(end - from));
  }
};

TEST_P(FullDict, RefusesMoreAndStaysAsItWas) {
  const test::TestManager manager({"--warm-bytes=0", GetParam().flag});
  const Client client = manager.client();
  const Dict dict = must(client.create<Dict>("it"));
  const std::int64_t end = fill(dict, 0);
  EXPECT_GT(end, 10'000);
  expect_entries(dict, 0, end);

  // Another's value, a long one, many at once: each or none.
  expect_refused(dict.put(0, std::string(4 << 20, 'x')), "Dict \"it\", key 0");
  std::vector<DictEntry> many;
  for (std::int64_t i = end - 10; i < end + 20'000; ++i) many.push_back({i, "another"});
  expect_refused(dict.update(many), "Dict \"it\"");
  const absl::Status transacted = client.transact([&](Transaction& t) {
    for (const DictEntry& entry : many) {
      const absl::Status status = t.put(dict, *entry.key.as_int(), entry.value);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  });
  EXPECT_EQ(code(transacted), "RESOURCE_EXHAUSTED");
  EXPECT_THAT(std::string(transacted.message()), HasSubstr(GetParam().named));
  expect_entries(dict, 0, end);

  // What gives the room that it needs works; and with less in it, everything does.
  must(dict.erase(1));
  must(dict.put(1, text(1)));
  const std::int64_t begin = end / 4 * 3;
  for (std::int64_t i = 0; i < begin; ++i) must(dict.erase(i));
  expect_entries(dict, begin, end);
  for (std::int64_t i = end; i < end + end / 4; ++i) must(dict.put(i, text(i)));
  expect_entries(dict, begin, end + end / 4);
  must(dict.clear());
  EXPECT_GT(fill(dict, end), end + end / 2);
}

// Taking away needs no room, in a transaction or all at once neither.
TEST_P(FullDict, CanBeEmptied) {
  const test::TestManager manager({"--warm-bytes=0", GetParam().flag});
  const Client client = manager.client();
  const Dict dict = must(client.create<Dict>("it"));
  const std::string large(60'000, 'x');
  int end = 0;
  while (dict.put(end, large).ok()) ++end;
  EXPECT_GT(end, 50);
  must(client.transact([&](Transaction& t) { return t.erase(dict, 3); }));
  EXPECT_FALSE(must(dict.contains(3)));
  while (dict.put(end, large).ok()) ++end;
  must(dict.clear());
  EXPECT_EQ(must(dict.size()), 0U);
  must(dict.put("again", large));
}

INSTANTIATE_TEST_SUITE_P(Of, FullDict,
                         testing::Values(Limit{"--quota=8MiB", "leave its own memory 8388608"},
                                         Limit{"--arena-size=8MiB", "the arena has no "}),
                         [](const auto& info) { return info.index == 0 ? "Quota" : "Arena"; });

}  // namespace
}  // namespace shoal::e2e
