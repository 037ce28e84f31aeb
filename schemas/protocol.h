// Versions of what two processes must agree on. The protocol may grow by minors; the layout of
// shared memory is exact. The release is for people.
#pragma once

#include <cstdint>

namespace shoal::protocol {

inline constexpr std::uint16_t kProtocolMajor = 1;
inline constexpr std::uint16_t kProtocolMinor = 3;
inline constexpr std::uint32_t kLayoutVersion = 4;
inline constexpr const char* kRelease = "0.1.0";

}  // namespace shoal::protocol
