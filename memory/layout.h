// The bytes of an arena: header, object table, chunk table, cell table, chunks. Offsets and sizes
// only; what is done with them stands in arena.h (memory) and object.h (objects). The same in
// prose: docs/format.md. Everything here may be overwritten by whoever may write the arena:
// geometry is taken from the manager, never from these bytes.
//
//   0          4096 (64 KiB)                                          chunks_offset
//   +----------+----------------+---------------+-------------+-------+--------+---
//   | header   | object table   | chunk table   | cell table  |       | chunk  | ...
//   | 1 page   | 256 B each     | 8 B a chunk   | 2 KiB a chunk       | 64 KiB |
//   +----------+----------------+---------------+-------------+-------+--------+---
//
// All of it is sparse: what is not used is not there. Each table begins at a multiple of 64 KiB.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "memory/variant.h"
#include "memory/word.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

// ---- object kinds in an arena: the numbers of wire::Kind ----

enum class ObjectKind : std::uint16_t {
  kLock = 3,
  kRLock = 4,
  kSharedLock = 5,
  kSemaphore = 6,
  kBoundedSemaphore = 7,
  kCondition = 8,
  kEvent = 9,
  kBarrier = 10,
  kCell = 11,
  kArray = 12,
  kDict = 13,
  kTypedDict = 14,
  kList = 15,
  kNamespace = 16,
};

inline constexpr bool is_arena_kind(std::uint16_t kind) {
  return kind >= static_cast<std::uint16_t>(ObjectKind::kLock) &&
         kind <= static_cast<std::uint16_t>(ObjectKind::kNamespace);
}

// Kinds whose writers take blocks from the arena themselves: only its tables say what such an
// object has. Of the others, all there is is the one block that the manager made.
inline constexpr bool is_container_kind(std::uint16_t kind) {
  return kind >= static_cast<std::uint16_t>(ObjectKind::kDict) &&
         kind <= static_cast<std::uint16_t>(ObjectKind::kNamespace);
}
inline constexpr bool is_container(ObjectKind kind) {
  return is_container_kind(static_cast<std::uint16_t>(kind));
}

// ---- object flags ----

inline constexpr std::uint16_t kFlagReleaseByAnyone = 1;  // Lock
inline constexpr std::uint16_t kFlagPlain = 2;            // semaphores: permits without an owner
inline constexpr std::uint16_t kFlagsKnown = 3;

// ---- geometry ----

inline constexpr std::uint64_t kArenaMagic = 0x31616e6572'6873;  // "shrena1"
inline constexpr std::uint64_t kChunkBytes = std::uint64_t{64} << 10;
inline constexpr std::uint32_t kDescriptorBytes = 256;
inline constexpr std::uint32_t kDescriptorsMax = 1U << 20;  // index 0 is never used
inline constexpr std::uint32_t kSmallestCellBytes = 256;
inline constexpr std::uint32_t kCellsPerChunkMax = kChunkBytes / kSmallestCellBytes;
inline constexpr std::uint64_t kArenaBytesMax = std::uint64_t{64} << 30;
inline constexpr std::uint64_t kArenaBytesMin = std::uint64_t{16} * kChunkBytes;

// Follows from the arena's size alone (the bytes of its chunks), so nobody has to store it.
struct Geometry {
  std::uint64_t chunk_table;
  std::uint64_t cell_table;
  std::uint64_t chunks;  // where chunk 0 begins
  std::uint32_t chunk_count;
  std::uint64_t file_bytes;

  static constexpr std::uint64_t kObjectTable = kChunkBytes;

  static constexpr Geometry of(std::uint64_t arena_bytes) {
    const auto up = [](std::uint64_t bytes) {
      return (bytes + kChunkBytes - 1) / kChunkBytes * kChunkBytes;
    };
    Geometry g{};
    g.chunk_count = static_cast<std::uint32_t>(arena_bytes / kChunkBytes);
    g.chunk_table = kObjectTable + std::uint64_t{kDescriptorsMax} * kDescriptorBytes;
    g.cell_table = g.chunk_table + up(std::uint64_t{g.chunk_count} * 8);
    g.chunks = g.cell_table + up(std::uint64_t{g.chunk_count} * kCellsPerChunkMax * 8);
    g.file_bytes = g.chunks + std::uint64_t{g.chunk_count} * kChunkBytes;
    return g;
  }
};

