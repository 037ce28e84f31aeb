// The tables of the catalog, and the ledger and accounts that are derived from them, against plain
// models.
#include "daemon/catalog.h"

#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/accounts.h"
#include "daemon/ledger.h"

namespace shoal::daemon {
namespace {

using ::testing::HasSubstr;
using wire::Access;

Catalog small_catalog(std::uint32_t attachments = 1000) {
  auto catalog = Catalog::map(
      {.arenas = 4, .sessions = 16, .objects = 32, .attachments = attachments, .tokens = 4});
  EXPECT_TRUE(catalog.ok());
  return *std::move(catalog);
}

TEST(Table, GivesOutEveryRecordOnceAndNeverTheFirst) {
  Catalog catalog = small_catalog();
  auto& table = catalog.arenas;
  EXPECT_EQ(table.capacity(), 4U);
  std::set<Index> taken;
  for (int i = 0; i < 4; ++i) taken.insert(table.take());
  EXPECT_EQ(taken, (std::set<Index>{1, 2, 3, 4}));
  EXPECT_EQ(table.take(), 0U);  // full
  EXPECT_EQ(table.used(), 4U);
  table.free(3);
  EXPECT_EQ(table.used(), 3U);
  EXPECT_EQ(table.take(), 3U);
  EXPECT_EQ(table.take(), 0U);
  EXPECT_EQ(table.used(), 4U);
}

TEST(Table, ARecordCountsFromItsPublication) {
  Catalog catalog = small_catalog();
  auto& table = catalog.objects;
  const Index index = table.take();
  EXPECT_FALSE(table.in_use(index));
  table.publish(index, 2);
  EXPECT_TRUE(table.in_use(index));
  EXPECT_EQ(table[index].state.load(), 2U);
  table.free(index);
  EXPECT_FALSE(table.in_use(index));
  EXPECT_FALSE(table.in_use(0));
  EXPECT_FALSE(table.in_use(index + 1));  // never given out
  EXPECT_FALSE(table.in_use(0xffffffff));
}

// The full-sized catalog is only address space.
TEST(Catalog, TablesDoNotOverlap) {
  auto mapped = Catalog::map({});
  ASSERT_TRUE(mapped.ok()) << mapped.status();
  Catalog catalog = *std::move(mapped);  // the region moves along
  catalog.arenas[protocol::kArenasMax].quota_bytes = 1;
  catalog.sessions[1].pid = 2;
  catalog.sessions[protocol::kSessionsMax].pid = 3;
  catalog.objects[1].size_bytes = 4;
  catalog.objects[protocol::kObjectsPerArenaMax - 1].size_bytes = 5;
  catalog.attachments[1].count = 6;
  catalog.attachments[1U << 24].count = 7;
  catalog.tokens[1].access = 8;
  catalog.tokens[protocol::kTokensMax].access = 9;
  EXPECT_EQ(catalog.arenas[protocol::kArenasMax].quota_bytes, 1U);
  EXPECT_EQ(catalog.sessions[1].pid, 2U);
  EXPECT_EQ(catalog.sessions[protocol::kSessionsMax].pid, 3U);
  EXPECT_EQ(catalog.objects[1].size_bytes, 4U);
  EXPECT_EQ(catalog.objects[protocol::kObjectsPerArenaMax - 1].size_bytes, 5U);
  EXPECT_EQ(catalog.attachments[1].count, 6U);
  EXPECT_EQ(catalog.attachments[1U << 24].count, 7U);
  EXPECT_EQ(catalog.tokens[1].access, 8U);
}

TEST(Catalog, IdsHoldGenerationAndIndex) {
  const std::uint64_t id = make_id(0x89abcdef, 0x01234567);
  EXPECT_EQ(index_of(id), 0x01234567U);
  EXPECT_EQ(generation_of(id), 0x89abcdefU);
}

TEST(Catalog, NamesOfAnyLengthFitWhole) {
  NameField field;
  for (const std::size_t n : {std::size_t{0}, std::size_t{1}, protocol::kNameBytesMax}) {
    field.set(std::string(n, 'n'));
    EXPECT_EQ(field.view(), std::string(n, 'n'));
  }
  field.set(std::string(300, 'n'));
  EXPECT_EQ(field.view().size(), protocol::kNameBytesMax);
}

// ---- the ledger ----

class LedgerModel {
 public:
  explicit LedgerModel(std::uint32_t seed) : random_(seed) {}

