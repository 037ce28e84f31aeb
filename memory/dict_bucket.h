// A bucket of sixteen slots, one cache line: which of them may be the one that is looked for. A
// hint only: whoever uses a slot loads it again, atomically. Vector instructions where the platform
// is known to have them, and a portable twin, which tests compare with them and ThreadSanitizer
// sees.
#pragma once

#include <cstdint>

#include "memory/dict_layout.h"
#include "memory/shared_copy.h"

#if defined(__SSE2__) && !defined(SHOAL_COPY_BY_WORDS)
#define SHOAL_BUCKET_SSE2 1
#include <emmintrin.h>
#endif

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

// Bit i of what these give: slot i.

inline std::uint32_t tagged_slots_portable(const Word32* bucket, std::uint32_t tag) {
  std::uint32_t tagged = 0;
  for (unsigned i = 0; i < kSlotsPerBucket; ++i) {
    if (slot_tag(bucket[i].load(std::memory_order_relaxed)) == tag) tagged |= 1U << i;
  }
  return tagged;
}

inline std::uint32_t empty_slots_portable(const Word32* bucket) {
  std::uint32_t empty = 0;
  for (unsigned i = 0; i < kSlotsPerBucket; ++i) {
    if (bucket[i].load(std::memory_order_relaxed) == 0) empty |= 1U << i;
  }
  return empty;
}

#ifdef SHOAL_BUCKET_SSE2
// `equal` says of each four slots, by all ones or all zeros, which are meant: packing keeps them.
template <typename Equal>
inline std::uint32_t slots_sse2(const Word32* bucket, Equal equal) {
  const auto* at = reinterpret_cast<const __m128i*>(bucket);
  const __m128i low = _mm_packs_epi32(equal(_mm_load_si128(at)), equal(_mm_load_si128(at + 1)));
  const __m128i high =
      _mm_packs_epi32(equal(_mm_load_si128(at + 2)), equal(_mm_load_si128(at + 3)));
  return static_cast<std::uint32_t>(_mm_movemask_epi8(_mm_packs_epi16(low, high)));
}
#endif

// Those that have the tag.
inline std::uint32_t tagged_slots(const Word32* bucket, std::uint32_t tag) {
#ifdef SHOAL_BUCKET_SSE2
  const __m128i wanted = _mm_set1_epi32(static_cast<int>(tag));
  return slots_sse2(bucket, [&](__m128i slots) {
    return _mm_cmpeq_epi32(_mm_srli_epi32(slots, kSlotOffsetBits), wanted);
  });
#else
  return tagged_slots_portable(bucket, tag);
#endif
}

// Those that are empty: a search ends at a bucket that has one.
inline std::uint32_t empty_slots(const Word32* bucket) {
#ifdef SHOAL_BUCKET_SSE2
  return slots_sse2(bucket,
                    [](__m128i slots) { return _mm_cmpeq_epi32(slots, _mm_setzero_si128()); });
#else
  return empty_slots_portable(bucket);
#endif
}

SHOAL_VARIANT_END

}  // namespace shoal::memory
