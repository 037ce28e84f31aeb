// The request path without sockets: hello, what must come before what, forked children, and
// requests that no client of ours would send.
#include "daemon/service.h"

#include <cstring>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/harness/invariants.h"
#include "tests/harness/world.h"

namespace shoal::daemon {
namespace {

using absl::StatusCode;
using test::Fill;
using test::Invariants;
using test::Reply;
using test::TestClient;
using test::World;
using ::testing::AllOf;
using ::testing::HasSubstr;
using Request = wire::Request::Builder;

// One request of every kind but hello and ping.
std::vector<std::pair<std::string, Fill>> every_request() {
  return {
      {"create", [](Request r) { TestClient::fill_create(r.initCreate(), "a"); }},
      {"open", [](Request r) { r.initOpen().setName("a"); }},
      {"open token", [](Request r) { r.initOpen().setToken("shoal-0"); }},
      {"release", [](Request r) { r.initRelease().setObject(1); }},
      {"unlink", [](Request r) { r.initUnlink().setName("a"); }},
      {"unlink by id", [](Request r) { r.initUnlink().setObject(1); }},
      {"list", [](Request r) { r.initList(); }},
      {"stat", [](Request r) { r.initStat().setName("a"); }},
      {"share", [](Request r) { r.initShare().setObject(1); }},
      {"descriptor", [](Request r) { r.initDescriptor().setObject(1); }},
      {"seal", [](Request r) { r.setSeal(1); }},
      {"inherit", [](Request r) { r.initInherit(); }},
      {"goodbye", [](Request r) { r.setGoodbye(); }},
      {"arenaCreate", [](Request r) { r.initArenaCreate().setName("b"); }},
      {"arenaList", [](Request r) { r.setArenaList(); }},
      {"arenaStat", [](Request r) { r.setArenaStat("default"); }},
      {"arenaChange", [](Request r) { r.initArenaChange().setMode(0666); }},
      {"arenaRemove", [](Request r) { r.setArenaRemove("b"); }},
      {"clients", [](Request r) { r.initClients(); }},
      {"usage", [](Request r) { r.setUsage(); }},
      {"limits", [](Request r) { r.setLimits(); }},
      {"link", [](Request r) { r.initLink().setObject(1); }},
  };
}

class ServiceTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(client_.hello().ok()); }
  void TearDown() override { EXPECT_EQ(Invariants::broken(world_.state), ""); }

  std::uint64_t references(std::uint64_t object) {
    return world_.state.ledger.of_object(world_.state.objects.get(object)).references;
  }
  World world_;
  TestClient client_{world_};
};

// ---- hello ----

TEST_F(ServiceTest, EveryRequestBeforeHelloIsRefused) {
  for (const auto& [kind, fill] : every_request()) {
    TestClient early(world_);
    const Reply reply = early.call(fill);
    EXPECT_TRUE(reply.hang_up()) << kind;
    EXPECT_EQ(reply.code(), StatusCode::kFailedPrecondition) << kind;
    EXPECT_THAT(reply.message(), HasSubstr("must be hello")) << kind;
  }
  TestClient early(world_);
  EXPECT_TRUE(early.call([](Request r) { r.setPing(); }).get().isPong());
}

TEST_F(ServiceTest, HelloTwiceIsRefused) {
  const Reply again = client_.hello();
  EXPECT_EQ(again.code(), StatusCode::kFailedPrecondition);
  EXPECT_TRUE(again.hang_up());
}

TEST_F(ServiceTest, RefusalOfAVersionNamesBothSides) {
  struct Row {
    std::uint16_t oldest, newest;
    std::uint32_t layout;
    bool welcome;
  };
  constexpr std::uint16_t kOurs = protocol::kProtocolMajor;
  for (const Row& row : {Row{kOurs, kOurs, protocol::kLayoutVersion, true},
                         Row{0, kOurs + 5, protocol::kLayoutVersion, true},
                         Row{kOurs + 1, kOurs + 2, protocol::kLayoutVersion, false},
                         Row{0, kOurs - 1, protocol::kLayoutVersion, false},
                         Row{kOurs + 1, kOurs - 1, protocol::kLayoutVersion, false},
                         Row{kOurs, kOurs, protocol::kLayoutVersion + 1, false}}) {
    TestClient client(world_);
    const Reply reply = client.call([&](Request r) {
      auto hello = r.initHello();
      TestClient::fill_hello(hello, "default");
      hello.getOldest().setMajor(row.oldest);
      hello.getNewest().setMajor(row.newest);
      hello.getNewest().setMinor(77);
      hello.setLayout(row.layout);
    });
    EXPECT_EQ(reply.ok(), row.welcome);
    if (row.welcome) continue;
    EXPECT_EQ(reply.code(), StatusCode::kFailedPrecondition);
    EXPECT_THAT(reply.message(),
                AllOf(HasSubstr(protocol::text(row.oldest, ".", protocol::kProtocolMinor, " to ",
                                               row.newest, ".77")),
                      HasSubstr(protocol::text("memory layout ", row.layout)),
                      HasSubstr(protocol::text("speaks protocol ", kOurs, ".")),
                      HasSubstr(protocol::text("memory layout ", protocol::kLayoutVersion))));
  }
}

