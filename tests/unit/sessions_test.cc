// A session from hello to its end: who may resume it, when its references go, when its slot is
// free.
#include "daemon/sessions.h"

#include <sys/mman.h>
#include <unistd.h>

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "memory/session_page.h"
#include "tests/harness/invariants.h"
#include "tests/harness/world.h"

namespace shoal::daemon {
namespace {

using test::Invariants;
using test::TestClient;
using test::World;
using ::testing::HasSubstr;

class SessionsTest : public ::testing::Test {
 protected:
  bool in_use(Index slot) const { return world_.state.catalog.sessions.in_use(slot); }
  bool exists(std::string_view name) {
    return world_.state.objects.find(world_.state.arenas.find(kDefaultArena), name) != 0;
  }

  World world_;
  Sessions& sessions_ = world_.state.sessions;
};

TEST_F(SessionsTest, ThePageSaysWhoseItIs) {
  TestClient client(world_);
  const test::Reply reply = client.hello();
  ASSERT_TRUE(reply.ok()) << reply.message();
  memory::SessionPage page{};
  ASSERT_EQ(::pread(reply.descriptor(1), &page, sizeof page, 0), static_cast<ssize_t>(sizeof page));
  EXPECT_EQ(page.magic, memory::kSessionPageMagic);
  EXPECT_EQ(page.slot, client.slot());
  EXPECT_EQ(page.session, client.secret().session);
  EXPECT_EQ(reply.get().getHello().getSlot(), client.slot());
}

TEST_F(SessionsTest, DeathAndHangUpTogetherEndIt) {
  TestClient client(world_);
  ASSERT_TRUE(client.hello().ok());
  ASSERT_TRUE(client.create("named").ok());
  ASSERT_TRUE(client.create("").ok());
  const Index slot = client.slot();
  client.die();
  EXPECT_FALSE(in_use(slot));
  EXPECT_TRUE(exists("named"));
  EXPECT_EQ(world_.state.objects.count(), 1U);
  EXPECT_EQ(world_.state.catalog.attachments.used(), 0U);
  EXPECT_EQ(Invariants::broken(world_.state), "");
}

TEST_F(SessionsTest, AForkedChildKeepsTheReferences) {
  TestClient client(world_);
  ASSERT_TRUE(client.hello().ok());
  ASSERT_TRUE(client.create("").ok());
  ASSERT_TRUE(client.create("session", 4096, wire::Lifetime::SESSION).ok());
  const Index slot = client.slot();
  client.die(/*forked=*/true);
  EXPECT_TRUE(in_use(slot));
  EXPECT_EQ(sessions_.state_name(slot), "dying");
  EXPECT_FALSE(exists("session"));  // names go at once, references with the life pipe
  EXPECT_EQ(world_.state.ledger.of_session(slot).references, 2U);
  // Nothing can be made in the name of the dead.
  const test::Reply late = client.create("late", 4096, wire::Lifetime::SESSION);
  EXPECT_EQ(late.code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(late.hang_up());
  EXPECT_FALSE(exists("late"));
  client.end_life();
  EXPECT_FALSE(in_use(slot));
  EXPECT_EQ(world_.state.objects.count(), 0U);
}

TEST_F(SessionsTest, ALostConnectionEndsNothing) {
  TestClient client(world_);
  ASSERT_TRUE(client.hello().ok());
  const Index slot = client.slot();
  ASSERT_TRUE(client.create("").ok());
  client.lose_connection();
  EXPECT_TRUE(in_use(slot));
  EXPECT_EQ(sessions_.state_name(slot), "live");
  EXPECT_EQ(world_.state.ledger.of_session(slot).references, 1U);
}

// Exec, or a clean end: descriptors closed and the page unmapped, though the process lives.
TEST_F(SessionsTest, SocketPipeAndPageGoneEndIt) {
  TestClient client(world_);
  ASSERT_TRUE(client.hello().ok());
  const Index slot = client.slot();
  ASSERT_TRUE(client.create("").ok());
  client.end_life();
  EXPECT_TRUE(in_use(slot));  // the control socket is still there
  client.lose_connection();
  EXPECT_FALSE(in_use(slot));
  EXPECT_EQ(world_.state.objects.count(), 0U);
}

// Its process lives and may try: but its objects are on the list of what is being recovered.
TEST_F(SessionsTest, WhatIsBeingRecoveredCannotBeResumed) {
  TestClient client(world_);
  ASSERT_TRUE(client.hello().ok());
  ASSERT_TRUE(client.create("").ok());
  const Sessions::Secret secret = client.secret();
  const Index slot = client.slot();
  sessions_.life_hung_up(slot);
  sessions_.control_lost(slot);
  ASSERT_EQ(sessions_.next(slot), Sessions::Step::kRecover);
  EXPECT_EQ(sessions_.resume(secret, client.connection().who).status().code(),
            absl::StatusCode::kNotFound);
  while (sessions_.recover_some(slot)) {
  }
  test::advance(world_.state, slot);
  EXPECT_FALSE(in_use(slot));
  EXPECT_EQ(Invariants::leftovers(world_.state), "");
}

TEST_F(SessionsTest, WhoStillMapsItsPageIsQuarantined) {
  for (const bool dies : {true, false}) {
    TestClient client(world_);
    void* page = nullptr;
    {
      const test::Reply reply = client.hello();
      ASSERT_TRUE(reply.ok());
      page =
          ::mmap(nullptr, memory::kSessionPageBytes, PROT_READ, MAP_SHARED, reply.descriptor(1), 0);
      ASSERT_NE(page, MAP_FAILED);
    }
    const Index slot = client.slot();
    ASSERT_TRUE(client.create("").ok());
    sessions_.life_hung_up(slot);
    EXPECT_EQ(sessions_.next(slot), Sessions::Step::kNone);
    sessions_.control_lost(slot);
    EXPECT_EQ(sessions_.next(slot), Sessions::Step::kQuarantine);
    EXPECT_EQ(sessions_.next(slot), Sessions::Step::kNone);
    EXPECT_FALSE(sessions_.leave_quarantine(slot));
    EXPECT_TRUE(in_use(slot));
    EXPECT_EQ(sessions_.state_name(slot), "quarantined");
    EXPECT_EQ(world_.state.objects.count(), 1U);
    if (dies) {
      sessions_.died(slot);
    } else {
      ::munmap(page, memory::kSessionPageBytes);
      EXPECT_TRUE(sessions_.leave_quarantine(slot));
    }
    test::advance(world_.state, slot);
    EXPECT_FALSE(in_use(slot));
    EXPECT_EQ(world_.state.objects.count(), 0U);
    if (dies) {
      ::munmap(page, memory::kSessionPageBytes);
    }
  }
}

TEST_F(SessionsTest, ALongListIsDroppedInTurns) {
  TestClient client(world_);
  ASSERT_TRUE(client.hello().ok());
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(client
                    .call([](wire::Request::Builder request) {
                      TestClient::fill_create(request.initCreate(), "");
                      request.getCreate().setSparse(true);
                    })
                    .ok());
  }
  const Index slot = client.slot();
  sessions_.died(slot);
  sessions_.life_hung_up(slot);
  int turns = 2;
  ASSERT_EQ(sessions_.next(slot), Sessions::Step::kRecover);
  for (; sessions_.recover_some(slot); ++turns) {
    EXPECT_EQ(sessions_.next(slot), Sessions::Step::kNone);  // one step at a time
  }
  ASSERT_EQ(sessions_.next(slot), Sessions::Step::kDrain);
  for (; sessions_.drain_some(slot); ++turns) {
    EXPECT_TRUE(in_use(slot));
    EXPECT_EQ(sessions_.state_name(slot), "recovering");
    EXPECT_EQ(sessions_.next(slot), Sessions::Step::kNone);
    EXPECT_EQ(Invariants::broken(world_.state), "");
  }
  EXPECT_GT(turns, 4);
  EXPECT_EQ(Invariants::leftovers(world_.state), "");
}

// One object may cost as much as a thousand others, so a turn ends by the clock, too.
TEST_F(SessionsTest, WhatTakesLongIsRecoveredAndDroppedOneByOne) {
  TestClient client(world_);
  ASSERT_TRUE(client.hello().ok());
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(client.create_in_arena("", wire::Kind::CONDITION, 4096).ok());
  }
  const Index slot = client.slot();
  sessions_.died(slot);
  sessions_.life_hung_up(slot);
  const Turn over(100, 0);
  int turns = 1;
  ASSERT_EQ(sessions_.next(slot), Sessions::Step::kRecover);
  while (sessions_.recover_some(slot, over)) ++turns;
  EXPECT_EQ(turns, 5);
  ASSERT_EQ(sessions_.next(slot), Sessions::Step::kDrain);
  EXPECT_TRUE(sessions_.drain_some(slot, over));
  EXPECT_EQ(world_.state.objects.count(), 4U);
  while (sessions_.drain_some(slot, over)) {
  }
  EXPECT_EQ(Invariants::leftovers(world_.state), "");
}

TEST_F(SessionsTest, ASlotIsUsedAgainUnderAnotherId) {
  TestClient first(world_);
  ASSERT_TRUE(first.hello().ok());
  const Sessions::Secret old = first.secret();
  const Index slot = first.slot();
  first.die();
  TestClient second(world_);
  ASSERT_TRUE(second.hello().ok());
  EXPECT_EQ(second.slot(), slot);
  EXPECT_NE(second.secret().session, old.session);
  EXPECT_EQ(sessions_.find(old), 0U);
  // The first one's connection is none of the second's.
  EXPECT_EQ(first.create("a").code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(world_.state.ledger.of_session(slot).references, 0U);
}

TEST_F(SessionsTest, OnlyTheWholeSecretNamesASession) {
  TestClient client(world_);
  ASSERT_TRUE(client.hello().ok());
  const Sessions::Secret secret = client.secret();
  EXPECT_EQ(sessions_.find(secret), client.slot());
  for (int bit = 0; bit < 64; ++bit) {
    const std::uint64_t flip = std::uint64_t{1} << bit;
    for (Sessions::Secret wrong : {secret, secret, secret}) {
      wrong.words[bit % 2] ^= flip;
      EXPECT_EQ(sessions_.find(wrong), 0U);
    }
    Sessions::Secret wrong = secret;
    wrong.session ^= flip;
    EXPECT_EQ(sessions_.find(wrong), 0U);
  }
}

TEST_F(SessionsTest, OnlyTheSameLivingProcessResumes) {
  TestClient client(world_);
  ASSERT_TRUE(client.hello().ok());
  const Sessions::Secret secret = client.secret();
  Identity who = client.connection().who;
  EXPECT_TRUE(sessions_.resume(secret, who).ok());
  who.pid += 1;
  EXPECT_EQ(sessions_.resume(secret, who).status().code(), absl::StatusCode::kNotFound);
  who = client.connection().who;
  who.uid += 1;
  EXPECT_EQ(sessions_.resume(secret, who).status().code(), absl::StatusCode::kNotFound);
  client.die(/*forked=*/true);
  EXPECT_EQ(sessions_.resume(secret, client.connection().who).status().code(),
            absl::StatusCode::kNotFound);
  client.end_life();
}

TEST_F(SessionsTest, TheLimitIsNamedAndOneUidHasAShareOfIt) {
  World small({.mode = 0666, .descriptors = {.segments = 8, .sessions = 8, .ungreeted = 4}});
  std::vector<std::unique_ptr<TestClient>> clients;
  const auto connect = [&](const Identity& who) {
    clients.push_back(std::make_unique<TestClient>(small, who));
    return clients.back()->hello();
  };
  EXPECT_TRUE(connect(test::stranger()).ok());
  EXPECT_TRUE(connect(test::stranger()).ok());
  const test::Reply share = connect(test::stranger());
  EXPECT_EQ(share.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(share.message(), HasSubstr("2 of uid 4711; the limit \"sessions\" is 8, and 2 for"));
  EXPECT_FALSE(share.opened_session());
  for (int i = 0; i < 6; ++i) EXPECT_TRUE(connect(test::myself()).ok());
  EXPECT_EQ(connect(test::myself()).code(), absl::StatusCode::kResourceExhausted);
  clients.front()->die();
  EXPECT_TRUE(connect(test::myself()).ok());
}

TEST_F(SessionsTest, DescriptorsGoWithTheSession) {
  {
    TestClient warm_up(world_);
    ASSERT_TRUE(warm_up.hello().ok());
    warm_up.die();
  }
  TestClient client(world_);
  const std::size_t before = test::open_descriptors();
  ASSERT_TRUE(client.hello().ok());
  EXPECT_GT(test::open_descriptors(), before);
  client.die();
  EXPECT_EQ(test::open_descriptors(), before);
}

TEST(DescriptorBudget, SharesOutWhatThereIs) {
  const DescriptorBudget usual = DescriptorBudget::of(1024, 1000);
  EXPECT_EQ(usual.segments, 480U);
  EXPECT_EQ(usual.sessions, 90U);
  EXPECT_EQ(usual.ungreeted, 60U);
  EXPECT_EQ(usual.watches, 60U);
  EXPECT_LE(usual.segments + 4 * usual.sessions + usual.ungreeted + usual.watches, 1024U);
  EXPECT_EQ(DescriptorBudget::of(1 << 20, 10).sessions, 10U);
  const DescriptorBudget huge = DescriptorBudget::of(~std::uint64_t{0} / 8, 0xffffffff);
  EXPECT_EQ(huge.segments, protocol::kSegmentsMax);
  EXPECT_EQ(huge.sessions, protocol::kSessionsMax);
  EXPECT_EQ(huge.ungreeted, protocol::kUngreetedMax);
  EXPECT_EQ(huge.watches, protocol::kWatchesMax);
  EXPECT_GT(DescriptorBudget::of(0, 10).segments, 0U);
}

}  // namespace
}  // namespace shoal::daemon
