// Cell: values of every size, atomic changes, wait and notify, its lock.
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <mutex>
#include <string>
#include <vector>

#include "tests/e2e/sync.h"

namespace shoal::e2e {

struct Point {
  float x = 0;
  float y = 0;
  friend bool operator==(const Point&, const Point&) = default;
};
SHOAL_TYPE(Point, "shoal.test.point", 1);

// Of no atomic size; all of it says the same number, or it is torn.
struct Record {
  std::array<std::uint32_t, 25> numbers = {};
  static Record of(std::uint32_t number) {
    Record record;
    record.numbers.fill(number);
    return record;
  }
  [[nodiscard]] bool is_whole() const {
    for (const std::uint32_t number : numbers) {
      if (number != numbers[0]) return false;
    }
    return true;
  }
  friend bool operator==(const Record&, const Record&) = default;
};
SHOAL_TYPE(Record, "shoal.test.record", 1);

struct Record2 {
  std::array<std::uint32_t, 25> numbers = {};
};
SHOAL_TYPE(Record2, "shoal.test.record", 2);

namespace {

class Cells : public Sync {};

template <class T>
class Number : public Sync {};
using Numbers = testing::Types<std::int8_t, std::uint8_t, std::int16_t, std::uint16_t, std::int32_t,
                               std::uint32_t, std::int64_t, std::uint64_t, float, double>;
TYPED_TEST_SUITE(Number, Numbers);

TYPED_TEST(Number, KeepsItsLimits) {
  using T = TypeParam;
  using Limits = std::numeric_limits<T>;
  const Cell<T> cell = this->template made<Cell<T>>("it", {.initial = T{7}});
  EXPECT_EQ(*cell.load(), T{7});
  for (const T value : {Limits::lowest(), Limits::max(), Limits::min(), T{0}}) {
    EXPECT_EQ(code(cell.store(value)), "OK");
    EXPECT_EQ(*cell.load(), value);
    EXPECT_EQ(
        in_child([&] { return std::to_string(*this->template opened<Cell<T>>("it").load()); }),
        std::to_string(value));
  }
}

TYPED_TEST(Number, ChangesGiveTheValueBefore) {
  using T = TypeParam;
  const Cell<T> cell = this->template made<Cell<T>>("it", {.initial = T{10}});
  EXPECT_EQ(*cell.fetch_add(T{5}), T{10});
  EXPECT_EQ(*cell.fetch_sub(T{3}), T{15});
  EXPECT_EQ(*cell.exchange(T{1}), T{12});
  T expected{2};
  EXPECT_FALSE(*cell.compare_exchange(expected, T{9}));
  EXPECT_EQ(expected, T{1});
  EXPECT_TRUE(*cell.compare_exchange(expected, T{9}));
  EXPECT_EQ(*cell.load(), T{9});
  if constexpr (std::integral<T>) {
    EXPECT_EQ(*cell.fetch_and(T{8}), T{9});
    EXPECT_EQ(*cell.fetch_or(T{3}), T{8});
    EXPECT_EQ(*cell.fetch_xor(T{1}), T{11});
    EXPECT_EQ(*cell.load(), T{10});
  }
}

TYPED_TEST(Number, IntegersWrap) {
  using T = TypeParam;
  if constexpr (std::integral<T>) {
    using Limits = std::numeric_limits<T>;
    const Cell<T> cell = this->template made<Cell<T>>("it", {.initial = Limits::max()});
    EXPECT_EQ(*cell.fetch_add(T{1}), Limits::max());
    EXPECT_EQ(*cell.load(), Limits::min());
    EXPECT_EQ(*cell.fetch_sub(T{1}), Limits::min());
    EXPECT_EQ(*cell.load(), Limits::max());
  }
}

TYPED_TEST(Number, AdditionsOfManyProcessesAreAllThere) {
  using T = TypeParam;
  const Cell<T> cell = this->template made<Cell<T>>("it");
  std::vector<Child> children;
  for (int i = 0; i < 3; ++i) {
    children.emplace_back([&](Channel&) {
      for (int n = 0; n < 2000; ++n) must(cell.fetch_add(T{1}));
      return std::string("done");
    });
  }
  for (Child& child : children) EXPECT_EQ(child.result(), "done");
  EXPECT_EQ(*cell.load(), static_cast<T>(6000));
}

TEST_F(Cells, Bool) {
  const Cell<bool> cell = made<Cell<bool>>("it", {.initial = true});
  EXPECT_TRUE(*cell.load());
  EXPECT_TRUE(*cell.exchange(false));
  EXPECT_FALSE(*cell.load());
}

TEST_F(Cells, FloatsAreComparedByTheirBytes) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Cell<double> cell = made<Cell<double>>("it", {.initial = nan});
  EXPECT_TRUE(std::isnan(*cell.load()));
  double expected = nan;
  EXPECT_TRUE(*cell.compare_exchange(expected, -0.0));
  expected = 0.0;
  EXPECT_FALSE(*cell.compare_exchange(expected, 1.0));
  EXPECT_TRUE(std::signbit(expected));
}

TEST_F(Cells, AStructOfOneWord) {
  const Cell<Point> cell = made<Cell<Point>>("it", {.initial = {1, 2}});
  EXPECT_EQ(*cell.load(), (Point{1, 2}));
  EXPECT_EQ(*cell.exchange({3, 4}), (Point{1, 2}));
  EXPECT_EQ(in_child([&] { return std::to_string(opened<Cell<Point>>("it").load()->y); }),
            std::to_string(4.0F));
}

TEST_F(Cells, AStructOfManyWords) {
  const Cell<Record> cell = made<Cell<Record>>("it", {.initial = Record::of(1)});
  EXPECT_EQ(*cell.load(), Record::of(1));
  EXPECT_EQ(code(cell.store(Record::of(2))), "OK");
  EXPECT_EQ(
      in_child([&] { return std::to_string(opened<Cell<Record>>("it").load()->numbers[24]); }),
      "2");
  EXPECT_EQ(*cell.exchange(Record::of(3)), Record::of(2));
  Record expected = Record::of(9);
  EXPECT_FALSE(*cell.compare_exchange(expected, Record::of(4)));
  EXPECT_EQ(expected, Record::of(3));
  EXPECT_TRUE(*cell.compare_exchange(expected, Record::of(4)));
  EXPECT_EQ(*cell.load(), Record::of(4));
}

TEST_F(Cells, OddSizesAndLargeOnes) {
  using Three = std::array<std::uint8_t, 3>;
  const Cell<Three> three = made<Cell<Three>>("three", {.initial = {1, 2, 3}});
  EXPECT_EQ(*three.exchange({4, 5, 6}), (Three{1, 2, 3}));
  EXPECT_EQ(*three.load(), (Three{4, 5, 6}));
  using Large = std::array<std::uint64_t, 2048>;  // 16 KiB
  Large large{};
  large.back() = 5;
  const Cell<Large> cell = made<Cell<Large>>("large", {.initial = large});
  EXPECT_EQ(cell.load()->back(), 5U);
}

TEST_F(Cells, ALoadNeverSeesATornValueThoughWritersDie) {
  const Cell<Record> cell = made<Cell<Record>>("it");
  std::atomic<bool> over = false;
  Thread reader([&] {
    long loads = 0;
    for (; !over || loads == 0; ++loads) {
      const auto record = cell.load();
      if (!record.ok()) return outcome(record);
      if (!record->is_whole()) return std::string("torn");
    }
    return std::string("whole");
  });
  for (std::uint32_t i = 1; i <= 30; ++i) {
    Child writer([&](Channel& parent) {
      const Cell<Record> mine = opened<Cell<Record>>("it");
      parent.say("ready");
      for (std::uint32_t n = i * 1000;; ++n) {
        if (!mine.store(Record::of(n)).ok()) return std::string("failed");
      }
    });
    EXPECT_EQ(writer.hear(), "ready");
    // One more that must not wait for the dead for ever.
    EXPECT_EQ(code(cell.store(Record::of(i))), "OK");
    writer.kill();
    EXPECT_EQ(code(cell.store(Record::of(i))), "OK");
    EXPECT_EQ(*cell.load(), Record::of(i));
  }
  over = true;
  EXPECT_EQ(reader.result(), "whole");
}

TEST_F(Cells, AStoppedWriterBlocksNoLoad) {
  const Cell<Record> cell =
      must(manager_.client({.op_timeout = absl::Milliseconds(100)}).create<Cell<Record>>("it"));
  Child writer([&](Channel& parent) {
    const Cell<Record> mine = opened<Cell<Record>>("it");
    parent.say("ready");
    for (std::uint32_t n = 0;; ++n) must(mine.store(Record::of(n)));
    return std::string();
  });
  EXPECT_EQ(writer.hear(), "ready");
  for (int i = 0; i < 50; ++i) {
    stop(writer);
    const auto record = cell.load();
    ASSERT_TRUE(record.ok()) << record.status();
    EXPECT_TRUE(record->is_whole());
    // A store gets through, or gives up in time and changes nothing.
    const std::string stored = code(cell.store(*record));
    EXPECT_TRUE(stored == "OK" || stored == "DEADLINE_EXCEEDED") << stored;
    EXPECT_EQ(cell.load()->numbers, record->numbers);
    resume(writer);
  }
}

// ---- wait, notify ----

template <class T>
class Waiting : public Sync {
 protected:
  static T value(int i) {
    if constexpr (std::is_same_v<T, Record>) {
      return Record::of(static_cast<std::uint32_t>(i));
    } else {
      return static_cast<T>(i);
    }
  }
};
using Waited = testing::Types<std::uint8_t, std::int64_t, double, Record>;
TYPED_TEST_SUITE(Waiting, Waited);

TYPED_TEST(Waiting, ReturnsAtOnceIfTheValueIsAnother) {
  const auto cell = this->template made<Cell<TypeParam>>("it", {.initial = this->value(1)});
  EXPECT_EQ(code(cell.wait(this->value(2))), "OK");
  EXPECT_EQ(code(cell.wait(this->value(2), kNow)), "OK");
  EXPECT_EQ(code(cell.wait(this->value(1), kNow)), "DEADLINE_EXCEEDED");
  EXPECT_EQ(code(cell.wait(this->value(1), kShort)), "DEADLINE_EXCEEDED");
}

TYPED_TEST(Waiting, IsWokenByNotify) {
  const auto cell = this->template made<Cell<TypeParam>>("it", {.initial = this->value(1)});
  using C = Cell<TypeParam>;
  const auto await = [&](C& c) { return code(c.wait(this->value(1), kLong)); };
  Child one = this->template sleeper<C>("it", await);
  Child two = this->template sleeper<C>("it", await);
  must(cell.store(this->value(2)));
  must(cell.notify());
  EXPECT_EQ(one.result(), "OK");
  EXPECT_EQ(two.result(), "OK");
}

TYPED_TEST(Waiting, GoesOnSleepingIfTheValueIsTheSame) {
  const auto cell = this->template made<Cell<TypeParam>>("it", {.initial = this->value(1)});
  using C = Cell<TypeParam>;
  Child waiter =
      this->template sleeper<C>("it", [&](C& c) { return code(c.wait(this->value(1), kLong)); });
  must(cell.notify());
  EXPECT_TRUE(falls_asleep(waiter));
  must(cell.store(this->value(2)));
  must(cell.notify());
  EXPECT_EQ(waiter.result(), "OK");
}

TYPED_TEST(Waiting, WakesAReaderToo) {
  const auto cell = this->template made<Cell<TypeParam>>("it", {.initial = this->value(1)});
  Child reader([&](Channel& parent) {
    const auto mine = this->template opened<Cell<TypeParam>>("it", {.access = Access::kReadOnly});
    parent.say(code(mine.store(this->value(9))) + " " + code(mine.notify()) + " " +
               code(mine.exchange(this->value(9))));
    return code(mine.wait(this->value(1), kLong));
  });
  EXPECT_EQ(reader.hear(), "PERMISSION_DENIED PERMISSION_DENIED PERMISSION_DENIED");
  EXPECT_EQ(*cell.load(), this->value(1));
  must(cell.store(this->value(2)));
  must(cell.notify());
  EXPECT_EQ(reader.result(), "OK");
}

TYPED_TEST(Waiting, ADeadWaiterIsNoObstacle) {
  const auto cell = this->template made<Cell<TypeParam>>("it", {.initial = this->value(1)});
  using C = Cell<TypeParam>;
  const auto await = [&](C& c) { return code(c.wait(this->value(1), kLong)); };
  Child doomed = this->template sleeper<C>("it", await);
  Child waiter = this->template sleeper<C>("it", await);
  doomed.kill();
  must(cell.store(this->value(2)));
  must(cell.notify());
  EXPECT_EQ(waiter.result(), "OK");
}

// ---- lock, types, access ----

TEST_F(Cells, ItsLockGuardsWhatTakesSeveralCalls) {
  const Cell<long> cell = made<Cell<long>>("it");
  std::vector<Child> children;
  for (int i = 0; i < 3; ++i) {
    children.emplace_back([&](Channel&) {
      for (int n = 0; n < 2000; ++n) {
        const std::scoped_lock guard(cell.lock());
        must(cell.store(*cell.load() + 1));
      }
      return std::string("done");
    });
  }
  for (Child& child : children) EXPECT_EQ(child.result(), "done");
  EXPECT_EQ(*cell.load(), 6000);
}

TEST_F(Cells, ItsLockIsRecursiveAndSurvivesItsOwner) {
  const Cell<int> cell = made<Cell<int>>("it");
  {
    const std::scoped_lock outer(cell.lock());
    const std::scoped_lock inner(cell.lock());
    EXPECT_EQ(cell.lock().depth(), 2U);
    EXPECT_EQ(code(cell.store(1)), "OK");
  }
  holder<Cell<int>>("it", [](Cell<int>& c) { return code(c.lock().acquire()); }).kill();
  EXPECT_TRUE(must(cell.lock().acquire(kLong)).abandoned);
}

TEST_F(Cells, AnotherTypeIsRefused) {
  const Cell<double> cell = made<Cell<double>>("it", {.initial = 1.5});
  EXPECT_EQ(code(client_.open<Cell<std::int64_t>>("it")), "FAILED_PRECONDITION");
  EXPECT_EQ(code(client_.open<Cell<float>>("it")), "FAILED_PRECONDITION");
  EXPECT_EQ(code(client_.open<Array<double>>("it")), "FAILED_PRECONDITION");
  EXPECT_EQ(code(client_.open_or_create<Cell<std::int64_t>>("it")), "FAILED_PRECONDITION");
  EXPECT_EQ(*must(client_.open_or_create<Cell<double>>("it", {.initial = 9})).load(), 1.5);
  const Cell<Record> record = made<Cell<Record>>("record");
  EXPECT_EQ(code(client_.open<Cell<Record2>>("record")), "FAILED_PRECONDITION");
}

TEST_F(Cells, ClosedItRefuses) {
  Cell<int> small = made<Cell<int>>("small");
  Cell<Record> large = made<Cell<Record>>("large");
  must(small.close());
  must(large.close());
  EXPECT_EQ(code(small.load()), "FAILED_PRECONDITION");
  EXPECT_EQ(code(small.fetch_add(1)), "FAILED_PRECONDITION");
  EXPECT_EQ(code(small.wait(0, kNow)), "FAILED_PRECONDITION");
  EXPECT_EQ(code(small.lock().acquire(kNow)), "FAILED_PRECONDITION");
  EXPECT_EQ(code(large.load()), "FAILED_PRECONDITION");
  EXPECT_EQ(code(large.store({})), "FAILED_PRECONDITION");
}

}  // namespace
}  // namespace shoal::e2e
