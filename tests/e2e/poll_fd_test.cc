// poll_fd(): every kind that can be waited for, waited for with epoll. The descriptor is
// level-triggered: readable from the change on, until a call that would have to wait drains it. It
// may be readable without cause, so "not readable" is always looked for after such a call.

#include "tests/e2e/poll_fd.h"

#include <array>
#include <functional>
#include <string>
#include <vector>

#include "tests/e2e/sync.h"

namespace shoal::e2e {

struct Record {
  std::array<long, 10> numbers = {};
};
SHOAL_TYPE(Record, "shoal.test.record", 1);

namespace {

// A kind, seen from one that watches: how it tries, and what others do.
struct Watched {
  std::function<absl::StatusOr<int>()> poll_fd;
  std::function<std::string()> attempt;  // without waiting: "OK" or "DEADLINE_EXCEEDED"
  std::function<void()> take;            // by another session: so that a try fails
  std::function<void()> change;          // by it: so that a try succeeds
  bool attempt_succeeds = true;          // of a condition a try never does: nothing is kept
};

class PollFd : public Sync {
 protected:
  // The test itself, for any kind.
  static void watch(const Watched& it) {
    const Epoll epoll;
    it.take();
    const absl::StatusOr<int> fd = it.poll_fd();
    ASSERT_TRUE(fd.ok()) << fd.status();
    EXPECT_EQ(*it.poll_fd(), *fd);
    epoll.add(*fd);
    for (int round = 0; round < 20; ++round) {
      // A try that fails leaves it not readable; a wake-up without cause may come in between.
      ASSERT_TRUE(wait_until([&] {
        EXPECT_EQ(it.attempt(), "DEADLINE_EXCEEDED");
        return epoll.wait(0).empty();
      }));
      it.change();
      ASSERT_TRUE(epoll.becomes_readable(*fd)) << round;
      ASSERT_TRUE(epoll.becomes_readable(*fd)) << "edge-triggered";
      if (it.attempt_succeeds) {
        ASSERT_EQ(it.attempt(), "OK");
        it.take();
      }
    }
  }

  template <class T>
  static T other(const Client& client, const std::string& name) {
    return must(client.open<T>(name));
  }

