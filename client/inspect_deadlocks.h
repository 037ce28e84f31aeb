// The wait-for graph over threads, and its circles. Pure: knows nothing but what was seen.
#pragma once

#include <vector>

#include "shoal/inspect.h"

namespace shoal::internal {

// One circle for each group of threads that can never go on.
//
// A thread that waits for a lock waits for the thread that has it. Permits and shared holds belong
// to processes: who waits for one waits for a process, and a process is taken to be stuck if one of
// its threads is. Who waits for a permit needs one holder to go on, who waits for readers to leave
// needs all of them. Events, conditions, barriers and changes may come from anybody, and a process
// that is gone holds nothing for long: nobody is stuck for these.
std::vector<Deadlock> find_deadlocks(const std::vector<LockSeen>& locks,
                                     const std::vector<SessionSeen>& sessions);

}  // namespace shoal::internal
