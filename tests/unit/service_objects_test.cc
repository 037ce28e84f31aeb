// What clients do with objects, over the request path: every row of the error table that applies,
// lifetimes, tokens, sealing.
#include <limits>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/service.h"
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
using wire::Access;
using wire::Lifetime;
using Request = wire::Request::Builder;

class ServiceObjectsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(client_.hello().ok());
    ASSERT_TRUE(other_.hello().ok());
  }
  void TearDown() override { EXPECT_EQ(Invariants::broken(world_.state), ""); }

  Reply create(TestClient& client, const std::function<void(wire::Create::Builder)>& change) {
    return client.call([&](Request r) {
      auto create = r.initCreate();
      TestClient::fill_create(create, "a");
      change(create);
    });
  }
  bool exists(std::uint64_t object) { return world_.state.objects.get(object) != 0; }

  World world_{{.memory_max = 8 << 20, .quota = 4 << 20, .mode = 0604}};
  TestClient client_{world_};
  TestClient other_{world_};
};

// ---- the error table ----

TEST_F(ServiceObjectsTest, NotFound) {
  for (const Reply& reply : {client_.open("a"), client_.unlink("a"), client_.stat("a")}) {
    EXPECT_EQ(reply.code(), StatusCode::kNotFound);
    EXPECT_THAT(reply.message(), HasSubstr("no object \"a\" in arena \"default\""));
  }
}

TEST_F(ServiceObjectsTest, AlreadyExists) {
  client_.create("a");
  const Reply twin = client_.create("a");
  EXPECT_EQ(twin.code(), StatusCode::kAlreadyExists);
  EXPECT_THAT(twin.message(), HasSubstr("\"a\" exists in arena \"default\""));
  EXPECT_EQ(client_.link(client_.create("").object(), "a").code(), StatusCode::kAlreadyExists);
}

TEST_F(ServiceObjectsTest, OpenOrCreate) {
  const auto existing = [](wire::Create::Builder create) { create.setOpenExisting(true); };
  const Reply made = create(client_, existing);
  EXPECT_TRUE(made.get().getAttached().getCreated());
  const Reply opened = create(other_, [&](wire::Create::Builder create) {
    existing(create);
    create.setSize(1 << 30);  // of the other one
    create.setOpenAccess(Access::READ_ONLY);
  });
  ASSERT_TRUE(opened.ok()) << opened.message();
  EXPECT_EQ(opened.object(), made.object());
  EXPECT_FALSE(opened.get().getAttached().getCreated());
  EXPECT_EQ(opened.get().getAttached().getSize(), 4096U);
  EXPECT_EQ(opened.get().getAttached().getAccess(), Access::READ_ONLY);
  const Reply wrong_kind = create(other_, [&](wire::Create::Builder create) {
    existing(create);
    create.setKind(wire::Kind::SHAREABLE_LIST);
  });
  EXPECT_EQ(wrong_kind.code(), StatusCode::kFailedPrecondition);
}

