// The two clocks: what people are shown, and what deadlines are kept by.
#pragma once

#include <cstdint>
#include <ctime>

namespace shoal::daemon {

inline std::int64_t clock_ns(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

// Since the epoch.
inline std::int64_t wall_ns() { return clock_ns(CLOCK_REALTIME); }
// Since boot; goes on while the machine sleeps.
inline std::int64_t boot_ns() { return clock_ns(CLOCK_BOOTTIME); }

}  // namespace shoal::daemon
