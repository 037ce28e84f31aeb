// The bytes of a dict: what its descriptor holds beside what every descriptor does, its shards, and
// the blocks that entries lie in. Offsets and sizes only; the algorithms are in dict.h. In prose:
// docs/format.md. All of it may be overwritten by whoever may write the arena.
//
// A dict is 1 to 2^18 shards. A key belongs to the shard whose index is the low `depth` bits of the
// key's hash. Shard 0 lies in the descriptor; shard i in header page i / 128.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <type_traits>

#include "memory/layout.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

// ---- shards ----

//   0          8       12       16                24                                64
//   +----------+-------+--------+-----------------+---------------------------------+
//   | root     | index | depth  | transaction     | 0                               |  readers
//   64 -----+--------+--------+--------+--------+--------+---------+----------------+
//   | lock  |contend.| count  | used   | tail   | live   | changes | latest | spares|  writers
//   +-------+--------+--------+--------+--------+--------+---------+----------------+  128
//
// root    { generation 27 | block / 1024: 27 | bytes 4 | buckets 4 | 0: 2 }; no block: the shard is
//         empty. The block has 2^20 >> bytes, and 1 << buckets.
//         The generation goes on with every block, so a root word never comes back.
// depth   1 + how many bits of the hash decide; 0: there is no such shard (shard 0 always is)
// spare   an EntryPlace in the block's log that no slot names, for the next entry. 0: none
// spares  the others in a row: this is the first, and the first word in each is the next
//
// All of the writers' line but `lock`, `contended`, `changes` and the spares follows from the
// block.
struct Shard {
  Word64 root;
  Word32 index;
  Word32 depth;
  Word64 transaction;  // the record of one that is under way, an offset; 0: none
  std::uint64_t reserved[5];
  Word32 lock;
  Word32 contended;  // times that somebody waited for the lock
  Word32 count;      // entries
  Word32 used;       // slots that are not empty
  Word32 tail;       // where the log ends
  Word32 live;       // bytes of the entries that count
  Word64 changes;    // of anything in the shard
  Word64 latest;     // 1 + a sequence that no entry's exceeds; 0: the shard is empty
  Word32 spare;
  Word32 spares;
  std::uint64_t reserved_2[2];
};

static_assert(std::is_standard_layout_v<Shard> && std::is_trivial_v<Shard>);
static_assert(sizeof(Shard) == 128);
static_assert(offsetof(Shard, index) == 8);
static_assert(offsetof(Shard, depth) == 12);
static_assert(offsetof(Shard, transaction) == 16);
static_assert(offsetof(Shard, lock) == 64);
static_assert(offsetof(Shard, contended) == 68);
static_assert(offsetof(Shard, count) == 72);
static_assert(offsetof(Shard, used) == 76);
static_assert(offsetof(Shard, tail) == 80);
static_assert(offsetof(Shard, live) == 84);
static_assert(offsetof(Shard, changes) == 88);
static_assert(offsetof(Shard, latest) == 96);
static_assert(offsetof(Shard, spare) == 104);
static_assert(offsetof(Shard, spares) == 108);

inline constexpr unsigned kDictDepthMax = 18;
inline constexpr std::uint32_t kShardsMax = 1U << kDictDepthMax;
inline constexpr std::uint32_t kShardsPerPage = 128;
inline constexpr std::uint64_t kHeaderPageBytes = sizeof(Shard) * kShardsPerPage;
inline constexpr std::uint32_t kHeaderPagesMax = kShardsMax / kShardsPerPage;
inline constexpr std::uint64_t kPageTableBytes = kHeaderPagesMax * sizeof(Word64);

static_assert(kHeaderPageBytes == cell_bytes(3) && kPageTableBytes == cell_bytes(3));

// ---- descriptor of a dict ----

//   0 ... 64 as in every descriptor; `lock`: of the header pages
//   64                 80             88             96         104     108
//   +------------------+--------------+--------------+----------+-------+-------+----
//   | seed    | 0      | page 0       | page table   | sequence | depth |sticky | splits | 0
//   128 ------------------------------------------------------------------------+---
//   | shard 0                                                                   |
//   +---------------------------------------------------------------------------+  256
struct DictDescriptor {
  std::uint64_t common[8];
  std::uint64_t seed;  // of the hash; never changes
  std::uint64_t reserved_1;
  Word64 first_page;  // offset of header page 0, whose first place is not used; 0: none yet
  Word64 page_table;  // offset of the offsets of pages 1 and on
  Word64 sequence;    // of the next entry that is inserted
  Word32 depth;       // no shard is deeper, or only for a moment
  Word32 sticky;      // what has ever been put: kHasReferences
  Word64 splits;      // of shards, ever; for people
  std::uint64_t reserved;
  Shard first;
};

