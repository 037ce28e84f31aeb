// See futex.h.
#include "memory/futex.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

namespace {

constexpr std::int64_t kSecondNs = 1'000'000'000;

timespec to_timespec(std::int64_t ns) {
  return {.tv_sec = static_cast<time_t>(ns / kSecondNs),
          .tv_nsec = static_cast<long>(ns % kSecondNs)};
}

}  // namespace

std::int64_t monotonic_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * kSecondNs + now.tv_nsec;
}

Deadline deadline_after(absl::Duration timeout) {
  if (timeout <= absl::ZeroDuration()) return 0;
  constexpr absl::Duration kLongest = absl::Hours(24 * 365 * 100);
  if (timeout >= kLongest) return kForever;
  return monotonic_ns() + absl::ToInt64Nanoseconds(timeout);
}

bool futex_wait(const Word32& word, std::uint32_t expected, Deadline deadline) {
  const timespec until = to_timespec(deadline < 0 ? 0 : deadline);
  const timespec* const limit = deadline == kForever ? nullptr : &until;
  // The bitset form takes an absolute time: a wait that is interrupted does not grow.
  const long slept = ::syscall(SYS_futex, &word, FUTEX_WAIT_BITSET, expected, limit, nullptr,
                               FUTEX_BITSET_MATCH_ANY);
  if (slept == 0 || errno == EAGAIN || errno == EINTR) return true;
  if (errno == ETIMEDOUT) return false;
  // A page that cannot be had (memory ran out): not a reason to burn the processor.
  const timespec moment = to_timespec(1'000'000);
  ::clock_nanosleep(CLOCK_MONOTONIC, 0, &moment, nullptr);
  return deadline == kForever || monotonic_ns() < deadline;
}

int futex_wake(Word32& word, int most) {
  return static_cast<int>(::syscall(SYS_futex, &word, FUTEX_WAKE, most, nullptr, nullptr, 0));
}

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

SHOAL_VARIANT_END

}  // namespace shoal::memory
