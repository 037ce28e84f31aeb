// See child.h.
#include "examples/demo/child.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <initializer_list>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

#include "examples/demo/interrupt.h"

namespace demo {
namespace {

constexpr absl::Duration kPollInterval = absl::Milliseconds(5);

// The environment with `extra` put over it.
std::vector<std::string> environment(const std::vector<std::string>& extra) {
  std::vector<std::string> out = extra;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view old = *entry;
    bool beaten = false;
    for (const std::string& mine : extra) {
      beaten |= old.starts_with(std::string_view(mine).substr(0, mine.find('=') + 1));
    }
    if (!beaten) out.emplace_back(old);
  }
  return out;
}

std::vector<char*> pointers(const std::vector<std::string>& words) {
  std::vector<char*> out;
  out.reserve(words.size() + 1);
  for (const std::string& word : words) out.push_back(const_cast<char*>(word.c_str()));
  out.push_back(nullptr);
  return out;
}

// What this process ignores must not be ignored by its children.
void default_signals(posix_spawnattr_t* attributes) {
  sigset_t signals;
  ::sigemptyset(&signals);
  for (const int signal : {SIGPIPE, SIGINT, SIGTERM, SIGHUP}) ::sigaddset(&signals, signal);
  ::posix_spawnattr_setsigdefault(attributes, &signals);
  ::posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGDEF);
}

}  // namespace

absl::StatusOr<Child> Child::start(const std::vector<std::string>& words,
                                   const ChildOptions& options) {
  const std::vector<std::string> variables = environment(options.extra_environment);
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawnattr_init(&attributes);
  ::posix_spawn_file_actions_addopen(&actions, 0, options.stdin_file.c_str(), O_RDONLY, 0);
  if (options.stdout_fd >= 0) ::posix_spawn_file_actions_adddup2(&actions, options.stdout_fd, 1);
  default_signals(&attributes);
  pid_t pid = 0;
  const int error = ::posix_spawnp(&pid, words[0].c_str(), &actions, &attributes,
                                   pointers(words).data(), pointers(variables).data());
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return absl::ErrnoToStatus(error, absl::StrCat("cannot start ", words[0]));
  return Child(pid);
}

Child::Child(Child&& other) noexcept
    : pid_(std::exchange(other.pid_, 0)), status_(std::exchange(other.status_, std::nullopt)) {}

Child& Child::operator=(Child&& other) noexcept {
  std::swap(pid_, other.pid_);
  std::swap(status_, other.status_);
  return *this;
}

Child::~Child() {
  if (pid_ > 0) kill();
}

std::optional<int> Child::ended() {
  int status = 0;
  if (!status_ && ::waitpid(pid_, &status, WNOHANG) == pid_) status_ = status;
  return status_;
}

absl::StatusOr<int> Child::wait() {
  while (!ended()) {
    if (interrupted() != 0) return absl::CancelledError("interrupted");
    absl::SleepFor(kPollInterval);
  }
  return *status_;
}

void Child::kill() {
  if (ended()) return;
  ::kill(pid_, SIGKILL);
  int status = 0;
  pid_t got = 0;
  do {
    got = ::waitpid(pid_, &status, 0);
  } while (got < 0 && errno == EINTR);
  status_ = status;
}

absl::StatusOr<std::string> output_of(const std::vector<std::string>& words, ChildOptions options) {
  // A memfd holds any amount, so that the child never waits for us.
  const int out = ::memfd_create("output", MFD_CLOEXEC);
  if (out < 0) return absl::ErrnoToStatus(errno, "memfd_create");
  options.stdout_fd = out;
  absl::StatusOr<int> status = absl::InternalError("not started");
  absl::StatusOr<Child> child = Child::start(words, options);
  status = child.ok() ? child->wait() : child.status();
  std::string text;
  char buffer[4096];
  ssize_t got = 0;
  while ((got = ::pread(out, buffer, sizeof buffer, static_cast<off_t>(text.size()))) > 0) {
    text.append(buffer, static_cast<std::size_t>(got));
  }
  ::close(out);
  if (!status.ok()) return status.status();
  if (*status != 0) return absl::InternalError(absl::StrCat(words[0], " failed"));
  return text;
}

}  // namespace demo
