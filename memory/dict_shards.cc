// Which shard a key belongs to, where it lies, and its lock. See dict.h.
#include <algorithm>
#include <cstdlib>
#include <new>

#include "memory/dict.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

namespace {

// Looks at all depths that disagree, before a dict counts as damaged. Each disagreement of a sound
// one is a split or a merge that has just ended.
constexpr int kWalks = 1000;

}  // namespace

Dict::Dict(const ObjectView& object, std::byte* arena, const Geometry& geometry,
           ArenaMemory* allocator)
    : object_(object),
      descriptor_(reinterpret_cast<DictDescriptor*>(object.descriptor)),
      arena_(arena),
      geometry_(geometry),
      chunk_bytes_(geometry.file_bytes - geometry.chunks),
      allocator_(allocator),
      seed_(load_word(reinterpret_cast<const std::byte*>(&descriptor_->seed))),
      map_(&first_map_) {
  first_map_.shards[0].store(&descriptor_->first, std::memory_order_relaxed);
}

Dict::~Dict() {
  for (ShardMap* map = map_.load(); map != &first_map_;) {
    ShardMap* const older = map->older;
    std::free(map);
    map = older;
  }
}

std::uint32_t Dict::depth_hint() const {
  return std::min(descriptor().depth.load(), std::uint32_t{kDictDepthMax});
}

Shard* Dict::shard_at(std::uint32_t index) const {
  if (index == 0) return &descriptor_->first;
  if (index >= kShardsMax) return nullptr;
  const std::uint32_t page = index / kShardsPerPage;
  std::uint64_t offset = 0;
  if (page == 0) {
    offset = descriptor().first_page.load();
  } else {
    std::byte* const table = resolve(descriptor().page_table.load(), kPageTableBytes);
    if (table == nullptr) return nullptr;
    offset = reinterpret_cast<const Word64*>(table)[page].load();
  }
  std::byte* const at = resolve(offset, kHeaderPageBytes);
  return at == nullptr ? nullptr : reinterpret_cast<Shard*>(at) + index % kShardsPerPage;
}

// From the deepest down: the first that exists on the way is the one, or it was split just now.
Shard* Dict::find_shard(std::uint32_t hash_bits) const {
  for (int walk = 0; walk < kWalks; ++walk) {
    for (std::uint32_t depth = depth_hint() + 1; depth-- > 0;) {
      const std::uint32_t index = hash_bits & ((1U << depth) - 1);
      // The same place as one bit less.
      if (depth != 0 && index < 1U << (depth - 1)) continue;
      Shard* const shard = shard_at(index);
      if (shard == nullptr) continue;
      const std::uint32_t bits = shard->depth.load();
      if (bits == 0) continue;
      if (!has_hash(*shard, hash_bits)) break;
      if (shard->index.load(std::memory_order_relaxed) != index) break;
      remember(hash_bits, std::min(bits - 1, std::uint32_t{kDictDepthMax}), shard);
      return shard;
    }
    if (object_.is_stale()) return nullptr;
    relax();
  }
  return nullptr;
}

// What is remembered is a hint: each use looks whether the shard still has the hash.
void Dict::remember(std::uint32_t hash_bits, std::uint32_t depth, Shard* shard) const {
  ShardMap* map = map_.load(std::memory_order_acquire);
  const std::uint32_t mask = (1U << depth) - 1;
  while (map->mask < mask) {
    const std::size_t bytes = sizeof(ShardMap) + std::size_t{mask} * sizeof(map->shards[0]);
    auto* const larger = static_cast<ShardMap*>(std::calloc(1, bytes));
    if (larger == nullptr) return;
    larger->mask = mask;
    larger->older = map;
    // Other threads may be reading the old one until the end.
    if (map_.compare_exchange_strong(map, larger)) {
      map = larger;
    } else {
      std::free(larger);
    }
  }
  map->shards[hash_bits & map->mask].store(shard, std::memory_order_relaxed);
}

// ---- locks ----

Result Dict::lock_word(Call& call, Word32& word) const {
  std::uint32_t free = 0;
  if (word.change(free, call.caller.owner << 2)) [[likely]]
    return Result::kDone;
  return acquire_slow(object_, word, call.caller, Purpose::kLock,
                      deadline_after(absl::Nanoseconds(call.timeout_ns)));
}

Dict::Held Dict::lock_slowly(Call& call, std::uint32_t hash_bits, Shard* known) const {
  for (int walk = 0; walk < kWalks; ++walk) {
    if (object_.is_stale()) return {Result::kStale, nullptr};
    Shard* const shard = known != nullptr ? known : find_shard(hash_bits);
    known = nullptr;
    if (shard == nullptr) return {object_.is_stale() ? Result::kStale : Result::kDamaged, nullptr};
    std::uint32_t free = 0;
    if (!shard->lock.change(free, call.caller.owner << 2)) {
      const Result result = lock_word(call, shard->lock);
      if (result != Result::kDone) return {result, nullptr};
      shard->contended.store(shard->contended.load(std::memory_order_relaxed) + 1,
                             std::memory_order_relaxed);
    }
    if (has_hash(*shard, hash_bits)) [[likely]]
      return {Result::kDone, shard};
    unlock_word(call.caller, shard->lock);
  }
  return {Result::kDamaged, nullptr};
}

// ---- header pages ----

// A place for the shard's header. Pages are made under the dict's own lock.
Result Dict::need_page(Call& call, std::uint32_t index) {
  const std::uint32_t page = index / kShardsPerPage;
  while (shard_at(index) == nullptr) {
    const bool table = page != 0 && descriptor().page_table.load() == 0;
    const BlockFor block_for{.object = object_.id,
                             .part = table ? kPartPageTable : kPartHeaderPage + page};
    const std::uint64_t bytes = table ? kPageTableBytes : kHeaderPageBytes;
    Word64* place = table ? &descriptor().page_table : &descriptor().first_page;
    if (!table && page != 0) {
      std::byte* const pages = resolve(descriptor().page_table.load(), kPageTableBytes);
      if (pages == nullptr) return Result::kDamaged;
      place = &reinterpret_cast<Word64*>(pages)[page];
    }
    // Somebody's, and not sound: it never will be.
    if (place->load() != 0 && shard_at(index) == nullptr) return Result::kDamaged;
    const absl::StatusOr<std::uint64_t> block = allocator_->allocate(call.caller, bytes, block_for);
    if (!block.ok()) {
      call.why = block.status();
      return Result::kExhausted;
    }
    Result result = lock_word(call, object_.descriptor->lock);
    bool mine = false;
    if (result == Result::kDone) {
      mine = place->load() == 0;
      if (mine) {
        place->store(*block);
        (void)allocator_->own(call.caller, *block, bytes, block_for);
      }
      unlock_word(call.caller, object_.descriptor->lock);
    }
    if (!mine) (void)allocator_->free(call.caller, *block, bytes, block_for);
    if (result != Result::kDone) return result;
  }
  return Result::kDone;
}

SHOAL_VARIANT_END

}  // namespace shoal::memory
