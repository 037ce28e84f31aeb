// See identity.h.
#include "daemon/identity.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "schemas/text.h"

namespace shoal::daemon {

absl::StatusOr<Identity> Identity::of_peer(int socket) {
  ucred credentials{};
  socklen_t length = sizeof credentials;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0) {
    return protocol::error(absl::StatusCode::kPermissionDenied,
                           "the kernel does not say who the peer is: ", std::strerror(errno));
  }
  Identity who{
      .pid = credentials.pid, .uid = credentials.uid, .gid = credentials.gid, .groups = {}};
  length = 0;
  // The first call fails with ERANGE and says how much room is needed.
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, nullptr, &length) != 0 && errno == ERANGE) {
    who.groups.resize(length / sizeof(gid_t));
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, who.groups.data(), &length) != 0) {
      who.groups.clear();
    }
  }
  return who;
}

}  // namespace shoal::daemon