  void step() {
    const Index slot = 1 + random_() % kSessions;
    const Index object = 1 + random_() % kObjects;
    const auto held = model_.find({slot, object});
    if (random_() % 2 == 0) {
      const std::uint32_t count = 1 + random_() % 5;
      const Access access = random_() % 2 == 0 ? Access::READ_ONLY : Access::READ_WRITE;
      ASSERT_TRUE(ledger_.attach(slot, object, access, count, 1).ok());
      model_[{slot, object}] += count;
      if (access == Access::READ_WRITE) writable_.insert({slot, object});
    } else {
      const std::uint32_t to = random_() % 4;
      const std::uint32_t before = held == model_.end() ? 0 : held->second;
      const std::uint32_t gone = before > to ? before - to : 0;
      ASSERT_EQ(ledger_.lower(slot, object, to), gone);
      if (gone == 0) return;
      held->second = to;
      if (to != 0) return;
      model_.erase(held);
      writable_.erase({slot, object});
    }
  }

  void check() {
    std::map<Index, Ledger::Total> sessions;
    std::map<Index, Ledger::Total> objects;
    for (const auto& [key, count] : model_) {
      const Index record = ledger_.find(key.first, key.second);
      ASSERT_TRUE(catalog_.attachments.in_use(record));
      const AttachmentRecord& found = catalog_.attachments[record];
      ASSERT_EQ(found.slot, key.first);
      ASSERT_EQ(found.object, key.second);
      ASSERT_EQ(found.count, count);
      ASSERT_EQ(found.access == 0, writable_.contains(key));
      for (Ledger::Total* total : {&sessions[key.first], &objects[key.second]}) {
        total->references += count;
        ++total->attachments;
      }
    }
    ASSERT_EQ(catalog_.attachments.used(), model_.size());
    for (Index slot = 1; slot <= kSessions; ++slot) {
      check_total(ledger_.of_session(slot), sessions[slot]);
      std::set<Index> listed;
      ledger_.for_each_of_session(slot, [&](const AttachmentRecord& a) {
        EXPECT_EQ(a.slot, slot);
        return listed.insert(a.object).second;  // a list that loops ends here
      });
      ASSERT_EQ(listed.size(), sessions[slot].attachments);
      const Index any = ledger_.any_of(slot);
      ASSERT_EQ(any == 0, listed.empty());
      if (any != 0) {
        ASSERT_TRUE(listed.contains(any));
      }
    }
    for (Index object = 1; object <= kObjects; ++object) {
      check_total(ledger_.of_object(object), objects[object]);
      std::set<Index> listed;
      ledger_.for_each_of_object(object, [&](const AttachmentRecord& a) {
        EXPECT_EQ(a.object, object);
        return listed.insert(a.slot).second;
      });
      ASSERT_EQ(listed.size(), objects[object].attachments);
    }
  }

 private:
  static constexpr Index kSessions = 6;
  static constexpr Index kObjects = 9;
  static void check_total(const Ledger::Total& got, const Ledger::Total& wanted) {
    ASSERT_EQ(got.references, wanted.references);
    ASSERT_EQ(got.attachments, wanted.attachments);
  }

