// CRC-32C (Castagnoli) of private bytes. Detects damage and foreign writers, not malice.
#pragma once

#include <cstddef>
#include <cstdint>

namespace shoal::memory {

// Adds bytes piece by piece; value() may be asked at any time.
class Crc32c {
 public:
  void add(const void* data, std::size_t size);
  [[nodiscard]] std::uint32_t value() const { return ~state_; }

 private:
  std::uint32_t state_ = 0xFFFFFFFF;
};

}  // namespace shoal::memory
