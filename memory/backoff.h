// Waiting for a word that another process will change, where nobody would wake us: a short spin,
// then sleeps that grow to a bound. Reads no clock until the spin has failed.
#pragma once

#include <chrono>

#include "absl/time/time.h"

namespace shoal::memory {

class Backoff {
 public:
  explicit Backoff(absl::Duration timeout) : timeout_(timeout) {}

  // Waits a little. False once `timeout` is over; the caller looks at the word a last time.
  bool wait();

 private:
  absl::Duration timeout_;
  int spins_ = 0;
  long sleep_ns_ = 0;
  std::chrono::steady_clock::time_point deadline_;
};

}  // namespace shoal::memory
