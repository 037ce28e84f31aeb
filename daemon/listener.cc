// See listener.h.
#include "daemon/listener.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <utility>

#include "daemon/socket_lock.h"
#include "schemas/names.h"
#include "schemas/socket_path.h"
#include "schemas/text.h"

namespace shoal::daemon {
namespace {

using protocol::error;
using protocol::UniqueFd;

constexpr int kBacklog = 4096;
// The first descriptor of socket activation.
constexpr int kActivatedFd = 3;

const char* find_variable(const char* const* env, std::string_view name) {
  for (; env != nullptr && *env != nullptr; ++env) {
    const std::string_view entry = *env;
    if (entry.size() > name.size() && entry.starts_with(name) && entry[name.size()] == '=') {
      return *env + name.size() + 1;
    }
  }
  return nullptr;
}

long number_of(const char* value) {
  long number = 0;
  if (value == nullptr) return 0;
  const std::string_view text = value;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), number);
  return result.ec == std::errc{} && result.ptr == text.data() + text.size() ? number : 0;
}

absl::Status failed(std::string_view what, const std::string& path) {
  const int why = errno;
  const bool denied = why == EACCES || why == EPERM || why == EROFS;
  return error(denied ? absl::StatusCode::kPermissionDenied : absl::StatusCode::kFailedPrecondition,
               "cannot ", what, " ", protocol::printable(path), ": ", std::strerror(why));
}

// The folder of a default place is made if it is missing; one that the user named is not.
absl::Status make_folder(const std::string& socket) {
  const std::string folder = socket.substr(0, socket.rfind('/'));
  const mode_t mode = socket == protocol::kSystemSocket ? 0755 : 0700;
  if (::mkdir(folder.c_str(), mode) == 0) {
    // Whatever the umask is.
    if (::chmod(folder.c_str(), mode) != 0) return failed("set the mode of", folder);
    return absl::OkStatus();
  }
  return errno == EEXIST ? absl::OkStatus() : failed("create the folder", folder);
}

absl::StatusOr<std::string> checked_path(const std::string& given) {
  std::error_code ignored;
  std::string path = std::filesystem::absolute(given, ignored).string();
  if (ignored || path.find('\0') != std::string::npos || path.empty()) {
    return error(absl::StatusCode::kInvalidArgument, "socket path \"", protocol::printable(given),
                 "\" is not a path");
  }
  if (path.size() > protocol::kSocketPathBytesMax) {
    return error(absl::StatusCode::kInvalidArgument, "socket path ", protocol::printable(path),
                 " has ", path.size(), " bytes; a socket's may have at most ",
                 protocol::kSocketPathBytesMax, ". Give a shorter --socket");
  }
  return path;
}

mode_t mode_for(const std::string& path, const Options& options) {
  if (options.socket_mode != kSocketModeByFolder) return options.socket_mode;
  return path.starts_with("/run/shoal/") ? 0666 : 0600;
}

bool may_try_next(const absl::Status& status) {
  // The path belongs to somebody, or is wrong: going elsewhere would hide that.
  return status.code() != absl::StatusCode::kAlreadyExists &&
         status.code() != absl::StatusCode::kInvalidArgument;
}

}  // namespace

absl::StatusOr<Listener> Listener::open(const Options& options, const char* const* env) {
  const char* count = find_variable(env, "LISTEN_FDS");
  if (count != nullptr) {
    const bool ours = number_of(find_variable(env, "LISTEN_PID")) == ::getpid();
    const long descriptors = number_of(count);
    // A child must not take them for its own.
    for (const char* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) ::unsetenv(name);
    if (ours && descriptors > 0) return inherit(static_cast<int>(std::min(descriptors, 1000L)));
  }
  if (!options.socket.empty()) return open_at(options.socket, options);
  std::string tried;
  for (const std::string& path :
       protocol::candidate_sockets({}, nullptr, find_variable(env, "XDG_RUNTIME_DIR"))) {
    absl::Status status = make_folder(path);
    if (status.ok()) {
      absl::StatusOr<Listener> listener = open_at(path, options);
      if (listener.ok() || !may_try_next(listener.status())) return listener;
      status = listener.status();
    }
    tried += protocol::text(tried.empty() ? "" : "; ", protocol::to_std(status.message()));
  }
  return error(absl::StatusCode::kPermissionDenied, "no place for the socket: ", tried,
               ". Give --socket PATH");
}

