// What the demo's processes agree on: the names of the objects, and what stands where.
#pragma once

#include <cstddef>
#include <cstdint>

namespace demo {

// A SharedMemory: the text. It has at least one byte, so an empty text is one byte that no slice
// covers.
inline constexpr const char* kTextName = "demo/text";

// A ShareableList of integers: kFields of them for each slice.
inline constexpr const char* kCountsName = "demo/counts";

// A Dict: how often each word comes; the key is the word's bytes. All the words of a slice are
// added by one transaction, which also enters the slice's number into the other Dict: so no slice
// is added twice or in part, whoever is killed.
inline constexpr const char* kWordsName = "demo/words";
inline constexpr const char* kSlicesName = "demo/slices";

enum Field : std::ptrdiff_t { kLines, kWords, kBytes, kProgress, kState, kFields };

constexpr std::ptrdiff_t element(std::size_t slice, Field field) {
  return static_cast<std::ptrdiff_t>(slice) * kFields + field;
}

// What kState of a slice may be.
enum State : std::int64_t {
  kWaiting = 0,
  kCounting = 1,
  kHalted = 2,  // half way; the worker waits to be killed
  kDone = 3,
};

struct Slice {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  [[nodiscard]] std::uint64_t size() const { return end - begin; }
};

// The slice `number` of `count` that cover `size` bytes.
constexpr Slice slice_of(std::uint64_t size, std::size_t number, std::size_t count) {
  const auto cut = [&](std::uint64_t n) { return size / count * n + size % count * n / count; };
  return {cut(number), cut(number + 1)};
}

}  // namespace demo
