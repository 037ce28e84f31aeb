// A list of fixed length whose elements may change in place: byte for byte the layout of Python's
// multiprocessing.shared_memory.ShareableList, with its known faults mended (docs/format.md).
//
//   auto totals = client->create<shoal::ShareableList>("totals", {.values = {0, 0.5, "text",
//   nullptr}}); totals->set(0, 42);
//
// Elements are none, bool, int64, double, string or bytes; an element may change its type. A string
// or bytes element may grow up to its slot: the bytes it was created with, rounded up to the next
// multiple of 8 (a full slot gets 8 more).
//
// Among shoal processes a reader never sees a torn element, takes no lock, and is never blocked by
// a killed or stopped writer; a writer killed inside set() leaves the old or the new value. Python
// processes that use the same bytes through the stdlib are outside that promise, and so is a list
// whose bytes were laid out by the stdlib (no trailer).
//
// A list in the bytes of a SharedMemory (over()) is not recovered by the manager when a writer is
// killed: use objects of this kind for that.
//
// Blocking: get() never waits. The first set() of a forked child opens its session, which is a
// control call. set() waits for another writer of the same list up to
// `ClientOptions::op_timeout`, then DEADLINE_EXCEEDED and nothing changed.
// Indices: 0..N-1, or -N..-1 from the end; others are OUT_OF_RANGE.
// DATA_LOSS: the bytes were found damaged. Thread and fork safety, ownership: as SharedMemory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "shoal/client.h"
#include "shoal/export.h"
#include "shoal/object.h"
#include "shoal/shared_memory.h"
#include "shoal/value.h"

namespace shoal {

struct ShareableListOptions {
  std::vector<Value> values = {};
  Lifetime lifetime = Lifetime::kNamed;
  Access access = Access::kReadWrite;  // open_or_create: how to open an existing list
};

class SHOAL_EXPORT ShareableList {
 public:
  using Options = ShareableListOptions;
  class Iterator;

  ShareableList() = default;  // closed

  // The list that the bytes of `memory` hold, however they came there (for example from Python).
  // The list keeps its own share of the reference. DATA_LOSS: they hold none.
  [[nodiscard]] static absl::StatusOr<ShareableList> over(const SharedMemory& memory);

  [[nodiscard]] std::size_t size() const;  // 0 once closed
  [[nodiscard]] bool empty() const { return size() == 0; }

  [[nodiscard]] absl::StatusOr<Value> get(std::ptrdiff_t index) const;
  // FAILED_PRECONDITION if the element is of another type. Neither allocates.
  [[nodiscard]] absl::StatusOr<std::int64_t> get_int(std::ptrdiff_t index) const;
  [[nodiscard]] absl::StatusOr<double> get_double(std::ptrdiff_t index) const;
  // Copies a string or bytes element into `out` without allocating and returns its length.
  // OUT_OF_RANGE if it does not fit.
  [[nodiscard]] absl::StatusOr<std::size_t> get_into(std::ptrdiff_t index,
                                                     std::span<std::byte> out) const;

  // OUT_OF_RANGE if the value is larger than its slot; nothing is changed then.
  absl::Status set(std::ptrdiff_t index, const Value& value) const;
  absl::Status set_int(std::ptrdiff_t index, std::int64_t value) const;

  // The first index of an equal element (1, 1.0 and true are equal, as in Python). NOT_FOUND.
  [[nodiscard]] absl::StatusOr<std::size_t> index(const Value& value) const;
  [[nodiscard]] absl::StatusOr<std::size_t> count(const Value& value) const;

  // The element's `struct` format in Python's spelling: "q", "d", "xxxxxxx?", "16s", "xxxxxx?x".
  [[nodiscard]] absl::StatusOr<std::string> format(std::ptrdiff_t index) const;

  // Elements one by one, each as it is when it is reached: absl::StatusOr<Value>.
  [[nodiscard]] Iterator begin() const;
  [[nodiscard]] Iterator end() const;

  [[nodiscard]] const SharedMemory& memory() const { return memory_; }
  [[nodiscard]] const std::string& name() const { return memory_.name(); }
  absl::Status close();
  [[nodiscard]] absl::Status unlink() const { return memory_.unlink(); }

 private:
  friend class Client;
  struct State;
  static absl::StatusOr<ShareableList> create(const Client& client, std::string_view name,
                                              const Options& options, bool open_existing);
  static absl::StatusOr<ShareableList> open(const Client& client, std::string_view name,
                                            const OpenOptions& options);
  static absl::StatusOr<ShareableList> open(const Client& client, const Token& token,
                                            const OpenOptions& options);
  static absl::StatusOr<ShareableList> from(SharedMemory memory);

  const std::shared_ptr<internal::Reference>& held() const { return memory_.held(); }

  SharedMemory memory_;
  std::shared_ptr<State> state_;
};

class ShareableList::Iterator {
 public:
  using value_type = absl::StatusOr<Value>;
  using difference_type = std::ptrdiff_t;
  using iterator_category = std::input_iterator_tag;

  Iterator() = default;
  Iterator(const ShareableList* list, std::size_t at) : list_(list), at_(at) {}
  value_type operator*() const { return list_->get(static_cast<std::ptrdiff_t>(at_)); }
  Iterator& operator++() {
    ++at_;
    return *this;
  }
  Iterator operator++(int) {
    Iterator before = *this;
    ++at_;
    return before;
  }
  friend bool operator==(const Iterator& a, const Iterator& b) { return a.at_ == b.at_; }

 private:
  const ShareableList* list_ = nullptr;
  std::size_t at_ = 0;
};

inline ShareableList::Iterator ShareableList::begin() const { return {this, 0}; }
inline ShareableList::Iterator ShareableList::end() const { return {this, size()}; }

}  // namespace shoal
