// Puts memory behind the chunks that this process claims in a mapped arena, so that no store into
// them is ever a SIGBUS. No descriptor is kept for it: the kernel is asked by address.
//
// Who asks has claimed the chunks and holds no lock, so nobody waits for this, and what was
// committed when the process is killed is found again by whoever claims the chunks next.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "client/arena_mapping.h"
#include "client/fork.h"
#include "memory/arena.h"
#include "schemas/memory_gauge.h"

namespace shoal::internal {

// What the host and the control groups of this process would still give, as it was a moment ago.
class HeadRoom : private ForkGuarded {
 public:
  // `root` as MemoryGauge has it.
  explicit HeadRoom(std::string root = {}) : gauge_(std::move(root)) {}
  static HeadRoom& of_this_process();

  // Whether `bytes` more are there, which then count as used.
  bool take(std::uint64_t bytes);
  void give_back(std::uint64_t bytes);

 private:
  protocol::MemoryGauge gauge_;
};

// Whole pages, mapped for writing. They keep what they hold; what had no memory reads 0. False:
// there is no memory, and none of it was taken.
bool put_memory_behind(std::byte* at, std::uint64_t bytes, HeadRoom& room);

// The two ways of it, for tests. Before Linux 5.14 there is only the second, which needs pages that
// nobody uses: it writes zeros into them.
enum class Populated { kDone, kRefused, kUnknown };
Populated populate_by_madvise(std::byte* at, std::uint64_t bytes);
bool populate_by_touch(std::byte* at, std::uint64_t bytes);

// For the allocator of this mapping, which outlives it.
memory::Commit commit_for(ArenaMapping& mapping);

}  // namespace shoal::internal
