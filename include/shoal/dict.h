// A dict shared between processes: what Python's Manager().dict() is, but every process that has
// attached reads and writes it in place. No message, no manager.
//
//   auto users = client->open_or_create<shoal::Dict>("users");
//   users->put("alice", 42);
//   absl::StatusOr<shoal::Value> alice = users->get("alice");     // NOT_FOUND if absent
//   users->increment("visits");
//   absl::StatusOr<std::vector<shoal::DictEntry>> all = users->items();
//   for (const auto& [key, value] : *all) ...
//
// Keys: key.h. Values: value.h; from 0 bytes to 1 GiB; other objects, too (reference.h). Each call
// is atomic: readers see the value before or the value after, never a mixture, and a process killed
// in a call has done all of it or nothing. Reads take no lock, wait for nobody (a killed or stopped
// writer included) and work on a read-only attachment. Writers of one key, and of keys that happen
// to lie together, take turns: a writer waits for another, at most ClientOptions::op_timeout, then
// DEADLINE_EXCEEDED and nothing changed.
//
// Iteration, keys(), values(), items(), copy(): in the order of insertion; a new value for a key
// keeps its place. Every key that is there all the time is met exactly once; what others insert or
// erase meanwhile may or may not be met. They copy what they return, values too.
//
// Memory: an empty dict takes none beside its 256 bytes; it grows as it is filled, without ever
// copying more than a part of it at once, and gives memory back as it is emptied. It is full when
// its arena is, or its quota: RESOURCE_EXHAUSTED, nothing changed, reading and erasing go on.
// Cost: put, get and erase do not depend on the size; size() takes time with the number of parts,
// one for every few hundred entries; pop_item() looks through one of them.
//
// Errors beside those of arena_object.h: NOT_FOUND, ALREADY_EXISTS where said; INVALID_ARGUMENT for
// what can be no key or no value; DATA_LOSS: a writer has damaged its bytes, or another release
// wrote a value that this one cannot read.
// Iterating: each of the dict's parts is seen at one instant, in the order of insertion in all; who
// attached for reading, and finds a part that never rests, may see values newer than its keys. So
// it may show a transaction in one part and not in another: read_transaction() never does.
// Ownership, thread and fork safety: arena_object.h. Death of a writer: nothing stays locked, and
// nobody is told, since nothing is ever half done.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "shoal/arena_object.h"
#include "shoal/export.h"
#include "shoal/key.h"
#include "shoal/object.h"
#include "shoal/value.h"
#include "shoal/value_view.h"

namespace shoal {

struct DictOptions {
  Lifetime lifetime = Lifetime::kNamed;
  Access access = Access::kReadWrite;  // open_or_create: how to open an existing object
};

// One entry, copied.
struct DictEntry {
  Value key;
  Value value;

  friend bool operator==(const DictEntry&, const DictEntry&) = default;
};

// Of a dict: for tools and tests. Counts of bytes are of shared memory.
struct DictStatistics {
  std::uint64_t entries = 0;
  std::uint64_t shards = 0;        // parts, each with a lock of its own
  std::uint64_t block_bytes = 0;   // that the entries' blocks take
  std::uint64_t live_bytes = 0;    // of entries
  std::uint64_t dead_bytes = 0;    // of entries that were erased or replaced
  std::uint64_t large_values = 0;  // with memory of their own
  std::uint64_t large_bytes = 0;
  double load = 0;              // slots used, of all
  double probes = 0;            // buckets looked at for an entry, on average
  std::uint64_t contended = 0;  // waits for a shard's lock since it was last split
  std::uint64_t changes = 0;    // ever made
  std::uint64_t splits = 0;     // of one part into two, ever made
};

namespace internal {

// Of everything that is a dict underneath. `reference` may be null.
SHOAL_EXPORT absl::StatusOr<std::size_t> dict_size(const Reference* reference);
SHOAL_EXPORT absl::Status clear_dict(const Reference* reference);
SHOAL_EXPORT absl::StatusOr<DictStatistics> verify_dict(const Reference* reference);
SHOAL_EXPORT absl::StatusOr<std::uint64_t> dict_changes(
    const std::shared_ptr<Reference>& reference);
// What changes() gives, and nothing that becomes it: `watch(5, {})` is about the key 5.
template <typename T>
concept ChangeCount = std::unsigned_integral<T> && sizeof(T) == sizeof(std::uint64_t);
SHOAL_EXPORT absl::Status watch_dict(const std::shared_ptr<Reference>& reference,
                                     std::uint64_t seen, absl::Duration timeout);

}  // namespace internal

class SHOAL_EXPORT Dict : public internal::ArenaKind<Dict> {
 public:
  using Options = DictOptions;

  Dict() = default;  // closed

  // ---- reading ----

