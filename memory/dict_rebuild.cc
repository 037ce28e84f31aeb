// New blocks for old ones: when there is no room, when there is far too much, when writers of one
// shard get in each other's way. See dict.h. What is allocated is allocated before the lock; if the
// shard has changed meanwhile, it is given back, and whoever called looks again.
#include <algorithm>

#include "memory/dict.h"
#include "memory/seeded_faults.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

namespace {

// The largest block that a shard grows to before it is split, which is what one put may have to
// copy; of entries of some KiB more.
constexpr unsigned kOrdinaryLog = 16;
// Of a new block, so much is filled at most: or it would soon be full again of values that do not
// fit where others were.
constexpr std::uint64_t kFilledPercent = 60;
// A search should meet an empty slot soon.
constexpr std::uint32_t kSlotsFilledOf16 = 13;
// A block with less than such a part of it in use is replaced by a smaller one, into which that
// fits.
constexpr std::uint32_t kEmptyPart = 10;
// Two shards become one when both fit into a block of this size.
constexpr unsigned kMergedLog = 14;
// Waits for a shard's lock before it is split, entries it must have, and how deep that goes.
constexpr std::uint32_t kContendedCount = 32;
constexpr std::uint32_t kContendedDepth = 6;

// Each time it did not fit, more room is tried.
std::uint64_t with_attempts(std::uint64_t amount, int attempt) {
  return amount + amount * static_cast<std::uint64_t>(attempt) / 4;
}

std::uint32_t low_bits(std::uint32_t bits) { return (1U << bits) - 1; }

}  // namespace

bool Dict::plan(std::uint64_t live, std::uint64_t count, unsigned log_max, Plan& plan) {
  const std::uint64_t each = std::max<std::uint64_t>(count == 0 ? 64 : live / count, 32);
  for (const unsigned bytes_log : kDictBlockLogs) {
    if (bytes_log > log_max) break;
    const unsigned most = bytes_log - kDictBytesPerBucketLogMin;
    const unsigned least =
        std::max(bytes_log, kDictBytesPerBucketLogMax) - kDictBytesPerBucketLogMax;
    for (unsigned buckets_log = least; buckets_log <= most; ++buckets_log) {
      const std::uint64_t buckets = std::uint64_t{1} << buckets_log;
      const std::uint64_t log = (std::uint64_t{1} << bytes_log) - buckets * kBucketBytes;
      if (buckets_log != most && buckets * kSlotsFilledOf16 < log / each + 1) continue;
      if (live * 100 > log * kFilledPercent) break;
      plan = {.bytes_log = bytes_log, .buckets_log = buckets_log};
      return true;
    }
  }
  return false;
}

// ---- a block that is being filled ----

Result Dict::allocate(Call& call, Plan plan, std::uint32_t part, Fresh& fresh) const {
  const absl::StatusOr<std::uint64_t> block =
      allocator_->allocate(call.caller, std::uint64_t{1} << plan.bytes_log, shard_part(part));
  if (!block.ok()) {
    call.why = block.status();
    return Result::kExhausted;
  }
  fresh.offset = *block;
  fresh.part = part;
  fresh.block.root = {
      .block = *block, .bytes_log = plan.bytes_log, .buckets_log = plan.buckets_log};
  fresh.block.at = arena_ + *block;
  fresh.tail = fresh.block.log();
  return Result::kDone;
}

void Dict::drop(Caller& caller, Fresh& fresh) const {
  if (fresh.offset == 0) return;
  (void)allocator_->free(caller, fresh.offset, fresh.block.bytes(), shard_part(fresh.part));
  fresh.offset = 0;
}

