// See warm_pool.h.
#include "daemon/warm_pool.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>

namespace shoal::daemon {
namespace {

// What one call of wash_slice() may do, so that it never holds up a request for long.
constexpr std::uint64_t kSliceBytes = std::uint64_t{1} << 20;
constexpr int kSliceSegments = 64;
// Up to here making a new one costs no more than asking who still has it, twice, and washing it.
constexpr std::uint64_t kMadeAnewMax = 64 * 1024;

// Zeroes are written from a buffer that stays in the cache. A mapping kept for memset would be
// twice as fast, but costs 45 us a MiB to populate, page tables, and one of 65,530 mappings.
constexpr std::size_t kZeroBytes = 64 * 1024;
const char kZeroes[kZeroBytes] = {};

// Did any page go missing (a holder may punch holes)?
bool whole(const Segment& segment) { return segment.committed() >= segment.map_size(); }

// Behind the last byte the page goes on: a mapping reaches what no write() does.
bool wash_tail(const Segment& segment) {
  const std::uint64_t page = segment.page_size();
  const std::uint64_t used = segment.size() % page;
  if (used == 0) return true;
  void* const last = ::mmap(nullptr, page, PROT_READ | PROT_WRITE, MAP_SHARED, segment.fd(),
                            static_cast<off_t>(segment.size() - used));
  if (last == MAP_FAILED) return false;
  std::memset(static_cast<char*>(last) + used, 0, page - used);
  ::munmap(last, page);
  return true;
}

// Zeroes up to `most` bytes more; false if the segment is of no use.
bool wash(WarmQueue::Entry& entry, std::uint64_t most) {
  const std::uint64_t end = entry.washed + std::min(most, entry.segment.size() - entry.washed);
  while (entry.washed < end) {
    const auto piece =
        static_cast<std::size_t>(std::min<std::uint64_t>(end - entry.washed, kZeroBytes));
    const ssize_t written =
        ::pwrite(entry.segment.fd(), kZeroes, piece, static_cast<off_t>(entry.washed));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    entry.washed += static_cast<std::uint64_t>(written);
  }
  return entry.washed < entry.segment.size() || wash_tail(entry.segment);
}

bool washed(const WarmQueue::Entry& entry) { return entry.washed == entry.segment.size(); }

}  // namespace

void WarmQueue::push(Entry entry) {
  const Key key{entry.segment.size(), entry.segment.spec().uid};
  entries_.push_back(std::move(entry));
  by_key_[key].push_back(std::prev(entries_.end()));
}

std::optional<WarmQueue::Entry> WarmQueue::take(std::uint64_t size, uid_t uid) {
  const auto found = by_key_.find(Key{size, uid});
  if (found == by_key_.end()) return std::nullopt;
  return remove(found->second.back());
}

std::size_t WarmQueue::count(std::uint64_t size, uid_t uid) const {
  const auto found = by_key_.find(Key{size, uid});
  return found == by_key_.end() ? 0 : found->second.size();
}

std::optional<WarmQueue::Entry> WarmQueue::take_oldest() {
  if (entries_.empty()) return std::nullopt;
  return remove(entries_.begin());
}

const WarmQueue::Entry* WarmQueue::oldest() const {
  return entries_.empty() ? nullptr : &entries_.front();
}

// `at` is the newest or the oldest of its key: those of one key stand in the same order as in all.
WarmQueue::Entry WarmQueue::remove(Entries::iterator at) {
  const auto found = by_key_.find(Key{at->segment.size(), at->segment.spec().uid});
  if (found->second.back() == at) {
    found->second.pop_back();
  } else {
    found->second.pop_front();
  }
  if (found->second.empty()) by_key_.erase(found);
  Entry entry = std::move(*at);
  entries_.erase(at);
  return entry;
}

void WarmPool::put(Segment segment) {
  const std::uint64_t bytes = segment.map_size();
  if (bytes > bytes_max_ || bytes <= kMadeAnewMax) return;
  segment.take_spare().reset();
  bytes_ += bytes;
  dirty_.push({.segment = std::move(segment), .order = ++order_});
  while (bytes_ > bytes_max_ || count() > kWarmSegmentsMax) drop_oldest();
}

std::optional<Segment> WarmPool::take(std::uint64_t size, uid_t uid) {
  while (std::optional<Entry> entry = ready_.take(size, uid)) {
    forget(*entry);
    if (entry->segment.alone() && whole(entry->segment)) return std::move(entry->segment);
  }
  const auto fits = [&](const Entry& entry) {
    return entry.segment.size() == size && entry.segment.spec().uid == uid;
  };
  // Who frees and creates in turn needs two: one in use while the other is washed. So a single
  // one that is still dirty is left to the washing, where a second may be kept.
  const std::size_t unwashed = dirty_.count(size, uid) + (washing_ && fits(*washing_) ? 1 : 0);
  const bool room = size <= bytes_max_ && bytes_ <= bytes_max_ - size;
  if (unwashed == 1 && room) return std::nullopt;
  for (;;) {
    std::optional<Entry> entry = washing_ && fits(*washing_) ? std::exchange(washing_, std::nullopt)
                                                             : dirty_.take(size, uid);
    if (!entry) return std::nullopt;
    forget(*entry);
    if (entry->segment.alone() && whole(entry->segment) && wash(*entry, size)) {
      return std::move(entry->segment);
    }
  }
}

bool WarmPool::wash_slice() {
  const auto more = [&] { return washing_ || dirty_.count() != 0; };
  std::uint64_t bytes_left = kSliceBytes;
  for (int i = 0; i < kSliceSegments && bytes_left != 0 && more(); ++i) {
    if (!washing_) {
      washing_ = dirty_.take_oldest();
      // Whoever still has it keeps the pages; for us it is gone.
      const bool ours = washing_->segment.alone() && whole(washing_->segment);
      washing_->segment.take_spare().reset();
      if (!ours) {
        forget(*std::exchange(washing_, std::nullopt));
        continue;
      }
    }
    const std::uint64_t before = washing_->washed;
    const bool good = wash(*washing_, bytes_left);
    bytes_left -= washing_->washed - before;
    if (!good) {
      forget(*std::exchange(washing_, std::nullopt));
    } else if (washed(*washing_)) {
      ready_.push(*std::exchange(washing_, std::nullopt));
    }
  }
  return more();
}

bool WarmPool::drop(std::uint64_t bytes) {
  const std::uint64_t before = bytes_;
  const std::uint64_t goal = before - std::min(bytes, before);
  while (bytes_ > goal && drop_oldest()) {
  }
  return bytes_ < before;
}

bool WarmPool::drop_oldest() {
  const auto order = [](const Entry* entry) {
    return entry != nullptr ? entry->order : UINT64_MAX;
  };
  const std::uint64_t dirty = order(dirty_.oldest());
  const std::uint64_t ready = order(ready_.oldest());
  const std::uint64_t washing = order(washing_ ? &*washing_ : nullptr);
  const std::uint64_t oldest = std::min({dirty, ready, washing});
  if (oldest == UINT64_MAX) return false;
  std::optional<Entry> entry = oldest == washing ? std::exchange(washing_, std::nullopt)
                               : oldest == ready ? ready_.take_oldest()
                                                 : dirty_.take_oldest();
  forget(*entry);
  return true;
}

}  // namespace shoal::daemon
