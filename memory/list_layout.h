// The bytes of a ShareableList. docs/format.md is this file's prose twin. No algorithm lives here.
//
//        0 +--------------------------+
//          | count N              i64 |  \.
//        8 +--------------------------+   |
//          | offset[0..N]   i64 each  |   |  what CPython's multiprocessing.shared_memory.
// (N+2)*8  +--------------------------+   |  ShareableList writes, byte for byte
//          | data: element i is at    |   |
//          |   offset[i]..offset[i+1] |   |  offset[0] = 0; every slot a multiple of 8
//          +--------------------------+   |
//          | format[0..N-1] 8 bytes   |   |  text of Python's `struct`, NUL padded
//          +--------------------------+   |
//          | code[0..N-1]   1 byte    |  /   how bytes become a value again
//   plain  +--------------------------+
//          | padding to 64            |
//  trailer +--------------------------+
//          | ListTrailer     64 bytes |  never changes
//     + 64 +--------------------------+
//          | shadow word     8 of 64  |  the only word that writers fight for; its own line
//    + 128 +--------------------------+
//          | ShadowRecord    32 bytes |  the element being set
//          |   + largest slot         |
//          +--------------------------+
//          | tail[0..N-1]    8 bytes  |  NULs at an element's end, and what they were true of
//          +--------------------------+
//
// A list without a trailer (born in Python's stdlib) ends at `plain`, or has zeros behind it.
//
// Shadow word:   63          18 17       2 1   0
//               +--------------+----------+-----+
//               | sequence     | owner    |state|
//               +--------------+----------+-----+
// Tail word: low half the number of NULs at the value's end, high half `tail_check` of the rest.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace shoal::memory {

inline constexpr std::size_t kWordBytes = 8;
inline constexpr std::size_t kLineBytes = 64;

// A list has at most this many elements; it only keeps the arithmetic far from overflow.
inline constexpr std::uint64_t kListElementsMax = std::uint64_t{1} << 26;
// The format's text has at most 8 characters, the last of them 's': 7 digits, a multiple of 8.
inline constexpr std::uint64_t kListSlotBytesMax = 9'999'992;
// A text's slot always has room for one byte more than it was created with.
inline constexpr std::uint64_t kListTextBytesMax = kListSlotBytesMax - 1;

// Owner slots in the shadow word. 0: nobody, or somebody who is dead.
inline constexpr std::uint16_t kOwnerSlotMin = 1;
inline constexpr std::uint16_t kOwnerSlotMax = 65534;

inline constexpr std::uint64_t kListTrailerMagic = 0x314C53'6C616F6873;  // "shoalSL1"
inline constexpr std::uint32_t kListTrailerVersion = 1;

struct ListTrailer {
  std::uint64_t magic;
  std::uint32_t version;
  std::uint32_t reserved0;
  std::uint64_t count;          // N again
  std::uint64_t plain_bytes;    // where the stdlib's part ends
  std::uint64_t trailer_bytes;  // from the magic to behind the last tail word
  std::uint64_t largest_slot;   // room in the shadow record, a multiple of 8
  std::uint32_t check;          // CRC-32C of the 48 bytes above, then of count and offset[0..N]
  std::uint32_t reserved1;
  std::uint64_t reserved2;
};
static_assert(sizeof(ListTrailer) == kLineBytes);
static_assert(offsetof(ListTrailer, version) == 8 && offsetof(ListTrailer, count) == 16);
static_assert(offsetof(ListTrailer, plain_bytes) == 24);
static_assert(offsetof(ListTrailer, trailer_bytes) == 32);
static_assert(offsetof(ListTrailer, largest_slot) == 40 && offsetof(ListTrailer, check) == 48);

inline constexpr std::size_t kShadowWordOffset = 64;     // from the trailer's start
inline constexpr std::size_t kShadowEventOffset = 72;    // writers wait on it: memory/wait.h
inline constexpr std::size_t kShadowRecordOffset = 128;  // likewise

