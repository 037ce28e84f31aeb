// What a dict does while it grows: how long a single put may take, and how much memory an entry
// takes up. Of any dict as in dict_walk.h. Knows nothing of shoal.
#pragma once

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <vector>

#include "reference/dict_work.h"
#include "reference/side.h"

namespace reference {

// Of all puts of one growth.
struct Tail {
  double median_ns = 0;
  double p99_ns = 0;
  double p999_ns = 0;
  double worst_ns = 0;
};

Tail tail_of(std::vector<std::uint32_t>& took_ns);

// Tells the puts that took long by themselves from those during which the kernel gave the core to
// somebody else: the figure is that of an idle core, and the machine is shared.
class Interruptions {
 public:
  static constexpr std::chrono::microseconds kLong{50};

  // Whether there was one since the last time that it was asked.
  bool any() {
    rusage usage;
    if (::getrusage(RUSAGE_THREAD, &usage) != 0) return false;
    const bool more = usage.ru_nivcsw != seen_;
    seen_ = usage.ru_nivcsw;
    return more;
  }

 private:
  long seen_ = -1;
};

// Puts `entries` keys into an empty dict and times each. The clock's own 20 to 50 ns are in it.
template <typename Dict>
Tail time_growth(Dict& dict, std::size_t entries) {
  using Clock = std::chrono::steady_clock;
  const auto& all = values<typename Dict::Value>();
  std::vector<std::uint32_t> took_ns(entries, 1);  // touched before the timing
  took_ns.clear();
  Interruptions interruptions;
  interruptions.any();
  std::size_t interrupted = 0;
  auto last = Clock::now();
  for (std::size_t n = 0; n < entries; ++n) {
    const Key key = make_key(n);
    const auto start = Clock::now();
    if (start - last > Interruptions::kLong) interruptions.any();
    const bool done = dict.put(key, all[n % kValues]);
    last = Clock::now();
    if (!done) give_up("dict", "an entry was refused while it grew");
    if (last - start > Interruptions::kLong && interruptions.any()) {
      ++interrupted;
      continue;
    }
    took_ns.push_back(static_cast<std::uint32_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(last - start).count()));
  }
  std::fprintf(stderr, "  %zu puts do not count: the kernel had other work for the core\n",
               interrupted);
  return tail_of(took_ns);
}

// `bytes()` for an entry, averaged over the doubling from `entries` on.
template <typename Dict, typename Bytes>
double bytes_per_entry(Dict& dict, std::size_t entries, Bytes bytes) {
  constexpr std::size_t kLooks = 100;
  const auto& all = values<typename Dict::Value>();
  double sum = 0;
  for (std::size_t n = 0; n < 2 * entries; ++n) {
    if (!dict.put(make_key(n), all[n % kValues])) give_up("dict", "an entry was refused");
    const std::size_t there = n + 1;
    if (there > entries && there % (entries / kLooks) == 0) {
      sum += static_cast<double>(bytes()) / static_cast<double>(there);
    }
  }
  return sum / kLooks;
}

}  // namespace reference