bool Dict::append(const Entry& entry, std::uint64_t hash, Fresh& to) {
  const std::uint32_t room = room_for(entry.layout.bytes());
  const std::uint32_t bytes = entry_bytes(entry.key_bytes(), room);
  const Block& block = to.block;
  if (bytes > block.bytes() - to.tail) return false;
  if (to.count >= block.slots() / 16 * kSlotsFullOf16) return false;
  std::byte* const at = block.at + to.tail;
  store_word(at, entry.key_word, std::memory_order_relaxed);
  store_word(at + 8, entry.layout.moved(room).word, std::memory_order_relaxed);
  copy_in(at + kEntryHeadBytes, entry.key(),
          padded(entry.key_bytes()) + padded(entry.layout.bytes()), bytes - kEntryHeadBytes);
  const std::uint32_t mask = block.buckets() - 1;
  std::uint32_t bucket = bucket_bits(hash) & mask;
  std::uint32_t free = empty_slots(block.bucket(bucket));
  // There is one: but others may write nonsense there.
  for (std::uint32_t looked = 0; free == 0; ++looked) {
    if (looked == mask) return false;
    bucket = (bucket + 1) & mask;
    free = empty_slots(block.bucket(bucket));
  }
  block.bucket(bucket)[__builtin_ctz(free)].store(slot_of(tag_of(hash), to.tail),
                                                  std::memory_order_relaxed);
  to.tail += bytes;
  to.live += bytes;
  ++to.count;
  return true;
}

// What counts of `from` and belongs to the shard {index, mask}; those of it whose next bit of the
// hash is set go to `upper`, if there is one. kDiffers: it does not fit.
Result Dict::copy_live(const Block& from, std::uint32_t index, std::uint32_t mask, Fresh& to,
                       Fresh* upper) const {
  if (from.at == nullptr) return from.root.block == 0 ? Result::kDone : Result::kDamaged;
  for (std::uint32_t i = 0; i < from.slots(); ++i) {
    const std::uint32_t seen = from.slot(i).load(std::memory_order_relaxed);
    if (seen <= kSlotReserved) continue;
    Entry entry;
    if (!open_entry(from, slot_offset(seen), entry)) return Result::kDamaged;
    const std::uint64_t hash = hash_of(entry);
    if (((shard_bits(hash) ^ index) & mask) != 0) continue;
    const bool up = upper != nullptr && (hash & (std::uint64_t{mask} + 1)) != 0;
    if (!append(entry, hash, up ? *upper : to)) return Result::kDiffers;
  }
  return Result::kDone;
}

void Dict::set_derived(Shard& shard, const Fresh& fresh) {
  shard.count.store(fresh.count, std::memory_order_relaxed);
  shard.used.store(fresh.count, std::memory_order_relaxed);
  shard.tail.store(fresh.tail, std::memory_order_relaxed);
  shard.live.store(fresh.live, std::memory_order_relaxed);
  shard.spare.store(0, std::memory_order_relaxed);
  shard.spares.store(0, std::memory_order_relaxed);
}

void Dict::publish_root(Shard& shard, const Fresh& fresh) const {
  DictRoot root = fresh.block.root;
  root.generation = DictRoot::of(shard.root.load(std::memory_order_relaxed)).generation + 1;
  shard.root.store(root.word());
  set_derived(shard, fresh);
}

void Dict::retire_block(Call& call, const Shard& shard, Garbage& garbage) const {
  const DictRoot root = DictRoot::of(shard.root.load(std::memory_order_relaxed));
  if (root.block == 0) return;
  const std::uint32_t index = shard.index.load(std::memory_order_relaxed);
  // What is not the shard's block stays: somebody wrote nonsense there.
  if (has_fault(Fault::kNotRetired) ||
      allocator_->retire(call.caller, root.block, root.bytes(), shard_part(index)).ok()) {
    garbage = {.block = root.block, .bytes = root.bytes()};
  }
}

void Dict::free_block(Caller& caller, std::uint32_t part, const Garbage& garbage) const {
  if (garbage.block == 0) return;
  (void)allocator_->free(caller, garbage.block, garbage.bytes, shard_part(part));
}

// ---- one block for one ----

