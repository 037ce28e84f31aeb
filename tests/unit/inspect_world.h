// A hand-made process file system for the inspector: processes, session pages and an arena that no
// kernel knows. The memory of all of them is one memfd, in which each mapping has its own place.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

#include <shoal/inspect.h>

#include "memory/futex.h"
#include "memory/layout.h"
#include "memory/lock.h"
#include "memory/object.h"
#include "memory/recover.h"
#include "memory/session_page.h"
#include "schemas/protocol.h"

namespace shoal::test {

inline constexpr std::uint64_t kManager = 77;
inline constexpr std::uint64_t kArena = 5;

class World {
 public:
  struct Thread {
    pid_t tid = 0;
    pid_t inner = 0;
    char state = 'S';
  };
  struct Program {
    pid_t pid = 0;
    pid_t parent = 1;
    std::string pids = {};  // NSpid; empty: just its pid
    std::string name = "worker";
    char state = 'S';
    std::vector<Thread> threads = {};
    std::vector<std::string> maps = {};
  };

  World() : memory_(::memfd_create("memory", MFD_CLOEXEC)) {
    char name[] = "/tmp/shoal-inspect-XXXXXX";
    root_ = ::mkdtemp(name);
    (void)::ftruncate(memory_, off_t{4} << 30);
    arena_ = at(kArenaStart, kArenaBytes);
    auto* header = reinterpret_cast<memory::ArenaHeader*>(arena_);
    header->magic = memory::kArenaMagic;
    header->layout = protocol::kLayoutVersion;
    header->arena = kArena;
    header->manager = kManager;
  }
  World(const World&) = delete;
  World& operator=(const World&) = delete;
  ~World() {
    for (const auto& [base, bytes] : mapped_) ::munmap(base, bytes);
    ::close(memory_);
    std::filesystem::remove_all(root_);
  }

  // A session of a process with these threads, numbered from 1 on.
  memory::SessionPage& session(std::uint16_t slot, Program& program) {
    const std::uint64_t start = kPagesStart + slot * std::uint64_t{4} * 1024 * 1024;
    auto& page = *reinterpret_cast<memory::SessionPage*>(at(start, memory::kSessionPageBytes));
    page.magic = memory::kSessionPageMagic;
    page.layout = protocol::kLayoutVersion;
    page.slot = slot;
    page.session = session_id(slot);
    page.pid = static_cast<std::uint32_t>(program.pid);
    page.arena = kArena;
    page.manager = kManager;
    page.threads.store(static_cast<std::uint32_t>(program.threads.size()) + 1);
    for (std::size_t i = 0; i < program.threads.size(); ++i) {
      page.records[i].tid.store(static_cast<std::uint32_t>(program.threads[i].inner));
    }
    map_page(program, slot);
    map_arena(program);
    return page;
  }
  static std::uint64_t session_id(std::uint16_t slot) { return std::uint64_t{9} << 32 | slot; }

  void map_page(Program& program, std::uint16_t slot) const {
    const std::uint64_t start = kPagesStart + slot * std::uint64_t{4} * 1024 * 1024;
    program.maps.push_back(
        absl::StrFormat("%x-%x rw-s 00000000 00:01 %d    /memfd:shoal-session (deleted)", start,
                        start + memory::kSessionPageBytes, 1000 + slot));
  }
  void map_arena(Program& program) const {
    // In two pieces, as mprotect leaves it.
    const std::uint64_t middle = memory::Geometry::kObjectTable + 8192;
    program.maps.push_back(
        absl::StrFormat("%x-%x rw-s 00000000 00:01 500 /memfd:shoal-arena (deleted)", kArenaStart,
                        kArenaStart + middle));
    program.maps.push_back(absl::StrFormat("%x-%x r--s %08x 00:01 500 /memfd:shoal-arena (deleted)",
                                           kArenaStart + middle, kArenaStart + kArenaBytes,
                                           middle));
  }

