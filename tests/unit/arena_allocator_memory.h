// An arena for tests of its allocator: small tables, so that it can be copied; chunks that are
// checked for never being left; records of a few threads; and the callbacks.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <span>
#include <vector>

#include "memory/arena.h"

namespace shoal::test {

inline constexpr std::uint64_t kPage = 4096;

// Like Geometry::of, with an object table of nothing and tables of few chunks side by side.
constexpr memory::Geometry small_geometry(std::uint32_t chunks) {
  const auto up = [](std::uint64_t bytes) { return (bytes + kPage - 1) / kPage * kPage; };
  memory::Geometry g{};
  g.chunk_count = chunks;
  g.chunk_table = kPage;
  g.cell_table = g.chunk_table + up(chunks * 8);
  g.chunks = g.cell_table + up(std::uint64_t{chunks} * memory::kCellsPerChunkMax * 8);
  g.file_bytes = g.chunks + chunks * memory::kChunkBytes;
  return g;
}

inline memory::Word64& chunk_word_at(std::byte* arena, const memory::Geometry& geometry,
                                     std::uint32_t chunk) {
  return reinterpret_cast<memory::Word64*>(arena + geometry.chunk_table)[chunk];
}
inline memory::Word64& cell_word_at(std::byte* arena, const memory::Geometry& geometry,
                                    std::uint32_t chunk, std::uint32_t cell) {
  return reinterpret_cast<memory::Word64*>(
      arena + geometry.cell_table)[chunk * memory::kCellsPerChunkMax + cell];
}

// Mapped between two pages that nobody may touch.
class GuardedBytes {
 public:
  explicit GuardedBytes(std::size_t size) : size_((size + kPage - 1) / kPage * kPage) {
    void* at = mmap(nullptr, size_ + 2 * kPage, PROT_NONE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) std::abort();
    base_ = static_cast<std::byte*>(at);
    if (mprotect(data(), size_, PROT_READ | PROT_WRITE) != 0) std::abort();
  }
  GuardedBytes(const GuardedBytes&) = delete;
  GuardedBytes& operator=(const GuardedBytes&) = delete;
  ~GuardedBytes() { munmap(base_, size_ + 2 * kPage); }

  [[nodiscard]] std::byte* data() const { return base_ + kPage; }
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  std::size_t size_;
  std::byte* base_ = nullptr;
};

// Of one object alone, whose index outlives the call.
inline memory::Gone only(std::uint32_t& index) {
  return {[](void* wanted, std::uint32_t at) { return *static_cast<std::uint32_t*>(wanted) == at; },
          &index};
}

class TestArena {
 public:
  explicit TestArena(std::uint32_t chunks)
      : geometry(small_geometry(chunks)),
        bytes(geometry.file_bytes),
        memory(bytes.data(), geometry, memory::Commit{&TestArena::commit, this}) {
    memory::lay_arena(bytes.data(), {.layout = 2,
                                     .bytes = chunks * memory::kChunkBytes,
                                     .id = 1,
                                     .manager = 1,
                                     .quota_chunks = chunks});
    records.resize(64);
    manager = {.owner = memory::owner_of(memory::kManagerSlot, memory::kManagerThread),
               .record = memory::manager_record(bytes.data())};
  }

  // Of slot `n`, thread 1.
  memory::Caller caller(std::uint16_t n) {
    return {.owner = memory::owner_of(n, 1), .record = &records[n]};
  }
  memory::ArenaHeader& header() { return *reinterpret_cast<memory::ArenaHeader*>(bytes.data()); }
  memory::Word64& chunk(std::uint32_t at) { return chunk_word_at(bytes.data(), geometry, at); }
  memory::Word64& cell(std::uint32_t chunk, std::uint32_t at) {
    return cell_word_at(bytes.data(), geometry, chunk, at);
  }
  std::span<std::byte> block(std::uint64_t offset, std::uint64_t size) {
    return {bytes.data() + offset, size};
  }
  [[nodiscard]] bool holds(std::uint64_t offset, std::uint64_t size) const {
    return offset >= geometry.chunks && offset <= geometry.file_bytes &&
           size <= geometry.file_bytes - offset;
  }

  memory::Reaches reaches() {
    return {[](void* self, std::uint64_t object, std::uint32_t part, std::uint64_t block) {
              auto& roots = static_cast<TestArena*>(self)->roots;
              const auto root = roots.find({object, part});
              return root != roots.end() && root->second == block;
            },
            this};
  }
  memory::Punch punch() {
    return {[](void* self, std::uint64_t offset, std::uint64_t size) {
              auto& arena = *static_cast<TestArena*>(self);
              if (!arena.holds(offset, size)) std::abort();
              madvise(arena.bytes.data() + offset, size, MADV_DONTNEED);
              arena.punched.emplace_back(offset, size);
              return arena.punches;
            },
            this};
  }
  // Long after `collect` was called last: it is quiet at once.
  std::uint64_t collect_all(std::uint64_t warm = 0) {
    (void)memory.collect(manager, watch, now += memory::kQuietNs, warm, 1U << 20, punch());
    return memory.collect(manager, watch, now += memory::kQuietNs, warm, 1U << 20, punch());
  }
  bool recount() {
    return memory.recount({[](void*) { return false; }, nullptr});
  }

  memory::Geometry geometry;
  GuardedBytes bytes;
  memory::ArenaMemory memory;
  std::vector<memory::ThreadRecord> records;
  memory::Caller manager;
  memory::QuietWatch watch;
  std::uint64_t now = 1;
  // What the objects' root words name.
  std::map<std::pair<std::uint64_t, std::uint32_t>, std::uint64_t> roots;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> committed;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> punched;
  bool commits = true;
  bool punches = true;
  bool counts_commits = true;

 private:
  static bool commit(void* self, std::uint64_t offset, std::uint64_t size) {
    auto& arena = *static_cast<TestArena*>(self);
    if (!arena.holds(offset, size)) std::abort();
    if (arena.counts_commits) arena.committed.emplace_back(offset, size);
    return arena.commits;
  }
};

}  // namespace shoal::test
