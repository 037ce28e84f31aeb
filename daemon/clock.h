// The two clocks: what people are shown, and what deadlines are kept by. And how long one piece of
// work may keep others waiting.
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

// Some steps of a long work, before others get their turn: at most so many, and none begins once a
// millisecond is over, since one may cost a thousand times another. There is always a first.
class Turn {
 public:
  explicit Turn(int steps, std::int64_t ns = 1'000'000)
      : steps_left_(steps), end_ns_(clock_ns(CLOCK_MONOTONIC) + ns) {}
  // Whether one more may be done.
  bool step() {
    const bool may = first_ || (steps_left_ > 0 && clock_ns(CLOCK_MONOTONIC) < end_ns_);
    first_ = false;
    --steps_left_;
    return may;
  }

 private:
  int steps_left_;
  std::int64_t end_ns_;
  bool first_ = true;
};

}  // namespace shoal::daemon
