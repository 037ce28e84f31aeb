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

}  // namespace
}  // namespace shoal
