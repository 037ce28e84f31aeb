// Changing one key. See dict.h.
#include <algorithm>

#include "memory/dict.h"
#include "memory/seeded_faults.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

namespace {

// Of 16 slots, so that a search ends soon.
constexpr std::uint32_t kSlotsFullOf16 = 14;

std::uint32_t room_for(std::uint32_t bytes) { return std::max(padded(bytes), 8U); }

}  // namespace

// ---- where the key is ----

bool Dict::look(const Block& block, const DictKey& key, Spot& spot) const {
  const std::uint32_t tag = tag_of(key.hash);
  const std::uint32_t mask = block.buckets() - 1;
  std::uint32_t at = bucket_bits(key.hash) & mask;
  for (std::uint32_t looked = 0; looked <= mask; ++looked, at = (at + 1) & mask) {
    Word32* const bucket = block.bucket(at);
    for (std::uint32_t tagged = tagged_slots(bucket, tag); tagged != 0; tagged &= tagged - 1) {
      Word32& slot = bucket[__builtin_ctz(tagged)];
      const std::uint32_t seen = slot.load();
      if (seen <= kSlotReserved || slot_tag(seen) != tag) continue;
      if (!open_entry(block, slot_offset(seen), spot.entry)) return false;
      if (!has_key(spot.entry, key)) continue;
      spot.slot = &slot;
      spot.seen = seen;
      spot.alone = empty_slots(bucket) != 0;
      return true;
    }
    if (spot.free == nullptr) {
      for (std::uint32_t i = 0; i < kSlotsPerBucket && spot.free == nullptr; ++i) {
        if (bucket[i].load(std::memory_order_relaxed) <= kSlotErased) spot.free = &bucket[i];
      }
    }
    if (empty_slots(bucket) != 0) break;
  }
  return true;
}

// ---- the bytes of a value ----

// An 8-byte value in the place of another of its kind: one store.
bool Dict::replace_word(Shard& shard, const Spot& spot, const Incoming& incoming) const {
  const ValueLayout& old = spot.entry.layout;
  const bool same = old.bytes == 8 && !old.large && incoming.large == 0 &&
                    incoming.value.bytes == 8 && old.kind == incoming.value.kind &&
                    old.references == incoming.value.references;
  if (!same) return false;
  std::uint64_t word = 0;
  std::memcpy(&word, incoming.value.data, 8);
  touch(shard);
  store_word(spot.entry.value(), word);
  return true;
}

void Dict::write_entry(const Block& block, std::uint32_t offset, std::uint64_t key_word,
                       const DictKey& key, const Incoming& incoming, ValueLayout layout) const {
  std::byte* const at = block.at + offset;
  layout.bytes = incoming.bytes();
  layout.kind = incoming.value.kind;
  layout.key_kind = key.kind;
  layout.large = incoming.large != 0;
  layout.references = incoming.value.references;
  store_word(at, key_word, std::memory_order_relaxed);
  store_word(at + 8, layout.word(), std::memory_order_relaxed);
  copy_in(at + kEntryHeadBytes, key.data, key.bytes, padded(key.bytes));
  copy_in(at + kEntryHeadBytes + padded(key.bytes), incoming.data(), layout.bytes,
          padded(layout.bytes));
}

// Writes an entry that nobody sees, and says which store would show it. False: there is no room.
bool Dict::prepare(Shard& shard, const Block& block, const DictKey& key, const Spot& spot,
                   const Incoming& incoming, Publish& publish) {
  const std::uint32_t bytes = incoming.bytes();
  const bool found = spot.seen != 0;
  const std::uint32_t spare_at = found ? spot.entry.layout.spare : 0;
  Entry spare;
  if (spare_at != 0 && spare_at != spot.entry.offset && open_entry(block, spare_at, spare) &&
      spare.layout.room >= padded(bytes) && has_key(spare, key)) {
    const std::uint64_t version = spare.version().load(std::memory_order_relaxed) | 1;
    spare.version().store(version, std::memory_order_relaxed);
    // A reader who still copies from here sees the odd version if it sees any byte of the new
    // value.
    fence_stores();
    write_entry(block, spare_at, spot.entry.key_word, key, incoming,
                {.room = spare.layout.room, .spare = spot.entry.offset});
    spare.version().store(version + 1);
    publish = {
        .slot = spot.slot, .value = slot_of(tag_of(key.hash), spare_at), .bytes = spare.bytes()};
    return true;
  }
  const std::uint32_t need = entry_bytes(key.bytes, room_for(bytes));
  const std::uint32_t tail =
      std::max(shard.tail.load(std::memory_order_relaxed), block.log()) & ~7U;
  if (tail > block.bytes() || need > block.bytes() - tail) return false;
  if (!found) {
    if (spot.free == nullptr) return false;
    const bool empty = spot.free->load(std::memory_order_relaxed) == 0;
    const std::uint32_t used = shard.used.load(std::memory_order_relaxed);
    if (empty && used >= block.slots() / 16 * kSlotsFullOf16) return false;
  }
  if (!has_fault(Fault::kTailAfterSlot)) shard.tail.store(tail + need);
  std::uint64_t sequence = 0;
  if (found) {
    sequence = sequence_in(spot.entry.key_word);
  } else {
    sequence = descriptor().sequence.add(1) & (kSequenceMax >> 1);
    shard.latest.store(sequence + 1, std::memory_order_relaxed);
  }
  if (has_fault(Fault::kSlotBeforeEntry)) {
    (found ? spot.slot : spot.free)->store(slot_of(tag_of(key.hash), tail));
  }
  write_entry(block, tail, key_word(sequence, key.bytes), key, incoming,
              {.room = room_for(bytes), .spare = found ? spot.entry.offset : 0});
  publish = {.slot = found ? spot.slot : spot.free,
             .value = slot_of(tag_of(key.hash), tail),
             .bytes = need};
  return true;
}

