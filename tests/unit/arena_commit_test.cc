// Memory behind chunks that a client claims: put there before they are used, or refused.
#include "client/arena_commit.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>

#include <gtest/gtest.h>

#include "memory/arena.h"
#include "schemas/protocol.h"
#include "schemas/unique_fd.h"

namespace shoal::internal {
namespace {

constexpr std::uint64_t kArenaBytes = 64 * memory::kChunkBytes;

class ArenaCommit : public ::testing::Test {
 protected:
  void SetUp() override {
    memfd_ = protocol::UniqueFd(memfd_create("arena", MFD_CLOEXEC));
    ASSERT_TRUE(memfd_.valid());
    ASSERT_EQ(ftruncate(memfd_.get(), static_cast<off_t>(geometry_.file_bytes)), 0);
    auto* const head = static_cast<std::byte*>(
        mmap(nullptr, memory::kChunkBytes, PROT_READ | PROT_WRITE, MAP_SHARED, memfd_.get(), 0));
    ASSERT_NE(static_cast<void*>(head), MAP_FAILED);
    memory::lay_arena(head, {.layout = protocol::kLayoutVersion,
                             .bytes = kArenaBytes,
                             .id = 1,
                             .manager = 1,
                             .quota_chunks = geometry_.chunk_count});
    munmap(head, memory::kChunkBytes);
    auto mapped = ArenaMapping::map(memfd_.get(), kArenaBytes, Access::kReadWrite);
    ASSERT_TRUE(mapped.ok()) << mapped.status();
    mapping_ = *std::move(mapped);
  }

  [[nodiscard]] std::byte* chunks() const { return mapping_->at() + geometry_.chunks; }
  [[nodiscard]] std::uint64_t resident() const {
    struct stat status {};
    return fstat(memfd_.get(), &status) == 0 ? static_cast<std::uint64_t>(status.st_blocks) * 512
                                             : 0;
  }
  void expect_zero(const std::byte* at, std::uint64_t bytes) const {
    EXPECT_TRUE(std::all_of(at, at + bytes, [](std::byte b) { return b == std::byte{0}; }));
  }

  memory::Geometry geometry_ = memory::Geometry::of(kArenaBytes);
  protocol::UniqueFd memfd_;
  std::shared_ptr<ArenaMapping> mapping_;
};

TEST_F(ArenaCommit, AHoleIsBackedAndReadsZero) {
  const std::uint64_t before = resident();
  const memory::Commit commit = commit_for(*mapping_);
  ASSERT_TRUE(commit.commit(commit.context, geometry_.chunks, 3 * memory::kChunkBytes));
  EXPECT_EQ(resident(), before + 3 * memory::kChunkBytes);
  expect_zero(chunks(), 3 * memory::kChunkBytes);
}

TEST_F(ArenaCommit, AnOldKernelBacksAHoleToo) {
  const std::uint64_t before = resident();
  ASSERT_TRUE(populate_by_touch(chunks(), 2 * memory::kChunkBytes));
  EXPECT_EQ(resident(), before + 2 * memory::kChunkBytes);
  expect_zero(chunks(), 2 * memory::kChunkBytes);
}

// The file ends before the mapping does, as if the host had no page to give: a store is a SIGBUS.
TEST_F(ArenaCommit, WhatWouldBeASignalIsRefused) {
  const auto page = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  const protocol::UniqueFd file(memfd_create("short", MFD_CLOEXEC));
  ASSERT_EQ(ftruncate(file.get(), static_cast<off_t>(page)), 0);
  void* const at = mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  ASSERT_NE(at, MAP_FAILED);
  auto* const bytes = static_cast<std::byte*>(at);
  EXPECT_NE(populate_by_madvise(bytes, 2 * page), Populated::kDone);
  EXPECT_FALSE(populate_by_touch(bytes, 2 * page));
  EXPECT_FALSE(put_memory_behind(bytes, 2 * page, HeadRoom::of_this_process()));
  struct stat status {};
  ASSERT_EQ(fstat(file.get(), &status), 0);
  EXPECT_EQ(status.st_blocks, 0) << "what was taken before the refusal was not given back";
  munmap(at, 2 * page);
}

TEST_F(ArenaCommit, TheAllocatorAsksOnceForAChunk) {
  struct Counted {
    memory::Commit commit;
    int calls = 0;
  } counted{.commit = commit_for(*mapping_)};
  const memory::Commit commit{.commit =
                                  [](void* context, std::uint64_t offset, std::uint64_t bytes) {
                                    auto& self = *static_cast<Counted*>(context);
                                    ++self.calls;
                                    return self.commit.commit(self.commit.context, offset, bytes);
                                  },
                              .context = &counted};
  memory::ArenaMemory arena(mapping_->at(), geometry_, commit);
  memory::ThreadRecord record{};
  memory::Caller caller{.owner = memory::owner_of(1, 1), .record = &record};
  const memory::BlockFor object{.object = 5, .part = 0};
  for (int i = 0; i < 3; ++i) {
    const auto block = arena.allocate(caller, 300, object);
    ASSERT_TRUE(block.ok()) << block.status();
    expect_zero(mapping_->at() + *block, 300);
    ASSERT_TRUE(arena.own(caller, *block, 300, object).ok());
  }
  EXPECT_EQ(counted.calls, 1);
}

// The host of these files has a little more than the reserve.
TEST_F(ArenaCommit, AHostWithoutMemoryIsResourceExhausted) {
  char folder[] = "/tmp/shoal-commit-XXXXXX";
  ASSERT_NE(mkdtemp(folder), nullptr);
  std::filesystem::create_directories(std::string(folder) + "/proc");
  std::ofstream(std::string(folder) + "/proc/meminfo")
      << "MemTotal: 8388608 kB\nMemAvailable: 167800 kB\n";
  struct Poor {
    HeadRoom room;
    std::byte* arena;
  } poor{.room = HeadRoom(folder), .arena = mapping_->at()};
  memory::ArenaMemory arena(mapping_->at(), geometry_,
                            {.commit =
                                 [](void* context, std::uint64_t offset, std::uint64_t bytes) {
                                   auto& self = *static_cast<Poor*>(context);
                                   return put_memory_behind(self.arena + offset, bytes, self.room);
                                 },
                             .context = &poor});
  memory::ThreadRecord record{};
  memory::Caller caller{.owner = memory::owner_of(1, 1), .record = &record};
  const std::uint64_t before = resident();
  EXPECT_EQ(
      arena.allocate(caller, 40 * memory::kChunkBytes, {.object = 5, .part = 0}).status().code(),
      absl::StatusCode::kResourceExhausted);
  EXPECT_LT(resident(), before + memory::kChunkBytes);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace shoal::internal