  std::mt19937 random_;
  Catalog catalog_ = small_catalog();
  Ledger ledger_{catalog_};
  std::map<std::pair<Index, Index>, std::uint32_t> model_;
  std::set<std::pair<Index, Index>> writable_;
};

TEST(Ledger, AgreesWithAModel) {
  LedgerModel model(20'240'711);
  for (int i = 0; i < 100'000; ++i) {
    ASSERT_NO_FATAL_FAILURE(model.step()) << i;
    if (i % 97 != 0) continue;
    ASSERT_NO_FATAL_FAILURE(model.check()) << i;
  }
  ASSERT_NO_FATAL_FAILURE(model.check());
}

TEST(Ledger, UnknownSessionsAndObjectsHoldNothing) {
  Catalog catalog = small_catalog();
  Ledger ledger(catalog);
  EXPECT_EQ(ledger.find(1, 1), 0U);
  EXPECT_EQ(ledger.find(0xffffffff, 0xffffffff), 0U);
  EXPECT_EQ(ledger.any_of(0xffffffff), 0U);
  EXPECT_EQ(ledger.of_object(0xffffffff).references, 0U);
  EXPECT_EQ(ledger.lower(1, 1, 0), 0U);
}

TEST(Ledger, FullTableIsNamedAndNothingChanges) {
  Catalog catalog = small_catalog(/*attachments=*/2);
  Ledger ledger(catalog);
  ASSERT_TRUE(ledger.attach(1, 1, Access::READ_WRITE, 1, 0).ok());
  ASSERT_TRUE(ledger.attach(1, 2, Access::READ_WRITE, 1, 0).ok());
  const absl::Status full = ledger.attach(2, 1, Access::READ_WRITE, 1, 0);
  EXPECT_EQ(full.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(full.message()), HasSubstr("limit \"attachments\""));
  EXPECT_EQ(ledger.of_object(1).references, 1U);
  EXPECT_EQ(ledger.of_session(2).attachments, 0U);
  EXPECT_EQ(ledger.find(2, 1), 0U);
  // One more reference needs no new record.
  EXPECT_TRUE(ledger.attach(1, 1, Access::READ_ONLY, 1, 0).ok());
}

TEST(Ledger, AttachmentsOfOneSessionAreLimited) {
  auto catalog = Catalog::map({.arenas = 1,
                               .sessions = 4,
                               .objects = protocol::kAttachmentsPerSessionMax + 10,
                               .attachments = protocol::kAttachmentsPerSessionMax + 10,
                               .tokens = 1});
  ASSERT_TRUE(catalog.ok());
  Ledger ledger(*catalog);
  Index object = 1;
  for (; object <= protocol::kAttachmentsPerSessionMax; ++object) {
    ASSERT_TRUE(ledger.attach(1, object, Access::READ_ONLY, 1, 0).ok());
  }
  const absl::Status over = ledger.attach(1, object, Access::READ_ONLY, 1, 0);
  EXPECT_EQ(over.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(over.message()), HasSubstr("limit \"attachments per session\""));
  EXPECT_TRUE(ledger.attach(2, object, Access::READ_ONLY, 1, 0).ok());
  EXPECT_TRUE(ledger.attach(1, 1, Access::READ_ONLY, 1, 0).ok());
}

// Sessions that are each at the limit must not add up to "no reference" in 32 bits.
TEST(Ledger, ManyFullAttachmentsDoNotAddUpToNone) {
  Catalog catalog = small_catalog();
  Ledger ledger(catalog);
  constexpr std::uint32_t kMost = protocol::kReferencesPerAttachmentMax;
  for (Index slot = 1; slot <= 4; ++slot) {
    ASSERT_TRUE(ledger.attach(slot, 1, Access::READ_ONLY, kMost, 0).ok());
  }
  EXPECT_EQ(ledger.of_object(1).references, std::uint64_t{kMost} * 4);
  const absl::Status over = ledger.attach(1, 1, Access::READ_ONLY, 1, 0);
  EXPECT_EQ(over.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(over.message()), HasSubstr("limit \"references per attachment\""));
  EXPECT_EQ(ledger.lower(1, 1, 0), kMost);
  EXPECT_EQ(ledger.of_object(1).references, std::uint64_t{kMost} * 3);
}

TEST(Ledger, AReadOnlyReferenceTakesNothingAway) {
  Catalog catalog = small_catalog();
  Ledger ledger(catalog);
  ASSERT_TRUE(ledger.attach(1, 1, Access::READ_ONLY, 1, 0).ok());
  EXPECT_EQ(catalog.attachments[ledger.find(1, 1)].access, 1U);
  ASSERT_TRUE(ledger.attach(1, 1, Access::READ_WRITE, 1, 0).ok());
  EXPECT_EQ(catalog.attachments[ledger.find(1, 1)].access, 0U);
  ASSERT_TRUE(ledger.attach(1, 1, Access::READ_ONLY, 1, 0).ok());
  EXPECT_EQ(catalog.attachments[ledger.find(1, 1)].access, 0U);
  // Raising is not what `lower` does.
  EXPECT_EQ(ledger.lower(1, 1, 3), 0U);
  EXPECT_EQ(ledger.lower(1, 1, 100), 0U);
  EXPECT_EQ(ledger.of_session(1).references, 3U);
}

// ---- accounts ----

class AccountsTest : public ::testing::Test {
 protected:
  AccountsTest() {
    for (const char* name : {"first", "second"}) {
      const Index arena = catalog_.arenas.take();
      catalog_.arenas[arena].name.set(name);
      catalog_.arenas[arena].quota_bytes = 100;
      catalog_.arenas.publish(arena);
    }
  }

