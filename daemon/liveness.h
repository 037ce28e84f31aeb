// How the manager learns that a process is dead: by a pidfd, never by kill(pid, 0) or silence.
#pragma once

#include "absl/status/statusor.h"

#include "daemon/identity.h"
#include "schemas/unique_fd.h"

namespace shoal::daemon {

// A pidfd of the process at the other end of `socket`: from the kernel (SO_PEERPIDFD, Linux 6.5);
// else by its pid, with a second look at the socket; else, when its pid cannot be seen from here,
// the one it offered. FAILED_PRECONDITION: none of these.
absl::StatusOr<protocol::UniqueFd> pidfd_of_peer(int socket, const Identity& who,
                                                 protocol::UniqueFd offered);

// Whether `fd` is an open pidfd; a peer may offer anything.
bool is_pidfd(int fd);

}  // namespace shoal::daemon
