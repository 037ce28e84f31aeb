// Implements <shoal/manager.h>.
#include "shoal/manager.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include "absl/time/clock.h"

#include "client/fork.h"
#include "client/spawn.h"
#include "schemas/text.h"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

namespace shoal {

using internal::Spawned;
using protocol::error;

struct Manager::State {
  std::string socket;
  std::string folder;  // made for the socket; empty: none
  Spawned process;
  std::uint64_t epoch = internal::fork_epoch();
};

namespace {

constexpr absl::Duration kEndsWithin = absl::Seconds(5);

// Waits until `fd` is readable; false when the time is up.
bool readable_within(int fd, absl::Duration time) {
  const absl::Time deadline = absl::Now() + time;
  for (;;) {
    const std::int64_t left_ms =
        std::max<std::int64_t>(0, absl::ToInt64Milliseconds(deadline - absl::Now()));
    pollfd waited{.fd = fd, .events = POLLIN, .revents = 0};
    const int result = ::poll(&waited, 1, static_cast<int>(std::min<std::int64_t>(left_ms, 1000)));
    if (result > 0) return true;
    if (result < 0 && errno != EINTR) return false;
    if (left_ms == 0) return false;
  }
}

// The line that the manager writes when it serves, or says why it does not; empty: it died.
std::string read_line(int fd, absl::Duration within) {
  std::string line;
  char piece[512];
  while (line.find('\n') == std::string::npos && readable_within(fd, within)) {
    const ssize_t got = ::read(fd, piece, sizeof piece);
    if (got <= 0) break;
    line.append(piece, static_cast<std::size_t>(got));
  }
  return line.substr(0, line.find('\n'));
}

// Whether the child is over; reaps it then. Also true if the host has reaped it.
bool is_over(pid_t pid) { return ::waitpid(pid, nullptr, WNOHANG) != 0; }

// The host may have closed the pidfd with all its descriptors: then the child is asked for by its
// number, which is ours until the child is reaped.
bool ends_within(const Spawned& process, absl::Duration time) {
  if (process.pidfd.ours()) return readable_within(process.pidfd.get(), time);
  const absl::Time deadline = absl::Now() + time;
  while (!is_over(process.pid)) {
    if (absl::Now() >= deadline) return false;
    absl::SleepFor(absl::Milliseconds(2));
  }
  return true;
}

void end_process(const Spawned& process) {
  if (process.pid <= 0) return;
  const auto send = [&](int signal) {
    if (process.pidfd.ours()) {
      ::syscall(SYS_pidfd_send_signal, process.pidfd.get(), signal, nullptr, 0);
    } else if (!is_over(process.pid)) {
      ::kill(process.pid, signal);
    }
  };
  send(SIGTERM);
  if (!ends_within(process, kEndsWithin)) {
    send(SIGKILL);
    ends_within(process, kEndsWithin);
  }
  if (!process.pidfd.ours()) return;
  siginfo_t info{};
  while (::waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(process.pidfd.get()), &info,
                  WEXITED) != 0 &&
         errno == EINTR) {
  }
}

void remove_folder(const std::string& folder) {
  if (folder.empty()) return;
  // Left behind only by a manager that was killed.
  ::unlink((folder + "/shoald.sock").c_str());
  ::unlink((folder + "/shoald.sock.lock").c_str());
  ::rmdir(folder.c_str());
}

absl::StatusOr<std::string> private_folder() {
  const char* runtime = std::getenv("XDG_RUNTIME_DIR");
  for (const char* base : {runtime, "/tmp"}) {
    if (base == nullptr || *base == '\0') continue;
    std::string folder = protocol::text(base, "/shoal-XXXXXX");
    if (::mkdtemp(folder.data()) != nullptr) return folder;
  }
  return error(absl::StatusCode::kUnavailable,
               "cannot make a private folder in $XDG_RUNTIME_DIR or /tmp: ", std::strerror(errno),
               "; give ManagerOptions::socket");
}

}  // namespace

Manager::Manager(std::unique_ptr<State> state) : state_(std::move(state)) {}
Manager::Manager(Manager&&) noexcept = default;

Manager& Manager::operator=(Manager&& other) noexcept {
  if (this != &other) {
    (void)stop();
    state_ = std::move(other.state_);
  }
  return *this;
}

Manager::~Manager() { (void)stop(); }

absl::StatusOr<Manager> Manager::start(const ManagerOptions& options) {
  const absl::StatusOr<std::string> program = internal::find_program(options.program);
  if (!program.ok()) return program.status();
  auto state = std::make_unique<State>();
  state->socket = options.socket;
  if (state->socket.empty()) {
    absl::StatusOr<std::string> folder = private_folder();
    if (!folder.ok()) return folder.status();
    state->folder = *std::move(folder);
    state->socket = state->folder + "/shoald.sock";
  }
  std::vector<std::string> flags = {"--socket=" + state->socket};
  // Should this process be killed, the manager clears up after itself.
  if (!state->folder.empty()) flags.emplace_back("--remove-folder");
  flags.insert(flags.end(), options.flags.begin(), options.flags.end());
  absl::StatusOr<Spawned> spawned = internal::spawn_manager(*program, flags, options.log_file);
  if (!spawned.ok()) {
    remove_folder(state->folder);
    return spawned.status();
  }
  state->process = *std::move(spawned);
  Manager manager(std::move(state));
  const State& running = *manager.state_;
  const std::string line = read_line(running.process.ready.get(), options.start_timeout);
  if (line.starts_with("ready ")) return manager;
  const std::string said = line.starts_with("error ") ? line.substr(6) : line;
  return error(
      absl::StatusCode::kUnavailable, "the manager ", *program, " at ", running.socket,
      " did not come up: ",
      said.empty() ? "it said nothing; see its log (ManagerOptions::log_file = \"-\")" : said);
}

const std::string& Manager::socket() const {
  static const std::string kNone;
  return state_ == nullptr ? kNone : state_->socket;
}

pid_t Manager::pid() const { return state_ == nullptr ? 0 : state_->process.pid; }

absl::StatusOr<Client> Manager::connect(ClientOptions options) const {
  if (state_ == nullptr) return absl::FailedPreconditionError("the manager was stopped");
  options.socket = state_->socket;
  return Client::connect(options);
}

absl::Status Manager::stop() {
  if (state_ == nullptr) return absl::OkStatus();
  const std::unique_ptr<State> state = std::move(state_);
  // A forked child's copy: the manager is the parent's.
  if (state->epoch != internal::fork_epoch()) return absl::OkStatus();
  end_process(state->process);
  remove_folder(state->folder);
  return absl::OkStatus();
}

}  // namespace shoal
