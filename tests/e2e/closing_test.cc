// The end of things: a manager that shuts down wakes everybody, in every kind of wait; an object
// that was destroyed, or whose place another has taken, is refused to those who still know it.
#include <array>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "tests/e2e/sync.h"

namespace shoal::e2e {

struct Record {
  std::array<long, 10> numbers = {};
};
SHOAL_TYPE(Record, "shoal.test.record", 1);

namespace {

using testing::HasSubstr;

// Everything there is, made under fixed names, and each way to wait in it.
class Closing : public Sync {
 protected:
  struct Wait {
    const char* name;
    std::function<std::string()> call;
  };

  void SetUp() override {
    must(lock_.acquire());
    must(rlock_.acquire());
    must(written_.acquire());
    must(read_.acquire_shared());
    must(semaphore_.acquire());
    must(cell_.lock().acquire());
    must(array_.lock().acquire());
  }

  // In this process or, with the proxies inherited, in a child.
  [[nodiscard]] std::vector<Wait> waits(absl::Duration timeout) const {
    return {
        {"lock", [=, this] { return code(lock_.acquire(timeout)); }},
        {"rlock", [=, this] { return code(rlock_.acquire(timeout)); }},
        {"shared lock, to read", [=, this] { return code(written_.acquire_shared(timeout)); }},
        {"shared lock, to write", [=, this] { return code(written_.acquire(timeout)); }},
        {"shared lock, for readers", [=, this] { return code(read_.acquire(timeout)); }},
        {"semaphore", [=, this] { return code(semaphore_.acquire(timeout)); }},
        {"plain semaphore", [=, this] { return code(plain_.acquire(timeout)); }},
        {"condition",
         [=, this] {
           must(condition_.acquire());
           std::string got = code(condition_.wait(timeout));
           // The condition and its lock are gone together.
           got += code(condition_.release()) == "OK" ? " and held" : "";
           return got;
         }},
        {"condition, with another lock",
         [=, this] {
           std::mutex mutex;
           std::unique_lock guard(mutex);
           std::string got = code(condition_.wait(guard, timeout));
           return guard.owns_lock() ? got : got + " and the lock lost";
         }},
        {"event", [=, this] { return code(event_.wait(timeout)); }},
        {"barrier", [=, this] { return code(barrier_.wait(timeout)); }},
        {"cell", [=, this] { return code(cell_.wait(0, timeout)); }},
        {"large cell", [=, this] { return code(record_.wait({}, timeout)); }},
        {"a cell's lock", [=, this] { return code(cell_.lock().acquire(timeout)); }},
        {"an array's lock", [=, this] { return code(array_.lock().acquire(timeout)); }},
    };
  }

  // One child asleep in each of them.
  std::vector<std::pair<std::string, Child>> sleepers(absl::Duration timeout) const {
    std::vector<std::pair<std::string, Child>> children;
    for (const Wait& wait : waits(timeout)) {
      children.emplace_back(wait.name, Child([call = wait.call, this](Channel& parent) {
                              must(client_.ping());  // so that the session is there already
                              parent.say("ready");
                              return call();
                            }));
      EXPECT_EQ(children.back().second.hear(), "ready");
      EXPECT_TRUE(falls_asleep(children.back().second)) << wait.name;
    }
    return children;
  }

