// One value shared between processes: what Python's multiprocessing calls Value.
//
//   auto hits = client->open_or_create<shoal::Cell<std::int64_t>>("hits", {.initial = 0});
//   (void)hits->fetch_add(1);
//   std::int64_t now = hits->load().value_or(0);
//
// T is a number, bool, or a trivially copyable type named by SHOAL_TYPE (fingerprint.h), of at most
// 16 KiB. Who opens a cell as another type gets FAILED_PRECONDITION.
// Every call is atomic: a load never sees a torn value. Values of 1, 2, 4 or 8 bytes are atomic
// words of shared memory, worked on in place, as std::atomic is, sequentially consistent. Others
// are published whole: a load takes no lock and is never blocked by a killed or stopped writer; a
// store waits for another writer up to ClientOptions::op_timeout, then DEADLINE_EXCEEDED and
// nothing changed.
//
// wait() returns when the value is no longer `old`; who changes the value says so by notify(), as
// with std::atomic. load() and wait() work on a read-only attachment; there wait() looks every few
// milliseconds.
// Integers wrap. Floating-point values are compared by their bytes.
// lock() is a recursive lock for what takes several calls. No call takes it of itself but a
// transaction that stores the cell.
//
// Death: a process that dies in the middle of a store leaves the old value or the new. The lock: as
// RLock.
// Errors, thread and fork safety, ownership, waiting: arena_object.h. Values of one word are read
// and written without a system call from the first call on.
#pragma once

#include <atomic>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "shoal/arena_object.h"
#include "shoal/export.h"
#include "shoal/fingerprint.h"
#include "shoal/lock.h"
#include "shoal/object.h"

namespace shoal {

namespace internal {

inline constexpr std::uint64_t kNoObject = 0;

// Where the bytes of a cell or an array are, and the word that says whether they are still its.
struct SHOAL_EXPORT Place {
  const std::uint64_t* id_now = &kNoObject;
  const std::uint64_t* id_now_to_write = &kNoObject;  // so for a read-only proxy
  std::uint64_t id = 1;                               // what it must be
  std::byte* bytes = nullptr;
  std::uint64_t size = 0;

  static Place of(const Reference& reference);

  // Of a cell of one word: how far its value lies behind the word at `id_now`.
  static constexpr std::size_t kValueBehindId = 64;

  [[nodiscard]] bool may_read() const { return load(id_now) == id; }
  [[nodiscard]] bool may_write() const { return load(id_now_to_write) == id; }
  [[nodiscard]] bool is_at(const std::uint64_t* word) const { return load(word) == id; }

 private:
  // An atomic_ref that only loads: the word may be const, and in read-only memory.
  static std::uint64_t load(const std::uint64_t* word) {
    return std::atomic_ref<std::uint64_t>(const_cast<std::uint64_t&>(*word))
        .load(std::memory_order_acquire);
  }
};

// Why a place may not be read or written. `reference` may be null.
SHOAL_EXPORT absl::Status refusal(const Reference* reference);

// Cells of more than a word. `expected` becomes what was found if that is another value: false.
SHOAL_EXPORT absl::Status load_cell(const Reference* reference, std::span<std::byte> value);
SHOAL_EXPORT absl::Status store_cell(const Reference* reference, std::span<const std::byte> value);
SHOAL_EXPORT absl::StatusOr<bool> exchange_cell(const Reference* reference,
                                                std::span<std::byte> expected,
                                                std::span<const std::byte> desired);
// Of any cell.
SHOAL_EXPORT absl::Status wait_for_cell(const Reference* reference, std::span<const std::byte> old,
                                        absl::Duration timeout);
SHOAL_EXPORT absl::Status notify_cell(const Reference* reference);

// The unsigned integer with the bytes of a value of one word.
template <std::size_t bytes>
struct WordOf {};
template <>
struct WordOf<1> {
  using Type = std::uint8_t;
};
template <>
struct WordOf<2> {
  using Type = std::uint16_t;
};
template <>
struct WordOf<4> {
  using Type = std::uint32_t;
};
template <>
struct WordOf<8> {
  using Type = std::uint64_t;
};

template <typename T>
concept OneWord = requires {
  typename WordOf<sizeof(T)>::Type;
};

template <typename T>
concept Countable = std::is_arithmetic_v<T> && !std::same_as<T, bool>;
template <typename T>
concept Maskable = std::integral<T> && !std::same_as<T, bool>;

template <typename T>
std::span<std::byte> bytes_of(T& value) {
  return {reinterpret_cast<std::byte*>(&value), sizeof(T)};
}
template <typename T>
std::span<const std::byte> bytes_of(const T& value) {
  return {reinterpret_cast<const std::byte*>(&value), sizeof(T)};
}

}  // namespace internal

template <class T>
struct CellOptions {
  T initial = {};
  Lifetime lifetime = Lifetime::kNamed;
  Access access = Access::kReadWrite;  // open_or_create: how to open an existing object
};

template <class T>
class Cell : public internal::ArenaKind<Cell<T>> {
  static_assert(Shareable<T>, "a Cell's type must be a number, or be named by SHOAL_TYPE");
  static_assert(std::is_default_constructible_v<T>);
  static constexpr bool kOneWord = internal::OneWord<T>;

