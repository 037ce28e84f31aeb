// What a transaction prepares under its locks for keys, lists and cells. Nobody sees any of it
// before the commit. See transaction.h.
#include <algorithm>
#include <cstring>

#include "memory/list_container_tree.h"
#include "memory/transaction.h"
#include "memory/wait.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

// ---- keys ----

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
    const bool found = spot.found;
    if (change.erase && !found) continue;
    if (found && spot.entry.layout.large()) {
      StoredValue old;
      if (!dict.open_value(spot.entry, old)) return Result::kDamaged;
      (void)list_block({.block = old.block, .bytes = old.bytes + 8},
                       dict.value_part(change.key.hash), kBlockGivenBack);
    }
    mine.block = block;
    if (found) mine.gone = spot.entry.place();
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
    if (shown.over_spare) mine.over = shown.place();
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

SHOAL_VARIANT_END

}  // namespace shoal::memory
