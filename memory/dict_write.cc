// Changing one key, wherever it is and whatever that takes. What nearly every call meets instead is
// in dict_at_once.cc. See dict.h.
#include "absl/cleanup/cleanup.h"

#include "memory/dict_put.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

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
      Entry entry;
      if (!open_entry(block, slot_offset(seen), entry)) return false;
      if (!has_key(entry, key)) continue;
      spot.entry = entry;
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

bool Dict::prepare(Shard& shard, const Block& block, const DictKey& key, const Spot& spot,
                   const Incoming& incoming, Publish& publish) {
  return prepare_inline(shard, block, key, spot, incoming, publish);
}

// ---- spares ----

// Takes the spare, or one of the first of the row, for an entry of so many bytes. False: none of
// them suits.
[[gnu::noinline]] bool Dict::take_spare(Shard& shard, const Block& block, std::uint32_t bytes,
                                        EntryPlace& place) {
  constexpr int kLooks = 6;
  place = EntryPlace::of(shard.spare.load(std::memory_order_relaxed));
  if (place.suits(bytes) && is_in_log(block, place)) {
    shard.spare.store(0, std::memory_order_relaxed);
    return true;
  }
  std::uint32_t word = shard.spares.load(std::memory_order_relaxed);
  EntryPlace before;
  for (int look = 0; look < kLooks && word != 0; ++look) {
    place = EntryPlace::of(word);
    if (!is_in_log(block, place)) return false;  // somebody wrote nonsense there
    word = next_spare(block, place);
    if (!place.suits(bytes)) {
      before = place;
      continue;
    }
    if (before.bytes == 0) {
      shard.spares.store(word, std::memory_order_relaxed);
    } else {
      set_next_spare(block, before, word);
    }
    return true;
  }
  return false;
}

[[gnu::noinline]] void Dict::add_to_spares(Shard& shard, const Block& block, EntryPlace place) {
  // Who sees its first word changed sees that of the slot, too.
  fence_stores();
  set_next_spare(block, place, shard.spares.load(std::memory_order_relaxed));
  shard.spares.store(place.word(), std::memory_order_relaxed);
}

// ---- under the lock ----

// Before the value is seen: who traces references must not pass the dict over.
[[gnu::noinline]] void Dict::note_references() {
  Word32& sticky = descriptor().sticky;
  const std::uint32_t seen = sticky.load(std::memory_order_relaxed);
  if ((seen & kStickyReferences) == 0) (void)sticky.exchange(seen | kStickyReferences);
}

Result Dict::erase_at(Call& call, Shard& shard, const Block& block, const DictKey& key,
                      const Spot& spot, Garbage& garbage) {
  if (spot.entry.layout.large()) [[unlikely]] {
    if (const Result r = retire_value(call, key, spot.entry, garbage); r != Result::kDone) return r;
  }
  touch(shard);
  spot.slot->store(spot.alone || has_fault(Fault::kEraseLeavesGap) ? 0 : kSlotErased);
  add_to(shard.count, static_cast<std::uint32_t>(-1));
  add_to(shard.live, 0 - spot.entry.bytes());
  if (spot.alone) add_to(shard.used, static_cast<std::uint32_t>(-1));
  keep_spare(shard, block, spot.entry.place());
  return Result::kDone;
}

[[gnu::noinline]] Result Dict::after_full(Call& call, const DictKey& key,
                                          const Incoming& incoming) {
  return make_room(call, shard_bits(key.hash),
                   {.bytes = entry_bytes(key.bytes, room_for(incoming.bytes()))});
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
      result = erase_at(call, *shard, block, key, spot, garbage);
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

[[gnu::noinline]] Result Dict::put_slowly(Call& call, const DictKey& key, const DictValue& value,
                                          Shard* held) {
  Incoming incoming{.value = &value};
  const absl::Cleanup give_it_up = [&] {
    if (incoming.large != 0) [[unlikely]]
      give_up(call.caller, key, incoming);
  };
  Result result = Result::kDone;
  if (value.bytes > kInlineValueBytesMax) [[unlikely]]
    result = bring_in(call, key, value, incoming);
  if (result == Result::kDone) {
    result = alter(call, key, incoming, held, [&](const StoredValue*) {
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
