// The manager's listening socket: makes it (or takes it over from the service manager), replaces
// what a killed manager left behind, and takes it away at the end. Accepts nothing itself.
//
// Two managers starting at once: whoever holds the flock on `<socket>.lock` owns the path. The lock
// file is removed at the end *while it is still locked*; whoever opened it before and gets the lock
// then finds that the path no longer leads to the file it locked, and begins again.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <string>

#include "absl/status/statusor.h"

#include "daemon/options.h"
#include "schemas/unique_fd.h"

namespace shoal::daemon {

class Listener {
 public:
  // Listens at options.socket, else at the first default place that may be created. `env` gives
  // $XDG_RUNTIME_DIR and, for socket activation, $LISTEN_PID and $LISTEN_FDS, which are then
  // removed from this process's environment.
  //
  // ALREADY_EXISTS: a live manager is there; the message names its pid. INVALID_ARGUMENT: a path
  // too long. FAILED_PRECONDITION: something that is not a socket is in the way; it stays.
  static absl::StatusOr<Listener> open(const Options& options, const char* const* env);

  Listener(Listener&& other) noexcept;
  Listener& operator=(Listener&& other) noexcept;
  // Removes the socket file if it is still the one made here, then the lock file.
  ~Listener();

  [[nodiscard]] int fd() const { return socket_.get(); }
  [[nodiscard]] const std::string& path() const { return path_; }
  // The socket was made by whoever started the manager, and stays when it ends.
  [[nodiscard]] bool activated() const { return !lock_.valid(); }

 private:
  Listener() = default;
  static absl::StatusOr<Listener> open_at(const std::string& path, const Options& options);
  static absl::StatusOr<Listener> inherit(int count);
  void close();

  std::string path_;
  protocol::UniqueFd socket_;
  protocol::UniqueFd lock_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
  pid_t maker_ = 0;
};

}  // namespace shoal::daemon
