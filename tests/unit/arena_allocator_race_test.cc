// Threads that allocate and free at once, with a manager that closes slabs and punches holes all
// the time: no byte is ever given to two, nothing is lost.
#include <atomic>
#include <cstring>
#include <random>
#include <thread>

#include <gtest/gtest.h>

#include "memory/arena.h"
#include "tests/unit/arena_allocator_memory.h"

namespace shoal::test {
namespace {

using memory::ArenaMemory;
using memory::BlockFor;
using memory::Caller;
using memory::kChunkBytes;

constexpr int kThreads = 4;

struct Held {
  std::uint64_t offset;
  std::uint64_t bytes;
};

// Each allocates until it holds some blocks, writes its mark into each, and finds it there later.
class Worker {
 public:
  Worker(TestArena& arena, std::uint16_t number, std::uint64_t largest, int rounds)
      : arena_(arena),
        caller_(arena.caller(number)),
        mark_(number),
        largest_(largest),
        rounds_(rounds),
        draw_(number) {}

  void run() {
    for (int round = 0; round < rounds_ && wrong_.empty(); ++round) {
      if (held_.size() < 12 && draw_() % 2 == 0) {
        take();
      } else if (!held_.empty()) {
        give(draw_() % held_.size());
      }
    }
    while (!held_.empty()) give(0);
  }
  [[nodiscard]] const std::string& wrong() const { return wrong_; }
  [[nodiscard]] int taken() const { return taken_; }

 private:
  BlockFor block_for() const { return {.object = 1ULL << 32 | mark_, .part = mark_}; }

  void take() {
    const std::uint64_t bytes = 1 + draw_() % largest_;
    const absl::StatusOr<std::uint64_t> block = arena_.memory.allocate(caller_, bytes, block_for());
    if (!block.ok()) {
      if (block.status().code() != absl::StatusCode::kResourceExhausted) {
        wrong_ = std::string(block.status().message());
      }
      return;
    }
    ++taken_;
    for (std::uint64_t at = 0; at < bytes; at += 8) {
      if (word(*block + at).exchange(mark_) != 0) wrong_ = "not zeroed";
    }
    if (draw_() % 4 != 0) {
      if (!arena_.memory.own(caller_, *block, bytes, block_for()).ok()) wrong_ = "not owned";
      held_.push_back({*block, bytes});
    } else if (!arena_.memory.free(caller_, *block, bytes, block_for()).ok()) {
      wrong_ = "not let go";
    }
  }

  void give(std::size_t which) {
    const Held block = held_[which];
    held_.erase(held_.begin() + static_cast<std::ptrdiff_t>(which));
    for (std::uint64_t at = 0; at < block.bytes; at += 8) {
      if (word(block.offset + at).load() != mark_) wrong_ = "somebody else wrote into it";
    }
    const absl::Status status = arena_.memory.free(caller_, block.offset, block.bytes, block_for());
    if (!status.ok()) wrong_ = std::string(status.message());
  }

  memory::Word64& word(std::uint64_t offset) {
    return *reinterpret_cast<memory::Word64*>(arena_.bytes.data() + offset);
  }

  TestArena& arena_;
  Caller caller_;
  std::uint32_t mark_;
  std::uint64_t largest_;
  int rounds_;
  std::mt19937_64 draw_;
  std::vector<Held> held_;
  std::string wrong_;
  int taken_ = 0;
};

void race(std::uint32_t chunks, std::uint64_t largest, int rounds) {
  TestArena arena(chunks);
  arena.counts_commits = false;
  std::vector<Worker> workers;
  for (std::uint16_t n = 1; n <= kThreads; ++n) workers.emplace_back(arena, n, largest, rounds);
  std::atomic<bool> stop = false;
  std::thread collector([&] {
    // The watch is set so that it is always quiet; holes are zeros here, written as words.
    const memory::Punch punch{[](void* self, std::uint64_t offset, std::uint64_t size) {
                                auto* bytes = static_cast<std::byte*>(self) + offset;
                                for (std::uint64_t at = 0; at < size; at += 8) {
                                  reinterpret_cast<memory::Word64*>(bytes + at)->store(0);
                                }
                                return true;
                              },
                              arena.bytes.data()};
    memory::QuietWatch watch;
    std::uint64_t now = 1;
    while (!stop) {
      now += memory::kQuietNs;
      (void)arena.memory.collect(arena.manager, watch, now, 1, 1000, punch);
      (void)arena.memory.recount({[](void*) { return true; }, nullptr});
    }
  });
  std::vector<std::thread> threads;
  for (Worker& worker : workers) threads.emplace_back([&worker] { worker.run(); });
  for (std::thread& thread : threads) thread.join();
  stop = true;
  collector.join();
  int taken = 0;
  for (const Worker& worker : workers) {
    EXPECT_EQ(worker.wrong(), "");
    taken += worker.taken();
  }
  // One alone may come too late: others have what little there is, and wait for a core.
  EXPECT_GT(taken, rounds / 20);
  EXPECT_EQ(arena.memory.usage().owned_bytes(), 0U);
  EXPECT_EQ(arena.header().used_chunks.load(), arena.memory.usage().used_chunks());
  arena.collect_all();
  EXPECT_EQ(arena.memory.usage().used_chunks(), 0U) << "every slab is empty and given back";
  EXPECT_EQ(arena.header().used_chunks.load(), 0U);
  for (const memory::ThreadRecord& record : arena.records) {
    EXPECT_FALSE(ArenaMemory::has_intent(const_cast<memory::ThreadRecord&>(record)));
  }
}

TEST(ArenaAllocatorRace, Cells) { race(8, 4000, 20'000); }
TEST(ArenaAllocatorRace, FewCellsOfManySizes) { race(3, 16000, 20'000); }
TEST(ArenaAllocatorRace, Runs) { race(24, 5 * kChunkBytes, 1'000); }
TEST(ArenaAllocatorRace, RunsAndCells) { race(12, kChunkBytes + 4000, 3'000); }

}  // namespace
}  // namespace shoal::test
