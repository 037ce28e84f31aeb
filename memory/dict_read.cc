// Reading more than one key: sizes, snapshots, references, the last entry. See dict.h.
#include <algorithm>

#include "memory/dict.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

namespace {

// A snapshot that others keep disturbing: after so many tries it takes the lock, if it may write,
// or after many more it takes the values as they come.
constexpr int kTriesBeforeLock = 8;
constexpr int kTriesBeforeMixture = 64;

// The bits that choose a shard, the first to decide in the highest place. So the keys of a shard
// are those of one interval, a split halves it, and a cursor passes over each key once.
std::uint32_t reversed(std::uint32_t bits) {
  std::uint32_t result = 0;
  for (unsigned i = 0; i < kDictDepthMax; ++i) {
    result = result << 1 | (bits >> i & 1);
  }
  return result;
}

void append_bytes(std::vector<std::byte>& to, const std::byte* from, std::uint64_t bytes) {
  const std::size_t at = to.size();
  to.resize(at + ((bytes + 7) & ~std::uint64_t{7}));
  copy_out(to.data() + at, from, bytes);
}

}  // namespace

// ---- one key ----

Result Dict::find_again(const DictKey& key, std::int64_t timeout_ns,
                        absl::FunctionRef<void(const StoredValue&)> use) const {
  const Shard* shard = shard_of(key.hash);
  for (Retries retries(timeout_ns);; shard = nullptr) {
    if (shard == nullptr) shard = find_shard(shard_bits(key.hash));
    if (shard == nullptr) return object_.is_stale() ? Result::kStale : Result::kDamaged;
    const bool marked = shard->transaction.load() != 0;
    Result result =
        marked ? find_in(*shard, key, use, RecordWords(shard->transaction, arena_, geometry_))
               : find_in(*shard, key, use, PlainWords{});
    if (result != Result::kDiffers) return result;
    result = retries.again(object_);
    if (result != Result::kDone) return result;
  }
}

// ---- all keys ----

std::uint64_t Dict::size() const {
  std::uint64_t size = 0;
  for_each_shard([&](const Shard& shard, std::uint32_t) {
    if (shard.depth.load() != 0) size += shard.count.load(std::memory_order_relaxed);
  });
  return size;
}

std::uint64_t Dict::changes() const {
  std::uint64_t changes = 0;
  // Also of shards that are no more: the sum must not come back to what it was.
  for_each_shard([&](const Shard& shard, std::uint32_t) { changes += shard.changes.load(); });
  return changes;
}

// ---- snapshots ----

// False: the entry changed meanwhile, or is damaged.
template <typename Words>
bool Dict::copy_entry(const Block& block, std::uint32_t slot, Interval wanted, bool with_values,
                      DictSnapshot& snapshot, const Words& words) const {
  const std::uint32_t seen = words.slot(block.slot(slot));
  if (seen <= kSlotReserved) return true;
  Entry entry;
  if (!open_entry(block, slot_offset(seen), entry)) return false;
  const auto stood = [&] {
    fence_loads();
    return words.slot(block.slot(slot)) == seen && entry.stands();
  };
  // In the middle of a split or a merge a block also has entries that are another shard's.
  const std::uint32_t place = reversed(shard_bits(hash_of(entry)));
  if (place < wanted.from || place >= wanted.end) return stood();
  StoredValue value;
  if (!open_value(entry, value)) return false;
  // More than the arena has room for: many entries name the same bytes.
  if (snapshot.bytes.size() + value.bytes > geometry_.file_bytes) return false;
  const std::size_t before = snapshot.bytes.size();
  DictItem item{.sequence = sequence_in(entry.key_word),
                .key = before,
                .key_bytes = entry.key_bytes(),
                .key_kind = entry.layout.key_kind(),
                .value_kind = value.kind};
  append_bytes(snapshot.bytes, entry.key(), item.key_bytes);
  if (with_values) {
    item.value = snapshot.bytes.size();
    item.value_bytes = value.bytes;
    append_bytes(snapshot.bytes, value.data, value.bytes);
  }
  if (!stood()) {
    snapshot.bytes.resize(before);
    return false;
  }
  snapshot.items.push_back(item);
  return true;
}

