// Secrets, from the kernel.
#pragma once

#include <sys/random.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>

namespace shoal::daemon {

// Fills `words` from getrandom(2), which for so few bytes cannot fail once the system is up; going
// on without secrets would be worse than ending.
template <std::size_t N>
void fill_random(std::uint64_t (&words)[N]) {
  static_assert(sizeof words <= 256);
  if (::getrandom(words, sizeof words, 0) != static_cast<ssize_t>(sizeof words)) std::abort();
}

inline std::uint64_t random_word() {
  std::uint64_t word[1];
  fill_random(word);
  return word[0];
}

}  // namespace shoal::daemon
