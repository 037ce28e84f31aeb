// What the manager does to a dict: after a death, and when it frees blocks.
// And the walk of `verify`. See dict.h; everything read here may be garbage.
#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"

#include "memory/dict.h"
#include "memory/seeded_faults.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

std::uint64_t Dict::hash_of(const Entry& entry) const {
  // Who does not hold the lock asks afterwards whether the entry stood.
  constexpr std::size_t kOnStack = 256;
  const std::uint32_t bytes = entry.key_bytes();
  std::byte copy[kOnStack];
  if (bytes <= kOnStack) {
    copy_out(copy, entry.key(), bytes);
    return dict_hash(seed_, entry.layout.key_kind(), copy, bytes);
  }
  std::vector<std::byte> large(padded(bytes));
  copy_out(large.data(), entry.key(), bytes);
  return dict_hash(seed_, entry.layout.key_kind(), large.data(), bytes);
}

// ---- after a death ----

// Count, used, tail and live say what the block says, and there are no spares: they may be of the
// block before. Entries that are not the shard's, or no entries, are let go.
void Dict::recount(Shard& shard) const {
  Fresh found;
  // Not back before what was written and let go: some reader may still be copying it.
  const std::uint32_t tail = shard.tail.load(std::memory_order_relaxed) & ~7U;
  Block block;
  const std::uint32_t index = shard.index.load(std::memory_order_relaxed);
  const std::uint32_t mask = (1U << ((shard.depth.load() - 1) & 31)) - 1;
  std::uint32_t used = 0;
  std::uint64_t latest = 0;
  if (open_block(shard.root.load(), block)) {
    found.tail = std::clamp(tail, block.log(), block.bytes());
    for (std::uint32_t i = 0; i < block.slots(); ++i) {
      const std::uint32_t seen = block.slot(i).load(std::memory_order_relaxed);
      if (seen == 0) continue;
      ++used;
      if (seen == kSlotErased) continue;
      Entry entry;
      if (seen == kSlotReserved || !open_entry(block, slot_offset(seen), entry) ||
          ((shard_bits(hash_of(entry)) ^ index) & mask) != 0) {
        block.slot(i).store(kSlotErased);
        continue;
      }
      ++found.count;
      found.live += entry.bytes();
      latest = std::max(latest, sequence_in(entry.key_word) + 1);
      found.tail = std::max(found.tail, entry.place().end());
    }
  }
  const std::uint32_t spare = shard.spare.load(std::memory_order_relaxed);
  set_derived(shard, found);
  if (has_fault(Fault::kSparesKept)) shard.spare.store(spare);
  shard.used.store(used, std::memory_order_relaxed);
  shard.latest.store(latest, std::memory_order_relaxed);
}

// It has nothing that another shard does not have.
void Dict::give_up_shard(Caller& manager, Shard& shard, std::uint32_t index) const {
  Call call{.caller = manager};
  shard.index.store(index, std::memory_order_relaxed);
  Garbage garbage;
  retire_block(call, shard, garbage);
  shard.depth.store(0);
  DictRoot none;
  none.generation = DictRoot::of(shard.root.load()).generation + 1;
  shard.root.store(none.word());
  set_derived(shard, Fresh{});
  free_block(manager, index, garbage);
}

void Dict::recover_shard(Caller& manager, Shard& shard, std::uint32_t index) const {
  const std::uint32_t depth = shard.depth.load();
  if (depth >= 1 && depth <= kDictDepthMax) {
    const std::uint32_t other = index | 1U << (depth - 1);
    Shard* const upper = other == index ? nullptr : shard_at(other);
    const bool half = upper != nullptr &&
                      (upper->depth.load() != 0 || DictRoot::of(upper->root.load()).block != 0);
    if (half && !has_fault(Fault::kHalfSplitStays)) give_up_shard(manager, *upper, other);
  }
  shard.transaction.store(0);
  const bool exists = depth != 0 && shard.index.load() == index;
  if (exists && !has_fault(Fault::kNoRecount)) recount(shard);
}

void Dict::retire() const {
  for_each_shard([](Shard& shard, std::uint32_t) {
    const std::uint32_t seen = shard.lock.exchange(std::uint32_t{kSlotGone} << (kThreadBits + 2));
    if ((seen & kWaiters) != 0) (void)futex_wake(shard.lock, kEverybody);
  });
}