// The entries from the cursor on. `instant`: all of them at one.
template <typename Words>
Dict::Copied Dict::copy_shard(const Shard& shard, Interval& wanted, bool with_values, bool instant,
                              std::uint64_t changes, DictSnapshot& snapshot,
                              const Words& words) const {
  const std::size_t items = snapshot.items.size();
  const std::size_t bytes = snapshot.bytes.size();
  const std::uint64_t root = words.word(shard.root);
  const std::uint32_t depth = shard.depth.load();
  const auto stands = [&] {
    return words.word(shard.root) == root && words.stand() && !object_.is_stale();
  };
  Copied copied = Copied::kChanged;
  Block block;
  if (depth >= 1 && depth <= kDictDepthMax + 1 && has_hash(shard, reversed(wanted.from))) {
    const std::uint32_t hashes = 1U << (kDictDepthMax - (depth - 1));
    wanted.end = (wanted.from & ~(hashes - 1)) + hashes;
    if (!open_block(root, block)) {
      copied = block.root.block == 0 ? Copied::kWhole : Copied::kDamaged;
    } else {
      copied = Copied::kWhole;
      for (std::uint32_t i = 0; i < block.slots() && copied == Copied::kWhole; ++i) {
        // A change that was raised before this began may come in the middle of it: the one store of
        // it belongs to this instant, too.
        for (int tries = 0; !copy_entry(block, i, wanted, with_values, snapshot, words); ++tries) {
          const bool goes_on = !instant || shard.changes.load() == changes;
          if (goes_on && tries < kTriesBeforeMixture && stands()) continue;
          // Or somebody is quicker.
          copied = shard.changes.load() == changes ? Copied::kDamaged : Copied::kChanged;
          break;
        }
      }
    }
  }
  fence_loads();
  const bool stood =
      stands() && shard.depth.load() == depth && (!instant || shard.changes.load() == changes);
  if (copied == Copied::kWhole && stood) return copied;
  snapshot.items.resize(items);
  snapshot.bytes.resize(bytes);
  return stood ? copied : Copied::kChanged;
}

Result Dict::snapshot(Caller* caller, std::int64_t timeout_ns, bool with_values,
                      DictSnapshot& snapshot) const {
  Retries retries(timeout_ns);
  std::uint64_t left = geometry_.file_bytes;
  for (Interval wanted; wanted.from < kShardsMax; wanted.from = wanted.end) {
    Copied copied = Copied::kChanged;
    for (std::uint32_t attempt = 0; copied == Copied::kChanged; ++attempt) {
      if (attempt != 0) {
        const Result result = retries.again(object_);
        if (result != Result::kDone) return result;
      }
      Shard* shard = find_shard(reversed(wanted.from));
      if (shard == nullptr) return object_.is_stale() ? Result::kStale : Result::kDamaged;
      const bool lock_it = caller != nullptr && attempt >= kTriesBeforeLock;
      if (lock_it) {
        Call call{.caller = *caller, .timeout_ns = timeout_ns};
        const Held held = lock(call, reversed(wanted.from), shard);
        if (held.result != Result::kDone) return held.result;
        shard = held.shard;
      }
      // The mark is looked at before the words. While it stands in one state, so do they. And after
      // `changes`: a transaction that has raised it already has made its mark.
      const bool instant = attempt < kTriesBeforeMixture;
      const std::uint64_t changes = shard->changes.load();
      copied =
          shard->transaction.load() == 0
              ? copy_shard(*shard, wanted, with_values, instant, changes, snapshot, PlainWords{})
              : copy_shard(*shard, wanted, with_values, instant, changes, snapshot,
                           RecordWords(shard->transaction, arena_, geometry_));
      if (lock_it) unlock_word(*caller, shard->lock);
      if (copied == Copied::kWhole && !charge(shard->root.load(), left)) return Result::kDamaged;
    }
    if (copied == Copied::kDamaged) return Result::kDamaged;
  }
  std::sort(snapshot.items.begin(), snapshot.items.end(),
            [](const DictItem& a, const DictItem& b) { return a.sequence < b.sequence; });
  return object_.is_stale() ? Result::kStale : Result::kDone;
}

// ---- references ----

// Some of the references in the block, from where the walk is.
Walked Dict::walk_block(const Block& block, ReferenceWalk& walk, std::uint64_t& left,
                        std::uint32_t& steps,
                        absl::FunctionRef<void(std::uint64_t id)> visit) const {
  for (; walk.slot < block.slots(); ++walk.slot, walk.id = 0) {
    if (steps == 0) return Walked::kMore;
    if (walk.id == 0) --steps;
    const std::uint32_t seen = block.slot(walk.slot).load();
    Entry entry;
    StoredValue value;
    if (seen <= kSlotReserved || !open_entry(block, slot_offset(seen), entry) ||
        !entry.layout.references() || !open_value(entry, value)) {
      continue;
    }
    const auto table = reference_table(value.kind, value.data, value.bytes);
    if (!table) continue;
    if (walk.id == 0 && !take_bytes(8 * table->count, left)) return Walked::kLost;
    while (walk.id < table->count) {
      visit((*table)[walk.id++]);
      if (steps == 0) return Walked::kMore;
      --steps;
    }
  }
  return Walked::kOver;
}

