// shoalctl stat, get and dump of the kinds that live in the memory of their arena.
#include <unistd.h>

#include <array>
#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/shoalctl_fixture.h"
#include "tests/support/watchdog.h"

namespace shoal::e2e {
namespace {

using test::must;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::SizeIs;

class ShoalctlKinds : public Shoalctl {
 protected:
  template <class T>
  T made(const std::string& name, const typename T::Options& options = {}) const {
    auto object = client_->create<T>(name, options);
    EXPECT_TRUE(object.ok()) << object.status();
    return object.ok() ? *object : T();
  }
};

TEST_F(ShoalctlKinds, StatTellsTheStateOfEachKind) {
  const auto lock = made<Lock>("lock", {.release_by = ReleaseBy::kAnyone});
  (void)must(lock.acquire());
  json stat = ask({"stat", "lock"});
  EXPECT_EQ(stat.at("kind"), "Lock");
  EXPECT_EQ(stat.at("release_by"), "anyone");
  EXPECT_EQ(stat.at("holder").at("pid"), ::getpid());
  EXPECT_EQ(stat.at("token"), 1);
  EXPECT_EQ(stat.at("holders")[0].at("label"), "tester");
  EXPECT_THAT(ctl({"stat", "lock"}).out, ContainsRegex(absl::StrCat("holder +pid ", ::getpid())));

  const auto semaphore = made<Semaphore>("semaphore", {.permits = 3});
  must(semaphore.acquire());
  stat = ask({"stat", "semaphore"});
  EXPECT_EQ(stat.at("permits"), 3);
  EXPECT_EQ(stat.at("owned"), true);
  EXPECT_EQ(stat.at("value"), 2);
  ASSERT_THAT(stat.at("held_by"), SizeIs(1));
  EXPECT_EQ(stat["held_by"][0].at("pid"), ::getpid());
  EXPECT_EQ(stat["held_by"][0].at("count"), 1);

  const auto signal =
      made<BoundedSemaphore>("signal", {.permits = 2, .ownership = Permits::kPlain});
  must(signal.acquire());
  stat = ask({"stat", "signal"});
  EXPECT_EQ(stat.at("owned"), false);
  EXPECT_EQ(stat.at("value"), 1);
  EXPECT_EQ(stat.at("held_by"), json::array());

  const auto shared = made<SharedLock>("shared", {.readers = 40});
  (void)must(shared.acquire_shared());
  stat = ask({"stat", "shared"});
  EXPECT_EQ(stat.at("readers_max"), 40);
  ASSERT_THAT(stat.at("held_by"), SizeIs(1));
  EXPECT_TRUE(stat.at("holder").is_null());

  const auto event = made<Event>("event");
  EXPECT_EQ(ask({"stat", "event"}).at("set"), false);
  must(event.set());
  EXPECT_EQ(ask({"stat", "event"}).at("set"), true);

  const auto barrier = made<Barrier>("barrier", {.parties = 3});
  must(barrier.abort());
  stat = ask({"stat", "barrier"});
  EXPECT_EQ(stat.at("parties"), 3);
  EXPECT_EQ(stat.at("arrived"), 0);
  EXPECT_EQ(stat.at("broken"), true);

  const auto condition = made<Condition>("condition");
  EXPECT_EQ(ask({"stat", "condition"}).at("waiters_max"), 32);

  const auto cell = made<Cell<double>>("cell");
  EXPECT_EQ(ask({"stat", "cell"}).at("type"), "f64");
  const auto array = made<Array<std::int16_t>>("array", {.size = 5});
  stat = ask({"stat", "array"});
  EXPECT_EQ(stat.at("type"), "i16");
  EXPECT_EQ(stat.at("elements"), 5);

  EXPECT_THAT(ask({"ls"}).at("objects"), SizeIs(9));
  EXPECT_EQ(ctl({"ls"}).status, 0);
  const json listing = ask({"ls"});
  for (const json& object : listing.at("objects")) {
    const Result text = ctl({"stat", object.at("name").get<std::string>()});
    EXPECT_EQ(text.status, 0) << text.err;
    EXPECT_THAT(text.out, HasSubstr("waiting"));
  }
}

struct Point {
  std::int32_t x = 0;
  std::int32_t y = 0;
  std::int32_t z = 0;
};
SHOAL_TYPE(Point, "test.point", 1);

TEST_F(ShoalctlKinds, GetAndDumpShowValuesByTheirType) {
  const auto count = made<Cell<std::int32_t>>("count", {.initial = -7});
  const auto large = made<Cell<std::uint64_t>>("large", {.initial = ~std::uint64_t{0}});
  const auto share = made<Cell<double>>("share", {.initial = 0.5});
  const auto flag = made<Cell<bool>>("flag", {.initial = true});
  const auto point = made<Cell<Point>>("point", {.initial = {1, 2, 3}});
  const auto matrix = made<Cell<std::array<std::array<std::uint8_t, 2>, 3>>>(
      "matrix", {.initial = {{{1, 2}, {3, 4}, {5, 6}}}});
  EXPECT_EQ(ask({"get", "count"}).at("value"), -7);
  EXPECT_EQ(ask({"get", "large"}).at("value"), "18446744073709551615");
  EXPECT_EQ(ask({"get", "share"}).at("value"), 0.5);
  EXPECT_EQ(ask({"get", "flag"}).at("value"), true);
  EXPECT_EQ(ask({"get", "point"}).at("value"), json({{"bytes", "AQAAAAIAAAADAAAA"}}));
  EXPECT_EQ(ctl({"get", "count"}).out, "-7\n");
  EXPECT_EQ(ctl({"get", "point"}).out, "010000000200000003000000\n");
  EXPECT_EQ(ask({"get", "matrix"}).at("value").dump(), "[[1,2],[3,4],[5,6]]");
  EXPECT_EQ(ctl({"get", "count", "0"}).status, 1);
  EXPECT_EQ(ctl({"dump", "large"}).out,
            "{\"kind\":\"Cell\",\"name\":\"large\",\"type\":\"u64\",\"value_size\":8,"
            "\"size\":1}\n"
            "{\"int\":\"18446744073709551615\"}\n");

  const auto array = made<Array<float>>("array", {.size = 3});
  array.data()[1] = 2.5F;
  EXPECT_EQ(ask({"get", "array"}).at("values"), json({0.0, 2.5, 0.0}));
  EXPECT_EQ(ask({"get", "array", "-2"}).at("value"), 2.5);
  EXPECT_EQ(ctl({"get", "array", "3"}).status, 1);
  EXPECT_THAT(ctl({"get", "array"}).out, HasSubstr("2.5"));
  EXPECT_EQ(ctl({"dump", "array"}).out,
            "{\"kind\":\"Array\",\"name\":\"array\",\"type\":\"f32\",\"value_size\":4,\"size\":3}\n"
            "0.0\n2.5\n0.0\n");

  const auto event = made<Event>("event");
  EXPECT_EQ(ctl({"get", "event"}).out, "false\n");
  const auto semaphore = made<Semaphore>("semaphore", {.permits = 4});
  EXPECT_EQ(ask({"get", "semaphore"}).at("value"), 4);
  const auto lock = made<Lock>("lock");
  for (const char* command : {"get", "dump"}) {
    const Result refused = ctl({command, "lock"});
    EXPECT_EQ(refused.status, 1);
    EXPECT_THAT(refused.err, HasSubstr("is a Lock, which has no contents"));
  }
  EXPECT_EQ(ctl({"dump", "array", "--hex"}).status, 1);
}

}  // namespace
}  // namespace shoal::e2e
