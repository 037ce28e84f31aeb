// Several reads and changes as one.
//
//   absl::Status moved = client->transact([&](shoal::Transaction& t) -> absl::Status {
//     auto from = t.increment(accounts, "alice", -10);
//     if (!from.ok()) return from.status();
//     if (*from < 0) return absl::FailedPreconditionError("not enough");  // nothing is changed
//     return t.increment(accounts, "bob", 10).status();
//   });
//
// transact() runs the body, which reads what is there and says what to change; then all changes are
// made at once: who reads by a transaction of either kind sees all of them or none, and so does
// whoever comes after this process was killed in the middle. If others have changed meanwhile what
// the body had read, the body runs again, so it should do nothing but read and change through its
// argument. If it returns an error, nothing is changed, and transact() returns the error.
//
// read_transaction() runs a body whose reads are all of one instant; the body runs again if they
// were not. It works on read-only attachments.
//
// Dicts, typed dicts, lists and cells take part; they must be of this client, and all of one arena:
// INVALID_ARGUMENT. As many keys and elements as memory allows, and no more than three million:
// RESOURCE_EXHAUSTED, nothing changed. Whoever changes the same keys waits for the few moments in
// which the changes are made. DEADLINE_EXCEEDED: others were in between for all of
// ClientOptions::op_timeout; nothing was changed.
// A stored cell has its lock() held for these moments: whoever has that lock keeps transactions
// waiting that store or load the cell, and who reads it without may see the new value some moments
// after those of dicts and lists. A plain store() or fetch_add() by others may be overwritten.
// A call that returns ABORTED inside the body has met a change by others: return its status, and
// the body runs again.
// Thread safety: one Transaction is one thread's. Death, fork safety: as Dict.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <type_traits>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "shoal/cell.h"
#include "shoal/dict.h"
#include "shoal/export.h"
#include "shoal/key.h"
#include "shoal/list.h"
#include "shoal/typed_dict.h"
#include "shoal/value.h"

namespace shoal {

namespace internal {
class TransactionState;
}

class SHOAL_EXPORT ReadTransaction {
 public:
  ReadTransaction(const ReadTransaction&) = delete;
  ReadTransaction& operator=(const ReadTransaction&) = delete;
  ~ReadTransaction();

  // NOT_FOUND.
  [[nodiscard]] absl::StatusOr<Value> get(const Dict& dict, const Key& key);
  [[nodiscard]] absl::StatusOr<bool> contains(const Dict& dict, const Key& key);

  template <class K, class V>
  [[nodiscard]] absl::StatusOr<V> get(const TypedDict<K, V>& dict,
                                      const std::type_identity_t<K>& key) {
    V value;
    absl::Status status =
        get_typed(dict.held(), bytes_of(key), std::as_writable_bytes(std::span(&value, 1)));
    if (!status.ok()) return status;
    return value;
  }
  template <class K, class V>
  [[nodiscard]] absl::StatusOr<bool> contains(const TypedDict<K, V>& dict,
                                              const std::type_identity_t<K>& key) {
    absl::Status status = get_typed(dict.held(), bytes_of(key), {});
    if (absl::IsNotFound(status)) return false;
    if (!status.ok()) return status;
    return true;
  }

  // OUT_OF_RANGE. Negative: from the end.
  [[nodiscard]] absl::StatusOr<Value> get(const List& list, std::ptrdiff_t index);
  [[nodiscard]] absl::StatusOr<std::size_t> size(const List& list);

  template <class T>
  [[nodiscard]] absl::StatusOr<T> load(const Cell<T>& cell) {
    T value;
    absl::Status status = load_bytes(cell.held(), std::as_writable_bytes(std::span(&value, 1)));
    if (!status.ok()) return status;
    return value;
  }

 protected:
  friend class Client;

  explicit ReadTransaction(std::shared_ptr<internal::Session> session);

  template <class T>
  static std::span<const std::byte> bytes_of(const T& object) {
    return std::as_bytes(std::span(&object, 1));
  }
  // An empty span: only whether it is there.
  absl::Status get_typed(const std::shared_ptr<internal::Reference>& dict,
                         std::span<const std::byte> key, std::span<std::byte> value);
  // Where the element is. OUT_OF_RANGE.
  absl::StatusOr<std::size_t> position(const List& list, std::ptrdiff_t index);
  absl::Status load_bytes(const std::shared_ptr<internal::Reference>& cell,
                          std::span<std::byte> value);

  std::unique_ptr<internal::TransactionState> state_;
};

// Its reads see what it has changed itself.
class SHOAL_EXPORT Transaction : public ReadTransaction {
 public:
  absl::Status put(const Dict& dict, const Key& key, const Value& value);
  // NOT_FOUND.
  absl::Status erase(const Dict& dict, const Key& key);
  // Adds to an integer; a key that is not there begins with 0. The value afterwards. Errors as
  // Dict::increment.
  absl::StatusOr<std::int64_t> increment(const Dict& dict, const Key& key, std::int64_t by = 1);

  template <class K, class V>
  absl::Status put(const TypedDict<K, V>& dict, const std::type_identity_t<K>& key,
                   const std::type_identity_t<V>& value) {
    return put_typed(dict.held(), bytes_of(key), bytes_of(value));
  }
  template <class K, class V>
  absl::Status erase(const TypedDict<K, V>& dict, const std::type_identity_t<K>& key) {
    return erase_typed(dict.held(), bytes_of(key));
  }
  // Errors as TypedDict::increment.
  template <class K, class V>
  absl::StatusOr<V> increment(const TypedDict<K, V>& dict, const std::type_identity_t<K>& key,
                              std::type_identity_t<V> by = V{1}) requires(std::is_arithmetic_v<V> &&
                                                                          !std::same_as<V, bool>) {
    const absl::StatusOr<V> there = get(dict, key);
    if (!there.ok() && !absl::IsNotFound(there.status())) return there.status();
    V sum = there.ok() ? *there : V{};
    if constexpr (std::integral<V>) {
      if (__builtin_add_overflow(sum, by, &sum)) {
        return internal::sum_is_too_large(dict.held().get(), bytes_of(key));
      }
    } else {
      sum += by;
    }
    if (absl::Status status = put(dict, key, sum); !status.ok()) return status;
    return sum;
  }

  // OUT_OF_RANGE. What is appended can be set, too.
  absl::Status set(const List& list, std::ptrdiff_t index, const Value& value);
  absl::Status append(const List& list, const Value& value);

  template <class T>
  absl::Status store(const Cell<T>& cell, const std::type_identity_t<T>& value) {
    return store_bytes(cell.held(), std::as_bytes(std::span(&value, 1)));
  }

 private:
  absl::Status put_typed(const std::shared_ptr<internal::Reference>& dict,
                         std::span<const std::byte> key, std::span<const std::byte> value);
  absl::Status erase_typed(const std::shared_ptr<internal::Reference>& dict,
                           std::span<const std::byte> key);
  absl::Status store_bytes(const std::shared_ptr<internal::Reference>& cell,
                           std::span<const std::byte> value);

  friend class Client;
  using ReadTransaction::ReadTransaction;
};

}  // namespace shoal
