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

// One that is erased or empty; null: there is none.
Word32* free_slot(Word32* bucket) {
  Word32* const end = bucket + kSlotsPerBucket;
  Word32* const free = std::find_if(bucket, end, [](const Word32& slot) {
    return slot.load(std::memory_order_relaxed) <= kSlotErased;
  });
  return free == end ? nullptr : free;
}

}  // namespace

// ---- where the key is ----

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
      spot.found = true;
      spot.alone = empty_slots(bucket) != 0;
      return true;
    }
    if (spot.free == nullptr) spot.free = free_slot(bucket);
    if (empty_slots(bucket) != 0) break;
  }
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

bool Dict::prepare(Shard& shard, const Block& block, const DictKey& key, const Spot& spot,
                   const Incoming& incoming, Publish& publish) {
  return prepare_inline(shard, block, key, spot, incoming, publish);
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

// Under the lock, where the key is as find_first() finds it and its value fits over the one that it
// has, or over the spare, or where its first bucket shows that there is none. False: it is not so,
// `choose` gave no value, or one that takes more than that, or there is no room; nothing has
// changed but `changes`. The same as put_at(), for what is known here not to be so left out.
template <typename Choose>
[[gnu::always_inline]] inline bool Dict::put_first(Call& call, Shard& shard, const Block& block,
                                                   const DictKey& key, Choose choose) {
  const auto is_put = [](const DictValue* value) {
    return value != nullptr && value->bytes <= kInlineValueBytesMax && !value->references;
  };
  Word32* const bucket = block.first_bucket(key.hash);
  const std::uint32_t tagged = tagged_slots(bucket, tag_of(key.hash));
  if (tagged == 0) {
    if (empty_slots(bucket) == 0) [[unlikely]]
      return false;
    const DictValue* const value = choose(nullptr);
    return is_put(value) && insert_first(call, shard, block, key, *value, bucket);
  }
  std::uint32_t seen = 0;
  Entry entry;
  Word32* const slot = find_first(block, bucket, tagged, key, seen, entry);
  if (slot == nullptr) [[unlikely]]
    return false;
  fetch_spare(block, entry);
  const StoredValue found = stored_in(entry, key);
  const DictValue* const value = choose(&found);
  if (!is_put(value)) [[unlikely]]
    return false;
  if (replace_word(shard, entry, *value)) return true;
  touch(shard);
  Publish publish;
  if (!prepare_spare(block, key, entry, slot, *value, /*large=*/false, publish)) return false;
  slot->store(publish.value);
  add_to(shard.live, publish.bytes - entry.bytes());
  return true;
}

[[gnu::noinline]] bool Dict::insert_first(Call& call, Shard& shard, Block block, const DictKey& key,
                                          const DictValue& value, Word32* bucket) {
  Spot spot;
  spot.free = free_slot(bucket);
  Incoming incoming{.value = &value};
  Garbage none;
  return put_at(call, shard, block, key, spot, incoming, none) == Result::kDone;
}

// What nearly every change of a value meets: nobody has the lock, and put_first() does it.
// `choose(found or null)`: the next value; null: something else is to be done. False: nothing has
// changed; `held` is the shard of the key then, if the lock was free, and is locked.
template <typename Choose>
[[gnu::always_inline]] inline bool Dict::put_at_once(Call& call, const DictKey& key, Shard*& held,
                                                     Choose choose) {
  Shard* const shard = shard_of(key.hash);
  if (shard == nullptr || object_.is_stale()) [[unlikely]]
    return false;
  const std::uint64_t root = shard->root.load(std::memory_order_relaxed);
  Block block;
  if (!open_block(root, block)) [[unlikely]]
    return false;
  // A locked instruction lets no load go ahead of it, so the bucket comes while it is waited for.
  __builtin_prefetch(block.first_bucket(key.hash));
  std::uint32_t free = 0;
  if (!shard->lock.change(free, call.caller.owner << 2)) [[unlikely]]
    return false;
  Guard guard(*this, call.caller, shard->lock);
  const bool same =
      shard->root.load(std::memory_order_relaxed) == root && has_hash(*shard, shard_bits(key.hash));
  if (!same) [[unlikely]]
    return false;
  if (!put_first(call, *shard, block, key, choose)) {
    held = shard;
    guard.leave();
    return false;
  }
  guard.unlock();
  announce(call.caller, object_);
  divide_if_contended(call, *shard, shard_bits(key.hash));
  return true;
}

// `decide(found or null)` gives a DictDecision; a value it gives is `incoming`'s already, or is
// brought in once the lock is free again. `held`: the shard of the key, if the caller has its lock,
// which is given up. What does not happen to most calls is in functions of its own, so that the
// rest of it, which is made one function (flatten), stays in registers.
[[gnu::flatten]] Result Dict::alter(Call& call, const DictKey& key, Incoming& incoming, Shard* held,
                                    Decide decide) {
  // Others were quicker each time, or these are not the bytes of a dict.
  Retries retries(call.timeout_ns);
  for (bool first = true;; first = false, held = nullptr) {
    if (!first) [[unlikely]] {
      const Result result = retries.again(object_);
      if (result != Result::kDone) return result;
    }
    if (held == nullptr) {
      Shard* const known = first ? shard_of(key.hash) : nullptr;
      const Held taken = lock(call, shard_bits(key.hash), known);
      if (taken.result != Result::kDone) [[unlikely]]
        return taken.result;
      held = taken.shard;
    }
    Shard* const shard = held;
    Guard guard(*this, call.caller, shard->lock);
    Block block;
    Spot spot;
    StoredValue found;
    const bool open = open_block(shard->root.load(std::memory_order_relaxed), block)
                          ? look(block, key, spot)
                          : block.root.block == 0;
    if (!open || (spot.found && !open_value(spot.entry, found))) [[unlikely]]
      return Result::kDamaged;
    const DictDecision decision = decide(spot.found ? &found : nullptr);
    Result result = decision.result;
    Garbage garbage;
    bool erased = false;
    bool bring = false;
    if (decision.what == DictDecision::What::kErase && spot.found) {
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

Result Dict::put(Call& call, const DictKey& key, const DictValue& value, Only only) {
  Shard* held = nullptr;
  // A large value is brought in before anything is locked.
  const bool done = value.bytes <= kInlineValueBytesMax &&
                    put_at_once(call, key, held, [&](const StoredValue* found) {
                      const Only not_put = found != nullptr ? Only::kIfAbsent : Only::kIfPresent;
                      return only == not_put ? nullptr : &value;
                    });
  if (done) [[likely]]
    return Result::kDone;
  return put_slowly(call, key, value, only, held);
}

[[gnu::noinline]] Result Dict::put_slowly(Call& call, const DictKey& key, const DictValue& value,
                                          Only only, Shard* held) {
  Incoming incoming{.value = &value};
  const absl::Cleanup give_it_up = [&] {
    if (incoming.large != 0) [[unlikely]]
      give_up(call.caller, key, incoming);
  };
  Result result = Result::kDone;
  if (value.bytes > kInlineValueBytesMax) [[unlikely]]
    result = bring_in(call, key, value, incoming);
  if (result == Result::kDone) {
    result = alter(call, key, incoming, held, [&](const StoredValue* found) {
      if (found != nullptr && only == Only::kIfAbsent) [[unlikely]]
        return DictDecision{.result = Result::kPresent};
      if (found == nullptr && only == Only::kIfPresent) [[unlikely]]
        return DictDecision{.result = Result::kAbsent};
      return DictDecision{.what = DictDecision::What::kPut, .value = &value};
    });
  }
  return result;
}

Result Dict::erase(Call& call, const DictKey& key) {
  Incoming nothing;
  return alter(call, key, nothing, nullptr, [](const StoredValue* found) {
    if (found == nullptr) return DictDecision{.result = Result::kAbsent};
    return DictDecision{.what = DictDecision::What::kErase};
  });
}

Result Dict::change(Call& call, const DictKey& key, Decide decide) {
  Shard* held = nullptr;
  bool leaves = false;
  Result result = Result::kDone;
  const bool done = put_at_once(call, key, held, [&](const StoredValue* found) {
    const DictDecision decision = decide(found);
    leaves = decision.what == DictDecision::What::kLeave;
    result = decision.result;
    return decision.what == DictDecision::What::kPut ? decision.value : nullptr;
  });
  if (done) [[likely]]
    return Result::kDone;
  if (leaves) {
    unlock_word(call.caller, held->lock);
    return result;
  }
  return change_slowly(call, key, held, decide);
}

[[gnu::noinline]] Result Dict::change_slowly(Call& call, const DictKey& key, Shard* held,
                                             Decide decide) {
  Incoming incoming;
  const absl::Cleanup give_it_up = [&] {
    if (incoming.large != 0) [[unlikely]]
      give_up(call.caller, key, incoming);
  };
  return alter(call, key, incoming, held, decide);
}

SHOAL_VARIANT_END

}  // namespace shoal::memory
