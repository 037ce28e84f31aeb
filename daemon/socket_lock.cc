// See socket_lock.h and listener.h.
#include "daemon/socket_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>

#include "schemas/names.h"
#include "schemas/text.h"

namespace shoal::daemon {
namespace {

using protocol::error;
using protocol::UniqueFd;

constexpr const char* kAdvice = "; use that one, stop it, or give another --socket";

std::string lock_path(const std::string& socket) { return socket + ".lock"; }

struct Peer {
  int error;  // of connect(); 0: somebody listens
  pid_t pid;  // of the listener; 0: not known
};

// For a connected Unix socket the credentials are those of whoever called listen().
Peer look_at(const std::string& socket) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, socket.c_str(), socket.size() + 1);
  const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return {errno, 0};
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return {errno, 0};
  }
  ucred credentials{};
  socklen_t length = sizeof credentials;
  ::getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &credentials, &length);
  return {0, credentials.pid};
}

std::string by_pid(pid_t pid) { return pid > 0 ? protocol::text(" (pid ", pid, ")") : ""; }

absl::Status locked_by_another(const std::string& socket, int lock) {
  const Peer peer = look_at(socket);
  std::string who = by_pid(peer.pid);
  if (who.empty()) {
    // Starting or ending. What it wrote into the lock file is only a hint.
    char bytes[16] = {};
    const ssize_t got = ::pread(lock, bytes, sizeof bytes - 1, 0);
    std::string_view pid(bytes, got > 0 ? static_cast<std::size_t>(got) : 0);
    pid = pid.substr(0, pid.find_first_not_of("0123456789"));
    if (!pid.empty()) who = protocol::text(" (pid ", pid, ")");
  }
  return error(absl::StatusCode::kAlreadyExists, "a manager", who, " already has the socket ",
               protocol::printable(socket), kAdvice);
}

}  // namespace

absl::StatusOr<UniqueFd> lock_socket(const std::string& socket) {
  const std::string path = lock_path(socket);
  for (;;) {
    UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600));
    if (!fd.valid()) {
      const int why = errno;
      const auto code = why == EACCES || why == EPERM || why == EROFS
                            ? absl::StatusCode::kPermissionDenied
                        : why == ENOENT || why == ENOTDIR ? absl::StatusCode::kNotFound
                                                          : absl::StatusCode::kFailedPrecondition;
      return error(code, "cannot create ", protocol::printable(path), ": ", std::strerror(why));
    }
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno == EINTR) continue;
      return locked_by_another(socket, fd.get());
    }
    struct stat locked {};
    struct stat named {};
    const bool same = ::fstat(fd.get(), &locked) == 0 && ::lstat(path.c_str(), &named) == 0 &&
                      locked.st_dev == named.st_dev && locked.st_ino == named.st_ino;
    // Its owner removed it between our open and our lock.
    if (!same) continue;
    if (!S_ISREG(locked.st_mode)) {
      return error(absl::StatusCode::kFailedPrecondition, protocol::printable(path),
                   " is not an ordinary file; remove it, or give another --socket");
    }
    const std::string pid = protocol::text(::getpid(), "\n");
    // A hint for messages only: the lock is what counts.
    [[maybe_unused]] const bool written =
        ::ftruncate(fd.get(), 0) == 0 && ::pwrite(fd.get(), pid.data(), pid.size(), 0) > 0;
    return fd;
  }
}

void unlock_socket(const std::string& socket, UniqueFd lock) {
  if (lock.valid()) ::unlink(lock_path(socket).c_str());
}

absl::Status clear_stale_socket(const std::string& socket) {
  const std::string shown = protocol::printable(socket);
  struct stat status {};
  if (::lstat(socket.c_str(), &status) != 0) {
    if (errno == ENOENT) return absl::OkStatus();
    return error(absl::StatusCode::kFailedPrecondition, "cannot look at ", shown, ": ",
                 std::strerror(errno));
  }
  if (!S_ISSOCK(status.st_mode)) {
    return error(absl::StatusCode::kFailedPrecondition, shown,
                 " exists and is not a socket; it was left alone. Give another --socket");
  }
  const Peer peer = look_at(socket);
  switch (peer.error) {
    case ECONNREFUSED:
      break;
    case ENOENT:
      return absl::OkStatus();
    case EACCES:
      return error(absl::StatusCode::kPermissionDenied, "no permission to see whether somebody ",
                   "listens at ", shown, "; give another --socket");
    case 0:
    case EAGAIN:
      return error(absl::StatusCode::kAlreadyExists, "a manager", by_pid(peer.pid),
                   " already listens at ", shown, kAdvice);
    case EPROTOTYPE:
      return error(absl::StatusCode::kAlreadyExists, shown,
                   " is in use as a socket of another type; give another --socket");
    default:
      return error(absl::StatusCode::kFailedPrecondition,
                   "cannot tell whether somebody listens at ", shown, ": ",
                   std::strerror(peer.error));
  }
  if (::unlink(socket.c_str()) != 0 && errno != ENOENT) {
    return error(absl::StatusCode::kPermissionDenied, "cannot replace the stale socket ", shown,
                 ": ", std::strerror(errno));
  }
  return absl::OkStatus();
}

}  // namespace shoal::daemon
