// Golden images: what the code writes, byte for byte, beside what docs/format.md says. Who changes
// one of them changes the layout, and with it the layout's version.
#include <cstring>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "memory/arena.h"
#include "memory/layout.h"
#include "memory/recover.h"
#include "memory/session_page.h"

namespace shoal::test {
namespace {

using memory::Geometry;
using memory::ObjectKind;
using memory::owner_of;

// Lines of 16 bytes, without those of zeros.
std::string image(const void* from, std::size_t size) {
  const auto* bytes = static_cast<const unsigned char*>(from);
  std::string out;
  for (std::size_t at = 0; at < size; at += 16) {
    char line[64];
    int length = std::snprintf(line, sizeof line, "%03zx", at);
    bool zero = true;
    for (std::size_t i = at; i < at + 16 && i < size; ++i) {
      length += std::snprintf(line + length, sizeof line - static_cast<std::size_t>(length),
                              i % 8 == 0 ? "  %02x" : " %02x", bytes[i]);
      zero = zero && bytes[i] == 0;
    }
    if (!zero) out += std::string(line) + "\n";
  }
  return out;
}

std::string hex(std::uint64_t word) {
  char text[20];
  std::snprintf(text, sizeof text, "%016lx", word);
  return text;
}

TEST(ArenaFormat, Header) {
  std::vector<std::byte> page(4096);
  memory::lay_arena(page.data(), {.layout = 2,
                                  .bytes = 0x1'0000'0000,
                                  .id = 0x1122334455667788,
                                  .manager = 0x99aabbccddeeff00,
                                  .quota_chunks = 0x8000});
  auto& header = *reinterpret_cast<memory::ArenaHeader*>(page.data());
  header.closed.store(1);
  header.used_chunks.store(0x1234);
  header.highest_chunk.store(0x2345);
  header.chunk_hint.store(0x3456);
  for (std::uint32_t i = 0; i < 4; ++i) header.cell_hints[i].store(0x11111111 * (i + 1));
  memory::manager_record(page.data())->intent.store(memory::intent_word(1, 2, 3));
  EXPECT_EQ(image(page.data(), page.size()),
            R"(000  73 68 72 65 6e 61 31 00  02 00 00 00 00 00 00 00
020  00 00 00 00 00 00 00 00  00 00 00 00 01 00 00 00
030  88 77 66 55 44 33 22 11  00 ff ee dd cc bb aa 99
040  01 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00
080  00 80 00 00 00 00 00 00  34 12 00 00 00 00 00 00
090  45 23 00 00 56 34 00 00  11 11 11 11 22 22 22 22
0a0  33 33 33 33 44 44 44 44  00 00 00 00 00 00 00 00
410  00 00 00 00 00 00 00 00  03 00 00 02 00 10 00 00
)");
}

TEST(ArenaFormat, Geometry) {
  const Geometry g = Geometry::of(std::uint64_t{64} << 20);
  EXPECT_EQ(Geometry::kObjectTable, 0x10000U);
  EXPECT_EQ(g.chunk_table, 0x10010000U);
  EXPECT_EQ(g.cell_table, 0x10020000U);
  EXPECT_EQ(g.chunks, 0x10220000U);
  EXPECT_EQ(g.chunk_count, 1024U);
  EXPECT_EQ(g.file_bytes, 0x14220000U);
}

TEST(ArenaFormat, Words) {
  using namespace memory;
  const std::uint64_t used = free_word(owned_word(kWordBacked, 5, 9, true));
  EXPECT_EQ(hex(used), "0004000000000030");
  EXPECT_EQ(hex(claimed_word(0, owner_of(0x1234, 0x2567))), "00000001234959c1");
  EXPECT_EQ(hex(claimed_word(used, owner_of(kManagerSlot, kManagerThread))), "0004000ffff00071");
  EXPECT_EQ(hex(owned_word(0, 0xabcde, 0x123456, true)), "000048d15aaf379a");
  EXPECT_EQ(hex(owned_word(used, 1, 0, false)), "0004000000000072");
  EXPECT_EQ(hex(slab_word(kWordBacked, 3)), "0000003000000023");
  EXPECT_EQ(hex(closing_word(slab_word(kWordBacked, 3), owner_of(1, 1))), "0000003000100064");
  EXPECT_EQ(hex(intent_word(0xabcde, 0x12345, 0x6789ab)), "abcde123456789ab");
}

TEST(ArenaFormat, LockWords) {
  EXPECT_EQ(hex(owner_of(0x1234, 0x2567)), "00000000048d2567");
  EXPECT_EQ(hex(owner_of(0x1234, 0x2567) << 2 | memory::kWaiters | memory::kWatched),
            "000000001234959f");
  EXPECT_EQ(hex(owner_of(memory::kSlotGone, 0) << 2), "00000000ffff0000");
}

struct Golden {
  ObjectKind kind;
  std::uint16_t flags;
  std::uint64_t parameter;
  const char* bytes;
};

TEST(ArenaFormat, Descriptors) {
  const std::byte initial[4] = {std::byte{0xde}, std::byte{0xad}, std::byte{0xbe}, std::byte{0xef}};
  const Golden goldens[] = {
      {ObjectKind::kLock, memory::kFlagReleaseByAnyone, 0,
       R"(000  01 00 00 00 07 00 00 00  00 00 00 00 00 00 00 00
010  00 00 00 00 00 00 00 00  00 00 00 00 04 00 00 00
030  00 00 00 00 00 00 00 00  03 00 01 00 00 00 00 00
)"},
      {ObjectKind::kRLock, 0, 0, R"(000  01 00 00 00 07 00 00 00  00 00 00 00 00 00 00 00
010  00 00 00 00 00 00 00 00  00 00 00 00 04 00 00 00
030  00 00 00 00 00 00 00 00  04 00 00 00 00 00 00 00
)"},
      {ObjectKind::kSharedLock, 0, 32, R"(000  01 00 00 00 07 00 00 00  00 00 00 00 00 00 00 00
010  00 00 00 00 00 00 00 00  00 00 00 00 04 00 00 00
020  20 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00
030  00 00 00 00 00 00 00 00  05 00 00 00 00 00 00 00
)"},
      {ObjectKind::kSemaphore, 0, 3, R"(000  01 00 00 00 07 00 00 00  00 00 00 00 00 00 00 00
010  00 00 00 00 00 00 00 00  00 00 00 00 04 00 00 00
020  03 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00
030  00 00 00 00 00 00 00 00  06 00 00 00 00 00 00 00
)"},
      {ObjectKind::kBoundedSemaphore, memory::kFlagPlain, 3,
       R"(000  01 00 00 00 07 00 00 00  00 00 00 00 00 00 00 00
010  00 00 00 00 00 00 00 00  00 00 00 00 04 00 00 00
020  03 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00
030  00 00 00 00 00 00 00 00  07 00 02 00 00 00 00 00
040  03 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00
)"},
      {ObjectKind::kCondition, 0, 32, R"(000  01 00 00 00 07 00 00 00  00 00 00 00 00 00 00 00
010  00 00 00 00 00 00 00 00  00 00 00 00 04 00 00 00
020  20 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00
030  00 00 00 00 00 00 00 00  08 00 00 00 00 00 00 00
)"},
      {ObjectKind::kEvent, 0, 0, R"(000  01 00 00 00 07 00 00 00  00 00 00 00 00 00 00 00
010  00 00 00 00 00 00 00 00  00 00 00 00 04 00 00 00
030  00 00 00 00 00 00 00 00  09 00 00 00 00 00 00 00
)"},
      {ObjectKind::kBarrier, 0, 4, R"(000  01 00 00 00 07 00 00 00  00 00 00 00 00 00 00 00
010  00 00 00 00 00 00 00 00  00 00 00 00 04 00 00 00
020  04 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00
030  00 00 00 00 00 00 00 00  0a 00 00 00 00 00 00 00
)"},
      {ObjectKind::kCell, 0, 4, R"(000  01 00 00 00 07 00 00 00  00 00 00 00 00 00 00 00
010  00 00 00 00 00 00 00 00  00 00 00 00 04 00 00 00
020  04 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00
030  00 00 00 00 00 00 00 00  0b 00 00 00 00 00 00 00
040  de ad be ef 00 00 00 00  00 00 00 00 00 00 00 00
)"},
      {ObjectKind::kArray, 0, 64, R"(000  01 00 00 00 07 00 00 00  00 00 00 00 00 00 00 00
010  00 00 00 00 00 00 00 00  00 00 00 00 04 00 00 00
020  40 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00
030  00 00 00 00 00 00 00 00  0c 00 00 00 00 00 00 00
)"},
  };
  for (const Golden& golden : goldens) {
    std::vector<std::byte> arena(Geometry::kObjectTable + 2 * memory::kDescriptorBytes);
    memory::lay_object(arena.data(), {.index = 1,
                                      .id = 0x0000'0007'0000'0001,
                                      .kind = golden.kind,
                                      .flags = golden.flags,
                                      .parameter = golden.parameter,
                                      .block = 0,
                                      .initial = initial});
    EXPECT_EQ(image(arena.data() + Geometry::kObjectTable + memory::kDescriptorBytes,
                    memory::kDescriptorBytes),
              golden.bytes)
        << "kind " << static_cast<int>(golden.kind);
  }
}

// With everything set, so that each field shows.
TEST(ArenaFormat, DescriptorFields) {
  memory::Descriptor d{};
  d.id.store(0x0102030405060708);
  d.lock.store(0x11111111);
  d.depth.store(0x12121212);
  d.token.store(0x1313131313131313);
  d.abandoned.store(0x14141414);
  d.event.store(0x15151515);
  d.parameter.store(0x1616161616161616);
  d.block.store(0x1717171717171717);
  d.recoveries.store(0x18181818);
  d.contended.store(0x19191919);
  d.kind.store(0x2020);
  d.flags.store(0x2121);
  d.referred.store(0x27272727);
  d.value.store(0x2222222222222222);
  d.hint.store(0x23232323);
  d.cells16[0].store(0x2424);
  d.cells32[1].store(0x25252525);
  d.words[15].store(0x2626262626262626);
  EXPECT_EQ(image(&d, sizeof d), R"(000  08 07 06 05 04 03 02 01  11 11 11 11 12 12 12 12
010  13 13 13 13 13 13 13 13  14 14 14 14 15 15 15 15
020  16 16 16 16 16 16 16 16  17 17 17 17 17 17 17 17
030  18 18 18 18 19 19 19 19  20 20 21 21 27 27 27 27
040  22 22 22 22 22 22 22 22  23 23 23 23 00 00 00 00
080  24 24 00 00 25 25 25 25  00 00 00 00 00 00 00 00
0f0  00 00 00 00 00 00 00 00  26 26 26 26 26 26 26 26
)");
}

TEST(ArenaFormat, SessionPage) {
  std::vector<std::byte> bytes(384);
  auto& page = *reinterpret_cast<memory::SessionPage*>(bytes.data());
  page.magic = memory::kSessionPageMagic;
  page.layout = 2;
  page.slot = 0x1234;
  page.session = 0x1111111111111111;
  page.pid = 0x22222222;
  page.threads.store(3);
  page.arena = 0x3333333333333333;
  page.manager = 0x4444444444444444;
  memory::ThreadRecord& record = page.records[1];
  record.waiting.store(0x5151515151515151);
  record.since_ns.store(0x5252525252525252);
  record.tid.store(0x53535353);
  record.purpose.store(static_cast<std::uint32_t>(memory::Purpose::kBarrier));
  record.intent_for.store(0x5555555555555555);
  record.reserved.store(0x5656565656565656);
  record.transaction.store(0x5757575757575757);
  for (unsigned i = 0; i < memory::kIntentsMax; ++i) record.intent_at(i).store(0x6060 + i);
  record.operations.store(0x71);
  record.waits.store(0x72);
  record.waited_ns.store(0x73);
  record.wakes.store(0x74);
  record.bytes.store(0x75);
  EXPECT_EQ(image(bytes.data(), bytes.size()),
            R"(000  73 68 73 70 61 67 65 32  02 00 00 00 34 12 00 00
010  11 11 11 11 11 11 11 11  22 22 22 22 03 00 00 00
020  33 33 33 33 33 33 33 33  44 44 44 44 44 44 44 44
100  51 51 51 51 51 51 51 51  52 52 52 52 52 52 52 52
110  53 53 53 53 07 00 00 00  60 60 00 00 00 00 00 00
120  55 55 55 55 55 55 55 55  56 56 56 56 56 56 56 56
130  57 57 57 57 57 57 57 57  61 60 00 00 00 00 00 00
140  71 00 00 00 00 00 00 00  72 00 00 00 00 00 00 00
150  73 00 00 00 00 00 00 00  74 00 00 00 00 00 00 00
160  75 00 00 00 00 00 00 00  62 60 00 00 00 00 00 00
170  63 60 00 00 00 00 00 00  64 60 00 00 00 00 00 00
)");
}

}  // namespace
}  // namespace shoal::test
