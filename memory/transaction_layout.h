// The record of a transaction: a list of one-word publishes that are made together, and of the
// blocks that come and go with them. It lies in a block of the arena that the thread's record names
// (ThreadRecord::transaction) for as long as there is one. The algorithms: transaction.h.
//
//   0        8       12      16      20       24       32       40
//   +--------+-------+-------+-------+--------+--------+--------+-------------+-----------+
//   | state  | pub-  | room  |blocks | 0      | bytes  | object | publishes   | blocks    |
//   |        | lishes| for   |       |        |        |        | 16 B each   | 32 B each |
//   +--------+-------+-------+-------+--------+--------+--------+-------------+-----------+
//
// state    { number 62 | done | committed }; both bits 0: open, and nothing of it counts. One
// number
//          is never used twice in an arena, so who finds the same state has seen one transaction.
// bytes    of the block that the record lies in
// object   for which that block was allocated
// publish  { offset in the arena 63 | 8 bytes wide 1 }, { the word's new value }; by offset
// block    { offset; 0: settled }, { bytes }, { object }, { part 32 | taken 1 or given back 2 }
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "memory/layout.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

struct TransactionRecord {
  Word64 state;
  Word32 publishes;
  Word32 publishes_max;
  Word32 blocks;
  std::uint32_t reserved;
  Word64 bytes;
  Word64 object;
};

struct TransactionPublish {
  Word64 where;
  Word64 value;
};

struct TransactionBlock {
  Word64 offset;
  Word64 bytes;
  Word64 object;
  Word64 what;
};

// What a dead process's may make the manager look at: three million changes.
inline constexpr std::uint64_t kTransactionBytesMax = std::uint64_t{256} << 20;

inline constexpr std::uint64_t kCommitted = 1;
inline constexpr std::uint64_t kTransactionDone = 2;
inline constexpr std::uint64_t kTransactionStep = 4;

inline constexpr std::uint64_t kBlockTaken = std::uint64_t{1} << 32;
inline constexpr std::uint64_t kBlockGivenBack = std::uint64_t{2} << 32;

static_assert(std::is_standard_layout_v<TransactionRecord>);
static_assert(sizeof(TransactionRecord) == 40);
static_assert(offsetof(TransactionRecord, publishes) == 8);
static_assert(offsetof(TransactionRecord, publishes_max) == 12);
static_assert(offsetof(TransactionRecord, blocks) == 16);
static_assert(offsetof(TransactionRecord, bytes) == 24);
static_assert(offsetof(TransactionRecord, object) == 32);
static_assert(sizeof(TransactionPublish) == 16 && sizeof(TransactionBlock) == 32);

SHOAL_VARIANT_END

}  // namespace shoal::memory
