// Finding and starting the manager's program.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "client/guarded_fd.h"

namespace shoal::internal {

// `program` itself if given, else $SHOAL_SHOALD, else beside the library or in ../bin of it, else
// on PATH. NOT_FOUND says where it was looked for.
absl::StatusOr<std::string> find_program(const std::string& program);

struct Spawned {
  pid_t pid = 0;
  GuardedFd pidfd;
  GuardedFd ready;  // read end: one line when it serves, or why it does not
};

// Starts `program` with `flags` and with descriptors for --parent-fd and --ready-fd. Its output
// goes to `log_file` (appended), or nowhere if empty, or to our stderr if "-".
absl::StatusOr<Spawned> spawn_manager(const std::string& program,
                                      const std::vector<std::string>& flags,
                                      const std::string& log_file);

}  // namespace shoal::internal
