// Writing an entry under the lock of its shard: over the value that is there, over a spare, or at
// the end of the log. Members of Dict that dict_write.cc and dict_at_once.cc each have
// in line. See dict.h.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "memory/dict.h"
#include "memory/seeded_faults.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

// One that is erased or empty; null: there is none.
inline Word32* free_slot(Word32* bucket) {
  Word32* const end = bucket + kSlotsPerBucket;
  Word32* const free = std::find_if(bucket, end, [](const Word32& slot) {
    return slot.load(std::memory_order_relaxed) <= kSlotErased;
  });
  return free == end ? nullptr : free;
}

// ---- places for entries ----

// What will most likely be written over next comes while the key is looked for.
[[gnu::always_inline]] inline void Dict::fetch_spare(const Shard& shard, const Block& block) {
  constexpr std::uint32_t kLine = 64;
  const auto spare = EntryPlace::of(shard.spare.load(std::memory_order_relaxed));
  if (spare.offset == 0) return;  // that is the first bucket, which others read
  __builtin_prefetch(block.at + spare.offset, 1);
  __builtin_prefetch(block.at + spare.offset + kLine, 1);
}

// No slot names it, or will.
[[gnu::always_inline]] inline void Dict::keep_spare(Shard& shard, const Block& block,
                                                    EntryPlace place) {
  if (shard.spare.load(std::memory_order_relaxed) != 0) [[unlikely]]
    return add_to_spares(shard, block, place);
  shard.spare.store(place.word(), std::memory_order_relaxed);
}

// A spare, or the next place of the log. False: there is no room.
[[gnu::always_inline]] inline bool Dict::find_place(Shard& shard, const Block& block,
                                                    std::uint32_t bytes, Target& target) {
  const std::uint32_t spares =
      shard.spare.load(std::memory_order_relaxed) | shard.spares.load(std::memory_order_relaxed);
  target.is_spare = spares != 0 && take_spare(shard, block, bytes, target.place);
  if (target.is_spare) return true;
  const std::uint32_t tail =
      std::max(shard.tail.load(std::memory_order_relaxed), block.log()) & ~7U;
  if (tail > block.bytes() || bytes > block.bytes() - tail) return false;
  target.place = {.offset = tail, .bytes = bytes};
  return true;
}

// ---- the bytes of a value ----

// An 8-byte value in the place of another of its kind: one store.
[[gnu::always_inline]] inline bool Dict::replace_word(Shard& shard, const Entry& entry,
                                                      const DictValue& value) {
  const ValueLayout old = entry.layout;
  const bool same = value.bytes == 8 && old.bytes() == 8 && !old.large() &&
                    old.kind() == value.kind && old.references() == value.references;
  if (!same) return false;
  std::uint64_t word = 0;
  std::memcpy(&word, value.data, 8);
  touch(shard);
  store_word(entry.value(), word);
  return true;
}

// All of an entry. A reader who still copies what was in this place sees the odd version if he sees
// any byte of what comes there.
[[gnu::always_inline]] inline void Dict::write_entry(const Block& block, const Target& target,
                                                     std::uint64_t sequence, const DictKey& key,
                                                     const DictValue& value, bool large) {
  std::byte* const entry = block.at + target.place.offset;
  Word64& version = reinterpret_cast<Word64*>(entry)[2];
  std::uint64_t odd = 1;
  if (target.is_spare) {
    odd |= version.load(std::memory_order_relaxed);
    version.store(odd, std::memory_order_relaxed);
    fence_stores();
  }
  const auto bytes = static_cast<std::uint32_t>(value.bytes);
  const std::uint32_t key_bytes = padded(key.bytes);
  const ValueLayout layout =
      ValueLayout::of({.bytes = bytes,
                       .room = target.place.bytes - entry_bytes(key.bytes, 0),
                       .kind = value.kind,
                       .key_kind = key.kind,
                       .large = large,
                       .references = value.references});
  store_word(entry, key_word(sequence, key.bytes), std::memory_order_relaxed);
  store_word(entry + 8, layout.word, std::memory_order_relaxed);
  copy_in(entry + kEntryHeadBytes, key.data, key.bytes, key_bytes);
  copy_in(entry + kEntryHeadBytes + key_bytes, value.data, bytes, padded(bytes));
  version.store(odd + 1);
}