// ---- header ----

//   0        8        12       16        24        32        40
//   +--------+--------+--------+---------+---------+---------+
//   | magic  | layout | 0      |incompat |ro_compat| compat  |
//   +--------+--------+--------+---------+---------+---------+
//   | size of the chunks       | arena   | manager            |
//   64 -------------------------------------------------------+
//   | closed | 0 ...                                          |
//   128 ------------------------------------------------------+
//   | quota  | used   | highest| hint of chunks | 4 hints of cells | transactions | 0
//   +---------------------------------------------------------+  192
struct ArenaHeader {
  std::uint64_t magic;
  std::uint32_t layout;
  std::uint32_t reserved;
  std::uint64_t features_incompat;   // who does not know one must not open the arena
  std::uint64_t features_ro_compat;  // ... must not write it
  std::uint64_t features_compat;     // ... need not care
  std::uint64_t arena_bytes;
  std::uint64_t arena;    // id, unique in its manager
  std::uint64_t manager;  // as in the session pages: tells tools whose arena this is
  // Written once, when the manager shuts down: every call says UNAVAILABLE from then on.
  Word32 closed;
  std::uint32_t reserved_3[15];
  // Written by whoever allocates. Derived, all of it: the tables are the truth.
  Word64 quota_chunks;  // by the manager: what quota and memory-max leave for chunks
  Word64 used_chunks;
  Word32 highest_chunk;  // one past the last that was ever used
  Word32 chunk_hint;
  Word32 cell_hints[4];  // by size of the cell
  Word64 transactions;   // how many were ever begun
  std::uint32_t reserved_4[4];
};

inline constexpr std::uint64_t kFeaturesIncompat = 0;
inline constexpr std::uint64_t kFeaturesRoCompat = 0;
inline constexpr std::uint64_t kFeaturesCompat = 0;

static_assert(std::is_standard_layout_v<ArenaHeader>);
static_assert(offsetof(ArenaHeader, layout) == 8);
static_assert(offsetof(ArenaHeader, features_incompat) == 16);
static_assert(offsetof(ArenaHeader, features_ro_compat) == 24);
static_assert(offsetof(ArenaHeader, features_compat) == 32);
static_assert(offsetof(ArenaHeader, arena_bytes) == 40);
static_assert(offsetof(ArenaHeader, arena) == 48);
static_assert(offsetof(ArenaHeader, manager) == 56);
static_assert(offsetof(ArenaHeader, closed) == 64);
static_assert(offsetof(ArenaHeader, quota_chunks) == 128);
static_assert(offsetof(ArenaHeader, used_chunks) == 136);
static_assert(offsetof(ArenaHeader, highest_chunk) == 144);
static_assert(offsetof(ArenaHeader, chunk_hint) == 148);
static_assert(offsetof(ArenaHeader, cell_hints) == 152);
static_assert(offsetof(ArenaHeader, transactions) == 168);
static_assert(sizeof(ArenaHeader) == 192);

// ---- descriptor: one object ----

//   0        8        12       16       24       28       32
//   +--------+--------+--------+--------+--------+--------+
//   | id     | lock   | depth  | token  |abandond| event  |   who waits, locks
//   +--------+--------+--------+--------+--------+--------+
//   | parameter       | block           | recov'd| conten.| kind, flags | referred
//   32                40                48       52       56            60
//   64 ---------------------------------------------------+
//   | value  | hint   | 0                                 |   what readers read
//   128 --------------------------------------------------+
//   | 128 bytes: cells that name their owners, or bytes   |
//   +-----------------------------------------------------+  256
//
// What writers of a value change (line 1) and what lockers change (line 0) are lines of their own.
//
// lock      { owner: slot 16, thread 14 | watched | waiters }; all 0: free
// event     { sequence 30 | watched | waiters }: an eventcount
// parameter permits, parties, sharers, waiters (cells), or bytes of the value, array or key
// block     offset of the object's memory in the arena, 0: none
// cells     uint16 {slot} of a semaphore's permits and a barrier's parties;
//           uint32 {slot 16 | count 16} of a SharedLock's holders;
//           uint32 {slot 16 | thread 14 | notified | waiting} of a Condition's waiters
inline constexpr std::size_t kInlineCellBytes = 128;