Result Dict::rebuild(Call& call, Shard& shard, std::uint64_t root, Plan plan) {
  const std::uint32_t index = shard.index.load(std::memory_order_relaxed) & (kShardsMax - 1);
  Fresh fresh;
  Result result = allocate(call, plan, index, fresh);
  if (result != Result::kDone) return result;
  result = lock_word(call, shard.lock);
  if (result != Result::kDone) {
    drop(call.caller, fresh);
    return result;
  }
  Block old;
  const std::uint32_t depth = shard.depth.load(std::memory_order_relaxed);
  // Else somebody was quicker: whoever wants room looks again.
  const bool same = shard.root.load(std::memory_order_relaxed) == root && depth != 0;
  if (same) {
    (void)open_block(root, old);
    result = copy_live(old, index, low_bits((depth - 1) & 31), fresh);
  }
  if (result != Result::kDone || !same) {
    unlock_word(call.caller, shard.lock);
    drop(call.caller, fresh);
    return result;
  }
  Garbage garbage;
  touch(shard);
  retire_block(call, shard, garbage);
  publish_root(shard, fresh);
  (void)allocator_->own(call.caller, fresh.offset, fresh.block.bytes(), shard_part(index));
  unlock_word(call.caller, shard.lock);
  if (!has_fault(Fault::kOldBlockForgotten)) free_block(call.caller, index, garbage);
  return Result::kDone;
}

Result Dict::make_room(Call& call, std::uint32_t hash_bits, Wanted wanted) {
  // kDiffers: the entries did not fit as planned.
  constexpr int kAttempts = 1000;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    Shard* const shard = find_shard(hash_bits);
    if (shard == nullptr) return object_.is_stale() ? Result::kStale : Result::kDamaged;
    const std::uint64_t root = shard->root.load();
    const std::uint64_t live =
        with_attempts(shard->live.load(std::memory_order_relaxed) + wanted.bytes, attempt);
    const std::uint64_t count =
        with_attempts(shard->count.load(std::memory_order_relaxed) + wanted.entries, attempt);
    const bool may_split = shard->depth.load(std::memory_order_relaxed) <= kDictDepthMax;
    Plan fits;
    Result result = Result::kDiffers;
    if (plan(live, count, may_split ? kOrdinaryLog : kDictBlockLogMax, fits)) {
      result = rebuild(call, *shard, root, fits);
    } else if (may_split) {
      result = split(call, *shard, root, wanted, attempt);
    } else {
      call.why = absl::ResourceExhaustedError(
          "the dict has as many entries of this size as its shards hold: use several dicts");
      return Result::kExhausted;
    }
    if (result != Result::kDiffers) return result;
  }
  return Result::kDamaged;
}

// ---- two for one, one for two ----