// Writes an entry that nobody sees, and says which store would show it. False: there is no room.
// In line for put_at(); prepare() is the same for transactions.
[[gnu::always_inline]] inline bool Dict::prepare_inline(Shard& shard, const Block& block,
                                                        const DictKey& key, const Spot& spot,
                                                        const Incoming& incoming,
                                                        Publish& publish) {
  const DictValue value = incoming.in_entry();
  const bool found = spot.found;
  if (!found) {
    if (spot.free == nullptr) return false;
    const bool empty = spot.free->load(std::memory_order_relaxed) == 0;
    const std::uint32_t used = shard.used.load(std::memory_order_relaxed);
    if (empty && used >= block.slots() / 16 * kSlotsFullOf16) return false;
  }
  Target target;
  const std::uint32_t need =
      entry_bytes(key.bytes, room_for(static_cast<std::uint32_t>(value.bytes)));
  if (!find_place(shard, block, need, target)) return false;
  // Somebody wrote nonsense there: what is to be replaced is looked at still.
  if (found && target.place.overlaps(spot.entry.place())) [[unlikely]]
    return false;
  if (!target.is_spare) shard.tail.store(target.place.end());
  std::uint64_t sequence = 0;
  if (found) {
    sequence = sequence_in(spot.entry.key_word);
  } else {
    sequence = descriptor().sequence.add(1) & (kSequenceMax >> 1);
    shard.latest.store(sequence + 1, std::memory_order_relaxed);
  }
  publish = {.slot = found ? spot.slot : spot.free,
             .value = slot_of(tag_of(key.hash), target.place.offset),
             .bytes = target.place.bytes,
             .over_spare = target.is_spare};
  if (has_fault(Fault::kSlotBeforeEntry)) publish.slot->store(publish.value);
  write_entry(block, target, sequence, key, value, incoming.large != 0);
  return true;
}

[[gnu::always_inline]] inline Result Dict::put_at(Call& call, Shard& shard, const Block& block,
                                                  const DictKey& key, const Spot& spot,
                                                  Incoming& incoming, Garbage& garbage) {
  if (incoming.value->references) note_references();
  const bool found = spot.found;
  if (found && incoming.large == 0 && replace_word(shard, spot.entry, *incoming.value)) {
    return Result::kDone;
  }
  touch(shard);
  Publish publish;
  if (block.at == nullptr || !prepare_inline(shard, block, key, spot, incoming, publish))
      [[unlikely]] {
    return Result::kExhausted;
  }
  if (found && spot.entry.layout.large()) [[unlikely]] {
    const Result r = retire_value(call, key, spot.entry, garbage);
    if (r != Result::kDone) {
      if (publish.over_spare) keep_spare(shard, block, publish.place());
      return r;
    }
  }
  const bool fills = !found && spot.free->load(std::memory_order_relaxed) == 0;
  publish.slot->store(publish.value);
  if (incoming.large != 0) [[unlikely]] {
    incoming.used = true;
    (void)allocator_->own(call.caller, incoming.large, incoming.payload[1] + 8,
                          value_part(key.hash));
  }
  if (found) keep_spare(shard, block, spot.entry.place());
  add_to(shard.live, found ? publish.bytes - spot.entry.bytes() : publish.bytes);
  if (!found) add_to(shard.count, 1);
  if (fills) add_to(shard.used, 1);
  return Result::kDone;
}

SHOAL_VARIANT_END

}  // namespace shoal::memory