inline constexpr std::uint32_t kStickyReferences = 1;  // some value has or had references

static_assert(std::is_standard_layout_v<DictDescriptor> && std::is_trivial_v<DictDescriptor>);
static_assert(sizeof(DictDescriptor) == kDescriptorBytes);
static_assert(offsetof(DictDescriptor, seed) == 64);
static_assert(offsetof(DictDescriptor, first_page) == 80);
static_assert(offsetof(DictDescriptor, page_table) == 88);
static_assert(offsetof(DictDescriptor, sequence) == 96);
static_assert(offsetof(DictDescriptor, depth) == 104);
static_assert(offsetof(DictDescriptor, sticky) == 108);
static_assert(offsetof(DictDescriptor, splits) == 112);
static_assert(offsetof(DictDescriptor, first) == 128);

// ---- blocks: buckets of slots, then a log of entries ----

//   +----------+----------+ ... +---------+---------+---------+ ... +--------------+
//   | bucket 0 | bucket 1 |     | entry   | entry   | entry   |     | not used yet |
//   | 16 slots |          |     |         |         |         |     |              |
//   +----------+----------+ ... +---------+---------+---------+ ... +--------------+
//                                                                   tail           size
// slot  { tag 15 | offset / 8: 17 }, one word: what makes an entry visible. 0: empty; 1: erased,
//       but looked past; 2: so, too, for an entry of a transaction that is under way. A key's slot
//       is in the bucket its hash names, or in a later one, with no bucket in between that has an
//       empty slot.
inline constexpr std::uint32_t kSlotsPerBucket = 16;
inline constexpr std::uint32_t kSlotsFullOf16 = 14;  // no more of a block's, so that a search ends
inline constexpr std::uint32_t kBucketBytes = kSlotsPerBucket * sizeof(Word32);
inline constexpr std::uint32_t kSlotErased = 1;
inline constexpr std::uint32_t kSlotReserved = 2;  // the last value that names no entry
inline constexpr unsigned kSlotOffsetBits = 17;

// The sizes of blocks, as logarithms.
inline constexpr unsigned kDictBlockLogs[] = {10, 12, 14, 16, 17, 18, 19, 20};
inline constexpr unsigned kDictSizes = std::size(kDictBlockLogs);
inline constexpr unsigned kDictBlockLogMin = kDictBlockLogs[0];
inline constexpr unsigned kDictBlockLogMax = kDictBlockLogs[kDictSizes - 1];
static_assert(1U << kDictBlockLogMax <= 8U << kSlotOffsetBits);
// At most an eighth of a block is buckets, at least a thousandth.
inline constexpr unsigned kDictBytesPerBucketLogMin = 9;
inline constexpr unsigned kDictBytesPerBucketLogMax = 16;

constexpr std::uint32_t slot_of(std::uint32_t tag, std::uint32_t offset) {
  return tag << kSlotOffsetBits | offset / 8;
}
constexpr std::uint32_t slot_tag(std::uint32_t slot) { return slot >> kSlotOffsetBits; }
constexpr std::uint32_t slot_offset(std::uint32_t slot) {
  return (slot & ((1U << kSlotOffsetBits) - 1)) * 8;
}

// Which bits of a key's hash mean what.
constexpr std::uint32_t shard_bits(std::uint64_t hash) {
  return static_cast<std::uint32_t>(hash) & (kShardsMax - 1);
}
constexpr std::uint32_t tag_of(std::uint64_t hash) {
  return static_cast<std::uint32_t>(hash >> kDictDepthMax) & 0x7fff;
}
constexpr std::uint32_t bucket_bits(std::uint64_t hash) {
  return static_cast<std::uint32_t>(hash >> 33);
}

// A root word taken apart.
struct DictRoot {
  std::uint32_t generation = 0;
  std::uint64_t block = 0;  // offset in the arena, a multiple of 1024; 0: none
  unsigned bytes_log = kDictBlockLogMin;
  unsigned buckets_log = 0;

  static constexpr unsigned kBlockBits = 27;
  static constexpr std::uint64_t kBlockMask = ((std::uint64_t{1} << kBlockBits) - 1) << 10;

