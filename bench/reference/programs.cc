// See programs.h.
#include "reference/programs.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <sstream>

#include "reference/side.h"

namespace reference {
namespace {

constexpr auto kPatience = std::chrono::seconds(10);

bool connect_once(int socket, const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) give_up("connect", "the path is too long");
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return ::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

}  // namespace

bool have_program(const std::string& name) {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path != nullptr ? path : "/usr/local/bin:/usr/bin:/bin");
  for (std::string folder; std::getline(folders, folder, ':');) {
    if (::access((folder + "/" + name).c_str(), X_OK) == 0) return true;
  }
  return false;
}

void become(int input, const std::vector<std::string>& arguments) {
  std::vector<char*> pointers;
  for (const std::string& argument : arguments) {
    pointers.push_back(const_cast<char*>(argument.c_str()));
  }
  pointers.push_back(nullptr);
  if (::dup2(input, STDIN_FILENO) >= 0 && ::dup2(STDERR_FILENO, STDOUT_FILENO) >= 0) {
    ::execvp(pointers[0], pointers.data());
  }
  std::fprintf(stderr, "shoal_bench: %s: %s\n", pointers[0], std::strerror(errno));
  ::_exit(127);
}

int connect_to(const std::string& path) {
  for (const auto until = std::chrono::steady_clock::now() + kPatience;
       std::chrono::steady_clock::now() < until;) {
    const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (socket < 0) give_up("socket", std::strerror(errno));
    if (connect_once(socket, path)) return socket;
    ::close(socket);
    const timespec moment{0, 5'000'000};
    ::nanosleep(&moment, nullptr);
  }
  give_up("connect", ("nobody listens at " + path).c_str());
}

}  // namespace reference
