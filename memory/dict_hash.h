// The hash of a dict's keys. Part of the format: XXH3, 64 bits, seeded for each dict.
#pragma once

#include <cstddef>
#include <cstdint>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace shoal::memory {

// Keys of different kinds with the same bytes are different keys.
inline std::uint64_t dict_hash(std::uint64_t seed, std::uint8_t kind, const void* key,
                               std::size_t bytes) {
  return XXH3_64bits_withSeed(key, bytes, seed + kind * 0x9e3779b97f4a7c15ULL);
}

}  // namespace shoal::memory
