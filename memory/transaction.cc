// See transaction.h.
#include "memory/transaction.h"

#include <algorithm>

#include "memory/seeded_faults.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

namespace {

std::uint64_t record_bytes(std::uint64_t publishes, std::uint64_t blocks) {
  return sizeof(TransactionRecord) + publishes * sizeof(TransactionPublish) +
         blocks * sizeof(TransactionBlock);
}

constexpr std::uint64_t where_of(std::uint64_t offset, bool wide) {
  return offset << 1 | (wide ? 1 : 0);
}

// One of a committed transaction's; making it again does no harm.
void make_store(std::byte* arena, std::uint64_t where, std::uint64_t value) {
  std::byte* const at = arena + (where >> 1);
  if ((where & 1) != 0) {
    reinterpret_cast<Word64*>(at)->store(value);
  } else {
    reinterpret_cast<Word32*>(at)->store(static_cast<std::uint32_t>(value));
  }
}

}  // namespace

// ---- reading through a record ----

RecordWords::RecordWords(const Shard& shard, const std::byte* arena, const Geometry& geometry)
    : shard_(shard), arena_(arena), mark_(shard.transaction.load()) {
  const bool inside = mark_ >= geometry.chunks && mark_ % kSmallestCellBytes == 0 &&
                      mark_ + kSmallestCellBytes <= geometry.file_bytes;
  if (!inside) return;
  record_ = reinterpret_cast<const TransactionRecord*>(arena + mark_);
  state_ = record_->state.load();
  if ((state_ & kCommitted) == 0) return;
  publishes_ = std::min<std::uint64_t>(
      record_->publishes.load(),
      (geometry.file_bytes - mark_ - sizeof(TransactionRecord)) / sizeof(TransactionPublish));
}

bool RecordWords::stand() const {
  return shard_.transaction.load(std::memory_order_relaxed) == mark_ &&
         (record_ == nullptr || record_->state.load(std::memory_order_relaxed) == state_);
}

