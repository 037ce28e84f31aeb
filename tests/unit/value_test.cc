// shoal::Value: what it takes, what it equals, how it is written.
#include "shoal/value.h"

#include <cmath>
#include <limits>
#include <sstream>
#include <type_traits>

#include <gtest/gtest.h>

namespace shoal {
namespace {

static_assert(std::is_constructible_v<Value, std::int8_t>);
static_assert(std::is_constructible_v<Value, std::uint32_t>);
static_assert(std::is_constructible_v<Value, long long>);
static_assert(!std::is_constructible_v<Value, std::uint64_t>, "would wrap");
static_assert(!std::is_constructible_v<Value, long double>, "would round");
static_assert(!std::is_constructible_v<Value, char>, "text or number?");
static_assert(!std::is_constructible_v<Value, int*>, "a pointer is no bool");
static_assert(std::is_nothrow_move_constructible_v<Value>);

TEST(Value, KnowsItsKind) {
  EXPECT_TRUE(Value().is_none());
  EXPECT_TRUE(Value(nullptr).is_none());
  EXPECT_TRUE(Value(true).is_bool());
  EXPECT_TRUE(Value(0).is_int());
  EXPECT_TRUE(Value(std::uint32_t{4294967295}).is_int());
  EXPECT_EQ(*Value(std::uint32_t{4294967295}).as_int(), 4294967295);
  EXPECT_TRUE(Value(0.0).is_double());
  EXPECT_TRUE(Value("").is_string());
  EXPECT_TRUE(Value(Bytes("")).is_bytes());
  EXPECT_EQ(Value(1).as_bool(), nullptr);
  EXPECT_EQ(Value("x").as_bytes(), nullptr);
}

TEST(Value, KindNumbersNeverChange) {
  EXPECT_EQ(static_cast<int>(ValueKind::kNone), 0);
  EXPECT_EQ(static_cast<int>(ValueKind::kBool), 1);
  EXPECT_EQ(static_cast<int>(ValueKind::kInt), 2);
  EXPECT_EQ(static_cast<int>(ValueKind::kBigInt), 3);
  EXPECT_EQ(static_cast<int>(ValueKind::kDouble), 4);
  EXPECT_EQ(static_cast<int>(ValueKind::kString), 5);
  EXPECT_EQ(static_cast<int>(ValueKind::kBytes), 6);
  EXPECT_EQ(static_cast<int>(ValueKind::kList), 7);
  EXPECT_EQ(static_cast<int>(ValueKind::kTuple), 8);
  EXPECT_EQ(static_cast<int>(ValueKind::kSet), 9);
  EXPECT_EQ(static_cast<int>(ValueKind::kMap), 10);
  EXPECT_EQ(static_cast<int>(ValueKind::kOpaque), 11);
  EXPECT_EQ(static_cast<int>(ValueKind::kReference), 12);
  EXPECT_EQ(kind_name(ValueKind::kReference), "reference");
}

TEST(Value, EqualsAsInPython) {
  EXPECT_EQ(Value(1), Value(1.0));
  EXPECT_EQ(Value(1), Value(true));
  EXPECT_EQ(Value(false), Value(-0.0));
  EXPECT_NE(Value(2), Value(true));
  EXPECT_NE(Value("a"), Value(Bytes("a")));
  EXPECT_NE(Value(std::nan("")), Value(std::nan("")));
  EXPECT_NE(Value(), Value(0));
  EXPECT_NE(Value(), Value(false));
  EXPECT_EQ(Value(), Value(nullptr));
}

TEST(Value, ComparesIntegersAndDoublesExactly) {
  constexpr std::int64_t kBig = std::int64_t{1} << 53;
  EXPECT_EQ(Value(kBig), Value(9007199254740992.0));
  EXPECT_NE(Value(kBig + 1), Value(9007199254740992.0));
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  EXPECT_NE(Value(kMax), Value(9223372036854775808.0));
  EXPECT_EQ(Value(std::numeric_limits<std::int64_t>::min()), Value(-9223372036854775808.0));
  EXPECT_NE(Value(kMax), Value(std::numeric_limits<double>::infinity()));
  EXPECT_NE(Value(1), Value(1.5));
}

TEST(Value, IsWrittenAsPythonWritesIt) {
  EXPECT_EQ(Value().to_string(), "None");
  EXPECT_EQ(Value(true).to_string(), "True");
  EXPECT_EQ(Value(-7).to_string(), "-7");
  EXPECT_EQ(Value(1.0).to_string(), "1.0");
  EXPECT_EQ(Value(0.1).to_string(), "0.1");
  EXPECT_EQ(Value(-0.0).to_string(), "-0.0");
  EXPECT_EQ(Value(100000.0).to_string(), "100000.0");
  EXPECT_EQ(Value(1e16).to_string(), "1e+16");
  EXPECT_EQ(Value(1e-4).to_string(), "0.0001");
  EXPECT_EQ(Value(1.5e-5).to_string(), "1.5e-05");
  EXPECT_EQ(Value(1e300).to_string(), "1e+300");
  EXPECT_EQ(Value(std::nan("")).to_string(), "nan");
  EXPECT_EQ(Value("it's\n").to_string(), "\"it's\\n\"");
  EXPECT_EQ(Value("\xc3\xa4").to_string(), "'\xc3\xa4'");
  EXPECT_EQ(Value(Bytes(std::string_view("a\0\xff'", 4))).to_string(), "b\"a\\x00\\xff'\"");
  std::ostringstream out;
  out << Value("x");
  EXPECT_EQ(out.str(), "'x'");
}

Value big(std::string_view text) { return *Value::parse_integer(text); }

TEST(Value, HoldsOthers) {
  const Value list = Value::list({1, "two", nullptr});
  ASSERT_EQ(list.items().size(), 3);
  EXPECT_EQ(list.items()[1], Value("two"));
  EXPECT_TRUE(list.entries().empty());
  const Value map = Value::map({{"a", 1}, {2, list}});
  ASSERT_EQ(map.entries().size(), 2);
  EXPECT_EQ(map.entries()[1].value, list);
  EXPECT_TRUE(map.items().empty());
  EXPECT_EQ(Value::opaque("pickle", Bytes("x")).as_opaque()->tag, "pickle");
  EXPECT_EQ(*Value::reference(7).as_reference(), 7);
  EXPECT_EQ(Value(7).as_reference(), nullptr);
  EXPECT_TRUE(Value(7).items().empty());
}

TEST(Value, CopiesShareAndMovesLeaveNothing) {
  Value list = Value::list({std::string(100, 'x')});
  const Value copy = list;
  EXPECT_EQ(copy.items().data(), list.items().data());
  const Value moved = std::move(list);
  EXPECT_EQ(moved.items().data(), copy.items().data());
  EXPECT_TRUE(list.items().empty());  // NOLINT(bugprone-use-after-move): it says nothing, safely
  list = 1;
  EXPECT_EQ(list, Value(1));
}

TEST(Value, AnyDepthIsDestroyed) {
  Value deep = 1;
  for (int i = 0; i < 1'000'000; ++i) deep = Value::map({{i, Value::list({std::move(deep)})}});
  EXPECT_EQ(deep, Value(deep)) << "its own copy";
  EXPECT_NE(deep.to_string().find("..."), std::string::npos);
}

TEST(Value, HoldersEqualAsInPython) {
  EXPECT_EQ(Value::list({1, 2.0}), Value::list({true, 2}));
  EXPECT_NE(Value::list({1, 2}), Value::list({2, 1}));
  EXPECT_NE(Value::list({1}), Value::tuple({1}));
  EXPECT_NE(Value::list({}), Value::set({}));
  EXPECT_EQ(Value::set({1, "a", 2.5}), Value::set({2.5, 1.0, "a"}));
  EXPECT_NE(Value::set({1, 2}), Value::set({1, 3}));
  EXPECT_EQ(Value::map({{"a", 1}, {2, "b"}}), Value::map({{2.0, "b"}, {"a", true}}));
  EXPECT_NE(Value::map({{"a", 1}}), Value::map({{"a", 2}}));
  EXPECT_EQ(Value::set({Value::tuple({1, 2}), Value::tuple({1})}),
            Value::set({Value::tuple({1}), Value::tuple({1, 2.0})}));
  EXPECT_NE(Value::list({std::nan("")}), Value::list({std::nan("")}));
  EXPECT_NE(Value::opaque("a", Bytes("x")), Value::opaque("b", Bytes("x")));
  EXPECT_EQ(Value::opaque("a", Bytes("x")), Value::opaque("a", Bytes("x")));
  EXPECT_NE(Value::reference(1), Value::reference(2));
  EXPECT_NE(Value::reference(1), Value(1));
}

TEST(Value, IntegersOfAnySize) {
  EXPECT_TRUE(big("9223372036854775807").is_int());
  EXPECT_TRUE(big("9223372036854775808").is_big_int());
  EXPECT_TRUE(big("-9223372036854775808").is_int());
  EXPECT_TRUE(big("-9223372036854775809").is_big_int());
  EXPECT_EQ(big("-0"), Value(0));
  EXPECT_EQ(big("0x10000000000000000"), Value(0x1p64));
  EXPECT_EQ(big("-1180591620717411303424"), Value(-0x1p70));
  EXPECT_NE(big("1180591620717411303425"), Value(0x1p70));
  EXPECT_EQ(big("9223372036854775808"), Value(0x1p63));
  EXPECT_NE(big("9223372036854775808"), Value(std::numeric_limits<double>::infinity()));
  EXPECT_EQ(big("+0018446744073709551616").to_string(), "18446744073709551616");
  EXPECT_EQ(big("-100000000000000000000000000000000000001").to_string(),
            "-100000000000000000000000000000000000001");
  EXPECT_FALSE(Value::parse_integer(""));
  EXPECT_FALSE(Value::parse_integer("-"));
  EXPECT_FALSE(Value::parse_integer("0x"));
  EXPECT_FALSE(Value::parse_integer("12a"));
  EXPECT_FALSE(Value::parse_integer(std::string(20'001, '1')));
}

TEST(Value, LongIntegersAreHexadecimal) {
  const std::string digits(20'000, 'f');
  const Value long_one = big("-0x" + digits);
  EXPECT_EQ(long_one.to_string(), "-0x" + digits);
  EXPECT_EQ(big(long_one.to_string()), long_one);
}

TEST(Value, HoldersAreWrittenAsPythonWritesThem) {
  EXPECT_EQ(Value::list({}).to_string(), "[]");
  EXPECT_EQ(Value::tuple({}).to_string(), "()");
  EXPECT_EQ(Value::tuple({1}).to_string(), "(1,)");
  EXPECT_EQ(Value::set({}).to_string(), "set()");
  EXPECT_EQ(Value::set({1, "a"}).to_string(), "{1, 'a'}");
  EXPECT_EQ(Value::map({}).to_string(), "{}");
  EXPECT_EQ(Value::map({{"a", Value::list({nullptr, true})}, {1, 2.0}}).to_string(),
            "{'a': [None, True], 1: 2.0}");
  EXPECT_EQ(Value::opaque("pickle", Bytes("xyz")).to_string(), "<opaque 'pickle', 3 bytes>");
  EXPECT_EQ(Value::reference(12).to_string(), "<object 12>");
  EXPECT_EQ(Value::unknown(99, Bytes("xy")).to_string(), "<value of kind 99, 2 bytes>");
}

}  // namespace
}  // namespace shoal
