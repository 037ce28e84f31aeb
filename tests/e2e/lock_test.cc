// A walk through every kind that lives in an arena, over a real manager: created, opened by another
// session, used, refused. What each kind does in full stands in a test of its own.
#include <poll.h>

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <shared_mutex>
#include <system_error>
#include <type_traits>
#include <vector>

#include "tests/e2e/sync.h"

namespace game {

struct Position {
  double x = 0;
  double y = 0;
  std::int64_t turns = 0;
};
SHOAL_TYPE(Position, "game.position", 1);

}  // namespace game

namespace shoal::e2e {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

class Kinds : public Sync {
 protected:
  Client other_ = manager_.client();
};

TEST_F(Kinds, ALockExcludesAnotherProcessAndCountsItsHolders) {
  const Lock lock = made<Lock>("ledger");
  const Acquired first = must(lock.acquire());
  EXPECT_EQ(in_child([&] { return std::string(lock.try_lock() ? "had" : "refused"); }), "refused");
  ASSERT_TRUE(lock.release().ok());
  EXPECT_EQ(in_child([&] { return std::to_string(lock.acquire()->token); }),
            std::to_string(first.token + 1));
  EXPECT_TRUE(wait_until([&] { return !lock.locked(); })) << "a child that ended holding it";
  const Acquired second = must(lock.acquire(kLong));
  EXPECT_TRUE(second.abandoned);
  EXPECT_GT(second.token, first.token + 1);
  EXPECT_TRUE(lock.mark_consistent().ok());
  lock.unlock();
  EXPECT_FALSE(*lock.abandoned());
}

TEST_F(Kinds, TheStandardsGuardsWorkOnThem) {
  const Lock lock = made<Lock>("a");
  const RLock recursive = made<RLock>("b");
  SharedLock shared = made<SharedLock>("c");
  {
    std::scoped_lock guard(lock, recursive);
    EXPECT_TRUE(lock.locked());
    std::scoped_lock again(recursive);
    EXPECT_EQ(recursive.depth(), 2U);
  }
  EXPECT_EQ(recursive.depth(), 0U);
  {
    std::shared_lock one(shared);
    std::shared_lock two(shared, std::chrono::milliseconds(1));
    EXPECT_EQ(shared.readers(), 2U);
    std::unique_lock writer(shared, std::chrono::milliseconds(1));
    EXPECT_FALSE(writer.owns_lock());
  }
  std::unique_lock guard(lock);
  std::condition_variable_any never;
  EXPECT_EQ(never.wait_for(guard, std::chrono::milliseconds(1)), std::cv_status::timeout);
}

TEST_F(Kinds, SemaphoresGiveAndTake) {
  const Semaphore owned = made<Semaphore>("owned", {.permits = 2});
  EXPECT_TRUE(owned.acquire().ok());
  EXPECT_TRUE(owned.try_acquire());
  EXPECT_FALSE(owned.try_acquire());
  EXPECT_EQ(*owned.value(), 0U);
  EXPECT_THAT(outcome(owned.release(3)), StartsWith("FAILED_PRECONDITION"));
  EXPECT_TRUE(owned.release(2).ok());
  const BoundedSemaphore bounded =
      made<BoundedSemaphore>("bounded", {.permits = 1, .ownership = Permits::kPlain});
  EXPECT_THAT(outcome(bounded.release()),
              AllOf(StartsWith("FAILED_PRECONDITION"), HasSubstr("BoundedSemaphore \"bounded\"")));
  EXPECT_THAT(outcome(owned.release(0)), StartsWith("INVALID_ARGUMENT"));
}

TEST_F(Kinds, AnEventWakesAnotherProcess) {
  const Event event = made<Event>("ready");
  Child waiter = sleeper<Event>("ready", [](Event& e) { return code(e.wait(kLong)); });
  EXPECT_TRUE(event.set().ok());
  EXPECT_EQ(waiter.result(), "OK");
  EXPECT_TRUE(event.is_set());
  EXPECT_TRUE(event.clear().ok());
  EXPECT_EQ(code(event.wait(kShort)), "DEADLINE_EXCEEDED");
}

TEST_F(Kinds, AConditionNotifiesWithItsOwnLockAndWithAnother) {
  const Condition condition = made<Condition>("changed");
  const Lock lock = made<Lock>("lock");
  Thread own([&] {
    std::scoped_lock guard(condition);
    std::scoped_lock deeper(condition);
    const std::string how = code(condition.wait(kLong));
    return how + " " + std::to_string(condition.depth());
  });
  ASSERT_TRUE(own.falls_asleep());
  Thread with_lock([&] {
    std::scoped_lock guard(lock);
    return code(condition.wait(lock, kLong));
  });
  ASSERT_TRUE(with_lock.falls_asleep());
  EXPECT_EQ(condition.waiters(), 2U);
  EXPECT_EQ(*condition.notify(), 1U);
  EXPECT_EQ(*condition.notify_all(), 1U);
  EXPECT_EQ(own.result(), "OK 2");
  EXPECT_EQ(with_lock.result(), "OK");
  EXPECT_EQ(code(condition.wait(kNow)), "FAILED_PRECONDITION") << "not held";
  std::scoped_lock guard(condition);
  EXPECT_FALSE(*condition.wait_for([] { return false; }, kShort));
}

TEST_F(Kinds, ABarrierLetsAllGoAtOnce) {
  const Barrier barrier = made<Barrier>("round", {.parties = 2});
  int acted = 0;
  Thread first([&] { return std::to_string(barrier.wait(kLong).value_or(99)); });
  ASSERT_TRUE(first.falls_asleep());
  EXPECT_EQ(barrier.n_waiting(), 1U);
  EXPECT_EQ(barrier.wait(kLong, [&] { ++acted; }).value_or(99), 1U);
  EXPECT_EQ(first.result(), "0");
  EXPECT_EQ(acted, 1);
  EXPECT_EQ(code(barrier.wait(kShort)), "DEADLINE_EXCEEDED");
  EXPECT_EQ(code(barrier.wait(kLong)), "ABORTED");
  EXPECT_TRUE(barrier.reset().ok());
  EXPECT_FALSE(barrier.broken());
}

TEST_F(Kinds, CellsOfAWordAndOfMore) {
  const auto small = made<Cell<std::uint8_t>>("small", {.initial = 255});
  EXPECT_EQ(*small.fetch_add(2), 255);
  EXPECT_EQ(*opened<Cell<std::uint8_t>>("small").load(), 1);
  const auto real = made<Cell<double>>("real", {.initial = 0.5});
  EXPECT_EQ(*real.fetch_add(0.25), 0.5);
  EXPECT_EQ(*real.exchange(3), 0.75);
  using game::Position;
  const auto large = made<Cell<Position>>("large", {.initial = {.x = 1, .y = 2, .turns = 3}});
  const auto view = opened<Cell<Position>>("large", {.access = Access::kReadOnly});
  EXPECT_EQ(view.load()->turns, 3);
  EXPECT_TRUE(large.store({.x = 4, .y = 5, .turns = 6}).ok());
  EXPECT_EQ(view.load()->turns, 6);
  EXPECT_EQ(large.exchange({})->turns, 6);
  EXPECT_THAT(outcome(view.store({})), StartsWith("PERMISSION_DENIED"));
  EXPECT_THAT(outcome(other_.open<Cell<std::int64_t>>("real")),
              AllOf(StartsWith("FAILED_PRECONDITION"), HasSubstr("f64")));
  std::scoped_lock guard(large.lock());
  EXPECT_EQ(large.lock().depth(), 1U);
}

TEST_F(Kinds, ArraysOfAnySize) {
  for (const std::size_t size : {std::size_t{4}, std::size_t{100'000}}) {
    const std::string name = "grid" + std::to_string(size);
    const auto grid = made<Array<double>>(name, {.size = size});
    const auto other = opened<Array<double>>(name);
    EXPECT_EQ(*grid.get(-1), 0.0);
    EXPECT_TRUE(grid.set(-1, 1.5).ok());
    EXPECT_EQ(other.data()[size - 1], 1.5);
    EXPECT_THAT(outcome(grid.get(static_cast<std::ptrdiff_t>(size))), StartsWith("OUT_OF_RANGE"));
  }
  EXPECT_THAT(outcome(client_.create<Array<double>>("none")), StartsWith("INVALID_ARGUMENT"));
}

TEST_F(Kinds, APollFdTellsOfAReleaseByAnotherSession) {
  const Lock lock = made<Lock>("watched");
  const Lock theirs = opened<Lock>("watched");
  theirs.lock();
  const int fd = must(lock.poll_fd());
  const auto readable = [&](int ms) {
    pollfd waited{.fd = fd, .events = POLLIN, .revents = 0};
    return ::poll(&waited, 1, ms) == 1;
  };
  EXPECT_FALSE(lock.try_lock());
  EXPECT_FALSE(readable(0));
  theirs.unlock();
  EXPECT_TRUE(readable(60'000));
  EXPECT_TRUE(lock.try_lock());
}

template <class T>
class Closed : public testing::Test {};
using AllKinds = testing::Types<Lock, RLock, SharedLock, Semaphore, BoundedSemaphore, Event,
                                Condition, Barrier, Cell<int>, Cell<game::Position>, Array<int>>;
TYPED_TEST_SUITE(Closed, AllKinds);

absl::Status status_of(absl::Status status) { return status; }
template <class T>
absl::Status status_of(const absl::StatusOr<T>& value) {
  return value.status();
}

template <class T>
std::vector<absl::Status> failures_of(T& object) {
  std::vector<absl::Status> all = {object.unlink(), object.poll_fd().status()};
  if constexpr (requires { object.acquire(absl::ZeroDuration()); }) {
    all.push_back(status_of(object.acquire(absl::ZeroDuration())));
    all.push_back(object.release());
  }
  if constexpr (requires { object.load(); }) {
    all.push_back(object.load().status());
    all.push_back(object.store({}));
    all.push_back(object.wait({}, absl::ZeroDuration()));
    all.push_back(object.notify());
    all.push_back(object.lock().release());
  }
  if constexpr (requires { object.get(0); }) {
    all.push_back(object.get(0).status());
    all.push_back(object.set(0, {}));
  }
  if constexpr (requires { object.set(); }) {
    all.push_back(object.set());
    all.push_back(object.wait());
  }
  return all;
}

TYPED_TEST(Closed, EveryCallSaysSo) {
  TypeParam object;
  for (const absl::Status& status : failures_of(object)) {
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
  }
  EXPECT_TRUE(object.close().ok());
  EXPECT_EQ(object.id(), 0U);
  if constexpr (requires { object.try_lock(); }) {
    EXPECT_THROW(object.lock(), std::system_error);
    EXPECT_NO_THROW(object.unlock());
    EXPECT_THROW((void)object.try_lock(), std::system_error);
    EXPECT_FALSE(object.locked());
  }
}

TEST_F(Kinds, ThreadsThatEndGiveTheirNumbersBack) {
  const RLock lock = made<RLock>("lock");
  const Client third = manager_.client();
  const RLock elsewhere = must(third.open<RLock>("lock"));
  for (int i = 0; i < 20'000; ++i) {
    std::thread([&] {
      const std::scoped_lock guard(lock);
      EXPECT_EQ(elsewhere.depth(), 0U);
    }).join();
    if (HasFailure()) return;
  }
  std::thread([&] { EXPECT_TRUE(lock.acquire().ok()); }).join();
  std::thread([&] { EXPECT_EQ(lock.depth(), 0U) << "its number went with what it holds"; }).join();
  EXPECT_FALSE(lock.release().ok());
  EXPECT_FALSE(elsewhere.try_lock());
}

TEST_F(Kinds, OptionsThatThereAreNotAreRefused) {
  const auto other = static_cast<Access>(7);
  const std::string invalid = "INVALID_ARGUMENT";
  must(client_.create<Lock>("lock"));
  must(client_.create<SharedMemory>("memory", {.size = 8}));
  EXPECT_EQ(code(client_.open<Lock>("lock", {.access = other})), invalid);
  EXPECT_EQ(code(client_.open_or_create<Lock>("lock", {.access = other})), invalid);
  EXPECT_EQ(code(client_.open<SharedMemory>("memory", {.access = other})), invalid);
  EXPECT_EQ(code(client_.open<Lock>(Token{"any"}, {.access = other})), invalid);
  EXPECT_EQ(code(client_.open<SharedMemory>(Token{"any"}, {.access = other})), invalid);
  EXPECT_EQ(code(client_.open_or_create<SharedMemory>("memory", {.size = 8, .access = other})),
            invalid);
  EXPECT_EQ(code(must(client_.open<SharedMemory>("memory")).descriptor(other)), invalid);
  EXPECT_EQ(code(client_.create<Lock>("new", {.release_by = static_cast<ReleaseBy>(2)})), invalid);
  EXPECT_EQ(code(client_.create<Semaphore>("new", {.ownership = static_cast<Permits>(2)})),
            invalid);
  EXPECT_THAT(client_.open<Lock>("lock", {.access = other}).status().message(),
              testing::HasSubstr("access"));
}

TEST_F(Kinds, NoOptionsAreNotANameThatIsEmpty) {
  const auto cell = must(client_.create<Cell<int>>({}));
  EXPECT_EQ(*cell.load(), 0);
  EXPECT_EQ(cell.name(), "");
  must(client_.create<Event>({}));
}

TEST_F(Kinds, MessagesNameWhatHasNoNameByItsId) {
  const auto lock = must(client_.create<Lock>());
  const absl::Status status = lock.release();
  EXPECT_THAT(status.message(), testing::HasSubstr("Lock with id " + std::to_string(lock.id())));
  EXPECT_THAT(made<Lock>("it").release().message(), testing::HasSubstr("Lock \"it\""));
}

TEST_F(Kinds, ALargeNumberOfSpinsIsCutDown) {
  const Client client = must(Client::connect({.socket = manager_.socket(), .spins = UINT32_MAX}));
  EXPECT_EQ(client.options().spins, 1U << 30);
}

TEST_F(Kinds, AForkedChildIsAProcessOfItsOwn) {
  const RLock lock = made<RLock>("lock");
  const Semaphore slots = made<Semaphore>("slots");
  const std::scoped_lock guard(lock);
  ASSERT_TRUE(slots.acquire().ok());
  EXPECT_EQ(in_child([&] {
              const std::string said = std::to_string(lock.depth()) + code(lock.release());
              return said + (slots.try_acquire() ? "had" : "none");
            }),
            "0FAILED_PRECONDITIONnone");
  EXPECT_EQ(lock.depth(), 1U);
}

}  // namespace
}  // namespace shoal::e2e
