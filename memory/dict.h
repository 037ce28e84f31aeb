// A dict: keys to values, both bytes with a kind, in the memory of an arena. dict_layout.h has the
// bytes; what a kind means is the caller's. Works through any number of mappings, in any number of
// threads and processes at once; one Dict serves all threads of a process.
//
// Readers (find, snapshot, verify) take no lock, write nothing and need only PROT_READ. Writers
// hold the lock of the key's shard; nobody holds two but a split or a merge (the lower index first,
// the other one only if it is free) and a transaction (transaction.h).
//
//  find     shard of the hash -> root word -> block -> buckets -> slot -> entry; copy; look again
//  put      lock; entry over a spare one, or at the end of the log; slot; unlock
//           or, a value of 8 bytes of the same kind: lock; one store over the old value; unlock
//  erase    lock; slot; unlock
//  rebuild  (no room, or too much) allocate; lock; copy what counts into one or two new blocks;
//           root word, which names the new block; unlock; free the old one
//
// Invariants
//  1. A change becomes visible with one store: of a slot, of a value word, of a root word. What it
//     names was written before. All else (count, used, tail, live) follows from the block, or, the
//     spares, may be forgotten.
//  2. An entry that a slot names does not change, but for the one word of an 8-byte value. The
//     place of one that no slot names may be written again, as an entry of any key: its version,
//     which stays where it is, is odd meanwhile, and goes on.
//  3. The root word changes, and never comes back, whenever the block that it names is given up,
//     and before that block is given up.
//  4. Of all shards that exist, exactly one has a hash. If shard i with d bits has it, and there is
//     a shard i + 2^d, then a split or a merge is under way, its owner holds both locks, both
//     hold the same entries of the upper half, and i is the truth.
//  5. `changes` is raised before anything in the shard changes: who finds it as it was has seen one
//     instant, or one and the next change of one word. A transaction makes many of these, and
//     raises it once, but its mark stands before that: who looks at the mark after `changes` sees
//     all of the transaction or nothing.
//
// Why no torn or foreign entry is returned: a reader loads the root word (acquire), slot (acquire),
// version, entry, and afterwards finds first the slot, then the version, the root word and the
// object's id as they were. By 3 the block was the shard's all the time; by 2 and the version no
// byte of the entry changed, or one word from one value to another. The slot in the middle of that
// says that the entry of this version was published: a spare has its new version before a slot
// names it, and its writer may die in between. It also says that a value's own block was not given
// back yet. All of that is asked of an entry of another key, too, before it is passed over: it may
// be the next one in the place of this key's. Who finds the key need not ask whether the shard has
// its hash: while the root word of a split stands both halves are in the block, and
// nobody changes the other shard's before it does not (both locks are held). Who does not find it
// loads depth and index then, before the root word again: depth changes before the root word in a
// split, after it in a merge, so who has seen the new root word sees the new depth, and who has
// used the new depth on the old block finds the root word changed. Progress: a reader tries again
// only if a writer has got on meanwhile.
//
// What if a process dies here?
//  - Before the store that publishes: nothing happened. After it: all of it. Derived fields are
//    counted anew (recover), before the lock is free.
//  - Blocks: allocation intents (arena.h) and `reaches`.
//  - In a split or merge: recovery gives up shard i + 2^d wherever invariant 4 speaks of it, and
//    drops entries from i that are not of its hash.
//
// Hostile bytes: each word is loaded once and checked; no offset leaves the block, no block the
// arena. What cannot be is kDamaged. Loops are bounded by the block, the depth, or the timeout.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"

#include "memory/arena.h"
#include "memory/call.h"
#include "memory/dict_block.h"
#include "memory/dict_bucket.h"
#include "memory/dict_hash.h"
#include "memory/dict_layout.h"
#include "memory/dict_values.h"
#include "memory/lock.h"
#include "memory/object.h"
#include "memory/record_words.h"
#include "memory/shared_copy.h"
#include "memory/value_references.h"
#include "memory/wait.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

class Dict {
 public:
  // `arena`: the whole mapping. `allocator` may be null for who only reads.
  Dict(const ObjectView& object, std::byte* arena, const Geometry& geometry,
       ArenaMemory* allocator);
  Dict(const Dict&) = delete;
  Dict& operator=(const Dict&) = delete;
  ~Dict();

  [[nodiscard]] DictKey key(std::uint8_t kind, std::string_view bytes) const {
    return {.data = bytes.data(),
            .bytes = static_cast<std::uint32_t>(bytes.size()),
            .kind = kind,
            .hash = dict_hash(seed_, kind, bytes.data(), bytes.size())};
  }

