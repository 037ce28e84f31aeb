// See transaction.h.
#include "memory/transaction.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"

#include "memory/dict_put.h"
#include "memory/list_container_tree.h"
#include "memory/seeded_faults.h"
#include "memory/transaction_record.h"
#include "memory/wait.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

// ---- the record ----

Result Transaction::begin(Call& call, std::uint64_t object, std::uint64_t publishes,
                          std::uint64_t blocks) {
  bytes_ = record_bytes(publishes, blocks);
  if (bytes_ > kTransactionBytesMax) {
    call.why = absl::ResourceExhaustedError(absl::StrCat(
        "a transaction of ", publishes, " changes: the most is about three million at once"));
    return Result::kExhausted;
  }
  // Even a full arena can be emptied.
  block_for_ = {.object = object, .part = kPartRecord, .last_resort = true};
  const absl::StatusOr<std::uint64_t> block =
      home_.allocator->allocate(call.caller, bytes_, block_for_);
  if (!block.ok()) {
    call.why = block.status();
    return Result::kExhausted;
  }
  offset_ = *block;
  publishes_max_ = publishes;
  blocks_max_ = blocks;
  listed_ = 0;
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

void Transaction::end(Call& call) {
  if (record_ == nullptr) return;
  const std::uint64_t state = record_->state.load(std::memory_order_relaxed);
  const std::uint64_t what =
      (state & (kCommitted | kTransactionDone)) != 0 ? kBlockGivenBack : kBlockTaken;
  free_listed(home_, call.caller, blocks(), listed_, what);
  free_record(home_, call.caller, *call.caller.record, offset_, bytes_, block_for_);
  record_ = nullptr;
}

void Transaction::publish(std::uint64_t offset, bool wide, std::uint64_t value) {
  stores_.emplace_back(where_of(offset, wide), value);
}

bool Transaction::list_block(const Dict::Garbage& block, const BlockFor& block_for,
                             std::uint64_t what) {
  if (listed_ >= blocks_max_) return false;
  TransactionBlock& listed = blocks()[listed_];
  listed.offset.store(block.block);
  listed.bytes.store(block.bytes);
  listed.object.store(block_for.object);
  listed.what.store(what | block_for.part);
  record_->blocks.store(++listed_);
  return true;
}

// ---- locks ----

// By address, so that two transactions never wait for each other; but cells first: users hold their
// locks for as long as they like, and meanwhile nobody is to wait for a shard or a list.
Result Transaction::lock_all(Call& call, const TransactionChanges& changes) {
  std::sort(locked_.begin(), locked_.end(),
            [](const Locked& a, const Locked& b) { return a.shard < b.shard; });
  locked_.erase(std::unique(locked_.begin(), locked_.end(),
                            [](const Locked& a, const Locked& b) { return a.shard == b.shard; }),
                locked_.end());
  locks_.clear();
  for (const Locked& locked : locked_) {
    locks_.push_back({.object = &locked.dict->object_, .word = &locked.shard->lock});
  }
  for (const ListChanges& change : changes.lists) {
    const ObjectView& list = change.list->view;
    locks_.push_back({.object = &list, .word = &list.descriptor->lock});
  }
  for (const CellChange& change : changes.cells) {
    const ObjectView& cell = change.cell;
    locks_.push_back({.object = &cell, .word = &cell.descriptor->lock, .recursive = true});
  }
  std::sort(locks_.begin(), locks_.end(), [](const Lock& a, const Lock& b) {
    return a.recursive != b.recursive ? a.recursive : a.word < b.word;
  });
  for (std::size_t i = 0; i < locks_.size(); ++i) {
    Lock& lock = locks_[i];
    Result result = lock.object->is_stale() ? Result::kStale : Result::kDone;
    // A cell's own lock is the thread's, which may have it already.
    lock.was_mine =
        lock.recursive && owner_in(lock.word->load(std::memory_order_relaxed)) == call.caller.owner;
    std::uint32_t free = 0;
    if (result == Result::kDone && !lock.was_mine &&
        !lock.word->change(free, call.caller.owner << 2)) {
      result = acquire_slow(*lock.object, *lock.word, call.caller, Purpose::kLock,
                            deadline_after(absl::Nanoseconds(call.timeout_ns)));
    }
    if (result == Result::kDone && lock.recursive) result = claim(call, *lock.object);
    if (result == Result::kDone) continue;
    // One that could not be claimed is held all the same.
    const bool held = lock.was_mine || owner_in(lock.word->load()) == call.caller.owner;
    locks_.resize(held ? i + 1 : i);
    give_claims_back(call);
    unlock_all(call);
    return result;
  }
  return Result::kDone;
}

void Transaction::unlock_all(Call& call) {
  for (std::size_t i = locks_.size(); i-- > 0;) {
    const Lock& lock = locks_[i];
    std::uint32_t seen = call.caller.owner << 2;
    if (!lock.was_mine && !lock.word->change(seen, 0)) {
      (void)release_slow(*lock.object, *lock.word, call.caller, seen, 1);
    }
  }
  locks_.clear();
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

void Transaction::finish(Call& call, const TransactionChanges& changes) {
  for (const Locked& locked : locked_) locked.shard->transaction.store(0);
  for (const ListChanges& change : changes.lists) {
    ListDescriptor& list = change.list->descriptor();
    list.transaction.store(0);
    list.changes.store(list.changes.load(std::memory_order_relaxed) + 1);
  }
  const std::uint64_t number = record_->state.load(std::memory_order_relaxed) & ~kCommitted;
  record_->state.store(number | kTransactionDone);
  give_claims_back(call);
  unlock_all(call);
  const Dict* last = nullptr;
  for (const Locked& locked : locked_) {
    if (locked.dict != last) announce(call.caller, locked.dict->object_);
    last = locked.dict;
  }
  for (const ListChanges& change : changes.lists) announce(call.caller, change.list->view);
  for (const CellChange& change : changes.cells) announce(call.caller, change.cell);
}

// ---- all kinds ----

Result Transaction::prepare_all(Call& call, const TransactionChanges& changes,
                                std::vector<Prepared>& prepared) {
  Result result = prepare_keys(changes.keys, prepared);
  for (const ListChanges& change : changes.lists) {
    if (result == Result::kDone) result = prepare_list(call, change);
  }
  if (result == Result::kDone) prepare_cells(changes.cells);
  return result;
}

namespace {

struct Room {
  std::uint64_t publishes = 0;
  std::uint64_t blocks = 0;
};

Room room_for(const TransactionChanges& changes) {
  Room room{.publishes = changes.keys.size() + changes.cells.size(),
            .blocks = 2 * changes.keys.size()};
  for (const ListChanges& change : changes.lists) {
    room.publishes += change.sets.size() + 1;
    room.blocks += 2 * change.sets.size() + change.appended.size();
  }
  return room;
}

std::uint64_t first_object(const TransactionChanges& changes) {
  if (!changes.keys.empty()) return changes.keys[0].dict->object().id;
  return changes.lists.empty() ? changes.cells[0].cell.id : changes.lists[0].list->view.id;
}

}  // namespace

Result Transaction::try_commit(Call& call, TransactionChanges& changes,
                               const std::vector<Seen>& reads) {
  const std::vector<TransactionChange>& keys = changes.keys;
  std::vector<Prepared> prepared(keys.size());
  const Room room = room_for(changes);
  Result result = begin(call, first_object(changes), room.publishes, room.blocks);
  for (std::size_t i = 0; i < keys.size() && result == Result::kDone; ++i) {
    if (!keys[i].erase) result = bring_in(call, keys[i], prepared[i].incoming);
  }
  for (std::size_t i = 0; i < changes.lists.size() && result == Result::kDone; ++i) {
    result = bring_in(call, changes.lists[i]);
  }
  if (result != Result::kDone) return result;
  // Nothing is allocated in this process under the locks, where an exception would keep them.
  stores_.clear();
  stores_.reserve(room.publishes);
  list_stores_.reserve(room.publishes);
  claimed_.reserve(changes.cells.size());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    Shard* const shard = keys[i].dict->find_shard(shard_bits(keys[i].key.hash));
    if (shard == nullptr) {
      return keys[i].dict->object_.is_stale() ? Result::kStale : Result::kDamaged;
    }
    prepared[i].shard = shard;
    locked_.push_back({.dict = keys[i].dict, .shard = shard});
  }
  result = lock_all(call, changes);
  if (result != Result::kDone) return result;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (Dict::has_hash(*prepared[i].shard, shard_bits(keys[i].key.hash))) continue;
    give_claims_back(call);
    unlock_all(call);
    return Result::kPresent;  // Somebody split it meanwhile: the same once more.
  }
  if (!still_true(call, reads)) {
    give_claims_back(call);
    unlock_all(call);
    return Result::kDiffers;
  }
  for (Locked& locked : locked_) {
    locked.tail = locked.shard->tail.load(std::memory_order_relaxed);
    // In this order: a snapshot that has seen the change raised has to see the mark.
    if (has_fault(Fault::kRaisedBeforeMark)) Dict::touch(*locked.shard);
    if (!has_fault(Fault::kUnmarked)) locked.shard->transaction.store(offset_);
    if (!has_fault(Fault::kRaisedBeforeMark)) Dict::touch(*locked.shard);
  }
  for (const ListChanges& change : changes.lists) {
    ListDescriptor& list = change.list->descriptor();
    list.changes.store(list.changes.load(std::memory_order_relaxed) + 1);
    if (!has_fault(Fault::kUnmarked)) list.transaction.store(offset_);
  }
  result = prepare_all(call, changes, prepared);
  if (result != Result::kDone) {
    take_back(call, changes, prepared);
    return result;
  }
  make_all();
  for (const Prepared& mine : prepared) {
    Dict::add_to(mine.shard->live, mine.grown);
    Dict::add_to(mine.shard->count, mine.count);
    if (mine.gone.bytes != 0) Dict::keep_spare(*mine.shard, mine.block, mine.gone);
  }
  finish(call, changes);
  return Result::kDone;
}

