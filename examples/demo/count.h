// Counts lines, words and bytes as `LC_ALL=C wc` does, a piece at a time, and how often each word
// comes. Pure: no shared memory.
//
// A word is counted at its first byte. So a slice of a text counts the words that begin in it, and
// the slices together count each word once, wherever the cuts are. What a slice must know of the
// text before it is one bit: does it end inside a word?
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>

namespace demo {

struct Counts {
  std::int64_t lines = 0;
  std::int64_t words = 0;
  std::int64_t bytes = 0;

  Counts& operator+=(const Counts& other);
  friend bool operator==(const Counts&, const Counts&) = default;
};

// Whether what follows the text goes on with a word of it.
bool ends_in_word(std::span<const std::byte> text);

class Counter {
 public:
  // `before` is everything in front of what will be counted.
  explicit Counter(std::span<const std::byte> before) : in_word_(ends_in_word(before)) {}

  void add(std::span<const std::byte> piece);
  [[nodiscard]] const Counts& counts() const { return counts_; }

 private:
  Counts counts_;
  bool in_word_;
};

// Each word, and how often. A word is bytes: from the one it is counted at up to what separates it
// from the next, or the first kWordBytesMax of these.
using WordCounts = std::unordered_map<std::string, std::int64_t>;
inline constexpr std::size_t kWordBytesMax = 4096;

// Adds the words of `text` that begin in [begin, end), where they may not end.
void add_words(std::span<const std::byte> text, std::size_t begin, std::size_t end,
               WordCounts& counts);

}  // namespace demo