  static constexpr DictRoot of(std::uint64_t word) {
    return {.generation = static_cast<std::uint32_t>(word >> (10 + kBlockBits)),
            .block = word & kBlockMask,
            .bytes_log = kDictBlockLogMax - (static_cast<unsigned>(word >> 6) & 15),
            .buckets_log = static_cast<unsigned>(word >> 2) & 15};
  }
  [[nodiscard]] constexpr std::uint64_t word() const {
    return std::uint64_t{generation} << (10 + kBlockBits) | block |
           std::uint64_t{kDictBlockLogMax - bytes_log} << 6 | std::uint64_t{buckets_log} << 2;
  }
  // Of what was read: whether a block can be so large and have so many buckets.
  [[nodiscard]] static constexpr bool is_sound(std::uint64_t word) {
    return (word >> 2 & 15) + (word >> 6 & 15) <= kDictBlockLogMax - kDictBytesPerBucketLogMin;
  }
  [[nodiscard]] constexpr std::uint32_t bytes() const { return 1U << bytes_log; }
  [[nodiscard]] constexpr std::uint32_t buckets() const { return 1U << buckets_log; }
};
static_assert(DictRoot::kBlockMask >= 2 * kArenaBytesMax - 1024);

// ---- entries ----

//   0                     8                     16        24
//   +---------------------+---------------------+---------+----------- ... --+------- ... ---+
//   | sequence 50, key 14 | layout of the value | version | key, padded to 8 | value, padded |
//   +---------------------+---------------------+---------+----------- ... --+------- ... ---+
//
//   layout: | 0 2 | references | large | key kind 5 | value kind 6 | 0 17 | room 15 | bytes 17 |
//
// key         bytes of the key
// room        for the value, in 8 bytes
// large       the value word names a block of its own: {offset, bytes}
// references  the value has references to other objects (value_references.h)
// version     odd while the entry is written over a spare
//
// An entry in a slot changes no more, except that a value of 8 bytes may be replaced by another of
// the same kind with one store.
//
// The place of one that no slot names any more becomes a spare, for another entry of any key that
// fits there. So an entry begins where one began before, or behind the log's end, and the version
// that is there goes on.
inline constexpr std::uint32_t kEntryHeadBytes = 24;
inline constexpr unsigned kKeyBits = 14;
inline constexpr std::uint32_t kDictKeyBytesMax = 8192;
inline constexpr std::uint32_t kInlineValueBytesMax = 2048;
inline constexpr std::uint32_t kLargeValueBytes = 16;
inline constexpr std::uint64_t kDictValueBytesMax = std::uint64_t{1} << 30;
inline constexpr std::uint64_t kSequenceMax = (std::uint64_t{1} << (64 - kKeyBits)) - 1;

constexpr std::uint32_t padded(std::uint32_t bytes) { return (bytes + 7) & ~7U; }

constexpr std::uint64_t key_word(std::uint64_t sequence, std::uint32_t key_bytes) {
  return sequence << kKeyBits | key_bytes;
}
constexpr std::uint32_t key_bytes_in(std::uint64_t word) {
  return static_cast<std::uint32_t>(word) & ((1U << kKeyBits) - 1);
}
constexpr std::uint64_t sequence_in(std::uint64_t word) { return word >> kKeyBits; }

struct ValueLayout {
  std::uint64_t word = 0;

  struct Parts {
    std::uint32_t bytes = 0;
    std::uint32_t room = 0;
    std::uint8_t kind = 0;
    std::uint8_t key_kind = 0;
    bool large = false;
    bool references = false;
  };
  [[gnu::always_inline]] static constexpr ValueLayout of(const Parts& parts) {
    return {std::uint64_t{parts.bytes} | std::uint64_t{parts.room / 8} << 17 |
            std::uint64_t{parts.kind} << 49 | std::uint64_t{parts.key_kind} << 55 |
            std::uint64_t{parts.large} << 60 | std::uint64_t{parts.references} << 61};
  }

