// Sleeping until a word changes, and waking who sleeps. The one place with a system call in this
// room. Shared futexes: keyed by the memory itself, so they work between any two processes that map
// it, at any address, in any namespace.
#pragma once

#include <cstdint>

#include "absl/time/time.h"

#include "memory/variant.h"
#include "memory/word.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

// Nanoseconds of CLOCK_MONOTONIC.
using Deadline = std::int64_t;
inline constexpr Deadline kForever = INT64_MAX;

std::int64_t monotonic_ns();
// 0, which allows for one try, for a timeout that is not positive.
Deadline deadline_after(absl::Duration timeout);
inline bool is_over(Deadline deadline) {
  return deadline != kForever && monotonic_ns() >= deadline;
}

// For how long a read without a lock lets others disturb it, where nobody says how long.
inline constexpr std::int64_t kReadPatienceNs = 30'000'000'000;

// Sleeps while the word is `expected`. False: the deadline is over. True: look again; it need not
// have changed. Works on a read-only mapping.
bool futex_wait(const Word32& word, std::uint32_t expected, Deadline deadline);

// How many were woken.
int futex_wake(Word32& word, int most);
inline constexpr int kEverybody = INT32_MAX;

// A moment of a spin.
void relax();

SHOAL_VARIANT_END

}  // namespace shoal::memory
