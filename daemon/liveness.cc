// See liveness.h.
#include "daemon/liveness.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "schemas/text.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

namespace shoal::daemon {
namespace {

using protocol::UniqueFd;

UniqueFd pidfd_from_kernel(int socket) {
  int pidfd = -1;
  socklen_t length = sizeof pidfd;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &length) != 0) return UniqueFd();
  return UniqueFd(pidfd);
}

// The pid may have been given to another process since the peer connected. If the peer's end is
// still open after the pidfd was made, its pid was not free in between.
UniqueFd pidfd_by_number(int socket, pid_t pid) {
  UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!pidfd.valid()) return pidfd;
  pollfd peer{.fd = socket, .events = POLLRDHUP, .revents = 0};
  const bool gone = ::poll(&peer, 1, 0) > 0 && (peer.revents & (POLLRDHUP | POLLHUP)) != 0;
  return gone ? UniqueFd() : std::move(pidfd);
}

}  // namespace

// Only a pidfd has this link text.
bool is_pidfd(int fd) {
  char target[64];
  const std::string link = protocol::text("/proc/self/fd/", fd);
  const ssize_t length = ::readlink(link.c_str(), target, sizeof target);
  return length > 0 && std::string_view(target, length) == "anon_inode:[pidfd]";
}

absl::StatusOr<UniqueFd> pidfd_of_peer(int socket, const Identity& who, UniqueFd offered) {
  UniqueFd pidfd = pidfd_from_kernel(socket);
  if (pidfd.valid()) return pidfd;
  if (who.pid != 0) pidfd = pidfd_by_number(socket, who.pid);
  if (pidfd.valid()) return pidfd;
  if (who.pid == 0 && offered.valid() && is_pidfd(offered.get())) return offered;
  return protocol::error(absl::StatusCode::kFailedPrecondition, "no pidfd of the peer (pid ",
                         who.pid, "): its death could not be noticed; it may have ended already");
}

}  // namespace shoal::daemon
