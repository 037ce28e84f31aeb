// See count.h.
#include "examples/demo/count.h"

#include <algorithm>
#include <string>

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

bool ends_in_word(std::span<const std::byte> text) {
  for (auto at = text.rbegin(); at != text.rend(); ++at) {
    const auto c = static_cast<unsigned char>(*at);
    if (separates(c)) return false;
    if (begins_word(c)) return true;
  }
  return false;
}

void add_words(std::span<const std::byte> text, std::size_t begin, std::size_t end,
               WordCounts& counts) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto word_end = [&](std::size_t i, std::size_t limit) {
    while (i < limit && !separates(at(i))) ++i;
    return i;
  };
  std::size_t i = ends_in_word(text.first(begin)) ? word_end(begin, end) : begin;
  for (; i < end; ++i) {
    if (!begins_word(at(i))) continue;
    const std::size_t word = i;
    i = word_end(word, std::min(text.size(), word + kWordBytesMax));
    ++counts[std::string(reinterpret_cast<const char*>(text.data()) + word, i - word)];
    i = word_end(i, end);
  }
}

}  // namespace demo
