// Writing an entry under the lock of its shard: over the value that is there, over the spare, or at
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

// Of 16 slots, so that a search ends soon.
inline constexpr std::uint32_t kSlotsFullOf16 = 14;

inline std::uint32_t room_for(std::uint32_t bytes) { return std::max(padded(bytes), 8U); }

// One that is erased or empty; null: there is none.
inline Word32* free_slot(Word32* bucket) {
  Word32* const end = bucket + kSlotsPerBucket;
  Word32* const free = std::find_if(bucket, end, [](const Word32& slot) {
    return slot.load(std::memory_order_relaxed) <= kSlotErased;
  });
  return free == end ? nullptr : free;
}

// Where the next value of the key will be written.
[[gnu::always_inline]] inline void Dict::fetch_spare(const Block& block, const Entry& entry) {
  constexpr std::uint32_t kLine = 64;
  if (entry.layout.spare() == 0) return;  // that is the first bucket, which others read
  const std::byte* const spare = block.at + entry.layout.spare();
  __builtin_prefetch(spare, 1);
  __builtin_prefetch(spare + kLine, 1);
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

// All of an entry but what says which key it is of.
[[gnu::always_inline]] inline void Dict::write_value(std::byte* entry, const DictKey& key,
                                                     const DictValue& value, bool large,
                                                     std::uint32_t room, std::uint32_t spare) {
  const auto bytes = static_cast<std::uint32_t>(value.bytes);
  const ValueLayout layout = ValueLayout::of({.bytes = bytes,
                                              .room = room,
                                              .spare = spare,
                                              .kind = value.kind,
                                              .key_kind = key.kind,
                                              .large = large,
                                              .references = value.references});
  store_word(entry + 8, layout.word, std::memory_order_relaxed);
  copy_in(entry + kEntryHeadBytes + padded(key.bytes), value.data, bytes, padded(bytes));
}

// Writes the value over the spare of the key's entry, and says which store would show it. False:
// there is none, or it is too small.
[[gnu::always_inline]] inline bool Dict::prepare_spare(const Block& block, const DictKey& key,
                                                       const Entry& entry, Word32* slot,
                                                       const DictValue& value, bool large,
                                                       Publish& publish) {
  const std::uint32_t spare_at = entry.layout.spare();
  Entry spare;
  if (spare_at == 0 || spare_at == entry.offset || !open_entry(block, spare_at, spare) ||
      spare.layout.room() < padded(static_cast<std::uint32_t>(value.bytes)) ||
      !has_key(spare, key)) {
    return false;
  }
  const std::uint64_t version = spare.version | 1;
  spare.version_word().store(version, std::memory_order_relaxed);
  // A reader who still copies from here sees the odd version if it sees any byte of the new value.
  fence_stores();
  store_word(spare.at, entry.key_word, std::memory_order_relaxed);
  write_value(spare.at, key, value, large, spare.layout.room(), entry.offset);
  spare.version_word().store(version + 1);
  publish = {.slot = slot, .value = slot_of(tag_of(key.hash), spare_at), .bytes = spare.bytes()};
  return true;
}

// Writes an entry that nobody sees, and says which store would show it. False: there is no room.
// In line for put_at(); prepare() is the same for transactions.
[[gnu::always_inline]] inline bool Dict::prepare_inline(Shard& shard, const Block& block,
                                                        const DictKey& key, const Spot& spot,
                                                        const Incoming& incoming,
                                                        Publish& publish) {
  const DictValue value = incoming.in_entry();
  const bool large = incoming.large != 0;
  const bool found = spot.found;
  if (found && prepare_spare(block, key, spot.entry, spot.slot, value, large, publish)) return true;
  const std::uint32_t room = room_for(static_cast<std::uint32_t>(value.bytes));
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
  write_value(entry, key, value, large, room, found ? spot.entry.offset : 0);
  publish = {.slot = slot, .value = slot_of(tag_of(key.hash), tail), .bytes = need};
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

SHOAL_VARIANT_END

}  // namespace shoal::memory
