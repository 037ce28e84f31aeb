// See transaction_record.h.
#include "memory/transaction_record.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

void free_listed(const ContainerHome& home, Caller& caller, TransactionBlock* blocks,
                 std::uint64_t count, std::uint64_t what) {
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint64_t noted = blocks[i].what.load();
    const std::uint64_t offset = blocks[i].offset.load();
    if (offset == 0 || (noted & ~std::uint64_t{0xffffffff}) != what) continue;
    const BlockFor block_for{.object = blocks[i].object.load(),
                             .part = static_cast<std::uint32_t>(noted) & (kPartsMax - 1)};
    const std::uint64_t bytes = blocks[i].bytes.load();
    // Covered by an intent before it leaves the list, so that it is freed once, whoever dies.
    if (!home.allocator->retire(caller, offset, bytes, block_for).ok()) continue;
    blocks[i].offset.store(0);
    (void)home.allocator->free(caller, offset, bytes, block_for);
  }
}

void free_record(const ContainerHome& home, Caller& caller, ThreadRecord& thread,
                 std::uint64_t offset, std::uint64_t bytes, BlockFor block_for) {
  const bool covered = home.allocator->retire(caller, offset, bytes, block_for).ok();
  thread.transaction.store(0);
  if (covered) (void)home.allocator->free(caller, offset, bytes, block_for);
}

SHOAL_VARIANT_END

}  // namespace shoal::memory
