// The lock file beside the manager's socket, and the look at who is behind a socket that is already
// there. Helpers of Listener.
#pragma once

#include <string>

#include "absl/status/statusor.h"

#include "schemas/unique_fd.h"

namespace shoal::daemon {

// Locks `<socket>.lock`, which then holds our pid. ALREADY_EXISTS if another manager has it.
absl::StatusOr<protocol::UniqueFd> lock_socket(const std::string& socket);
// Removes the lock file and unlocks it, in that order.
void unlock_socket(const std::string& socket, protocol::UniqueFd lock);

// With the lock held: removes a socket that nobody listens on. OK if the path is free then.
absl::Status clear_stale_socket(const std::string& socket);

}  // namespace shoal::daemon
