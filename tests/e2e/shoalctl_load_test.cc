// shoalctl load-object: what dump wrote of a Cell, an Array or a ShareableList comes back, values
// go on referring to what they referred to, and what cannot be loaded leaves nothing.
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
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

struct Point {
  std::int32_t x = 0;
  std::int32_t y = 0;
  std::int32_t z = 0;
};
SHOAL_TYPE(Point, "test.point", 1);

class ShoalctlLoad : public Shoalctl {
 protected:
  // Loads what dump writes of `name` as "copy".
  void reload(const std::string& name) const {
    const Result dump = ctl({"dump", name});
    ASSERT_EQ(dump.status, 0) << dump.err;
    (void)client_->unlink("copy");
    const Result loaded = ctl({"load-object", "copy"}, dump.out);
    ASSERT_EQ(loaded.status, 0) << loaded.err;
  }
  // The error, of a load that leaves nothing.
  std::string refused(const std::string& input, const Words& flags = {}) const {
    const Result result = ctl(joined({"load-object", "it"}, flags), input);
    EXPECT_EQ(result.status, 1) << input;
    EXPECT_THAT(result.err, StartsWith("shoalctl: it was not loaded: ")) << input;
    EXPECT_EQ(client_->stat("it").status().code(), absl::StatusCode::kNotFound) << input;
    return result.err;
  }
  static std::string reference(std::uint64_t id) {
    return absl::StrCat("{\"object\":\"", id, "\"}");
  }
};

TEST_F(ShoalctlLoad, ShareableListsCellsAndArraysLoadBack) {
  const auto fixed = make_list("fixed", {1, "two", 3.0, nullptr, true, shoal::Bytes("\xff")});
  reload("fixed");
  const auto list = must(client_->open<ShareableList>("copy"));
  ASSERT_EQ(list.size(), 6U);
  for (std::ptrdiff_t i = 0; i < 6; ++i) EXPECT_EQ(must(list.get(i)), must(fixed.get(i)));

  const auto large = must(client_->create<Cell<std::uint64_t>>("large", {.initial = ~0ULL}));
  reload("large");
  EXPECT_EQ(must(must(client_->open<Cell<std::uint64_t>>("copy")).load()), ~0ULL);
  const auto point = must(client_->create<Cell<Point>>("point", {.initial = {1, -2, 3}}));
  reload("point");
  EXPECT_EQ(must(must(client_->open<Cell<Point>>("copy")).load()).y, -2);

  using Row = std::array<float, 2>;
  const auto rows = must(client_->create<Array<Row>>("rows", {.size = 1000}));
  for (std::size_t i = 0; i < rows.size(); ++i) rows.data()[i] = {static_cast<float>(i), 0.5F};
  reload("rows");
  const auto copy = must(client_->open<Array<Row>>("copy"));
  ASSERT_EQ(copy.size(), 1000U);
  for (std::size_t i = 0; i < rows.size(); ++i) EXPECT_EQ(copy.data()[i], rows.data()[i]);
  const auto points = must(client_->create<Array<Point>>("points", {.size = 2}));
  points.data()[1] = {7, 8, 9};
  reload("points");
  EXPECT_EQ(must(client_->open<Array<Point>>("copy")).data()[1].z, 9);
}

TEST_F(ShoalctlLoad, WhatHasValuesBecomesAnotherKindByKind) {
  (void)make_list("fixed", {1, "two"});
  const std::string fixed = ctl({"dump", "fixed"}).out;
  EXPECT_EQ(ctl({"load-object", "list", "--kind", "list"}, fixed).status, 0);
  EXPECT_EQ(must(must(client_->open<List>("list")).items()), (std::vector<Value>{1, "two"}));
  EXPECT_EQ(
      ctl({"load-object", "back", "--kind", "shareable-list"}, ctl({"dump", "list"}).out).status,
      0);
  EXPECT_EQ(must(must(client_->open<ShareableList>("back")).get(1)), Value("two"));
  EXPECT_THAT(refused(fixed, {"--kind", "dict"}),
              HasSubstr("is a ShareableList, whose lines are values, and a Dict is made of"));
}

