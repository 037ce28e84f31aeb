// The work that both sides of a row do: sizes, values and the order of the indices. Knows nothing
// of shoal.
#pragma once

#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

namespace reference {

inline constexpr std::size_t kPageBytes = 4096;

// shareable_list/: one round is this many operations on a list of kListSize elements.
inline constexpr std::size_t kListSize = 1000;
inline constexpr std::size_t kListRound = 4096;
inline constexpr std::size_t kTextBytes = 24;

// bulk/: one round is a put into each of kBulkTargets places. Several, because the copies that one
// place of this size gets depend by 10 % on where its pages happen to lie in the cache.
inline constexpr std::size_t kBulkBytes = 1 << 20;
inline constexpr std::size_t kBulkTargets = 8;

// SplitMix64: a fixed, well mixed sequence.
inline std::uint64_t mix(std::uint64_t n) {
  n += 0x9e3779b97f4a7c15;
  n = (n ^ (n >> 30)) * 0xbf58476d1ce4e5b9;
  n = (n ^ (n >> 27)) * 0x94d049bb133111eb;
  return n ^ (n >> 31);
}

// The indices of a round, four to a word: on some processors a load waits for an unrelated store to
// memory that lies alike, which made a copy into a list cost 0.4 or 1 ns from one run to the next.
// The fewer loads beside the copies themselves, the less of that.
inline const std::array<std::uint64_t, kListRound / 4>& packed_indices() {
  static const auto words = [] {
    std::array<std::uint64_t, kListRound / 4> made{};
    for (std::size_t i = 0; i < kListRound; ++i) made[i / 4] |= mix(i) % kListSize << i % 4 * 16;
    return made;
  }();
  return words;
}

// Calls step(i, index) for each operation of a round of so many, a multiple of four.
template <typename Step>
inline void list_round(Step step, std::size_t operations = kListRound) {
  for (std::size_t i = 0; i < operations;) {
    std::uint64_t word = packed_indices()[i / 4];
    for (int part = 0; part < 4; ++part, ++i, word >>= 16) step(i, word & 0xffff);
  }
}

// What element `i` is at the start, and what operation `i` of a round writes.
inline std::int64_t initial_int(std::size_t i) { return static_cast<std::int64_t>(mix(i) >> 1); }
inline std::int64_t written_int(std::size_t i) { return static_cast<std::int64_t>(i * 0x9e3779b9); }

// kTextBytes characters of plain text.
inline std::string initial_text(std::size_t i) {
  std::string text(kTextBytes, 'a');
  for (std::size_t k = 0; k < kTextBytes; ++k)
    text[k] = static_cast<char>('a' + mix(i * 31 + k) % 26);
  return text;
}

// The sum of the words of a text, so that each of its bytes counts.
inline std::uint64_t fold_text(const char* text) {
  std::array<std::uint64_t, kTextBytes / 8> words;
  std::memcpy(words.data(), text, kTextBytes);
  return words[0] + words[1] + words[2];
}

// The bytes that are put: kBulkBytes, private to the process, on a page boundary as their targets
// are.
inline const std::uint64_t* bulk_source() {
  static const std::uint64_t* source = [] {
    auto* words = static_cast<std::uint64_t*>(std::aligned_alloc(kPageBytes, kBulkBytes));
    for (std::size_t i = 0; i < kBulkBytes / 8; ++i) words[i] = mix(i);
    return words;
  }();
  return source;
}

// Puts the bytes at `target`; the result is the last word that is there then.
inline std::uint64_t put_bulk(void* target) {
  std::memcpy(target, bulk_source(), kBulkBytes);
  asm volatile("" : : : "memory");  // no copy is left out
  std::uint64_t last;
  std::memcpy(&last, static_cast<const char*>(target) + kBulkBytes - 8, 8);
  return last;
}

// Every word of `bytes` bytes at `start`, by place.
inline std::uint64_t fold_words(const void* start, std::size_t bytes) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < bytes / 8; ++i) {
    std::uint64_t word;
    std::memcpy(&word, static_cast<const char*>(start) + i * 8, 8);
    sum += word * (2 * i + 1);
  }
  return sum;
}

// First touch: writes one word of every page. The word found there (new memory is zero) counts too.
inline std::uint64_t touch_pages(void* start, std::size_t bytes) {
  std::uint64_t sum = 0;
  for (std::size_t at = 0; at < bytes; at += kPageBytes) {
    auto* word = reinterpret_cast<volatile std::uint64_t*>(static_cast<char*>(start) + at);
    sum += *word + at + 1;
    *word = at + 1;
  }
  return sum;
}

}  // namespace reference