// ---- values with a block of their own ----

Result Dict::bring_in(Call& call, const DictKey& key, const DictValue& value,
                      Incoming& incoming) const {
  incoming.value = value;
  if (value.bytes <= kInlineValueBytesMax) return Result::kDone;
  // Readers may copy up to the next whole word.
  const absl::StatusOr<std::uint64_t> block =
      allocator_->allocate(call.caller, value.bytes + 8, value_part(key.hash));
  if (!block.ok()) {
    call.why = block.status();
    return Result::kExhausted;
  }
  incoming.large = *block;
  incoming.payload[0] = *block;
  incoming.payload[1] = value.bytes;
  copy_in(arena_ + *block, value.data, value.bytes, (value.bytes + 7) & ~std::uint64_t{7});
  return Result::kDone;
}

void Dict::give_up(Caller& caller, const DictKey& key, Incoming& incoming) const {
  if (incoming.large == 0 || incoming.used) return;
  (void)allocator_->free(caller, incoming.large, incoming.value.bytes + 8, value_part(key.hash));
  incoming.large = 0;
}

// The value's block, if it has one, will be free: before the store that lets go of it.
Result Dict::retire_value(Call& call, const DictKey& key, const Spot& spot,
                          Garbage& garbage) const {
  if (!spot.entry.layout.large) [[likely]]
    return Result::kDone;
  StoredValue old;
  if (!open_value(spot.entry, old)) return Result::kDamaged;
  garbage = {.block = old.block, .bytes = old.bytes + 8};
  // What was not allocated for this key is not given back: somebody wrote nonsense there.
  if (!allocator_->retire(call.caller, garbage.block, garbage.bytes, value_part(key.hash)).ok()) {
    garbage = {};
  }
  return Result::kDone;
}

void Dict::free_value(Caller& caller, std::uint64_t hash, const Garbage& garbage) const {
  if (garbage.block == 0) return;
  (void)allocator_->free(caller, garbage.block, garbage.bytes, value_part(hash));
}

// ---- under the lock ----

// Before the value is seen: who traces references must not pass the dict over.
void Dict::note_references() {
  Word32& sticky = descriptor().sticky;
  const std::uint32_t seen = sticky.load(std::memory_order_relaxed);
  if ((seen & kStickyReferences) == 0) (void)sticky.exchange(seen | kStickyReferences);
}

Result Dict::put_at(Call& call, Shard& shard, const Block& block, const DictKey& key,
                    const Spot& spot, Incoming& incoming, Garbage& garbage) {
  if (incoming.value.references) note_references();
  const bool found = spot.seen != 0;
  if (found && replace_word(shard, spot, incoming)) return Result::kDone;
  touch(shard);
  Publish publish;
  if (block.at == nullptr || !prepare(shard, block, key, spot, incoming, publish)) {
    return Result::kExhausted;
  }
  if (found) {
    if (const Result r = retire_value(call, key, spot, garbage); r != Result::kDone) return r;
  }
  const bool fills = !found && spot.free->load(std::memory_order_relaxed) == 0;
  publish.slot->store(publish.value);
  if (has_fault(Fault::kTailAfterSlot)) {
    shard.tail.store(slot_offset(publish.value) + publish.bytes);
  }
  if (incoming.large != 0) {
    incoming.used = true;
    (void)allocator_->own(call.caller, incoming.large, incoming.value.bytes + 8,
                          value_part(key.hash));
  }
  add_to(shard.live, found ? publish.bytes - spot.entry.bytes() : publish.bytes);
  if (!found) add_to(shard.count, 1);
  if (fills) add_to(shard.used, 1);
  return Result::kDone;
}

