// The bytes of a List: what its descriptor holds beside what every descriptor does, its spine, its
// leaves, its elements. Offsets and sizes only; the algorithms are in list_container.h. In prose:
// docs/format.md. All of it may be overwritten by whoever may write the arena.
//
//   descriptor        spine                          leaf 0                    leaf 1
//   +------+          +-------+-----+--------+--     +------+----------+---    +------+-----
//   | root | ------>  | count | run | leaf 0 | ...   | head | elements | ...   | head | ...
//   +------+          +-------+-----+--------+--     +------+----------+---    +------+-----
//
// An element is one word. Every leaf but the last has kLeafElements places, so an index leads to
// its leaf by a division. Leaves that were made together lie in one block, the run.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "memory/layout.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

// ---- where a block is ----

//   63            33 32          4 3    0
//   +---------------+-------------+------+
//   | generation 31 | place 29    | size |   place: its offset among the chunks / 256 + 1; 0: none
//   +---------------+-------------+------+   size: 1 to 15, of a block of its own; 0: in the run
//
// The generation goes on with every change of the word, so a word never comes back.
struct ListPlace {
  std::uint32_t generation = 0;
  std::uint32_t place = 0;
  unsigned size = 0;

  static constexpr ListPlace of(std::uint64_t word) {
    return {.generation = static_cast<std::uint32_t>(word >> 33),
            .place = static_cast<std::uint32_t>(word >> 4) & ((1U << 29) - 1),
            .size = static_cast<unsigned>(word) & 15};
  }
  [[nodiscard]] constexpr std::uint64_t word() const {
    return std::uint64_t{generation} << 33 | std::uint64_t{place} << 4 | size;
  }
  // The word that follows `word` and names another block.
  static constexpr std::uint64_t next(std::uint64_t word, std::uint32_t place, unsigned size) {
    return ListPlace{of(word).generation + 1, place, size}.word();
  }
};
inline constexpr std::uint64_t kListPlaceBytes = 256;
static_assert(kArenaBytesMax / kListPlaceBytes < 1U << 29);

// Of a block of its own: cells of 256 B, 1, 4, 16 KiB, then runs of 1, 2, 4 ... chunks.
inline constexpr unsigned kListSizes = 16;
constexpr std::uint64_t list_block_bytes(unsigned size) {
  if (size == 0) return 0;
  return size <= kCellSizes ? cell_bytes(size - 1) : kChunkBytes << (size - kCellSizes - 1);
}
// kListSizes: there is none.
constexpr unsigned list_size_for(std::uint64_t bytes) {
  unsigned size = 1;
  while (size < kListSizes && list_block_bytes(size) < bytes) ++size;
  return size;
}
static_assert(list_block_bytes(4) == 16384 && list_block_bytes(5) == kChunkBytes);

// ---- descriptor of a List ----

//   0 ... 64 as in every descriptor
//   64         72       76   80             88
//   +----------+--------+----+--------------+--------------------------+
//   | root     | sticky | 0  | transaction  | 0                        |  readers
//   128 -------+--------+---------+---------+-------+------------------+
//   | changes  | values           | next    | old   | freed  | 0       |  writers
//   +----------+------------------+---------+-------+--------+---------+  256
//
// root     the spine's ListPlace; the list's only truth
// sticky   what has ever been in the list
// transaction  the record of one that is under way, an offset; 0: none
// changes  of anything in it; raised after the change, or by recovery
// values   large values that were ever made: the sequence in their words
// next     not 0: the holder of the lock replaces the tree `old` by this one. It is what `root`
// will
//          become, or has become
// freed    of what is replaced, the large values are freed; its blocks may be, too
struct ListDescriptor {
  std::uint64_t common[8];
  Word64 root;
  Word32 sticky;
  std::uint32_t reserved;
  Word64 transaction;
  std::uint64_t reserved_2[5];
  Word64 changes;
  Word64 values;
  Word64 next;
  Word64 old;
  Word32 freed;
  std::uint32_t reserved_3;
  std::uint64_t reserved_4[11];
};

inline constexpr std::uint32_t kListHasReferences = 1;
inline constexpr std::uint32_t kListHasLarge = 2;

