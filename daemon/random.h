// Secrets, from the kernel.
#pragma once

#include <sys/random.h>

#include <cstddef>
#include <cstdlib>

namespace shoal::daemon {

// Fills `words` from getrandom(2), which for so few bytes cannot fail once the system is up; going
// on without secrets would be worse than ending.
template <std::size_t N>
void fill_random(std::uint64_t (&words)[N]) {
  static_assert(sizeof words <= 256);
  if (::getrandom(words, sizeof words, 0) != static_cast<ssize_t>(sizeof words)) std::abort();
}

}  // namespace shoal::daemon
