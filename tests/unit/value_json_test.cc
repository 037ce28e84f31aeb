// Values as shoalctl writes them in JSON, and reads them back.
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "shoal/value.h"
#include "tests/unit/random_value.h"
#include "tools/values.h"

namespace shoal::tools {
namespace {

std::string dumped(const Value& value) { return value_dump(value).dump(); }

Value read(const std::string& text) {
  const auto value = value_from_json(Json::parse(text));
  EXPECT_TRUE(value.ok()) << value.status();
  return value.ok() ? *value : Value();
}

TEST(ValueJson, SaysWhatTheDocumentSays) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const std::pair<Value, const char*> table[] = {
      {nullptr, "null"},
      {true, "true"},
      {"text", R"("text")"},
      {42, "42"},
      {1.0, "1.0"},
      {-0.0, "-0.0"},
      {Value::list({1, "a"}), R"([1,"a"])"},
      {std::int64_t{9007199254740993}, R"({"int":"9007199254740993"})"},
      {*Value::parse_integer("-18446744073709551616"), R"({"int":"-18446744073709551616"})"},
      {-kInfinity, R"({"double":"-inf"})"},
      {Bytes("\0\xff", 2), R"({"bytes":"AP8="})"},
      {Value::tuple({1}), R"({"tuple":[1]})"},
      {Value::set({}), R"({"set":[]})"},
      {Value::map({{"a", 1}, {"b", Value::map({})}}), R"({"a":1,"b":{}})"},
      {Value::map({{1, "one"}, {"a", "b"}}), R"({"map":[[1,"one"],["a","b"]]})"},
      {Value::map({{"int", 1}}), R"({"map":[["int",1]]})"},
      {Value::map({{"tag", 1}}), R"({"tag":1})"},
      {Value::opaque("pickle", Bytes("x")), R"({"opaque":"eA==","tag":"pickle"})"},
      {Value::reference(~std::uint64_t{0}), R"({"object":"18446744073709551615"})"},
      {Value::unknown(77, Bytes("x")), R"({"kind":77,"bytes":"eA=="})"}};
  for (const auto& [value, text] : table) {
    EXPECT_EQ(dumped(value), text);
    EXPECT_EQ(read(text), value) << text;
    EXPECT_EQ(read(text).kind(), value.kind()) << text;
  }
}

TEST(ValueJson, ForProgramsNumbersBecomeText) {
  EXPECT_EQ(value_json(Value::list({std::int64_t{9007199254740993},
                                    std::numeric_limits<double>::quiet_NaN(), Value::tuple({1})}))
                .dump(),
            R"(["9007199254740993","nan",{"tuple":[1]}])");
}

TEST(ValueJson, TheOrderOfMembersDoesNotMatter) {
  EXPECT_EQ(read(R"({"tag":"t","opaque":"eA=="})"), Value::opaque("t", Bytes("x")));
  EXPECT_EQ(read(R"({"bytes":"eA==","kind":77})"), Value::unknown(77, Bytes("x")));
}

TEST(ValueJson, LargeIntegersOfPeopleAreRead) {
  EXPECT_EQ(read("18446744073709551615"), *Value::parse_integer("18446744073709551615"));
}

TEST(ValueJson, TenThousandRandomValuesComeBack) {
  test::RandomValues random(3);
  for (int round = 0; round < 10'000; ++round) {
    const Value value = random.any();
    const std::string line = json_line(value_dump(value));
    const auto back = value_from_json(Json::parse(line));
    ASSERT_TRUE(back.ok()) << back.status() << line;
    ASSERT_EQ(json_line(value_dump(*back)), line);
    ASSERT_EQ(back->to_string(), value.to_string());
  }
}

TEST(ValueJson, LongMapsComeBack) {
  std::vector<ValueEntry> entries;
  for (int i = 0; i < 100'000; ++i) entries.push_back({.key = std::to_string(i), .value = i});
  const Value map = Value::map(std::move(entries));
  EXPECT_EQ(read(dumped(map)), map);
}

TEST(ValueJson, WhatIsNoValueIsRefused) {
  for (const char* text :
       {R"({"int":1})", R"({"int":"x"})", R"({"double":"1"})", R"({"bytes":"?"})", R"({"bytes":1})",
        R"({"tuple":1})", R"({"map":[[1]]})", R"({"map":{}})", R"({"object":"-1"})",
        R"({"kind":3,"bytes":""})", R"({"kind":256,"bytes":""})", R"({"opaque":"eA=="})",
        R"({"int":"1","a":2})"}) {
    const auto value = value_from_json(Json::parse(text));
    EXPECT_EQ(value.status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
  const std::string deep = std::string(200, '[') + std::string(200, ']');
  EXPECT_FALSE(value_from_json(Json::parse(deep)).ok());
}

}  // namespace
}  // namespace shoal::tools