void Dict::recover(Caller& manager, std::uint16_t slot) {
  // Upwards: a lower shard decides about the one above it while both are locked.
  bool held = false;
  std::uint64_t left = geometry_.file_bytes;
  for_each_shard([&](Shard& shard, std::uint32_t index) {
    if (slot_in(shard.lock.load(std::memory_order_seq_cst)) != slot) return;
    held = true;
    if (charge(shard.root.load(), left)) recover_shard(manager, shard, index);
  });
  for_each_shard([&](Shard& shard, std::uint32_t) {
    const std::uint32_t seen = shard.lock.load(std::memory_order_seq_cst);
    // Whoever was about to be woken by the dead is woken; where nobody ever waited there is none.
    if (slot_in(seen) == slot || (seen & kWaiters) != 0 || shard.contended.load() != 0) {
      (void)recover_word(shard.lock, slot, 1);
    }
  });
  if (recover_word(object_.descriptor->lock, slot, 1) || held) {
    object_.descriptor->recoveries.add(1);
  }
}

// ---- blocks ----

bool Dict::reaches(std::uint32_t part, std::uint64_t block) const {
  if (part == kPartPageTable) return descriptor().page_table.load() == block;
  if (part >= kPartHeaderPage && part < kPartHeaderPage + kHeaderPagesMax) {
    const std::uint32_t page = part - kPartHeaderPage;
    if (page == 0) return descriptor().first_page.load() == block;
    std::byte* const table = resolve(descriptor().page_table.load(), kPageTableBytes);
    return table != nullptr && reinterpret_cast<const Word64*>(table)[page].load() == block;
  }
  if (part < kShardsMax) {
    const Shard* const shard = shard_at(part);
    return shard != nullptr && DictRoot::of(shard->root.load()).block == block;
  }
  if (part < kPartValue || part >= kPartValue + kShardsMax) return false;
  if (has_fault(Fault::kValuesNotReached)) return false;
  // A value's: in any shard that its key may be in just now.
  const std::uint32_t hash_bits = part - kPartValue;
  for (std::uint32_t depth = 0; depth <= kDictDepthMax; ++depth) {
    const std::uint32_t index = hash_bits & ((1U << depth) - 1);
    if (depth != 0 && index < 1U << (depth - 1)) continue;
    const Shard* const shard = shard_at(index);
    Block entries;
    if (shard == nullptr || !open_block(shard->root.load(), entries)) continue;
    for (std::uint32_t i = 0; i < entries.slots(); ++i) {
      const std::uint32_t seen = entries.slot(i).load(std::memory_order_relaxed);
      Entry entry;
      StoredValue value;
      if (seen <= kSlotReserved || !open_entry(entries, slot_offset(seen), entry) ||
          !entry.layout.large() || !open_value(entry, value) || value.block != block) {
        continue;
      }
      fence_loads();
      if (entries.slot(i).load(std::memory_order_relaxed) == seen && entry.stands()) return true;
    }
  }
  return false;
}

void Dict::for_each_block(const Shard& shard,
                          absl::FunctionRef<void(const Garbage&, const BlockFor&)> visit) const {
  Block block;
  if (!open_block(shard.root.load(), block)) return;
  visit({.block = block.root.block, .bytes = block.bytes()},
        shard_part(shard.index.load(std::memory_order_relaxed) & (kShardsMax - 1)));
  for (std::uint32_t i = 0; i < block.slots(); ++i) {
    const std::uint32_t seen = block.slot(i).load();
    Entry entry;
    StoredValue value;
    if (seen > kSlotReserved && open_entry(block, slot_offset(seen), entry) &&
        entry.layout.large() && open_value(entry, value)) {
      visit({.block = value.block, .bytes = value.bytes + 8}, value_part(hash_of(entry)));
    }
  }
}

// ---- verify ----

namespace {

// A block is looked at again so often, if it changes meanwhile, before what was seen counts.
constexpr int kLooks = 100;

// As many as the log has room for: nonsense may lead round in a circle. What is nowhere is listed,
// too, with all the bytes of the block, so that it overlaps.
void list_spares(const Shard& shard, const DictBlock& block, std::vector<EntryPlace>& places) {
  std::uint32_t left = block.bytes();
  const auto spare = EntryPlace::of(shard.spare.load());
  if (spare.bytes != 0) places.push_back(spare);
  for (std::uint32_t word = shard.spares.load(); word != 0;) {
    const auto place = EntryPlace::of(word);
    if (!is_in_log(block, place) || place.bytes > left) {
      places.insert(places.end(), 2, {.offset = block.log(), .bytes = block.bytes()});
      return;
    }
    places.push_back(place);
    left -= place.bytes;
    word = next_spare(block, place);
  }
}

}  // namespace