TEST_F(ServiceObjectsTest, WrongKind) {
  client_.create("a");
  const Reply reply = client_.call([](Request r) {
    r.initOpen().setName("a");
    r.getOpen().setKind(wire::Kind::SHAREABLE_LIST);
  });
  EXPECT_EQ(reply.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(reply.message(), HasSubstr("is of kind SharedMemory, not ShareableList"));
}

TEST_F(ServiceObjectsTest, BadNamesSizesAndEnums) {
  const auto code = [&](const std::function<void(wire::Create::Builder)>& change) {
    const Reply reply = create(client_, change);
    EXPECT_FALSE(reply.hang_up());
    return reply.code();
  };
  using C = wire::Create::Builder;
  constexpr auto kInvalid = StatusCode::kInvalidArgument;
  EXPECT_EQ(code([](C c) { c.setName(" a"); }), kInvalid);
  EXPECT_EQ(code([](C c) { c.setName(std::string(256, 'n').c_str()); }), kInvalid);
  EXPECT_EQ(code([](C c) { c.setName("\xff"); }), kInvalid);
  EXPECT_EQ(code([](C c) { c.initName(3)[1] = '\0'; }), kInvalid);
  EXPECT_EQ(code([](C c) { c.setSize(0); }), kInvalid);
  EXPECT_EQ(code([](C c) { c.setSize(std::numeric_limits<std::uint64_t>::max()); }), kInvalid);
  EXPECT_EQ(code([](C c) { c.setKind(wire::Kind::UNKNOWN); }), kInvalid);
  EXPECT_EQ(code([](C c) { c.setKind(static_cast<wire::Kind>(99)); }), kInvalid);
  EXPECT_EQ(code([](C c) { c.setKind(static_cast<wire::Kind>(65'535)); }), kInvalid);
  EXPECT_EQ(code([](C c) { c.setLifetime(static_cast<Lifetime>(3)); }), kInvalid);
  EXPECT_EQ(code([](C c) { c.setNumaNode(100'000); }), kInvalid);
  EXPECT_EQ(code([](C c) {
              c.setOpenExisting(true);
              c.setOpenAccess(static_cast<Access>(9));
            }),
            StatusCode::kOk);
  // Of an unknown access the least is given.
  const Reply opened = client_.open("a", static_cast<Access>(9));
  EXPECT_EQ(opened.get().getAttached().getAccess(), Access::READ_ONLY);
  EXPECT_EQ(client_
                .call([](Request r) {
                  r.initOpen().setName("a");
                  r.getOpen().setKind(static_cast<wire::Kind>(77));
                })
                .code(),
            StatusCode::kFailedPrecondition);
  EXPECT_EQ(client_.open("").code(), kInvalid);
  EXPECT_EQ(client_.unlink("\n").code(), kInvalid);
}

TEST_F(ServiceObjectsTest, OverQuotaAndMemoryMaxNothingIsChanged) {
  const Reply quota = client_.create("a", (4 << 20) + 1);
  EXPECT_EQ(quota.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(quota.message(), AllOf(HasSubstr("arena \"default\""), HasSubstr("4194304")));
  for (const char* arena : {"x", "y"}) {
    ASSERT_TRUE(client_
                    .call([&](Request r) {
                      auto create = r.initArenaCreate();
                      create.setName(arena);
                      create.setMode(0600);
                      create.setQuota(6 << 20);
                    })
                    .ok());
  }
  TestClient in_x(world_);
  TestClient in_y(world_);
  ASSERT_TRUE(in_x.hello("x").ok());
  ASSERT_TRUE(in_y.hello("y").ok());
  ASSERT_TRUE(in_x.create("a", 6 << 20).ok());
  const Reply memory = in_y.create("a", 6 << 20);
  EXPECT_EQ(memory.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(memory.message(), HasSubstr("memory-max of 8388608"));
  EXPECT_EQ(world_.state.objects.count(), 1U);
  EXPECT_EQ(world_.state.accounts.committed_bytes(), std::uint64_t{6} << 20);
}

TEST_F(ServiceObjectsTest, ReadersMayNotWrite) {
  const std::uint64_t object = client_.create("a").object();
  TestClient reader(world_, test::stranger());  // others may read
  ASSERT_TRUE(reader.hello().ok());
  for (const Reply& reply : {reader.create("b"), reader.open("a"), reader.unlink("a")}) {
    EXPECT_EQ(reply.code(), StatusCode::kPermissionDenied);
    EXPECT_THAT(reply.message(), HasSubstr("does not let uid 4711 write"));
  }
  ASSERT_TRUE(reader.open("a", Access::READ_ONLY).ok());
  for (const Reply& reply :
       {reader.seal(object), reader.link(object, "b"),
        reader.call([&](Request r) { r.initUnlink().setObject(object); }),
        reader.call([&](Request r) { r.initDescriptor().setObject(object); })}) {
    EXPECT_EQ(reply.code(), StatusCode::kPermissionDenied) << reply.message();
  }
  // A token of a reader gives no more than he has.
  const std::string token = reader.share(object).token();
  EXPECT_EQ(other_.open_token(token).code(), StatusCode::kPermissionDenied);
  EXPECT_TRUE(other_.open_token(token, Access::READ_ONLY).ok());
  for (const Fill& fill : std::vector<Fill>{[](Request r) { r.initArenaCreate().setName("x"); },
                                            [](Request r) {
                                              r.initArenaChange().setName("default");
                                              r.getArenaChange().setMode(0666);
                                            },
                                            [](Request r) {
                                              r.initArenaChange().setName("default");
                                              r.getArenaChange().setQuota(1);
                                            },
                                            [](Request r) { r.setArenaRemove("default"); }}) {
    EXPECT_EQ(reader.call(fill).code(), StatusCode::kPermissionDenied);
  }
}

// ---- lifetimes ----

TEST_F(ServiceObjectsTest, Lifetimes) {
  const std::uint64_t named = client_.create("n").object();
  const std::uint64_t session = client_.create("s", 4096, Lifetime::SESSION).object();
  const std::uint64_t held = client_.create("h", 4096, Lifetime::SESSION).object();
  const std::uint64_t referenced = client_.create("r", 4096, Lifetime::REFERENCED).object();
  ASSERT_TRUE(other_.open("h").ok());
  ASSERT_TRUE(other_.open("r").ok());
  client_.release(session);
  EXPECT_TRUE(exists(session));
  client_.die();
  EXPECT_TRUE(exists(named));
  EXPECT_FALSE(exists(session));
  EXPECT_TRUE(exists(held));
  EXPECT_EQ(other_.open("h").code(), StatusCode::kNotFound);
  EXPECT_TRUE(exists(referenced));
  other_.release(referenced, 1);  // holds one: nothing happens
  EXPECT_TRUE(exists(referenced));
  other_.release(referenced);
  EXPECT_FALSE(exists(referenced));
  other_.release(held);
  EXPECT_FALSE(exists(held));
  EXPECT_TRUE(other_.open("n").ok());
}

TEST_F(ServiceObjectsTest, GoodbyeUnlinksWhatTheSessionWasToOwn) {
  const std::uint64_t session = client_.create("s", 4096, Lifetime::SESSION).object();
  EXPECT_TRUE(client_.call([](Request r) { r.setGoodbye(); }).ok());
  EXPECT_EQ(client_.open("s").code(), StatusCode::kNotFound);
  EXPECT_TRUE(exists(session));
  EXPECT_TRUE(client_.create("s", 4096, Lifetime::SESSION).ok());
}

// An heir must not name what would then belong to whoever gets the creator's slot next.
TEST_F(ServiceObjectsTest, NothingIsNamedForAnotherSession) {
  const std::uint64_t object = client_.create("").object();
  const std::uint64_t short_lived = client_.create("", 4096, Lifetime::SESSION).object();
  for (const std::uint64_t id : {object, short_lived}) {
    ASSERT_TRUE(other_.open_token(client_.share(id).token()).ok());
    const Reply refused = other_.link(id, "s");
    EXPECT_EQ(refused.code(), StatusCode::kPermissionDenied);
    EXPECT_THAT(refused.message(), HasSubstr("only the session that created the object"));
  }
  client_.die();
  TestClient next(world_);  // in the slot of the creator
  ASSERT_TRUE(next.hello().ok());
  ASSERT_TRUE(next.open_token(other_.share(short_lived).token()).ok());
  EXPECT_EQ(next.link(short_lived, "s").code(), StatusCode::kPermissionDenied);
  EXPECT_EQ(other_.link(short_lived, "s").code(), StatusCode::kPermissionDenied);
  next.die();
  EXPECT_TRUE(exists(short_lived));
}

TEST_F(ServiceObjectsTest, UnlinkById) {
  const std::uint64_t object = client_.create("a").object();
  const auto by_id = [=](Request r) { r.initUnlink().setObject(object); };
  EXPECT_EQ(other_.call(by_id).code(), StatusCode::kNotFound);  // does not hold it
  EXPECT_TRUE(client_.call(by_id).ok());
  const Reply again = client_.call(by_id);
  EXPECT_EQ(again.code(), StatusCode::kNotFound);
  EXPECT_THAT(again.message(), HasSubstr("has no name"));
}

// ---- tokens ----

TEST_F(ServiceObjectsTest, ATokenHoldsOneReferenceUntilItIsTaken) {
  const std::uint64_t object = client_.create("").object();
  const std::string token = client_.share(object).token();
  client_.die();
  EXPECT_TRUE(exists(object));
  ASSERT_TRUE(other_.open_token(token).ok());
  const Reply again = other_.open_token(token);
  EXPECT_EQ(again.code(), StatusCode::kNotFound);
  EXPECT_THAT(again.message(), HasSubstr("no such token"));
  other_.release(object);
  EXPECT_FALSE(exists(object));
}

TEST_F(ServiceObjectsTest, ATokenThatExpiredIsGoneWithItsReference) {
  const std::uint64_t object = client_.create("").object();
  const std::string token = client_.share(object, 1e-9).token();
  client_.release(object);
  EXPECT_EQ(other_.open_token(token).code(), StatusCode::kNotFound);
  EXPECT_FALSE(exists(object));
}

TEST_F(ServiceObjectsTest, ValidityMustBeSensible) {
  const std::uint64_t object = client_.create("").object();
  for (const double seconds :
       {0.0, -1.0, -0.0, 86'400.5, 1e300, std::numeric_limits<double>::infinity(),
        -std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()}) {
    EXPECT_EQ(client_.share(object, seconds).code(), StatusCode::kInvalidArgument) << seconds;
  }
  EXPECT_TRUE(client_.share(object, 86'400).ok());
}

TEST_F(ServiceObjectsTest, ATokenIsOfItsArena) {
  ASSERT_TRUE(client_.call([](Request r) { r.initArenaCreate().setName("x"); }).ok());
  TestClient elsewhere(world_);
  ASSERT_TRUE(elsewhere.hello("x").ok());
  const std::string token = client_.share(client_.create("").object()).token();
  EXPECT_EQ(elsewhere.open_token(token).code(), StatusCode::kNotFound);
  EXPECT_TRUE(other_.open_token(token).ok());
}

// ---- sealing ----

TEST_F(ServiceObjectsTest, Seal) {
  const auto sealable = [](wire::Create::Builder create) { create.setSealable(true); };
  const std::uint64_t object = create(client_, sealable).object();
  ASSERT_TRUE(other_.open("a").ok());
  const Reply writer = client_.seal(object);
  EXPECT_EQ(writer.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(writer.message(), HasSubstr(protocol::text("by pid ", ::getpid())));
  other_.release(object);
  ASSERT_TRUE(other_.open("a", Access::READ_ONLY).ok());
  ASSERT_TRUE(client_.seal(object).ok());
  EXPECT_TRUE(client_.seal(object).ok());
  EXPECT_TRUE(other_.seal(object).ok());  // it is already
  EXPECT_EQ(other_.open("a").code(), StatusCode::kFailedPrecondition);
  EXPECT_TRUE(other_.open("a", Access::READ_ONLY).ok());
  const std::uint64_t plain = client_.create("b").object();
  const Reply refused = client_.seal(plain);
  EXPECT_EQ(refused.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(refused.message(), HasSubstr("not created sealable"));
}

}  // namespace
}  // namespace shoal::daemon
