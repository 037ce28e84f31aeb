// Arenas: name spaces of their own, administered by few, and what their mode lets whom do.
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <shoal/shoal.h>

#include "tests/support/child.h"
#include "tests/support/test_manager.h"
#include "tests/support/watchdog.h"

namespace {

using shoal::Access;
using shoal::Client;
using shoal::SharedMemory;
using namespace shoal::test;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

class Arenas : public testing::Test {
 protected:
  shoal::Arena arena(std::string_view name) const { return client_.arena(name); }
  Client in(const std::string& name) const { return manager_.client({.arena = name}); }

  // What `calls` says in a process of that uid, connected to that arena, or why it is not.
  std::string as(uid_t uid, const std::string& name,
                 const std::function<std::string(const Client&)>& calls) const {
    return in_child(
        [&]() -> std::string {
          const auto client = Client::connect({.socket = manager_.socket(), .arena = name});
          return client.ok() ? calls(*client) : outcome(client);
        },
        uid);
  }
  static std::string ping(const Client& client) { return outcome(client.ping()); }
  static std::string make(const Client& client) {
    return outcome(client.create<SharedMemory>("new", {.size = 10}));
  }
  static std::string read(const Client& client) {
    return outcome(client.open<SharedMemory>("memory", {.access = Access::kReadOnly}));
  }
  static std::string write(const Client& client) {
    return outcome(client.open<SharedMemory>("memory"));
  }

