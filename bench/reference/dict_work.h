// The work that both sides of the dict/ and typed_dict/ rows do: keys, values, and the order in
// which they are used. Knows nothing of shoal.
//
// Keys are 16 uniformly random letters. What belongs to the k-th key is value k % kValues, so that
// the results of any kValues keys in a row add up to the same: rounds that are a multiple of it may
// go on through all keys, as those of a big dict must to find out what its cache misses cost.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

namespace reference {

inline constexpr std::size_t kKeyBytes = 16;
using Key = std::array<char, kKeyBytes>;
using Bytes64 = std::array<char, 64>;

inline std::string_view view(const Key& key) { return {key.data(), key.size()}; }

// The n-th of an endless sequence of keys.
Key make_key(std::uint64_t n);

// The keys of a dict of that many entries, in the order of their use, and as many that it has not.
// The order of insertion is another one: what was inserted together seldom lies together.
struct Keys {
  std::vector<Key> present;
  std::vector<Key> absent;
  std::vector<std::uint32_t> insertion;  // indices into `present`
};

// Made once and kept.
const Keys& keys_of(std::size_t entries);

inline constexpr std::size_t kValues = 100;

// The two kinds of value: Bytes64 and std::int64_t.
template <typename Value>
const std::array<Value, kValues>& values();
template <>
const std::array<std::int64_t, kValues>& values();
template <>
const std::array<Bytes64, kValues>& values();

// Every byte of a value counts.
inline std::uint64_t fold(std::int64_t value) { return static_cast<std::uint64_t>(value); }
inline std::uint64_t fold(const Bytes64& value) {
  std::array<std::uint64_t, sizeof(Bytes64) / 8> words;
  std::memcpy(words.data(), value.data(), sizeof words);
  std::uint64_t sum = 0;
  for (const std::uint64_t word : words) sum += word;
  return sum;
}

// Operations of a round. Short, where one of the sides is slow.
inline constexpr std::uint64_t kDictRound = 1000;
inline constexpr std::uint64_t kShortDictRound = 100;

// Where in the keys the next round begins, and how often it has been through all of them. A dict's
// entries are a multiple of the operations of a round.
struct Cursor {
  std::size_t entries;
  std::size_t at = 0;
  std::int64_t passes = 0;

  void advance(std::uint64_t operations) {
    at += operations;
    if (at < entries) return;
    at = 0;
    ++passes;
  }
};

}  // namespace reference
