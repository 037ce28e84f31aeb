// A dict whose keys all have one type, and whose values have one: like Dict, but nothing is
// encoded, and no call allocates memory of the process but update() and those that return a vector.
//
//   struct Quote { double bid, ask; std::int64_t at; };
//   SHOAL_TYPE(Quote, "market.quote", 1);
//   using Symbol = std::array<char, 16>;
//
//   auto quotes = client->open_or_create<shoal::TypedDict<Symbol, Quote>>("quotes");
//   quotes->put(symbol, {.bid = 1.5, .ask = 1.6});
//   absl::StatusOr<Quote> quote = quotes->get(symbol);             // NOT_FOUND if absent
//
// K and V: numbers, bool, std::array of these, and types named by SHOAL_TYPE (fingerprint.h). A key
// is its bytes, so K has no padding and no floating-point number in it; it has at most 8192 bytes,
// a V at most 1 GiB. The fingerprints of both together have at most 62 bytes. Who opens a dict with
// other types gets FAILED_PRECONDITION.
//
// Atomicity, order, memory, cost, death of a writer, errors: as dict.h says. A value of 8 bytes is
// replaced in its place, by one store. compare_and_swap and watch compare bytes, padding too.
// Ownership, thread and fork safety: arena_object.h.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "shoal/arena_object.h"
#include "shoal/dict.h"
#include "shoal/export.h"
#include "shoal/fingerprint.h"
#include "shoal/object.h"

namespace shoal {

namespace internal {

using KeyBytes = std::span<const std::byte>;

// What to do with a key that is looked at under its lock. `value`: to be put; it stays what and
// where it is until the call is over.
struct TypedChange {
  enum class What : std::uint8_t { kLeave, kPut, kErase, kAbsent, kDiffers };
  What what = What::kLeave;
  const void* value = nullptr;
};

// `reference` may be null. Values go to and come from spans of a value's size.
SHOAL_EXPORT absl::StatusOr<bool> typed_find(const Reference* reference, KeyBytes key,
                                             std::span<std::byte> value);
SHOAL_EXPORT absl::Status typed_get(const Reference* reference, KeyBytes key,
                                    std::span<std::byte> value);
SHOAL_EXPORT absl::Status typed_put(const Reference* reference, KeyBytes key,
                                    std::span<const std::byte> value);
SHOAL_EXPORT absl::Status typed_erase(const Reference* reference, KeyBytes key);
// `decide(found)` may be called again; `value` is what was found.
SHOAL_EXPORT absl::Status typed_change(const Reference* reference, KeyBytes key,
                                       std::span<std::byte> value,
                                       absl::FunctionRef<TypedChange(bool found)> decide);
SHOAL_EXPORT absl::Status typed_pop_item(const Reference* reference, std::span<std::byte> key,
                                         std::span<std::byte> value);
// All entries in order; with `value_bytes` 0 keys alone. `add(key, value)` is given copies.
SHOAL_EXPORT absl::Status typed_entries(
    const Reference* reference, std::size_t key_bytes, std::size_t value_bytes,
    absl::FunctionRef<void(const std::byte* key, const std::byte* value)> add);
SHOAL_EXPORT absl::Status sum_is_too_large(const Reference* reference, KeyBytes key);
// Puts `count` entries in one step; `entry(i)` gives the bytes of one, which stay there.
SHOAL_EXPORT absl::Status typed_update(
    const std::shared_ptr<Reference>& reference, std::size_t count,
    absl::FunctionRef<std::pair<KeyBytes, std::span<const std::byte>>(std::size_t)> entry);
// `seen` null: the key was not there. `bytes` has a value.
SHOAL_EXPORT absl::Status typed_watch(const std::shared_ptr<Reference>& reference, KeyBytes key,
                                      const std::byte* seen, std::size_t bytes,
                                      absl::Duration timeout);

}  // namespace internal

template <class K, class V>
class TypedDict : public internal::ArenaKind<TypedDict<K, V>> {
  static_assert(Shareable<K> && Shareable<V>,
                "a TypedDict's types must be numbers, or be named by SHOAL_TYPE");
  static_assert(std::has_unique_object_representations_v<K>,
                "a TypedDict's key must have no padding and no floating-point number in it");
  static_assert(std::is_default_constructible_v<K> && std::is_default_constructible_v<V>);
  static_assert(sizeof(K) <= 8192 && sizeof(V) <= std::size_t{1} << 30);