  [[nodiscard]] absl::StatusOr<Value> get(const Key& key) const;
  // Bytes, text, or an integer or double as its 8 bytes, copied into `out`: how many there are.
  // OUT_OF_RANGE: more than `out` holds; the message says how many. Allocates nothing.
  [[nodiscard]] absl::StatusOr<std::size_t> get_into(const Key& key,
                                                     std::span<std::byte> out) const;
  // The same; nullopt, which costs no message: there is no such key.
  [[nodiscard]] absl::StatusOr<std::optional<std::size_t>> find_into(
      const Key& key, std::span<std::byte> out) const;
  // Of this type, or FAILED_PRECONDITION. T: bool, std::int64_t, double, std::string or Bytes.
  template <typename T>
  [[nodiscard]] absl::StatusOr<T> get_as(const Key& key) const;
  // Calls `look` with the value's kind and bytes, which are good until it returns.
  absl::Status visit(const Key& key,
                     absl::FunctionRef<void(ValueKind, std::span<const std::byte>)> look) const;
  // The value's bytes, large ones where they lie in shared memory: see value_view.h.
  [[nodiscard]] absl::StatusOr<ValueView> view(const Key& key) const;
  [[nodiscard]] absl::StatusOr<bool> contains(const Key& key) const;
  [[nodiscard]] absl::StatusOr<std::size_t> size() const;
  [[nodiscard]] absl::StatusOr<std::vector<Value>> keys() const;
  [[nodiscard]] absl::StatusOr<std::vector<Value>> values() const;
  [[nodiscard]] absl::StatusOr<std::vector<DictEntry>> items() const;
  // As a Value of kind map.
  [[nodiscard]] absl::StatusOr<Value> copy() const;

  // ---- writing ----

  absl::Status put(const Key& key, const Value& value) const;
  // The same without making a Value of it first.
  absl::Status put_bytes(const Key& key, std::span<const std::byte> bytes) const;
  absl::Status put_text(const Key& key, std::string_view text) const;
  // NOT_FOUND.
  absl::Status erase(const Key& key) const;
  // The value that is there, or `value`, which is put then: Python's setdefault.
  absl::StatusOr<Value> get_or_insert(const Key& key, const Value& value) const;
  // The value, which is erased. NOT_FOUND.
  absl::StatusOr<Value> pop(const Key& key) const;
  // The entry that was inserted last, which is erased. NOT_FOUND: the dict is empty.
  absl::StatusOr<DictEntry> pop_item() const;
  // Puts `desired` if the value equals `expected`; nullopt: there is no such key; as `desired`:
  // erase. ABORTED: it does not, and nothing was changed.
  absl::Status compare_and_swap(const Key& key, const std::optional<Value>& expected,
                                const std::optional<Value>& desired) const;
  // Adds to an integer or a double; a key that is not there begins with 0. The value afterwards.
  // FAILED_PRECONDITION: the value is no number. OUT_OF_RANGE: it would leave 64 bits.
  absl::StatusOr<std::int64_t> increment(const Key& key) const { return add(key, std::int64_t{1}); }
  template <internal::FitsInt64 T>
  absl::StatusOr<std::int64_t> increment(const Key& key, T by) const {
    return add(key, std::int64_t{by});
  }
  template <std::floating_point T>
  absl::StatusOr<double> increment(const Key& key, T by) const {
    return add(key, double{by});
  }
  absl::Status clear() const;
  // All of them or none.
  absl::Status update(std::span<const DictEntry> entries) const;
  absl::Status update(std::initializer_list<DictEntry> entries) const {
    return update(std::span(entries.begin(), entries.size()));
  }

  // ---- waiting ----

  // Until the key's value is not `seen` any more (nullopt: until there is one), or is of another
  // kind. A change that is taken back before anybody looks is not seen. DEADLINE_EXCEEDED. A
  // read-only proxy looks every few milliseconds. poll_fd() becomes readable with every change.
  [[nodiscard]] absl::Status watch(const Key& key, const std::optional<Value>& seen,
                                   absl::Duration timeout = absl::InfiniteDuration()) const;
  // A number that grows with every change of the dict.
  [[nodiscard]] absl::StatusOr<std::uint64_t> changes() const;
  // Until changes() is not `seen`.
  template <internal::ChangeCount T>
  [[nodiscard]] absl::Status watch(T seen,
                                   absl::Duration timeout = absl::InfiniteDuration()) const {
    return internal::watch_dict(reference_, seen, timeout);
  }

  // ---- seeing ----

  // Looks through all of it, while others go on. DATA_LOSS says the first thing that is wrong.
  [[nodiscard]] absl::StatusOr<DictStatistics> verify() const;

 private:
  absl::StatusOr<std::int64_t> add(const Key& key, std::int64_t by) const;
  absl::StatusOr<double> add(const Key& key, double by) const;

  friend class internal::ArenaKind<Dict>;
  friend class Namespace;
  using internal::ArenaKind<Dict>::ArenaKind;

  static internal::ArenaRequest wanted(const Options& options) {
    return {.kind = Kind::kDict, .lifetime = options.lifetime, .access = options.access};
  }
};

template <>
SHOAL_EXPORT absl::StatusOr<bool> Dict::get_as<bool>(const Key& key) const;
template <>
SHOAL_EXPORT absl::StatusOr<std::int64_t> Dict::get_as<std::int64_t>(const Key& key) const;
template <>
SHOAL_EXPORT absl::StatusOr<double> Dict::get_as<double>(const Key& key) const;
template <>
SHOAL_EXPORT absl::StatusOr<std::string> Dict::get_as<std::string>(const Key& key) const;
template <>
SHOAL_EXPORT absl::StatusOr<Bytes> Dict::get_as<Bytes>(const Key& key) const;

}  // namespace shoal
