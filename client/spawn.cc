// See spawn.h. posix_spawn, so that a host with threads is as good as one without.
#include "client/spawn.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "schemas/text.h"

extern char** environ;

namespace shoal::internal {
namespace {

using protocol::error;
using protocol::UniqueFd;

// Where the program finds its two descriptors. What they are duplicated from is kept above.
constexpr int kParentFd = 3;
constexpr int kReadyFd = 4;
constexpr int kAboveBoth = 5;

bool is_program(const std::string& path) { return ::access(path.c_str(), X_OK) == 0; }

std::string folder_of_library() {
  Dl_info info{};
  if (::dladdr(reinterpret_cast<const void*>(&find_program), &info) == 0) return {};
  const std::string file = info.dli_fname == nullptr ? "" : info.dli_fname;
  const std::size_t slash = file.rfind('/');
  return slash == std::string::npos ? "." : file.substr(0, slash);
}

// What the host was told by its own service manager is not for the sidecar.
bool is_for_host_only(std::string_view variable) {
  for (const std::string_view name : {"NOTIFY_SOCKET=", "LISTEN_PID=", "LISTEN_FDS=",
                                      "LISTEN_FDNAMES=", "WATCHDOG_USEC=", "WATCHDOG_PID="}) {
    if (variable.substr(0, name.size()) == name) return true;
  }
  return false;
}

class FileActions {
 public:
  FileActions() { ::posix_spawn_file_actions_init(&actions_); }
  FileActions(const FileActions&) = delete;
  FileActions& operator=(const FileActions&) = delete;
  ~FileActions() { ::posix_spawn_file_actions_destroy(&actions_); }
  posix_spawn_file_actions_t* get() { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_;
};

class Attributes {
 public:
  // A session of its own: what is typed at the host's terminal is not for the manager.
  Attributes() {
    ::posix_spawnattr_init(&attributes_);
    sigset_t none;
    sigset_t all;
    ::sigemptyset(&none);
    ::sigfillset(&all);
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    ::posix_spawnattr_setsigdefault(&attributes_, &all);
    ::posix_spawnattr_setflags(&attributes_,
                               POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
  }
  Attributes(const Attributes&) = delete;
  Attributes& operator=(const Attributes&) = delete;
  ~Attributes() { ::posix_spawnattr_destroy(&attributes_); }
  posix_spawnattr_t* get() { return &attributes_; }

 private:
  posix_spawnattr_t attributes_;
};

absl::Status no_descriptor() {
  return error(absl::StatusCode::kResourceExhausted,
               "no descriptor for the manager's start: ", std::strerror(errno),
               "; raise the limit of descriptors (ulimit -n)");
}

}  // namespace

absl::StatusOr<std::string> find_program(const std::string& program) {
  const char* named = std::getenv("SHOAL_SHOALD");
  const std::string asked = !program.empty()                     ? program
                            : named != nullptr && *named != '\0' ? named
                                                                 : "";
  if (!asked.empty()) {
    if (is_program(asked)) return asked;
    return error(absl::StatusCode::kNotFound, "no manager program at ", asked, ": ",
                 std::strerror(errno), "; see ManagerOptions::program and $SHOAL_SHOALD");
  }
  const std::string folder = folder_of_library();
  for (const char* beside : {"/shoald", "/../bin/shoald"}) {
    if (is_program(folder + beside)) return folder + beside;
  }
  std::string_view path = std::getenv("PATH") == nullptr ? "" : std::getenv("PATH");
  while (!path.empty()) {
    const std::size_t end = std::min(path.find(':'), path.size());
    const std::string candidate = protocol::text(path.substr(0, end), "/shoald");
    if (end > 0 && is_program(candidate)) return candidate;
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return error(absl::StatusCode::kNotFound, "no shoald in ", folder, ", in ", folder,
               "/../bin or on PATH; install it, or set $SHOAL_SHOALD or ManagerOptions::program");
}

absl::StatusOr<Spawned> spawn_manager(const std::string& program,
                                      const std::vector<std::string>& flags,
                                      const std::string& log_file) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return no_descriptor();
  Spawned spawned;
  spawned.ready = GuardedFd(UniqueFd(ends[0]));
  const UniqueFd write_end(ends[1]);
  const UniqueFd self(static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0)));
  const UniqueFd ready(::fcntl(write_end.get(), F_DUPFD_CLOEXEC, kAboveBoth));
  const UniqueFd parent(self.valid() ? ::fcntl(self.get(), F_DUPFD_CLOEXEC, kAboveBoth) : -1);
  if (!ready.valid() || !parent.valid()) return no_descriptor();

  FileActions actions;
  ::posix_spawn_file_actions_addopen(actions.get(), 0, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_addopen(actions.get(), 1, "/dev/null", O_WRONLY, 0);
  if (log_file != "-") {
    ::posix_spawn_file_actions_addopen(actions.get(), 2,
                                       log_file.empty() ? "/dev/null" : log_file.c_str(),
                                       O_WRONLY | O_CREAT | O_APPEND, 0600);
  }
  ::posix_spawn_file_actions_adddup2(actions.get(), parent.get(), kParentFd);
  ::posix_spawn_file_actions_adddup2(actions.get(), ready.get(), kReadyFd);

  std::vector<std::string> words = {program};
  words.insert(words.end(), flags.begin(), flags.end());
  words.push_back(protocol::text("--parent-fd=", kParentFd));
  words.push_back(protocol::text("--ready-fd=", kReadyFd));
  std::vector<char*> arguments;
  arguments.reserve(words.size() + 1);
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  std::vector<char*> environment;
  for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable) {
    if (!is_for_host_only(*variable)) environment.push_back(*variable);
  }
  environment.push_back(nullptr);

  Attributes attributes;
  const int failure = ::posix_spawn(&spawned.pid, program.c_str(), actions.get(), attributes.get(),
                                    arguments.data(), environment.data());
  if (failure != 0) {
    return error(absl::StatusCode::kUnavailable, "cannot start ", program, ": ",
                 std::strerror(failure));
  }
  spawned.pidfd = GuardedFd(UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, spawned.pid, 0))));
  return spawned;
}

}  // namespace shoal::internal