static_assert(std::is_standard_layout_v<ListDescriptor> && std::is_trivial_v<ListDescriptor>);
static_assert(sizeof(ListDescriptor) == kDescriptorBytes);
static_assert(offsetof(ListDescriptor, root) == offsetof(Descriptor, value));
static_assert(offsetof(ListDescriptor, sticky) == offsetof(Descriptor, hint));
static_assert(offsetof(ListDescriptor, transaction) == 80);
static_assert(offsetof(ListDescriptor, changes) == 128);
static_assert(offsetof(ListDescriptor, values) == 136);
static_assert(offsetof(ListDescriptor, next) == 144);
static_assert(offsetof(ListDescriptor, old) == 152);
static_assert(offsetof(ListDescriptor, freed) == 160);

// ---- spine ----

//   0       8       16          24  32
//   +-------+-------+-----------+---+--------+--------+----
//   | count | run   | run bytes | 0 | leaf 0 | leaf 1 | ...   ListPlaces; 0: not there yet
//   +-------+-------+-----------+---+--------+--------+----
//
// run  offset of the block that leaves of size 0 lie in; 0: none
struct ListSpine {
  Word64 count;  // of elements: what an append stores last
  Word64 run;
  Word64 run_bytes;
  std::uint64_t reserved;
};
static_assert(std::is_standard_layout_v<ListSpine> && sizeof(ListSpine) == 32);

inline constexpr unsigned kSpineSizeMax = 9;  // 16 chunks
constexpr std::uint32_t leaves_in_spine(unsigned size) {
  return static_cast<std::uint32_t>((list_block_bytes(size) - sizeof(ListSpine)) / 8);
}
// kListSizes: more than a spine can have.
constexpr unsigned spine_size_for(std::uint64_t leaves) {
  const unsigned size = list_size_for(sizeof(ListSpine) + leaves * 8);
  return size > kSpineSizeMax ? kListSizes : size;
}

// ---- leaf ----

//   0       4       8      12  16
//   +-------+-------+------+---+-----------+---------------+--------+--------+--
//   | bytes | slots | tail | 0 | element 0 | ...           | record | record |
//   +-------+-------+------+---+-----------+---------------+--------+--------+--
//                               16 + 8 * slots              records  tail     bytes
struct ListLeaf {
  Word32 bytes;  // all of the leaf
  Word32 slots;
  Word32 tail;  // where the next record begins
  std::uint32_t reserved;
};
static_assert(std::is_standard_layout_v<ListLeaf> && sizeof(ListLeaf) == 16);

inline constexpr std::uint32_t kLeafElements = 2046;
inline constexpr std::uint32_t kLeafBytesMax = std::uint32_t{16} << 20;
static_assert(sizeof(ListLeaf) + std::uint64_t{kLeafElements} * 8 == cell_bytes(kCellSizes - 1));

constexpr std::uint64_t leaves_for(std::uint64_t count) {
  return (count + kLeafElements - 1) / kLeafElements;
}
constexpr std::uint64_t leaf_bytes(std::uint64_t slots, std::uint64_t record_bytes) {
  return sizeof(ListLeaf) + slots * 8 + record_bytes;
}

inline constexpr std::uint64_t kListCountMax =
    std::uint64_t{leaves_in_spine(kSpineSizeMax)} * kLeafElements;
static_assert(kListCountMax > 260'000'000);

// ---- elements ----

// A value is {kind, has references, bytes}; which kinds there are stands in shoal/value.h. Here
// only those matter that have an encoding of their own. Bits 0 to 2 of a word are its tag:
//
//   0     immediate  | payload 48: bits 16 to 63 | 0 | length 3: 8 to 10 | kind 5: 3 to 7 |
//                    up to 6 bytes; of a double: its upper 6 bytes, the others being 0
//   1     int        | number 61 |
//   2     record     | offset in the leaf / 8 |
//   3, 4  double     its bits, turned left by 4: what was the upper part of the exponent is the tag
//   5     reference  | generation 32 | 0 | index 20: 3 to 22 |
//   6     large      | sequence 29 | place 29 | size 3: 1 to 4 a cell, 5 a run |
//
//   record: | bytes 32 | kind 8 | references 1 | 0 |, then the bytes, padded to 8
//   large:  | bytes 64 |, | kind 8 | references 1 | 0 |, then the bytes: a block of its own
enum class ListTag : std::uint8_t {
  kImmediate = 0,
  kInt = 1,
  kRecord = 2,
  kDouble = 3,
  kDouble2 = 4,
  kReference = 5,
  kLarge = 6,
  kNotInline = 7,  // in no list
};

// Numbers of shoal::ValueKind.
inline constexpr std::uint8_t kListKindInt = 2;
inline constexpr std::uint8_t kListKindDouble = 4;
inline constexpr std::uint8_t kListKindReference = 12;
inline constexpr std::uint8_t kImmediateKinds = 32;