  // ---- reading ----

  // `use(StoredValue)` may be called several times; the last call before kDone counts. What it
  // notes in itself is there afterwards if it is trivially copyable. kAbsent: no such key.
  // kTimedOut: writers were quicker for as long as `timeout_ns`, which needs a damaged dict, or an
  // unlucky reader. kStale, kDamaged.
  template <typename Use>
  Result find(const DictKey& key, const std::int64_t& timeout_ns, Use&& use) const;

  // The sum over all shards, each at its own instant.
  [[nodiscard]] std::uint64_t size() const;
  // Raised with every change of any entry.
  [[nodiscard]] std::uint64_t changes() const;

  // Every entry, in the order of insertion. Keys that are there all the time are met exactly once;
  // each shard is seen at one instant. `caller` may be null: then a shard that never rests may show
  // values newer than its keys, and of a transaction a part.
  Result snapshot(Caller* caller, std::int64_t timeout_ns, bool with_values,
                  DictSnapshot& snapshot) const;

  // Walks over everything, changing nothing. What is wrong is said to `report`; true: nothing is.
  bool verify(DictStat& stat, absl::FunctionRef<void(const std::string&)> report) const;

  // ---- writing: kTimedOut: another's lock; kExhausted: see Call::why ----

  Result put(Call& call, const DictKey& key, const DictValue& value);
  Result erase(Call& call, const DictKey& key);
  // `decide(found or null)` is called under the lock of the key; it must be quick, and may be
  // called again. The value shown does not change meanwhile.
  using Decide = absl::FunctionRef<DictDecision(const StoredValue* found)>;
  Result change(Call& call, const DictKey& key, Decide decide);
  // Erases the entry inserted last, and shows it first.
  using Show = absl::FunctionRef<void(std::uint8_t key_kind, const std::byte* key,
                                      std::uint32_t key_bytes, const StoredValue& value)>;
  Result pop_last(Call& call, Show show);

  // ---- by the manager, for a dead process; see recover.h ----

  void recover(Caller& manager, std::uint16_t slot);
  void retire() const;
  [[nodiscard]] bool reaches(std::uint32_t part, std::uint64_t block) const;
  // For the trace; see containers.h.
  Walked walk_references(ReferenceWalk& walk, std::uint64_t& left, std::uint32_t steps,
                         absl::FunctionRef<void(std::uint64_t id)> visit) const;
  [[nodiscard]] bool has_references() const {
    return (descriptor().sticky.load(std::memory_order_seq_cst) & kStickyReferences) != 0;
  }

  [[nodiscard]] const ObjectView& object() const { return object_; }

 private:
  friend class ConsistentReads;
  friend class Transaction;

  // ---- places; every offset is checked ----

  using Block = DictBlock;
  using Entry = StoredEntry;
  [[nodiscard]] DictDescriptor& descriptor() const { return *descriptor_; }
  [[nodiscard]] [[gnu::always_inline]] std::byte* resolve(std::uint64_t offset,
                                                          std::uint64_t bytes) const {
    const std::uint64_t at = offset - geometry_.chunks;  // wraps where it is less
    const bool inside = at <= chunk_bytes_ && bytes <= chunk_bytes_ - at && offset % 256 == 0;
    return inside ? arena_ + offset : nullptr;
  }
  [[nodiscard]] [[gnu::always_inline]] bool open_block(std::uint64_t root, Block& block) const {
    block.root = DictRoot::of(root);
    const bool inside = block.root.block >= geometry_.chunks &&
                        block.root.block + block.root.bytes() <= geometry_.file_bytes;
    if (!inside || !DictRoot::is_sound(root)) [[unlikely]]
      return false;
    block.at = arena_ + block.root.block;
    return true;
  }
  bool open_value(const Entry& entry, StoredValue& value) const;
  [[nodiscard]] std::uint64_t hash_of(const Entry& entry) const;
  static Word32* find_first(const Block& block, Word32* bucket, std::uint32_t tagged,
                            const DictKey& key, std::uint32_t& seen, Entry& entry);

  // ---- shards (dict_shards.cc) ----

