// Finds the managers that run on this host, in /proc. Connects to none of them.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace shoal::tools {

// A socket that processes named shoald listen at.
struct FoundManager {
  std::vector<pid_t> pids;  // more than one after a fork; ascending
  uid_t uid = 0;
  std::string socket;   // empty: none was found
  std::string problem;  // why there is no socket
};

// Those of this uid; for root, of all.
std::vector<FoundManager> find_managers();

}  // namespace shoal::tools