 public:
  using Options = CellOptions<T>;
  using value_type = T;

  Cell() = default;  // closed

  [[nodiscard]] absl::StatusOr<T> load() const;
  absl::Status store(const T& value) const;
  // The value before.
  absl::StatusOr<T> exchange(const T& value) const;
  // False, and `expected` becomes what was found, if the cell does not hold it.
  absl::StatusOr<bool> compare_exchange(T& expected, const T& desired) const;

  // The value before.
  absl::StatusOr<T> fetch_add(T by) const requires internal::Countable<T>;
  absl::StatusOr<T> fetch_sub(T by) const requires internal::Countable<T>;
  absl::StatusOr<T> fetch_and(T mask) const requires internal::Maskable<T>;
  absl::StatusOr<T> fetch_or(T mask) const requires internal::Maskable<T>;
  absl::StatusOr<T> fetch_xor(T mask) const requires internal::Maskable<T>;

  // Until the value is not `old`. DEADLINE_EXCEEDED.
  [[nodiscard]] absl::Status wait(const T& old,
                                  absl::Duration timeout = absl::InfiniteDuration()) const {
    return internal::wait_for_cell(this->reference_.get(), internal::bytes_of(old), timeout);
  }
  // Lets those who wait look. After the change.
  absl::Status notify() const { return internal::notify_cell(this->reference_.get()); }

  // Its lock. Closed with the cell.
  [[nodiscard]] RLock& lock() const { return lock_; }

  absl::Status close() {
    *this = Cell();
    return absl::OkStatus();
  }

 private:
  friend class internal::ArenaKind<Cell>;

  explicit Cell(std::shared_ptr<internal::Reference> reference)
      : internal::ArenaKind<Cell>(std::move(reference)),
        lock_(internal::lock_of(this->reference_)),
        place_(internal::Place::of(*this->reference_)) {}

  static internal::ArenaRequest wanted(const Options& options) {
    return {.kind = Kind::kCell,
            .parameter = sizeof(T),
            .lifetime = options.lifetime,
            .access = options.access,
            .fingerprint = fingerprint<T>(),
            .element_bytes = sizeof(T),
            .initial = internal::bytes_of(options.initial)};
  }

  // What every call on a value of one word comes down to.
  template <class Change>
  absl::StatusOr<T> change(Change change) const;
  [[nodiscard]] auto word() const {
    using Word = typename internal::WordOf<sizeof(T)>::Type;
    return std::atomic_ref<Word>(*reinterpret_cast<Word*>(place_.bytes));
  }
  static auto to_word(const T& value) {
    return std::bit_cast<typename internal::WordOf<sizeof(T)>::Type>(value);
  }
  [[nodiscard]] absl::Status refusal() const { return internal::refusal(this->reference_.get()); }

