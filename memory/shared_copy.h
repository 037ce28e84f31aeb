// Loads, stores and copies of bytes that another process may be writing or reading meanwhile.
// Knows no layout and decides nothing: whoever copies optimistically must check a word afterwards.
//
// Words (8 bytes, aligned) are atomic always. Copies of more are word by word, acquire on one side
// and release on the other, where ThreadSanitizer looks on, because it cannot see fences, and in
// scheduled test builds, where each word is a step; elsewhere they are memcpy between fences, which
// on every platform we build for never invents bytes.
// (glibc's memcpy ends streaming stores with a store fence, so they too stay before what follows.)
#pragma once

#include <atomic>
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

// `from` is shared and aligned to 8, and may be read to the next multiple of 8; `to` is private.
inline void copy_out(void* to, const std::byte* from, std::size_t size) {
#ifdef SHOAL_COPY_BY_WORDS
  auto* out = static_cast<std::byte*>(to);
  for (std::size_t at = 0; at < size; at += 8) {
    scheduler_step(from + at);
    const std::uint64_t word = load_word(from + at);
    std::memcpy(out + at, &word, size - at < 8 ? size - at : 8);
  }
#else
  if (size != 0) std::memcpy(to, from, size);
#endif
}

// `to` is shared and aligned to 8, `padded` a multiple of 8 not below `size`; `from` is private, or
// shared bytes that nobody writes meanwhile. Bytes from `size` to `padded` become NULs. The two may
// overlap, where somebody wrote nonsense into the tables that say which bytes are whose.
inline void copy_in(std::byte* to, const void* from, std::size_t size, std::size_t padded) {
#ifdef SHOAL_COPY_BY_WORDS
  const auto* in = static_cast<const std::byte*>(from);
  for (std::size_t at = 0; at < padded; at += 8) {
    std::uint64_t word = 0;
    if (at < size) std::memcpy(&word, in + at, size - at < 8 ? size - at : 8);
    scheduler_step(to + at);
    store_word(to + at, word);
  }
#else
  if (size != 0) std::memmove(to, from, size);
  std::memset(to + size, 0, padded - size);
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
