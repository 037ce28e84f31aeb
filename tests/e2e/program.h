// Programs as users run them: started with words and variables in a process group of their own,
// their output kept in files, so that nobody waits for a reader. Tests of examples/ share it.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/watchdog.h"

namespace shoal::e2e {

struct Ended {
  int status = -1;  // of exit; -1: ended by a signal
  int signal = 0;
};

class Program {
 public:
  // `words[0]` is a path; `variables` are NAME=VALUE, put over those of the test.
  explicit Program(const std::vector<std::string>& words,
                   const std::vector<std::string>& variables = {})
      : out_(::memfd_create("out", MFD_CLOEXEC)), err_(::memfd_create("err", MFD_CLOEXEC)) {
    pid_ = ::fork();
    if (pid_ == 0) run(words, variables);
    ::setpgid(pid_, pid_);
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  ~Program() {
    if (!ended_) {
      ::kill(-pid_, SIGKILL);
      (void)wait();
    }
    ::close(out_);
    ::close(err_);
  }

  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] std::string out() const { return text_of(out_); }
  [[nodiscard]] std::string err() const { return text_of(err_); }

  bool has_ended() {
    int status = 0;
    if (!ended_ && ::waitpid(pid_, &status, WNOHANG) == pid_) {
      ended_ = Ended{.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1,
                     .signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0};
    }
    return ended_.has_value();
  }

  // A program that does not end is killed, and reported as that.
  Ended wait() {
    if (!test::wait_until([&] { return has_ended(); })) {
      ::kill(-pid_, SIGKILL);
      (void)test::wait_until([&] { return has_ended(); });
    }
    return ended_.value_or(Ended{});
  }

 private:
  [[noreturn]] void run(const std::vector<std::string>& words,
                        const std::vector<std::string>& variables) const {
    ::setpgid(0, 0);
    const int nothing = ::open("/dev/null", O_RDONLY);
    ::dup2(nothing, STDIN_FILENO);
    ::dup2(out_, STDOUT_FILENO);
    ::dup2(err_, STDERR_FILENO);
    for (const std::string& variable : variables) ::putenv(const_cast<char*>(variable.c_str()));
    std::vector<char*> argv;
    for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }

  static std::string text_of(int fd) {
    std::string text;
    char piece[65536];
    ssize_t got = 0;
    while ((got = ::pread(fd, piece, sizeof piece, static_cast<off_t>(text.size()))) > 0) {
      text.append(piece, static_cast<std::size_t>(got));
    }
    return text;
  }

  int out_;
  int err_;
  pid_t pid_ = -1;
  std::optional<Ended> ended_;
};

}  // namespace shoal::e2e
