// What the manager was told: flags, their twin variables, defaults. One table (options.cc) drives
// parsing, the variables and --help. Looks at arguments and at the machine's memory, opens nothing.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "daemon/log.h"

namespace shoal::daemon {

// The mode of the socket follows from its folder: 0666 in /run/shoal, else 0600.
inline constexpr mode_t kSocketModeByFolder = static_cast<mode_t>(-1);

struct Options {
  std::string socket;               // empty: the default places
  std::uint64_t memory_max = 0;     // bytes of all segments, warm ones included
  std::uint64_t warm_bytes = 0;     // of them, kept warm when freed
  std::uint64_t default_quota = 0;  // of an arena that was given none
  std::uint64_t arena_size = 0;     // of the memory of each arena, which is sparse
  std::uint32_t slow_wait_ms = 0;   // a longer wait in an arena is logged; 0: none is
  mode_t default_mode = 0600;       // of the arena "default"
  mode_t socket_mode = kSocketModeByFolder;
  std::uint32_t sessions_max = 0;
  Level log_level = Level::kInfo;
  int parent_fd = -1;          // a pidfd: the manager ends with that process
  int ready_fd = -1;           // gets one line when the manager is ready
  bool remove_folder = false;  // of the socket, at the end
  bool help = false;
  bool version = false;
};

// `argv` begins with the program's name; `env` ends with a null pointer and may be null. A flag
// beats its variable; an empty variable counts as unset. INVALID_ARGUMENT names the flag or
// variable. Worked out against `memory_bytes` (percent, defaults); 0: the smaller of RAM and the
// cgroup's limit. With --help or --version nothing else is checked.
absl::StatusOr<Options> parse_options(std::span<const char* const> argv, const char* const* env,
                                      std::vector<std::string>* warnings,
                                      std::uint64_t memory_bytes = 0);

// What --help prints.
std::string help_text();

}  // namespace shoal::daemon