// By hash, as snapshots go. Entries move only when a block is given up, which changes the root
// word; what is put in a slot that was looked at already, somebody has just put, who holds what it
// refers to.
Walked Dict::walk_references(ReferenceWalk& walk, std::uint64_t& left, std::uint32_t steps,
                             absl::FunctionRef<void(std::uint64_t id)> visit) const {
  if (!has_references()) return Walked::kOver;
  steps = walk.steps(steps);
  while (walk.position < kShardsMax) {
    if (steps == 0) return Walked::kMore;
    const Shard* const shard = find_shard(reversed(walk.position));
    if (shard == nullptr) return Walked::kOver;
    const std::uint64_t root = shard->root.load();
    const std::uint32_t depth = shard->depth.load();
    Block block;
    const bool has_block = open_block(root, block);
    if (walk.root != root) {
      walk = {.position = walk.position,
              .root = root,
              .tries = walk.root == 0 ? walk.tries : walk.tries + 1};
      if (has_block && !take_bytes(block.bytes(), left)) return Walked::kLost;
    }
    if (walk.tries > ReferenceWalk::kTriesMax) return Walked::kLost;
    if (has_block) {
      const Walked walked = walk_block(block, walk, left, steps, visit);
      if (walked != Walked::kOver) return walked;
    }
    if (steps != 0) --steps;
    if (!take_bytes(sizeof(Shard), left)) return Walked::kLost;
    fence_loads();
    const bool stood = is_same(*shard, root) && shard->depth.load() == depth && depth >= 1 &&
                       depth <= kDictDepthMax + 1 && has_hash(*shard, reversed(walk.position));
    if (!stood) {
      if (object_.is_stale()) return Walked::kOver;
      ++walk.tries;
      return Walked::kMore;
    }
    const std::uint32_t hashes = 1U << (kDictDepthMax - (depth - 1));
    walk = {.position = (walk.position & ~(hashes - 1)) + hashes};
  }
  return Walked::kOver;
}

// ---- the last entry ----

// The entry of the block that was inserted last. False: it has none, or is damaged.
bool Dict::find_last(const Block& block, Spot& spot) const {
  std::uint64_t last = 0;
  for (std::uint32_t i = 0; i < block.slots(); ++i) {
    const std::uint32_t seen = block.slot(i).load(std::memory_order_relaxed);
    Entry entry;
    if (seen <= kSlotReserved || !open_entry(block, slot_offset(seen), entry)) continue;
    const std::uint64_t sequence = sequence_in(entry.key_word);
    if (spot.found && sequence < last) continue;
    last = sequence;
    spot.entry = entry;
    spot.slot = &block.slot(i);
    spot.found = true;
    spot.alone = empty_slots(block.bucket(i / kSlotsPerBucket)) != 0;
  }
  return spot.found;
}

Result Dict::pop_last(Call& call, Show show) {
  Retries retries(call.timeout_ns);
  for (std::uint32_t in_vain = 0;;) {
    if (in_vain != 0) {
      const Result result = retries.again(object_);
      if (result != Result::kDone) return result;
    }
    if (object_.is_stale()) return Result::kStale;
    // `latest` is never too low, so the shard with the greatest one comes first; it may turn out to
    // have been too high, and is mended then.
    std::uint64_t best = 0;
    std::uint64_t second = 0;
    std::uint32_t index = 0;
    for_each_shard([&](const Shard& shard, std::uint32_t at) {
      if (shard.depth.load() == 0) return;
      const std::uint64_t latest = shard.latest.load();
      if (latest > best) {
        second = best;
        best = latest;
        index = at;
      } else {
        second = std::max(second, latest);
      }
    });
    if (best == 0) return Result::kAbsent;
    Shard* shard = shard_at(index);
    if (shard == nullptr) return Result::kDamaged;
    Result result = lock_word(call, shard->lock);
    if (result != Result::kDone) return result;
    Guard guard(*this, call.caller, shard->lock);
    Block block;
    Spot spot;
    Garbage garbage;
    const bool found = open_block(shard->root.load(), block) && find_last(block, spot);
    const std::uint64_t last = found ? sequence_in(spot.entry.key_word) + 1 : 0;
    const bool take = found && last >= second && shard->depth.load() != 0;
    std::vector<std::byte> key_copy;
    DictKey key;
    if (take) {
      StoredValue value;
      key_copy.resize(padded(spot.entry.key_bytes()));
      copy_out(key_copy.data(), spot.entry.key(), spot.entry.key_bytes());
      key = this->key(spot.entry.layout.key_kind(),
                      {reinterpret_cast<const char*>(key_copy.data()), spot.entry.key_bytes()});
      result = open_value(spot.entry, value) ? Result::kDone : Result::kDamaged;
      if (result == Result::kDone) {
        show(key.kind, key_copy.data(), key.bytes, value);
        result = erase_at(call, *shard, block, key, spot, garbage);
      }
    }
    if (!take && last >= shard->latest.load(std::memory_order_relaxed)) ++in_vain;
    shard->latest.store(last, std::memory_order_relaxed);
    guard.unlock();
    if (!take) continue;
    free_value(call.caller, key.hash, garbage);
    if (result != Result::kDone) return result;
    announce(call.caller, object_);
    shrink_if_empty(call, *shard, shard_bits(key.hash));
    return Result::kDone;
  }
}

SHOAL_VARIANT_END

}  // namespace shoal::memory
