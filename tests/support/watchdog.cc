// See watchdog.h.
#include "tests/support/watchdog.h"

#include <chrono>
#include <thread>

namespace shoal::test {

bool wait_until(const std::function<bool()>& happened) {
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::seconds(kWatchdogSeconds);
  while (!happened()) {
    if (Clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

}  // namespace shoal::test
