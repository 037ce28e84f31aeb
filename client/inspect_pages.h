// Session pages as the inspector finds them: whose each is, and what its threads wait for.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/time/time.h"

#include "client/inspect_proc.h"
#include "shoal/inspect.h"

namespace shoal::internal {

// From CLOCK_MONOTONIC to the time of day.
class MonotonicClock {
 public:
  MonotonicClock();
  // InfinitePast: no time, or one that is yet to come.
  [[nodiscard]] absl::Time time_of(std::int64_t ns) const;

 private:
  std::int64_t now_ns_;
  absl::Time now_;
};

struct PageSeen {
  SessionSeen session;
  std::vector<WaitSeen> waits;
};

// None: no page of a session, or not one of this release.
std::optional<PageSeen> read_page(const SharedFile& page, const ProcFiles& proc,
                                  const MonotonicClock& clock);

}  // namespace shoal::internal