  using What = internal::TypedChange::What;

 public:
  using Options = DictOptions;
  using key_type = K;
  using mapped_type = V;
  struct Entry {
    K key;
    V value;
  };

  TypedDict() = default;  // closed

  // ---- reading ----

  [[nodiscard]] absl::StatusOr<V> get(const K& key) const {
    V value;
    absl::Status status = internal::typed_get(reference(), bytes_of(key), bytes_of(value));
    if (!status.ok()) [[unlikely]]
      return status;
    return value;
  }
  // Whether it is there; `value` becomes it then. Cheaper than get() where keys are often absent.
  [[nodiscard]] absl::StatusOr<bool> find(const K& key, V& value) const {
    return internal::typed_find(reference(), bytes_of(key), bytes_of(value));
  }
  [[nodiscard]] absl::StatusOr<bool> contains(const K& key) const {
    return internal::typed_find(reference(), bytes_of(key), {});
  }
  [[nodiscard]] absl::StatusOr<std::size_t> size() const {
    return internal::dict_size(reference());
  }
  [[nodiscard]] absl::StatusOr<std::vector<K>> keys() const {
    return listed<K>(0, [](const std::byte* key, const std::byte*) { return read<K>(key); });
  }
  [[nodiscard]] absl::StatusOr<std::vector<V>> values() const {
    return listed<V>(sizeof(V),
                     [](const std::byte*, const std::byte* value) { return read<V>(value); });
  }
  [[nodiscard]] absl::StatusOr<std::vector<Entry>> items() const {
    return listed<Entry>(sizeof(V), [](const std::byte* key, const std::byte* value) {
      return Entry{read<K>(key), read<V>(value)};
    });
  }

  // ---- writing ----

  absl::Status put(const K& key, const V& value) const {
    return internal::typed_put(reference(), bytes_of(key), bytes_of(value));
  }
  // NOT_FOUND.
  absl::Status erase(const K& key) const {
    return internal::typed_erase(reference(), bytes_of(key));
  }
  // The value that is there, or `value`, which is put then.
  absl::StatusOr<V> get_or_insert(const K& key, const V& value) const;
  // The value, which is erased. NOT_FOUND.
  absl::StatusOr<V> pop(const K& key) const;
  // The entry that was inserted last, which is erased. NOT_FOUND: the dict is empty.
  absl::StatusOr<Entry> pop_item() const;
  // Puts `desired` if the value equals `expected`; nullopt: there is no such key; as `desired`:
  // erase. ABORTED: it does not, and nothing was changed.
  absl::Status compare_and_swap(const K& key, const std::optional<V>& expected,
                                const std::optional<V>& desired) const;
  // Adds to the value; a key that is not there begins with 0. The value afterwards. OUT_OF_RANGE:
  // an integer would not fit into V; nothing was changed.
  absl::StatusOr<V> increment(const K& key, V by = V{1}) const
      requires(std::is_arithmetic_v<V> && !std::same_as<V, bool>);

  // Puts all of them in one step. Allocates memory of the process.
  absl::Status update(std::span<const Entry> entries) const {
    return internal::typed_update(this->reference_, entries.size(), [&](std::size_t i) {
      return std::pair(internal::KeyBytes(bytes_of(entries[i].key)),
                       std::span<const std::byte>(bytes_of(entries[i].value)));
    });
  }
  absl::Status update(std::initializer_list<Entry> entries) const {
    return update(std::span(entries.begin(), entries.size()));
  }

  absl::Status clear() const { return internal::clear_dict(reference()); }

  // ---- waiting; blocking, deadlines and poll_fd() as dict.h says ----

  // Until the key has another value than `seen`; std::nullopt: until it is there.
  [[nodiscard]] absl::Status watch(const K& key, const std::optional<V>& seen,
                                   absl::Duration timeout = absl::InfiniteDuration()) const {
    return internal::typed_watch(this->reference_, bytes_of(key),
                                 seen ? reinterpret_cast<const std::byte*>(&*seen) : nullptr,
                                 sizeof(V), timeout);
  }
  // Raised by every change.
  [[nodiscard]] absl::StatusOr<std::uint64_t> changes() const {
    return internal::dict_changes(this->reference_);
  }
  // Until changes() is not `seen`.
  template <internal::ChangeCount T>
  [[nodiscard]] absl::Status watch(T seen,
                                   absl::Duration timeout = absl::InfiniteDuration()) const {
    return internal::watch_dict(this->reference_, seen, timeout);
  }

