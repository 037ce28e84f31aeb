// Reading while transactions are under way: through a record, and several things as they were at
// one instant. See transaction.h.
#include <algorithm>
#include <cstring>

#include "memory/list_container_tree.h"
#include "memory/transaction.h"
#include "memory/transaction_record.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

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

SHOAL_VARIANT_END

}  // namespace shoal::memory
