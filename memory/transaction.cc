// See transaction.h.
#include "memory/transaction.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"

#include "memory/list_container_tree.h"
#include "memory/seeded_faults.h"
#include "memory/wait.h"

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

// Whether a record can lie there.
bool is_record_place(const Geometry& geometry, std::uint64_t offset) {
  return offset >= geometry.chunks && offset % kSmallestCellBytes == 0 &&
         offset <= geometry.file_bytes - kSmallestCellBytes;
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

RecordWords::RecordWords(const Word64& mark, const std::byte* arena, const Geometry& geometry)
    : marked_(mark), arena_(arena), mark_(mark.load()) {
  if (!is_record_place(geometry, mark_)) return;
  record_ = reinterpret_cast<const TransactionRecord*>(arena + mark_);
  state_ = record_->state.load();
  if ((state_ & kCommitted) == 0) return;
  publishes_ = std::min<std::uint64_t>(
      record_->publishes.load(),
      (geometry.file_bytes - mark_ - sizeof(TransactionRecord)) / sizeof(TransactionPublish));
}

bool RecordWords::stand() const {
  return marked_.load(std::memory_order_relaxed) == mark_ &&
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
    for (const Seen& seen : seen_) {
      const bool known = seen.word == &shard->changes;
      if (known && Dict::has_hash(*shard, shard_bits(key.hash))) return Result::kDone;
    }
    const std::uint64_t changes = shard->changes.load(std::memory_order_seq_cst);
    if (!Dict::has_hash(*shard, shard_bits(key.hash))) continue;
    // Whoever is in the middle of a change has raised `changes` already.
    if (owner_in(shard->lock.load(std::memory_order_seq_cst)) != 0) return Result::kDiffers;
    seen_.push_back({.object = &dict.object(),
                     .word = &shard->changes,
                     .lock = &shard->lock,
                     .value = changes});
    return Result::kDone;
  }
}

// Of an object with one lock. Whoever else has it may be in the middle of a change, which the word
// tells of only afterwards.
Result ConsistentReads::see(const ObjectView& object, const Word64& word, std::uint64_t& value) {
  const auto known = std::find_if(seen_.begin(), seen_.end(),
                                  [&](const Seen& seen) { return seen.word == &word; });
  if (known != seen_.end()) {
    value = known->value;
    return stands(*known) ? Result::kDone : Result::kDiffers;
  }
  Seen seen{.object = &object, .word = &word, .lock = &object.descriptor->lock, .late = true};
  seen.value = value = word.load(std::memory_order_seq_cst);
  if (!stands(seen)) return object.is_stale() ? Result::kStale : Result::kDiffers;
  seen_.push_back(seen);
  return Result::kDone;
}

bool ConsistentReads::stands(const Seen& seen) const {
  if (seen.late) {
    const std::uint32_t owner = owner_in(seen.lock->load(std::memory_order_seq_cst));
    if (owner != 0 && owner != me_) return false;
  }
  return seen.word->load(std::memory_order_seq_cst) == seen.value && !seen.object->is_stale();
}

Result ConsistentReads::get(const ListObject& list, std::int64_t index, ListElement& element) {
  std::uint64_t changes = 0;
  const Result seen = see(list.view, list.descriptor().changes, changes);
  return seen == Result::kDone ? memory::get(list, index, element) : seen;
}

Result ConsistentReads::count(const ListObject& list, std::uint64_t& count) {
  ListMark now;
  std::uint64_t changes = 0;
  Result result = see(list.view, list.descriptor().changes, changes);
  if (result == Result::kDone) result = mark(list, now);
  count = now.count;
  return result;
}

Result ConsistentReads::load(const ObjectView& cell, std::int64_t timeout_ns,
                             std::span<std::byte> value) {
  // The token, too, which goes on with every transaction: a word may come back.
  std::uint64_t token = 0;
  std::uint64_t word = 0;
  Result seen = see(cell, cell.descriptor->token, token);
  if (seen == Result::kDone) seen = see(cell, cell.descriptor->value, word);
  if (seen != Result::kDone) return seen;
  if (!is_one_word(cell.count)) return load_cell(cell, timeout_ns, value);
  std::memcpy(value.data(), &word, std::min<std::size_t>(value.size(), sizeof word));
  return cell.is_stale() ? Result::kStale : Result::kDone;
}