  struct ShardMap {
    std::uint32_t mask;
    ShardMap* older;
    std::atomic<Shard*> shards[1];
  };
  static bool has_hash(const Shard& shard, std::uint32_t hash_bits) {
    const std::uint32_t depth = shard.depth.load(std::memory_order_acquire);
    const std::uint32_t index = shard.index.load(std::memory_order_relaxed);
    const std::uint32_t mask = (1U << ((depth - 1) & 31)) - 1;
    return depth != 0 && ((hash_bits ^ index) & mask) == 0;
  }
  [[nodiscard]] Shard* shard_of(std::uint64_t hash) const {
    const ShardMap* const map = map_.load(std::memory_order_acquire);
    return map->shards[hash & map->mask].load(std::memory_order_relaxed);
  }
  Shard* find_shard(std::uint32_t hash_bits) const;
  [[nodiscard]] Shard* shard_at(std::uint32_t index) const;  // null: no page has a place for it
  void remember(std::uint32_t hash_bits, std::uint32_t depth, Shard* shard) const;
  [[nodiscard]] std::uint32_t depth_hint() const;
  // Every place where a shard's header may be; pages that do not exist are passed over.
  template <typename Visit>
  void for_each_shard(Visit visit) const {
    const std::uint32_t shards = 1U << depth_hint();
    for (std::uint32_t index = 0; index < shards;) {
      const std::uint32_t end = (index / kShardsPerPage + 1) * kShardsPerPage;
      Shard* at = shard_at(index);
      if (index == 0) {
        visit(*at, index++);
        at = shard_at(index);
      }
      for (; at != nullptr && index < end && index < shards; ++at) visit(*at, index++);
      index = end;
    }
  }
  Result need_page(Call& call, std::uint32_t index);

  // ---- locks ----

  // The shard of the hash, which is the caller's if the result is kDone. `known`: which one it was
  // the last time; may be null.
  struct Held {
    Result result;
    Shard* shard;
  };
  Held lock(Call& call, std::uint32_t hash_bits, Shard* known) const {
    if (known != nullptr && !object_.is_stale()) [[likely]] {
      std::uint32_t free = 0;
      if (known->lock.change(free, call.caller.owner << 2)) [[likely]] {
        if (has_hash(*known, hash_bits)) [[likely]]
          return {Result::kDone, known};
        unlock_word(call.caller, known->lock);
        known = nullptr;
      }
    }
    return lock_slowly(call, hash_bits, known);
  }
  Held lock_slowly(Call& call, std::uint32_t hash_bits, Shard* known) const;
  Result lock_word(Call& call, Word32& word) const;
  [[gnu::always_inline]] void unlock_word(Caller& caller, Word32& word) const {
    std::uint32_t seen = caller.owner << 2;
    if (!word.change(seen, 0)) [[unlikely]]
      (void)release_slow(object_, word, caller, seen, 1);
  }
  // Lets a shard go, also if what is called under its lock throws: memory for a copy may be
  // missing.
  class Guard {
   public:
    Guard(const Dict& dict, Caller& caller, Word32& word)
        : dict_(dict), caller_(caller), word_(&word) {}
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;
    [[gnu::always_inline]] ~Guard() {
      if (word_ != nullptr) unlock();
    }
    [[gnu::always_inline]] void unlock() {
      dict_.unlock_word(caller_, *std::exchange(word_, nullptr));
    }
    // Somebody else will unlock it.
    void leave() { word_ = nullptr; }

   private:
    const Dict& dict_;
    Caller& caller_;
    Word32* word_;
  };
  [[gnu::always_inline]] static void touch(Shard& shard) {
    shard.changes.store(shard.changes.load(std::memory_order_relaxed) + 1);
    fence_stores();
  }

  // ---- one key, under the lock (dict_at_once.cc, dict_write.cc, dict_put.h, dict_large.cc) ----

  struct Spot {
    Entry entry;             // if found
    Word32* slot = nullptr;  // of the key
    bool found = false;
    Word32* free = nullptr;  // where it could be put
    bool alone = false;      // erasing it may leave an empty slot
  };
  bool look(const Block& block, const DictKey& key, Spot& spot) const;  // false: damaged
  // A value on its way: in the caller's memory, or in a block that this call has allocated.
  struct Incoming {
    const DictValue* value = nullptr;
    std::uint64_t large = 0;
    std::uint64_t payload[2] = {};
    bool used = false;

    [[nodiscard]] std::uint32_t bytes() const {
      return large != 0 ? kLargeValueBytes : static_cast<std::uint32_t>(value->bytes);
    }
    // What an entry has of it.
    [[nodiscard]] DictValue in_entry() const {
      if (large == 0) return *value;
      return {.data = payload,
              .bytes = kLargeValueBytes,
              .kind = value->kind,
              .references = value->references};
    }
  };
  // A block that nothing names any more, once the lock is let go.
  struct Garbage {
    std::uint64_t block = 0;
    std::uint64_t bytes = 0;
  };
  // A word that makes a change visible.
  struct Publish {
    Word32* slot = nullptr;
    std::uint32_t value = 0;
    std::uint32_t bytes = 0;  // of the entry that it names
    bool over_spare = false;

