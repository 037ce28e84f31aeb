// Loads, stores and copies of bytes that another process may be writing or reading meanwhile.
// Knows no layout and decides nothing: whoever copies optimistically must check a word afterwards.
//
// Words (8 bytes, aligned) are atomic always. Copies are word by word, acquire on one side and
// release on the other, where ThreadSanitizer looks on, because it cannot see fences, and in
// scheduled test builds, where each word is a step. Elsewhere short ones are plain loads and stores
// of 8 and 16 bytes between fences, some of them of the same bytes twice: a call of memcpy takes
// longer than they do. Long ones are memcpy, which on every platform we build for never invents
// bytes.
// (glibc's memcpy ends streaming stores with a store fence, so they too stay before what follows.)
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "memory/variant.h"
#include "memory/word.h"

#if defined(__SANITIZE_THREAD__) || defined(SHOAL_SCHEDULED)
#define SHOAL_COPY_BY_WORDS 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SHOAL_COPY_BY_WORDS 1
#endif
#endif

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

using SharedWord = std::atomic_ref<std::uint64_t>;
static_assert(SharedWord::is_always_lock_free);

// The mapping may be read-only: only load through what this gives then.
inline SharedWord shared_word(const std::byte* at) {
  return SharedWord(*reinterpret_cast<std::uint64_t*>(const_cast<std::byte*>(at)));
}

inline std::uint64_t load_word(const std::byte* at,
                               std::memory_order order = std::memory_order_acquire) {
  return shared_word(at).load(order);
}

inline void store_word(std::byte* at, std::uint64_t value,
                       std::memory_order order = std::memory_order_release) {
  shared_word(at).store(value, order);
}

inline std::uint8_t load_byte(const std::byte* at) {
  auto* byte = reinterpret_cast<std::uint8_t*>(const_cast<std::byte*>(at));
  return std::atomic_ref<std::uint8_t>(*byte).load(std::memory_order_acquire);
}

inline void store_byte(std::byte* at, std::uint8_t value) {
  auto* byte = reinterpret_cast<std::uint8_t*>(at);
  std::atomic_ref<std::uint8_t>(*byte).store(value, std::memory_order_release);
}

// Loads before it come before what follows, as far as another writer can tell.
inline void fence_loads() {
#ifndef SHOAL_COPY_BY_WORDS
  std::atomic_thread_fence(std::memory_order_acquire);
#endif
}

// What was stored before it is seen by whoever sees a store behind it and then fences its loads.
inline void fence_stores() {
#ifndef SHOAL_COPY_BY_WORDS
  std::atomic_thread_fence(std::memory_order_release);
#endif
}

#ifdef SHOAL_COPY_BY_WORDS
inline constexpr std::size_t kCopiedByWordsMax = ~std::size_t{0};
inline constexpr std::memory_order kCopyLoad = std::memory_order_acquire;
inline constexpr std::memory_order kCopyStore = std::memory_order_release;
#else
inline constexpr std::size_t kCopiedByWordsMax = 256;
inline constexpr std::memory_order kCopyLoad = std::memory_order_relaxed;
inline constexpr std::memory_order kCopyStore = std::memory_order_relaxed;
#endif

#ifndef SHOAL_COPY_BY_WORDS
// One side is shared. Sixteen bytes at a time: a core retires one store at a time.
[[gnu::always_inline]] inline void copy_16(std::byte* to, const std::byte* from) {
  using Sixteen [[gnu::vector_size(16), gnu::may_alias, gnu::aligned(1)]] = long long;
  *reinterpret_cast<Sixteen*>(to) = *reinterpret_cast<const Sixteen*>(from);
}
[[gnu::always_inline]] inline void copy_32(std::byte* to, const std::byte* from) {
  using Sixteen [[gnu::vector_size(16), gnu::may_alias, gnu::aligned(1)]] = long long;
  const Sixteen low = *reinterpret_cast<const Sixteen*>(from);
  const Sixteen high = *reinterpret_cast<const Sixteen*>(from + 16);
  *reinterpret_cast<Sixteen*>(to) = low;
  *reinterpret_cast<Sixteen*>(to + 16) = high;
}

// Shared bytes that need not be aligned.
[[gnu::always_inline]] inline std::uint64_t load_unaligned(const std::byte* from) {
  using Unaligned [[gnu::may_alias, gnu::aligned(1)]] = std::uint64_t;
  return *reinterpret_cast<const Unaligned*>(from);
}

// At least 8 bytes. The last piece begins where it ends at their end, in what was copied already.
[[gnu::always_inline]] inline void copy_overlapping(std::byte* to, const std::byte* from,
                                                    std::size_t size) {
  if (size >= 32) {
    const std::size_t last = size - 32;
    for (std::size_t i = 0; i < last; i += 32) copy_32(to + i, from + i);
    copy_32(to + last, from + last);
  } else if (size >= 16) {
    copy_16(to, from);
    copy_16(to + size - 16, from + size - 16);
  } else {
    const std::uint64_t first = load_unaligned(from);
    const std::uint64_t last = load_unaligned(from + size - 8);
    std::memcpy(to, &first, 8);
    std::memcpy(to + size - 8, &last, 8);
  }
}
#endif

static_assert(std::endian::native == std::endian::little);