  Catalog catalog_ = small_catalog();
  Accounts accounts_{catalog_, /*memory_max_bytes=*/150};
};

TEST_F(AccountsTest, QuotaAndMemoryMaxAreNamedWithTheirFigures) {
  ASSERT_TRUE(accounts_.charge_object(1, 7, 100).ok());
  const absl::Status quota = accounts_.charge_object(1, 7, 1);
  EXPECT_EQ(quota.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(quota.message()),
              HasSubstr("arena \"first\": quota of 100 bytes, 100 committed, 1 more"));
  const absl::Status memory = accounts_.charge_object(2, 7, 51);
  EXPECT_EQ(memory.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(memory.message()), HasSubstr("memory-max of 150 bytes: 100 committed"));
  EXPECT_TRUE(accounts_.charge_object(2, 8, 50).ok());
  EXPECT_EQ(accounts_.committed_bytes(), 150U);
  EXPECT_EQ(accounts_.user(7).committed_bytes, 100U);
  EXPECT_EQ(accounts_.user(8).committed_bytes, 50U);
  EXPECT_EQ(accounts_.arena(2).objects, 1U);
}

TEST_F(AccountsTest, HugeSizesAndLoweredQuotasDoNotWrap) {
  EXPECT_FALSE(accounts_.charge_object(1, 7, ~std::uint64_t{0}).ok());
  ASSERT_TRUE(accounts_.charge_object(1, 7, 80).ok());
  catalog_.arenas[1].quota_bytes = 10;  // less than is in use
  EXPECT_FALSE(accounts_.charge_object(1, 7, 1).ok());
  EXPECT_FALSE(accounts_.charge_object(1, 7, ~std::uint64_t{0} - 60).ok());
  accounts_.release_object(1, 7, 80);
  EXPECT_EQ(accounts_.committed_bytes(), 0U);
}

TEST_F(AccountsTest, ContainersCountBeyondTheObjectsThatLieInTheArena) {
  constexpr auto kArena = Accounts::Home::kArena;
  constexpr std::uint64_t kDescriptor = 256;  // of each object, which lies in no block
  Accounts accounts(catalog_, 1500);
  catalog_.arenas[1].quota_bytes = catalog_.arenas[2].quota_bytes = 1000;
  accounts.see_taken(1, 600);
  EXPECT_EQ(accounts.container_bytes(), 600U);
  // Its block is taken already.
  ASSERT_TRUE(accounts.charge_object(1, 7, kDescriptor + 200, kArena).ok());
  EXPECT_EQ(accounts.arena(1).container_bytes(), 400U);
  EXPECT_EQ(accounts.used_bytes(), 600 + kDescriptor);
  EXPECT_EQ(accounts.room_in_arena(1), 1000 - kDescriptor);
  const absl::Status quota = accounts.charge_object(1, 7, 145);
  EXPECT_THAT(std::string(quota.message()),
              HasSubstr("quota of 1000 bytes, 456 committed and 400 in containers, 145 more"));
  ASSERT_TRUE(accounts.charge_object(1, 7, 144).ok());
  EXPECT_EQ(accounts.room_in_arena(1), 600U) << "what it has";
  EXPECT_FALSE(accounts.charge_object(1, 7, kDescriptor, kArena).ok());
  // What all of them together may have, once much of it is used.
  EXPECT_EQ(accounts.room_in_arena(2), 1000U);
  const absl::Status memory = accounts.charge_object(2, 7, 501);
  EXPECT_THAT(std::string(memory.message()),
              HasSubstr("memory-max of 1500 bytes: 600 committed and 400 in containers, 501 more"));
  accounts.see_taken(1, 800);
  EXPECT_EQ(accounts.used_bytes(), 1200U);
  EXPECT_EQ(accounts.room_in_arena(2), 300U);
  accounts.release_object(1, 7, kDescriptor + 200, kArena);
  EXPECT_EQ(accounts.used_bytes(), 944U) << "until its memory is seen to be less";
  accounts.see_taken(1, 0);
  EXPECT_EQ(accounts.used_bytes(), 144U);
  accounts.release_object(1, 7, 144);
  EXPECT_EQ(accounts.used_bytes(), 0U);
}

TEST_F(AccountsTest, WhoHasNothingIsForgotten) {
  accounts_.add_session(0, 7);
  ASSERT_TRUE(accounts_.charge_object(1, 7, 10).ok());
  accounts_.remove_session(0, 7);
  EXPECT_EQ(accounts_.users().size(), 1U);
  accounts_.release_object(1, 7, 10);
  EXPECT_TRUE(accounts_.users().empty());
  EXPECT_EQ(accounts_.user(7).objects, 0U);
  EXPECT_EQ(accounts_.arena(99).objects, 0U);
}

}  // namespace
}  // namespace shoal::daemon
