// See transaction_state.h.
#include "client/transaction_state.h"

#include "schemas/text.h"

namespace shoal::internal {

absl::StatusOr<const ArenaReference*> TransactionState::join(
    const std::shared_ptr<Reference>& reference) {
  const ArenaReference* const object = object_of(reference);
  if (object == nullptr) return is_closed();
  if (object->session != session_) {
    return protocol::error(absl::StatusCode::kInvalidArgument, named(*object),
                           " was opened by another client; a transaction is about objects of one");
  }
  if (held_.empty() || held_.back() != reference) held_.push_back(reference);
  if (any_ == nullptr) any_ = object;
  return object;
}

PendingWrite* TransactionState::find(const ArenaReference& object, AnyKey key) {
  if (by_key_.empty()) return nullptr;
  const auto found = by_key_.find(name_of(object, key));
  return found == by_key_.end() ? nullptr : found->second;
}

PendingWrite& TransactionState::write(const std::shared_ptr<Reference>& reference, AnyKey key) {
  const ArenaReference& object = *object_of(reference);
  PendingWrite*& place = by_key_[name_of(object, key)];
  if (place == nullptr) {
    writes_.push_back(std::make_unique<PendingWrite>());
    place = writes_.back().get();
    place->object = &object;
    place->held = reference;
    place->key_kind = key.kind;
    place->key.assign(key.bytes);
  }
  return *place;
}

memory::Result TransactionState::read(const ArenaReference& object, AnyKey key,
                                      CopiedValue& value) {
  memory::Dict& dict = *object.dict;
  return noted(reads_.find(dict, key.in(dict), op_timeout_ns(object),
                           [&](const memory::StoredValue& stored) { value.take(stored); }));
}

PendingList* TransactionState::find_list(const ArenaReference& object) {
  const auto found = lists_.find(object.object);
  return found == lists_.end() ? nullptr : &found->second;
}

PendingCell* TransactionState::find_cell(const ArenaReference& object) {
  const auto found = cells_.find(object.object);
  return found == cells_.end() ? nullptr : &found->second;
}

absl::Status TransactionState::changed_meanwhile() {
  return absl::AbortedError(
      "another process is changing what the transaction reads; return this status, and its body "
      "runs again");
}

void TransactionState::add_lists(memory::TransactionChanges& changes) {
  for (auto& [id, pending] : lists_) {
    memory::ListChanges& change = changes.lists.emplace_back();
    change.list = &pending.object->list;
    for (const auto& [index, element] : pending.sets) {
      change.sets.push_back({.index = index, .value = element->encoded.value});
    }
    for (const std::unique_ptr<PendingElement>& element : pending.appended) {
      change.appended.push_back({.value = element->encoded.value});
    }
  }
}

memory::Result TransactionState::commit(absl::Status& why) {
  if (conflict_) return memory::Result::kDiffers;
  if (writes_.empty() && lists_.empty() && cells_.empty()) {
    return reads_.stand() ? memory::Result::kDone : memory::Result::kDiffers;
  }
  const ArenaReference* const written = !writes_.empty()  ? writes_.front()->object
                                        : !lists_.empty() ? lists_.begin()->second.object
                                                          : cells_.begin()->second.object;
  absl::StatusOr<ThreadEntry*> thread = enter(written);
  if (!thread.ok()) {
    why = thread.status();
    return memory::Result::kExhausted;
  }
  memory::TransactionChanges changes;
  changes.keys.reserve(writes_.size());
  for (const std::unique_ptr<PendingWrite>& write : writes_) {
    memory::Dict& dict = *write->object->dict;
    changes.keys.push_back({.dict = &dict,
                            .key = dict.key(write->key_kind, write->key),
                            .erase = write->erase,
                            .value = {.data = write->value.data(),
                                      .bytes = write->value.size(),
                                      .kind = write->kind,
                                      .references = write->references}});
  }
  add_lists(changes);
  for (const auto& [id, pending] : cells_) {
    changes.cells.push_back(
        {.cell = pending.object->view, .value = std::as_bytes(std::span(pending.value))});
  }
  memory::Call call{.caller = (*thread)->caller, .timeout_ns = op_timeout_ns(*written)};
  memory::Transaction transaction(written->home);
  const memory::Result result = transaction.commit(call, changes, reads_.seen());
  why = call.why;
  // Somebody has shortened the list: the body sees that.
  return result == memory::Result::kAbsent ? memory::Result::kDiffers : result;
}

absl::Status TransactionState::commit_of(const ArenaReference& dict) {
  absl::Status why;
  const memory::Result result = commit(why);
  if (result == memory::Result::kDone) return absl::OkStatus();
  // Nothing was tried: this thread may not, or cannot.
  if (result == memory::Result::kExhausted && !absl::IsResourceExhausted(why)) return why;
  return entry_failure(result, dict, named(dict), why);
}

}  // namespace shoal::internal