inline constexpr std::uint32_t kImmediateBytesMax = 6;
inline constexpr std::uint32_t kRecordBytesMax = 2048;
inline constexpr std::uint32_t kRecordHeadBytes = 8;
inline constexpr std::uint32_t kLargeHeadBytes = 16;
inline constexpr std::uint64_t kListValueBytesMax = std::uint64_t{1} << 30;
inline constexpr std::uint64_t kNotInline = 7;
inline constexpr unsigned kLargeRun = 5;
inline constexpr unsigned kLargeSequenceBits = 29;

constexpr ListTag list_tag(std::uint64_t word) { return static_cast<ListTag>(word & 7); }
constexpr bool is_inline(std::uint64_t word) {
  return list_tag(word) != ListTag::kRecord && (word & 7) < static_cast<unsigned>(ListTag::kLarge);
}

constexpr std::uint64_t int_word(std::int64_t number) {
  const auto word = static_cast<std::uint64_t>(number) << 3 | 1;
  return static_cast<std::int64_t>(word) >> 3 == number ? word : kNotInline;
}
constexpr std::int64_t int_in(std::uint64_t word) { return static_cast<std::int64_t>(word) >> 3; }

constexpr std::uint64_t immediate_word(std::uint8_t kind, unsigned bytes, std::uint64_t payload) {
  return payload << 16 | std::uint64_t{bytes} << 8 | std::uint64_t{kind} << 3;
}
constexpr std::uint8_t immediate_kind(std::uint64_t word) {
  return static_cast<std::uint8_t>(word >> 3) & (kImmediateKinds - 1);
}
constexpr unsigned immediate_bytes(std::uint64_t word) {
  return static_cast<unsigned>(word >> 8) & 7;
}

constexpr std::uint64_t double_word(double number) {
  const auto bits = std::bit_cast<std::uint64_t>(number);
  const std::uint64_t turned = std::rotl(bits, 4);
  if ((turned & 7) == 3 || (turned & 7) == 4) return turned;
  return (bits & 0xffff) == 0 ? immediate_word(kListKindDouble, 0, bits >> 16) : kNotInline;
}
constexpr double double_in(std::uint64_t word) {
  const bool turned = list_tag(word) != ListTag::kImmediate;
  return std::bit_cast<double>(turned ? std::rotr(word, 4) : word >> 16 << 16);
}

// `id`: of an object, {generation 32 | index 32}.
constexpr std::uint64_t reference_word(std::uint64_t id) {
  const std::uint64_t index = id & 0xffff'ffff;
  return index < kDescriptorsMax ? (id & ~std::uint64_t{0xffff'ffff}) | index << 3 | 5 : kNotInline;
}
constexpr std::uint64_t reference_in(std::uint64_t word) {
  return (word & ~std::uint64_t{0xffff'ffff}) | (word >> 3 & (kDescriptorsMax - 1));
}

constexpr std::uint64_t record_word(std::uint32_t offset) { return (offset & ~7U) | 2U; }
constexpr std::uint64_t record_offset(std::uint64_t word) { return word & ~std::uint64_t{7}; }
constexpr std::uint64_t record_head(std::uint64_t bytes, std::uint8_t kind, bool references) {
  return bytes | std::uint64_t{kind} << 32 | std::uint64_t{references} << 40;
}
constexpr std::uint64_t record_bytes(std::uint64_t value_bytes) {
  return kRecordHeadBytes + ((value_bytes + 7) & ~std::uint64_t{7});
}

// A large value's word taken apart.
struct LargePlace {
  std::uint32_t place = 0;
  unsigned size = 0;

  static constexpr LargePlace of(std::uint64_t word) {
    return {.place = static_cast<std::uint32_t>(word >> 6) & ((1U << 29) - 1),
            .size = static_cast<unsigned>(word >> 3) & 7};
  }
  [[nodiscard]] constexpr std::uint64_t word(std::uint64_t sequence) const {
    return sequence << (64 - kLargeSequenceBits) | std::uint64_t{place} << 6 | size << 3 | 6U;
  }
};

// ---- parts: for what a block of the list is (BlockFor::part) ----

inline constexpr std::uint32_t kListPartSpine = 0;
inline constexpr std::uint32_t kListPartRun = 1;
inline constexpr std::uint32_t kListPartValue = 2;
inline constexpr std::uint32_t kListPartLeaf = 16;  // + its index
static_assert(kListPartLeaf + leaves_in_spine(kSpineSizeMax) < kPartsMax);

SHOAL_VARIANT_END

}  // namespace shoal::memory
