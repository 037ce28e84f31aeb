// What the tests of locks and their kin share: a manager with a client, proxies of other sessions,
// and ways to know that somebody is asleep in a call, so that no test needs to sleep itself.
#pragma once

#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <exception>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <shoal/shoal.h>

#include "tests/support/child.h"
#include "tests/support/test_manager.h"
#include "tests/support/watchdog.h"

namespace shoal::e2e {

using test::Channel;
using test::Child;
using test::in_child;
using test::must;
using test::outcome;
using test::wait_until;

// Long enough that a test which waits for it has failed; the calls end, so it can say so.
inline constexpr absl::Duration kLong = absl::Seconds(60);
// For a timeout that is to run out.
inline constexpr absl::Duration kShort = absl::Milliseconds(20);
// For one that is not, while something must be seen not to happen.
inline constexpr absl::Duration kNow = absl::ZeroDuration();

// The code alone: "OK", "DEADLINE_EXCEEDED", ...
inline std::string code(const absl::Status& status) {
  return std::string(absl::StatusCodeToString(status.code()));
}
template <typename T>
std::string code(const absl::StatusOr<T>& value) {
  return code(value.status());
}

// Whether the thread is in the kernel's futex call.
inline bool sleeps(pid_t pid, pid_t tid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/task/" + std::to_string(tid) + "/syscall");
  long number = -1;
  return (file >> number) && number == SYS_futex;
}
inline bool falls_asleep(pid_t pid, pid_t tid) {
  return wait_until([&] { return sleeps(pid, tid); });
}
inline bool falls_asleep(const Child& child) { return falls_asleep(child.pid(), child.pid()); }

// Stops a process and waits until it has stopped.
inline void stop(const Child& child) {
  ::kill(child.pid(), SIGSTOP);
  int status = 0;
  ::waitpid(child.pid(), &status, WUNTRACED);
}
inline void resume(const Child& child) { ::kill(child.pid(), SIGCONT); }

// A call in a thread of this process. Joined by `result()` or the destructor.
class Thread {
 public:
  explicit Thread(std::function<std::string()> body)
      : shared_(std::make_shared<Shared>()), thread_([shared = shared_, body = std::move(body)] {
          shared->tid = static_cast<pid_t>(::syscall(SYS_gettid));
          try {
            shared->result = body();
          } catch (const std::exception& failure) {
            shared->result = std::string("failed: ") + failure.what();
          }
          shared->done = true;
        }) {}
  Thread(Thread&&) = default;
  Thread& operator=(Thread&&) = delete;
  ~Thread() {
    if (thread_.joinable()) thread_.join();
  }

  [[nodiscard]] bool is_done() const { return shared_->done; }
  // False: it ended instead.
  [[nodiscard]] bool falls_asleep() const {
    return wait_until([&] {
             return is_done() || (shared_->tid != 0 && sleeps(::getpid(), shared_->tid));
           }) &&
           !is_done();
  }
  std::string result() {
    if (thread_.joinable()) thread_.join();
    return shared_->result;
  }

 private:
  struct Shared {
    std::atomic<pid_t> tid = 0;
    std::atomic<bool> done = false;
    std::string result;
  };
  std::shared_ptr<Shared> shared_;
  std::thread thread_;
};

class Sync : public testing::Test {
 protected:
  // In a session of its own: for use in children.
  template <class T>
  T opened(const std::string& name, const OpenOptions& options = {}) const {
    return must(manager_.client().template open<T>(name, options));
  }
  template <class T>
  T made(const std::string& name, const typename T::Options& options = {}) const {
    return must(client_.template create<T>(name, options));
  }

  // A process that has done `first` in a session of its own and waits to be killed or let go.
  template <class T>
  Child holder(const std::string& name, std::function<std::string(T&)> first) const {
    Child child([this, name, first](Channel& parent) {
      T object = opened<T>(name);
      parent.say(first(object));
      (void)parent.hear();
      return std::string("let go");
    });
    EXPECT_EQ(child.hear(), "OK");
    return child;
  }
  // A process that is asleep in `call`, which it then reports.
  template <class T>
  Child sleeper(const std::string& name, std::function<std::string(T&)> call) const {
    Child child([this, name, call](Channel& parent) {
      T object = opened<T>(name);
      parent.say("ready");
      return call(object);
    });
    EXPECT_EQ(child.hear(), "ready");
    EXPECT_TRUE(falls_asleep(child));
    return child;
  }

  test::TestManager manager_{{"--warm-bytes=0"}};
  Client client_ = manager_.client();
};

}  // namespace shoal::e2e
