// Who is at the other end of a socket, as the kernel says; and what he may do.
#pragma once

#include <sys/types.h>

#include <algorithm>
#include <vector>

#include "absl/status/statusor.h"

namespace shoal::daemon {

// What uids without a mapping into our user namespace look like: nobody's rights, whoever it is.
inline constexpr uid_t kOverflowUid = 65534;

struct Identity {
  pid_t pid = 0;  // 0: in a PID namespace that we cannot see
  uid_t uid = kOverflowUid;
  gid_t gid = kOverflowUid;
  std::vector<gid_t> groups;  // supplementary

  // From SO_PEERCRED and SO_PEERGROUPS.
  static absl::StatusOr<Identity> of_peer(int socket);

  [[nodiscard]] bool in_group(gid_t group) const {
    return gid == group || std::find(groups.begin(), groups.end(), group) != groups.end();
  }
};

}  // namespace shoal::daemon