  Client there_ = manager_.client();
};

template <class T>
class PollLock : public PollFd {};
using Locks = testing::Types<Lock, RLock, SharedLock>;
TYPED_TEST_SUITE(PollLock, Locks);

TYPED_TEST(PollLock, IsReleased) {
  const auto mine = this->template made<TypeParam>("it");
  const auto theirs = this->template other<TypeParam>(this->there_, "it");
  bool held = false;
  this->watch({.poll_fd = [&] { return mine.poll_fd(); },
               .attempt =
                   [&] {
                     const std::string got = code(mine.acquire(kNow));
                     if (got == "OK") must(mine.release());
                     return got;
                   },
               .take =
                   [&] {
                     must(theirs.acquire(kLong));
                     held = true;
                   },
               .change = [&] { must(theirs.release()); }});
  EXPECT_TRUE(held);
}

TYPED_TEST(PollLock, TryLockDrainsItToo) {
  const auto mine = this->template made<TypeParam>("it");
  const auto theirs = this->template other<TypeParam>(this->there_, "it");
  this->watch({.poll_fd = [&] { return mine.poll_fd(); },
               .attempt =
                   [&] {
                     if (!mine.try_lock()) return std::string("DEADLINE_EXCEEDED");
                     mine.unlock();
                     return std::string("OK");
                   },
               .take = [&] { must(theirs.acquire(kLong)); },
               .change = [&] { must(theirs.release()); }});
}

TEST_F(PollFd, SharedLockForReading) {
  const auto mine = made<SharedLock>("it");
  const auto theirs = other<SharedLock>(there_, "it");
  watch({.poll_fd = [&] { return mine.poll_fd(); },
         .attempt =
             [&] {
               const std::string got = code(mine.acquire_shared(kNow));
               if (got == "OK") must(mine.release_shared());
               return got;
             },
         .take = [&] { must(theirs.acquire(kLong)); },
         .change = [&] { must(theirs.release()); }});
}

TEST_F(PollFd, SharedLockForWritingWhenTheReadersLeave) {
  const auto mine = made<SharedLock>("it");
  const auto theirs = other<SharedLock>(there_, "it");
  watch({.poll_fd = [&] { return mine.poll_fd(); },
         .attempt =
             [&] {
               const std::string got = code(mine.acquire(kNow));
               if (got == "OK") must(mine.release());
               return got;
             },
         .take = [&] { must(theirs.acquire_shared(kLong)); },
         .change = [&] { must(theirs.release_shared()); }});
}

template <class T>
class PollSemaphore : public PollFd {};
using Semaphores = testing::Types<Semaphore, BoundedSemaphore>;
TYPED_TEST_SUITE(PollSemaphore, Semaphores);

TYPED_TEST(PollSemaphore, HasAPermitAgain) {
  for (const Permits ownership : {Permits::kOwned, Permits::kPlain}) {
    const std::string name = ownership == Permits::kOwned ? "owned" : "plain";
    const auto mine = this->template made<TypeParam>(name, {.ownership = ownership});
    const auto theirs = this->template other<TypeParam>(this->there_, name);
    this->watch({.poll_fd = [&] { return mine.poll_fd(); },
                 .attempt =
                     [&] {
                       const std::string got = code(mine.acquire(kNow));
                       if (got == "OK") must(mine.release());
                       return got;
                     },
                 .take = [&] { must(theirs.acquire(kLong)); },
                 .change = [&] { must(theirs.release()); }});
  }
}

TEST_F(PollFd, ConditionIsNotified) {
  const auto mine = made<Condition>("it");
  const auto theirs = other<Condition>(there_, "it");
  watch({.poll_fd = [&] { return mine.poll_fd(); },
         .attempt =
             [&] {
               const std::scoped_lock guard(mine);
               return code(mine.wait(kNow));
             },
         .take = [] {},
         .change = [&] { must(theirs.notify()); },
         .attempt_succeeds = false});
}

TEST_F(PollFd, EventIsSet) {
  const auto mine = made<Event>("it");
  const auto theirs = other<Event>(there_, "it");
  watch({.poll_fd = [&] { return mine.poll_fd(); },
         .attempt = [&] { return code(mine.wait(kNow)); },
         .take = [&] { must(theirs.clear()); },
         .change = [&] { must(theirs.set()); }});
}

TEST_F(PollFd, EventIsSetForAReader) {
  (void)made<Event>("it");
  const auto mine = must(client_.open<Event>("it", {.access = Access::kReadOnly}));
  const auto theirs = other<Event>(there_, "it");
  watch({.poll_fd = [&] { return mine.poll_fd(); },
         .attempt = [&] { return code(mine.wait(kNow)); },
         .take = [&] { must(theirs.clear()); },
         .change = [&] { must(theirs.set()); }});
}

TEST_F(PollFd, BarrierBreaks) {
  const auto mine = made<Barrier>("it", {.parties = 3});
  const auto theirs = other<Barrier>(there_, "it");
  const Epoll epoll;
  const int fd = *mine.poll_fd();
  epoll.add(fd);
  must(theirs.abort());
  EXPECT_TRUE(epoll.becomes_readable(fd));
}

TEST_F(PollFd, BarrierEndsAPhase) {
  const auto mine = made<Barrier>("it", {.parties = 1});
  const auto theirs = other<Barrier>(there_, "it");
  const Epoll epoll;
  const int fd = *mine.poll_fd();
  epoll.add(fd);
  must(theirs.wait(kLong));
  EXPECT_TRUE(epoll.becomes_readable(fd));
}

TEST_F(PollFd, AWaitAtABarrierDrainsIt) {
  const auto mine = made<Barrier>("it", {.parties = 2});
  const auto theirs = other<Barrier>(there_, "it");
  const Epoll epoll;
  const int fd = *mine.poll_fd();
  epoll.add(fd);
  must(theirs.abort());
  EXPECT_TRUE(epoll.becomes_readable(fd));
  must(theirs.reset());
  // It may be readable without cause, but not for ever.
  EXPECT_TRUE(wait_until([&] {
    Thread waiter([&] { return code(mine.wait(kLong)); });
    EXPECT_TRUE(waiter.falls_asleep());
    const bool drained = epoll.wait(0).empty();
    must(theirs.wait(kLong));
    EXPECT_EQ(waiter.result(), "OK");
    EXPECT_TRUE(epoll.becomes_readable(fd));
    return drained;
  }));
}

TEST_F(PollFd, CellChanges) {
  const auto mine = made<Cell<int>>("it");
  const auto theirs = other<Cell<int>>(there_, "it");
  const auto large = made<Cell<Record>>("large");
  const auto their_large = other<Cell<Record>>(there_, "large");
  watch({.poll_fd = [&] { return mine.poll_fd(); },
         .attempt = [&] { return code(mine.wait(0, kNow)); },
         .take = [&] { must(theirs.store(0)); },
         .change =
             [&] {
               must(theirs.store(1));
               must(theirs.notify());
             }});
  Record record;
  record.numbers[9] = 1;
  watch({.poll_fd = [&] { return large.poll_fd(); },
         .attempt = [&] { return code(large.wait({}, kNow)); },
         .take = [&] { must(their_large.store({})); },
         .change =
             [&] {
               must(their_large.store(record));
               must(their_large.notify());
             }});
}

TEST_F(PollFd, TheLockOfAnArrayIsReleased) {
  const auto mine = made<Array<int>>("it", {.size = 10});
  const auto theirs = other<Array<int>>(there_, "it");
  watch({.poll_fd = [&] { return mine.poll_fd(); },
         .attempt =
             [&] {
               const std::string got = code(mine.lock().acquire(kNow));
               if (got == "OK") must(mine.lock().release());
               return got;
             },
         .take = [&] { must(theirs.lock().acquire(kLong)); },
         .change = [&] { must(theirs.lock().release()); }});
}

}  // namespace
}  // namespace shoal::e2e
