// A fixed number of values in shared memory, side by side: what Python's multiprocessing calls
// Array.
//
//   auto grid = client->create<shoal::Array<double>>("grid", {.size = 4096});
//   std::ranges::fill(grid->data(), 1.0);
//   { std::scoped_lock guard(grid->lock()); grid->data()[0] += 2.0; }
//
// T as for Cell. New elements are zero. get() and set() copy one element; of 1, 2, 4 or 8 bytes
// that is atomic, of more it is not. data() is the memory itself: yours to synchronise. No call
// takes the lock of itself. Indices: 0..N-1, or -N..-1 from the end; others are OUT_OF_RANGE.
//
// Ownership: data() stays valid until the last copy of the proxy is closed or destroyed, whatever
// happens to the name, to the manager, or in a forked child. Through a proxy that is attached
// read-only a write to data() is a SIGSEGV.
// Death: what was written stays. The lock: as RLock.
// Errors beside those of arena_object.h: create: INVALID_ARGUMENT for a size of 0 or over what an
// arena holds; RESOURCE_EXHAUSTED. open: FAILED_PRECONDITION for another type.
// Thread and fork safety, waiting: arena_object.h.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "shoal/arena_object.h"
#include "shoal/cell.h"
#include "shoal/export.h"
#include "shoal/fingerprint.h"
#include "shoal/lock.h"
#include "shoal/object.h"

namespace shoal {

namespace internal {

SHOAL_EXPORT absl::Status no_such_element(const Reference& reference, std::ptrdiff_t index,
                                          std::size_t size);

}  // namespace internal

template <class T>
struct ArrayOptions {
  std::size_t size = 0;  // elements: must be given
  Lifetime lifetime = Lifetime::kNamed;
  Access access = Access::kReadWrite;  // open_or_create: how to open an existing object
};

template <class T>
class Array : public internal::ArenaKind<Array<T>> {
  static_assert(Shareable<T>, "an Array's type must be a number, or be named by SHOAL_TYPE");
  static_assert(std::is_default_constructible_v<T>);
  static_assert(alignof(T) <= 64);

 public:
  using Options = ArrayOptions<T>;
  using value_type = T;

  Array() = default;  // closed

  // The elements. Empty once closed.
  [[nodiscard]] std::span<T> data() const {
    return {reinterpret_cast<T*>(place_.bytes), place_.size / sizeof(T)};
  }
  [[nodiscard]] std::size_t size() const { return place_.size / sizeof(T); }
  [[nodiscard]] bool empty() const { return size() == 0; }

  [[nodiscard]] absl::StatusOr<T> get(std::ptrdiff_t index) const {
    if (!place_.may_read()) [[unlikely]]
      return refusal();
    T* const at = element(index);
    if (at == nullptr) [[unlikely]]
      return no_such_element(index);
    if constexpr (internal::OneWord<T>) {
      return std::bit_cast<T>(word(at).load(std::memory_order_acquire));
    } else {
      T value;
      std::memcpy(&value, at, sizeof(T));
      return value;
    }
  }

  absl::Status set(std::ptrdiff_t index, const T& value) const {
    if (!place_.may_write()) [[unlikely]]
      return refusal();
    T* const at = element(index);
    if (at == nullptr) [[unlikely]]
      return no_such_element(index);
    if constexpr (internal::OneWord<T>) {
      using Word = typename internal::WordOf<sizeof(T)>::Type;
      word(at).store(std::bit_cast<Word>(value), std::memory_order_release);
    } else {
      std::memcpy(at, &value, sizeof(T));
    }
    return absl::OkStatus();
  }

  // Its lock. Closed with the array.
  [[nodiscard]] RLock& lock() const { return lock_; }

  absl::Status close() {
    *this = Array();
    return absl::OkStatus();
  }

 private:
  friend class internal::ArenaKind<Array>;

  explicit Array(std::shared_ptr<internal::Reference> reference)
      : internal::ArenaKind<Array>(std::move(reference)),
        lock_(internal::lock_of(this->reference_)),
        place_(internal::Place::of(*this->reference_)) {}

  // What does not fit asks for more than any arena has.
  static internal::ArenaRequest wanted(const Options& options) {
    return {
        .kind = Kind::kArray,
        .parameter = options.size > UINT64_MAX / sizeof(T) ? UINT64_MAX : options.size * sizeof(T),
        .lifetime = options.lifetime,
        .access = options.access,
        .fingerprint = fingerprint<T>(),
        .element_bytes = sizeof(T)};
  }

  // Null: there is no such element.
  [[nodiscard]] T* element(std::ptrdiff_t index) const {
    const auto count = static_cast<std::ptrdiff_t>(size());
    if (index < 0) index += count;
    if (index < 0 || index >= count) return nullptr;
    return reinterpret_cast<T*>(place_.bytes) + index;
  }
  static auto word(T* at) {
    using Word = typename internal::WordOf<sizeof(T)>::Type;
    return std::atomic_ref<Word>(*reinterpret_cast<Word*>(at));
  }
  [[nodiscard]] absl::Status refusal() const { return internal::refusal(this->reference_.get()); }
  [[nodiscard]] absl::Status no_such_element(std::ptrdiff_t index) const {
    return internal::no_such_element(*this->reference_, index, size());
  }

  mutable RLock lock_;
  internal::Place place_;
};

}  // namespace shoal
