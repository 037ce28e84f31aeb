// What a command of shoalctl is, what was asked of it, and how it answers. The table of all
// commands drives parsing, running and --help alike. Nothing here talks to a manager.
#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace shoal::tools {

// Exit statuses. Scripts rely on them.
inline constexpr int kDone = 0;
inline constexpr int kRefused = 1;  // or not found
inline constexpr int kBadUsage = 2;
inline constexpr int kNoManager = 3;
inline constexpr int kDamaged = 4;

struct Flag {
  std::string_view name;   // with its dashes
  std::string_view value;  // what help calls the value; empty: the flag takes none
  std::string_view help;
};

struct Command;

// A command line, taken apart.
struct Invocation {
  const Command* command = nullptr;  // null: none was named
  std::string group;                 // "arena", where only the group was named
  std::vector<std::string> operands;
  std::map<std::string, std::string, std::less<>> flags;  // by name; the value may be empty

  [[nodiscard]] bool has(std::string_view flag) const { return flags.find(flag) != flags.end(); }
  // Empty if the flag was not given.
  [[nodiscard]] std::string value(std::string_view flag) const;
  [[nodiscard]] bool json() const { return has("--json"); }
};

struct Command {
  std::string_view name;      // "ls", "arena create"
  std::string_view synopsis;  // its operands and flags, as help shows them
  std::string_view summary;   // one line
  std::string_view details;   // more for `help CMD`; may be empty
  std::vector<Flag> flags;
  std::size_t operands_min = 0;
  std::size_t operands_max = 0;
  int (*run)(const Invocation&) = nullptr;  // the exit status
};

std::span<const Command> commands();
std::span<const Flag> global_flags();

// Takes a command line apart into `asked`. The error is bad usage, and says what is wrong; `asked`
// then has what was understood before.
absl::Status parse(std::span<const std::string> arguments, Invocation& asked);

// Runs what was asked, or shows help. The exit status.
int run_parsed(const Invocation& asked);

// Runs a whole command line and returns the exit status.
int run(std::span<const std::string> arguments);

// Prints "shoalctl: <message>" on stderr and returns the exit status that belongs to it.
int fail(const absl::Status& status);
int fail_usage(const Invocation& asked, const std::string& message);

// A remark for a person, on stderr.
void note(const std::string& message);

// Writes to stdout. A failure is remembered and makes the exit status kRefused.
void print(std::string_view text);

}  // namespace shoal::tools