absl::StatusOr<Listener> Listener::open_at(const std::string& given, const Options& options) {
  absl::StatusOr<std::string> path = checked_path(given);
  if (!path.ok()) return path.status();
  absl::StatusOr<UniqueFd> lock = lock_socket(*path);
  if (!lock.ok()) return lock.status();
  // From here on the destructor gives the lock back.
  Listener listener;
  listener.path_ = *path;
  listener.lock_ = *std::move(lock);
  listener.maker_ = ::getpid();
  if (absl::Status status = clear_stale_socket(*path); !status.ok()) return status;

  listener.socket_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listener.socket_.valid()) return failed("make a socket for", *path);
  const int fd = listener.socket_.get();
  const mode_t mode = mode_for(*path, options);
  // The file gets this mode less the umask; so it is never open wider than meant, even for a
  // moment.
  if (::fchmod(fd, mode) != 0) return failed("set the mode of", *path);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path->c_str(), path->size() + 1);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return failed("create", *path);
  }
  struct stat status {};
  if (::lstat(path->c_str(), &status) != 0) return failed("look at", *path);
  listener.device_ = status.st_dev;
  listener.inode_ = status.st_ino;
  if (::chmod(path->c_str(), mode) != 0) return failed("set the mode of", *path);
  if (::listen(fd, kBacklog) != 0) return failed("listen at", *path);
  return listener;
}

absl::StatusOr<Listener> Listener::inherit(int count) {
  const auto refused = [](std::string_view why) {
    return error(absl::StatusCode::kFailedPrecondition, "socket activation: ", why,
                 "; the unit needs one ListenStream= with a path");
  };
  if (count != 1) return refused(protocol::text(count, " descriptors were passed"));
  const auto option = [](int name) {
    int value = -1;
    socklen_t length = sizeof value;
    return ::getsockopt(kActivatedFd, SOL_SOCKET, name, &value, &length) == 0 ? value : -1;
  };
  if (option(SO_DOMAIN) != AF_UNIX || option(SO_TYPE) != SOCK_STREAM) {
    return refused("descriptor 3 is not a Unix stream socket");
  }
  if (option(SO_ACCEPTCONN) != 1) return refused("descriptor 3 is not listening");
  const int flags = ::fcntl(kActivatedFd, F_GETFL);
  if (::fcntl(kActivatedFd, F_SETFD, FD_CLOEXEC) != 0 || flags < 0 ||
      ::fcntl(kActivatedFd, F_SETFL, flags | O_NONBLOCK) != 0) {
    return refused(std::strerror(errno));
  }
  Listener listener;
  listener.socket_.reset(kActivatedFd);
  sockaddr_un address{};
  socklen_t length = sizeof address;
  constexpr socklen_t kHead = offsetof(sockaddr_un, sun_path);
  if (::getsockname(kActivatedFd, reinterpret_cast<sockaddr*>(&address), &length) == 0 &&
      length > kHead) {
    listener.path_.assign(address.sun_path,
                          std::min<std::size_t>(length - kHead, sizeof address.sun_path));
    if (listener.path_[0] == '\0') {
      listener.path_[0] = '@';
    } else {
      listener.path_.resize(std::strlen(listener.path_.c_str()));
    }
  }
  return listener;
}

Listener::Listener(Listener&& other) noexcept
    : path_(std::move(other.path_)),
      socket_(std::move(other.socket_)),
      lock_(std::move(other.lock_)),
      device_(other.device_),
      inode_(std::exchange(other.inode_, 0)),
      maker_(other.maker_) {}

Listener& Listener::operator=(Listener&& other) noexcept {
  if (this == &other) return *this;
  close();
  path_ = std::move(other.path_);
  socket_ = std::move(other.socket_);
  lock_ = std::move(other.lock_);
  device_ = other.device_;
  inode_ = std::exchange(other.inode_, 0);
  maker_ = other.maker_;
  return *this;
}

Listener::~Listener() { close(); }

void Listener::close() {
  // A forked child leaves the files to its parent.
  const bool ours = lock_.valid() && maker_ == ::getpid();
  struct stat status {};
  if (ours && inode_ != 0 && ::lstat(path_.c_str(), &status) == 0 && status.st_dev == device_ &&
      status.st_ino == inode_) {
    ::unlink(path_.c_str());
  }
  socket_.reset();
  if (ours) unlock_socket(path_, std::move(lock_));
  lock_.reset();
}

}  // namespace shoal::daemon
