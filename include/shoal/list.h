// A list shared between processes: what Python's Manager().list() is, but every process that has
// attached reads and writes it in place. No message, no manager.
//
//   auto jobs = client->open_or_create<shoal::List>("jobs");
//   jobs->append(42);
//   jobs->extend({"two", 3.0});
//   absl::StatusOr<shoal::Value> last = jobs->get(-1);          // OUT_OF_RANGE if there is none
//   absl::StatusOr<std::vector<shoal::Value>> all = jobs->items();
//   for (const shoal::Value& job : *all) ...
//
// Indices and slices are Python's: -1 is the last element, a slice goes from `start` up to and
// without `stop`, in steps, and ends where the list does. Values: value.h; from 0 bytes to 1 GiB.
//
// Each call is atomic: others see the list before or the list after, never a mixture, and a process
// killed in a call has done all of it or nothing. Reads take no lock, wait for nobody (a killed or
// stopped writer included) and work on a read-only attachment. Writers take turns; a writer waits
// for another at most ClientOptions::op_timeout, then DEADLINE_EXCEEDED and nothing changed.
//
// items(), slice(), copy(), index(), count() see no element twice and miss none because of what
// others insert or take away; each element is as it was at some moment of the call, so of two
// elements that another process sets one after the other the second may be seen new and the first
// old. for_each() goes by index, as Python's iteration does.
//
// Memory: an empty list takes none beside its 256 bytes; a number, a reference or a text of at most
// 6 bytes takes 8 bytes, a longer one 16 and itself, one above 2 KiB a piece of the arena. It is
// full when its arena is, or its quota, or with 268 million elements: RESOURCE_EXHAUSTED, nothing
// changed, reading and pop(-1) go on.
// Cost: get, set, append and pop(-1) do not depend on the size. Whatever else moves elements
// (insert, pop elsewhere, slices, sort, reverse) copies the list, and needs room for the copy
// meanwhile.
//
// Errors beside those of arena_object.h: OUT_OF_RANGE: no such index. NOT_FOUND: no such value.
// INVALID_ARGUMENT: what can be no value, or too many or few of them. DATA_LOSS: a writer has
// damaged its bytes, or another release wrote a value that this one cannot read.
// Ownership, thread and fork safety: arena_object.h. Death of a writer: nothing stays locked, and
// nobody is told, since nothing is ever half done.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "shoal/arena_object.h"
#include "shoal/export.h"
#include "shoal/object.h"
#include "shoal/value.h"

namespace shoal {

struct ListOptions {
  Lifetime lifetime = Lifetime::kNamed;
  Access access = Access::kReadWrite;  // open_or_create: how to open an existing object
};

// list[start:stop:step]. A step of 0 is INVALID_ARGUMENT.
struct Slice {
  std::optional<std::ptrdiff_t> start = {};
  std::optional<std::ptrdiff_t> stop = {};
  std::ptrdiff_t step = 1;
};

struct ListSortOptions {
  bool reverse = false;  // equal elements keep their order all the same
};

// Of a list: for tools and tests. Counts of bytes are of shared memory.
struct ListStatistics {
  std::uint64_t elements = 0;
  std::uint64_t leaves = 0;        // parts of up to 2,046 elements
  std::uint64_t block_bytes = 0;   // of all its memory
  std::uint64_t live_bytes = 0;    // of elements
  std::uint64_t dead_bytes = 0;    // of texts that were overwritten or taken away
  std::uint64_t large_values = 0;  // with memory of their own
};

class SHOAL_EXPORT List : public internal::ArenaKind<List> {
 public:
  using Options = ListOptions;

  List() = default;  // closed

  // ---- reading ----

