// Several changes that become visible together, of any number of dicts of one arena.
//
// Every change in an arena is one store of one word (dict.h). A transaction prepares any number of
// them under the locks of all shards that they are in, writes down the words and their new values
// in a record (transaction_layout.h), commits with one store to the record, and then makes the
// stores. Readers take no lock: where a shard is marked with a record, they look whether it is
// committed, and if so take the words that it lists from there.
//
//  begin    allocate a record; the thread's record names it
//  lock     all shards, by their place in the arena
//  check    what was read has not changed
//  prepare  entries that nobody sees; the stores that would show them; blocks that come and go
//  mark     the shards
//  commit   state <- committed                                        everything has happened
//  apply    the stores; counts; marks taken away; state <- done
//  unlock, free what was given back, free the record
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
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"

#include "memory/containers.h"
#include "memory/dict.h"
#include "memory/transaction_layout.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

// A shard as it was when it was first looked at: unchanged, if `changes` still is.
struct ShardSeen {
  Dict* dict = nullptr;
  Shard* shard = nullptr;
  std::uint64_t changes = 0;
};

// Reads of several keys, and whether they were of one instant.
class ConsistentReads {
 public:
  // As Dict::find. kDiffers: somebody is changing the shard, or has changed it since: begin anew.
  template <typename Use>
  Result find(Dict& dict, const DictKey& key, std::int64_t timeout_ns, Use use) {
    const Result seen = see(dict, key);
    return seen == Result::kDone ? dict.find(key, timeout_ns, use) : seen;
  }
  // Whether all that was read was true at once.
  [[nodiscard]] bool stand() const;
  [[nodiscard]] const std::vector<ShardSeen>& seen() const { return seen_; }

 private:
  Result see(Dict& dict, const DictKey& key);
  std::vector<ShardSeen> seen_;
};

// What a transaction does to one key. Keys of one dict differ.
struct TransactionChange {
  Dict* dict = nullptr;
  DictKey key;
  bool erase = false;  // kAbsent is fine
  DictValue value{};
};

class Transaction {
 public:
  explicit Transaction(const ContainerHome& home) : home_(home) {}
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  // All of the changes or none. kDiffers: what was read has changed: begin anew. kTimedOut,
  // kExhausted, kStale, kDamaged as in Dict.
  Result commit(Call& call, const std::vector<TransactionChange>& changes,
                const std::vector<ShardSeen>& reads);
  // Everything in one dict goes, at once.
  Result clear(Call& call, Dict& dict);

 private:
  struct Prepared;
  struct Locked {
    Dict* dict = nullptr;
    Shard* shard = nullptr;
    std::uint32_t tail = 0;  // of its log, before anything was prepared
    // What it has no room for.
    std::uint64_t missing_bytes = 0;
    std::uint64_t missing_entries = 0;
    std::uint32_t hash_bits = 0;
  };

  Result begin(Call& call, Dict& dict, std::uint64_t publishes, std::uint64_t blocks);
  void end(Call& call);
  Result try_commit(Call& call, const std::vector<TransactionChange>& changes,
                    const std::vector<ShardSeen>& reads);
  [[nodiscard]] bool still_true(const Call& call, const std::vector<ShardSeen>& reads) const;
  [[nodiscard]] std::uint32_t taken_only() const;
  Locked& locked(const Shard* shard);
  Result bring_in(Call& call, const TransactionChange& change, Dict::Incoming& incoming);
  Result lock_all(Call& call);
  void unlock_all(Call& call);
  Result prepare_all(const std::vector<TransactionChange>& changes,
                     std::vector<Prepared>& prepared);
  void make_all();
  void apply(const std::vector<std::pair<std::uint64_t, std::uint64_t>>& stores) const;
  void finish(Call& call);
  void publish(std::uint64_t offset, bool wide, std::uint64_t value);
  void list_block(const Dict::Garbage& block, const BlockFor& block_for, std::uint64_t what);

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
  BlockFor block_for_{};
  std::vector<Locked> locked_;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> stores_;
};

// What a transaction of a dead thread left. `record`: the thread's, mapped. Before its intents and
// locks are recovered.
void recover_transaction(ThreadRecord& record, const ContainerHome& home, Caller& manager);

SHOAL_VARIANT_END

}  // namespace shoal::memory