bool Dict::verify_shard(const Shard& shard, std::uint32_t index, DictStat& stat,
                        std::string& wrong) const {
  const std::uint64_t root = shard.root.load();
  const std::uint32_t depth = shard.depth.load();
  Block block;
  wrong.clear();
  if (depth == 0) return true;
  ++stat.shards;
  stat.depth = std::max(stat.depth, depth - 1);
  stat.contended += shard.contended.load();
  stat.changes += shard.changes.load();
  if (depth > kDictDepthMax + 1 || shard.index.load() != index) {
    wrong = absl::StrCat("shard ", index, ": depth ", depth, ", index ", shard.index.load());
    return false;
  }
  if (!open_block(root, block)) {
    if (block.root.block != 0) wrong = absl::StrCat("shard ", index, ": its block is nowhere");
    return block.root.block == 0;
  }
  ++stat.shards_with_block;
  stat.block_bytes += block.bytes();
  stat.slots += block.slots();
  // Whoever holds the lock may be in the middle of something.
  const bool rests = owner_in(shard.lock.load()) == 0;
  std::vector<EntryPlace> places;
  if (rests) list_spares(shard, block, places);
  std::uint64_t live = 0;
  std::uint32_t count = 0;
  std::uint32_t used = 0;
  for (std::uint32_t i = 0; i < block.slots() && wrong.empty(); ++i) {
    const std::uint32_t seen = block.slot(i).load();
    if (seen == 0) continue;
    ++used;
    if (seen <= kSlotReserved) continue;
    Entry entry;
    StoredValue value;
    if (slot_offset(seen) < block.log() || !open_entry(block, slot_offset(seen), entry) ||
        !open_value(entry, value)) {
      wrong = absl::StrCat("shard ", index, ", slot ", i, ": no entry at ", slot_offset(seen));
      break;
    }
    const std::uint64_t hash = hash_of(entry);
    const bool is_its_own = ((shard_bits(hash) ^ index) & ((1U << (depth - 1)) - 1)) == 0;
    if (!is_its_own && !rests) continue;
    const std::uint32_t buckets = block.buckets();
    const std::uint32_t steps = (i / kSlotsPerBucket - bucket_bits(hash)) & (buckets - 1);
    bool reached = is_its_own && tag_of(hash) == slot_tag(seen);
    for (std::uint32_t step = 0; step < steps && reached; ++step) {
      const std::uint32_t at = (bucket_bits(hash) + step) & (buckets - 1);
      reached = empty_slots(block.bucket(at)) == 0;
    }
    if (!reached) wrong = absl::StrCat("shard ", index, ", slot ", i, ": its key is not found");
    if (rests) places.push_back(entry.place());
    ++count;
    live += entry.bytes();
    stat.probes += steps + 1;
    if (entry.layout.large()) {
      ++stat.large_values;
      stat.large_bytes += value.bytes;
    }
  }
  stat.entries += count;
  stat.slots_used += used;
  stat.live_bytes += live;
  const std::uint32_t tail = shard.tail.load();
  const std::uint64_t written = std::min(tail, block.bytes());
  stat.dead_bytes += written - std::min<std::uint64_t>(written, block.log() + live);
  const auto compare = [&](const char* what, std::uint64_t found, std::uint64_t said) {
    if (!wrong.empty() || !rests || found == said) return;
    wrong = absl::StrCat("shard ", index, ": ", found, " ", what, ", said to be ", said);
  };
  compare("entries", count, shard.count.load());
  compare("slots in use", used, shard.used.load());
  compare("bytes of entries", live, shard.live.load());
  std::sort(places.begin(), places.end(),
            [](const EntryPlace& a, const EntryPlace& b) { return a.offset < b.offset; });
  for (std::size_t i = 1; i < places.size() && wrong.empty(); ++i) {
    if (!places[i].overlaps(places[i - 1])) continue;
    wrong = absl::StrCat("shard ", index, ": two entries, or spares, at ", places[i].offset);
  }
  const std::uint32_t end = places.empty() ? block.log() : places.back().end();
  compare("is where its log ends", std::max(end, tail), tail);
  return wrong.empty();
}

bool Dict::verify(DictStat& stat, absl::FunctionRef<void(const std::string&)> report) const {
  bool sound = true;
  stat.splits = descriptor().splits.load(std::memory_order_relaxed);
  std::uint64_t left = geometry_.file_bytes;
  for_each_shard([&](Shard& shard, std::uint32_t index) {
    std::string wrong;
    if (shard.depth.load() != 0 && !charge(shard.root.load(), left)) {
      if (sound) report("the shards' blocks are more than the arena");
      sound = false;
      return;
    }
    DictStat before = stat;
    for (int look = 0;; ++look) {
      const std::uint64_t changes = shard.changes.load();
      const std::uint64_t root = shard.root.load();
      stat = before;
      const bool good = verify_shard(shard, index, stat, wrong);
      fence_loads();
      const bool stood = shard.changes.load() == changes && is_same(shard, root);
      if (good) return;
      if (!stood && look < kLooks) continue;
      if (!stood) return;  // It never rests, so nothing can be said of it.
      break;
    }
    sound = false;
    report(wrong);
  });
  return sound;
}

SHOAL_VARIANT_END

}  // namespace shoal::memory