struct ShadowRecord {
  std::uint64_t index;
  std::uint64_t format;
  std::uint64_t code;
  std::uint64_t tail;
  // the value's bytes follow, as many as the format says
};
static_assert(sizeof(ShadowRecord) == 32);
static_assert(offsetof(ShadowRecord, format) == 8 && offsetof(ShadowRecord, code) == 16);
static_assert(offsetof(ShadowRecord, tail) == 24);

// Eight characters of `struct` format as the little-endian word that they are in memory.
constexpr std::uint64_t format_word(std::string_view text) {
  std::uint64_t word = 0;
  for (std::size_t i = 0; i < text.size() && i < 8; ++i) {
    word |= std::uint64_t{static_cast<unsigned char>(text[i])} << (8 * i);
  }
  return word;
}

inline constexpr std::uint64_t kFormatInt = format_word("q");
inline constexpr std::uint64_t kFormatDouble = format_word("d");
inline constexpr std::uint64_t kFormatBool = format_word("xxxxxxx?");
inline constexpr std::uint64_t kFormatNone = format_word("xxxxxx?x");
inline constexpr std::uint64_t kBoolTrue = std::uint64_t{1} << 56;  // the byte at '?'

// "%ds" of a slot's size.
constexpr std::uint64_t text_format(std::uint64_t size) {
  std::uint64_t word = 's';
  for (; size != 0; size /= 10) word = word << 8 | ('0' + size % 10);
  return word;
}

// The size in a word of text_format(), or 0 if it is nothing that text_format() writes.
constexpr std::uint64_t text_format_size(std::uint64_t word) {
  std::uint64_t size = 0;
  if ((word & 0xFF) == '0') return 0;
  for (; (word & 0xFF) >= '0' && (word & 0xFF) <= '9'; word >>= 8) {
    size = size * 10 + ((word & 0xFF) - '0');
  }
  return word == 's' && size % 8 == 0 && size <= kListSlotBytesMax ? size : 0;
}
static_assert(text_format(24) == format_word("24s") && text_format_size(text_format(24)) == 24);
static_assert(text_format_size(format_word("9999992s")) == kListSlotBytesMax);
static_assert(text_format_size(format_word("s")) == 0 && text_format_size(kFormatBool) == 0);

// CPython's _back_transforms_mapping.
enum class ListCode : std::uint8_t { kScalar = 0, kString = 1, kBytes = 2, kNone = 3 };

enum class ShadowState : std::uint8_t { kIdle = 0, kClaimed = 1, kPublished = 2 };

constexpr std::uint64_t shadow_word(ShadowState state, std::uint16_t owner,
                                    std::uint64_t sequence) {
  return static_cast<std::uint64_t>(state) | std::uint64_t{owner} << 2 | sequence << 18;
}
// A state of 3 is damage; it is none of the three for everybody.
constexpr ShadowState shadow_state(std::uint64_t word) {
  return static_cast<ShadowState>(word & 3);
}
constexpr std::uint16_t shadow_owner(std::uint64_t word) {
  return static_cast<std::uint16_t>(word >> 2);
}
constexpr std::uint64_t shadow_sequence(std::uint64_t word) { return word >> 18; }
constexpr std::uint64_t next_sequence(std::uint64_t word) {  // wraps after 2^46 sets
  return (shadow_sequence(word) + 1) & ((std::uint64_t{1} << 46) - 1);
}

constexpr std::uint64_t round_up(std::uint64_t size, std::uint64_t to) {
  return (size + to - 1) / to * to;
}
// The slot that a text gets at creation: the stdlib's rule, but of bytes, not of characters.
constexpr std::uint64_t text_slot(std::uint64_t size) { return 8 * (size / 8 + 1); }

constexpr std::uint64_t list_data_offset(std::uint64_t count) { return (count + 2) * 8; }
constexpr std::uint64_t list_plain_bytes(std::uint64_t count, std::uint64_t data_bytes) {
  return list_data_offset(count) + data_bytes + count * 9;
}
constexpr std::uint64_t list_trailer_bytes(std::uint64_t count, std::uint64_t largest_slot) {
  return kShadowRecordOffset + sizeof(ShadowRecord) + largest_slot + count * 8;
}

}  // namespace shoal::memory
