// poll_fd's other end: who is told of a change, how often, and what a hostile holder can do.
#include "daemon/watches.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <limits>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "memory/event.h"
#include "memory/lock.h"
#include "memory/wait.h"
#include "tests/harness/invariants.h"
#include "tests/harness/world.h"

namespace shoal::daemon {
namespace {

using absl::StatusCode;
using test::Invariants;
using test::Reply;
using test::TestClient;
using test::World;
using testing::HasSubstr;
using wire::Access;
using wire::Kind;

bool readable(int fd) {
  pollfd one{.fd = fd, .events = POLLIN, .revents = 0};
  return ::poll(&one, 1, 0) == 1 && (one.revents & POLLIN) != 0;
}

void drain(int fd) {
  std::uint64_t count = 0;
  (void)!::read(fd, &count, sizeof count);
}

class WatchesTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(waiter_.hello().ok());
    ASSERT_TRUE(waker_.hello().ok());
    object_ = waker_.create_in_arena("e", Kind::EVENT).object();
    ASSERT_TRUE(waiter_.open("e").ok());
  }
  void TearDown() override { EXPECT_EQ(Invariants::broken(world_.state), ""); }

  memory::ObjectView view() { return world_.state.objects.view(index_of(object_)); }
  // As a client does: sets the event, and pokes if somebody watches.
  void set(bool poke = true) {
    struct Context {
      TestClient& client;
      bool poke;
    } context{waker_, poke};
    memory::Caller caller{.owner = memory::owner_of(static_cast<std::uint16_t>(waker_.slot()), 1)};
    caller.context = &context;
    caller.poke = [](void* at, std::uint64_t object) {
      auto& to = *static_cast<Context*>(at);
      if (to.poke) (void)to.client.poke(object);
    };
    (void)memory::set_event(view(), caller);
  }

  World world_;
  TestClient waiter_{world_};
  TestClient waker_{world_};
  std::uint64_t object_ = 0;
};