  [[nodiscard]] absl::StatusOr<Value> get(std::ptrdiff_t index) const;
  // Of this type, or FAILED_PRECONDITION. T: bool, std::int64_t, double, std::string or Bytes.
  template <typename T>
  [[nodiscard]] absl::StatusOr<T> get_as(std::ptrdiff_t index) const;
  [[nodiscard]] absl::StatusOr<std::size_t> size() const;
  [[nodiscard]] absl::StatusOr<std::vector<Value>> items() const { return slice({}); }
  [[nodiscard]] absl::StatusOr<std::vector<Value>> slice(const Slice& slice) const;
  // As a Value of kind list.
  [[nodiscard]] absl::StatusOr<Value> copy() const;
  // Where the first element is that equals `value`, from `start` up to `stop`. NOT_FOUND.
  [[nodiscard]] absl::StatusOr<std::size_t> index(
      const Value& value, std::ptrdiff_t start = 0,
      std::optional<std::ptrdiff_t> stop = std::nullopt) const;
  [[nodiscard]] absl::StatusOr<std::size_t> count(const Value& value) const;
  [[nodiscard]] absl::StatusOr<bool> contains(const Value& value) const;
  // Calls `visit` for index 0, 1, ... until it says false or there are no more. What others insert
  // or take away meanwhile moves the elements behind it.
  absl::Status for_each(absl::FunctionRef<bool(std::size_t index, const Value& value)> visit) const;

  // ---- writing ----

  absl::Status set(std::ptrdiff_t index, const Value& value) const;
  absl::Status append(const Value& value) const;
  // The same for numbers, without making a Value of them first.
  template <internal::FitsInt64 T>
  absl::Status set(std::ptrdiff_t index, T number) const {
    return set_int(index, number);
  }
  template <internal::FitsInt64 T>
  absl::Status append(T number) const {
    return append_int(number);
  }
  // All of them or none.
  absl::Status extend(std::span<const Value> values) const;
  absl::Status extend(std::initializer_list<Value> values) const {
    return extend(std::span(values.begin(), values.size()));
  }
  // Before the element at `index`; beyond the ends: there.
  absl::Status insert(std::ptrdiff_t index, const Value& value) const;
  // The element, which is taken out.
  absl::StatusOr<Value> pop(std::ptrdiff_t index = -1) const;
  // Takes the first element out that equals `value`: Python's remove. NOT_FOUND.
  absl::Status erase(const Value& value) const;
  // list[slice] = values: with a step other than 1, as many values as elements.
  absl::Status assign(const Slice& slice, std::span<const Value> values) const;
  // del list[slice].
  absl::Status erase_slice(const Slice& slice) const;
  absl::Status clear() const;
  absl::Status reverse() const;
  // Numbers by value, texts by code point, bytes by byte, lists and tuples element by element.
  // FAILED_PRECONDITION: elements that cannot be compared, such as 1 and "a", or none with
  // anything; nothing was changed. Where a NaN ends up is not said.
  absl::Status sort(const ListSortOptions& options = {}) const;

  // ---- seeing ----

  // Looks through all of it, while others go on. DATA_LOSS says the first thing that is wrong.
  // DEADLINE_EXCEEDED: others have moved its elements all the time.
  [[nodiscard]] absl::StatusOr<ListStatistics> verify() const;

 private:
  absl::Status set_int(std::ptrdiff_t index, std::int64_t number) const;
  absl::Status append_int(std::int64_t number) const;

  friend class internal::ArenaKind<List>;
  using internal::ArenaKind<List>::ArenaKind;

  static internal::ArenaRequest wanted(const Options& options) {
    return {.kind = Kind::kList, .lifetime = options.lifetime, .access = options.access};
  }
};

template <>
SHOAL_EXPORT absl::StatusOr<bool> List::get_as<bool>(std::ptrdiff_t index) const;
template <>
SHOAL_EXPORT absl::StatusOr<std::int64_t> List::get_as<std::int64_t>(std::ptrdiff_t index) const;
template <>
SHOAL_EXPORT absl::StatusOr<double> List::get_as<double>(std::ptrdiff_t index) const;
template <>
SHOAL_EXPORT absl::StatusOr<std::string> List::get_as<std::string>(std::ptrdiff_t index) const;
template <>
SHOAL_EXPORT absl::StatusOr<Bytes> List::get_as<Bytes>(std::ptrdiff_t index) const;

}  // namespace shoal