  Lock lock_ = made<Lock>("lock");
  RLock rlock_ = made<RLock>("rlock");
  SharedLock written_ = made<SharedLock>("written");
  SharedLock read_ = made<SharedLock>("read");
  Semaphore semaphore_ = made<Semaphore>("semaphore");
  Semaphore plain_ = made<Semaphore>("plain", {.permits = 0, .ownership = Permits::kPlain});
  Condition condition_ = made<Condition>("condition");
  Event event_ = made<Event>("event");
  Barrier barrier_ = made<Barrier>("barrier", {.parties = 100});
  Cell<int> cell_ = made<Cell<int>>("cell");
  Cell<Record> record_ = made<Cell<Record>>("record");
  Array<int> array_ = made<Array<int>>("array", {.size = 10});
};

TEST_F(Closing, ShutdownWakesEverybodyWhoWaitsForEver) {
  auto children = sleepers(absl::InfiniteDuration());
  manager_.stop(SIGTERM);
  for (auto& [name, child] : children) EXPECT_EQ(child.result(), "UNAVAILABLE") << name;
}

TEST_F(Closing, ShutdownWakesEverybodyWithADeadline) {
  auto children = sleepers(kLong);
  manager_.stop(SIGTERM);
  for (auto& [name, child] : children) EXPECT_EQ(child.result(), "UNAVAILABLE") << name;
}

TEST_F(Closing, ShutdownWakesReadersWhoMayNotWrite) {
  std::vector<Child> children;
  for (int i = 0; i < 2; ++i) {
    children.emplace_back([&, i](Channel& parent) {
      const OpenOptions only = {.access = Access::kReadOnly};
      const Event event = opened<Event>("event", only);
      const Cell<int> cell = opened<Cell<int>>("cell", only);
      parent.say("ready");
      return i == 0 ? code(event.wait()) : code(cell.wait(0));
    });
    EXPECT_EQ(children.back().hear(), "ready");
  }
  manager_.stop(SIGTERM);
  for (Child& child : children) EXPECT_EQ(child.result(), "UNAVAILABLE");
}

TEST_F(Closing, AfterShutdownEveryCallSaysSo) {
  manager_.stop(SIGTERM);
  for (const Wait& wait : waits(kLong)) {
    if (std::string(wait.name) == "condition") continue;
    EXPECT_EQ(wait.call(), "UNAVAILABLE") << wait.name;
  }
  EXPECT_EQ(code(condition_.acquire(kLong)), "UNAVAILABLE");
  EXPECT_EQ(code(condition_.notify()), "UNAVAILABLE");
  EXPECT_EQ(code(event_.set()), "UNAVAILABLE");
  EXPECT_EQ(code(event_.clear()), "UNAVAILABLE");
  EXPECT_EQ(code(barrier_.abort()), "UNAVAILABLE");
  EXPECT_EQ(code(plain_.release()), "UNAVAILABLE");
  EXPECT_EQ(code(cell_.load()), "UNAVAILABLE");
  EXPECT_EQ(code(cell_.store(1)), "UNAVAILABLE");
  EXPECT_EQ(code(record_.store({})), "UNAVAILABLE");
  EXPECT_EQ(code(array_.get(0)), "UNAVAILABLE");
  EXPECT_FALSE(event_.is_set());
}

TEST_F(Closing, AKilledManagerLeavesTheDataPlaneGoing) {
  manager_.stop(SIGKILL);
  EXPECT_EQ(code(lock_.release()), "OK");
  EXPECT_EQ(code(lock_.acquire(kLong)), "OK");
  EXPECT_EQ(code(event_.set()), "OK");
  EXPECT_EQ(code(event_.wait(kLong)), "OK");
  EXPECT_EQ(code(cell_.fetch_add(1)), "OK");
  EXPECT_EQ(code(record_.store({})), "OK");
}

TEST_F(Closing, AStoppedManagerHoldsNobodyUp) {
  ::kill(manager_.pid(), SIGSTOP);
  EXPECT_EQ(code(lock_.release()), "OK");
  EXPECT_EQ(code(lock_.acquire(kLong)), "OK");
  EXPECT_EQ(code(semaphore_.acquire(kShort)), "DEADLINE_EXCEEDED");
  EXPECT_EQ(code(event_.wait(kShort)), "DEADLINE_EXCEEDED");
  ::kill(manager_.pid(), SIGCONT);
}

// ---- objects that are gone ----

TEST_F(Closing, AnUnlinkedObjectLivesOnWithItsUsers) {
  Child waiter = sleeper<Lock>("lock", [](Lock& lock) { return code(lock.acquire(kLong)); });
  must(lock_.unlink());
  const Lock another = made<Lock>("lock");
  EXPECT_FALSE(another.locked());
  must(lock_.release());
  EXPECT_EQ(waiter.result(), "OK");
  EXPECT_FALSE(another.locked());
}

TEST_F(Closing, AClosedProxyIsRefusedAndItsCopiesAreNot) {
  Lock copy = lock_;
  must(lock_.close());
  const auto refused = lock_.acquire(kNow);
  EXPECT_EQ(code(refused), "FAILED_PRECONDITION");
  EXPECT_EQ(code(copy.release()), "OK");
  EXPECT_EQ(code(lock_.close()), "OK");
  EXPECT_EQ(lock_.id(), 0U);
}

TEST_F(Closing, EveryKindIsFreedAndItsPlaceUsedAgain) {
  // Objects come and go in the same places; each is new and nobody else's.
  for (int i = 0; i < 200; ++i) {
    const Lock lock = must(client_.create<Lock>());
    EXPECT_FALSE(lock.locked());
    EXPECT_EQ(must(lock.acquire(kNow)).token, 1U);
    const Semaphore semaphore = must(client_.create<Semaphore>({.permits = 2}));
    EXPECT_EQ(*semaphore.value(), 2U);
    must(semaphore.acquire());
    const Event event = must(client_.create<Event>());
    EXPECT_FALSE(event.is_set());
    must(event.set());
    const Barrier barrier = must(client_.create<Barrier>({.parties = 2}));
    EXPECT_FALSE(barrier.broken());
    must(barrier.abort());
    const Cell<Record> record = must(client_.create<Cell<Record>>());
    EXPECT_EQ(record.load()->numbers[3], 0);
    Record full;
    full.numbers.fill(i + 1);
    must(record.store(full));
  }
}

TEST_F(Closing, NothingIsLeftOfThem) {
  const test::TestManager manager({"--warm-bytes=0"});
  // The arena's own memory, and its first pages, come with its first object and stay.
  (void)must(must(manager.client().create<Cell<Record>>()).load());
  const test::LeakMeasure leaks(manager);
  {
    const Client client = manager.client();
    const Lock lock = must(client.create<Lock>());
    const Array<long> array = must(client.create<Array<long>>({.size = 100'000}));
    array.data()[99'999] = 1;
    const Cell<Record> record = must(client.create<Cell<Record>>());
    Child child([&](Channel& parent) {
      must(lock.acquire());
      must(array.lock().acquire());
      parent.say("OK");
      (void)parent.hear();
      return std::string();
    });
    EXPECT_EQ(child.hear(), "OK");
    child.kill();
    EXPECT_EQ(code(lock.acquire(kLong)), "OK");
  }
  EXPECT_EQ(leaks.what_is_left(), "");
}

}  // namespace
}  // namespace shoal::e2e