  TestManager manager_{{"--warm-bytes=0", "--memory-max=64MiB"}};
  Client client_ = manager_.client();
};

TEST_F(Arenas, CreateStatChangeRemove) {
  must(arena("team").create({.mode = 0640, .quota_bytes = 1 << 20}));
  shoal::ArenaInfo info = must(arena("team").stat());
  EXPECT_EQ(info.name, "team");
  EXPECT_EQ(info.mode, 0640U);
  EXPECT_EQ(info.quota_bytes, 1U << 20);
  EXPECT_EQ(info.owner_uid, ::getuid());
  must(arena("team").chmod(0600));
  must(arena("team").set_quota(2 << 20));
  info = must(arena("team").stat());
  EXPECT_EQ(info.mode, 0600U);
  EXPECT_EQ(info.quota_bytes, 2U << 20);
  EXPECT_THAT(outcome(arena("team").set_quota(0)), StartsWith("INVALID_ARGUMENT"));
  EXPECT_THAT(outcome(arena("team").chmod(01777)), StartsWith("INVALID_ARGUMENT"));
  const auto arenas = must(manager_.admin().arenas());
  EXPECT_EQ(std::ranges::count(arenas, "team", &shoal::ArenaInfo::name), 1);
  must(arena("team").remove());
  EXPECT_THAT(outcome(arena("team").stat()), StartsWith("NOT_FOUND"));
  EXPECT_THAT(outcome(arena("default").remove()), StartsWith("FAILED_PRECONDITION"));
}

TEST_F(Arenas, AreNotRemovedWhileInUse) {
  must(arena("team").create());
  {
    const Client client = in("team");
    EXPECT_THAT(outcome(arena("team").remove()),
                AllOf(StartsWith("FAILED_PRECONDITION"), HasSubstr("1 sessions")));
    must(client.create<SharedMemory>("memory", {.size = 1}));
  }
  ASSERT_TRUE(wait_until([&] { return must(arena("team").stat()).sessions == 0; }));
  EXPECT_THAT(outcome(arena("team").remove()),
              AllOf(StartsWith("FAILED_PRECONDITION"), HasSubstr("1 objects")));
  must(in("team").unlink("memory"));
  EXPECT_TRUE(wait_until([&] { return arena("team").remove().ok(); }));
}

TEST_F(Arenas, NamesAreIsolated) {
  must(arena("one").create());
  must(arena("two").create());
  const Client one = in("one");
  const Client two = in("two");
  const SharedMemory first = must(one.create<SharedMemory>("memory", {.size = 1}));
  EXPECT_THAT(outcome(two.open<SharedMemory>("memory")), StartsWith("NOT_FOUND"));
  EXPECT_THAT(outcome(client_.open<SharedMemory>("memory")), StartsWith("NOT_FOUND"));
  const SharedMemory second = must(two.create<SharedMemory>("memory", {.size = 2}));
  EXPECT_EQ(must(one.open<SharedMemory>("memory")).size(), 1U);
  EXPECT_EQ(must(two.open<SharedMemory>("memory")).size(), 2U);
  EXPECT_EQ(must(one.list()).size(), 1U);
  EXPECT_EQ(must(client_.list()).size(), 0U);
  EXPECT_EQ(must(one.stat("memory")).object.arena, "one");
  must(two.unlink("memory"));
  EXPECT_TRUE(one.open<SharedMemory>("memory").ok());
}

TEST_F(Arenas, TheVariableNamesTheArena) {
  must(arena("team").create());
  EXPECT_EQ(in_child([&]() -> std::string {
              ::setenv("SHOAL_ARENA", "team", 1);
              ::setenv("SHOAL_SOCKET", manager_.socket().c_str(), 1);
              const Client client = must(Client::connect());
              must(client.create<SharedMemory>("memory", {.size = 1}));
              return must(client.stat("memory")).object.arena;
            }),
            "team");
}

TEST_F(Arenas, QuotaHoldsPerArena) {
  must(arena("small").create({.quota_bytes = 1 << 20}));
  const Client small = in("small");
  const auto full = AllOf(StartsWith("RESOURCE_EXHAUSTED"), HasSubstr("small"), HasSubstr("quota"));
  SharedMemory half = must(small.create<SharedMemory>("half", {.size = 512 << 10}));
  EXPECT_THAT(outcome(small.create<SharedMemory>("more", {.size = (512 << 10) + 1})), full);
  EXPECT_THAT(
      outcome(small.create<SharedMemory>("more", {.size = (512 << 10) + 1, .sparse = true})), full);
  EXPECT_EQ(must(arena("small").stat()).committed_bytes, 512U << 10);
  EXPECT_TRUE(client_.create<SharedMemory>("elsewhere", {.size = 4 << 20}).ok());
  // Below what is committed it only stops growth.
  must(arena("small").set_quota(4096));
  half.data()[0] = std::byte{1};
  EXPECT_THAT(outcome(small.create<SharedMemory>("more", {.size = 1})), full);
  must(small.unlink("half"));
  must(half.close());
  EXPECT_TRUE(wait_until([&] { return small.create<SharedMemory>("more", {.size = 1}).ok(); }));
}

TEST_F(Arenas, APrivateOneIsClosedToOthers) {
  SHOAL_NEEDS_ROOT();
  EXPECT_THAT(as(kOtherUid, "default", ping),
              AllOf(StartsWith("PERMISSION_DENIED"), HasSubstr("default"),
                    HasSubstr(std::to_string(kOtherUid))));
  EXPECT_THAT(as(kOtherUid, "missing", ping), StartsWith("NOT_FOUND"));
  // A session without an arena sees none that it has no rights in.
  EXPECT_EQ(in_child(
                [&]() -> std::string {
                  const shoal::Admin admin = manager_.admin();
                  const Client client = must(Client::connect_for_administration(
                      {.socket = manager_.socket(), .arena = {}, .label = {}}));
                  return std::to_string(must(admin.arenas()).size()) + " " +
                         outcome(client.arena("default").stat());
                },
                kOtherUid)
                .substr(0, 11),
            "0 NOT_FOUND");
}

TEST_F(Arenas, TheModeSaysWhatOthersMay) {
  SHOAL_NEEDS_ROOT();
  const SharedMemory memory = must(client_.create<SharedMemory>("memory", {.size = 10}));
  const auto denied = StartsWith("PERMISSION_DENIED");
  must(arena("default").chmod(0604));
  EXPECT_EQ(as(kOtherUid, "default", read), "OK");
  EXPECT_THAT(as(kOtherUid, "default", write), denied);
  EXPECT_THAT(as(kOtherUid, "default", make), denied);
  EXPECT_THAT(as(kOtherUid, "default", [](const Client& c) { return outcome(c.unlink("memory")); }),
              denied);
  must(arena("default").chmod(0602));
  EXPECT_EQ(as(kOtherUid, "default", make), "OK");
  EXPECT_THAT(as(kOtherUid, "default", read), denied);
  EXPECT_THAT(as(kOtherUid, "default", [](const Client& c) { return outcome(c.list()); }), denied);
  must(arena("default").chmod(0606));
  EXPECT_EQ(as(kOtherUid, "default", write), "OK");
  must(arena("default").chmod(0600));
  EXPECT_THAT(as(kOtherUid, "default", read), denied);
}

TEST_F(Arenas, OwnerAndGroupComeBeforeOthers) {
  SHOAL_NEEDS_ROOT();
  must(arena("team").create({.mode = 0640, .owner_uid = kOtherUid, .owner_gid = kThirdUid}));
  EXPECT_EQ(as(kOtherUid, "team", make), "OK");
  EXPECT_THAT(as(kThirdUid, "team", make), StartsWith("PERMISSION_DENIED"));
  EXPECT_EQ(as(kThirdUid, "team",
               [](const Client& c) {
                 return outcome(c.open<SharedMemory>("new", {.access = Access::kReadOnly}));
               }),
            "OK");
  const auto chmod = [](const Client& c) { return outcome(c.arena("team").chmod(0660)); };
  EXPECT_THAT(as(kThirdUid, "team", chmod), StartsWith("PERMISSION_DENIED"));
  EXPECT_EQ(as(kOtherUid, "team", chmod), "OK");
  EXPECT_EQ(
      as(kThirdUid, "team", [](const Client& c) { return outcome(c.open<SharedMemory>("new")); }),
      "OK");
  EXPECT_THAT(
      as(kOtherUid, "team", [](const Client& c) { return outcome(c.arena("team").set_quota(1)); }),
      StartsWith("PERMISSION_DENIED"));
  EXPECT_THAT(
      as(kOtherUid, "team", [](const Client& c) { return outcome(c.arena("mine").create()); }),
      AllOf(StartsWith("PERMISSION_DENIED"), HasSubstr("mine")));
}

TEST_F(Arenas, AModeBindsNewAttachmentsOnly) {
  SHOAL_NEEDS_ROOT();
  const SharedMemory memory = must(client_.create<SharedMemory>("memory", {.size = 10}));
  must(arena("default").chmod(0606));
  Child other(
      [&](Channel& parent) -> std::string {
        const Client client = manager_.client();
        const SharedMemory theirs = must(client.open<SharedMemory>("memory"));
        parent.say("attached");
        (void)parent.hear();
        theirs.data()[0] = std::byte{7};
        return outcome(client.open<SharedMemory>("memory"));
      },
      kOtherUid);
  ASSERT_EQ(other.hear(), "attached");
  must(arena("default").chmod(0600));
  other.say("go on");
  EXPECT_THAT(other.result(), StartsWith("PERMISSION_DENIED"));
  EXPECT_EQ(memory.data()[0], std::byte{7});
}

}  // namespace
