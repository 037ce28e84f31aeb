// A child process: started by exec, never left behind. Linux's process calls and nothing of shoal.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace demo {

struct ChildOptions {
  std::vector<std::string> extra_environment;  // NAME=VALUE, beats what is inherited
  std::string stdin_file = "/dev/null";
  int stdout_fd = -1;  // -1: inherited
};

// Destroying one kills the process, if it still runs, and collects it.
class Child {
 public:
  // `words[0]` is a path, or a name to be found on PATH.
  static absl::StatusOr<Child> start(const std::vector<std::string>& words,
                                     const ChildOptions& options = {});

  Child(Child&& other) noexcept;
  Child& operator=(Child&& other) noexcept;
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child();

  [[nodiscard]] pid_t pid() const { return pid_; }

  // How it ended, as waitpid says; nothing while it runs.
  std::optional<int> ended();
  // Waits for the end. CANCELLED if the user interrupts.
  absl::StatusOr<int> wait();
  // SIGKILL, and waits until the process is dead.
  void kill();

 private:
  explicit Child(pid_t pid) : pid_(pid) {}

  pid_t pid_ = 0;
  std::optional<int> status_;
};

// Runs a program to its end and returns what it wrote on stdout. INTERNAL if it failed.
absl::StatusOr<std::string> output_of(const std::vector<std::string>& words, ChildOptions options);

}  // namespace demo
