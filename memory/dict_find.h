// What every get of a dict runs through: the templates of dict.h, which includes this and says what
// they rest on. Inlined by order: a compiler that makes calls of these passes what they find
// through memory. For the same reason find() takes the timeout by reference: it is only loaded
// where the first try did not do.
#pragma once

#include <cstdint>
#include <memory>
#include <type_traits>

#include "memory/dict.h"
#include "memory/seeded_faults.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

[[gnu::always_inline]] inline bool Dict::open_value(const Entry& entry, StoredValue& value) const {
  value.kind = entry.layout.kind();
  value.references = entry.layout.references();
  if (!entry.layout.large()) [[likely]] {
    value.data = entry.value();
    value.bytes = entry.layout.bytes();
    value.block = 0;
    return true;
  }
  if (entry.layout.bytes() != kLargeValueBytes) return false;
  value.block = load_word(entry.value(), std::memory_order_relaxed);
  value.bytes = load_word(entry.value() + 8, std::memory_order_relaxed);
  value.data = value.bytes > kDictValueBytesMax ? nullptr : resolve(value.block, value.bytes + 7);
  return value.data != nullptr;
}

// The slot of the key, what it holds, and the entry that this names, if it is the first one of its
// first bucket that has its tag, and the value is in the entry itself. That is how it nearly always
// is; null: not this time.
[[gnu::always_inline]] inline Word32* Dict::find_first(const Block& block, Word32* bucket,
                                                       std::uint32_t tagged, const DictKey& key,
                                                       std::uint32_t& seen, Entry& entry) {
  Word32* const slot = bucket + __builtin_ctz(tagged);
  seen = slot->load();
  const std::uint32_t offset = slot_offset(seen);
  if (seen <= kSlotReserved || offset + kEntryHeadBytes > block.bytes()) [[unlikely]]
    return nullptr;
  entry.load(block.at, offset);
  const bool is_keys = entry.key_bytes() == key.bytes && entry.layout.is_inline_of(key.kind) &&
                       is_sound(block, entry, key.bytes) && is_key(entry.key(), key);
  return is_keys ? slot : nullptr;
}

// What nearly every call meets: the key is where find_first() finds it, or no slot of its first
// bucket has its tag and one is empty. kDiffers: it is not so, or did not stand.
template <typename Use>
[[gnu::always_inline]] inline Result Dict::find_at_once(const Shard& shard, const DictKey& key,
                                                        Use& use) const {
  const std::uint64_t root = shard.root.load();
  Block block;
  if (!open_block(root, block)) [[unlikely]]
    return Result::kDiffers;
  Word32* const bucket = block.first_bucket(key.hash);
  const std::uint32_t tagged = tagged_slots(bucket, tag_of(key.hash));
  if (tagged == 0) {
    const bool empty = empty_slots(bucket) != 0;
    fence_loads();
    const bool absent = empty && has_hash(shard, shard_bits(key.hash)) && is_same(shard, root);
    return absent ? Result::kAbsent : Result::kDiffers;
  }
  std::uint32_t seen = 0;
  Entry entry;
  const Word32* const slot = find_first(block, bucket, tagged, key, seen, entry);
  if (slot == nullptr) [[unlikely]]
    return Result::kDiffers;
  use(stored_in(entry, key));
  fence_loads();
  const bool again = slot->load() == seen || has_fault(Fault::kSlotNotLookedAtAgain);
  const bool stood = again && entry.stands() && is_same(shard, root);
  return stood ? Result::kDone : Result::kDiffers;
}

// One try, wherever the key is. kDiffers: what was seen did not stand.
template <typename Use, typename Words>
Result Dict::find_in(const Shard& shard, const DictKey& key, Use& use, const Words& words) const {
  const std::uint32_t tag = tag_of(key.hash);
  const std::uint64_t root = words.word(shard.root);
  Result result = Result::kAbsent;
  Block block;
  if (!open_block(root, block)) [[unlikely]] {
    if (block.root.block != 0) result = Result::kDamaged;
  } else {
    const std::uint32_t mask = block.buckets() - 1;
    std::uint32_t at = bucket_bits(key.hash) & mask;
    for (std::uint32_t looked = 0; looked <= mask; ++looked, at = (at + 1) & mask) {
      Word32* const bucket = block.bucket(at);
      for (std::uint32_t tagged = words.tagged(bucket, tag); tagged != 0; tagged &= tagged - 1) {
        const Word32& slot = bucket[__builtin_ctz(tagged)];
        result = look_at(block, slot, key, use, words);
        if (result != Result::kAbsent) [[likely]]
          break;
      }
      if (result != Result::kAbsent || words.has_empty(bucket)) [[likely]]
        break;
    }
  }
  fence_loads();
  if (result != Result::kDone && !has_hash(shard, shard_bits(key.hash))) return Result::kDiffers;
  const bool same = words.word(shard.root) == root && words.stand() && is_object();
  return same ? result : Result::kDiffers;
}

// The entry that the slot names, if it is the key's. kAbsent: it is another's, or there is none.
template <typename Use, typename Words>
[[gnu::always_inline]] inline Result Dict::look_at(const Block& block, const Word32& slot,
                                                   const DictKey& key, Use& use,
                                                   const Words& words) const {
  const std::uint32_t seen = words.slot(slot);
  const std::uint32_t offset = slot_offset(seen);
  if (seen <= kSlotReserved) [[unlikely]]
    return Result::kAbsent;
  if (offset + kEntryHeadBytes > block.bytes()) [[unlikely]]
    return words.slot(slot) == seen ? Result::kDamaged : Result::kDiffers;
  Entry entry;
  StoredValue value;
  Result result = Result::kDamaged;
  if (open_entry(block, offset, entry)) [[likely]] {
    if (!has_key(entry, key)) [[unlikely]] {
      result = Result::kAbsent;
      if (has_fault(Fault::kOtherKeyBelieved)) return result;
    } else if (open_value(entry, value)) [[likely]] {
      use(static_cast<const StoredValue&>(value));
      result = Result::kDone;
    }
  }
  fence_loads();
  const bool again = words.slot(slot) == seen || has_fault(Fault::kSlotNotLookedAtAgain);
  return again && entry.stands() ? result : Result::kDiffers;
}

template <typename Use>
[[gnu::always_inline]] inline Result Dict::find(const DictKey& key, const std::int64_t& timeout_ns,
                                                Use&& use) const {
  const Shard* const shard = shard_of(key.hash);
  // The mark is looked at before the words: see transaction.h.
  if (shard != nullptr && shard->transaction.load() == 0) [[likely]] {
    const Result result = find_at_once(*shard, key, use);
    if (result != Result::kDiffers) [[likely]]
      return result;
  }
  // Copies: what is in registers so far need not be in memory for a call that is hardly ever made.
  using Copy = std::remove_cvref_t<Use>;
  const DictKey same_key = key;
  Copy same_use = use;
  const Result result =
      find_again(same_key, timeout_ns, [&](const StoredValue& value) { same_use(value); });
  // Made anew, not assigned, which would copy bytes, and keep it in memory all the time.
  if constexpr (std::is_trivially_copyable_v<Copy>) std::construct_at(&use, same_use);
  return result;
}

SHOAL_VARIANT_END

}  // namespace shoal::memory
