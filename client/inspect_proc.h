// The process file system, as far as the inspector needs it: who maps memfds of shoal, and reading
// these. Knows nothing of what the bytes mean, and writes nothing.
#pragma once

#include <sys/types.h>

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"

#include "schemas/unique_fd.h"

namespace shoal::internal {

// A part of a file, mapped: [start, end) shows the file from `offset` on.
struct Region {
  std::uint64_t start = 0;
  std::uint64_t end = 0;
  std::uint64_t offset = 0;
};

struct FileId {
  std::string device;
  std::uint64_t inode = 0;
  auto operator<=>(const FileId&) const = default;
};

struct MappedFile {
  FileId id;
  std::string name;  // "shoal-arena"
  std::vector<Region> regions;
};

struct Task {
  pid_t tid = 0;    // as /proc counts
  pid_t inner = 0;  // as the process itself counts
  bool stopped = false;
};

struct Process {
  pid_t pid = 0;
  std::vector<pid_t> pids;  // in each PID namespace that it is in, from ours inwards
  pid_t parent = 0;
  std::string name;
  bool stopped = false;
  std::vector<Task> tasks;
};

class ProcFiles {
 public:
  explicit ProcFiles(std::string root) : root_(std::move(root)) {}

  // None: there is no such file system.
  [[nodiscard]] std::optional<std::vector<pid_t>> pids() const;
  // Its memfds whose names begin with "shoal-". None, and counted, if it may not be read.
  [[nodiscard]] std::vector<MappedFile> memfds(pid_t pid);
  [[nodiscard]] std::optional<Process> process(pid_t pid) const;

  // Its memory can be opened; Yama may keep it from its own uid.
  bool may_read_memory(pid_t pid);
  // All of `into`, or false.
  bool read_memory(pid_t pid, std::uint64_t address, std::span<std::byte> into);
  // Which of the pages from `address` on the process has in its page table; fewer at the end.
  [[nodiscard]] std::vector<bool> pages_present(pid_t pid, std::uint64_t address,
                                                std::size_t pages) const;

  // The file, opened anew through a descriptor that some process has of it; the manager has one of
  // each. Invalid if nobody has, or if it may not be opened.
  [[nodiscard]] protocol::UniqueFd open(const FileId& file);
  void count_unreadable(pid_t pid) { unreadable_.insert(pid); }
  [[nodiscard]] std::size_t unreadable() const { return unreadable_.size(); }

 private:
  [[nodiscard]] std::string path(pid_t pid, std::string_view file) const;

  std::string root_;
  void find_descriptors();

  std::set<pid_t> unreadable_;
  std::optional<std::map<FileId, std::string>> descriptors_;  // once they were looked for
  pid_t memory_of_ = 0;  // whose memory was read last, and is open
  protocol::UniqueFd memory_;
};

// One memfd, read through the memory of the processes that map it; where that may not be, through
// a descriptor that one has.
class SharedFile {
 public:
  SharedFile(ProcFiles& proc, FileId id) : proc_(&proc), id_(std::move(id)) {}

  void add(pid_t pid, std::vector<Region> regions);
  // After all mappers were added, before the first read.
  void choose_way();
  [[nodiscard]] const std::vector<pid_t>& mappers() const { return pids_; }

  // All of `into`, or false. Reading a hole may commit a page: ask for what is known to be there.
  bool read(std::uint64_t offset, std::span<std::byte> into) const;

  using Visit = absl::FunctionRef<void(std::uint64_t offset, std::span<const std::byte> page)>;
  // Every page within [from, to) that is no hole: by memory, those that some process has in its
  // page table.
  void for_each_page(std::uint64_t from, std::uint64_t to, Visit visit) const;

 private:
  void for_each_page_mapped(std::uint64_t from, std::uint64_t to, Visit visit) const;

  ProcFiles* proc_;
  FileId id_;
  std::vector<pid_t> pids_;
  std::vector<std::vector<Region>> regions_;  // of each of these
  protocol::UniqueFd descriptor_;             // if this is the way
};

}  // namespace shoal::internal
