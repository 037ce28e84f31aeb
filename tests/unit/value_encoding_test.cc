// Values to bytes and back, and bytes that are no values.
#include "client/value_encoding.h"

#include <cstdint>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "memory/value_references.h"
#include "schemas/limits.h"
#include "tests/unit/python_process.h"
#include "tests/unit/random_value.h"

namespace shoal::internal {
namespace {

struct Stored {
  std::uint8_t kind = 0;
  bool has_references = false;
  std::string bytes;
};

absl::StatusOr<Stored> store(const Value& value) {
  std::string storage;
  EncodedValue encoded;
  if (absl::Status status = encode_value(value, storage, encoded); !status.ok()) return status;
  return Stored{encoded.kind, encoded.has_references, std::string(encoded.bytes)};
}

Stored must_store(const Value& value) {
  auto stored = store(value);
  EXPECT_TRUE(stored.ok()) << stored.status() << value;
  return stored.ok() ? *stored : Stored{};
}

std::vector<std::uint64_t> references(const Stored& stored) {
  std::vector<std::uint64_t> ids;
  EXPECT_TRUE(
      memory::references_in(stored.kind, reinterpret_cast<const std::byte*>(stored.bytes.data()),
                            stored.bytes.size(), [&](std::uint64_t id) { ids.push_back(id); }));
  return ids;
}

std::string little(std::uint64_t word) { return {reinterpret_cast<const char*>(&word), 8}; }

std::string as_stored(const absl::StatusOr<Value>& value) {
  return value.ok() ? must_store(*value).bytes : std::string(value.status().message());
}

TEST(ValueEncoding, ScalarsAndTextsAreTheirOwnBytes) {
  EXPECT_EQ(must_store(nullptr).bytes, "");
  EXPECT_EQ(must_store(true).bytes, little(1));
  EXPECT_EQ(must_store(-1).bytes, little(~std::uint64_t{0}));
  EXPECT_EQ(must_store(1.0).bytes, little(0x3ff0000000000000));
  EXPECT_EQ(must_store("text").bytes, "text");
  EXPECT_EQ(must_store(Bytes("\0\xff", 2)).bytes, std::string("\0\xff", 2));
  EXPECT_EQ(must_store(*Value::parse_integer("-9223372036854775809")).bytes,
            std::string("\xff\xff\xff\xff\xff\xff\xff\x7f\xff", 9));
  const Stored reference = must_store(Value::reference(7));
  EXPECT_EQ(reference.bytes, little(7));
  EXPECT_TRUE(reference.has_references);
  EXPECT_EQ(references(reference), std::vector<std::uint64_t>{7});
}

TEST(ValueEncoding, TheVectorsOfTheDocumentHold) {
  std::ifstream file(SHOAL_TEST_SOURCE_DIR "/../../docs/format.md");
  const std::string document{std::istreambuf_iterator<char>(file), {}};
  const std::pair<const char*, Value> vectors[] = {
      {"`True`", true},
      {"`-2`", -2},
      {"`2**64`", *Value::parse_integer("18446744073709551616")},
      {"`-2**71`", *Value::parse_integer("-2361183241434822606848")},
      {"`0.5`", 0.5},
      {"`[]`", Value::list({})},
      {"`[1]`", Value::list({1})},
      {"`('a',)`", Value::tuple({"a"})},
      {"list of a reference to object 9", Value::list({Value::reference(9)})}};
  for (const auto& [text, value] : vectors) {
    const Stored stored = must_store(value);
    const std::string row = std::string("| ") + text + " | " + std::to_string(stored.kind) +
                            " | `" + test::hex(stored.bytes) + "` |\n";
    EXPECT_NE(document.find(row), std::string::npos) << row;
  }
}

TEST(ValueEncoding, TextIsNotCopied) {
  const Value text = std::string(1000, 'x');
  std::string storage;
  EncodedValue encoded;
  ASSERT_TRUE(encode_value(text, storage, encoded).ok());
  EXPECT_EQ(encoded.bytes.data(), text.as_string()->data());
  EXPECT_TRUE(storage.empty());
}

TEST(ValueEncoding, TenThousandRandomValuesComeBack) {
  test::RandomValues random(20'240'607);
  std::string storage;
  for (int round = 0; round < 10'000; ++round) {
    const Value value = random.any();
    EncodedValue encoded;
    ASSERT_TRUE(encode_value(value, storage, encoded).ok()) << value;
    const std::string bytes(encoded.bytes);
    const auto back = decode_value(encoded.kind, encoded.bytes);
    ASSERT_TRUE(back.ok()) << back.status() << value;
    EXPECT_EQ(back->to_string(), value.to_string());
    ASSERT_EQ(as_stored(back), bytes) << value;  // also NaN, which equals nothing
    if (value == value) {
      ASSERT_EQ(*back, value);
    }
  }
}

TEST(ValueEncoding, AnyAlignmentIsDecoded) {
  const Value value = Value::list({1, "two", Value::reference(3)});
  const Stored stored = must_store(value);
  for (std::size_t shift = 0; shift < 8; ++shift) {
    const std::string moved = std::string(shift, '.') + stored.bytes;
    const auto back = decode_value(stored.kind, std::string_view(moved).substr(shift));
    ASSERT_TRUE(back.ok()) << back.status();
    EXPECT_EQ(*back, value);
  }
}

TEST(ValueEncoding, ReferencesInsideStandInFrontSortedAndOnce) {
  const Value value =
      Value::map({{Value::reference(9), Value::list({Value::reference(4), Value::reference(9)})},
                  {"later", Value::unknown(200, Bytes(little(1) + little(5) + "rest"))}});
  const Stored stored = must_store(value);
  EXPECT_TRUE(stored.has_references);
  EXPECT_EQ(references(stored), (std::vector<std::uint64_t>{4, 5, 9}));
  EXPECT_FALSE(must_store(Value::list({1})).has_references);
  EXPECT_TRUE(references(must_store(Value::list({1}))).empty());
}

TEST(ValueEncoding, AReferenceThatItsTableLacksIsDamage) {
  Stored stored = must_store(Value::list({Value::reference(9)}));
  stored.bytes[8] = 8;
  EXPECT_EQ(decode_value(stored.kind, stored.bytes).status().code(), absl::StatusCode::kDataLoss);
}

TEST(ValueEncoding, KindsOfLaterReleasesComeBackAsTheyWere) {
  const Value later = Value::unknown(77, Bytes(little(1) + little(42) + std::string("\0abc", 4)));
  EXPECT_TRUE(later.is_unknown());
  const Stored stored = must_store(later);
  EXPECT_EQ(stored.kind, 77);
  EXPECT_TRUE(stored.has_references);
  EXPECT_EQ(*decode_value(stored.kind, stored.bytes), later);
  const Value around = Value::tuple({later, later});
  const Stored outer = must_store(around);
  EXPECT_EQ(*decode_value(outer.kind, outer.bytes), around);
  EXPECT_EQ(store(Value::unknown(77, Bytes("no table"))).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(decode_value(77, little(2)).status().code(), absl::StatusCode::kDataLoss);
}

Value nested(int levels) {
  Value value = 1;
  for (int i = 1; i < levels; ++i) value = Value::list({std::move(value)});
  return value;
}

TEST(ValueEncoding, DepthIsBounded) {
  const Value deepest = nested(Value::kDepthMax);
  const Stored stored = must_store(deepest);
  EXPECT_EQ(*decode_value(stored.kind, stored.bytes), deepest);
  EXPECT_EQ(store(nested(Value::kDepthMax + 1)).status().code(),
            absl::StatusCode::kInvalidArgument);

  Value maps = 1;
  for (int i = 1; i < Value::kDepthMax; ++i) maps = Value::map({{std::move(maps), 1}});
  const Stored stored_maps = must_store(maps);
  EXPECT_EQ(*decode_value(stored_maps.kind, stored_maps.bytes), maps);
}

TEST(ValueEncoding, ALongListComesBack) {
  std::vector<Value> items;
  for (int i = 0; i < 100'000; ++i) items.emplace_back(i);
  const Value value = Value::list(std::move(items));
  const Stored stored = must_store(value);
  EXPECT_EQ(*decode_value(stored.kind, stored.bytes), value);
}

TEST(ValueEncoding, LimitsAreNamed) {
  // 2^100 elements in 100 pairs.
  Value doubled = 1;
  for (int i = 1; i < Value::kDepthMax; ++i) doubled = Value::list({doubled, doubled});
  const absl::Status status = store(doubled).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(status.message().find("kValueElementsMax"), std::string::npos) << status;
}

TEST(ValueEncoding, TextIsUtf8) {
  EXPECT_EQ(store("\xff").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(store(Value::list({"\xff"})).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(store(Value::opaque("\xff", Bytes(""))).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(decode_value(5, "\xff").status().code(), absl::StatusCode::kDataLoss);
}

TEST(ValueEncoding, ScalarsOfOtherSizesAreDamage) {
  EXPECT_EQ(decode_value(0, "x").status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(decode_value(1, little(2)).status().code(), absl::StatusCode::kDataLoss);
  for (const std::uint8_t kind : {1, 2, 4, 12}) {
    EXPECT_EQ(decode_value(kind, "short").status().code(), absl::StatusCode::kDataLoss);
  }
  EXPECT_EQ(decode_value(3, little(5)).status().code(), absl::StatusCode::kDataLoss);
}

// Whatever becomes of the bytes: a status, or a value that can be stored again.
void survives(std::uint8_t kind, std::string_view bytes) {
  const auto value = decode_value(kind, bytes);
  if (!value.ok()) {
    ASSERT_EQ(value.status().code(), absl::StatusCode::kDataLoss) << value.status();
    return;
  }
  const Stored again = must_store(*value);
  ASSERT_EQ(again.kind, kind);
  ASSERT_EQ(decode_value(kind, again.bytes)->to_string(), value->to_string());
}

TEST(ValueEncoding, EveryTruncationAndEveryFlippedBitIsSurvived) {
  test::RandomValues random(7);
  for (int round = 0; round < 60; ++round) {
    const Stored stored = must_store(random.any());
    for (std::size_t size = 0; size < stored.bytes.size(); ++size) {
      // In memory of its own, so that the address sanitizer sees a byte too far.
      survives(stored.kind, std::string(stored.bytes.data(), size));
    }
    for (std::size_t bit = 0; bit < 8 * stored.bytes.size(); ++bit) {
      std::string flipped = stored.bytes;
      flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
      survives(stored.kind, flipped);
    }
    for (int kind = 0; kind < 256; ++kind) survives(static_cast<std::uint8_t>(kind), stored.bytes);
  }
}

// A list of 2^29 - 1 elements that take no room, and one that is its own element.
TEST(ValueEncoding, AMessageCannotClaimMoreThanItsSize) {
  const std::string head = little(0) + little(std::uint64_t{4} << 32);  // no ids; 4 words
  const std::string root = little(std::uint64_t{1} << 48 | std::uint64_t{2} << 32);
  for (const std::uint64_t pointer :
       {std::uint64_t{1} | std::uint64_t{0xffffffff} << 32 << 3,
        std::uint64_t{0x1fffffff} << 35 | 1, std::uint64_t{7} << 32 | 1,
        std::uint64_t{0xfffffff1} | std::uint64_t{7} << 32}) {
    std::string bytes = head + root + little(0) + little(7) + little(pointer);
    EXPECT_EQ(decode_value(7, bytes).status().code(), absl::StatusCode::kDataLoss);
  }
}

}  // namespace
}  // namespace shoal::internal