struct Descriptor {
  Word64 id;  // {generation 32 | index 32}; 0: no object. Stored last, taken away first
  Word32 lock;
  Word32 depth;  // RLock; of the holder only
  Word64 token;  // fencing token of the last acquisition; of the holder only
  Word32 abandoned;
  Word32 event;
  Word64 parameter;
  Word64 block;
  Word32 recoveries;  // deaths that left something held
  Word32 contended;   // calls that had to sleep
  Word16 kind;
  Word16 flags;
  Word32 referred;  // 1: some value has referred to the object, and may still
  Word64 value;
  Word32 hint;
  std::uint32_t reserved_2[13];
  union {
    Word16 cells16[kInlineCellBytes / 2];
    Word32 cells32[kInlineCellBytes / 4];
    Word64 words[kInlineCellBytes / 8];
  };
};

static_assert(std::is_standard_layout_v<Descriptor> && std::is_trivial_v<Descriptor>);
static_assert(sizeof(Descriptor) == kDescriptorBytes);
static_assert(offsetof(Descriptor, lock) == 8);
static_assert(offsetof(Descriptor, depth) == 12);
static_assert(offsetof(Descriptor, token) == 16);
static_assert(offsetof(Descriptor, abandoned) == 24);
static_assert(offsetof(Descriptor, event) == 28);
static_assert(offsetof(Descriptor, parameter) == 32);
static_assert(offsetof(Descriptor, block) == 40);
static_assert(offsetof(Descriptor, recoveries) == 48);
static_assert(offsetof(Descriptor, contended) == 52);
static_assert(offsetof(Descriptor, kind) == 56);
static_assert(offsetof(Descriptor, flags) == 58);
static_assert(offsetof(Descriptor, referred) == 60);
static_assert(offsetof(Descriptor, value) == 64);
static_assert(offsetof(Descriptor, hint) == 72);
static_assert(offsetof(Descriptor, cells16) == 128);

// ---- lock words and eventcounts ----

inline constexpr std::uint32_t kWaiters = 1;  // somebody sleeps on the word
inline constexpr std::uint32_t kWatched = 2;  // somebody's poll_fd is to become readable
inline constexpr std::uint32_t kSignals = kWaiters | kWatched;
inline constexpr std::uint32_t kEventStep = 4;

inline constexpr unsigned kThreadBits = 14;
inline constexpr std::uint32_t kThreadsMax = (1U << kThreadBits) - 1;  // numbers 1..; 0: none
inline constexpr std::uint16_t kSlotsMax = 65'534;
inline constexpr std::uint16_t kSlotGone = 65'535;  // in a lock word: the object is no more

// {slot 16 | thread 14}: who owns a lock.
constexpr std::uint32_t owner_of(std::uint16_t slot, std::uint32_t thread) {
  return std::uint32_t{slot} << kThreadBits | thread;
}
constexpr std::uint16_t slot_of_owner(std::uint32_t owner) {
  return static_cast<std::uint16_t>(owner >> kThreadBits);
}
constexpr std::uint32_t thread_of_owner(std::uint32_t owner) { return owner & kThreadsMax; }
constexpr std::uint32_t owner_in(std::uint32_t word) { return word >> 2; }
constexpr std::uint16_t slot_in(std::uint32_t word) { return slot_of_owner(owner_in(word)); }

