// ShareableList on private memory: layout, values, limits, refusals. Races and deaths are tested in
// shareable_list_race_test.cc and tests/crash/, damage in shareable_list_damage_test.cc.
#include "memory/shareable_list.h"

#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "memory/crc32c.h"
#include "shoal/value.h"
#include "tests/unit/list_memory.h"

namespace shoal::memory {
namespace {

constexpr std::uint16_t kMe = 3;
constexpr absl::Duration kPatience = absl::Seconds(60);

Value with_nuls(std::string_view text) { return Value(Bytes(text)); }

TEST(Crc32c, HasThePublishedCheckValue) {
  Crc32c crc;
  crc.add("12345", 5);
  crc.add("6789", 4);
  EXPECT_EQ(crc.value(), 0xE3069283U);
}

TEST(ShareableList, KeepsEveryKindOfValue) {
  const std::vector<Value> values = {nullptr,
                                     true,
                                     false,
                                     0,
                                     std::numeric_limits<std::int64_t>::min(),
                                     0.1,
                                     "",
                                     "\xc3\xa4",
                                     Bytes(""),
                                     Bytes("\xff\xfe"),
                                     "12345678",
                                     with_nuls({"a\0b", 3})};
  ListMemory memory(values);
  const ListView list = memory.view();
  ASSERT_EQ(list.size(), values.size());
  EXPECT_TRUE(list.has_trailer());
  for (std::size_t at = 0; at < values.size(); ++at) {
    const auto got = list.get(static_cast<std::ptrdiff_t>(at));
    ASSERT_TRUE(got.ok()) << got.status();
    EXPECT_EQ(got->kind(), values[at].kind());
    EXPECT_EQ(*got, values[at]);
  }
}

TEST(ShareableList, LaysBytesOutAsDocumented) {
  ListMemory memory({1, "abc", true, nullptr});
  const std::vector<std::uint64_t> head = {4,
                                           0,
                                           8,
                                           16,
                                           24,
                                           32,
                                           1,
                                           0x636261,
                                           kBoolTrue,
                                           0,
                                           format_word("q"),
                                           format_word("8s"),
                                           format_word("xxxxxxx?"),
                                           format_word("xxxxxx?x")};
  for (std::size_t at = 0; at < head.size(); ++at) EXPECT_EQ(memory.word(8 * at), head[at]) << at;
  EXPECT_EQ(memory.word(8 * head.size()) & 0xFFFFFFFF, 0x03000100U);  // codes 0, 1, 0, 3
  constexpr std::size_t kTrailer = 128;  // 116 rounded up to a cache line
  EXPECT_EQ(memory.word(kTrailer), kListTrailerMagic);
  EXPECT_EQ(memory.word(kTrailer + 8), 1U);
  EXPECT_EQ(memory.word(kTrailer + 16), 4U);
  EXPECT_EQ(memory.word(kTrailer + 24), 116U);
  EXPECT_EQ(memory.word(kTrailer + 32), 128U + 32 + 8 + 4 * 8);
  EXPECT_EQ(memory.word(kTrailer + 40), 8U);
  EXPECT_EQ(memory.bytes().size(), kTrailer + 200);
}

// If this fails the layout has moved: then its version must move too, and docs/format.md.
TEST(ShareableList, GoldenImage) {
  ListMemory memory({-1, 2.5, "\xe2\x82\xac", with_nuls({"x\0\0", 3}), false, nullptr});
  Crc32c crc;
  crc.add(memory.bytes().data(), memory.bytes().size());
  EXPECT_EQ(memory.bytes().size(), 408U);
  EXPECT_EQ(crc.value(), 1869780726U);
}

TEST(ShareableList, HoldsNothing) {
  ListMemory memory({});
  EXPECT_EQ(memory.view().size(), 0U);
  EXPECT_EQ(memory.view().get(0).status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(ListView().get(-1).status().code(), absl::StatusCode::kOutOfRange);
}

TEST(ShareableList, CountsIndicesFromTheEndAndRefusesOthers) {
  ListMemory memory({10, 20});
  ListView list = memory.view();
  EXPECT_EQ(list.get_int64(-1).value(), 20);
  EXPECT_EQ(list.get_int64(-2).value(), 10);
  for (const std::ptrdiff_t bad :
       {std::ptrdiff_t{2}, std::ptrdiff_t{-3}, std::numeric_limits<std::ptrdiff_t>::min(),
        std::numeric_limits<std::ptrdiff_t>::max()}) {
    EXPECT_EQ(list.get(bad).status().code(), absl::StatusCode::kOutOfRange);
    EXPECT_EQ(list.get_int64(bad).status().code(), absl::StatusCode::kOutOfRange);
    EXPECT_EQ(list.format_of(bad).status().code(), absl::StatusCode::kOutOfRange);
    EXPECT_EQ(list.set(bad, 1, kMe, kPatience).code(), absl::StatusCode::kOutOfRange);
    EXPECT_EQ(list.set_int64(bad, 1, kMe, kPatience).code(), absl::StatusCode::kOutOfRange);
  }
}

TEST(ShareableList, SetsEveryKindOverEveryOther) {
  const std::vector<Value> kinds = {nullptr,
                                    true,
                                    -5,
                                    2.5,
                                    "text",
                                    Bytes("bytes"),
                                    with_nuls({"a\0\0", 3}),
                                    "",
                                    with_nuls({"\0\0\0", 3}),
                                    "12345678"};
  for (const Value& first : kinds) {
    for (const Value& second : kinds) {
      ListMemory memory({"neighbor", first, 77});
      ListView list = memory.view();
      ASSERT_TRUE(list.set(1, second, kMe, kPatience).ok());
      EXPECT_EQ(list.get(1).value().kind(), second.kind());
      EXPECT_EQ(list.get(1).value(), second);
      EXPECT_EQ(list.get(0).value(), Value("neighbor"));
      EXPECT_EQ(list.get(2).value(), Value(77));
    }
  }
}

TEST(ShareableList, RemembersTheTrueLengthOfNulsAtTheEnd) {
  ListMemory memory({with_nuls({"ab\0\0\0", 5}), Value(std::string("s\0", 2)), "plain"});
  ListView list = memory.view();
  EXPECT_EQ(list.get(0).value(), with_nuls({"ab\0\0\0", 5}));
  EXPECT_EQ(list.get(1).value(), Value(std::string("s\0", 2)));
  ASSERT_TRUE(list.set(2, with_nuls({"\0\0\0\0\0\0\0\0", 8}), kMe, kPatience).ok());
  EXPECT_EQ(list.get(2).value(), with_nuls({"\0\0\0\0\0\0\0\0", 8}));
  ASSERT_TRUE(list.set(2, Bytes("x"), kMe, kPatience).ok());
  EXPECT_EQ(list.get(2).value(), Value(Bytes("x")));
}

// A stdlib process changes the bytes and knows nothing of the tail word.
TEST(ShareableList, ForgetsTheTrueLengthOnceSomebodyElseWroteTheElement) {
  ListMemory memory({with_nuls({"ab\0\0\0", 5})});
  memory.put_word(24, 0x6463);  // "cd"
  EXPECT_EQ(memory.view().get(0).value(), Value(Bytes("cd")));
}

TEST(ShareableList, RefusesWhatIsLargerThanItsSlotAndChangesNothing) {
  ListMemory memory({"1234567", 5});
  ListView list = memory.view();
  const std::vector<std::byte> before = memory.copy();
  const absl::Status status = list.set(0, "nine byte", kMe, kPatience);
  EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange);
  EXPECT_NE(status.message().find("9 bytes"), absl::string_view::npos) << status;
  EXPECT_NE(status.message().find("slot of 8"), absl::string_view::npos) << status;
  EXPECT_EQ(list.set(1, "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4.", kMe, kPatience).code(),
            absl::StatusCode::kOutOfRange);
  EXPECT_EQ(list.set(0, "\xff", kMe, kPatience).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(list.set(0, 1, 0, kPatience).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(list.set_int64(1, 1, 65535, kPatience).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(memory.copy(), before);
}

TEST(ShareableList, GivesSlotsByBytesNotCharacters) {
  ListMemory memory({"\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f"});  // 4 characters, 8 bytes
  EXPECT_EQ(memory.view().format_of(0).value(), "16s");
}

TEST(ShareableList, LimitsATextByItsFormatsEightCharacters) {
  const std::vector<Value> most = {Bytes(std::string(kListTextBytesMax, 'x'))};
  ListMemory memory(most);
  EXPECT_EQ(memory.view().format_of(0).value(), "9999992s");
  EXPECT_EQ(memory.view().get(0).value(), most[0]);
  const std::vector<Value> more = {Bytes(std::string(kListTextBytesMax + 1, 'x'))};
  EXPECT_EQ(bytes_needed(more).status().code(), absl::StatusCode::kOutOfRange);
}

TEST(ShareableList, RefusesToFormatWhatItCannotHold) {
  const std::vector<Value> bad = {"\xed\xa0\x80"};  // a surrogate, as Python refuses it
  EXPECT_EQ(bytes_needed(bad).status().code(), absl::StatusCode::kInvalidArgument);
  const std::vector<Value> good = {1};
  std::vector<std::byte> small(bytes_needed(good).value() - 1);
  EXPECT_EQ(format(small, good).code(), absl::StatusCode::kInvalidArgument);
}

TEST(ShareableList, GetsWithoutBuildingAValue) {
  ListMemory memory({1, 2.5, true, "text", with_nuls({"ab\0", 3}), ""});
  ListView list = memory.view();
  EXPECT_EQ(list.get_int64(0).value(), 1);
  EXPECT_EQ(list.get_double(1).value(), 2.5);
  EXPECT_EQ(list.get_bool(2).value(), true);
  for (const std::ptrdiff_t other : {1, 2, 3, 4}) {
    EXPECT_EQ(list.get_int64(other).status().code(), absl::StatusCode::kFailedPrecondition);
  }
  char text[4];
  const std::span<std::byte> out = std::as_writable_bytes(std::span(text));
  EXPECT_EQ(list.get_into(3, out).value(), 4U);
  EXPECT_EQ(std::string(text, 4), "text");
  EXPECT_EQ(list.get_into(4, out).value(), 3U);
  EXPECT_EQ(std::string(text, 3), std::string("ab\0", 3));
  EXPECT_EQ(list.get_into(4, out.first(2)).status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(list.get_into(3, out.first(3)).status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(list.get_into(5, {}).value(), 0U);
  EXPECT_EQ(list.get_into(0, out).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST(ShareableList, SetsInPlace) {
  ListMemory memory({1, 2.5, "text"});
  ListView list = memory.view();
  ASSERT_TRUE(list.set_int64(0, -9, kMe, kPatience).ok());
  EXPECT_EQ(list.get_int64(0).value(), -9);
  ASSERT_TRUE(list.set_double(1, 0.5, kMe, kPatience).ok());
  EXPECT_EQ(list.get_double(1).value(), 0.5);
  ASSERT_TRUE(list.set_int64(2, 4, kMe, kPatience).ok());  // not in place: another format
  EXPECT_EQ(list.get(2).value(), Value(4));
  EXPECT_EQ(list.format_of(2).value(), "q");
}

TEST(ShareableList, FindsAndCounts) {
  ListMemory memory({1, "1", true, 1.0, Bytes("1"), nullptr});
  const ListView list = memory.view();
  EXPECT_EQ(list.index(true).value(), 0U);
  EXPECT_EQ(list.count(1).value(), 3U);
  EXPECT_EQ(list.index(Bytes("1")).value(), 4U);
  EXPECT_EQ(list.count("2").value(), 0U);
  EXPECT_EQ(list.index("2").status().code(), absl::StatusCode::kNotFound);
}

TEST(ShareableList, AttachedReadOnlyWritesNothing) {
  ListMemory memory({1, "x"});
  auto list = ListView::attach_read_only(memory.bytes());
  ASSERT_TRUE(list.ok());
  EXPECT_EQ(list->get_int64(0).value(), 1);
  EXPECT_EQ(list->set_int64(0, 2, kMe, kPatience).code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(list->set(1, "y", kMe, kPatience).code(), absl::StatusCode::kPermissionDenied);
}

TEST(ShareableList, BornInTheStdlibIsReadAndWrittenTheStdlibsWay) {
  ListMemory memory({1, "abc", with_nuls({"x\0", 2})});
  memory.cut_trailer();
  ListView list = memory.view();
  EXPECT_FALSE(list.has_trailer());
  EXPECT_EQ(list.get(2).value(), Value(Bytes("x")));
  ASSERT_TRUE(list.set(0, "text", 0, kPatience).ok());
  ASSERT_TRUE(list.set_int64(1, 6, kMe, kPatience).ok());
  EXPECT_EQ(list.get(0).value(), Value("text"));
  EXPECT_EQ(list.get_int64(1).value(), 6);
  EXPECT_EQ(list.set(0, "nine byte", kMe, kPatience).code(), absl::StatusCode::kOutOfRange);
  EXPECT_TRUE(orphan(memory.bytes(), kMe).ok());
}

TEST(ShareableList, WaitsForAnotherOwnerAndGivesUpAtTheDeadline) {
  ListMemory memory({1, "x"});
  ListView list = memory.view();
  memory.set_shadow(shadow_word(ShadowState::kClaimed, 8, 4));
  const std::vector<std::byte> before = memory.copy_but_event();
  EXPECT_EQ(list.set(1, "y", kMe, absl::Milliseconds(5)).code(),
            absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(list.set_int64(0, 2, kMe, absl::ZeroDuration()).code(),
            absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(memory.copy_but_event(), before);
  EXPECT_EQ(list.get(1).value(), Value("x"));   // readers do not care
  EXPECT_TRUE(orphan(memory.bytes(), 9).ok());  // somebody else's death changes nothing
  EXPECT_EQ(memory.copy_but_event(), before);
  EXPECT_TRUE(orphan(memory.bytes(), 8).ok());
  EXPECT_TRUE(list.set(1, "y", kMe, kPatience).ok());
}

}  // namespace
}  // namespace shoal::memory
