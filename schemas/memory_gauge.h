// How much memory the host and the control groups above this process would still give, so that who
// wants more is refused with RESOURCE_EXHAUSTED instead of calling the kernel's killer. Asked by
// the manager before it makes a segment, and by a client before it commits chunks of an arena. It
// only looks; it reserves nothing, and others on the host may take what it saw a moment later.
//
// Counted: MemAvailable of the host; of each memory cgroup (v1 and v2) from the process's up, the
// limit minus what is in use, where inactive page cache is not in use, as the kernel drops it
// first.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace shoal::protocol {

struct MemoryLimit {
  std::uint64_t bytes;
  std::string of;  // "host memory", or "cgroup /a/b"
};

// The smallest of RAM and the limits of the cgroups above this process. `root` is put before every
// path that is read; tests give a folder.
MemoryLimit memory_limit(const std::string& root = {});

// The folders, from the process's cgroup to the topmost that has a limit file. Empty: no memory
// controller that we can see.
struct MemoryCgroup {
  std::string folder;  // on this file system, `root` included
  std::string name;    // as messages name it
  bool v2;
};
std::vector<MemoryCgroup> memory_cgroups(const std::string& root = {});

class MemoryGauge {
 public:
  // `now_ns` is a monotonic clock; null: the kernel's.
  explicit MemoryGauge(std::string root = {}, std::function<std::int64_t()> now_ns = nullptr);

  // OK if `bytes` more may be committed, which then count as used; the caller commits them before
  // the next call. Else RESOURCE_EXHAUSTED, and nothing was counted.
  absl::Status admit(std::uint64_t bytes);
  // What was admitted and is free again, or was not committed after all.
  void released(std::uint64_t bytes);
  // What admit() would let through, after the reserve.
  [[nodiscard]] std::uint64_t available();

  // How often the files were read.
  [[nodiscard]] std::uint64_t readings() const { return readings_; }

 private:
  [[nodiscard]] bool stale();
  void read();
  void consider(std::uint64_t limit, std::uint64_t free, std::string of);

  std::string root_;
  std::function<std::int64_t()> now_ns_;
  std::vector<MemoryCgroup> cgroups_;
  std::uint64_t available_ = 0;  // estimate: the last reading less what was admitted since
  std::string of_;               // of what
  std::int64_t read_at_ns_ = 0;
  std::uint64_t readings_ = 0;
};

}  // namespace shoal::protocol