bool ConsistentReads::stand() const {
  fence_loads();
  return std::all_of(seen_.begin(), seen_.end(), [&](const Seen& seen) { return stands(seen); });
}

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
  // There is room: two for each key.
  (void)list_block(block, part, kBlockTaken);
  (void)home_.allocator->own(call.caller, block.block, block.bytes, part);
  incoming.used = true;
  return Result::kDone;
}

// Under all locks. kExhausted: what `locked_` says is missing.
Result Transaction::prepare_keys(const std::vector<TransactionChange>& changes,
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
      (void)list_block({.block = old.block, .bytes = old.bytes + 8},
                       dict.value_part(change.key.hash), kBlockGivenBack);
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

// ---- lists and cells ----

Result Transaction::bring_in(Call& call, ListChanges& change) {
  ListWriter writer(*change.list, call);
  const BlockFor part{.object = change.list->view.id, .part = kListPartValue};
  for (std::vector<ListWriter::Put>* puts : {&change.sets, &change.appended}) {
    for (ListWriter::Put& put : *puts) {
      if (!put.value.is_large()) continue;
      ListWriter::LargeBlock made;
      const Result result = writer.make_large(put.value, made);
      if (result != Result::kDone) return result;
      put.large = made.word;
      (void)list_block({.block = made.offset, .bytes = made.bytes}, part, kBlockTaken);
      (void)home_.allocator->own(call.caller, made.offset, made.bytes, part);
    }
  }
  return Result::kDone;
}

Result Transaction::prepare_list(Call& call, const ListChanges& change) {
  const ListObject& list = *change.list;
  ListWriter writer(list, call);
  writer.borrow_lock();
  const Result result = writer.prepare(change.sets, change.appended, list_stores_);
  if (result != Result::kDone) return result;
  for (const ListWriter::Change& store : list_stores_) {
    publish(offset_of(store.word), true, store.value);
    if (store.drops == 0) continue;
    const LargePlace place = LargePlace::of(store.drops);
    if (!list.has_place(place.place)) return Result::kDamaged;
    (void)list_block(
        {.block = list.offset_of(place.place), .bytes = large_block_bytes(list, store.drops)},
        {.object = list.view.id, .part = kListPartValue}, kBlockGivenBack);
  }
  return Result::kDone;
}

void Transaction::prepare_cells(const std::vector<CellChange>& cells) {
  for (const CellChange& change : cells) {
    const ObjectView& cell = change.cell;
    std::uint64_t word = 0;
    if (is_one_word(cell.count)) {
      std::memcpy(&word, change.value.data(), std::min<std::size_t>(change.value.size(), 8));
    } else {
      word = fill_other_buffer(cell, change.value);
    }
    Word64& token = cell.descriptor->token;
    token.store(token.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    publish(offset_of(&cell.descriptor->value), true, word);
  }
}

// What a store into a cell of several words needs beside its lock: others store without that.
Result Transaction::claim(Call& call, const ObjectView& cell) {
  if (is_one_word(cell.count)) return Result::kDone;
  const Result result =
      claim_cell(cell, call.caller, deadline_after(absl::Nanoseconds(call.timeout_ns)));
  if (result == Result::kDone) claimed_.push_back(&cell);
  return result;
}

void Transaction::give_claims_back(Call& call) {
  for (const ObjectView* cell : claimed_) give_claim_back(*cell, call.caller);
  claimed_.clear();
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
    Dict::touch(*locked.shard);
    locked.tail = locked.shard->tail.load(std::memory_order_relaxed);
    if (!has_fault(Fault::kUnmarked)) locked.shard->transaction.store(offset_);
  }
  for (const ListChanges& change : changes.lists) {
    ListDescriptor& list = change.list->descriptor();
    list.changes.store(list.changes.load(std::memory_order_relaxed) + 1);
    if (!has_fault(Fault::kUnmarked)) list.transaction.store(offset_);
  }
  result = prepare_all(call, changes, prepared);
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
    for (const ListChanges& change : changes.lists) {
      change.list->descriptor().transaction.store(0);
    }
    keep_given_back();
    give_claims_back(call);
    unlock_all(call);
    return result;
  }
  make_all();
  for (const Prepared& mine : prepared) {
    Dict::add_to(mine.shard->live, mine.grown);
    Dict::add_to(mine.shard->count, mine.count);
  }
  finish(call, changes);
  return Result::kDone;
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
      Dict::touch(shard);
      shard.transaction.store(offset_);
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

// ---- recovery ----

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