void Transaction::take_back(Call& call, const TransactionChanges& changes,
                            const std::vector<Prepared>& prepared) {
  for (const Prepared& mine : prepared) {
    // In a new block there are no spares, and its buckets are made for what will be there.
    Locked& full = locked(mine.shard);
    if (full.missing_entries != 0) {
      full.missing_bytes += mine.over.bytes;
      if (mine.reserved != nullptr) ++full.missing_entries;
    }
    if (mine.over.bytes != 0) Dict::keep_spare(*mine.shard, mine.block, mine.over);
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
  for (const ListChanges& change : changes.lists) {
    change.list->descriptor().transaction.store(0);
  }
  keep_given_back();
  give_claims_back(call);
  unlock_all(call);
}

// What was to be given back stays.
void Transaction::keep_given_back() const {
  for (std::uint32_t i = 0; i < listed_; ++i) {
    if ((blocks()[i].what.load() & kBlockGivenBack) != 0) blocks()[i].offset.store(0);
  }
}

// What was read, now that all that is written is locked: nobody has changed it, and nobody is about
// to.
bool Transaction::still_true(const Call& call, const std::vector<Seen>& reads) const {
  return std::all_of(reads.begin(), reads.end(), [&](const Seen& seen) {
    const std::uint32_t owner = owner_in(seen.lock->load(std::memory_order_seq_cst));
    return (owner == 0 || owner == call.caller.owner) &&
           seen.word->load(std::memory_order_seq_cst) == seen.value && !seen.object->is_stale();
  });
}

Result Transaction::commit(Call& call, TransactionChanges& changes,
                           const std::vector<Seen>& reads) {
  if (changes.empty()) return still_true(call, reads) ? Result::kDone : Result::kDiffers;
  for (Retries retries(call.timeout_ns);;) {
    locked_.clear();
    Result result = try_commit(call, changes, reads);
    end(call);
    if (result != Result::kPresent && result != Result::kExhausted) return result;
    // Others split and fill shards as quickly as this one makes room, or somebody wrote nonsense.
    if (const Result again = retries.again(); again != Result::kDone) return again;
    if (result == Result::kPresent) continue;
    bool any = false;
    for (const Locked& full : locked_) {
      if (full.missing_entries == 0) continue;
      any = true;
      result = full.dict->make_room(call, full.hash_bits,
                                    {.bytes = full.missing_bytes, .entries = full.missing_entries});
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
  Retries retries(call.timeout_ns);
  for (std::uint64_t larges_max = 16;;) {
    locked_.clear();
    stores_.clear();
    dict.for_each_shard([&](Shard& shard, std::uint32_t) {
      if (shard.depth.load() != 0) locked_.push_back({.dict = &dict, .shard = &shard});
    });
    const std::size_t shards = locked_.size();
    const std::uint64_t blocks_max = shards + larges_max;
    Result result = begin(call, dict.object_.id, shards, blocks_max);
    if (result == Result::kDone) result = lock_all(call, {});
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
      if (const Result again = retries.again(dict.object_); again != Result::kDone) return again;
      continue;
    }
    bool good = true;
    for (const Locked& locked : locked_) {
      Shard& shard = *locked.shard;
      shard.transaction.store(offset_);
      Dict::touch(shard);
      dict.for_each_block(shard, [&](const Dict::Garbage& block, const BlockFor& block_for) {
        good = list_block(block, block_for, kBlockGivenBack) && good;
      });
      DictRoot none;
      none.generation = DictRoot::of(shard.root.load()).generation + 1;
      publish(offset_of(&shard.root), true, none.word());
    }
    if (!good) {
      for (const Locked& locked : locked_) locked.shard->transaction.store(0);
      keep_given_back();
      unlock_all(call);
      end(call);
      return Result::kDamaged;
    }
    make_all();
    for (const Locked& locked : locked_) Dict::set_derived(*locked.shard, Dict::Fresh{});
    finish(call, {});
    end(call);
    return Result::kDone;
  }
}

SHOAL_VARIANT_END

}  // namespace shoal::memory
