// poll_fd() of many watchers, over deaths, forks and the manager's end. How each kind tells of a
// change is tested in poll_fd_test.cc.
#include <set>
#include <string>
#include <vector>

#include "tests/e2e/poll_fd.h"
#include "tests/e2e/sync.h"

namespace shoal::e2e {
namespace {

class PollFdOf : public Sync {};

TEST_F(PollFdOf, EveryWatcherIsTold) {
  const Event event = made<Event>("it");
  std::vector<Child> watchers;
  for (int i = 0; i < 3; ++i) {
    watchers.emplace_back([&](Channel& parent) {
      const Event mine = opened<Event>("it");
      const Epoll epoll;
      const int fd = *mine.poll_fd();
      epoll.add(fd);
      (void)mine.wait(kNow);
      parent.say("ready");
      return std::string(epoll.becomes_readable(fd) ? "readable" : "not");
    });
    EXPECT_EQ(watchers.back().hear(), "ready");
  }
  must(event.set());
  for (Child& watcher : watchers) EXPECT_EQ(watcher.result(), "readable");
}

TEST_F(PollFdOf, OneOfManyIsTold) {
  std::vector<Event> events;
  std::vector<int> fds;
  const Epoll epoll;
  for (int i = 0; i < 10; ++i) {
    events.push_back(made<Event>("event" + std::to_string(i)));
    fds.push_back(*events.back().poll_fd());
    epoll.add(fds.back());
    EXPECT_EQ(code(events.back().wait(kNow)), "DEADLINE_EXCEEDED");
  }
  EXPECT_EQ(std::set<int>(fds.begin(), fds.end()).size(), fds.size());
  must(opened<Event>("event7").set());
  EXPECT_TRUE(epoll.becomes_readable(fds[7]));
}

TEST_F(PollFdOf, ADeathThatFreesALockIsTold) {
  const Lock lock = made<Lock>("it");
  Child holding = holder<Lock>("it", [](Lock& mine) { return code(mine.acquire(kNow)); });
  const Epoll epoll;
  const int fd = *lock.poll_fd();
  epoll.add(fd);
  ASSERT_TRUE(wait_until([&] {
    EXPECT_EQ(code(lock.acquire(kNow)), "DEADLINE_EXCEEDED");
    return epoll.wait(0).empty();
  }));
  holding.kill();
  // Readable without cause is allowed, so: until the try succeeds.
  ASSERT_TRUE(wait_until([&] {
    EXPECT_TRUE(epoll.becomes_readable(fd));
    return lock.acquire(kNow).ok();
  }));
  EXPECT_TRUE(*lock.abandoned());
}

// Who changes the object and is dead before it can tell: here, one that has nothing to tell with.
TEST_F(PollFdOf, AWakerKilledBetweenTheChangeAndThePoke) {
  const Event event = made<Event>("it");
  const Epoll epoll;
  const int fd = *event.poll_fd();
  epoll.add(fd);
  for (const bool dies : {true, false}) {
    ASSERT_TRUE(wait_until([&] {
      EXPECT_EQ(code(event.wait(kNow)), "DEADLINE_EXCEEDED");
      return epoll.wait(0).empty();
    }));
    Child waker([&](Channel& parent) {
      const Event mine = opened<Event>("it");
      (void)mine.wait(kNow);  // it has called before
      const int keep = parent.fd();
      for (int i = 3; i < 1024; ++i) {
        if (i != keep) ::close(i);
      }
      const std::string got = code(mine.set());
      if (dies) ::raise(SIGKILL);
      parent.say(got);
      (void)parent.hear();
      return std::string();
    });
    if (dies) {
      waker.wait();
    } else {
      EXPECT_EQ(waker.hear(), "OK");
    }
    EXPECT_TRUE(event.is_set());
    EXPECT_TRUE(epoll.becomes_readable(fd));
    must(event.clear());
  }
}

TEST_F(PollFdOf, NoReleaseIsLostWhereverItsProcessDies) {
  const Lock lock = made<Lock>("it");
  const Epoll epoll;
  const int fd = *lock.poll_fd();
  epoll.add(fd);
  for (int i = 0; i < 100; ++i) {
    Child busy([&](Channel& parent) -> std::string {
      const Lock mine = opened<Lock>("it");
      must(mine.acquire(kLong));
      parent.say("holding");
      must(mine.release());
      for (;;) const std::scoped_lock guard(mine);
    });
    EXPECT_EQ(busy.hear(), "holding");
    for (volatile int spin = 0; spin < i * 200;) spin = spin + 1;
    busy.kill();
    ASSERT_TRUE(wait_until([&] {
      if (lock.acquire(kNow).ok()) return true;
      EXPECT_TRUE(epoll.becomes_readable(fd));
      return false;
    }));
    must(lock.release());
  }
}

TEST_F(PollFdOf, AForkedChildGetsItsOwn) {
  const Event event = made<Event>("it");
  const int fd = *event.poll_fd();
  EXPECT_EQ(code(event.wait(kNow)), "DEADLINE_EXCEEDED");
  Child child([&](Channel& parent) {
    const Epoll epoll;
    const int mine = *event.poll_fd();
    epoll.add(mine);
    (void)event.wait(kNow);
    parent.say(mine == fd ? "shared" : "own");
    return std::string(epoll.becomes_readable(mine) ? code(event.wait(kNow)) : "never");
  });
  EXPECT_EQ(child.hear(), "own");
  must(event.set());
  EXPECT_EQ(child.result(), "OK");
}

TEST_F(PollFdOf, ShutdownMakesItReadable) {
  const Event event = made<Event>("it");
  const Epoll epoll;
  const int fd = *event.poll_fd();
  epoll.add(fd);
  EXPECT_EQ(code(event.wait(kNow)), "DEADLINE_EXCEEDED");
  manager_.stop(SIGTERM);
  EXPECT_TRUE(epoll.becomes_readable(fd));
  EXPECT_EQ(code(event.wait(kNow)), "UNAVAILABLE");
}

TEST_F(PollFdOf, AClosedProxyHasNone) {
  Event event = made<Event>("it");
  must(event.close());
  EXPECT_EQ(code(event.poll_fd()), "FAILED_PRECONDITION");
}

}  // namespace
}  // namespace shoal::e2e
