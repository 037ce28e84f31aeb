// UTF-8 validation: eight ASCII bytes at a time, else one character at a time.
#include "memory/utf8.h"

#include <cstdint>
#include <cstring>

namespace shoal::memory {
namespace {

unsigned byte_at(std::string_view text, std::size_t at) {
  return static_cast<unsigned char>(text[at]);
}

// The length of the well-formed character at `at`, which is not ASCII; 0 if there is none.
std::size_t character(std::string_view text, std::size_t at) {
  const unsigned first = byte_at(text, at);
  std::size_t length = 0;
  unsigned lowest = 0x80;  // bounds of the second byte: where overlong forms and surrogates show
  unsigned highest = 0xBF;
  if (first >= 0xC2 && first <= 0xDF) {
    length = 2;
  } else if (first >= 0xE0 && first <= 0xEF) {
    length = 3;
    if (first == 0xE0) lowest = 0xA0;
    if (first == 0xED) highest = 0x9F;
  } else if (first >= 0xF0 && first <= 0xF4) {
    length = 4;
    if (first == 0xF0) lowest = 0x90;
    if (first == 0xF4) highest = 0x8F;
  }
  if (length == 0 || text.size() - at < length) return 0;
  const unsigned second = byte_at(text, at + 1);
  if (second < lowest || second > highest) return 0;
  for (std::size_t i = 2; i < length; ++i) {
    if ((byte_at(text, at + i) & 0xC0) != 0x80) return 0;
  }
  return length;
}

}  // namespace

bool is_utf8_from(std::string_view text, std::size_t at) {
  while (at < text.size()) {
    if (text.size() - at >= 8) {
      std::uint64_t eight;
      std::memcpy(&eight, text.data() + at, 8);
      if ((eight & 0x8080808080808080) == 0) {
        at += 8;
        continue;
      }
    }
    if (byte_at(text, at) < 0x80) {
      ++at;
      continue;
    }
    const std::size_t length = character(text, at);
    if (length == 0) return false;
    at += length;
  }
  return true;
}

}  // namespace shoal::memory
