// The waiting itself. A sleep cut short by a signal is only a shorter sleep.
#include "memory/backoff.h"

#include <time.h>

#include <algorithm>

namespace shoal::memory {
namespace {

constexpr int kSpinsMax = 200;  // some microseconds
constexpr long kFirstSleepNs = 2'000;
constexpr long kLongestSleepNs = 1'000'000;

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Far enough to mean "for ever", near enough not to overflow the clock.
constexpr absl::Duration kLongest = absl::Hours(24 * 365);

}  // namespace

bool Backoff::wait() {
  if (spins_ < kSpinsMax) {
    ++spins_;
    relax();
    return true;
  }
  const auto now = std::chrono::steady_clock::now();
  if (sleep_ns_ == 0) {
    deadline_ = now + absl::ToChronoNanoseconds(std::min(timeout_, kLongest));
    sleep_ns_ = kFirstSleepNs;
  }
  if (now >= deadline_) return false;
  const auto left = std::chrono::nanoseconds(deadline_ - now).count();
  const timespec length = {.tv_sec = 0, .tv_nsec = std::min<long>(sleep_ns_, left)};
  nanosleep(&length, nullptr);
  sleep_ns_ = std::min(sleep_ns_ * 2, kLongestSleepNs);
  return true;
}

}  // namespace shoal::memory