    [[nodiscard]] EntryPlace place() const {
      return {.offset = slot_offset(value), .bytes = bytes};
    }
  };
  [[gnu::always_inline]] static void add_to(Word32& word, std::uint32_t by) {
    word.store(word.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
  }
  void note_references();
  // The shard's block and those of its values.
  void for_each_block(const Shard& shard,
                      absl::FunctionRef<void(const Garbage&, const BlockFor&)> visit) const;
  static bool replace_word(Shard& shard, const Entry& entry, const DictValue& value);
  // Where an entry will be written.
  struct Target {
    EntryPlace place;
    bool is_spare = false;  // else it is at the end of the log
  };
  static void fetch_spare(const Shard& shard, const Block& block);
  static bool take_spare(Shard& shard, const Block& block, std::uint32_t bytes, EntryPlace& place);
  static void keep_spare(Shard& shard, const Block& block, EntryPlace place);
  static void add_to_spares(Shard& shard, const Block& block, EntryPlace place);
  static bool find_place(Shard& shard, const Block& block, std::uint32_t bytes, Target& target);
  static void write_entry(const Block& block, const Target& target, std::uint64_t sequence,
                          const DictKey& key, const DictValue& value, bool large);
  bool prepare(Shard& shard, const Block& block, const DictKey& key, const Spot& spot,
               const Incoming& incoming, Publish& publish);
  bool prepare_inline(Shard& shard, const Block& block, const DictKey& key, const Spot& spot,
                      const Incoming& incoming, Publish& publish);
  Result put_at(Call& call, Shard& shard, const Block& block, const DictKey& key, const Spot& spot,
                Incoming& incoming, Garbage& garbage);
  Result erase_at(Call& call, Shard& shard, const Block& block, const DictKey& key,
                  const Spot& spot, Garbage& garbage);
  template <typename Choose>
  bool put_first(Call& call, Shard& shard, const Block& block, const DictKey& key, Choose choose);
  bool insert_first(Call& call, Shard& shard, Block block, const DictKey& key,
                    const DictValue& value, Word32* bucket);
  template <typename Choose>
  bool put_at_once(Call& call, const DictKey& key, Shard*& held, Choose choose);
  Result put_slowly(Call& call, const DictKey& key, const DictValue& value, Shard* held);
  Result change_slowly(Call& call, const DictKey& key, Shard* held, Decide decide);
  Result alter(Call& call, const DictKey& key, Incoming& incoming, Shard* held, Decide decide);
  Result after_full(Call& call, const DictKey& key, const Incoming& incoming);
  Result bring_in_again(Call& call, const DictKey& key, const DictValue& value,
                        Incoming& incoming) const;
  Result retire_value(Call& call, const DictKey& key, Entry entry, Garbage& garbage) const;
  Result bring_in(Call& call, const DictKey& key, const DictValue& value, Incoming& incoming) const;
  void give_up(Caller& caller, const DictKey& key, Incoming& incoming) const;
  [[nodiscard]] bool is_in(const Incoming& incoming, const DictValue& value) const;
  void free_value(Caller& caller, std::uint64_t hash, const Garbage& garbage) const;
  [[nodiscard]] BlockFor value_part(std::uint64_t hash) const {
    return {.object = object_.id, .part = kPartValue + shard_bits(hash)};
  }

  // ---- blocks (dict_rebuild.cc) ----

  struct Plan {
    unsigned bytes_log = 0;
    unsigned buckets_log = 0;
  };
  // A block for so many bytes of entries; false: they are too many for one.
  static bool plan(std::uint64_t live, std::uint64_t count, unsigned log_max, Plan& plan);
  // Room for so many entries more, and all of their bytes.
  struct Wanted {
    std::uint64_t bytes = 0;
    std::uint64_t entries = 1;
  };
  // The room that is wanted in the shard of the hash: a new block, or two.
  // If they are too many for one shard it is split, and the caller sees how far that goes.
  Result make_room(Call& call, std::uint32_t hash_bits, Wanted wanted);
  Result rebuild(Call& call, Shard& shard, std::uint64_t root, Plan plan);
  Result split(Call& call, Shard& shard, std::uint64_t root, Wanted wanted, int attempt);
  Result merge(Call& call, std::uint32_t hash_bits);
  static constexpr std::uint32_t kContended = 32;  // so many have waited: a shard is split early
  // Splits a shard for whose lock many have waited. Whether it comes off or not, the change that
  // was asked for is done.
  [[gnu::always_inline]] void divide_if_contended(Call& call, const Shard& shard,
                                                  std::uint32_t hash_bits) {
    if (shard.contended.load(std::memory_order_relaxed) >= kContended) [[unlikely]]
      divide(call, shard, hash_bits);
  }
  void divide(Call& call, const Shard& shard, std::uint32_t hash_bits);
  void shrink_if_empty(Call& call, const Shard& shard, std::uint32_t hash_bits);

  // A block that is being filled.
  struct Fresh {
    std::uint64_t offset = 0;
    Block block;
    std::uint32_t part = 0;
    std::uint32_t tail = 0;
    std::uint32_t count = 0;
    std::uint32_t live = 0;
  };
  [[nodiscard]] BlockFor shard_part(std::uint32_t index) const {
    return {.object = object_.id, .part = index};
  }
  Result allocate(Call& call, Plan plan, std::uint32_t part, Fresh& fresh) const;
  void drop(Caller& caller, Fresh& fresh) const;
  Result copy_live(const Block& from, std::uint32_t index, std::uint32_t mask, Fresh& to,
                   Fresh* upper = nullptr) const;
  static bool append(const Entry& entry, std::uint64_t hash, Fresh& to);
  static void set_derived(Shard& shard, const Fresh& fresh);
  void publish_root(Shard& shard, const Fresh& fresh) const;
  void retire_block(Call& call, const Shard& shard, Garbage& garbage) const;
  void free_block(Caller& caller, std::uint32_t part, const Garbage& garbage) const;

  // ---- reading (dict_read.cc) ----

  enum class Copied : std::uint8_t { kWhole, kChanged, kDamaged };
  // A cursor's part of the hashes: reversed (dict_read.cc), from here to there.
  struct Interval {
    std::uint32_t from = 0;
    std::uint32_t end = 0;
  };
  template <typename Words>
  Copied copy_shard(const Shard& shard, Interval& wanted, bool with_values, bool instant,
                    std::uint64_t changes, DictSnapshot& snapshot, const Words& words) const;
  template <typename Words>
  bool copy_entry(const Block& block, std::uint32_t slot, Interval wanted, bool with_values,
                  DictSnapshot& snapshot, const Words& words) const;
  Walked walk_block(const Block& block, ReferenceWalk& walk, std::uint64_t& left,
                    std::uint32_t& steps, absl::FunctionRef<void(std::uint64_t id)> visit) const;
  // For walks over all shards: their blocks are apart from each other, so all of them together are
  // no more than the arena. False: these are not.
  static bool charge(std::uint64_t root_word, std::uint64_t& left) {
    const DictRoot root = DictRoot::of(root_word);
    if (root.block == 0) return true;
    if (root.bytes() > left) return false;
    left -= root.bytes();
    return true;
  }
  [[nodiscard]] [[gnu::always_inline]] bool is_same(const Shard& shard, std::uint64_t root) const {
    return shard.root.load(std::memory_order_relaxed) == root && is_object();
  }
  // Not another one's in the same place.
  [[nodiscard]] [[gnu::always_inline]] bool is_object() const {
    return object_.descriptor->id.load(std::memory_order_relaxed) == object_.id;
  }

  template <typename Use>
  Result find_at_once(const Shard& shard, const DictKey& key, Use& use) const;
  template <typename Use, typename Words>
  Result find_in(const Shard& shard, const DictKey& key, Use& use, const Words& words) const;
  template <typename Use, typename Words>
  Result look_at(const Block& block, const Word32& slot, const DictKey& key, Use& use,
                 const Words& words) const;
  // Where the first try did not do: the shard has not been met yet, changes, or is marked.
  Result find_again(const DictKey& key, std::int64_t timeout_ns,
                    absl::FunctionRef<void(const StoredValue&)> use) const;
  bool find_last(const Block& block, Spot& spot) const;
  bool verify_shard(const Shard& shard, std::uint32_t index, DictStat& stat,
                    std::string& wrong) const;
  void recount(Shard& shard) const;
  void give_up_shard(Caller& manager, Shard& shard, std::uint32_t index) const;
  void recover_shard(Caller& manager, Shard& shard, std::uint32_t index) const;

  ObjectView object_;
  DictDescriptor* descriptor_;
  std::byte* arena_;
  Geometry geometry_;
  std::uint64_t chunk_bytes_;  // of all chunks
  ArenaMemory* allocator_;
  std::uint64_t seed_;
  ShardMap first_map_{};
  mutable std::atomic<ShardMap*> map_;
};

SHOAL_VARIANT_END

}  // namespace shoal::memory

#include "memory/dict_find.h"
