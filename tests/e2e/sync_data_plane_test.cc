// The promise of the data plane (data_plane.h) for everything that lives in an arena: each call in
// its uncontended form.
#include <array>
#include <mutex>
#include <shared_mutex>

#include <gtest/gtest.h>

#include <shoal/shoal.h>

#include "tests/e2e/data_plane.h"

namespace shoal::e2e {

struct Record {
  std::array<long, 10> numbers = {};
};
SHOAL_TYPE(Record, "shoal.test.record", 1);

namespace {

constexpr absl::Duration kSecond = absl::Seconds(1);

class SyncDataPlane : public DataPlane {
 protected:
  template <class T>
  T made(const typename T::Options& options = {}) {
    return *client_.create<T>(options);
  }
};

// ---- locks ----

template <class T>
class LockDataPlane : public SyncDataPlane {};
using Locks = testing::Types<Lock, RLock, SharedLock, Condition>;
TYPED_TEST_SUITE(LockDataPlane, Locks);

TYPED_TEST(LockDataPlane, AcquireAndRelease) {
  const TypeParam lock = this->template made<TypeParam>();
  EXPECT_EQ(this->outcome_of([&](int) { return lock.acquire().ok() && lock.release().ok(); }),
            kDone);
}

TYPED_TEST(LockDataPlane, AcquireWithATimeout) {
  const TypeParam lock = this->template made<TypeParam>();
  EXPECT_EQ(
      this->outcome_of([&](int) { return lock.acquire(kSecond).ok() && lock.release().ok(); }),
      kDone);
}

TYPED_TEST(LockDataPlane, LockAndUnlock) {
  const TypeParam lock = this->template made<TypeParam>();
  EXPECT_EQ(this->outcome_of([&](int) {
    const std::scoped_lock guard(lock);
    return lock.locked();
  }),
            kDone);
}

TYPED_TEST(LockDataPlane, TryLock) {
  const TypeParam lock = this->template made<TypeParam>();
  EXPECT_EQ(this->outcome_of([&](int) {
    if (!lock.try_lock()) return false;
    lock.unlock();
    return !lock.locked();
  }),
            kDone);
}

TYPED_TEST(LockDataPlane, AbandonedAndMarkConsistent) {
  const TypeParam lock = this->template made<TypeParam>();
  EXPECT_EQ(this->outcome_of([&](int) {
    const std::scoped_lock guard(lock);
    return lock.mark_consistent().ok() && !*lock.abandoned();
  }),
            kDone);
}

TEST_F(SyncDataPlane, TryLockOfALockThatIsHeld) {
  const Lock lock = made<Lock>();
  ASSERT_TRUE(lock.acquire().ok());
  EXPECT_EQ(outcome_of([&](int) { return !lock.try_lock(); }), kDone);
}

TEST_F(SyncDataPlane, ReleaseByAnyone) {
  const Lock lock = made<Lock>({.release_by = ReleaseBy::kAnyone});
  EXPECT_EQ(outcome_of([&](int) { return lock.acquire().ok() && lock.release().ok(); }), kDone);
}

TEST_F(SyncDataPlane, NestedRLock) {
  const RLock lock = made<RLock>();
  EXPECT_EQ(outcome_of([&](int) {
              const std::scoped_lock outer(lock);
              const std::scoped_lock inner(lock);
              return lock.depth() == 2;
            }),
            kDone);
}

TEST_F(SyncDataPlane, SharedLockForReading) {
  const SharedLock lock = made<SharedLock>();
  EXPECT_EQ(outcome_of([&](int) {
              const std::shared_lock guard(lock);
              return lock.readers() == 1;
            }),
            kDone);
  EXPECT_EQ(outcome_of([&](int) {
              return lock.try_lock_shared() && lock.acquire_shared(kSecond).ok() &&
                     lock.release_shared().ok() && lock.release_shared().ok();
            }),
            kDone);
}

// ---- semaphores ----

template <class T>
class SemaphoreDataPlane : public SyncDataPlane {};
using Semaphores = testing::Types<Semaphore, BoundedSemaphore>;
TYPED_TEST_SUITE(SemaphoreDataPlane, Semaphores);

TYPED_TEST(SemaphoreDataPlane, OwnedPermits) {
  const auto semaphore = this->template made<TypeParam>({.permits = 4});
  EXPECT_EQ(this->outcome_of([&](int) {
    return semaphore.acquire().ok() && semaphore.acquire(kSecond).ok() && semaphore.try_acquire() &&
           *semaphore.value() == 1 && semaphore.release().ok() && semaphore.release(2).ok();
  }),
            kDone);
}

TYPED_TEST(SemaphoreDataPlane, PlainPermits) {
  const auto semaphore =
      this->template made<TypeParam>({.permits = 4, .ownership = Permits::kPlain});
  EXPECT_EQ(this->outcome_of([&](int) {
    return semaphore.acquire().ok() && semaphore.acquire(kSecond).ok() && semaphore.try_acquire() &&
           *semaphore.value() == 1 && semaphore.release().ok() && semaphore.release(2).ok();
  }),
            kDone);
}

TYPED_TEST(SemaphoreDataPlane, TryAcquireOfNone) {
  const auto semaphore = this->template made<TypeParam>({.permits = 1});
  ASSERT_TRUE(semaphore.acquire().ok());
  EXPECT_EQ(this->outcome_of([&](int) { return !semaphore.try_acquire(); }), kDone);
}

// ---- event, condition, barrier ----

TEST_F(SyncDataPlane, EventSetAndClear) {
  const Event event = made<Event>();
  EXPECT_EQ(outcome_of([&](int) {
              return event.set().ok() && event.is_set() && event.wait().ok() &&
                     event.wait(kSecond).ok() && event.clear().ok() && !event.is_set();
            }),
            kDone);
}

TEST_F(SyncDataPlane, ConditionNotifiedWithNobodyThere) {
  const Condition condition = made<Condition>();
  EXPECT_EQ(outcome_of([&](int) {
              const std::scoped_lock guard(condition);
              return *condition.notify() == 0 && *condition.notify_all() == 0 &&
                     condition.waiters() == 0 && condition.depth() == 1;
            }),
            kDone);
}

TEST_F(SyncDataPlane, ConditionWaitForWhatIsTrue) {
  const Condition condition = made<Condition>();
  EXPECT_EQ(outcome_of([&](int) {
              const std::scoped_lock guard(condition);
              return *condition.wait_for([] { return true; }, kSecond);
            }),
            kDone);
}

TEST_F(SyncDataPlane, BarrierOfOneParty) {
  const Barrier barrier = made<Barrier>({.parties = 1});
  int ran = 0;
  const std::function<void()> action = [&] { ++ran; };
  EXPECT_EQ(outcome_of([&](int) {
              return *barrier.wait(kSecond, action) == 0 && *barrier.wait() == 0 &&
                     !barrier.broken() && barrier.n_waiting() == 0 && barrier.parties() == 1;
            }),
            kDone);
}

TEST_F(SyncDataPlane, BarrierAbortAndReset) {
  const Barrier barrier = made<Barrier>({.parties = 2});
  EXPECT_EQ(outcome_of([&](int) {
              return barrier.abort().ok() && barrier.broken() && barrier.reset().ok() &&
                     !barrier.broken();
            }),
            kDone);
}

// ---- cell, array ----

TEST_F(SyncDataPlane, CellOfOneWord) {
  const Cell<long> cell = made<Cell<long>>();
  EXPECT_EQ(outcome_of([&](int i) {
              long expected = i;
              return cell.store(i).ok() && *cell.load() == i && *cell.fetch_add(1) == i &&
                     *cell.fetch_sub(1) == i + 1 && *cell.exchange(i) == i &&
                     *cell.compare_exchange(expected, i + 1) && cell.fetch_and(-1).ok() &&
                     cell.fetch_or(0).ok() && cell.fetch_xor(0).ok();
            }),
            kDone);
}

TEST_F(SyncDataPlane, CellOfDouble) {
  const Cell<double> cell = made<Cell<double>>();
  EXPECT_EQ(outcome_of([&](int i) {
              return cell.store(i).ok() && *cell.fetch_add(0.5) == i && *cell.load() == i + 0.5;
            }),
            kDone);
}

TEST_F(SyncDataPlane, CellOfManyWords) {
  const Cell<Record> cell = made<Cell<Record>>();
  EXPECT_EQ(outcome_of([&](int i) {
              Record record;
              record.numbers[9] = i;
              Record found = record;
              return cell.store(record).ok() && cell.load()->numbers[9] == i &&
                     *cell.compare_exchange(found, record) &&
                     cell.exchange(record)->numbers[9] == i;
            }),
            kDone);
}

TEST_F(SyncDataPlane, CellWaitAndNotifyWithNobodyThere) {
  const Cell<long> cell = made<Cell<long>>({.initial = 1});
  const Cell<Record> record = made<Cell<Record>>();
  Record other;
  other.numbers[0] = 1;
  EXPECT_EQ(outcome_of([&](int) {
              return cell.wait(2).ok() && cell.wait(2, kSecond).ok() && cell.notify().ok() &&
                     record.wait(other, kSecond).ok() && record.notify().ok();
            }),
            kDone);
}

TEST_F(SyncDataPlane, LocksOfCellAndArray) {
  const Cell<long> cell = made<Cell<long>>();
  const Array<long> array = made<Array<long>>({.size = 10});
  EXPECT_EQ(outcome_of([&](int) {
              const std::scoped_lock guard(cell.lock(), array.lock());
              return cell.lock().depth() == 1 && array.lock().depth() == 1;
            }),
            kDone);
}

TEST_F(SyncDataPlane, ArrayElements) {
  const Array<long> array = made<Array<long>>({.size = 10});
  EXPECT_EQ(outcome_of([&](int i) {
              array.data()[3] = i;
              return *array.get(3) == i && array.set(-1, i).ok() && array.data()[9] == i &&
                     array.size() == 10;
            }),
            kDone);
}

TEST_F(SyncDataPlane, ListElements) {
  const List list = made<List>();
  ASSERT_TRUE(list.extend({1, 2.5, "text", std::string(100, 'x')}).ok());
  EXPECT_EQ(outcome_of([&](int i) {
              return list.append(i).ok() && *list.get_as<std::int64_t>(-1) == i &&
                     list.set(0, i).ok() && list.set(1, 0.5 * i).ok() && list.get(2).ok() &&
                     *list.size() == 5 && list.pop().ok();
            }),
            kDone);
}

TEST_F(SyncDataPlane, DictPutAndGet) {
  const Dict dict = made<Dict>();
  const std::string text(100, 'x');
  const std::string_view key = "a key of thirty characters, long";
  std::array<std::byte, 200> bytes;
  EXPECT_EQ(outcome_of([&](int i) {
              return dict.put(i % 7, i).ok() && *dict.get_as<std::int64_t>(i % 7) == i &&
                     dict.put(key, 0.5 * i).ok() && *dict.get_as<double>(key) == 0.5 * i &&
                     dict.put("number", Value(i)).ok() && dict.get("number").ok() &&
                     dict.put_text("text", text).ok() && *dict.get_into("text", bytes) == 100 &&
                     dict.put_bytes("bytes", bytes).ok() &&
                     **dict.find_into("bytes", bytes) == bytes.size() &&
                     !*dict.find_into("none", bytes) && *dict.contains(key) &&
                     !*dict.contains("none") && dict.size().ok();
            }),
            kDone);
}

TEST_F(SyncDataPlane, DictChanges) {
  const Dict dict = made<Dict>();
  ASSERT_TRUE(dict.put("count", 0).ok() && dict.put("real", 0.0).ok());
  EXPECT_EQ(
      outcome_of([&](int i) {
        std::size_t seen = 0;
        return dict.increment("count").ok() && dict.increment("real", 0.5).ok() &&
               dict.put("it", i).ok() && dict.compare_and_swap("it", i, i + 1).ok() &&
               *dict.get_or_insert("it", 0) == Value(i + 1) &&
               dict.visit("it",
                          [&](ValueKind, std::span<const std::byte> bytes) { seen = bytes.size(); })
                   .ok() &&
               seen == 8 && *dict.pop("it") == Value(i + 1) && dict.put("it", 1).ok() &&
               dict.erase("it").ok() && dict.changes().ok();
      }),
      kDone);
}

TEST_F(SyncDataPlane, TypedDictOfRecords) {
  const auto dict = made<TypedDict<std::uint64_t, Record>>();
  const auto counts = made<TypedDict<std::uint64_t, std::int64_t>>();
  Record record;
  EXPECT_EQ(outcome_of([&](int i) {
              record.numbers[9] = i;
              const auto key = static_cast<std::uint64_t>(i % 10);
              Record found;
              return dict.put(key, record).ok() && dict.get(key)->numbers[9] == i &&
                     *dict.find(key, found) && found.numbers[9] == i && *dict.contains(key) &&
                     dict.compare_and_swap(key, record, record).ok() &&
                     dict.get_or_insert(key, record).ok() && dict.pop(key).ok() &&
                     counts.increment(key).ok() && dict.size().ok();
            }),
            kDone);
}

TEST_F(SyncDataPlane, NamespaceAttributes) {
  const auto names = made<Namespace>();
  EXPECT_EQ(outcome_of([&](int i) {
              return names.set("count", i).ok() && *names.get("count") == Value(i);
            }),
            kDone);
}

// What a reader may do, it does without a system call, too.
TEST_F(SyncDataPlane, ThroughAReadOnlyAttachment) {
  const Event event = *client_.create<Event>("event");
  const Cell<long> cell = *client_.create<Cell<long>>("cell", {.initial = 5});
  const Cell<Record> record = *client_.create<Cell<Record>>("record");
  const Array<long> array = *client_.create<Array<long>>("array", {.size = 10});
  const Dict dict = *client_.create<Dict>("dict");
  const List list = *client_.create<List>("list");
  ASSERT_TRUE(event.set().ok() && dict.put("key", 5).ok() && list.append(5).ok());
  const Client reader = *manager_.connect();
  const OpenOptions only = {.access = Access::kReadOnly};
  const Event seen_event = *reader.open<Event>("event", only);
  const Cell<long> seen_cell = *reader.open<Cell<long>>("cell", only);
  const Cell<Record> seen_record = *reader.open<Cell<Record>>("record", only);
  const Array<long> seen_array = *reader.open<Array<long>>("array", only);
  const Dict seen_dict = *reader.open<Dict>("dict", only);
  const List seen_list = *reader.open<List>("list", only);
  EXPECT_EQ(outcome_of([&](int) {
              return seen_event.is_set() && seen_event.wait(kSecond).ok() &&
                     *seen_cell.load() == 5 && seen_cell.wait(4, kSecond).ok() &&
                     seen_record.load().ok() && *seen_array.get(2) == 0 &&
                     *seen_dict.get_as<std::int64_t>("key") == 5 &&
                     *seen_list.get_as<std::int64_t>(0) == 5;
            }),
            kDone);
}

}  // namespace
}  // namespace shoal::e2e
