// Whether a child that this process forked may still use what the process held at the fork: what
// lives in the memory of an arena has no mapping of its own, which would keep it in the child.
//
// The mark is a page of a file that forks inherit mapped, and whose end the kernel sees to: exec,
// exit, or the child itself, once it has taken over what it inherited. Who wants to know unmaps the
// page here; as long as a child has it mapped, the kernel refuses to seal the file against writing.
// Descriptors would tell less: a child that becomes a daemon closes them and goes on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "client/guarded_fd.h"

namespace shoal::internal {

// All calls with a ForkGuarded's mutex held, so that no fork comes between two steps.
class ForkMark {
 public:
  ForkMark() = default;
  ForkMark(const ForkMark&) = delete;
  ForkMark& operator=(const ForkMark&) = delete;
  ~ForkMark() { forget(); }

  // From now on children are told of; before, nothing was held that would matter.
  void begin();

  // The number (fork_count) of the last fork a child of which may still use what was held then; 0:
  // there is none. Where that cannot be known, there is one.
  std::uint64_t last_in_use();

  // In a child that has taken over what it inherited: its parent hears of it.
  void forget();

 private:
  // The mark of some forks in a row, not mapped here any more.
  struct Past {
    std::uint64_t last_fork = 0;
    GuardedFd file;
  };

  void make();
  void unmap();

  GuardedFd file_;
  void* page_ = nullptr;                // null: not begun, or it could not be made
  std::uint64_t made_at_ = UINT64_MAX;  // fork_count() then; UINT64_MAX: not begun
  std::vector<Past> past_;
};

}  // namespace shoal::internal
