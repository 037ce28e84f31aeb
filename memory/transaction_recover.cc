// What is done for a dead thread that was in a transaction. See transaction.h.
#include <algorithm>

#include "memory/seeded_faults.h"
#include "memory/transaction.h"
#include "memory/transaction_record.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

void recover_transaction(ThreadRecord& thread, const ContainerHome& home, Caller& manager) {
  const std::uint64_t offset = thread.transaction.load();
  if (offset == 0) return;
  const Geometry& g = home.geometry;
  const auto forget = [&] { thread.transaction.store(0); };
  if (!is_record_place(g, offset)) return forget();
  auto& record = *reinterpret_cast<TransactionRecord*>(home.arena + offset);
  const std::uint64_t state = record.state.load();
  const std::uint64_t bytes = record.bytes.load();
  const BlockFor block_for{.object = record.object.load(), .part = kPartRecord};
  // In flight still, it goes by its intent; what is nobody's record is not looked at further.
  if (bytes > kTransactionBytesMax || bytes > g.file_bytes - offset ||
      !home.allocator->is_owned(offset, bytes, block_for)) {
    return forget();
  }
  const std::uint64_t publishes_max = record.publishes_max.load();
  const std::uint64_t publishes = std::min<std::uint64_t>(record.publishes.load(), publishes_max);
  const std::uint64_t blocks = record.blocks.load();
  auto* const list = reinterpret_cast<TransactionPublish*>(&record + 1);
  if (record_bytes(publishes_max, blocks) <= bytes) {
    const auto holds_objects = [&](std::uint64_t at, std::uint64_t size) {
      const bool table = at >= Geometry::kObjectTable && at + size <= g.chunk_table;
      return at % size == 0 && (table || (at >= g.chunks && at + size <= g.file_bytes));
    };
    if ((state & kCommitted) != 0 && !has_fault(Fault::kCommittedForgotten)) {
      for (std::uint64_t i = 0; i < publishes; ++i) {
        const std::uint64_t where = list[i].where.load();
        const std::uint64_t value = list[i].value.load();
        const bool wide = (where & 1) != 0;
        if (!holds_objects(where >> 1, wide ? 8 : 4)) continue;
        make_store(home.arena, where, value);
      }
    }
    const bool counts =
        (state & (kCommitted | kTransactionDone)) != 0 || has_fault(Fault::kTakenForgotten);
    free_listed(home, manager, reinterpret_cast<TransactionBlock*>(list + publishes_max), blocks,
                counts ? kBlockGivenBack : kBlockTaken);
  }
  free_record(home, manager, thread, offset, bytes, block_for);
}

SHOAL_VARIANT_END

}  // namespace shoal::memory
