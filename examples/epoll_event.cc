// A program that lives in epoll waits for an event of another process beside everything else that
// it waits for: poll_fd() gives a descriptor that becomes readable when the event may have been
// set. Here a child sets the event three times, and a timer ticks meanwhile.
//
// The rule: try first; if that fails, wait for the descriptor; then try again. The try that fails
// drains the descriptor and arms it. It may become readable without cause.
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <iostream>

#include <shoal/shoal.h>

namespace {

constexpr int kTimes = 3;

int fail(const absl::Status& status) {
  std::cerr << status << '\n';
  return 1;
}

// The other process: sets the event, and waits until it was seen.
int set_it(const shoal::Event& changed, const shoal::Event& seen) {
  for (int i = 0; i < kTimes; ++i) {
    if (!changed.set().ok() || !seen.wait(absl::Seconds(60)).ok() || !seen.clear().ok()) return 1;
  }
  return 0;
}

bool add(int epoll, int fd) {
  epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
  return ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

}  // namespace

int main() {
  auto manager = shoal::Manager::start();
  if (!manager.ok()) return fail(manager.status());
  const auto client = manager->connect();
  if (!client.ok()) return fail(client.status());
  const auto changed = client->create<shoal::Event>("changed");
  if (!changed.ok()) return fail(changed.status());
  const auto seen = client->create<shoal::Event>("seen");
  if (!seen.ok()) return fail(seen.status());

  const pid_t child = ::fork();
  if (child == 0) ::_exit(set_it(*changed, *seen));

  const auto fd = changed->poll_fd();  // the library's: neither read nor closed here
  if (!fd.ok()) return fail(fd.status());
  const int timer = ::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
  const itimerspec tick = {.it_interval = {.tv_sec = 1, .tv_nsec = 0},
                           .it_value = {.tv_sec = 1, .tv_nsec = 0}};
  ::timerfd_settime(timer, 0, &tick, nullptr);
  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  if (!add(epoll, *fd) || !add(epoll, timer)) return fail(absl::ErrnoToStatus(errno, "epoll_ctl"));

  for (int times = 0; times < kTimes;) {
    const absl::Status status = changed->wait(absl::ZeroDuration());
    if (status.ok()) {
      std::cout << "set " << ++times << '\n';
      if (!changed->clear().ok() || !seen->set().ok()) return 1;
      continue;
    }
    if (!absl::IsDeadlineExceeded(status)) return fail(status);
    epoll_event event{};
    if (::epoll_wait(epoll, &event, 1, -1) < 0 && errno != EINTR) return 1;
    if (event.data.fd == timer) {
      std::uint64_t ticks = 0;
      (void)!::read(timer, &ticks, sizeof ticks);
    }
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return status == 0 ? 0 : 1;
}
