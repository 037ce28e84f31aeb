// The hash of a dict's keys. Part of the format: XXH3, 64 bits, seeded for each dict.
#pragma once

#include <cstddef>
#include <cstdint>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace shoal::memory {

// Keys of different kinds with the same bytes are different keys.
[[gnu::always_inline]] inline std::uint64_t dict_hash(std::uint64_t seed, std::uint8_t kind,
                                                      const void* key, std::size_t bytes) {
  const std::uint64_t seed_of_kind = seed + kind * 0x9e3779b97f4a7c15ULL;
  // Most keys are short: what XXH3 does with those is in line.
  if (bytes - 9 <= 16 - 9) [[likely]] {
    return XXH3_len_9to16_64b(static_cast<const xxh_u8*>(key), bytes, XXH3_kSecret, seed_of_kind);
  }
  return XXH3_64bits_withSeed(key, bytes, seed_of_kind);
}

}  // namespace shoal::memory