// ---- chunk words and cell words: who has a block ----
//
//   63      50 49            36 35           20 19           6   5      4      3    2    0
//   +---------+----------------+---------------+---------------+------+------+------+------+
//   |sequence | 0                                              |backed|dirty | 0    | free |  0
//   |sequence | 0              | slot          | thread        |backed|dirty | 0    |claimed  1
//   |sequence | part (26 to 49)           | object (6 to 25)   |backed|dirty | head |owned |  2
//   |sequence | 0   | size 3   | 0                             |backed|dirty | 0    | slab |  3
//   |sequence | 0   | size 3   | slot          | thread        |backed|dirty | 0    |closing  4
//   |sequence | as owned                                       |backed|dirty | 1    |pinned   5
//   |sequence | as owned                                       |backed|dirty | 1    |going    6
//   |sequence | as owned                                       |backed|dirty | 1    |let go   7
//   +---------+----------------+---------------+---------------+------+------+------+------+
//
// One word for each chunk, and 256 for the cells that a chunk may be cut into; a cell is free,
// claimed or owned, and always a head. A word of all 0 was never used.
// sequence  how often it became free
// dirty     its bytes may be other than 0
// backed    memory was committed for it (chunks only)
// head      the first of a run
// size      of a slab's cells: 256 B << 2 * size, so 256 B, 1, 4 and 16 KiB
enum class BlockState : std::uint8_t {
  kFree = 0,
  kClaimed = 1,  // in flight: of this thread alone, covered by its intent
  kOwned = 2,    // of the object at this index of the object table, and of this part of it
  kSlab = 3,     // cut into cells
  kClosing = 4,  // a slab that this thread looks through, to give it back
  // The head of a run that its object owns, or did:
  kPinned = 5,  // a view shows the bytes
  kGoing = 6,   // being given back: no view may begin
  kLetGo = 7,   // given back, but a view shows the bytes: the manager frees it when that ends
};

inline constexpr std::uint64_t kWordHead = 1U << 3;
inline constexpr std::uint64_t kWordDirty = 1U << 4;
inline constexpr std::uint64_t kWordBacked = 1U << 5;
inline constexpr unsigned kWordBodyShift = 6;
inline constexpr unsigned kWordPartShift = 26;
inline constexpr unsigned kWordSizeShift = 36;
inline constexpr unsigned kWordSequenceShift = 50;
inline constexpr unsigned kIndexBits = 20;  // of an object in the object table
inline constexpr unsigned kPartBits = 24;
inline constexpr std::uint32_t kPartsMax = 1U << kPartBits;
inline constexpr unsigned kCellSizes = 4;

static_assert(1U << kIndexBits == kDescriptorsMax);
static_assert(kWordBodyShift + kIndexBits == kWordPartShift);
static_assert(kWordPartShift + kPartBits == kWordSequenceShift);
static_assert(kWordBodyShift + kThreadBits + 16 == kWordSizeShift);

// The manager's slot in these words and nowhere else: in a lock word the same number says that the
// object is gone, and there the manager never stands as an owner. Slots of sessions end below it.
inline constexpr std::uint16_t kManagerSlot = kSlotGone;
inline constexpr std::uint32_t kManagerThread = 1;
// The manager's own ThreadRecord, in the header's page, where a new manager finds it.
inline constexpr std::uint64_t kManagerRecordOffset = 1024;

constexpr BlockState block_state(std::uint64_t word) { return static_cast<BlockState>(word & 7); }
constexpr std::uint32_t block_claimer(std::uint64_t word) {  // claimed or closing: owner_of(...)
  return static_cast<std::uint32_t>(word >> kWordBodyShift) & ((1U << (16 + kThreadBits)) - 1);
}
constexpr std::uint32_t block_object(std::uint64_t word) {
  return static_cast<std::uint32_t>(word >> kWordBodyShift) & (kDescriptorsMax - 1);
}
constexpr std::uint32_t block_part(std::uint64_t word) {
  return static_cast<std::uint32_t>(word >> kWordPartShift) & (kPartsMax - 1);
}
// Owned, whatever views there are.
constexpr bool is_owned_state(BlockState state) {
  return state == BlockState::kOwned || state >= BlockState::kPinned;
}
// ... and named by its object, for all that this word knows.
constexpr bool is_kept_state(BlockState state) {
  return state == BlockState::kOwned || state == BlockState::kPinned;
}
constexpr unsigned slab_size(std::uint64_t word) {
  return static_cast<unsigned>(word >> kWordSizeShift) & 7;
}

