// Changing one key. See dict.h.
#include <algorithm>

#include "absl/cleanup/cleanup.h"

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

// What a call on the key will look at first once it has the lock, fetched while it gets that: a
// locked instruction lets no load go ahead of it. Only a hint, nothing is checked.
[[gnu::always_inline]] inline void Dict::fetch_bucket(const Shard& shard,
                                                      std::uint64_t hash) const {
  const DictRoot root = DictRoot::of(shard.root.load(std::memory_order_relaxed));
  __builtin_prefetch(arena_ + root.block +
                     std::size_t{bucket_bits(hash) & (root.buckets() - 1)} * kBucketBytes);
}

// Where the next value of the key will be written.
[[gnu::always_inline]] inline void Dict::fetch_spare(const Block& block, const Entry& entry) {
  constexpr std::uint32_t kLine = 64;
  if (entry.layout.spare() == 0) return;  // that is the first bucket, which others read
  const std::byte* const spare = block.at + entry.layout.spare();
  __builtin_prefetch(spare, 1);
  __builtin_prefetch(spare + kLine, 1);
}

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
      fetch_spare(block, spot.entry);
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
  const ValueLayout old = spot.entry.layout;
  const DictValue& value = *incoming.value;
  const bool same = old.bytes() == 8 && !old.large() && incoming.large == 0 && value.bytes == 8 &&
                    old.kind() == value.kind && old.references() == value.references;
  if (!same) return false;
  std::uint64_t word = 0;
  std::memcpy(&word, value.data, 8);
  touch(shard);
  store_word(spot.entry.value(), word);
  return true;
}

// All of an entry but what says which key it is of.
void Dict::write_value(std::byte* entry, const DictKey& key, const Incoming& incoming,
                       std::uint32_t room, std::uint32_t spare) {
  const std::uint32_t bytes = incoming.bytes();
  const ValueLayout layout = ValueLayout::of({.bytes = bytes,
                                              .room = room,
                                              .spare = spare,
                                              .kind = incoming.value->kind,
                                              .key_kind = key.kind,
                                              .large = incoming.large != 0,
                                              .references = incoming.value->references});
  store_word(entry + 8, layout.word, std::memory_order_relaxed);
  copy_in(entry + kEntryHeadBytes + padded(key.bytes), incoming.data(), bytes, padded(bytes));
}

// Writes an entry that nobody sees, and says which store would show it. False: there is no room.
bool Dict::prepare(Shard& shard, const Block& block, const DictKey& key, const Spot& spot,
                   const Incoming& incoming, Publish& publish) {
  const std::uint32_t bytes = incoming.bytes();
  const bool found = spot.seen != 0;
  const std::uint32_t spare_at = found ? spot.entry.layout.spare() : 0;
  Entry spare;
  if (spare_at != 0 && spare_at != spot.entry.offset && open_entry(block, spare_at, spare) &&
      spare.layout.room() >= padded(bytes) && has_key(spare, key)) {
    const std::uint64_t version = spare.version().load(std::memory_order_relaxed) | 1;
    spare.version().store(version, std::memory_order_relaxed);
    // A reader who still copies from here sees the odd version if it sees any byte of the new
    // value.
    fence_stores();
    store_word(spare.at, spot.entry.key_word, std::memory_order_relaxed);
    write_value(spare.at, key, incoming, spare.layout.room(), spot.entry.offset);
    spare.version().store(version + 1);
    publish = {
        .slot = spot.slot, .value = slot_of(tag_of(key.hash), spare_at), .bytes = spare.bytes()};
    return true;
  }
  const std::uint32_t room = room_for(bytes);
  const std::uint32_t need = entry_bytes(key.bytes, room);
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
  Word32* const slot = found ? spot.slot : spot.free;
  if (has_fault(Fault::kSlotBeforeEntry)) slot->store(slot_of(tag_of(key.hash), tail));
  std::byte* const entry = block.at + tail;
  store_word(entry, key_word(sequence, key.bytes), std::memory_order_relaxed);
  // A transaction that was taken back may have written here.
  store_word(entry + 16, 0, std::memory_order_relaxed);
  copy_in(entry + kEntryHeadBytes, key.data, key.bytes, padded(key.bytes));
  write_value(entry, key, incoming, room, found ? spot.entry.offset : 0);
  publish = {.slot = slot, .value = slot_of(tag_of(key.hash), tail), .bytes = need};
  return true;
}

// ---- values with a block of their own ----