  // A process without shoal needs no more than this.
  void write(const Program& program) const {
    const std::string folder = absl::StrCat(root_, "/", program.pid);
    std::filesystem::create_directories(folder + "/task");
    const std::string pids = program.pids.empty() ? absl::StrCat(program.pid) : program.pids;
    write(folder + "/status",
          absl::StrCat("Name:\t", program.name, "\nState:\t", std::string(1, program.state),
                       " (state)\nPPid:\t", program.parent, "\nNSpid:\t", pids, "\n"));
    for (const Thread& thread : program.threads) {
      const std::string task = absl::StrCat(folder, "/task/", thread.tid);
      std::filesystem::create_directories(task);
      write(task + "/status",
            absl::StrCat("Name:\tx\nState:\t", std::string(1, thread.state), " (state)\nNSpid:\t",
                         thread.tid, "\t", thread.inner, "\n"));
    }
    std::string maps = "00400000-00401000 r-xp 00000000 08:01 42   /usr/bin/worker\n";
    for (const std::string& line : program.maps) absl::StrAppend(&maps, line, "\n");
    write(folder + "/maps", maps);
    const std::string target = absl::StrCat("/proc/", ::getpid(), "/fd/", memory_);
    std::filesystem::create_symlink(target, folder + "/mem");
    write_pagemap(folder + "/pagemap");
  }

  memory::ObjectView lay(std::uint32_t index, memory::ObjectKind kind, std::uint64_t parameter = 0,
                         std::uint16_t flags = 0) {
    const std::uint64_t id = object_id(index);
    const std::uint64_t block = memory::block_bytes(kind, flags, parameter) == 0
                                    ? 0
                                    : kArenaBytes - (1 << 20) + index * 512;
    memory::lay_object(arena_, {.index = index,
                                .id = id,
                                .kind = kind,
                                .flags = flags,
                                .parameter = parameter,
                                .block = block,
                                .initial = {}});
    return memory::view_of(arena_, id, kind, flags, parameter, block);
  }
  static std::uint64_t object_id(std::uint32_t index) { return std::uint64_t{3} << 32 | index; }

  static memory::Caller caller(std::uint16_t slot, std::uint32_t thread) {
    return {.owner = memory::owner_of(slot, thread)};
  }

  static void wait(memory::SessionPage& page, std::uint32_t thread, std::uint32_t object,
                   memory::Purpose purpose) {
    memory::ThreadRecord& record = page.records[thread - 1];
    record.since_ns.store(static_cast<std::uint64_t>(memory::monotonic_ns()));
    record.purpose.store(static_cast<std::uint32_t>(purpose));
    record.waiting.store(object_id(object));
  }

  [[nodiscard]] Inspector look() const {
    auto seen = Inspector::look({.proc = root_});
    if (!seen.ok()) throw std::runtime_error(seen.status().ToString());
    return *std::move(seen);
  }
  [[nodiscard]] const std::string& root() const { return root_; }
  [[nodiscard]] std::byte* arena() const { return arena_; }

 private:
  static constexpr std::uint64_t kPagesStart = 0x10000000;
  static constexpr std::uint64_t kArenaStart = 0x40000000;
  static constexpr std::uint64_t kArenaBytes = std::uint64_t{512} << 20;

  std::byte* at(std::uint64_t start, std::uint64_t bytes) {
    void* base = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memory_,
                        static_cast<off_t>(start));
    if (base == MAP_FAILED) throw std::runtime_error("mmap");
    mapped_[base] = bytes;
    return static_cast<std::byte*>(base);
  }

  static void write(const std::string& path, const std::string& text) {
    std::ofstream(path, std::ios::binary) << text;
  }

  // Present is what is no hole.
  void write_pagemap(const std::string& path) const {
    const int file = ::open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    (void)::ftruncate(file, (off_t{4} << 30) / 4096 * 8);
    const std::uint64_t present = std::uint64_t{1} << 63;
    for (off_t data = ::lseek(memory_, 0, SEEK_DATA); data >= 0;) {
      const off_t hole = ::lseek(memory_, data, SEEK_HOLE);
      for (; data < hole; data += 4096) (void)::pwrite(file, &present, 8, data / 4096 * 8);
      data = ::lseek(memory_, hole, SEEK_DATA);
    }
    ::close(file);
  }

  int memory_;
  std::string root_;
  std::byte* arena_ = nullptr;
  std::map<void*, std::uint64_t> mapped_;
};

}  // namespace shoal::test
