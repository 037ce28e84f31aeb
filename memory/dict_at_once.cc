// What nearly every change of a value meets, with as few instructions as it takes; all else is left
// to dict_write.cc, with the lock, if it was had. See dict.h.
#include "memory/dict_put.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

// Under the lock, where the key is as find_first() finds it and its value fits over the one that it
// has, or over a spare, or where its first bucket shows that there is none. False: it is not so,
// `choose` gave no value, or one that takes more than that, or there is no room; nothing has
// changed but `changes`. The same as put_at(), for what is known here not to be so left out.
template <typename Choose>
[[gnu::always_inline]] inline bool Dict::put_first(Call& call, Shard& shard, const Block& block,
                                                   const DictKey& key, Choose choose) {
  const auto is_put = [](const DictValue* value) {
    return value != nullptr && value->bytes <= kInlineValueBytesMax && !value->references;
  };
  fetch_spare(shard, block);
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
  const StoredValue found = stored_in(entry, key);
  const DictValue* const value = choose(&found);
  if (!is_put(value)) [[unlikely]]
    return false;
  if (replace_word(shard, entry, *value)) return true;
  touch(shard);
  const Target target{.place = EntryPlace::of(shard.spare.load(std::memory_order_relaxed)),
                      .is_spare = true};
  const std::uint32_t need =
      entry_bytes(key.bytes, room_for(static_cast<std::uint32_t>(value->bytes)));
  if (!target.place.suits(need) || !is_in_log(block, target.place)) [[unlikely]]
    return false;
  write_entry(block, target, sequence_in(entry.key_word), key, *value, /*large=*/false);
  slot->store(slot_of(tag_of(key.hash), target.place.offset));
  // The two change places.
  const EntryPlace gone = entry.place();
  shard.spare.store(gone.word(), std::memory_order_relaxed);
  add_to(shard.live, target.place.bytes - gone.bytes);
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

// ---- calls ----

Result Dict::put(Call& call, const DictKey& key, const DictValue& value) {
  Shard* held = nullptr;
  // A large value is brought in before anything is locked.
  const bool done = value.bytes <= kInlineValueBytesMax &&
                    put_at_once(call, key, held, [&](const StoredValue*) { return &value; });
  if (done) [[likely]]
    return Result::kDone;
  return put_slowly(call, key, value, held);
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

SHOAL_VARIANT_END

}  // namespace shoal::memory
