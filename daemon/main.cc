// shoald: wiring only.
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <kj/async-unix.h>

#include "daemon/clock.h"
#include "daemon/listener.h"
#include "daemon/liveness.h"
#include "daemon/log.h"
#include "daemon/manager.h"
#include "daemon/notify.h"
#include "daemon/options.h"
#include "daemon/service.h"
#include "daemon/state.h"
#include "schemas/protocol.h"
#include "schemas/text.h"

extern char** environ;

namespace shoal::daemon {
namespace {

// Every segment and session takes descriptors: the process gets as many as it may have.
std::uint64_t raise_descriptor_limit() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

// Whoever started us may have left descriptors open that are none of ours.
void close_inherited(const Options& options) {
  std::vector<int> keep = {0, 1, 2, options.parent_fd, options.ready_fd};
  const char* activated = std::getenv("LISTEN_FDS");
  const int count = activated == nullptr ? 0 : std::clamp(std::atoi(activated), 0, 16);
  for (int i = 0; i < count; ++i) keep.push_back(3 + i);
  std::sort(keep.begin(), keep.end());
  int next = 3;
  for (const int fd : keep) {
    if (fd < next) continue;
    if (fd > next) ::close_range(static_cast<unsigned>(next), static_cast<unsigned>(fd) - 1, 0);
    next = fd + 1;
  }
  ::close_range(static_cast<unsigned>(next), ~0U, 0);
  for (const int fd : {options.parent_fd, options.ready_fd}) {
    if (fd >= 0) ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  }
}

kj::Promise<void> stopped(kj::UnixEventPort& port, Log& log,
                          kj::Maybe<kj::UnixEventPort::FdObserver&> parent) {
  const auto on = [&](int number) {
    return port.onSignal(number).then([&log](siginfo_t signal) {
      log(Level::kInfo, "manager.stop", {{"signal", signal.si_signo}, {"from_pid", signal.si_pid}});
    });
  };
  auto stop = on(SIGTERM).exclusiveJoin(on(SIGINT));
  KJ_IF_MAYBE (observer, parent) {
    stop = stop.exclusiveJoin(observer->whenBecomesReadable().then([&log] {
      log(Level::kInfo, "manager.stop", {{"why", "the parent process is gone"}});
    }));
  }
  return stop;
}

int fail(Log& log, const Options& options, const absl::Status& status) {
  log(Level::kError, "manager.refused", {{"why", status.message()}});
  tell_ready(options.ready_fd, protocol::text("error ", protocol::to_std(status.message())));
  return 1;
}

int serve(const Options& options, Log& log) {
  const std::int64_t started_ns = wall_ns();
  const DescriptorBudget budget =
      DescriptorBudget::of(raise_descriptor_limit(), options.sessions_max);
  // A peer that hangs up, a file size limit, and the lease by which holders are told: each is seen
  // as an error where it happens.
  for (const int signal : {SIGPIPE, SIGXFSZ, SIGIO, SIGURG}) ::signal(signal, SIG_IGN);
  kj::UnixEventPort::captureSignal(SIGTERM);
  kj::UnixEventPort::captureSignal(SIGINT);
  if (budget.sessions == 0 || budget.segments == 0) {
    return fail(
        log, options,
        absl::ResourceExhaustedError("the limit of descriptors leaves no session or segment; "
                                     "raise it (ulimit -n) to 256 or more"));
  }
  absl::StatusOr<Catalog> catalog = Catalog::map({});
  if (!catalog.ok()) return fail(log, options, catalog.status());
  absl::StatusOr<Listener> listener = Listener::open(options, environ);
  if (!listener.ok()) return fail(log, options, listener.status());
  kj::UnixEventPort port;
  kj::EventLoop loop(port);
  kj::WaitScope scope(loop);
  // What is put off by kj::evalLast runs before anybody looks at the sockets again: without this, a
  // client that asks again at once, or a long trace, would keep all others waiting.
  constexpr unsigned kEventsBetweenLooks = 16;
  scope.setBusyPollInterval(kEventsBetweenLooks);
  State state(*std::move(catalog), options, budget, log);
  Service service(state.parts(), {.socket = listener->path(),
                                  .pid = ::getpid(),
                                  .started_ns = started_ns,
                                  .default_quota_bytes = options.default_quota,
                                  .ungreeted_max = budget.ungreeted});
  kj::Maybe<kj::Own<kj::UnixEventPort::FdObserver>> parent;
  if (options.parent_fd >= 0 && !is_pidfd(options.parent_fd)) {
    return fail(log, options, absl::InvalidArgumentError("--parent-fd is no open pidfd"));
  }
  if (options.parent_fd >= 0) {
    parent = kj::heap<kj::UnixEventPort::FdObserver>(port, options.parent_fd,
                                                     kj::UnixEventPort::FdObserver::OBSERVE_READ);
  }
  kj::Maybe<kj::UnixEventPort::FdObserver&> parent_seen;
  KJ_IF_MAYBE (observer, parent) {
    parent_seen = **observer;
  }
  {
    Manager manager(port, state, *listener, service, log, budget.ungreeted);
    log(Level::kInfo, "manager.start",
        {{"release", protocol::kRelease},
         {"pid", ::getpid()},
         {"socket", listener->path()},
         {"memory_max", options.memory_max},
         {"segments_max", budget.segments},
         {"sessions_max", budget.sessions}});
    tell_ready(options.ready_fd, protocol::text("ready ", listener->path()));
    notify("READY=1");
    manager.run(stopped(port, log, parent_seen)).wait(scope);
    notify("STOPPING=1");
  }
  log(Level::kInfo, "manager.end", {{"objects", state.objects.count()}});
  return 0;
}

// Of arguments that are wrong elsewhere; -1: none. Whoever waits there shall hear why.
int ready_fd_of(std::span<const char* const> arguments) {
  constexpr std::string_view kFlag = "--ready-fd=";
  int fd = -1;
  for (const std::string_view argument : arguments) {
    if (!argument.starts_with(kFlag)) continue;
    const std::string_view value = argument.substr(kFlag.size());
    std::from_chars(value.data(), value.data() + value.size(), fd);
  }
  return fd;
}

int run(std::span<const char* const> arguments) {
  std::vector<std::string> warnings;
  const absl::StatusOr<Options> options = parse_options(arguments, environ, &warnings);
  if (!options.ok()) {
    const std::string why(options.status().message());
    std::fprintf(stderr, "shoald: %s\n", why.c_str());
    tell_ready(ready_fd_of(arguments), "error " + why);
    return 2;
  }
  if (options->help) {
    std::fputs(help_text().c_str(), stdout);
    return 0;
  }
  if (options->version) {
    std::printf("shoald %s\n", protocol::kRelease);
    return 0;
  }
  close_inherited(*options);
  Log log(options->log_level);
  for (const std::string& warning : warnings) {
    log(Level::kWarning, "option.unknown", {{"what", warning}});
  }
  const int status = serve(*options, log);
  if (options->remove_folder) {
    ::rmdir(options->socket.substr(0, options->socket.rfind('/')).c_str());
  }
  return status;
}

}  // namespace
}  // namespace shoal::daemon

int main(int argc, char** argv) {
  return shoal::daemon::run({argv, static_cast<std::size_t>(argc)});
}
