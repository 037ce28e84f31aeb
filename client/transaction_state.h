// What a transaction has read and is to change, until memory/transaction.h makes it so, or says
// that it must be begun anew. Of one thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "client/dict_calls.h"
#include "client/list_calls.h"
#include "client/session.h"
#include "memory/transaction.h"

namespace shoal::internal {

// One key to be changed, with bytes of its own.
struct PendingWrite {
  const ArenaReference* object = nullptr;
  std::shared_ptr<Reference> held;
  std::uint8_t key_kind = 0;
  std::string key;
  bool erase = false;
  std::uint8_t kind = 0;
  bool references = false;
  std::string value;
  HeldReferences referred;

  void take_away() {
    erase = true;
    value.clear();
    referred = {};
  }
  void put_typed(std::span<const std::byte> bytes) {
    erase = false;
    kind = AnyKey::kTyped;
    references = false;
    value.assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  void put(EncodedForStore& encoded) {
    erase = false;
    kind = encoded.stored.kind;
    references = encoded.stored.references;
    value.assign(static_cast<const char*>(encoded.stored.data), encoded.stored.bytes);
    referred = std::move(encoded.held);
  }
};

// What a list will have, as it was given and as it is stored.
struct PendingElement {
  Value value;
  EncodedElement encoded;
};

struct PendingList {
  const ArenaReference* object = nullptr;
  std::map<std::uint64_t, std::unique_ptr<PendingElement>> sets;
  std::vector<std::unique_ptr<PendingElement>> appended;
};

struct PendingCell {
  const ArenaReference* object = nullptr;
  std::string value;
};

class TransactionState {
 public:
  explicit TransactionState(std::shared_ptr<Session> session)
      : session_(std::move(session)), reads_(caller_in(*session_)) {}

  // The dict, if it may take part.
  absl::StatusOr<const ArenaReference*> join(const std::shared_ptr<Reference>& reference);

  // Null: not changed by this transaction.
  PendingWrite* find(const ArenaReference& object, AnyKey key);
  PendingWrite& write(const std::shared_ptr<Reference>& reference, AnyKey key);

  // Of what is there. kAbsent, or failed: `status`.
  memory::Result read(const ArenaReference& object, AnyKey key, CopiedValue& value);
  static absl::Status changed_meanwhile();

  // ---- lists and cells ----

  // Null: not changed by this transaction.
  PendingList* find_list(const ArenaReference& object);
  PendingList& list(const ArenaReference& object) {
    PendingList& pending = lists_[object.object];
    pending.object = &object;
    return pending;
  }
  // What is there, without what this transaction appends.
  memory::Result count(const ArenaReference& object, std::uint64_t& count) {
    return noted(reads_.count(object.list, count));
  }
  memory::Result read(const ArenaReference& object, std::uint64_t index,
                      memory::ListElement& element) {
    return noted(reads_.get(object.list, static_cast<std::int64_t>(index), element));
  }
  PendingCell* find_cell(const ArenaReference& object);
  PendingCell& cell(const ArenaReference& object) {
    PendingCell& pending = cells_[object.object];
    pending.object = &object;
    return pending;
  }
  memory::Result read(const ArenaReference& object, std::span<std::byte> value) {
    return noted(reads_.load(object.view, op_timeout_ns(object), value));
  }

  // kDone, or why not; kDiffers: begin anew.
  memory::Result commit(absl::Status& why);
  // Where nothing was read: OK, or why not, of one dict.
  absl::Status commit_of(const ArenaReference& dict);
  [[nodiscard]] bool reads_stand() const { return !conflict_ && reads_.stand(); }
  [[nodiscard]] const ArenaReference* any() const { return any_; }

 private:
  static std::uint32_t caller_in(Session& session) {
    const ThreadEntry* thread = thread_in(session.number());
    if (thread == nullptr) thread = find_thread_entry(session.number());
    return thread == nullptr ? 0 : thread->caller.owner;
  }
  memory::Result noted(memory::Result result) {
    conflict_ = conflict_ || result == memory::Result::kDiffers;
    return result;
  }
  void add_lists(memory::TransactionChanges& changes);
  static std::string name_of(const ArenaReference& object, AnyKey key) {
    std::string name(reinterpret_cast<const char*>(&object.object), sizeof object.object);
    name.push_back(static_cast<char>(key.kind));
    name.append(key.bytes);
    return name;
  }

  std::shared_ptr<Session> session_;
  const ArenaReference* any_ = nullptr;
  std::vector<std::shared_ptr<Reference>> held_;
  memory::ConsistentReads reads_;
  bool conflict_ = false;
  std::vector<std::unique_ptr<PendingWrite>> writes_;
  absl::flat_hash_map<std::string, PendingWrite*> by_key_;
  std::map<std::uint64_t, PendingList> lists_;  // by the object's id
  std::map<std::uint64_t, PendingCell> cells_;
};

}  // namespace shoal::internal