  // ---- seeing ----

  // Looks through all of it, while others go on. DATA_LOSS says the first thing that is wrong.
  [[nodiscard]] absl::StatusOr<DictStatistics> verify() const {
    return internal::verify_dict(reference());
  }

 private:
  friend class internal::ArenaKind<TypedDict>;
  using internal::ArenaKind<TypedDict>::ArenaKind;

  static internal::ArenaRequest wanted(const Options& options) {
    return {.kind = Kind::kTypedDict,
            .parameter = sizeof(K),
            .lifetime = options.lifetime,
            .access = options.access,
            .fingerprint = fingerprint<K>().append(",").append(fingerprint<V>()),
            .element_bytes = sizeof(V)};
  }

  [[nodiscard]] const internal::Reference* reference() const { return this->reference_.get(); }
  template <typename T>
  static auto bytes_of(T& object) {
    return std::as_bytes(std::span(&object, 1));
  }
  static std::span<std::byte> bytes_of(V& value) {
    return std::as_writable_bytes(std::span(&value, 1));
  }
  template <typename T>
  static T read(const std::byte* from) {
    T object;
    std::memcpy(&object, from, sizeof(T));
    return object;
  }
  template <typename T, typename Make>
  absl::StatusOr<std::vector<T>> listed(std::size_t value_bytes, Make make) const {
    std::vector<T> all;
    absl::Status status = internal::typed_entries(
        reference(), sizeof(K), value_bytes,
        [&](const std::byte* key, const std::byte* value) { all.push_back(make(key, value)); });
    if (!status.ok()) return status;
    return all;
  }
  // `decide(found)`; `value` is what was found.
  template <typename Decide>
  absl::Status change(const K& key, V& value, Decide decide) const {
    return internal::typed_change(reference(), bytes_of(key), bytes_of(value), decide);
  }
};

template <class K, class V>
absl::StatusOr<V> TypedDict<K, V>::get_or_insert(const K& key, const V& value) const {
  V there{};
  bool found = false;
  absl::Status status = change(key, there, [&](bool is_there) -> internal::TypedChange {
    found = is_there;
    if (found) return {};
    return {.what = What::kPut, .value = &value};
  });
  if (!status.ok()) return status;
  return found ? there : value;
}

template <class K, class V>
absl::StatusOr<V> TypedDict<K, V>::pop(const K& key) const {
  V there{};
  absl::Status status = change(key, there, [](bool found) -> internal::TypedChange {
    return {.what = found ? What::kErase : What::kAbsent};
  });
  if (!status.ok()) return status;
  return there;
}

template <class K, class V>
auto TypedDict<K, V>::pop_item() const -> absl::StatusOr<Entry> {
  Entry last;
  absl::Status status = internal::typed_pop_item(
      reference(), std::as_writable_bytes(std::span(&last.key, 1)), bytes_of(last.value));
  if (!status.ok()) return status;
  return last;
}

template <class K, class V>
absl::Status TypedDict<K, V>::compare_and_swap(const K& key, const std::optional<V>& expected,
                                               const std::optional<V>& desired) const {
  V there{};
  return change(key, there, [&](bool found) -> internal::TypedChange {
    const bool equal = found == expected.has_value() &&
                       (!found || std::memcmp(&there, &*expected, sizeof(V)) == 0);
    if (!equal) return {.what = What::kDiffers};
    if (desired) return {.what = What::kPut, .value = &*desired};
    return {.what = found ? What::kErase : What::kLeave};
  });
}

template <class K, class V>
absl::StatusOr<V> TypedDict<K, V>::increment(const K& key, V by) const
    requires(std::is_arithmetic_v<V> && !std::same_as<V, bool>) {
  V sum{};
  bool too_large = false;
  V there{};
  absl::Status status = change(key, there, [&](bool found) -> internal::TypedChange {
    const V now = found ? there : V{};
    if constexpr (std::integral<V>) {
      too_large = __builtin_add_overflow(now, by, &sum);
      if (too_large) return {};
    } else {
      sum = now + by;
    }
    return {.what = What::kPut, .value = &sum};
  });
  if (!status.ok()) return status;
  if (too_large) return internal::sum_is_too_large(reference(), bytes_of(key));
  return sum;
}

}  // namespace shoal
