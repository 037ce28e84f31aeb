// Binding a segment's memory to a NUMA node, by system calls alone. Helpers of make_segment.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace shoal::daemon {

// INVALID_ARGUMENT if there is no such node, naming those there are. RESOURCE_EXHAUSTED if the node
// has less than `bytes` free: at a node that runs full the kernel would kill, not refuse.
absl::Status check_node(int node, std::uint64_t bytes);

// Sets the policy of the memfd's pages, before any is committed. False with errno set.
bool bind_to_node(int fd, std::uint64_t size, int node);

// The error for an `errno` of bind_to_node.
absl::Status node_refused(int node, int why);

// Is `node` in a list as the kernel writes it: "0-3,8"?
bool list_has(const std::string& list, int node);

}  // namespace shoal::daemon