// Each half gets the room that is wanted, or that of one entry if it would take larger blocks: then
// they are split in their turn. `attempt`: so often the halves were too unequal for what was tried.
Result Dict::split(Call& call, Shard& shard, std::uint64_t root, Wanted wanted, int attempt) {
  const std::uint32_t depth = shard.depth.load();
  const std::uint32_t bits = depth - 1;
  const std::uint32_t index = shard.index.load(std::memory_order_relaxed) & (kShardsMax - 1);
  if (depth == 0 || bits >= kDictDepthMax || index > low_bits(bits)) return Result::kDiffers;
  const std::uint32_t other = index | 1U << bits;
  Result result = need_page(call, other);
  if (result != Result::kDone) return result;
  // Before there is such a shard, so that nobody looks for it in vain.
  for (std::uint32_t hint = descriptor().depth.load();
       hint < depth && !descriptor().depth.change(hint, depth);) {
  }
  Shard* const upper = shard_at(other);
  if (upper == nullptr) return Result::kDamaged;
  // Halves are hardly ever equal.
  const std::uint64_t half_live =
      with_attempts(shard.live.load(std::memory_order_relaxed), attempt) * 9 / 16;
  const std::uint64_t half_count =
      with_attempts(shard.count.load(std::memory_order_relaxed), attempt) * 9 / 16;
  const std::uint64_t first = half_live + wanted.bytes / wanted.entries;
  Plan half;
  if (!plan(half_live + wanted.bytes, half_count + wanted.entries, kOrdinaryLog, half) &&
      !plan(first, half_count + 1, kOrdinaryLog, half) &&
      !plan(first, half_count + 1, kDictBlockLogMax, half)) {
    // As it is: then each half has room even for all that is there.
    half = {.bytes_log = kDictBlockLogMax,
            .buckets_log = std::min(DictRoot::of(root).buckets_log,
                                    kDictBlockLogMax - kDictBytesPerBucketLogMin)};
  }
  Fresh low;
  Fresh high;
  result = allocate(call, half, index, low);
  if (result == Result::kDone) result = allocate(call, half, other, high);
  if (result == Result::kDone) result = lock_word(call, shard.lock);
  if (result != Result::kDone) {
    drop(call.caller, low);
    drop(call.caller, high);
    return result;
  }
  Block old;
  const bool same = shard.root.load(std::memory_order_relaxed) == root &&
                    shard.depth.load(std::memory_order_relaxed) == depth;
  if (same) {
    (void)open_block(root, old);
    result = copy_live(old, index, low_bits(bits), low, &high);
  }
  const bool copied = result == Result::kDone && same;
  // Somebody who holds the upper one may be waiting for this one: no waiting here.
  std::uint32_t free = 0;
  const bool taken = copied && !upper->lock.change(free, call.caller.owner << 2);
  if (copied && !taken && upper->depth.load() != 0) {
    unlock_word(call.caller, upper->lock);
    result = Result::kDamaged;
  }
  if (result != Result::kDone || !same || taken) {
    unlock_word(call.caller, shard.lock);
    drop(call.caller, low);
    drop(call.caller, high);
    // Without a lock there may be: until whoever has it lets it go, or has died.
    if (taken) {
      const Result waited = lock_word(call, upper->lock);
      if (waited != Result::kDone) return waited;
      unlock_word(call.caller, upper->lock);
    }
    return result;
  }
  Garbage garbage;
  touch(shard);
  touch(*upper);
  retire_block(call, shard, garbage);
  upper->index.store(other, std::memory_order_relaxed);
  upper->transaction.store(0, std::memory_order_relaxed);
  upper->contended.store(0, std::memory_order_relaxed);
  shard.contended.store(0, std::memory_order_relaxed);
  publish_root(*upper, high);
  upper->latest.store(shard.latest.load(std::memory_order_relaxed), std::memory_order_relaxed);
  upper->depth.store(depth + 1);
  if (has_fault(Fault::kSplitRootFirst)) publish_root(shard, low);
  // From here on the upper half is the other shard's; the old block still has both.
  shard.depth.store(depth + 1);
  publish_root(shard, low);
  (void)allocator_->own(call.caller, low.offset, low.block.bytes(), shard_part(index));
  (void)allocator_->own(call.caller, high.offset, high.block.bytes(), shard_part(other));
  (void)descriptor().splits.add(1);
  unlock_word(call.caller, upper->lock);
  unlock_word(call.caller, shard.lock);
  free_block(call.caller, index, garbage);
  return Result::kDone;
}

void Dict::divide(Call& call, const Shard& shard, std::uint32_t hash_bits) {
  if (shard.count.load(std::memory_order_relaxed) < kContendedCount ||
      shard.depth.load(std::memory_order_relaxed) > kContendedDepth) {
    return;
  }
  Shard* const now = find_shard(hash_bits);
  if (now != nullptr) (void)split(call, *now, now->root.load(), {}, 0);
}

