// Freed segments that are kept to be used again: first in a queue to be washed (zeroed), then
// ready. Both are bounded together, and the oldest goes first. Whether anybody still has a segment
// is asked before it is washed and again before it is given out.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <deque>
#include <list>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_map.h"

#include "daemon/segment.h"

namespace shoal::daemon {

// Each holds a descriptor; so there is a bound beside the bytes.
inline constexpr std::size_t kWarmSegmentsMax = 1024;

// Segments in the order they came, found by size and uid.
class WarmQueue {
 public:
  struct Entry {
    Segment segment;
    std::uint64_t order;       // of retiring
    std::uint64_t washed = 0;  // bytes
  };

  void push(Entry entry);
  // The newest of that size and uid.
  std::optional<Entry> take(std::uint64_t size, uid_t uid);
  std::optional<Entry> take_oldest();
  [[nodiscard]] const Entry* oldest() const;
  [[nodiscard]] std::size_t count() const { return entries_.size(); }
  [[nodiscard]] std::size_t count(std::uint64_t size, uid_t uid) const;

 private:
  using Key = std::pair<std::uint64_t, uid_t>;
  using Entries = std::list<Entry>;
  Entry remove(Entries::iterator at);

  Entries entries_;
  absl::flat_hash_map<Key, std::deque<Entries::iterator>> by_key_;
};

class WarmPool {
 public:
  explicit WarmPool(std::uint64_t bytes_max) : bytes_max_(bytes_max) {}

  // Keeps the segment or closes it.
  void put(Segment segment);
  // A zeroed, whole segment that nobody has; washes one itself if need be.
  std::optional<Segment> take(std::uint64_t size, uid_t uid);
  // Zeroes at most a slice; true if there is more to do.
  bool wash_slice();
  // Frees at least `bytes`, oldest first, or all; true if any were freed.
  bool drop(std::uint64_t bytes);
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  [[nodiscard]] std::size_t count() const {
    return dirty_.count() + ready_.count() + (washing_ ? 1 : 0);
  }

 private:
  using Entry = WarmQueue::Entry;
  bool drop_oldest();
  void forget(const Entry& entry) { bytes_ -= entry.segment.map_size(); }

  std::uint64_t bytes_max_;
  std::uint64_t bytes_ = 0;
  std::uint64_t order_ = 0;
  WarmQueue dirty_;
  WarmQueue ready_;
  std::optional<Entry> washing_;  // out of dirty_, known to be ours alone
};

}  // namespace shoal::daemon
