// A request repeated after a lost connection is done once, and answered as the first time.
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
using ::testing::HasSubstr;

class RepetitionTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(client_.hello().ok()); }
  void TearDown() override { EXPECT_EQ(Invariants::broken(world_.state), ""); }

  std::uint64_t references(std::uint64_t object) {
    return world_.state.ledger.of_object(world_.state.objects.get(object)).references;
  }
  // The socket is lost and the session goes on, over a new one.
  void reconnect(TestClient& client) {
    const Sessions::Secret secret = client.secret();
    client.lose_connection();
    const Reply reply = client.hello("default", secret);
    ASSERT_TRUE(reply.ok()) << reply.message();
    EXPECT_FALSE(reply.opened_session());
    EXPECT_EQ(reply.descriptor(0), -1);
  }

  World world_;
  TestClient client_{world_};
};

TEST_F(RepetitionTest, ARepeatedCreateIsDoneOnce) {
  const Reply first = client_.create("a");
  reconnect(client_);
  client_.set_last_id(client_.last_id() - 1);
  const Reply second = client_.create("a");
  ASSERT_TRUE(second.ok()) << second.message();
  EXPECT_EQ(second.object(), first.object());
  EXPECT_TRUE(second.get().getAttached().getCreated());
  EXPECT_GE(second.descriptor(0), 0);
  EXPECT_EQ(references(first.object()), 1U);
  EXPECT_EQ(client_.create("a").code(), StatusCode::kAlreadyExists);  // a new request
}

TEST_F(RepetitionTest, ARepeatedOpenCountsOneReference) {
  const std::uint64_t object = client_.create("a").object();
  ASSERT_TRUE(client_.open("a", wire::Access::READ_ONLY).ok());
  for (int i = 0; i < 3; ++i) {
    reconnect(client_);
    client_.set_last_id(client_.last_id() - 1);
    const Reply again = client_.open("a", wire::Access::READ_ONLY);
    EXPECT_EQ(again.object(), object);
    EXPECT_EQ(again.get().getAttached().getAccess(), wire::Access::READ_ONLY);
    EXPECT_FALSE(again.get().getAttached().getCreated());
    EXPECT_EQ(references(object), 2U);
  }
}

TEST_F(RepetitionTest, ARepeatedShareGivesTheSameToken) {
  const std::uint64_t object = client_.create("").object();
  const std::string token = client_.share(object).token();
  reconnect(client_);
  client_.set_last_id(client_.last_id() - 1);
  EXPECT_EQ(client_.share(object).token(), token);
  EXPECT_EQ(world_.state.catalog.tokens.used(), 1U);
}

TEST_F(RepetitionTest, ARepeatedOpenOfATokenDoesNotNeedIt) {
  const std::uint64_t object = client_.create("").object();
  const std::string token = client_.share(object).token();
  ASSERT_TRUE(client_.open_token(token).ok());
  reconnect(client_);
  client_.set_last_id(client_.last_id() - 1);
  EXPECT_EQ(client_.open_token(token).object(), object);
  EXPECT_EQ(references(object), 2U);
  EXPECT_EQ(client_.open_token(token).code(), StatusCode::kNotFound);
}

TEST_F(RepetitionTest, ARepeatedUnlinkIsDone) {
  client_.create("a");
  ASSERT_TRUE(client_.unlink("a").ok());
  reconnect(client_);
  client_.set_last_id(client_.last_id() - 1);
  EXPECT_TRUE(client_.unlink("a").get().isDone());
  EXPECT_EQ(client_.unlink("a").code(), StatusCode::kNotFound);
}

TEST_F(RepetitionTest, ARepeatedRefusalIsRefusedEvenIfItWouldWorkNow) {
  client_.create("a");
  ASSERT_EQ(client_.create("a").code(), StatusCode::kAlreadyExists);
  reconnect(client_);
  TestClient other(world_);
  ASSERT_TRUE(other.hello().ok());
  ASSERT_TRUE(other.unlink("a").ok());
  client_.set_last_id(client_.last_id() - 1);
  const Reply again = client_.create("a");
  EXPECT_EQ(again.code(), StatusCode::kAlreadyExists);
  EXPECT_FALSE(again.hang_up());
  EXPECT_TRUE(client_.create("a").ok());
}

TEST_F(RepetitionTest, RequestsThatChangeNothingAreNotRemembered) {
  const std::uint64_t object = client_.create("a").object();
  const std::uint64_t id = client_.last_id();
  EXPECT_TRUE(client_.stat("a").get().isHolders());
  reconnect(client_);
  client_.set_last_id(id - 1);
  EXPECT_EQ(client_.create("a").object(), object);
}

TEST_F(RepetitionTest, IdsMustGrow) {
  client_.create("a");
  client_.create("b");
  client_.set_last_id(0);
  const Reply old = client_.create("c");
  EXPECT_EQ(old.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(old.message(), HasSubstr("must grow"));
  EXPECT_TRUE(old.hang_up());
  EXPECT_EQ(world_.state.objects.count(), 2U);
}

TEST_F(RepetitionTest, AChangeNeedsAnId) {
  const Reply without = client_.send(
      0, [](wire::Request::Builder r) { TestClient::fill_create(r.initCreate(), "a"); });
  EXPECT_EQ(without.code(), StatusCode::kInvalidArgument);
  EXPECT_TRUE(without.hang_up());
  EXPECT_EQ(world_.state.objects.count(), 0U);
}

TEST_F(RepetitionTest, ResumingNeedsTheSecretAndTheSameProcess) {
  const Sessions::Secret secret = client_.secret();
  Sessions::Secret wrong = secret;
  wrong.words[1] ^= 1;
  TestClient guesser(world_);
  EXPECT_EQ(guesser.hello("default", wrong).code(), StatusCode::kNotFound);
  Identity child = test::myself();
  child.pid += 1;
  TestClient forked(world_, child);
  EXPECT_EQ(forked.hello("default", secret).code(), StatusCode::kNotFound);
  EXPECT_TRUE(guesser.hello("default", secret).ok());
}

}  // namespace
}  // namespace shoal::daemon