  [[nodiscard]] constexpr std::uint32_t bytes() const {
    return static_cast<std::uint32_t>(word) & 0x1ffff;
  }
  // In bytes, a multiple of 8.
  [[nodiscard]] constexpr std::uint32_t room() const {
    return (static_cast<std::uint32_t>(word >> 17) & 0x7fff) * 8;
  }
  [[nodiscard]] constexpr std::uint8_t kind() const {
    return static_cast<std::uint8_t>(word >> 49 & 0x3f);
  }
  [[nodiscard]] constexpr std::uint8_t key_kind() const {
    return static_cast<std::uint8_t>(word >> 55 & 0x1f);
  }
  [[nodiscard]] constexpr bool large() const { return (word >> 60 & 1) != 0; }
  // A value in the entry itself, of a key of this kind: one comparison.
  [[nodiscard]] constexpr bool is_inline_of(std::uint8_t key_kind) const {
    return (word >> 55 & 0x3f) == key_kind;
  }
  [[nodiscard]] constexpr bool references() const { return (word >> 61 & 1) != 0; }

  // The same value in another place.
  [[nodiscard]] constexpr ValueLayout moved(std::uint32_t room) const {
    constexpr std::uint64_t kRoom = std::uint64_t{0x7fff} << 17;
    return {(word & ~kRoom) | std::uint64_t{room / 8} << 17};
  }
};
static_assert(kInlineValueBytesMax <= 0x1ffff && kInlineValueBytesMax / 8 <= 0x7fff);
static_assert(kDictKeyBytesMax < 1U << kKeyBits);

constexpr std::uint32_t entry_bytes(std::uint32_t key_bytes, std::uint32_t room) {
  return kEntryHeadBytes + padded(key_bytes) + room;
}
// The least that a value in its entry gets.
constexpr std::uint32_t room_for(std::uint32_t value_bytes) {
  return padded(value_bytes) < 8 ? 8 : padded(value_bytes);
}

// Where in its block an entry is. As a word: { offset / 8: 17 | bytes / 8: 15 }; 0: none.
struct EntryPlace {
  std::uint32_t offset = 0;
  std::uint32_t bytes = 0;

  static constexpr unsigned kBytesBits = 15;

  static constexpr EntryPlace of(std::uint32_t word) {
    return {.offset = (word >> kBytesBits) * 8, .bytes = (word & ((1U << kBytesBits) - 1)) * 8};
  }
  [[nodiscard]] constexpr std::uint32_t word() const {
    return offset / 8 << kBytesBits | bytes / 8;
  }
  [[nodiscard]] constexpr std::uint32_t end() const { return offset + bytes; }
  // For an entry of so many bytes: it is not far too large.
  [[nodiscard]] constexpr bool suits(std::uint32_t wanted) const {
    return bytes - wanted <= wanted;  // wraps where it is less
  }
  [[nodiscard]] constexpr bool overlaps(const EntryPlace& other) const {
    return offset < other.end() && other.offset < end();
  }
};
static_assert(entry_bytes(kDictKeyBytesMax, kInlineValueBytesMax) < 8U << EntryPlace::kBytesBits);
static_assert(kSlotOffsetBits + EntryPlace::kBytesBits == 32);

// ---- the widths are enough for 100 million entries of 80 bytes ----

namespace widths {
constexpr std::uint64_t kEntries = 100'000'000;
constexpr std::uint64_t kEntryBytes = entry_bytes(16, 64);
// A shard that cannot be split any more takes entries until its largest block is more than half
// full.
constexpr std::uint64_t kShardEntries = (std::uint64_t{1} << kDictBlockLogMax) / 4 / kEntryBytes;
static_assert(kShardsMax * kShardEntries > 2 * kEntries, "shards");
static_assert(kEntries * kEntryBytes * 4 < kArenaBytesMax,
              "an arena; a root word has room for one");
static_assert(kEntries < kSequenceMax >> 21, "sequences of half the bits: each a million times");
static_assert(tag_of(kShardsMax - 1) == 0 && bucket_bits((std::uint64_t{1} << 33) - 1) == 0 &&
                  tag_of(~std::uint64_t{0} << 33) == 0,
              "shard, tag and bucket are chosen by different bits of the hash");
}  // namespace widths

// ---- parts: for what a block of the dict is (BlockFor::part) ----

// A shard's block: the shard's index.
inline constexpr std::uint32_t kPartHeaderPage = 0x400000;  // + which
inline constexpr std::uint32_t kPartPageTable = 0x500000;
inline constexpr std::uint32_t kPartRecord = 0x600000;  // of a transaction
inline constexpr std::uint32_t kPartValue = 0x800000;   // + shard_bits of the key's hash
static_assert(kPartValue + kShardsMax <= kPartsMax);

SHOAL_VARIANT_END

}  // namespace shoal::memory
