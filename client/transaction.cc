// Implements <shoal/transaction.h>, and what Client says of it. What is read and what is to be
// changed is kept in transaction_state.h.
#include "shoal/transaction.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "client/session.h"
#include "client/transaction_state.h"
#include "schemas/text.h"
#include "shoal/client.h"

namespace shoal {

using internal::ArenaReference;
using internal::CopiedValue;
using internal::EncodedForStore;
using internal::PendingWrite;
using memory::Result;

// ---- reading ----

ReadTransaction::ReadTransaction(std::shared_ptr<internal::Session> session)
    : state_(std::make_unique<internal::TransactionState>(std::move(session))) {}
ReadTransaction::~ReadTransaction() = default;

absl::StatusOr<Value> ReadTransaction::get(const Dict& dict, const Key& key) {
  if (!key.status().ok()) return key.status();
  const absl::StatusOr<const ArenaReference*> object = state_->join(dict.held());
  if (!object.ok()) return object.status();
  if (const PendingWrite* mine = state_->find(**object, key)) {
    if (mine->erase) {
      return internal::key_failure(Result::kAbsent, **object, key, absl::OkStatus());
    }
    return internal::decode_value(mine->kind, mine->value);
  }
  CopiedValue found;
  const Result result = state_->read(**object, key, found);
  if (result == Result::kDone) return found.decode();
  if (result == Result::kDiffers) return state_->changed_meanwhile();
  return internal::key_failure(result, **object, key, absl::OkStatus());
}

absl::StatusOr<bool> ReadTransaction::contains(const Dict& dict, const Key& key) {
  const absl::StatusOr<Value> value = get(dict, key);
  if (absl::IsNotFound(value.status())) return false;
  if (!value.ok()) return value.status();
  return true;
}

// ---- changing ----

absl::Status Transaction::put(const Dict& dict, const Key& key, const Value& value) {
  if (absl::Status status = internal::check_to_write(key); !status.ok()) return status;
  const absl::StatusOr<const ArenaReference*> object = state_->join(dict.held());
  if (!object.ok()) return object.status();
  if ((*object)->access == Access::kReadOnly) return internal::is_read_only(**object);
  EncodedForStore encoded;
  if (absl::Status status = encoded.from(value, *object); !status.ok()) return status;
  state_->write(dict.held(), key).put(encoded);
  return absl::OkStatus();
}

absl::Status Transaction::erase(const Dict& dict, const Key& key) {
  absl::StatusOr<bool> there = contains(dict, key);
  if (!there.ok()) return there.status();
  const ArenaReference& object = *internal::object_of(dict.held());
  if (!*there) return internal::key_failure(Result::kAbsent, object, key, absl::OkStatus());
  if (object.access == Access::kReadOnly) return internal::is_read_only(object);
  state_->write(dict.held(), key).take_away();
  return absl::OkStatus();
}

absl::StatusOr<std::int64_t> Transaction::increment(const Dict& dict, const Key& key,
                                                    std::int64_t by) {
  const absl::StatusOr<Value> now = get(dict, key);
  if (!now.ok() && !absl::IsNotFound(now.status())) return now.status();
  const std::int64_t* const number = now.ok() ? now->as_int() : nullptr;
  if (now.ok() && number == nullptr) {
    return protocol::error(absl::StatusCode::kFailedPrecondition, kind_name(Kind::kDict), " \"",
                           dict.name(), "\": the value is ", kind_name(now->kind()), ", not int64");
  }
  std::int64_t sum = 0;
  if (__builtin_add_overflow(number == nullptr ? 0 : *number, by, &sum)) {
    return protocol::error(absl::StatusCode::kOutOfRange, kind_name(Kind::kDict), " \"",
                           dict.name(), "\": the sum would not fit into 64 bits");
  }
  if (absl::Status status = put(dict, key, sum); !status.ok()) return status;
  return sum;
}

// ---- lists ----

absl::StatusOr<std::size_t> ReadTransaction::size(const List& list) {
  const absl::StatusOr<const ArenaReference*> object = state_->join(list.held());
  if (!object.ok()) return object.status();
  std::uint64_t count = 0;
  const Result result = state_->count(**object, count);
  if (result == Result::kDiffers) return state_->changed_meanwhile();
  if (result != Result::kDone) return internal::list_failure(result, **object, 0);
  if (const internal::PendingList* mine = state_->find_list(**object)) {
    count += mine->appended.size();
  }
  return count;
}

absl::StatusOr<std::size_t> ReadTransaction::position(const List& list, std::ptrdiff_t index) {
  absl::StatusOr<std::size_t> count = size(list);
  if (!count.ok()) return count;
  const auto at = memory::index_in(index, *count);
  if (at) return *at;
  return protocol::error(absl::StatusCode::kOutOfRange,
                         internal::named(*internal::object_of(list.held())), " has no element ",
                         index, "; it has ", *count, " of them");
}

absl::StatusOr<Value> ReadTransaction::get(const List& list, std::ptrdiff_t index) {
  const absl::StatusOr<std::size_t> at = position(list, index);
  if (!at.ok()) return at.status();
  const ArenaReference& object = *internal::object_of(list.held());
  if (const internal::PendingList* mine = state_->find_list(object)) {
    const auto set = mine->sets.find(*at);
    if (set != mine->sets.end()) return set->second->value;
    std::uint64_t there = 0;
    if (state_->count(object, there) == Result::kDone && *at >= there) {
      const std::size_t place = *at - there;
      if (place < mine->appended.size()) return mine->appended[place]->value;
    }
  }
  memory::ListElement element;
  const Result result = state_->read(object, *at, element);
  if (result == Result::kDone) return internal::decode_element(element);
  if (result == Result::kDiffers) return state_->changed_meanwhile();
  return internal::list_failure(result, object, index);
}

namespace {

absl::StatusOr<std::unique_ptr<internal::PendingElement>> pending(const Value& value,
                                                                  const ArenaReference& into) {
  auto element = std::make_unique<internal::PendingElement>();
  // The encoded bytes may be the value's own: of the one that is kept.
  element->value = value;
  if (absl::Status status = element->encoded.from(element->value, &into); !status.ok()) {
    return status;
  }
  return element;
}

}  // namespace

absl::Status Transaction::set(const List& list, std::ptrdiff_t index, const Value& value) {
  const absl::StatusOr<std::size_t> at = position(list, index);
  if (!at.ok()) return at.status();
  const ArenaReference& object = *internal::object_of(list.held());
  if (object.access == Access::kReadOnly) return internal::is_read_only(object);
  auto element = pending(value, object);
  if (!element.ok()) return element.status();
  std::uint64_t there = 0;
  const Result result = state_->count(object, there);
  if (result == Result::kDiffers) return state_->changed_meanwhile();
  if (result != Result::kDone) return internal::list_failure(result, object, index);
  internal::PendingList& mine = state_->list(object);
  if (*at < there) {
    mine.sets[*at] = *std::move(element);
    return absl::OkStatus();
  }
  if (*at - there >= mine.appended.size()) return state_->changed_meanwhile();
  mine.appended[*at - there] = *std::move(element);
  return absl::OkStatus();
}

absl::Status Transaction::append(const List& list, const Value& value) {
  const absl::StatusOr<const ArenaReference*> object = state_->join(list.held());
  if (!object.ok()) return object.status();
  if ((*object)->access == Access::kReadOnly) return internal::is_read_only(**object);
  auto element = pending(value, **object);
  if (!element.ok()) return element.status();
  state_->list(**object).appended.push_back(*std::move(element));
  return absl::OkStatus();
}

// ---- cells ----

absl::Status ReadTransaction::load_bytes(const std::shared_ptr<internal::Reference>& cell,
                                         std::span<std::byte> value) {
  const absl::StatusOr<const ArenaReference*> object = state_->join(cell);
  if (!object.ok()) return object.status();
  if (const internal::PendingCell* mine = state_->find_cell(**object)) {
    std::memcpy(value.data(), mine->value.data(), std::min(value.size(), mine->value.size()));
    return absl::OkStatus();
  }
  const Result result = state_->read(**object, value);
  if (result == Result::kDone) return absl::OkStatus();
  if (result == Result::kDiffers) return state_->changed_meanwhile();
  return internal::failure(result, **object);
}

absl::Status Transaction::store_bytes(const std::shared_ptr<internal::Reference>& cell,
                                      std::span<const std::byte> value) {
  const absl::StatusOr<const ArenaReference*> object = state_->join(cell);
  if (!object.ok()) return object.status();
  if ((*object)->access == Access::kReadOnly) return internal::is_read_only(**object);
  state_->cell(**object).value.assign(reinterpret_cast<const char*>(value.data()), value.size());
  return absl::OkStatus();
}

// ---- the loops ----

namespace {

// Others were quicker: a little later, and each time later.
void back_off(int attempt) {
  constexpr int kSpinsOnly = 6;
  constexpr int kLongestShift = 10;
  if (attempt < kSpinsOnly) {
    for (int i = 0; i < 32 << attempt; ++i) memory::relax();
    return;
  }
  std::this_thread::sleep_for(std::chrono::microseconds(1 << std::min(attempt, kLongestShift)));
}

// `once()` gives kDiffers if it must be begun anew.
template <typename Once>
absl::Status until_it_stands(absl::Duration timeout, Once once) {
  const memory::Deadline deadline = memory::deadline_after(timeout);
  for (int attempt = 0;; ++attempt) {
    absl::Status status;
    if (once(status)) return status;
    if (memory::is_over(deadline)) {
      return absl::DeadlineExceededError(
          "others were changing what the transaction is about, or had the lock of one of its "
          "cells, all the time; nothing was changed");
    }
    back_off(attempt);
  }
}

}  // namespace

absl::Status Client::transact(absl::FunctionRef<absl::Status(Transaction&)> body) const {
  return until_it_stands(options().op_timeout, [&](absl::Status& status) {
    Transaction transaction(session_);
    internal::TransactionState& state = *transaction.state_;
    status = body(transaction);
    if (!status.ok()) return state.reads_stand();
    absl::Status why;
    const Result result = state.commit(why);
    if (result == Result::kDiffers) return false;
    if (result == Result::kExhausted) status = std::move(why);
    if (result != Result::kDone && status.ok()) status = internal::failure(result, *state.any());
    return true;
  });
}

absl::Status Client::read_transaction(
    absl::FunctionRef<absl::Status(ReadTransaction&)> body) const {
  return until_it_stands(options().op_timeout, [&](absl::Status& status) {
    ReadTransaction transaction(session_);
    status = body(transaction);
    return transaction.state_->reads_stand();
  });
}

// ---- what a dict does in one ----

absl::Status Dict::update(std::span<const DictEntry> entries) const {
  const ArenaReference* const object = internal::object_of(reference_);
  if (object == nullptr) return internal::is_closed();
  internal::TransactionState state(object->session);
  for (const DictEntry& entry : entries) {
    const Key key(entry.key);
    if (absl::Status status = internal::check_to_write(key); !status.ok()) return status;
    const absl::StatusOr<const ArenaReference*> joined = state.join(reference_);
    if (!joined.ok()) return joined.status();
    EncodedForStore encoded;
    if (absl::Status status = encoded.from(entry.value, object); !status.ok()) return status;
    state.write(reference_, key).put(encoded);
  }
  return state.commit_of(*object);
}

}  // namespace shoal