TEST_F(ShoalctlLoad, WhatCannotBeLoadedLeavesNothing) {
  EXPECT_THAT(refused("{\"kind\":\"List\",\"size\":3}\n1\n2\n"), HasSubstr("cut short"));
  EXPECT_THAT(refused("{\"kind\":\"List\"}\n1\n22"), HasSubstr("line 3: it has no end"));
  EXPECT_THAT(refused("{\"kind\":\"List\",\"size\":\"1\"}\n1\n"), HasSubstr("\"size\""));
  EXPECT_THAT(refused("{\"kind\":\"List\"}\n[18446744073709551616]\n"),
              HasSubstr("line 2: an integer of more than 64 bits is written {\"int\":\"1844"));
  EXPECT_THAT(refused("{\"kind\":\"List\"}\n1\n{\"int\":\"x\"}\n"), HasSubstr("line 3: "));
  EXPECT_THAT(refused("{\"kind\":\"List\"}\n1\n[2\n"), HasSubstr("line 3: not JSON"));
  EXPECT_THAT(refused("{\"kind\":\"ShareableList\"}\n[1]\n"), HasSubstr("list"));

  const std::string cell = "{\"kind\":\"Cell\",\"type\":\"i32\",\"value_size\":4}\n";
  EXPECT_THAT(refused(cell), HasSubstr("a Cell has one value, and there is none"));
  EXPECT_THAT(refused(cell + "1\n2\n"), HasSubstr("line 3: a Cell has one value"));
  EXPECT_THAT(refused(cell + "\"x\"\n"), HasSubstr("line 2: not of type i32 (4 bytes)"));
  EXPECT_THAT(refused(cell + "3000000000\n"), HasSubstr("not of type i32"));
  EXPECT_THAT(refused("{\"kind\":\"Cell\",\"type\":\"i32\"}\n1\n"), HasSubstr("\"value_size\""));
  EXPECT_THAT(refused("{\"kind\":\"Cell\",\"type\":\"i32\",\"value_size\":9999999999}\n1\n"),
              HasSubstr("that of a Cell is 1 to 16384"));

  const std::string array = "{\"kind\":\"Array\",\"type\":\"u8\",\"value_size\":1,\"size\":2}\n";
  EXPECT_THAT(refused(array + "1\n"), HasSubstr("cut short"));
  EXPECT_THAT(refused(array + "1\n2\n3\n"), HasSubstr("line 4: "));
  EXPECT_THAT(refused(array + "1\n256\n"), HasSubstr("line 3: not of type u8"));
  EXPECT_THAT(refused("{\"kind\":\"Array\",\"type\":\"u8\",\"value_size\":1}\n1\n"),
              HasSubstr("\"size\", how many"));
  EXPECT_THAT(refused("{\"kind\":\"Array\",\"type\":\"u8\",\"value_size\":2,"
                      "\"size\":9223372036854775809}\n"),
              HasSubstr("\"size\""));

  const std::string twice = "[\"a\",1]\n[\"b\",2]\n[\"a\",1]\n";
  for (const char* kind : {"Dict", "Namespace"}) {
    EXPECT_THAT(refused("{\"kind\":\"" + std::string(kind) + "\"}\n" + twice),
                HasSubstr("line 4: the key \"a\" is there already"));
  }
  EXPECT_THAT(refused("{\"kind\":\"TypedDict\",\"type\":\"i32,i32\",\"key_size\":4,"
                      "\"value_size\":4}\n[1,1]\n[1,1]\n"),
              HasSubstr("line 3: the key 1 is there already"));

  EXPECT_THAT(refused("{\"kind\":\"Lock\"}\n"), HasSubstr("not a \"Lock\""));
  EXPECT_THAT(refused("1\n"), HasSubstr("give --kind"));
  (void)make("memory", 10);
  EXPECT_THAT(refused(ctl({"dump", "memory", "--json"}).out), HasSubstr("SharedMemory"));
}

