// Reads the bytes of a SharedMemory. See segment_reader.h.
#include "tools/segment_reader.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"

#include "tools/format.h"

namespace shoal::tools {

absl::StatusOr<SegmentReader> SegmentReader::over(const SharedMemory& memory) {
  const auto descriptor = memory.descriptor(Access::kReadOnly);
  if (!descriptor.ok()) return descriptor.status();
  return SegmentReader(*descriptor, memory.size());
}

SegmentReader::SegmentReader(SegmentReader&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      size_(other.size_),
      at_(other.at_),
      buffer_(std::move(other.buffer_)) {}

SegmentReader::~SegmentReader() {
  if (descriptor_ >= 0) close(descriptor_);
}

absl::StatusOr<std::span<const std::byte>> SegmentReader::next(std::size_t most) {
  buffer_.resize(std::min<std::uint64_t>(most, size_ - at_));
  std::size_t have = 0;
  while (have < buffer_.size()) {
    const ssize_t got = pread(descriptor_, buffer_.data() + have, buffer_.size() - have,
                              static_cast<off_t>(at_ + have));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return absl::ErrnoToStatus(errno, "cannot read the shared memory");
    if (got == 0) {
      return absl::DataLossError(
          absl::StrCat("the shared memory ends at byte ", at_ + have, " instead of ", size_));
    }
    have += static_cast<std::size_t>(got);
  }
  at_ += have;
  return std::span<const std::byte>(buffer_);
}

}  // namespace shoal::tools
