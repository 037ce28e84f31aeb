// See cores.h.
#include "reference/cores.h"

namespace reference {

std::pair<int, int> two_cores() {
  cpu_set_t allowed;
  if (::sched_getaffinity(0, sizeof allowed, &allowed) != 0) return {-1, -1};
  int first = -1;
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (!CPU_ISSET(core, &allowed)) continue;
    if (first >= 0) return {first, core};
    first = core;
  }
  return {-1, -1};
}

void pin_to(int core) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(core, &one);
  ::sched_setaffinity(0, sizeof one, &one);
}

PinnedToFirstCore::PinnedToFirstCore(bool wanted) {
  const int core = wanted ? two_cores().first : -1;
  if (core < 0 || ::sched_getaffinity(0, sizeof before_, &before_) != 0) return;
  pin_to(core);
  pinned_ = true;
}

PinnedToFirstCore::~PinnedToFirstCore() {
  if (pinned_) ::sched_setaffinity(0, sizeof before_, &before_);
}

}  // namespace reference
