// Reads the bytes of a SharedMemory through a descriptor, not through the mapping: reading the
// holes of a sparse segment through a mapping would commit them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include <shoal/shared_memory.h>

namespace shoal::tools {

class SegmentReader {
 public:
  [[nodiscard]] static absl::StatusOr<SegmentReader> over(const SharedMemory& memory);

  SegmentReader(SegmentReader&& other) noexcept;
  SegmentReader& operator=(SegmentReader&&) = delete;
  ~SegmentReader();

  [[nodiscard]] std::uint64_t size() const { return size_; }

  // The next bytes, at most `most`; empty at the end. Valid until the next call.
  [[nodiscard]] absl::StatusOr<std::span<const std::byte>> next(std::size_t most);

 private:
  SegmentReader(int descriptor, std::uint64_t size) : descriptor_(descriptor), size_(size) {}

  int descriptor_;
  std::uint64_t size_;
  std::uint64_t at_ = 0;
  std::vector<std::byte> buffer_;
};

}  // namespace shoal::tools
