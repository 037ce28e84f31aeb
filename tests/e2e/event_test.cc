// Event: set, clear, is_set, wait.
#include <string>
#include <vector>

#include "tests/e2e/sync.h"

namespace shoal::e2e {
namespace {

std::string await(Event& event) { return code(event.wait(kLong)); }

class Events : public Sync {
 protected:
  Event event_ = made<Event>("it");
};

TEST_F(Events, IsClearAtFirst) {
  EXPECT_FALSE(event_.is_set());
  EXPECT_EQ(code(event_.wait(kNow)), "DEADLINE_EXCEEDED");
  EXPECT_EQ(code(event_.wait(kShort)), "DEADLINE_EXCEEDED");
  EXPECT_EQ(code(event_.wait(-absl::Seconds(1))), "DEADLINE_EXCEEDED");
}

TEST_F(Events, StaysSetUntilCleared) {
  EXPECT_EQ(code(event_.set()), "OK");
  EXPECT_TRUE(event_.is_set());
  EXPECT_EQ(code(event_.set()), "OK");
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(code(event_.wait(kNow)), "OK");
    EXPECT_EQ(code(event_.wait()), "OK");
    EXPECT_EQ(code(event_.wait(-absl::Seconds(1))), "OK");
  }
  EXPECT_EQ(in_child([&] { return std::string(opened<Event>("it").is_set() ? "set" : "clear"); }),
            "set");
  EXPECT_EQ(code(event_.clear()), "OK");
  EXPECT_FALSE(event_.is_set());
  EXPECT_EQ(code(event_.clear()), "OK");
  EXPECT_EQ(code(event_.wait(kNow)), "DEADLINE_EXCEEDED");
}

TEST_F(Events, WakesEverybodyWhoWaits) {
  std::vector<Child> waiters;
  for (int i = 0; i < 4; ++i) waiters.push_back(sleeper<Event>("it", await));
  Thread here([&] { return code(event_.wait()); });
  EXPECT_TRUE(here.falls_asleep());
  must(event_.set());
  for (Child& waiter : waiters) EXPECT_EQ(waiter.result(), "OK");
  EXPECT_EQ(here.result(), "OK");
}

TEST_F(Events, SetAndClearedAtOnceItLetsTheWaitersGo) {
  std::vector<Child> waiters;
  for (int i = 0; i < 4; ++i) waiters.push_back(sleeper<Event>("it", await));
  for (Child& waiter : waiters) stop(waiter);
  must(event_.set());
  must(event_.clear());
  for (Child& waiter : waiters) resume(waiter);
  for (Child& waiter : waiters) EXPECT_EQ(waiter.result(), "OK");
  EXPECT_FALSE(event_.is_set());
}

TEST_F(Events, ADeadWaiterIsNoObstacle) {
  Child doomed = sleeper<Event>("it", await);
  Child waiter = sleeper<Event>("it", await);
  doomed.kill();
  must(event_.set());
  EXPECT_EQ(waiter.result(), "OK");
}

TEST_F(Events, StaysSetWhenItsSetterDies) {
  holder<Event>("it", [](Event& event) { return code(event.set()); }).kill();
  EXPECT_TRUE(event_.is_set());
}

TEST_F(Events, AReaderMayLookAndWait) {
  Child reader([&](Channel& parent) {
    const Event event = opened<Event>("it", {.access = Access::kReadOnly});
    std::string said = event.is_set() ? "set" : "clear";
    said += " " + code(event.wait(kNow)) + " " + code(event.set()) + " " + code(event.clear());
    parent.say(said);
    return code(event.wait(kLong));
  });
  EXPECT_EQ(reader.hear(), "clear DEADLINE_EXCEEDED PERMISSION_DENIED PERMISSION_DENIED");
  must(event_.set());
  EXPECT_EQ(reader.result(), "OK");
}

TEST_F(Events, AForkedChildUsesItsParents) {
  Child child([&](Channel&) { return code(event_.set()); });
  EXPECT_EQ(code(event_.wait(kLong)), "OK");
  EXPECT_EQ(child.result(), "OK");
}

TEST_F(Events, PingPong) {
  const Event pong = made<Event>("pong");
  Child other([&](Channel&) {
    for (int i = 0; i < 2000; ++i) {
      must(event_.wait(kLong));
      must(event_.clear());
      must(pong.set());
    }
    return std::string("done");
  });
  for (int i = 0; i < 2000; ++i) {
    ASSERT_EQ(code(event_.set()), "OK");
    ASSERT_EQ(code(pong.wait(kLong)), "OK");
    ASSERT_EQ(code(pong.clear()), "OK");
  }
  EXPECT_EQ(other.result(), "done");
}

TEST_F(Events, ClosedItRefuses) {
  Event closed = event_;
  must(closed.close());
  EXPECT_EQ(code(closed.set()), "FAILED_PRECONDITION");
  EXPECT_EQ(code(closed.clear()), "FAILED_PRECONDITION");
  EXPECT_EQ(code(closed.wait(kNow)), "FAILED_PRECONDITION");
  EXPECT_FALSE(closed.is_set());
}

TEST_F(Events, AnAnonymousOneIsHandedOnByToken) {
  const Event nameless = must(client_.create<Event>());
  const Token token = must(client_.share(nameless));
  Child child([&](Channel&) { return code(must(manager_.client().open<Event>(token)).set()); });
  EXPECT_EQ(code(nameless.wait(kLong)), "OK");
  EXPECT_EQ(child.result(), "OK");
}

}  // namespace
}  // namespace shoal::e2e
