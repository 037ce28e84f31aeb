// Several changes that become visible together, of any number of dicts, lists and cells of one
// arena.
//
// Every change in an arena is one store of one word (dict.h). A transaction prepares any number of
// them under the locks of all shards that they are in, writes down the words and their new values
// in a record (transaction_layout.h), commits with one store to the record, and then makes the
// stores. Readers take no lock: where a shard is marked with a record, they look whether it is
// committed, and if so take the words that it lists from there.
//
//  begin    allocate a record; the thread's record names it
//  lock     all cells, then shards and lists, by the place of the lock word in the arena
//  check    what was read has not changed
//  mark     the shards and lists; then `changes` of the shards is raised: see Dict::snapshot
//  prepare  entries that nobody sees; the stores that would show them; blocks that come and go
//  commit   state <- committed                                        everything has happened
//  apply    the stores; counts; marks taken away; state <- done
//  unlock, free what was given back, free the record
//
// A cell has no mark: readers of it load one word. Its own lock is held, and its word changes some
// moments after the commit, before the lock is free.
//
// Memory order: marks come before the commit, the commit before the stores, the stores before the
// marks go. So who has seen anything of a transaction finds, in every shard of it, either the mark
// and the commit, or the store.
//
// What if a process dies here? Recovery of its threads (recover_transaction, before intents and
// locks): committed: the stores are made, once more or for the first time, under the locks that
// the dead still holds; else what was taken is freed. Then what was given back is freed, if it was
// committed or done. Each block leaves the list before it is freed, covered by an intent.
// Recovery of each shard takes the mark away and counts anew; a slot that was only reserved is
// erased then.
//
// Hostile bytes: a record is looked at only as far as the mapping goes, a word is stored only
// where objects and chunks are, which whoever could write the record could write, too.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"

#include "memory/cell.h"
#include "memory/containers.h"
#include "memory/dict.h"
#include "memory/list_container_write.h"
#include "memory/transaction_layout.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

// What was read: `word` was `value`, and the lock was free. Of a shard or a list the word is its
// `changes`, of a cell the value or the count of its stores, and its token.
struct Seen {
  const ObjectView* object = nullptr;
  const Word64* word = nullptr;
  const Word32* lock = nullptr;
  std::uint64_t value = 0;
  bool late = false;  // the word changes after what it tells of, before the lock is free
};

// Several reads, and whether they were of one instant.
class ConsistentReads {
 public:
  // `me`: the thread that reads, {slot, thread}, whose own locks on cells are in nobody's way.
  explicit ConsistentReads(std::uint32_t me = 0) : me_(me) {}

  // As Dict::find. kDiffers: somebody is changing the shard, or has changed it since: begin anew.
  template <typename Use>
  Result find(Dict& dict, const DictKey& key, std::int64_t timeout_ns, Use use) {
    const Result seen = see(dict, key);
    return seen == Result::kDone ? dict.find(key, timeout_ns, use) : seen;
  }
  // As memory::get. The list outlives this.
  Result get(const ListObject& list, std::int64_t index, ListElement& element);
  Result count(const ListObject& list, std::uint64_t& count);
  Result load(const ObjectView& cell, std::int64_t timeout_ns, std::span<std::byte> value);
  // Whether all that was read was true at once.
  [[nodiscard]] bool stand() const;
  [[nodiscard]] const std::vector<Seen>& seen() const { return seen_; }

 private:
  Result see(Dict& dict, const DictKey& key);
  Result see(const ObjectView& object, const Word64& word, std::uint64_t& value);
  [[nodiscard]] bool stands(const Seen& seen) const;
  std::uint32_t me_;
  std::vector<Seen> seen_;
};

// What a transaction does to one key. Keys of one dict differ.
struct TransactionChange {
  Dict* dict = nullptr;
  DictKey key;
  bool erase = false;  // kAbsent is fine
  DictValue value{};
};

// ... to one list, and to one cell. Each at most once.
struct ListChanges {
  const ListObject* list = nullptr;
  std::vector<ListWriter::Put> sets;  // by ascending index
  std::vector<ListWriter::Put> appended;
};
struct CellChange {
  ObjectView cell;
  std::span<const std::byte> value;
};

struct TransactionChanges {
  std::vector<TransactionChange> keys;
  std::vector<ListChanges> lists;
  std::vector<CellChange> cells;

  [[nodiscard]] bool empty() const { return keys.empty() && lists.empty() && cells.empty(); }
};

