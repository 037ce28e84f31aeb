// Who may do what in which arena.
#include "daemon/arenas.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/accounts.h"
#include "daemon/catalog.h"

namespace shoal::daemon {
namespace {

using ::testing::HasSubstr;

constexpr uid_t kManager = 900;
constexpr uid_t kOwner = 1000;
constexpr gid_t kGroup = 2000;

Identity who(uid_t uid, gid_t gid = 1, std::vector<gid_t> groups = {}) {
  return {.pid = 1, .uid = uid, .gid = gid, .groups = std::move(groups)};
}

class ArenasTest : public ::testing::Test {
 protected:
  Index make(std::string_view name, mode_t mode) {
    auto created = arenas_.create(
        {.name = name, .mode = mode, .quota_bytes = 100, .owner_uid = kOwner, .owner_gid = kGroup},
        1);
    EXPECT_TRUE(created.ok()) << created.status();
    return created.value_or(0);
  }
  // "rw", "r-", ...
  std::string rights(Index arena, const Identity& identity) const {
    const Rights rights = arenas_.rights(arena, identity);
    return std::string(rights.read ? "r" : "-") + (rights.write ? "w" : "-");
  }

  Catalog catalog_ =
      *Catalog::map({.arenas = 3, .sessions = 4, .objects = 4, .attachments = 4, .tokens = 4});
  Accounts accounts_{catalog_, 1000};
  Arenas arenas_{catalog_, accounts_, kManager};
};

TEST_F(ArenasTest, TheFirstClassThatFitsDecides) {
  const Index arena = make("a", 0640);
  EXPECT_EQ(rights(arena, who(kOwner)), "rw");
  EXPECT_EQ(rights(arena, who(5, kGroup)), "r-");
  EXPECT_EQ(rights(arena, who(5, 1, {3, kGroup})), "r-");
  EXPECT_EQ(rights(arena, who(5)), "--");
  EXPECT_EQ(rights(arena, who(0)), "rw");
  EXPECT_EQ(rights(arena, who(kManager)), "rw");
  // An owner without the bit gets nothing from group or others, as with files.
  catalog_.arenas[arena].mode = 0066;
  EXPECT_EQ(rights(arena, who(kOwner, kGroup)), "--");
  EXPECT_EQ(rights(arena, who(5, kGroup)), "rw");
  catalog_.arenas[arena].mode = 0606;
  EXPECT_EQ(rights(arena, who(5, kGroup)), "--");
  EXPECT_EQ(rights(arena, who(5)), "rw");
  catalog_.arenas[arena].mode = 0222;
  EXPECT_EQ(rights(arena, who(5)), "-w");
}

TEST_F(ArenasTest, UnmappedUidsAreNobody) {
  const Index arena = make("a", 0660);
  catalog_.arenas[arena].owner_uid = kOverflowUid;
  catalog_.arenas[arena].owner_gid = kOverflowUid;
  EXPECT_EQ(rights(arena, who(kOverflowUid, kOverflowUid)), "--");
  EXPECT_EQ(arenas_.change_mode("a", 0666, who(kOverflowUid)).code(), absl::StatusCode::kNotFound);
  catalog_.arenas[arena].mode = 0666;
  EXPECT_EQ(rights(arena, who(kOverflowUid, kOverflowUid)), "rw");
  EXPECT_EQ(arenas_.change_mode("a", 0600, who(kOverflowUid)).code(),
            absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(arenas_.remove("a", who(kOverflowUid)).code(), absl::StatusCode::kPermissionDenied);
}

TEST_F(ArenasTest, WhatOneMayNotSeeIsNotFound) {
  make("a", 0600);
  const absl::Status hidden = arenas_.visible("a", who(5)).status();
  const absl::Status absent = arenas_.visible("b", who(5)).status();
  EXPECT_EQ(hidden.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(absent.code(), absl::StatusCode::kNotFound);
  // Not even by the wording.
  std::string wording(hidden.message());
  wording.replace(wording.find("\"a\""), 3, "\"b\"");
  EXPECT_EQ(wording, std::string(absent.message()));
  EXPECT_EQ(arenas_.change_mode("a", 0666, who(5)).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(arenas_.change_quota("a", 1, who(5)).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(arenas_.remove("a", who(5)).code(), absl::StatusCode::kNotFound);
}

TEST_F(ArenasTest, TheOwnerChangesTheModeButNotTheQuota) {
  const Index arena = make("a", 0600);
  EXPECT_TRUE(arenas_.change_mode("a", 0644, who(kOwner)).ok());
  EXPECT_EQ(catalog_.arenas[arena].mode, 0644U);
  EXPECT_EQ(arenas_.change_mode("a", 0666, who(5)).code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(arenas_.change_quota("a", 5, who(kOwner)).code(), absl::StatusCode::kPermissionDenied);
  EXPECT_TRUE(arenas_.change_quota("a", 5, who(kManager)).ok());
  EXPECT_EQ(catalog_.arenas[arena].quota_bytes, 5U);
  EXPECT_EQ(arenas_.change_quota("a", 0, who(0)).code(), absl::StatusCode::kInvalidArgument);
  for (const mode_t mode : {0700, 01600, 0667, 0100600, 0xffff}) {
    EXPECT_EQ(arenas_.change_mode("a", mode, who(0)).code(), absl::StatusCode::kInvalidArgument);
  }
  EXPECT_EQ(catalog_.arenas[arena].mode, 0644U);
}

// Who takes his own rights away can still give them back: ownership is not a bit of the mode.
TEST_F(ArenasTest, AnOwnerWithoutRightsCanGiveThemBack) {
  const Index arena = make("a", 0600);
  ASSERT_TRUE(arenas_.change_mode("a", 0000, who(kOwner)).ok());
  EXPECT_EQ(rights(arena, who(kOwner)), "--");
  EXPECT_TRUE(arenas_.change_mode("a", 0600, who(kOwner)).ok());
  EXPECT_EQ(rights(arena, who(kOwner)), "rw");
}

TEST_F(ArenasTest, CreateRefusesBadNamesModesAndTwins) {
  make("a", 0600);
  EXPECT_EQ(arenas_.create({.name = "a"}, 1).status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(arenas_.create({.name = ""}, 1).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(arenas_.create({.name = "b", .mode = 0777}, 1).status().code(),
            absl::StatusCode::kInvalidArgument);
  make("b", 0600);
  make("c", 0600);
  const absl::Status full = arenas_.create({.name = "d"}, 1).status();
  EXPECT_EQ(full.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(full.message()), HasSubstr("3 arenas, the limit \"arenas\""));
}

TEST_F(ArenasTest, OnlyEmptyOnesAreRemovedAndTheDefaultNever) {
  make(std::string(kDefaultArena), 0666);
  const Index arena = make("a", 0660);
  EXPECT_EQ(arenas_.remove(kDefaultArena, who(0)).code(), absl::StatusCode::kFailedPrecondition);
  ASSERT_TRUE(accounts_.charge_object(arena, 5, 10).ok());
  accounts_.add_session(arena, 5);
  const absl::Status busy = arenas_.remove("a", who(kOwner));
  EXPECT_EQ(busy.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(busy.message()), HasSubstr("1 objects and 1 sessions"));
  accounts_.release_object(arena, 5, 10);
  EXPECT_FALSE(arenas_.remove("a", who(kOwner)).ok());
  accounts_.remove_session(arena, 5);
  EXPECT_EQ(arenas_.remove("a", who(5, kGroup)).code(), absl::StatusCode::kPermissionDenied);
  EXPECT_TRUE(arenas_.remove("a", who(kOwner)).ok());
  EXPECT_EQ(arenas_.find("a"), 0U);
  // The record is used again under another name and generation.
  const std::uint32_t generation = catalog_.arenas[arena].generation;
  EXPECT_EQ(make("z", 0600), arena);
  EXPECT_EQ(catalog_.arenas[arena].generation, generation + 1);
  EXPECT_EQ(arenas_.find("a"), 0U);
}

TEST_F(ArenasTest, AreVisitedInOrderOfTheirNames) {
  for (const char* name : {"c", "a", "b"}) make(name, 0600);
  std::vector<std::string> names;
  arenas_.for_each([&](Index arena) { names.emplace_back(catalog_.arenas[arena].name.view()); });
  EXPECT_EQ(names, (std::vector<std::string>{"a", "b", "c"}));
}

}  // namespace
}  // namespace shoal::daemon