TEST_F(ServiceTest, ArenasOfHello) {
  TestClient nowhere(world_);
  EXPECT_EQ(nowhere.hello("nowhere").code(), StatusCode::kNotFound);
  EXPECT_TRUE(nowhere.hello("default").ok());  // may try again
  TestClient stranger(world_, test::stranger());
  const Reply denied = stranger.hello();
  EXPECT_EQ(denied.code(), StatusCode::kPermissionDenied);
  EXPECT_THAT(denied.message(), AllOf(HasSubstr("4711"), HasSubstr("\"default\"")));
  TestClient administrator(world_);
  ASSERT_TRUE(administrator.hello("").ok());
  const Reply refused = administrator.create("a");
  EXPECT_EQ(refused.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(refused.message(), HasSubstr("administration only"));
}

TEST_F(ServiceTest, LabelsAreCut) {
  TestClient client(world_);
  ASSERT_TRUE(client
                  .call([](Request r) {
                    TestClient::fill_hello(r.initHello(), "default");
                    r.getHello().setLabel(std::string(1000, 'l').c_str());
                  })
                  .ok());
  EXPECT_EQ(world_.state.sessions.label(client.slot()), std::string(protocol::kLabelBytesMax, 'l'));
}

// ---- forked children ----

class InheritTest : public ServiceTest {
 protected:
  struct Wanted {
    std::uint64_t object;
    std::uint32_t count;
    wire::Access access = wire::Access::READ_WRITE;
  };
  static Reply inherit(TestClient& child, const Sessions::Secret& parent,
                       const std::vector<Wanted>& wanted) {
    return child.call([&](Request r) {
      auto inherit = r.initInherit();
      TestClient::fill_secret(inherit.initParent(), parent);
      auto references = inherit.initReferences(static_cast<unsigned>(wanted.size()));
      for (unsigned i = 0; i < wanted.size(); ++i) {
        references[i].setObject(wanted[i].object);
        references[i].setCount(wanted[i].count);
        references[i].setAccess(wanted[i].access);
      }
    });
  }
  static std::vector<std::uint64_t> gone(const Reply& reply) {
    std::vector<std::uint64_t> ids;
    EXPECT_TRUE(reply.get().isGone()) << reply.message();
    if (reply.get().isGone()) {
      for (const std::uint64_t id : reply.get().getGone()) ids.push_back(id);
    }
    return ids;
  }
  void SetUp() override {
    ServiceTest::SetUp();
    ASSERT_TRUE(child_.hello().ok());
    object_ = client_.create("").object();
  }

  TestClient child_{world_};
  std::uint64_t object_ = 0;
};

TEST_F(InheritTest, AChildTakesOverWhatItsParentHolds) {
  const std::uint64_t read_only = client_.create("b").object();
  client_.release(read_only);
  ASSERT_TRUE(client_.open("b", wire::Access::READ_ONLY).ok());
  const Reply reply =
      inherit(child_, client_.secret(), {{object_, 1}, {read_only, 1}, {12345, 1}, {object_, 0}});
  EXPECT_EQ(gone(reply), (std::vector<std::uint64_t>{12345, object_}));
  EXPECT_EQ(references(object_), 2U);
  client_.die();
  EXPECT_EQ(references(object_), 1U);
  // No more access than the parent had.
  EXPECT_EQ(child_.call([&](Request r) { r.initDescriptor().setObject(read_only); }).code(),
            StatusCode::kPermissionDenied);
  child_.release(object_);
  EXPECT_EQ(world_.state.objects.get(object_), 0U);
}

TEST_F(InheritTest, AWrongSecretGetsNothing) {
  Sessions::Secret wrong = client_.secret();
  wrong.words[0] ^= 1;
  EXPECT_EQ(gone(inherit(child_, wrong, {{object_, 1}, {object_, 2}})),
            (std::vector<std::uint64_t>{object_, object_}));
  EXPECT_EQ(gone(inherit(child_, {}, {{object_, 1}})), (std::vector<std::uint64_t>{object_}));
  EXPECT_EQ(references(object_), 1U);
}

TEST_F(InheritTest, CountsAndAccessesAreBounded) {
  const auto hostile = static_cast<wire::Access>(999);
  EXPECT_TRUE(gone(inherit(child_, client_.secret(), {{object_, 0xffffffff, hostile}})).empty());
  EXPECT_EQ(references(object_), 2U);
  const Index attachment =
      world_.state.ledger.find(child_.slot(), world_.state.objects.get(object_));
  EXPECT_EQ(world_.state.catalog.attachments[attachment].access,
            static_cast<std::uint32_t>(wire::Access::READ_ONLY));
}

// Doubling its own count again and again, a session comes to the limit and no further; several such
// sessions must not add up to an object that nobody holds.
TEST_F(InheritTest, CountsNeverAddUpToNone) {
  constexpr int kSessions = 4;
  std::vector<std::unique_ptr<TestClient>> clients;
  for (int i = 0; i < kSessions; ++i) {
    clients.push_back(std::make_unique<TestClient>(world_));
    TestClient& client = *clients.back();
    ASSERT_TRUE(client.hello().ok());
    ASSERT_TRUE(inherit(client, client_.secret(), {{object_, 1}}).ok());
    Reply doubled = inherit(client, client.secret(), {{object_, 0xffffffff}});
    for (int n = 0; n < 40 && doubled.ok(); ++n) {
      doubled = inherit(client, client.secret(), {{object_, 0xffffffff}});
    }
    EXPECT_EQ(doubled.code(), StatusCode::kResourceExhausted);
    EXPECT_THAT(doubled.message(), HasSubstr("limit \"references per attachment\""));
  }
  client_.release(object_);
  EXPECT_NE(world_.state.objects.get(object_), 0U);
  EXPECT_EQ(references(object_), std::uint64_t{protocol::kReferencesPerAttachmentMax} * kSessions);
}

// ---- what a client of another version, or a hostile one, sends ----

TEST_F(ServiceTest, UnknownKindsOfRequestAreUnimplemented) {
  for (const std::uint16_t which : {27, 100, 65'535}) {
    auto message = test::encode(client_.last_id() + 1, [](Request r) { r.setPing(); });
    test::discriminant(message) = which;
    const Reply reply = client_.deliver(message);
    ASSERT_TRUE(reply.readable());
    EXPECT_EQ(reply.code(), StatusCode::kUnimplemented);
    EXPECT_THAT(reply.message(), HasSubstr(std::to_string(which)));
    EXPECT_FALSE(reply.hang_up());
  }
}

// The same for a choice inside a request: the message of `fill` with `word` of its struct changed.
TEST_F(ServiceTest, UnknownChoicesInsideARequestAreUnimplemented) {
  const std::uint64_t object = client_.create("a").object();
  const std::vector<std::pair<std::string, Fill>> requests = {
      {"open", [](Request r) { r.initOpen().setToken("t"); }},
      {"unlink", [=](Request r) { r.initUnlink().setObject(object); }},
      {"stat", [=](Request r) { r.initStat().setObject(object); }},
      {"arenaChange", [](Request r) { r.initArenaChange().setMode(0666); }},
  };
  for (const auto& [kind, fill] : requests) {
    bool unimplemented = false;
    // Where the discriminant lies is the schema's business: every 16-bit place is tried.
    for (std::size_t place = 0;; ++place) {
      auto message = test::encode(client_.last_id() + 100, fill);
      auto bytes = message.asBytes();
      constexpr std::size_t kFramingAndRequest = 8 * 5;
      const std::size_t at = kFramingAndRequest + 2 * place;
      if (at + 2 > bytes.size()) break;
      std::memset(bytes.begin() + at, 0x7f, 2);
      TestClient victim(world_);
      ASSERT_TRUE(victim.hello().ok());
      const Reply reply = victim.deliver(message);
      unimplemented |= reply.readable() && reply.code() == StatusCode::kUnimplemented;
      victim.die();
      EXPECT_EQ(Invariants::broken(world_.state), "");
    }
    EXPECT_TRUE(unimplemented) << kind;
  }
  EXPECT_NE(world_.state.objects.get(object), 0U);
}

TEST_F(ServiceTest, HostileObjectIdsAreNotFound) {
  const std::uint64_t mine = client_.create("mine").object();
  TestClient other(world_);
  ASSERT_TRUE(other.hello().ok());
  for (const std::uint64_t id : {std::uint64_t{0}, std::uint64_t{1}, mine, mine ^ 1, mine + 1,
                                 mine | 0xffffffff, ~std::uint64_t{0}, mine << 32}) {
    for (const auto& [kind, fill] : std::vector<std::pair<std::string, Fill>>{
             {"seal", [=](Request r) { r.setSeal(id); }},
             {"descriptor", [=](Request r) { r.initDescriptor().setObject(id); }},
             {"unlink", [=](Request r) { r.initUnlink().setObject(id); }},
             {"share", [=](Request r) { r.initShare().setObject(id); }},
             {"link", [=](Request r) { r.initLink().setObject(id); }}}) {
      EXPECT_EQ(other.call(fill).code(), StatusCode::kNotFound) << kind << " " << id;
    }
    other.release(id, 0);
    other.release(id, 0xffffffff);
  }
  EXPECT_EQ(references(mine), 1U);
}

TEST_F(ServiceTest, BrokenMessagesAreNoMoreThanUnreadable) {
  const auto whole = test::encode(50, every_request()[0].second);
  for (std::size_t bit = 8 * 8; bit < whole.size() * 64; ++bit) {
    TestClient peer(world_);
    ASSERT_TRUE(peer.hello().ok());
    auto broken = kj::heapArray<capnp::word>(whole.size());
    std::memcpy(broken.begin(), whole.begin(), whole.asBytes().size());
    reinterpret_cast<unsigned char*>(broken.begin())[bit / 8] ^= 1U << bit % 8;
    (void)peer.deliver(broken);
    (void)client_.unlink("a");
    peer.die();
    ASSERT_EQ(Invariants::broken(world_.state), "") << bit;
  }
}

}  // namespace
}  // namespace shoal::daemon
