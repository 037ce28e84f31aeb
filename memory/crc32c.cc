// CRC-32C, reflected as iSCSI and ext4 have it, by a table made at compile time. (Boost.CRC cannot
// continue a reflected sum without its engine in our header; Abseil's is not public here.)
#include "memory/crc32c.h"

#include <array>

namespace shoal::memory {
namespace {

constexpr std::uint32_t kReflectedPolynomial = 0x82F63B78;

constexpr std::array<std::uint32_t, 256> make_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t byte = 0; byte < table.size(); ++byte) {
    std::uint32_t remainder = byte;
    for (int bit = 0; bit < 8; ++bit) {
      remainder = remainder >> 1 ^ ((remainder & 1) != 0 ? kReflectedPolynomial : 0);
    }
    table[byte] = remainder;
  }
  return table;
}

constexpr std::array<std::uint32_t, 256> kTable = make_table();

}  // namespace

void Crc32c::add(const void* data, std::size_t size) {
  const auto* bytes = static_cast<const unsigned char*>(data);
  for (std::size_t at = 0; at < size; ++at) {
    state_ = state_ >> 8 ^ kTable[(state_ ^ bytes[at]) & 0xFF];
  }
}

}  // namespace shoal::memory