class Transaction {
 public:
  explicit Transaction(const ContainerHome& home) : home_(home) {}
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  // All of the changes or none. kDiffers: what was read has changed: begin anew. kAbsent: an
  // element to be set is not there. kTimedOut, kExhausted, kStale, kDamaged as in Dict.
  Result commit(Call& call, TransactionChanges& changes, const std::vector<Seen>& reads);
  // Everything in one dict goes, at once.
  Result clear(Call& call, Dict& dict);

 private:
  // What one key's change will do to its shard.
  struct Prepared {
    Dict::Incoming incoming;
    Shard* shard = nullptr;
    std::uint32_t grown = 0;  // bytes that live more
    std::uint32_t count = 0;  // entries more
    Word32* reserved = nullptr;
    std::uint32_t before = 0;  // what the reserved slot was
    Dict::Block block;
    EntryPlace over;  // the spare that it is written over; no bytes: none
    EntryPlace gone;  // what no slot will name any more; no bytes: nothing
  };
  struct Locked {
    Dict* dict = nullptr;
    Shard* shard = nullptr;
    std::uint32_t tail = 0;  // of its log, before anything was prepared
    // What it has no room for.
    std::uint64_t missing_bytes = 0;
    std::uint64_t missing_entries = 0;
    std::uint32_t hash_bits = 0;
  };

  // One lock, in the order in which they are taken.
  struct Lock {
    const ObjectView* object = nullptr;
    Word32* word = nullptr;
    bool recursive = false;
    bool was_mine = false;
  };

  Result begin(Call& call, std::uint64_t object, std::uint64_t publishes, std::uint64_t blocks);
  void end(Call& call);
  Result try_commit(Call& call, TransactionChanges& changes, const std::vector<Seen>& reads);
  [[nodiscard]] bool still_true(const Call& call, const std::vector<Seen>& reads) const;
  // Under the locks still: nothing of what was prepared will be.
  void take_back(Call& call, const TransactionChanges& changes,
                 const std::vector<Prepared>& prepared);
  void keep_given_back() const;
  Locked& locked(const Shard* shard);
  Result bring_in(Call& call, const TransactionChange& change, Dict::Incoming& incoming);
  Result bring_in(Call& call, ListChanges& change);
  Result lock_all(Call& call, const TransactionChanges& changes);
  void unlock_all(Call& call);
  Result prepare_all(Call& call, const TransactionChanges& changes,
                     std::vector<Prepared>& prepared);
  Result prepare_keys(const std::vector<TransactionChange>& changes,
                      std::vector<Prepared>& prepared);
  Result prepare_list(Call& call, const ListChanges& change);
  Result claim(Call& call, const ObjectView& cell);
  void prepare_cells(const std::vector<CellChange>& cells);
  void give_claims_back(Call& call);
  void make_all();
  void apply(const std::vector<std::pair<std::uint64_t, std::uint64_t>>& stores) const;
  void finish(Call& call, const TransactionChanges& changes);
  void publish(std::uint64_t offset, bool wide, std::uint64_t value);
  // False: there are more than the record has room for, which only somebody's nonsense explains.
  bool list_block(const Dict::Garbage& block, const BlockFor& block_for, std::uint64_t what);

  [[nodiscard]] std::uint64_t offset_of(const void* word) const {
    return static_cast<std::uint64_t>(static_cast<const std::byte*>(word) - home_.arena);
  }
  [[nodiscard]] TransactionPublish* publishes() const {
    return reinterpret_cast<TransactionPublish*>(record_ + 1);
  }
  [[nodiscard]] TransactionBlock* blocks() const {
    return reinterpret_cast<TransactionBlock*>(publishes() + publishes_max_);
  }

  ContainerHome home_;
  TransactionRecord* record_ = nullptr;
  std::uint64_t offset_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t publishes_max_ = 0;
  // What is in the record: its own words are for others, and others may write them.
  std::uint64_t blocks_max_ = 0;
  std::uint32_t listed_ = 0;
  BlockFor block_for_{};
  std::vector<Locked> locked_;              // shards
  std::vector<Lock> locks_;                 // of all kinds
  std::vector<const ObjectView*> claimed_;  // cells
  std::vector<ListWriter::Change> list_stores_;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> stores_;
};

// What a transaction of a dead thread left. `record`: the thread's, mapped. Before its intents and
// locks are recovered.
void recover_transaction(ThreadRecord& record, const ContainerHome& home, Caller& manager);

SHOAL_VARIANT_END

}  // namespace shoal::memory
