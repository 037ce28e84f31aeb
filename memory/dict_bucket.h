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

// Whether a search ends here: asked only where the key was not found.
inline bool has_empty(const Word32* bucket) {
#ifdef SHOAL_BUCKET_SSE2
  const auto* at = reinterpret_cast<const __m128i*>(bucket);
  const __m128i none = _mm_setzero_si128();
  const __m128i any = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi32(_mm_load_si128(at), none),
                                                _mm_cmpeq_epi32(_mm_load_si128(at + 1), none)),
                                   _mm_or_si128(_mm_cmpeq_epi32(_mm_load_si128(at + 2), none),
                                                _mm_cmpeq_epi32(_mm_load_si128(at + 3), none)));
  return _mm_movemask_epi8(any) != 0;
#else
  for (unsigned i = 0; i < kSlotsPerBucket; ++i) {
    if (bucket[i].load(std::memory_order_relaxed) == 0) return true;
  }
  return false;
#endif
}

// Bit i: slot i.
struct BucketMatch {
  std::uint32_t tagged = 0;  // has the tag
  std::uint32_t empty = 0;
};

inline BucketMatch match_portable(const Word32* bucket, std::uint32_t tag) {
  BucketMatch match;
  for (unsigned i = 0; i < kSlotsPerBucket; ++i) {
    const std::uint32_t slot = bucket[i].load(std::memory_order_relaxed);
    if (slot_tag(slot) == tag) match.tagged |= 1U << i;
    if (slot == 0) match.empty |= 1U << i;
  }
  return match;
}

#ifdef SHOAL_BUCKET_SSE2
inline BucketMatch match_sse2(const Word32* bucket, std::uint32_t tag) {
  const auto* at = reinterpret_cast<const __m128i*>(bucket);
  const __m128i wanted = _mm_set1_epi32(static_cast<int>(tag));
  const __m128i none = _mm_setzero_si128();
  __m128i tagged[4];
  __m128i empty[4];
  for (int i = 0; i < 4; ++i) {
    const __m128i slots = _mm_load_si128(at + i);
    tagged[i] = _mm_cmpeq_epi32(_mm_srli_epi32(slots, kSlotOffsetBits), wanted);
    empty[i] = _mm_cmpeq_epi32(slots, none);
  }
  // All ones or all zeros: packing keeps them.
  const auto bits = [](const __m128i(&lanes)[4]) {
    return static_cast<std::uint32_t>(_mm_movemask_epi8(
        _mm_packs_epi16(_mm_packs_epi32(lanes[0], lanes[1]), _mm_packs_epi32(lanes[2], lanes[3]))));
  };
  return {.tagged = bits(tagged), .empty = bits(empty)};
}
#endif

inline BucketMatch match(const Word32* bucket, std::uint32_t tag) {
#ifdef SHOAL_BUCKET_SSE2
  return match_sse2(bucket, tag);
#else
  return match_portable(bucket, tag);
#endif
}

SHOAL_VARIANT_END

}  // namespace shoal::memory
