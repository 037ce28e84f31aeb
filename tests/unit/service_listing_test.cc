// What clients and operators are shown: listings page by page, holders, clients, usage, limits.
#include <set>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/service.h"
#include "tests/harness/invariants.h"
#include "tests/harness/world.h"

namespace shoal::daemon {
namespace {

using absl::StatusCode;
using test::Invariants;
using test::Reply;
using test::TestClient;
using test::World;
using wire::Access;
using Request = wire::Request::Builder;

class ServiceListingTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(client_.hello().ok());
    ASSERT_TRUE(other_.hello().ok());
  }
  void TearDown() override { EXPECT_EQ(Invariants::broken(world_.state), ""); }

  World world_{{.memory_max = 8 << 20, .quota = 4 << 20, .mode = 0604}};
  TestClient client_{world_};
  TestClient other_{world_};
};

TEST_F(ServiceListingTest, OneSeesOnlyOnesOwnClientsAndUsage) {
  TestClient reader(world_, test::stranger());
  ASSERT_TRUE(reader.hello().ok());
  const Reply clients = reader.call([](Request r) { r.initClients(); });
  ASSERT_EQ(clients.get().getClients().getClients().size(), 1U);
  EXPECT_EQ(clients.get().getClients().getClients()[0].getUid(), 4711U);
  const Reply usage = reader.call([](Request r) { r.setUsage(); });
  ASSERT_EQ(usage.get().getUsage().getUsers().size(), 1U);
  const Reply all = client_.call([](Request r) { r.initClients().setMost(2); });
  EXPECT_EQ(all.get().getClients().getClients().size(), 2U);
  EXPECT_TRUE(all.get().getClients().getMore());
}

TEST_F(ServiceListingTest, StatSaysWhoHoldsIt) {
  client_.create("a");
  client_.open("a");
  other_.open("a", Access::READ_ONLY);
  other_.share(world_.state.objects.id(1));
  const Reply reply = client_.stat("a");
  const auto holders = reply.get().getHolders();
  EXPECT_EQ(holders.getObject().getReferences(), 4U);
  EXPECT_EQ(holders.getObject().getSessions(), 2U);
  EXPECT_EQ(holders.getObject().getTokens(), 1U);
  EXPECT_EQ(holders.getMore(), 0U);
  ASSERT_EQ(holders.getHolders().size(), 2U);
  for (const auto holder : holders.getHolders()) {
    const bool mine = holder.getSession() == client_.secret().session;
    EXPECT_EQ(holder.getReferences(), mine ? 2U : 1U);
    EXPECT_EQ(holder.getAccess(), mine ? Access::READ_WRITE : Access::READ_ONLY);
    EXPECT_EQ(holder.getPid(), static_cast<std::uint32_t>(::getpid()));
    EXPECT_STREQ(holder.getLabel().cStr(), "test");
    EXPECT_STREQ(holder.getState().cStr(), "live");
  }
}

TEST_F(ServiceListingTest, ListingPageByPageEqualsTheModel) {
  std::set<std::string> model;
  for (int i = 0; i < 330; ++i) {
    const std::string name = (i % 3 == 0 ? "frame/" : "list/") + std::to_string(i * 7919 % 1000);
    model.insert(name);
    ASSERT_TRUE(client_
                    .call([&](Request r) {
                      TestClient::fill_create(r.initCreate(), name);
                      r.getCreate().setSparse(true);
                    })
                    .ok());
  }
  for (const std::string prefix : {"", "frame/", "list/1", "nothing"}) {
    std::set<std::string> wanted;
    for (const std::string& name : model) {
      if (name.starts_with(prefix)) wanted.insert(name);
    }
    for (const std::uint32_t most : {0U, 1U, 7U, 64U, 1'000'000U}) {
      std::set<std::string> seen;
      std::string after;
      for (bool more = true; more;) {
        const Reply reply = client_.call([&](Request r) {
          auto list = r.initList();
          list.setPrefix(prefix.c_str());
          list.setAfter(after.c_str());
          list.setMost(most);
        });
        const auto page = reply.get().getObjects();
        EXPECT_LE(page.getObjects().size(), protocol::kListPageMax);
        for (const auto object : page.getObjects()) {
          EXPECT_GT(std::string(object.getName().cStr()), after);
          after = object.getName().cStr();
          EXPECT_TRUE(seen.insert(after).second);
        }
        more = page.getMore();
        ASSERT_TRUE(!more || page.getObjects().size() > 0);
      }
      EXPECT_EQ(seen, wanted) << prefix << " by " << most;
    }
  }
  EXPECT_EQ(
      client_.call([](Request r) { r.initList().setPrefix(std::string(300, 'x').c_str()); }).code(),
      StatusCode::kInvalidArgument);
}

TEST_F(ServiceListingTest, AnonymousObjectsAreListedById) {
  std::set<std::uint64_t> wanted;
  for (int i = 0; i < 10; ++i) {
    wanted.insert(client_.create("").object());
    client_.create(std::to_string(i));
  }
  std::set<std::uint64_t> seen;
  std::uint64_t after = 0;
  for (bool more = true; more;) {
    const Reply reply = client_.call([&](Request r) {
      auto list = r.initList();
      list.setAnonymous(true);
      list.setAfterObject(after);
      list.setMost(3);
    });
    for (const auto object : reply.get().getObjects().getObjects()) {
      after = object.getId();
      EXPECT_TRUE(seen.insert(after).second);
      EXPECT_EQ(object.getName().size(), 0U);
    }
    more = reply.get().getObjects().getMore();
  }
  EXPECT_EQ(seen, wanted);
}

TEST_F(ServiceListingTest, LimitsAreNamedAndCounted) {
  client_.create("a");
  const Reply reply = client_.call([](Request r) { r.setLimits(); });
  std::set<std::string> names;
  for (const auto limit : reply.get().getLimits()) {
    names.insert(limit.getName().cStr());
    EXPECT_GT(limit.getUnit().size(), 0U);
    if (limit.getCounted()) {
      EXPECT_LE(limit.getUsed(), limit.getLimit()) << limit.getName().cStr();
    }
    if (limit.getName() == "segments") {
      EXPECT_EQ(limit.getUsed(), 1U);
    }
    if (limit.getName() == "sessions") {
      EXPECT_EQ(limit.getUsed(), 2U);
    }
    if (limit.getName() == "memory") {
      EXPECT_EQ(limit.getUsed(), 4096U);
    }
  }
  // What messages name is found here.
  for (const char* name : {"sessions", "segments", "attachments", "attachments per session",
                           "tokens", "arenas", "objects per arena", "references per attachment"}) {
    EXPECT_TRUE(names.contains(name)) << name;
  }
}

}  // namespace
}  // namespace shoal::daemon
