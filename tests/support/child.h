// Other processes in tests: a function run in a forked child, as another user if need be, which
// talks with its parent in messages. A child ends by _exit, so nothing of the parent's is destroyed
// in it, and no failure of its own is counted: it says what it found, and the parent judges.
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace shoal::test {

// One end of a pair of message sockets.
class Channel {
 public:
  Channel() = default;
  explicit Channel(int fd) : fd_(fd) {}
  Channel(Channel&& other) noexcept;
  Channel& operator=(Channel&& other) noexcept;
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;
  ~Channel();

  void say(std::string_view message) const;
  // The next message; empty once the other end is gone. Throws if the watchdog runs out.
  [[nodiscard]] std::string hear() const;
  [[nodiscard]] int fd() const { return fd_; }

 private:
  int fd_ = -1;
};

class Child {
 public:
  // What it returns is the child's last message.
  using Body = std::function<std::string(Channel& parent)>;

  // `uid`: the child gives up every right of its parent first, and has that uid and gid.
  explicit Child(const Body& body, std::optional<uid_t> uid = std::nullopt);
  Child(Child&& other) noexcept;
  Child& operator=(Child&&) = delete;
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child();  // kills it if it still runs

  [[nodiscard]] pid_t pid() const { return pid_; }
  void say(std::string_view message) const { channel_.say(message); }
  [[nodiscard]] std::string hear() const { return channel_.hear(); }
  // Hears one more message and waits for the end.
  [[nodiscard]] std::string result();
  // Waits for the end; the status of waitpid().
  int wait();
  // Kills it and waits until it is dead.
  void kill(int signal = 9);

 private:
  pid_t pid_ = -1;
  std::optional<int> status_;
  Channel channel_;
};

// Runs `body` in a child to its end: what it returned.
std::string in_child(const std::function<std::string()>& body,
                     std::optional<uid_t> uid = std::nullopt);

// A uid that is nobody's here.
inline constexpr uid_t kOtherUid = 54'321;
inline constexpr uid_t kThirdUid = 54'322;

// The programs of the build, and the test's own helpers beside it.
std::string built_program(const std::string& name);
std::string helper_program(const std::string& name);

// Runs a program to its end.
struct Output {
  int status = -1;   // of its exit; -1: it was killed
  std::string text;  // standard output and error
};
Output run_program(const std::vector<std::string>& words);

// Runs a program in a session of its own, as somebody else would have started it (its parent is not
// this process), and gives its standard output when it has ended.
std::string run_detached(const std::vector<std::string>& words);

// Processes of another uid are made by root only.
#define SHOAL_NEEDS_ROOT()                                                              \
  do {                                                                                  \
    if (::geteuid() != 0) {                                                             \
      if (::getenv("SHOAL_TESTS_NO_ROOT") != nullptr) GTEST_SKIP() << "needs root";     \
      GTEST_FAIL() << "needs root to make processes of another uid (or say --no-root)"; \
    }                                                                                   \
  } while (false)

}  // namespace shoal::test