// Of the two that only values refer to, the one that the loaded copy refers to stays.
TEST_F(ShoalctlLoad, ReferencesAreOpenedBeforeTheyAreStored) {
  for (const bool as_list : {false, true}) {
    std::uint64_t kept = 0;
    std::uint64_t lost = 0;
    {
      const auto dict = must(client_->create<Dict>("holder"));
      const auto first = must(client_->create<Dict>());
      const auto second = must(client_->create<Dict>());
      must(first.put("it", "is there"));
      must(dict.put("kept", Value::map({{"in", Value::list({reference_to(first)})}})));
      must(dict.put("lost", reference_to(second)));
      kept = first.id();
      lost = second.id();
    }
    const std::string map = absl::StrCat("{\"in\":[", reference(kept), "]}");
    const std::string dump = ctl({"dump", "holder"}).out;
    EXPECT_THAT(
        dump, AllOf(HasSubstr(absl::StrCat("[\"kept\",", map, "]\n")), HasSubstr(reference(lost))));
    const Result loaded =
        as_list ? ctl({"load-object", "copy"}, "{\"kind\":\"List\",\"size\":1}\n" + map + "\n")
                : ctl({"load-object", "copy"}, "{\"kind\":\"Dict\"}\n[1," + map + "]\n");
    ASSERT_EQ(loaded.status, 0) << loaded.err;
    must(client_->unlink("holder"));
    ASSERT_TRUE(
        test::wait_until([&] { return absl::IsNotFound(client_->stat_by_id(lost).status()); }));
    const Value value = as_list ? must(must(client_->open<List>("copy")).get(0))
                                : must(must(client_->open<Dict>("copy")).get(1));
    const auto inner = must(client_->open<Dict>(value.entries()[0].value.items()[0]));
    EXPECT_EQ(inner.id(), kept);
    EXPECT_EQ(must(inner.get("it")), Value("is there"));
    must(client_->unlink("copy"));
  }
}

TEST_F(ShoalctlLoad, ReferencesToNothingAreRefused) {
  std::uint64_t gone = 0;
  {
    const auto lock = must(client_->create<Lock>());
    gone = lock.id();
  }
  ASSERT_TRUE(
      test::wait_until([&] { return absl::IsNotFound(client_->stat_by_id(gone).status()); }));
  const std::string line = "[1," + reference(gone) + "]\n";
  EXPECT_THAT(refused("{\"kind\":\"Dict\"}\n[0,0]\n" + line),
              HasSubstr(absl::StrCat("line 3: the value refers to object ", gone)));
  EXPECT_THAT(refused("{\"kind\":\"List\"}\n" + line), HasSubstr("line 2: the value refers to"));
  const auto memory = make("memory", 10);
  const std::uint64_t segment = must(client_->stat("memory")).object.id;
  EXPECT_THAT(refused("{\"kind\":\"List\"}\n" + reference(segment) + "\n"),
              HasSubstr("is a SharedMemory, a segment of its own"));
}

TEST_F(ShoalctlLoad, SetStoresReferences) {
  const auto dict = must(client_->create<Dict>("users"));
  const auto list = must(client_->create<List>("jobs"));
  must(list.append(nullptr));
  std::uint64_t id = 0;
  {
    const auto lock = must(client_->create<Lock>("lock"));
    id = lock.id();
  }
  const Result set = ctl({"set", "users", "lock", reference(id)});
  EXPECT_EQ(set.status, 0) << set.err;
  EXPECT_EQ(ctl({"set", "jobs", "0", "[" + reference(id) + "]"}).status, 0);
  must(client_->unlink("lock"));
  const auto lock = must(client_->open<Lock>(must(dict.get("lock"))));
  EXPECT_EQ(lock.id(), id);
  EXPECT_EQ(must(list.get(0)).items()[0], Value::reference(id));
  EXPECT_THAT(ctl({"set", "users", "x", reference(id + 1000)}).err, HasSubstr("refers to object"));
}

}  // namespace
}  // namespace shoal::e2e