void Dict::shrink_if_empty(Call& call, const Shard& shard, std::uint32_t hash_bits) {
  const DictRoot root = DictRoot::of(shard.root.load(std::memory_order_relaxed));
  const std::uint32_t live = shard.live.load(std::memory_order_relaxed);
  if (root.bytes_log == kDictBlockLogMin || root.block == 0 || live > root.bytes() / kEmptyPart)
      [[likely]]
    return;
  if (merge(call, hash_bits) == Result::kDone) return;
  Plan fits;
  Shard* const now = find_shard(hash_bits);
  if (now == nullptr ||
      !plan(live, now->count.load(std::memory_order_relaxed), root.bytes_log - 1, fits)) {
    return;
  }
  (void)rebuild(call, *now, now->root.load(), fits);
}

// The shard of the hash and its sibling become one, if both are small. kDiffers: they are not.
Result Dict::merge(Call& call, std::uint32_t hash_bits) {
  Shard* const one = find_shard(hash_bits);
  if (one == nullptr) return Result::kDiffers;
  const std::uint32_t depth = one->depth.load();
  if (depth < 2 || depth > kDictDepthMax + 1) return Result::kDiffers;
  const std::uint32_t bits = depth - 2;  // afterwards
  const std::uint32_t index = hash_bits & low_bits(bits);
  Shard* const lower = shard_at(index);
  Shard* const upper = shard_at(index | 1U << bits);
  if (lower == nullptr || upper == nullptr || lower->depth.load() != depth ||
      upper->depth.load() != depth) {
    return Result::kDiffers;
  }
  const std::uint64_t live = std::uint64_t{lower->live.load(std::memory_order_relaxed)} +
                             upper->live.load(std::memory_order_relaxed);
  const std::uint64_t count = std::uint64_t{lower->count.load(std::memory_order_relaxed)} +
                              upper->count.load(std::memory_order_relaxed);
  Plan fits;
  if (!plan(live, count, kMergedLog, fits)) return Result::kDiffers;
  Fresh fresh;
  Result result = allocate(call, fits, index, fresh);
  if (result == Result::kDone) result = lock_word(call, lower->lock);
  if (result != Result::kDone) {
    drop(call.caller, fresh);
    return result;
  }
  // Somebody who holds the upper one may be waiting for the lower one: no waiting here.
  std::uint32_t free = 0;
  const bool both = upper->lock.change(free, call.caller.owner << 2);
  Block blocks[2];
  (void)open_block(lower->root.load(), blocks[0]);
  (void)open_block(upper->root.load(), blocks[1]);
  const bool good = both && lower->depth.load() == depth && upper->depth.load() == depth &&
                    copy_live(blocks[0], index, low_bits(bits), fresh) == Result::kDone &&
                    copy_live(blocks[1], index, low_bits(bits), fresh) == Result::kDone;
  Garbage garbage[2];
  if (good) {
    touch(*lower);
    touch(*upper);
    retire_block(call, *lower, garbage[0]);
    retire_block(call, *upper, garbage[1]);
    if (has_fault(Fault::kMergeDepthFirst)) lower->depth.store(depth - 1);
    publish_root(*lower, fresh);
    lower->latest.store(std::max(lower->latest.load(std::memory_order_relaxed),
                                 upper->latest.load(std::memory_order_relaxed)));
    (void)allocator_->own(call.caller, fresh.offset, fresh.block.bytes(), shard_part(index));
    lower->depth.store(depth - 1);
    // From here on the lower one has all of it.
    upper->depth.store(0);
    DictRoot none;
    none.generation = DictRoot::of(upper->root.load(std::memory_order_relaxed)).generation + 1;
    upper->root.store(none.word());
    set_derived(*upper, Fresh{});
  }
  if (both) unlock_word(call.caller, upper->lock);
  unlock_word(call.caller, lower->lock);
  if (!good) drop(call.caller, fresh);
  free_block(call.caller, index, garbage[0]);
  free_block(call.caller, index | 1U << bits, garbage[1]);
  return good ? Result::kDone : Result::kDiffers;
}

SHOAL_VARIANT_END

}  // namespace shoal::memory
