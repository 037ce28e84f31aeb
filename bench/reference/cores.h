// Which two cores the two processes of a row run on. Knows nothing of shoal.
#pragma once

#include <sched.h>

#include <utility>

namespace reference {

// The first two cores that this process may run on; {-1, -1} if there is only one.
std::pair<int, int> two_cores();

// The calling thread runs there from now on.
void pin_to(int core);

// Pins the calling thread to the first of the two cores until destroyed; does nothing if `wanted`
// is false or there is only one core.
class PinnedToFirstCore {
 public:
  explicit PinnedToFirstCore(bool wanted);
  PinnedToFirstCore(const PinnedToFirstCore&) = delete;
  PinnedToFirstCore& operator=(const PinnedToFirstCore&) = delete;
  ~PinnedToFirstCore();

 private:
  bool pinned_ = false;
  cpu_set_t before_;
};

}  // namespace reference
