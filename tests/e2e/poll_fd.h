// epoll, as a program that lives in it uses poll_fd().
#pragma once

#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <set>

#include <gtest/gtest.h>

#include "tests/support/watchdog.h"

namespace shoal::e2e {

class Epoll {
 public:
  Epoll() : fd_(::epoll_create1(EPOLL_CLOEXEC)) {}
  Epoll(const Epoll&) = delete;
  Epoll& operator=(const Epoll&) = delete;
  ~Epoll() { ::close(fd_); }

  void add(int fd) const {
    epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
    ASSERT_EQ(::epoll_ctl(fd_, EPOLL_CTL_ADD, fd, &event), 0);
  }
  // Those that are readable.
  [[nodiscard]] std::set<int> wait(int milliseconds) const {
    std::array<epoll_event, 32> events;
    const int count = ::epoll_wait(fd_, events.data(), 32, milliseconds);
    std::set<int> ready;
    for (int i = 0; i < count; ++i) ready.insert(events[static_cast<std::size_t>(i)].data.fd);
    return ready;
  }
  [[nodiscard]] bool becomes_readable(int fd) const {
    return wait(test::kWatchdogSeconds * 1000).contains(fd);
  }

 private:
  int fd_;
};

}  // namespace shoal::e2e
