// A server process at the other end of a bare Unix stream socket: the least that a control plane
// can be. It ends with this object, or with this process. Knows nothing of shoal.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <functional>

namespace reference {

class ForkedServer {
 public:
  // Forks a process that runs serve(socket) and exits when it returns.
  explicit ForkedServer(const std::function<void(int socket)>& serve);
  ForkedServer(const ForkedServer&) = delete;
  ForkedServer& operator=(const ForkedServer&) = delete;
  ~ForkedServer();

  [[nodiscard]] int socket() const { return socket_; }

 private:
  int socket_ = -1;
  pid_t pid_ = -1;
};

// Blocking, whole; false at the end of the stream or an error.
bool write_all(int socket, const void* bytes, std::size_t size);
bool read_all(int socket, void* bytes, std::size_t size);

}  // namespace reference
