// See count.h.
#include "examples/demo/count.h"

namespace demo {
namespace {

// In the C locale. Bytes that are neither (controls, and all from 0x7f) neither begin a word nor
// end one: wc looks through them.
bool separates(unsigned char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool begins_word(unsigned char c) { return c > ' ' && c < 0x7f; }

}  // namespace

Counts& Counts::operator+=(const Counts& other) {
  lines += other.lines;
  words += other.words;
  bytes += other.bytes;
  return *this;
}

void Counter::add(std::span<const std::byte> piece) {
  Counts counts = counts_;
  bool in_word = in_word_;
  for (const std::byte byte : piece) {
    const auto c = static_cast<unsigned char>(byte);
    if (separates(c)) {
      in_word = false;
      counts.lines += c == '\n';
    } else if (begins_word(c)) {
      counts.words += !in_word;
      in_word = true;
    }
  }
  counts.bytes += static_cast<std::int64_t>(piece.size());
  counts_ = counts;
  in_word_ = in_word;
}

bool Counter::ends_in_word(std::span<const std::byte> text) {
  for (auto at = text.rbegin(); at != text.rend(); ++at) {
    const auto c = static_cast<unsigned char>(*at);
    if (separates(c)) return false;
    if (begins_word(c)) return true;
  }
  return false;
}

}  // namespace demo