  mutable RLock lock_;
  internal::Place place_;
};

template <class T>
absl::StatusOr<T> Cell<T>::load() const {
  if constexpr (kOneWord) {
    // By way of one pointer: this is all that a load costs beside the load itself.
    const std::uint64_t* const id = place_.id_now;
    if (!place_.is_at(id)) [[unlikely]]
      return refusal();
    using Word = typename internal::WordOf<sizeof(T)>::Type;
    auto* const bytes = reinterpret_cast<std::byte*>(const_cast<std::uint64_t*>(id));
    auto* const value = reinterpret_cast<Word*>(bytes + internal::Place::kValueBehindId);
    return std::bit_cast<T>(std::atomic_ref<Word>(*value).load());
  } else {
    T value;
    absl::Status status = internal::load_cell(this->reference_.get(), internal::bytes_of(value));
    if (!status.ok()) return status;
    return value;
  }
}

template <class T>
absl::Status Cell<T>::store(const T& value) const {
  if constexpr (kOneWord) {
    if (!place_.may_write()) [[unlikely]]
      return refusal();
    word().store(to_word(value));
    return absl::OkStatus();
  } else {
    return internal::store_cell(this->reference_.get(), internal::bytes_of(value));
  }
}

template <class T>
absl::StatusOr<bool> Cell<T>::compare_exchange(T& expected, const T& desired) const {
  if constexpr (kOneWord) {
    if (!place_.may_write()) [[unlikely]]
      return refusal();
    auto found = to_word(expected);
    const bool done = word().compare_exchange_strong(found, to_word(desired));
    if (!done) expected = std::bit_cast<T>(found);
    return done;
  } else {
    return internal::exchange_cell(this->reference_.get(), internal::bytes_of(expected),
                                   internal::bytes_of(desired));
  }
}

template <class T>
absl::StatusOr<T> Cell<T>::exchange(const T& value) const {
  if constexpr (kOneWord) {
    if (!place_.may_write()) [[unlikely]]
      return refusal();
    return std::bit_cast<T>(word().exchange(to_word(value)));
  } else {
    absl::StatusOr<T> found = load();
    while (found.ok()) {
      const absl::StatusOr<bool> done = compare_exchange(*found, value);
      if (!done.ok()) return done.status();
      if (*done) break;
    }
    return found;
  }
}

template <class T>
template <class Change>
absl::StatusOr<T> Cell<T>::change(Change change) const {
  if (!place_.may_write()) [[unlikely]]
    return refusal();
  if constexpr (std::integral<T>) {
    return static_cast<T>(change(word()));
  } else {
    auto found = word().load(std::memory_order_relaxed);
    while (!word().compare_exchange_weak(found, to_word(change(std::bit_cast<T>(found))))) {
    }
    return std::bit_cast<T>(found);
  }
}

template <class T>
absl::StatusOr<T> Cell<T>::fetch_add(T by) const requires internal::Countable<T> {
  if constexpr (std::integral<T>) {
    return change([&](auto word) { return word.fetch_add(to_word(by)); });
  } else {
    return change([&](T value) { return value + by; });
  }
}

template <class T>
absl::StatusOr<T> Cell<T>::fetch_sub(T by) const requires internal::Countable<T> {
  if constexpr (std::integral<T>) {
    return change([&](auto word) { return word.fetch_sub(to_word(by)); });
  } else {
    return change([&](T value) { return value - by; });
  }
}

template <class T>
absl::StatusOr<T> Cell<T>::fetch_and(T mask) const requires internal::Maskable<T> {
  return change([&](auto word) { return word.fetch_and(to_word(mask)); });
}
template <class T>
absl::StatusOr<T> Cell<T>::fetch_or(T mask) const requires internal::Maskable<T> {
  return change([&](auto word) { return word.fetch_or(to_word(mask)); });
}
template <class T>
absl::StatusOr<T> Cell<T>::fetch_xor(T mask) const requires internal::Maskable<T> {
  return change([&](auto word) { return word.fetch_xor(to_word(mask)); });
}

}  // namespace shoal