// Fewer than 8 private bytes as the word that begins with them; the others are NULs.
inline std::uint64_t word_of(const void* from, std::size_t bytes) {
  const auto* at = static_cast<const unsigned char*>(from);
  std::uint64_t word = 0;
  if ((bytes & 1) != 0) word = at[bytes & 6];
  if ((bytes & 2) != 0) {
    std::uint16_t part = 0;
    std::memcpy(&part, at + (bytes & 4), sizeof part);
    word = word << 16 | part;
  }
  if ((bytes & 4) != 0) {
    std::uint32_t part = 0;
    std::memcpy(&part, at, sizeof part);
    word = word << 32 | part;
  }
  return word;
}

// The other way.
inline void put_word(void* to, std::uint64_t word, std::size_t bytes) {
  auto* at = static_cast<unsigned char*>(to);
  if ((bytes & 4) != 0) {
    std::memcpy(at, &word, 4);
    at += 4;
    word >>= 32;
  }
  if ((bytes & 2) != 0) {
    std::memcpy(at, &word, 2);
    at += 2;
    word >>= 16;
  }
  if ((bytes & 1) != 0) *at = static_cast<unsigned char>(word);
}

// `from` is shared and aligned to 8, and may be read to the next multiple of 8; `to` is private.
[[gnu::always_inline]] inline void copy_out(void* to, const std::byte* from, std::size_t size) {
  auto* out = static_cast<std::byte*>(to);
  if (size > kCopiedByWordsMax) [[unlikely]] {
    std::memcpy(to, from, size);
    return;
  }
#ifdef SHOAL_COPY_BY_WORDS
  for (; size >= 8; size -= 8, out += 8, from += 8) {
    scheduler_step(from);
    const std::uint64_t word = load_word(from, kCopyLoad);
    std::memcpy(out, &word, 8);
  }
#else
  if (size > 8) [[likely]] {
    copy_overlapping(out, from, size);
    return;
  }
  if (size == 8) {  // in one load: it may be a word that changes in its place
    const std::uint64_t word = load_word(from, kCopyLoad);
    std::memcpy(out, &word, 8);
    return;
  }
#endif
  if (size == 0) return;
  scheduler_step(from);
  put_word(out, load_word(from, kCopyLoad), size);
}

// `to` is shared and aligned to 8, `padded` a multiple of 8 not below `size`; `from` is private, or
// shared bytes that nobody writes meanwhile. Bytes from `size` to `padded` become NULs. The two may
// overlap, where somebody wrote nonsense into the tables that say which bytes are whose.
[[gnu::always_inline]] inline void copy_in(std::byte* to, const void* from, std::size_t size,
                                           std::size_t padded) {
  if (padded > kCopiedByWordsMax) [[unlikely]] {
    if (size != 0) std::memmove(to, from, size);
    if (padded != size) std::memset(to + size, 0, padded - size);
    return;
  }
  const auto* in = static_cast<const std::byte*>(from);
  const auto store = [&](std::size_t i, std::uint64_t word) {
    scheduler_step(to + i);
    store_word(to + i, word, kCopyStore);
  };
  const std::size_t whole = size & ~std::size_t{7};
#ifdef SHOAL_COPY_BY_WORDS
  for (std::size_t i = 0; i < whole; i += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, in + i, 8);
    store(i, word);
  }
#else
  if (whole != 0) [[likely]]
    copy_overlapping(to, in, whole);
#endif
  if (whole == padded) [[likely]]
    return;
  store(whole, word_of(in + whole, size - whole));
  for (std::size_t i = whole + 8; i < padded; i += 8) store(i, 0);
}

// Whether the bytes are the same. `theirs` is shared and aligned to 8, and may be read to the next
// multiple of 8; `mine` is private.
[[gnu::always_inline]] inline bool is_equal(const void* mine, const std::byte* theirs,
                                            std::size_t size) {
  const auto* at = static_cast<const std::byte*>(mine);
  const auto differs = [&](std::size_t i) {
    std::uint64_t word = 0;
    std::memcpy(&word, at + i, 8);
#ifdef SHOAL_COPY_BY_WORDS
    return word ^ load_word(theirs + i, kCopyLoad);
#else
    return word ^ load_unaligned(theirs + i);
#endif
  };
#ifdef SHOAL_COPY_BY_WORDS
  std::uint64_t all = 0;
  for (; size >= 8; size -= 8, at += 8, theirs += 8) all |= differs(0);
  return size == 0 ? all == 0 : (all | (word_of(at, size) ^ load_word(theirs, kCopyLoad))) == 0;
#else
  // The last word overlaps the one before.
  const std::size_t last = size - 8;
  if (last <= 8) [[likely]]
    return (differs(0) | differs(last)) == 0;
  if (size < 8) return size == 0 || (word_of(at, size) ^ load_word(theirs, kCopyLoad)) == 0;
  std::uint64_t all = differs(last);
  for (std::size_t i = 0; i < last; i += 8) all |= differs(i);
  return all == 0;
#endif
}

// The bytes of [from, from + size) without the NULs at their end. Aligned, size a multiple of 8.
inline std::size_t length_without_nuls(const std::byte* from, std::size_t size) {
  while (size >= 8) {
    const std::uint64_t word = load_word(from + size - 8, std::memory_order_relaxed);
    if (word != 0) return size - static_cast<std::size_t>(__builtin_clzll(word)) / 8;
    size -= 8;
  }
  return 0;
}

SHOAL_VARIANT_END

}  // namespace shoal::memory
