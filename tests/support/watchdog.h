// Waiting in tests: for a state to come about, never for time to pass. The watchdog only ends a
// test that hangs; it is no statement about how long anything takes.
#pragma once

#include <functional>
#include <stdexcept>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace shoal::test {

inline constexpr int kWatchdogSeconds = 100;

// Looks again and again until `happened` is true; false if the watchdog ran out.
[[nodiscard]] bool wait_until(const std::function<bool()>& happened);

// The value, or an exception that ends the test (or the child) with the reason.
template <typename T>
T must(absl::StatusOr<T> value) {
  if (!value.ok()) throw std::runtime_error(value.status().ToString());
  return *std::move(value);
}
inline void must(const absl::Status& status) {
  if (!status.ok()) throw std::runtime_error(status.ToString());
}

// "OK", or the code and the message.
inline std::string outcome(const absl::Status& status) { return status.ToString(); }
template <typename T>
std::string outcome(const absl::StatusOr<T>& value) {
  return value.status().ToString();
}

}  // namespace shoal::test