[[gnu::noinline]] Result Dict::bring_in(Call& call, const DictKey& key, const DictValue& value,
                                        Incoming& incoming) const {
  incoming.value = &value;
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

[[gnu::noinline]] void Dict::give_up(Caller& caller, const DictKey& key, Incoming& incoming) const {
  if (incoming.large == 0 || incoming.used) return;
  (void)allocator_->free(caller, incoming.large, incoming.payload[1] + 8, value_part(key.hash));
  incoming.large = 0;
}

// Under its lock the key was to have another value than what was brought in.
[[gnu::noinline]] Result Dict::bring_in_again(Call& call, const DictKey& key,
                                              const DictValue& value, Incoming& incoming) const {
  give_up(call.caller, key, incoming);
  incoming = Incoming{};
  return bring_in(call, key, value, incoming);
}

// Whether what was brought in is this value, or nothing had to be.
[[gnu::noinline]] bool Dict::is_in(const Incoming& incoming, const DictValue& value) const {
  if (value.bytes <= kInlineValueBytesMax) return incoming.large == 0;
  return incoming.large != 0 && incoming.payload[1] == value.bytes &&
         (incoming.value->data == value.data ||
          std::memcmp(arena_ + incoming.large, value.data, value.bytes) == 0);
}

// The value's block, if it has one, will be free: before the store that lets go of it.
[[gnu::noinline]] Result Dict::retire_value(Call& call, const DictKey& key, Entry entry,
                                            Garbage& garbage) const {
  StoredValue old;
  if (!open_value(entry, old)) return Result::kDamaged;
  garbage = {.block = old.block, .bytes = old.bytes + 8};
  // What was not allocated for this key is not given back: somebody wrote nonsense there.
  if (!allocator_->retire(call.caller, garbage.block, garbage.bytes, value_part(key.hash)).ok()) {
    garbage = {};
  }
  return Result::kDone;
}

[[gnu::noinline]] void Dict::free_value(Caller& caller, std::uint64_t hash,
                                        const Garbage& garbage) const {
  if (garbage.block == 0) return;
  (void)allocator_->free(caller, garbage.block, garbage.bytes, value_part(hash));
}

// ---- under the lock ----

// Before the value is seen: who traces references must not pass the dict over.
[[gnu::noinline]] void Dict::note_references() {
  Word32& sticky = descriptor().sticky;
  const std::uint32_t seen = sticky.load(std::memory_order_relaxed);
  if ((seen & kStickyReferences) == 0) (void)sticky.exchange(seen | kStickyReferences);
}

Result Dict::put_at(Call& call, Shard& shard, const Block& block, const DictKey& key,
                    const Spot& spot, Incoming& incoming, Garbage& garbage) {
  if (incoming.value->references) note_references();
  const bool found = spot.seen != 0;
  if (found && replace_word(shard, spot, incoming)) return Result::kDone;
  touch(shard);
  Publish publish;
  if (block.at == nullptr || !prepare(shard, block, key, spot, incoming, publish)) [[unlikely]] {
    return Result::kExhausted;
  }
  if (found && spot.entry.layout.large()) [[unlikely]] {
    if (const Result r = retire_value(call, key, spot.entry, garbage); r != Result::kDone) return r;
  }
  const bool fills = !found && spot.free->load(std::memory_order_relaxed) == 0;
  publish.slot->store(publish.value);
  if (has_fault(Fault::kTailAfterSlot)) {
    shard.tail.store(slot_offset(publish.value) + publish.bytes);
  }
  if (incoming.large != 0) [[unlikely]] {
    incoming.used = true;
    (void)allocator_->own(call.caller, incoming.large, incoming.payload[1] + 8,
                          value_part(key.hash));
  }
  add_to(shard.live, found ? publish.bytes - spot.entry.bytes() : publish.bytes);
  if (!found) add_to(shard.count, 1);
  if (fills) add_to(shard.used, 1);
  return Result::kDone;
}

Result Dict::erase_at(Call& call, Shard& shard, const DictKey& key, const Spot& spot,
                      Garbage& garbage) {
  if (spot.entry.layout.large()) [[unlikely]] {
    if (const Result r = retire_value(call, key, spot.entry, garbage); r != Result::kDone) return r;
  }
  touch(shard);
  spot.slot->store(spot.alone || has_fault(Fault::kEraseLeavesGap) ? 0 : kSlotErased);
  add_to(shard.count, static_cast<std::uint32_t>(-1));
  add_to(shard.live, 0 - spot.entry.bytes());
  if (spot.alone) add_to(shard.used, static_cast<std::uint32_t>(-1));
  return Result::kDone;
}

[[gnu::noinline]] Result Dict::after_full(Call& call, const DictKey& key,
                                          const Incoming& incoming) {
  return make_room(call, shard_bits(key.hash), entry_bytes(key.bytes, room_for(incoming.bytes())),
                   1);
}

// `decide(found or null)` gives a DictDecision; a value it gives is `incoming`'s already, or is
// brought in once the lock is free again. What does not happen to most calls is in functions of its
// own, so that the rest of it, which is made one function (flatten), stays in registers.
template <typename DecideInline>
Result Dict::alter(Call& call, const DictKey& key, Incoming& incoming, DecideInline decide) {
  Shard* known = shard_of(key.hash);
  if (known != nullptr) [[likely]]
    fetch_bucket(*known, key.hash);
  // Others were quicker each time, or these are not the bytes of a dict.
  Retries retries(call.timeout_ns);
  for (bool first = true;; first = false, known = nullptr) {
    if (!first) [[unlikely]] {
      const Result result = retries.again(object_);
      if (result != Result::kDone) return result;
    }
    const Held held = lock(call, shard_bits(key.hash), known);
    if (held.result != Result::kDone) [[unlikely]]
      return held.result;
    Shard* const shard = held.shard;
    Guard guard(*this, call.caller, shard->lock);
    Block block;
    Spot spot;
    StoredValue found;
    const bool open = open_block(shard->root.load(std::memory_order_relaxed), block)
                          ? look(block, key, spot)
                          : block.root.block == 0;
    if (!open || (spot.seen != 0 && !open_value(spot.entry, found))) [[unlikely]]
      return Result::kDamaged;
    const DictDecision decision = decide(spot.seen != 0 ? &found : nullptr);
    Result result = decision.result;
    Garbage garbage;
    bool erased = false;
    bool bring = false;
    if (decision.what == DictDecision::What::kErase && spot.seen != 0) {
      result = erase_at(call, *shard, key, spot, garbage);
      erased = result == Result::kDone;
    } else if (decision.what == DictDecision::What::kPut) {
      const bool is_inline = decision.value->bytes <= kInlineValueBytesMax && incoming.large == 0;
      bring = !is_inline && !is_in(incoming, *decision.value);
      if (!bring) {
        incoming.value = decision.value;
        result = put_at(call, *shard, block, key, spot, incoming, garbage);
      }
    }
    guard.unlock();
    if (bring) [[unlikely]] {
      result = bring_in_again(call, key, *decision.value, incoming);
      if (result != Result::kDone) return result;
      continue;
    }
    if (garbage.block != 0) [[unlikely]]
      free_value(call.caller, key.hash, garbage);
    if (result == Result::kExhausted) [[unlikely]] {
      result = after_full(call, key, incoming);
      if (result != Result::kDone) return result;
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

// ---- calls ----

[[gnu::flatten]] Result Dict::put(Call& call, const DictKey& key, const DictValue& value,
                                  Only only) {
  Incoming incoming{.value = &value};
  const absl::Cleanup give_it_up = [&] {
    if (incoming.large != 0) [[unlikely]]
      give_up(call.caller, key, incoming);
  };
  Result result = Result::kDone;
  if (value.bytes > kInlineValueBytesMax) [[unlikely]]
    result = bring_in(call, key, value, incoming);
  if (result == Result::kDone) {
    result = alter(call, key, incoming, [&](const StoredValue* found) {
      if (found != nullptr && only == Only::kIfAbsent) [[unlikely]]
        return DictDecision{.result = Result::kPresent};
      if (found == nullptr && only == Only::kIfPresent) [[unlikely]]
        return DictDecision{.result = Result::kAbsent};
      return DictDecision{.what = DictDecision::What::kPut, .value = &value};
    });
  }
  return result;
}

[[gnu::flatten]] Result Dict::erase(Call& call, const DictKey& key) {
  Incoming nothing;
  return alter(call, key, nothing, [](const StoredValue* found) {
    if (found == nullptr) return DictDecision{.result = Result::kAbsent};
    return DictDecision{.what = DictDecision::What::kErase};
  });
}

[[gnu::flatten]] Result Dict::change(Call& call, const DictKey& key, Decide decide) {
  Incoming incoming;
  const absl::Cleanup give_it_up = [&] {
    if (incoming.large != 0) [[unlikely]]
      give_up(call.caller, key, incoming);
  };
  return alter(call, key, incoming, decide);
}

SHOAL_VARIANT_END

}  // namespace shoal::memory
