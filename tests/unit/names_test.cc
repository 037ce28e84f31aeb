// What may be a name, and how unprintable bytes are shown.
#include "schemas/names.h"

#include <string>
#include <string_view>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "schemas/limits.h"
#include "schemas/text.h"

namespace shoal::protocol {
namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;
using ::testing::HasSubstr;

struct Bad {
  std::string_view name;
  const char* why;
};

TEST(Names, GoodOnes) {
  const std::string longest(kNameBytesMax, 'x');
  for (const std::string_view name :
       {"a"sv, "frame0"sv, "a b"sv, "/"sv, "."sv, ".."sv, "a/b/../c"sv, "\""sv, "\\"sv, "-rf"sv,
        "\xc3\xa9"sv, "\xe2\x82\xac"sv, "\xf0\x9f\x90\x9f"sv, "\xc2\xa0"sv,
        std::string_view(longest)}) {
    EXPECT_TRUE(check_name("object", name).ok()) << printable(name);
  }
}

TEST(Names, BadOnesAreNamedWithTheReason) {
  const std::string too_long(kNameBytesMax + 1, 'x');
  const Bad table[] = {
      {"", "is empty"},
      {too_long, "256 bytes; at most 255"},
      {" a", "space"},
      {"a ", "space"},
      {" ", "space"},
      {"a\0b"sv, "control character"},
      {"\0"sv, "control character"},
      {"a\nb", "control character"},
      {"\t", "control character"},
      {"\x1b[2J", "control character"},
      {"a\x7f", "control character"},
      {"a\xc2\x85", "control character"},  // U+0085
      {"a\xc2\x80", "control character"},
      {"a\xc2\x9f", "control character"},
      {"\xff", "not UTF-8"},
      {"a\x80", "not UTF-8"},
  };
  for (const Bad& bad : table) {
    const absl::Status status = check_name("arena", bad.name);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << printable(bad.name);
    EXPECT_THAT(std::string(status.message()), HasSubstr(bad.why)) << printable(bad.name);
    EXPECT_THAT(std::string(status.message()), HasSubstr("arena")) << printable(bad.name);
    EXPECT_TRUE(is_utf8(to_std(status.message())));
  }
}

TEST(Names, Utf8AtItsEdges) {
  for (const std::string_view good :
       {""sv, "\x7f"sv, "\xc2\x80"sv, "\xdf\xbf"sv, "\xe0\xa0\x80"sv, "\xed\x9f\xbf"sv,
        "\xee\x80\x80"sv, "\xef\xbf\xbf"sv, "\xf0\x90\x80\x80"sv, "\xf4\x8f\xbf\xbf"sv}) {
    EXPECT_TRUE(is_utf8(good)) << printable(good);
  }
  for (const std::string_view bad : {
           "\x80"sv,
           "\xbf"sv,  // a continuation alone
           "\xc0\x80"sv,
           "\xc1\xbf"sv,  // overlong
           "\xe0\x80\x80"sv,
           "\xe0\x9f\xbf"sv,  // overlong
           "\xf0\x80\x80\x80"sv,
           "\xf0\x8f\xbf\xbf"sv,  // overlong
           "\xed\xa0\x80"sv,
           "\xed\xbf\xbf"sv,  // surrogates
           "\xf4\x90\x80\x80"sv,
           "\xf7\xbf\xbf\xbf"sv,  // past U+10FFFF
           "\xf8\x88\x80\x80\x80"sv,
           "\xfe"sv,
           "\xff"sv,  // no such first byte
           "\xc3"sv,
           "\xe2\x82"sv,
           "\xf0\x9f\x90"sv,  // cut off
           "\xc3("sv,
           "\xe2(\xa1"sv,
           "\xe2\x82("sv,
           "\xf0\x9f\x90("sv,
           "\xe2\x82\xc3\xa9"sv,
       }) {
    EXPECT_FALSE(is_utf8(bad)) << printable(bad);
    EXPECT_FALSE(is_utf8("a"s + std::string(bad))) << printable(bad);
  }
}

TEST(Names, PrefixMayEndInTheMiddleOfACharacter) {
  EXPECT_TRUE(check_prefix("").ok());
  EXPECT_TRUE(check_prefix("\xe2\x82").ok());
  EXPECT_TRUE(check_prefix(std::string(kNameBytesMax, 'p')).ok());
  EXPECT_EQ(check_prefix(std::string(kNameBytesMax + 1, 'p')).code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(Names, Printable) {
  EXPECT_EQ(printable("plain \xe2\x82\xac"), "plain \xe2\x82\xac");
  EXPECT_EQ(printable("a\nb"), "a\\x0ab");
  EXPECT_EQ(printable("\0"sv), "\\x00");
  EXPECT_EQ(printable("\x7f"), "\\x7f");
  EXPECT_EQ(printable("\"\\"), "\\x22\\x5c");
  EXPECT_EQ(printable("\xff\xc3"), "\\xff\\xc3");
  EXPECT_EQ(printable("\xc2\x85"), "\\xc2\\x85");  // a control character of two bytes
  EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80");
}

TEST(Names, PrintableIsBoundedAndAlwaysText) {
  for (const char c : {'x', '\n', '\xff', '\xc3'}) {
    const std::string shown = printable(std::string(100'000, c));
    EXPECT_LE(shown.size(), kNameBytesMax + 8);
    EXPECT_TRUE(shown.ends_with("..."));
    EXPECT_TRUE(is_utf8(shown));
  }
  EXPECT_EQ(printable(std::string(kNameBytesMax, 'x')), std::string(kNameBytesMax, 'x'));
}

}  // namespace
}  // namespace shoal::protocol
