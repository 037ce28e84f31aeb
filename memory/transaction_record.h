// What those who make a transaction's record, read through it and recover it have in common.
#pragma once

#include <cstdint>

#include "memory/containers.h"
#include "memory/transaction_layout.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

inline std::uint64_t record_bytes(std::uint64_t publishes, std::uint64_t blocks) {
  return sizeof(TransactionRecord) + publishes * sizeof(TransactionPublish) +
         blocks * sizeof(TransactionBlock);
}

constexpr std::uint64_t where_of(std::uint64_t offset, bool wide) {
  return offset << 1 | (wide ? 1 : 0);
}

// Whether a record can lie there.
inline bool is_record_place(const Geometry& geometry, std::uint64_t offset) {
  return offset >= geometry.chunks && offset % kSmallestCellBytes == 0 &&
         offset <= geometry.file_bytes - kSmallestCellBytes;
}

// One of a committed transaction's; making it again does no harm.
inline void make_store(std::byte* arena, std::uint64_t where, std::uint64_t value) {
  std::byte* const at = arena + (where >> 1);
  if ((where & 1) != 0) {
    reinterpret_cast<Word64*>(at)->store(value);
  } else {
    reinterpret_cast<Word32*>(at)->store(static_cast<std::uint32_t>(value));
  }
}

// Every block of the list that is still there and is what `what` says.
void free_listed(const ContainerHome& home, Caller& caller, TransactionBlock* blocks,
                 std::uint64_t count, std::uint64_t what);

// The record itself, once nothing that it says is needed any more.
void free_record(const ContainerHome& home, Caller& caller, ThreadRecord& thread,
                 std::uint64_t offset, std::uint64_t bytes, BlockFor block_for);

SHOAL_VARIANT_END

}  // namespace shoal::memory
