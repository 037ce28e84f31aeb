// Keys to their canonical bytes and back. What Python says of them: key_encoding_python_test.cc.
#include "client/key_encoding.h"

#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "schemas/limits.h"
#include "tests/unit/random_value.h"

namespace shoal::internal {
namespace {

using Key = std::pair<int, std::string>;

Key encoded(const Value& key) {
  std::string storage;
  const auto encoded = encode_key(key, storage);
  EXPECT_TRUE(encoded.ok()) << encoded.status() << key;
  return encoded.ok() ? Key(encoded->kind, encoded->bytes) : Key();
}

absl::Status refusal(const Value& key) {
  std::string storage;
  return encode_key(key, storage).status();
}

TEST(KeyEncoding, EqualNumbersAreOneKey) {
  EXPECT_EQ(encoded(true), encoded(1));
  EXPECT_EQ(encoded(1.0), encoded(1));
  EXPECT_EQ(encoded(-0.0), encoded(false));
  EXPECT_EQ(encoded(-0x1p63), encoded(std::numeric_limits<std::int64_t>::min()));
  EXPECT_EQ(encoded(0x1p63), encoded(*Value::parse_integer("9223372036854775808")));
  EXPECT_EQ(encoded(-0x1p70), encoded(*Value::parse_integer("-1180591620717411303424")));
  EXPECT_NE(encoded(0x1p53), encoded((std::int64_t{1} << 53) + 1));
  EXPECT_EQ(encoded(Value::tuple({1.0, Value::tuple({true})})),
            encoded(Value::tuple({1, Value::tuple({1})})));
}

TEST(KeyEncoding, OtherKindsAreOtherKeys) {
  EXPECT_NE(encoded("a"), encoded(Bytes("a")));
  EXPECT_NE(encoded(""), encoded(nullptr));
  EXPECT_NE(encoded(Value::tuple({})), encoded(nullptr));
  EXPECT_NE(encoded(Value::tuple({1, 2})), encoded(Value::tuple({Value::tuple({1, 2})})));
  EXPECT_NE(encoded(Value::tuple({"ab", "c"})), encoded(Value::tuple({"a", "bc"})));
  EXPECT_NE(encoded(Value::opaque("ab", Bytes("c"))), encoded(Value::opaque("a", Bytes("bc"))));
}

TEST(KeyEncoding, TextTakesNoStorage) {
  const std::string text(100, 'x');
  EXPECT_EQ(encode_key(text).bytes.data(), text.data());
  EXPECT_EQ(Key(encode_key(text).kind, encode_key(text).bytes), encoded(text));
  EXPECT_TRUE(check_key(text).ok());
  EXPECT_EQ(check_key("\xff").code(), absl::StatusCode::kInvalidArgument);
}

TEST(KeyEncoding, WhatIsNoKeyIsRefusedWithItsReason) {
  for (const Value& key :
       {Value::list({}), Value::set({}), Value::map({}), Value::reference(1),
        Value::unknown(50, Bytes(std::string(8, '\0'))), Value::tuple({1, Value::list({})})}) {
    EXPECT_EQ(refusal(key).code(), absl::StatusCode::kInvalidArgument);
    EXPECT_NE(refusal(key).message().find("unhashable"), std::string::npos) << refusal(key);
  }
  EXPECT_NE(refusal(std::nan("")).message().find("NaN"), std::string::npos);
  EXPECT_EQ(refusal("\xff").code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(refusal(Value::opaque("\xff", Bytes(""))).code(), absl::StatusCode::kInvalidArgument);
}

TEST(KeyEncoding, LimitsAreNamed) {
  const std::string longest(protocol::kKeyBytesMax, 'x');
  EXPECT_TRUE(refusal(longest).ok());
  for (const Value& key : {Value(longest + 'x'), Value(Bytes(longest + 'x')),
                           Value::tuple({Bytes(longest)}), Value::opaque("", Bytes(longest))}) {
    EXPECT_NE(refusal(key).message().find("kKeyBytesMax"), std::string::npos) << refusal(key);
  }
  Value deep = 1;
  for (int i = 1; i < Value::kDepthMax; ++i) deep = Value::tuple({std::move(deep)});
  const Key stored = encoded(deep);
  EXPECT_EQ(*decode_key(static_cast<std::uint8_t>(stored.first), stored.second), deep);
  EXPECT_NE(refusal(Value::tuple({deep})).message().find("kValueDepthMax"), std::string::npos);
}

TEST(KeyEncoding, RandomKeysAreEqualExactlyIfTheirBytesAre) {
  test::RandomValues random(11);
  Value before = 0;
  for (int round = 0; round < 20'000; ++round) {
    Value key = random.key();
    const auto [kind, bytes] = encoded(key);
    const auto back = decode_key(static_cast<std::uint8_t>(kind), bytes);
    ASSERT_TRUE(back.ok()) << back.status() << key;
    ASSERT_EQ(*back, key);
    ASSERT_EQ(encoded(*back), Key(kind, bytes)) << key;
    ASSERT_EQ(before == key, encoded(before) == Key(kind, bytes)) << before << " and " << key;
    before = std::move(key);
  }
}

TEST(KeyEncoding, DamagedKeysAreRefusedOrCanonical) {
  test::RandomValues random(12);
  for (int round = 0; round < 300; ++round) {
    const auto [kind, bytes] = encoded(random.key());
    for (std::size_t bit = 0; bit < 8 * bytes.size() + 8; ++bit) {
      std::string damaged = bytes.substr(0, bit < 8 * bytes.size() ? bytes.size() : bit % 8);
      if (bit < 8 * bytes.size()) {
        damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
      }
      for (const int as : {kind, static_cast<int>(random.below(256))}) {
        const auto value = decode_key(static_cast<std::uint8_t>(as), damaged);
        if (value.ok()) {
          ASSERT_EQ(encoded(*value), Key(as, damaged));
        } else {
          ASSERT_EQ(value.status().code(), absl::StatusCode::kDataLoss);
        }
      }
    }
  }
}

}  // namespace
}  // namespace shoal::internal
