// Implements what <shoal/transaction.h> and <shoal/typed_dict.h> say of typed dicts and several
// keys: as transaction.cc, with bytes for keys and values.
#include <cstring>

#include "client/transaction_state.h"
#include "shoal/transaction.h"

namespace shoal {

using internal::AnyKey;
using internal::ArenaReference;
using internal::PendingWrite;
using internal::typed_key_named;
using memory::Result;

absl::Status ReadTransaction::get_typed(const std::shared_ptr<internal::Reference>& dict,
                                        std::span<const std::byte> key,
                                        std::span<std::byte> value) {
  const absl::StatusOr<const ArenaReference*> object = state_->join(dict);
  if (!object.ok()) return object.status();
  const auto copy = [&](std::uint8_t kind, std::string_view bytes) {
    if (value.empty()) return absl::OkStatus();
    if (kind != AnyKey::kTyped || bytes.size() != value.size()) {
      return internal::failure(Result::kDamaged, **object);
    }
    std::memcpy(value.data(), bytes.data(), bytes.size());
    return absl::OkStatus();
  };
  Result result = Result::kAbsent;
  if (const PendingWrite* const mine = state_->find(**object, AnyKey(key))) {
    if (!mine->erase) return copy(mine->kind, mine->value);
  } else {
    internal::CopiedValue found;
    result = state_->read(**object, AnyKey(key), found);
    if (result == Result::kDone) return copy(found.kind(), found.bytes());
    if (result == Result::kDiffers) return internal::TransactionState::changed_meanwhile();
  }
  return internal::entry_failure(result, **object, typed_key_named(**object, key),
                                 absl::OkStatus());
}

absl::Status Transaction::put_typed(const std::shared_ptr<internal::Reference>& dict,
                                    std::span<const std::byte> key,
                                    std::span<const std::byte> value) {
  const absl::StatusOr<const ArenaReference*> object = state_->join(dict);
  if (!object.ok()) return object.status();
  if ((*object)->access == Access::kReadOnly) return internal::is_read_only(**object);
  state_->write(dict, AnyKey(key)).put_typed(value);
  return absl::OkStatus();
}

absl::Status Transaction::erase_typed(const std::shared_ptr<internal::Reference>& dict,
                                      std::span<const std::byte> key) {
  if (absl::Status status = get_typed(dict, key, {}); !status.ok()) return status;
  const ArenaReference& object = *internal::object_of(dict);
  if (object.access == Access::kReadOnly) return internal::is_read_only(object);
  state_->write(dict, AnyKey(key)).take_away();
  return absl::OkStatus();
}

namespace internal {

absl::Status typed_update(
    const std::shared_ptr<Reference>& reference, std::size_t count,
    absl::FunctionRef<std::pair<KeyBytes, std::span<const std::byte>>(std::size_t)> entry) {
  const ArenaReference* const object = object_of(reference);
  if (object == nullptr) return is_closed();
  TransactionState state(object->session);
  for (std::size_t i = 0; i < count; ++i) {
    const absl::StatusOr<const ArenaReference*> joined = state.join(reference);
    if (!joined.ok()) return joined.status();
    const auto [key, value] = entry(i);
    state.write(reference, AnyKey(key)).put_typed(value);
  }
  return state.commit_of(*object);
}

}  // namespace internal

}  // namespace shoal