Result Dict::erase_at(Call& call, Shard& shard, const DictKey& key, const Spot& spot,
                      Garbage& garbage) {
  if (const Result r = retire_value(call, key, spot, garbage); r != Result::kDone) return r;
  touch(shard);
  spot.slot->store(spot.alone || has_fault(Fault::kEraseLeavesGap) ? 0 : kSlotErased);
  add_to(shard.count, static_cast<std::uint32_t>(-1));
  add_to(shard.live, 0 - spot.entry.bytes());
  if (spot.alone) add_to(shard.used, static_cast<std::uint32_t>(-1));
  return Result::kDone;
}

// `decide(found or null)` gives a DictDecision; a value it gives is `incoming`'s already, or is
// brought in once the lock is free again.
template <typename DecideInline>
Result Dict::alter(Call& call, const DictKey& key, Incoming& incoming, DecideInline decide) {
  Shard* shard = shard_of(key.hash);
  std::int64_t deadline = 0;
  for (std::uint32_t round = 0;; ++round) {
    // Others were quicker each time, or these are not the bytes of a dict.
    Result result = round == 0 ? Result::kDone : try_again(round, call.timeout_ns, deadline);
    if (result == Result::kDone) result = lock(call, shard_bits(key.hash), shard);
    if (result != Result::kDone) return result;
    const std::uint64_t root = shard->root.load(std::memory_order_relaxed);
    Block block;
    Spot spot;
    Garbage garbage;
    bool erased = false;
    bool bring = false;
    if (open_block(root, block) ? !look(block, key, spot) : block.root.block != 0) {
      unlock_word(call.caller, shard->lock);
      return Result::kDamaged;
    }
    StoredValue found;
    if (spot.seen != 0 && !open_value(spot.entry, found)) {
      unlock_word(call.caller, shard->lock);
      return Result::kDamaged;
    }
    const DictDecision decision = decide(spot.seen != 0 ? &found : nullptr);
    result = decision.result;
    if (decision.what == DictDecision::What::kErase && spot.seen != 0) {
      result = erase_at(call, *shard, key, spot, garbage);
      erased = result == Result::kDone;
    } else if (decision.what == DictDecision::What::kPut) {
      bring = !takes(incoming, decision.value);
      if (!bring) {
        if (incoming.large == 0) incoming.value = decision.value;
        result = put_at(call, *shard, block, key, spot, incoming, garbage);
      }
    }
    unlock_word(call.caller, shard->lock);
    if (bring) {
      give_up(call.caller, key, incoming);
      incoming = Incoming{};
      result = bring_in(call, key, decision.value, incoming);
      if (result != Result::kDone) return result;
      continue;
    }
    if (garbage.block != 0) [[unlikely]]
      free_value(call.caller, key.hash, garbage);
    if (result == Result::kExhausted) {
      const std::uint32_t need = entry_bytes(key.bytes, room_for(incoming.bytes()));
      result = make_room(call, shard_bits(key.hash), need, 1);
      if (result != Result::kDone) return result;
      shard = nullptr;
      continue;
    }
    if (result == Result::kDone && decision.what != DictDecision::What::kLeave) {
      announce(call.caller, object_);
      if (erased) {
        shrink_if_empty(call, *shard, shard_bits(key.hash));
      } else {
        divide_if_contended(call, *shard, shard_bits(key.hash));
      }
    }
    return result;
  }
}

// Whether what was brought in is this value: or nothing had to be.
bool Dict::takes(const Incoming& incoming, const DictValue& value) const {
  if (value.bytes <= kInlineValueBytesMax) return incoming.large == 0;
  if (incoming.large == 0 || incoming.value.bytes != value.bytes ||
      incoming.value.kind != value.kind || incoming.value.references != value.references) {
    return false;
  }
  return incoming.value.data == value.data ||
         std::memcmp(arena_ + incoming.large, value.data, value.bytes) == 0;
}

// ---- calls ----

Result Dict::put(Call& call, const DictKey& key, const DictValue& value, Only only) {
  Incoming incoming;
  Result result = bring_in(call, key, value, incoming);
  if (result == Result::kDone) {
    result = alter(call, key, incoming, [&](const StoredValue* found) {
      if (found != nullptr && only == Only::kIfAbsent) [[unlikely]]
        return DictDecision{.result = Result::kPresent};
      if (found == nullptr && only == Only::kIfPresent) [[unlikely]]
        return DictDecision{.result = Result::kAbsent};
      return DictDecision{.what = DictDecision::What::kPut, .value = value};
    });
  }
  give_up(call.caller, key, incoming);
  return result;
}

Result Dict::erase(Call& call, const DictKey& key) {
  Incoming nothing;
  return alter(call, key, nothing, [](const StoredValue* found) {
    if (found == nullptr) return DictDecision{.result = Result::kAbsent};
    return DictDecision{.what = DictDecision::What::kErase};
  });
}

Result Dict::change(Call& call, const DictKey& key, Decide decide) {
  Incoming incoming;
  const Result result = alter(call, key, incoming, decide);
  give_up(call.caller, key, incoming);
  return result;
}

SHOAL_VARIANT_END

}  // namespace shoal::memory
