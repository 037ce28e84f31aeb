// ShareableList over bytes that somebody has spoiled: a Status, never a crash, a hang, or a step
// outside the mapping (the address sanitizer watches, the lists end where their memory ends).
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "memory/shareable_list.h"
#include "shoal/value.h"
#include "tests/unit/list_memory.h"

namespace shoal::memory {
namespace {

constexpr std::uint16_t kMe = 3;
constexpr absl::Duration kNoPatience = absl::ZeroDuration();
const std::vector<Value> kValues = {1, "twelve bytes", 2.5, Bytes(std::string_view("x\0\0", 3))};

// Data starts at 48: int 48, text 56..71, double 72, bytes 80; formats 88, codes 120.
constexpr std::size_t kOffsets = 8;
constexpr std::size_t kFormats = 88;
constexpr std::size_t kCodes = 120;

absl::StatusCode attach_code(const ListMemory& memory) {
  return ListView::attach(memory.bytes()).status().code();
}

TEST(ShareableListDamage, AttachRefusesWhatIsNoList) {
  alignas(8) std::byte few[8] = {};
  EXPECT_EQ(ListView::attach(few).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(ListView::attach({}).status().code(), absl::StatusCode::kDataLoss);
  ListMemory memory(kValues);
  EXPECT_EQ(ListView::attach(memory.bytes().subspan(4)).status().code(),
            absl::StatusCode::kInvalidArgument);
  for (const std::uint64_t count :
       {std::uint64_t{5000}, ~std::uint64_t{0}, kListElementsMax, std::uint64_t{1} << 61}) {
    memory.put_word(0, count);
    EXPECT_EQ(attach_code(memory), absl::StatusCode::kDataLoss);
  }
  memory.put_word(0, 4);
  for (const std::uint64_t end :
       {std::uint64_t{41}, std::uint64_t{24}, std::uint64_t{1} << 20, ~std::uint64_t{7}}) {
    memory.put_word(kOffsets + 32, end);
    EXPECT_EQ(attach_code(memory), absl::StatusCode::kDataLoss);
  }
}

TEST(ShareableListDamage, AttachRefusesADamagedTrailer) {
  for (std::size_t at = 16; at <= 48; at += 8) {
    ListMemory memory(kValues);
    memory.put_word(memory.trailer() + at, memory.word(memory.trailer() + at) + 8);
    EXPECT_EQ(attach_code(memory), absl::StatusCode::kDataLoss) << at;
  }
  ListMemory memory(kValues);
  memory.put_word(memory.trailer() + 8, 2);
  EXPECT_EQ(attach_code(memory), absl::StatusCode::kFailedPrecondition);
  ListMemory moved(kValues);
  moved.put_word(kOffsets + 8, 16);  // an offset that the check covers
  EXPECT_EQ(attach_code(moved), absl::StatusCode::kDataLoss);
}

TEST(ShareableListDamage, NamesTheElementAndWhatIsWrong) {
  const struct {
    std::size_t at;
    std::uint64_t word;
    const char* what;
  } kCases[] = {{kOffsets + 8, 3, "offsets"},
                {kOffsets + 8, 1 << 20, "offsets"},
                {kOffsets + 16, ~std::uint64_t{7}, "offsets"},
                {kFormats + 8, format_word("9999992s"), "format"},
                {kFormats + 8, format_word("24s"), "format"},
                {kFormats + 8, format_word("12s"), "format"},
                {kFormats + 8, format_word("016s"), "format"},
                {kFormats + 8, format_word("i"), "format"},
                {kFormats + 8, 0, "format"},
                {kFormats + 8, ~std::uint64_t{0}, "format"},
                {kFormats + 8, kFormatInt, "code"},
                {kCodes, 0x04040404, "code"},
                {kCodes, 0x00000000, "code"},
                {56, 0xFF, "UTF-8"}};
  for (const auto& damage : kCases) {
    ListMemory memory(kValues);
    ListView list = memory.view();
    memory.put_word(damage.at, damage.word);
    const absl::Status status = list.get(1).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << damage.what;
    EXPECT_NE(status.message().find("element 1"), absl::string_view::npos) << status;
    EXPECT_NE(status.message().find(damage.what), absl::string_view::npos) << status;
  }
}

TEST(ShareableListDamage, ARecordOfGarbageIsNotApplied) {
  const struct {
    std::size_t field;
    std::uint64_t word;
  } kCases[] = {{0, 4}, {0, ~std::uint64_t{0}}, {8, format_word("9999992s")}, {8, 0}, {16, 4}};
  for (const auto& damage : kCases) {
    ListMemory memory(kValues);
    ListView list = memory.view();
    const std::size_t record = memory.trailer() + kShadowRecordOffset;
    memory.put_word(record, 1);
    memory.put_word(record + 8, format_word("16s"));
    memory.put_word(record + 16, 1);
    memory.put_word(record + damage.field, damage.word);
    memory.set_shadow(shadow_word(ShadowState::kPublished, 0, 1));
    const std::vector<std::byte> before = memory.copy();
    EXPECT_EQ(list.set(0, 5, kMe, kNoPatience).code(), absl::StatusCode::kDataLoss);
    EXPECT_EQ(memory.copy(), before);
    EXPECT_EQ(list.get(0).value(), Value(1));
    (void)list.get(1);
  }
  ListMemory memory(kValues);
  memory.set_shadow(3);
  EXPECT_EQ(memory.view().set(0, 5, kMe, kNoPatience).code(), absl::StatusCode::kDataLoss);
}

void use_everything(std::span<std::byte> bytes, const ListView& attached) {
  ListView list = attached;
  char buffer[16];
  for (std::size_t at = 0; at < list.size() && at < 8; ++at) {
    const auto index = static_cast<std::ptrdiff_t>(at);
    (void)list.get(index);
    (void)list.get_int64(index);
    (void)list.get_into(index, std::as_writable_bytes(std::span(buffer)));
    (void)list.format_of(index);
    (void)list.set(index, "eight by", kMe, kNoPatience);
    (void)list.set_int64(index, 7, kMe, kNoPatience);
    (void)list.set(index, Bytes(std::string_view("ab\0", 3)), kMe, kNoPatience);
  }
  for (const std::uint16_t dead : {kMe, std::uint16_t{1}}) (void)orphan(bytes, dead);
}

// Words that are at the edge of something, anywhere, before and after attaching.
TEST(ShareableListDamage, NothingIsBelieved) {
  constexpr std::uint64_t kWords[] = {0,
                                      1,
                                      2,
                                      5,
                                      8,
                                      16,
                                      40,
                                      64,
                                      1 << 16,
                                      ~std::uint64_t{0},
                                      ~std::uint64_t{7},
                                      kFormatInt,
                                      kFormatNone,
                                      format_word("8s"),
                                      format_word("9999992s"),
                                      kListTrailerMagic,
                                      0x0303030303030303};
  std::mt19937_64 draw(20);
  for (int round = 0; round < 20000; ++round) {
    ListMemory memory(kValues);
    // a block of exactly the list's size, for the address sanitizer
    std::vector<std::uint64_t> exact(memory.bytes().size() / 8);
    std::memcpy(exact.data(), memory.bytes().data(), exact.size() * 8);
    const std::span<std::byte> bytes = std::as_writable_bytes(std::span(exact));
    const auto before = ListView::attach(bytes);
    ASSERT_TRUE(before.ok());
    for (std::uint64_t changes = draw() % 4 + 1; changes != 0; --changes) {
      exact[draw() % exact.size()] = kWords[draw() % std::size(kWords)];
    }
    use_everything(bytes, *before);
    if (const auto after = ListView::attach(bytes); after.ok()) use_everything(bytes, *after);
  }
}

}  // namespace
}  // namespace shoal::memory
