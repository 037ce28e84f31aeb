// See child.h.
#include "tests/support/child.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <utility>

#include "tests/support/watchdog.h"

namespace shoal::test {
namespace {

constexpr std::size_t kMessageBytesMax = 64 * 1024;

// False if the kernel refused.
bool become(uid_t uid) {
  if (::setgroups(0, nullptr) != 0 || ::setresgid(uid, uid, uid) != 0) return false;
  if (::setresuid(uid, uid, uid) != 0) return false;
  // Else its own /proc/self would belong to root, and tries would fail for the wrong reason.
  return ::prctl(PR_SET_DUMPABLE, 1) == 0;
}

std::string run(const Child::Body& body, Channel& parent) {
  try {
    return body(parent);
  } catch (const std::exception& failure) {
    return std::string("failed: ") + failure.what();
  }
}

}  // namespace

Channel::Channel(Channel&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

Channel& Channel::operator=(Channel&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

Channel::~Channel() {
  if (fd_ >= 0) ::close(fd_);
}

void Channel::say(std::string_view message) const {
  // An empty message would look like the end; who is gone need not hear it.
  const std::string_view bytes = message.empty() ? std::string_view("(empty)") : message;
  (void)!::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
}

std::string Channel::hear() const {
  pollfd ready{.fd = fd_, .events = POLLIN, .revents = 0};
  int count = 0;
  do {
    count = ::poll(&ready, 1, kWatchdogSeconds * 1000);
  } while (count < 0 && errno == EINTR);
  if (count == 0) throw std::runtime_error("nothing was heard from the other process");
  std::string bytes(kMessageBytesMax, '\0');
  const ssize_t got = ::recv(fd_, bytes.data(), bytes.size(), 0);
  bytes.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return bytes;
}

Child::Child(const Body& body, std::optional<uid_t> uid) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    throw std::runtime_error("socketpair failed");
  }
  // What is buffered would be written twice.
  std::fflush(nullptr);
  pid_ = ::fork();
  if (pid_ == 0) {
    ::close(ends[0]);
    Channel parent(ends[1]);
    const bool ready = !uid || become(*uid);
    parent.say(ready ? run(body, parent) : "failed: cannot become another uid");
    ::_exit(0);
  }
  ::close(ends[1]);
  channel_ = Channel(ends[0]);
  if (pid_ < 0) throw std::runtime_error("fork failed");
}

Child::Child(Child&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      status_(std::exchange(other.status_, std::nullopt)),
      channel_(std::move(other.channel_)) {}

Child::~Child() {
  if (pid_ > 0 && !status_) kill();
}

std::string Child::result() {
  std::string last = hear();
  wait();
  return last;
}

int Child::wait() {
  if (!status_) {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    status_ = status;
  }
  return *status_;
}

void Child::kill(int signal) {
  if (!status_) ::kill(pid_, signal);
  wait();
}

std::string in_child(const std::function<std::string()>& body, std::optional<uid_t> uid) {
  return Child([&](Channel&) { return body(); }, uid).result();
}

std::string built_program(const std::string& name) {
  const char* folder = std::getenv("SHOAL_BIN_DIR");
  if (folder != nullptr) return std::string(folder) + "/" + name;
  return (std::filesystem::read_symlink("/proc/self/exe").parent_path() / ".." / "bin" / name)
      .lexically_normal();
}

std::string helper_program(const std::string& name) {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path() / name;
}

namespace {

std::vector<char*> pointers(const std::vector<std::string>& words) {
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  return arguments;
}

std::string read_to_end(int fd) {
  std::string output;
  char piece[4096];
  for (ssize_t got = 0; (got = ::read(fd, piece, sizeof piece)) > 0;) {
    output.append(piece, static_cast<std::size_t>(got));
  }
  ::close(fd);
  return output;
}

}  // namespace

Output run_program(const std::vector<std::string>& words) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe failed");
  const std::vector<char*> arguments = pointers(words);
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(ends[1], STDOUT_FILENO);
    ::dup2(ends[1], STDERR_FILENO);
    ::execv(arguments[0], arguments.data());
    ::_exit(127);
  }
  ::close(ends[1]);
  Output output;
  output.text = read_to_end(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  output.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return output;
}

std::string run_detached(const std::vector<std::string>& words) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe failed");
  const std::vector<char*> arguments = pointers(words);
  std::fflush(nullptr);
  const pid_t between = ::fork();
  if (between == 0) {
    if (::setsid() < 0 || ::fork() != 0) ::_exit(0);
    ::dup2(ends[1], STDOUT_FILENO);
    ::execv(arguments[0], arguments.data());
    ::_exit(127);
  }
  ::close(ends[1]);
  ::waitpid(between, nullptr, 0);
  return read_to_end(ends[0]);
}

}  // namespace shoal::test