std::uint64_t RecordWords::resolve(const void* word, std::uint64_t raw) const {
  const auto offset = static_cast<std::uint64_t>(static_cast<const std::byte*>(word) - arena_);
  const auto* const list = reinterpret_cast<const TransactionPublish*>(record_ + 1);
  std::uint64_t low = 0;
  for (std::uint64_t high = publishes_; low < high;) {
    const std::uint64_t middle = (low + high) / 2;
    const std::uint64_t at = list[middle].where.load(std::memory_order_relaxed) >> 1;
    if (at == offset) return list[middle].value.load(std::memory_order_relaxed);
    if (at < offset) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return raw;
}

std::uint32_t RecordWords::tagged(const Word32* bucket, std::uint32_t tag) const {
  std::uint32_t tagged = 0;
  for (unsigned i = 0; i < kSlotsPerBucket; ++i) {
    if (slot_tag(slot(bucket[i])) == tag) tagged |= 1U << i;
  }
  return tagged;
}

bool RecordWords::has_empty(const Word32* bucket) const {
  for (unsigned i = 0; i < kSlotsPerBucket; ++i) {
    if (slot(bucket[i]) == 0) return true;
  }
  return false;
}

// ---- reads that must be of one instant ----

Result ConsistentReads::see(Dict& dict, const DictKey& key) {
  for (int walk = 0;; ++walk) {
    Shard* shard = walk == 0 ? dict.shard_of(key.hash) : nullptr;
    if (shard == nullptr) shard = dict.find_shard(shard_bits(key.hash));
    if (shard == nullptr) return dict.object().is_stale() ? Result::kStale : Result::kDamaged;
    for (const ShardSeen& seen : seen_) {
      if (seen.shard == shard && Dict::has_hash(*shard, shard_bits(key.hash))) return Result::kDone;
    }
    const std::uint64_t changes = shard->changes.load(std::memory_order_seq_cst);
    if (!Dict::has_hash(*shard, shard_bits(key.hash))) continue;
    // Whoever is in the middle of a change has raised `changes` already.
    if (owner_in(shard->lock.load(std::memory_order_seq_cst)) != 0) return Result::kDiffers;
    seen_.push_back({.dict = &dict, .shard = shard, .changes = changes});
    return Result::kDone;
  }
}

bool ConsistentReads::stand() const {
  fence_loads();
  return std::all_of(seen_.begin(), seen_.end(), [](const ShardSeen& seen) {
    return seen.shard->changes.load(std::memory_order_seq_cst) == seen.changes &&
           !seen.dict->object().is_stale();
  });
}

// ---- the record ----

Result Transaction::begin(Call& call, Dict& dict, std::uint64_t publishes, std::uint64_t blocks) {
  bytes_ = record_bytes(publishes, blocks);
  block_for_ = {.object = dict.object_.id, .part = kPartRecord};
  const absl::StatusOr<std::uint64_t> block =
      home_.allocator->allocate(call.caller, bytes_, block_for_);
  if (!block.ok()) {
    call.why = block.status();
    return Result::kExhausted;
  }
  offset_ = *block;
  publishes_max_ = publishes;
  record_ = reinterpret_cast<TransactionRecord*>(home_.arena + offset_);
  auto& header = *reinterpret_cast<ArenaHeader*>(home_.arena);
  record_->publishes_max.store(static_cast<std::uint32_t>(publishes));
  record_->bytes.store(bytes_);
  record_->object.store(block_for_.object);
  record_->state.store((header.transactions.add(1) + 1) * kTransactionStep);
  call.caller.record->transaction.store(offset_);
  (void)home_.allocator->own(call.caller, offset_, bytes_, block_for_);
  return Result::kDone;
}

namespace {

// Every block of the list that is still there and is what `what` says.
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

}  // namespace

void Transaction::end(Call& call) {
  if (record_ == nullptr) return;
  const std::uint64_t state = record_->state.load(std::memory_order_relaxed);
  const std::uint64_t what =
      (state & (kCommitted | kTransactionDone)) != 0 ? kBlockGivenBack : kBlockTaken;
  free_listed(home_, call.caller, blocks(), record_->blocks.load(), what);
  free_record(home_, call.caller, *call.caller.record, offset_, bytes_, block_for_);
  record_ = nullptr;
}

void Transaction::publish(std::uint64_t offset, bool wide, std::uint64_t value) {
  stores_.emplace_back(where_of(offset, wide), value);
}

void Transaction::list_block(const Dict::Garbage& block, const BlockFor& block_for,
                             std::uint64_t what) {
  const std::uint32_t at = record_->blocks.load(std::memory_order_relaxed);
  TransactionBlock& listed = blocks()[at];
  listed.offset.store(block.block);
  listed.bytes.store(block.bytes);
  listed.object.store(block_for.object);
  listed.what.store(what | block_for.part);
  record_->blocks.store(at + 1);
}

// ---- locks ----

Result Transaction::lock_all(Call& call) {
  std::sort(locked_.begin(), locked_.end(),
            [](const Locked& a, const Locked& b) { return a.shard < b.shard; });
  locked_.erase(std::unique(locked_.begin(), locked_.end(),
                            [](const Locked& a, const Locked& b) { return a.shard == b.shard; }),
                locked_.end());
  for (std::size_t i = 0; i < locked_.size(); ++i) {
    const Result result = locked_[i].dict->lock_word(call, locked_[i].shard->lock);
    if (result == Result::kDone) continue;
    locked_.resize(i);
    unlock_all(call);
    return result;
  }
  return Result::kDone;
}

void Transaction::unlock_all(Call& call) {
  for (std::size_t i = locked_.size(); i-- > 0;) {
    locked_[i].dict->unlock_word(call.caller, locked_[i].shard->lock);
  }
}

// ---- what all kinds of transactions end with ----

// Makes the stores that were gathered, all at once.
void Transaction::make_all() {
  std::sort(stores_.begin(), stores_.end());
  for (std::size_t i = 0; i < stores_.size(); ++i) {
    publishes()[i].where.store(stores_[i].first, std::memory_order_relaxed);
    publishes()[i].value.store(stores_[i].second, std::memory_order_relaxed);
  }
  record_->publishes.store(static_cast<std::uint32_t>(stores_.size()));
  const std::uint64_t number = record_->state.load(std::memory_order_relaxed);
  if (has_fault(Fault::kApplyBeforeCommit)) apply(stores_);
  (void)record_->state.exchange(number | kCommitted);
  apply(stores_);
}

void Transaction::apply(const std::vector<std::pair<std::uint64_t, std::uint64_t>>& stores) const {
  for (const auto& [where, value] : stores) make_store(home_.arena, where, value);
}

void Transaction::finish(Call& call) {
  for (const Locked& locked : locked_) locked.shard->transaction.store(0);
  const std::uint64_t number = record_->state.load(std::memory_order_relaxed) & ~kCommitted;
  record_->state.store(number | kTransactionDone);
  unlock_all(call);
  const Dict* last = nullptr;
  for (const Locked& locked : locked_) {
    if (locked.dict != last) announce(call.caller, locked.dict->object_);
    last = locked.dict;
  }
}

// ---- keys ----

struct Transaction::Prepared {
  Dict::Incoming incoming;
  Shard* shard = nullptr;
  std::uint32_t grown = 0;  // bytes that live more
  std::uint32_t count = 0;  // entries more
  Word32* reserved = nullptr;
  std::uint32_t before = 0;  // what the reserved slot was
};

Result Transaction::bring_in(Call& call, const TransactionChange& change,
                             Dict::Incoming& incoming) {
  const Result result = change.dict->bring_in(call, change.key, change.value, incoming);
  if (result != Result::kDone || incoming.large == 0) return result;
  const BlockFor part = change.dict->value_part(change.key.hash);
  const Dict::Garbage block{.block = incoming.large, .bytes = change.value.bytes + 8};
  list_block(block, part, kBlockTaken);
  (void)home_.allocator->own(call.caller, block.block, block.bytes, part);
  incoming.used = true;
  return Result::kDone;
}

// Under all locks. kExhausted: what `locked_` says is missing.
Result Transaction::prepare_all(const std::vector<TransactionChange>& changes,
                                std::vector<Prepared>& prepared) {
  bool all = true;
  for (std::size_t i = 0; i < changes.size(); ++i) {
    const TransactionChange& change = changes[i];
    Dict& dict = *change.dict;
    Prepared& mine = prepared[i];
    Dict::Block block;
    Dict::Spot spot;
    if (dict.open_block(mine.shard->root.load(), block) ? !dict.look(block, change.key, spot)
                                                        : block.root.block != 0) {
      return Result::kDamaged;
    }
    const bool found = spot.seen != 0;
    if (change.erase && !found) continue;
    if (found && spot.entry.layout.large()) {
      StoredValue old;
      if (!dict.open_value(spot.entry, old)) return Result::kDamaged;
      list_block({.block = old.block, .bytes = old.bytes + 8}, dict.value_part(change.key.hash),
                 kBlockGivenBack);
    }
    if (change.erase) {
      publish(offset_of(spot.slot), false, kSlotErased);
      mine.grown = 0 - spot.entry.bytes();
      mine.count = static_cast<std::uint32_t>(-1);
      continue;
    }
    if (change.value.references) dict.note_references();
    Dict::Publish shown;
    if (block.at == nullptr ||
        !dict.prepare(*mine.shard, block, change.key, spot, mine.incoming, shown)) {
      Locked& full = locked(mine.shard);
      full.missing_bytes += entry_bytes(change.key.bytes, padded(mine.incoming.bytes()) + 8);
      ++full.missing_entries;
      full.hash_bits = shard_bits(change.key.hash);
      all = false;
      continue;
    }
    publish(offset_of(shown.slot), false, shown.value);
    mine.grown = shown.bytes;
    if (found) {
      mine.grown -= spot.entry.bytes();
      continue;
    }
    mine.count = 1;
    // The next one must not choose the same slot.
    mine.reserved = shown.slot;
    mine.before = shown.slot->load(std::memory_order_relaxed);
    shown.slot->store(kSlotReserved);
    if (mine.before == 0) Dict::add_to(mine.shard->used, 1);
  }
  return all ? Result::kDone : Result::kExhausted;
}

// One of those that lock_all() has sorted.
Transaction::Locked& Transaction::locked(const Shard* shard) {
  return *std::lower_bound(locked_.begin(), locked_.end(), shard,
                           [](const Locked& a, const Shard* b) { return a.shard < b; });
}

Result Transaction::try_commit(Call& call, const std::vector<TransactionChange>& changes,
                               const std::vector<ShardSeen>& reads) {
  std::vector<Prepared> prepared(changes.size());
  Result result = begin(call, *changes[0].dict, changes.size(), 2 * changes.size());
  for (std::size_t i = 0; i < changes.size() && result == Result::kDone; ++i) {
    if (!changes[i].erase) result = bring_in(call, changes[i], prepared[i].incoming);
  }
  if (result != Result::kDone) return result;
  stores_.clear();
  for (std::size_t i = 0; i < changes.size(); ++i) {
    Shard* const shard = changes[i].dict->find_shard(shard_bits(changes[i].key.hash));
    if (shard == nullptr) {
      return changes[i].dict->object_.is_stale() ? Result::kStale : Result::kDamaged;
    }
    prepared[i].shard = shard;
    locked_.push_back({.dict = changes[i].dict, .shard = shard});
  }
  result = lock_all(call);
  if (result != Result::kDone) return result;
  for (std::size_t i = 0; i < changes.size(); ++i) {
    if (Dict::has_hash(*prepared[i].shard, shard_bits(changes[i].key.hash))) continue;
    unlock_all(call);
    return Result::kPresent;  // Somebody split it meanwhile: the same once more.
  }
  if (!still_true(call, reads)) {
    unlock_all(call);
    return Result::kDiffers;
  }
  for (Locked& locked : locked_) {
    Dict::touch(*locked.shard);
    locked.tail = locked.shard->tail.load(std::memory_order_relaxed);
    locked.shard->transaction.store(offset_);
  }
  result = prepare_all(changes, prepared);
  if (result != Result::kDone) {
    for (const Prepared& mine : prepared) {
      if (mine.reserved == nullptr) continue;
      mine.reserved->store(mine.before);
      if (mine.before == 0) Dict::add_to(mine.shard->used, static_cast<std::uint32_t>(-1));
    }
    // Nobody has seen an entry of these, so their places may be used again.
    for (Locked& locked : locked_) {
      if (locked.missing_entries != 0) {
        locked.missing_bytes += locked.shard->tail.load(std::memory_order_relaxed) - locked.tail;
      }
      locked.shard->tail.store(locked.tail);
      locked.shard->transaction.store(0);
    }
    // What was to be given back stays.
    record_->blocks.store(taken_only());
    unlock_all(call);
    return result;
  }
  make_all();
  for (const Prepared& mine : prepared) {
    Dict::add_to(mine.shard->live, mine.grown);
    Dict::add_to(mine.shard->count, mine.count);
  }
  finish(call);
  return Result::kDone;
}

// Blocks that are taken are listed first.
std::uint32_t Transaction::taken_only() const {
  const std::uint32_t listed = record_->blocks.load(std::memory_order_relaxed);
  std::uint32_t taken = 0;
  while (taken < listed && (blocks()[taken].what.load() & kBlockTaken) != 0) ++taken;
  return taken;
}

// What was read, now that all that is written is locked: nobody has changed it, and nobody is about
// to.
bool Transaction::still_true(const Call& call, const std::vector<ShardSeen>& reads) const {
  return std::all_of(reads.begin(), reads.end(), [&](const ShardSeen& seen) {
    const std::uint32_t owner = owner_in(seen.shard->lock.load(std::memory_order_seq_cst));
    return (owner == 0 || owner == call.caller.owner) &&
           seen.shard->changes.load(std::memory_order_seq_cst) == seen.changes &&
           !seen.dict->object_.is_stale();
  });
}

Result Transaction::commit(Call& call, const std::vector<TransactionChange>& changes,
                           const std::vector<ShardSeen>& reads) {
  if (changes.empty()) return still_true(call, reads) ? Result::kDone : Result::kDiffers;
  for (;;) {
    locked_.clear();
    Result result = try_commit(call, changes, reads);
    end(call);
    if (result == Result::kPresent) continue;
    if (result != Result::kExhausted) return result;
    bool any = false;
    for (const Locked& full : locked_) {
      if (full.missing_entries == 0) continue;
      any = true;
      result = full.dict->make_room(call, full.hash_bits, full.missing_bytes, full.missing_entries);
      if (result != Result::kDone) return result;
    }
    // The arena has no room for the record, or for a large value: `why` says so.
    if (!any) return Result::kExhausted;
    // A rebuilt shard counts as changed: what was read from it must be read again.
    if (!still_true(call, reads)) return Result::kDiffers;
  }
}

// ---- clear ----

Result Transaction::clear(Call& call, Dict& dict) {
  for (std::uint64_t larges_max = 16;;) {
    std::vector<Dict::Spot> larges;
    locked_.clear();
    stores_.clear();
    dict.for_each_shard([&](Shard& shard, std::uint32_t) {
      if (shard.depth.load() != 0) locked_.push_back({.dict = &dict, .shard = &shard});
    });
    const std::size_t shards = locked_.size();
    const std::uint64_t blocks_max = shards + larges_max;
    Result result = begin(call, dict, shards, blocks_max);
    if (result == Result::kDone) result = lock_all(call);
    if (result != Result::kDone) {
      end(call);
      return result;
    }
    std::uint64_t blocks = 0;
    std::size_t now = 0;
    dict.for_each_shard([&](Shard& shard, std::uint32_t) { now += shard.depth.load() != 0; });
    for (const Locked& locked : locked_) {
      if (locked.shard->depth.load() == 0) now = shards + 1;
      dict.for_each_block(*locked.shard, [&](const Dict::Garbage&, const BlockFor&) { ++blocks; });
    }
    if (now != shards || blocks > blocks_max) {
      unlock_all(call);
      end(call);
      larges_max = std::max(larges_max, blocks + blocks / 4);
      continue;
    }
    for (const Locked& locked : locked_) {
      Shard& shard = *locked.shard;
      Dict::touch(shard);
      shard.transaction.store(offset_);
      dict.for_each_block(shard, [&](const Dict::Garbage& block, const BlockFor& block_for) {
        list_block(block, block_for, kBlockGivenBack);
      });
      DictRoot none;
      none.generation = DictRoot::of(shard.root.load()).generation + 1;
      publish(offset_of(&shard.root), true, none.word());
    }
    make_all();
    for (const Locked& locked : locked_) Dict::set_derived(*locked.shard, Dict::Fresh{});
    finish(call);
    end(call);
    return Result::kDone;
  }
}

// ---- recovery ----

void recover_transaction(ThreadRecord& thread, const ContainerHome& home, Caller& manager) {
  const std::uint64_t offset = thread.transaction.load();
  if (offset == 0) return;
  const Geometry& g = home.geometry;
  const bool inside = offset >= g.chunks && offset % kSmallestCellBytes == 0 &&
                      offset + kSmallestCellBytes <= g.file_bytes;
  if (!inside) {
    thread.transaction.store(0);
    return;
  }
  auto& record = *reinterpret_cast<TransactionRecord*>(home.arena + offset);
  const std::uint64_t state = record.state.load();
  const std::uint64_t bytes = std::min(record.bytes.load(), g.file_bytes - offset);
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
    const bool counts = (state & (kCommitted | kTransactionDone)) != 0;
    free_listed(home, manager, reinterpret_cast<TransactionBlock*>(list + publishes_max), blocks,
                counts ? kBlockGivenBack : kBlockTaken);
  }
  free_record(home, manager, thread, offset, record.bytes.load(),
              {.object = record.object.load(), .part = kPartRecord});
}

SHOAL_VARIANT_END

}  // namespace shoal::memory