TEST_F(WatchesTest, AChangeIsToldOnceArmed) {
  const Reply watched = waiter_.watch(object_);
  ASSERT_TRUE(watched.ok()) << watched.message();
  const int fd = watched.descriptor(0);
  EXPECT_NE(::fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
  EXPECT_FALSE(readable(fd));
  // A poke is told whether or not the object is armed: another may have armed it meanwhile.
  EXPECT_FALSE(waker_.poke(object_).has_reply());
  EXPECT_TRUE(readable(fd));
  drain(fd);
  set();
  EXPECT_TRUE(readable(fd));
  drain(fd);
  EXPECT_FALSE(readable(fd));
  EXPECT_TRUE(memory::arm_watch(view()));
  (void)memory::clear_event(view());
  set();
  EXPECT_TRUE(readable(fd));
}

TEST_F(WatchesTest, AWakerThatDoesNotPokeIsFoundOut) {
  const Reply watched = waiter_.watch(object_);
  set(/*poke=*/false);
  EXPECT_FALSE(readable(watched.descriptor(0)));
  EXPECT_FALSE(world_.state.watches.check_some());
  EXPECT_TRUE(readable(watched.descriptor(0)));
}

// The other one arms the object again before anybody has looked at the bit.
TEST_F(WatchesTest, AWakerThatDoesNotPokeIsFoundOutByAllWhoWatch) {
  TestClient other(world_);
  ASSERT_TRUE(other.hello().ok());
  ASSERT_TRUE(other.open("e", Access::READ_ONLY).ok());
  const Reply mine = waiter_.watch(object_);
  const Reply theirs = other.watch(object_);
  set(/*poke=*/false);
  ASSERT_TRUE(memory::arm_watch(view()));
  EXPECT_FALSE(world_.state.watches.check_some());
  EXPECT_TRUE(readable(mine.descriptor(0)));
  EXPECT_TRUE(readable(theirs.descriptor(0)));
  drain(mine.descriptor(0));
  EXPECT_FALSE(world_.state.watches.check_some());
  EXPECT_FALSE(readable(mine.descriptor(0)));
}

TEST_F(WatchesTest, AWatchThatBeginsHidesNoChange) {
  const Reply mine = waiter_.watch(object_);
  set(/*poke=*/false);
  TestClient other(world_);
  ASSERT_TRUE(other.hello().ok());
  ASSERT_TRUE(other.open("e", Access::READ_ONLY).ok());
  ASSERT_TRUE(other.watch(object_).ok());
  EXPECT_TRUE(readable(mine.descriptor(0)));
}

TEST_F(WatchesTest, ALockThatWasTakenAnewIsToldToAllWhoWatch) {
  const std::uint64_t lock = waker_.create_in_arena("l", Kind::LOCK).object();
  TestClient other(world_);
  ASSERT_TRUE(other.hello().ok() && other.open("l").ok() && waiter_.open("l").ok());
  const memory::ObjectView view = world_.state.objects.view(index_of(lock));
  memory::Caller caller{.owner = memory::owner_of(static_cast<std::uint16_t>(waker_.slot()), 1)};
  memory::Acquisition acquired;
  ASSERT_EQ(memory::acquire(view, caller, 0, &acquired), memory::Result::kDone);
  const Reply mine = waiter_.watch(lock);
  ASSERT_TRUE(other.watch(lock).ok());
  ASSERT_EQ(memory::release(view, caller), memory::Result::kDone);
  // Another is faster; the second watcher finds it held, and waits on.
  ASSERT_EQ(memory::acquire(view, caller, 0, &acquired), memory::Result::kDone);
  ASSERT_TRUE(memory::arm_watch(view));
  EXPECT_FALSE(world_.state.watches.check_some());
  EXPECT_TRUE(readable(mine.descriptor(0)));
}

TEST_F(WatchesTest, TheLockWordIsWatchedToo) {
  const std::uint64_t lock = waker_.create_in_arena("l", Kind::LOCK).object();
  ASSERT_TRUE(waiter_.open("l").ok());
  const memory::ObjectView view = world_.state.objects.view(index_of(lock));
  memory::Caller caller{.owner = memory::owner_of(static_cast<std::uint16_t>(waker_.slot()), 1)};
  memory::Acquisition acquired;
  ASSERT_EQ(memory::acquire(view, caller, 0, &acquired), memory::Result::kDone);
  const Reply watched = waiter_.watch(lock);
  ASSERT_TRUE(watched.ok());
  ASSERT_EQ(memory::release(view, caller), memory::Result::kDone);
  waker_.poke(lock);
  EXPECT_TRUE(readable(watched.descriptor(0)));
}

TEST_F(WatchesTest, EverybodyWhoWatchesIsTold) {
  TestClient other(world_);
  ASSERT_TRUE(other.hello().ok());
  ASSERT_TRUE(other.open("e", Access::READ_ONLY).ok());
  const Reply mine = waiter_.watch(object_);
  const Reply again = waiter_.watch(object_);  // the same one
  const Reply theirs = other.watch(object_);
  EXPECT_EQ(world_.state.watches.count(), 2U);
  set();
  for (const Reply* reply : {&mine, &again, &theirs}) EXPECT_TRUE(readable(reply->descriptor(0)));
  drain(again.descriptor(0));
  EXPECT_FALSE(readable(mine.descriptor(0)));
}

TEST_F(WatchesTest, RecoveryTellsWhoWatches) {
  const std::uint64_t lock = waker_.create_in_arena("l", Kind::LOCK).object();
  ASSERT_TRUE(waiter_.open("l").ok());
  const memory::ObjectView view = world_.state.objects.view(index_of(lock));
  memory::Caller caller{.owner = memory::owner_of(static_cast<std::uint16_t>(waker_.slot()), 1)};
  memory::Acquisition acquired;
  ASSERT_EQ(memory::acquire(view, caller, 0, &acquired), memory::Result::kDone);
  const Reply watched = waiter_.watch(lock);
  waker_.die();
  EXPECT_TRUE(readable(watched.descriptor(0)));
  EXPECT_FALSE(memory::is_held(*view.descriptor));
}

TEST_F(WatchesTest, AWatchEndsWithTheAttachmentOrTheSession) {
  ASSERT_TRUE(waiter_.open("e").ok());
  ASSERT_TRUE(waiter_.watch(object_).ok());
  ASSERT_TRUE(waker_.watch(object_).ok());
  const std::size_t before = test::open_descriptors();
  waiter_.release(object_, 1);
  EXPECT_EQ(world_.state.watches.count(), 2U);
  waiter_.release(object_, 0);
  EXPECT_EQ(world_.state.watches.count(), 1U);
  EXPECT_EQ(test::open_descriptors(), before - 1);
  EXPECT_EQ(waiter_.watch(object_).code(), StatusCode::kNotFound);
  waker_.die();
  EXPECT_TRUE(world_.state.watches.empty());
}

TEST_F(WatchesTest, SegmentsCannotBeWatched) {
  const std::uint64_t memory = waiter_.create("m").object();
  const Reply refused = waiter_.watch(memory);
  EXPECT_EQ(refused.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(refused.message(), HasSubstr("SharedMemory \"m\""));
}

TEST_F(WatchesTest, ASessionAndAUidHaveLimits) {
  World world({.mode = 0666,
               .descriptors = {.segments = 8, .sessions = 16, .ungreeted = 8, .watches = 400}});
  TestClient stranger(world, test::stranger());
  ASSERT_TRUE(stranger.hello().ok());
  int made = 0;
  Reply last = stranger.ping();
  for (; last.ok() && made < 1000; ++made) {
    last = stranger.watch(stranger.create_in_arena("", Kind::EVENT).object());
  }
  EXPECT_EQ(made, 101);  // a quarter of all
  EXPECT_EQ(last.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(last.message(), HasSubstr("the limit \"watches\" is 400, and 100 for this uid"));
  TestClient own(world);
  ASSERT_TRUE(own.hello().ok());
  last = own.ping();
  for (made = 0; last.ok() && made < 1000; ++made) {
    last = own.watch(own.create_in_arena("", Kind::EVENT).object());
  }
  EXPECT_EQ(made, static_cast<int>(protocol::kWatchesPerSessionMax) + 1);
  EXPECT_THAT(last.message(), HasSubstr("limit \"watches per session\""));
  EXPECT_EQ(Invariants::broken(world.state), "");
}

// The manager and the holder share one description: who fills the count and has writes wait for
// room must not make the manager wait.
TEST_F(WatchesTest, AFullCountDoesNotHoldTheManagerUp) {
  const Reply watched = waiter_.watch(object_);
  const int fd = watched.descriptor(0);
  ASSERT_EQ(::fcntl(fd, F_SETFL, 0), 0);
  ASSERT_EQ(::eventfd_write(fd, std::numeric_limits<std::uint64_t>::max() - 1), 0);
  set();
  EXPECT_TRUE(readable(fd));
  EXPECT_TRUE(world_.state.watches.empty());
  // Its session may watch anew.
  const Reply next = waiter_.watch(object_);
  ASSERT_TRUE(next.ok());
  EXPECT_FALSE(readable(next.descriptor(0)));
}

TEST_F(WatchesTest, ManyObjectsAreCheckedInTurns) {
  std::vector<Reply> watched;
  std::vector<std::uint64_t> objects;
  World world({.descriptors = {.segments = 8, .sessions = 16, .ungreeted = 8, .watches = 400}});
  TestClient client(world);
  ASSERT_TRUE(client.hello().ok());
  for (int i = 0; i < 200; ++i) {
    objects.push_back(client.create_in_arena("", Kind::EVENT).object());
    watched.push_back(client.watch(objects.back()));
    ASSERT_TRUE(watched.back().ok());
  }
  memory::Caller caller{.owner = memory::owner_of(1, 1)};
  for (const std::uint64_t object : objects) {
    (void)memory::set_event(world.state.objects.view(index_of(object)), caller);
  }
  int turns = 1;
  while (world.state.watches.check_some()) ++turns;
  EXPECT_GT(turns, 1);
  for (const Reply& reply : watched) EXPECT_TRUE(readable(reply.descriptor(0)));
}

}  // namespace
}  // namespace shoal::daemon