// The words that may follow `word`; sequence, dirty and backed go from one to the next.
constexpr std::uint64_t kept_of(std::uint64_t word) {
  return word & (~std::uint64_t{0} << kWordSequenceShift | kWordDirty | kWordBacked);
}
constexpr std::uint64_t state_bits(BlockState state) { return static_cast<std::uint64_t>(state); }
constexpr std::uint64_t claimed_word(std::uint64_t word, std::uint32_t owner) {
  return kept_of(word) | std::uint64_t{owner} << kWordBodyShift | state_bits(BlockState::kClaimed);
}
constexpr std::uint64_t owned_word(std::uint64_t word, std::uint32_t object, std::uint32_t part,
                                   bool head) {
  return kept_of(word) | kWordDirty | std::uint64_t{part} << kWordPartShift |
         std::uint64_t{object} << kWordBodyShift | (head ? kWordHead : 0) |
         state_bits(BlockState::kOwned);
}
// Of an owned head.
constexpr std::uint64_t with_state(std::uint64_t word, BlockState state) {
  return (word & ~std::uint64_t{7}) | state_bits(state);
}
constexpr std::uint64_t slab_word(std::uint64_t word, unsigned size) {
  return kept_of(word) | std::uint64_t{size} << kWordSizeShift | state_bits(BlockState::kSlab);
}
constexpr std::uint64_t closing_word(std::uint64_t word, std::uint32_t owner) {
  return slab_word(word, slab_size(word)) - state_bits(BlockState::kSlab) +
         state_bits(BlockState::kClosing) + (std::uint64_t{owner} << kWordBodyShift);
}
constexpr std::uint64_t free_word(std::uint64_t word) {
  return (kept_of(word) | kWordDirty) + (std::uint64_t{1} << kWordSequenceShift);
}

constexpr std::uint64_t cell_bytes(unsigned size) {
  return std::uint64_t{kSmallestCellBytes} << 2 * size;
}
constexpr std::uint32_t cells_in_slab(unsigned size) {
  return static_cast<std::uint32_t>(kChunkBytes / cell_bytes(size));
}
static_assert(cells_in_slab(0) == kCellsPerChunkMax && cells_in_slab(kCellSizes - 1) == 4);

// ---- intents: which block a thread is about to claim or to give back ----
//
//   63      44 43      24 23      0        63        32 31   25 24   20 19     0
//   +---------+----------+---------+        +-----------+-------+-------+--------+
//   | chunk   | extent   | part    |        | generation| 0     |freeing| index  |
//   +---------+----------+---------+        +-----------+-------+-------+--------+
//   intent; 0: none                         intent_for: the object of all of a thread's intents
//
// extent   1 to 256: that cell of the chunk, counted from 1; above: a run of `extent - 256` chunks
// freeing  bit i: intent i gives a block back; else it claims one
inline constexpr unsigned kIntentsMax = 5;  // a thread's: two new blocks, an old one, a slab, one
inline constexpr unsigned kExtentBits = 20;
inline constexpr std::uint32_t kRunChunksMax = (1U << kExtentBits) - 1 - kCellsPerChunkMax;
inline constexpr std::uint64_t kBlockBytesMax = std::uint64_t{kRunChunksMax} * kChunkBytes;
inline constexpr unsigned kFreeingShift = kIndexBits;

constexpr std::uint64_t intent_word(std::uint32_t chunk, std::uint32_t extent, std::uint32_t part) {
  return std::uint64_t{chunk} << 44 | std::uint64_t{extent} << kPartBits | part;
}
constexpr std::uint32_t intent_chunk(std::uint64_t intent) {
  return static_cast<std::uint32_t>(intent >> 44);
}
constexpr std::uint32_t intent_extent(std::uint64_t intent) {
  return static_cast<std::uint32_t>(intent >> kPartBits) & ((1U << kExtentBits) - 1);
}
constexpr std::uint32_t intent_part(std::uint64_t intent) {
  return static_cast<std::uint32_t>(intent) & (kPartsMax - 1);
}
static_assert(20 + kExtentBits + kPartBits == 64);
static_assert(kArenaBytesMax / kChunkBytes <= 1U << 20);
static_assert(kFreeingShift + kIntentsMax <= 32);

SHOAL_VARIANT_END

}  // namespace shoal::memory
