// Whether bytes are UTF-8 as Python's strict decoder has it: no surrogates, nothing overlong.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace shoal::memory {

bool is_utf8_from(std::string_view text, std::size_t at);

// Of short ASCII, which most texts are, without a call.
inline bool is_utf8(std::string_view text) {
  const auto is_ascii = [&](std::size_t at) {
    std::uint64_t eight = 0;
    std::memcpy(&eight, text.data() + at, 8);
    return (eight & 0x8080808080808080) == 0;
  };
  std::size_t at = 0;
  while (text.size() - at >= 8 && is_ascii(at)) at += 8;
  const std::size_t left = text.size() - at;
  if (left == 0 || (left < 8 && at != 0 && is_ascii(text.size() - 8))) return true;
  return is_utf8_from(text, at);
}

}  // namespace shoal::memory
