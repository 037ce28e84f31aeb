// Two threads at once, every way that one of them can be interrupted by the other: at each access
// to a shared word of the one, the whole operation of the other is done. The allocator's sources
// are compiled once more for it, with a step of a scheduler before each access, and with the seeded
// faults that only two living threads can show.
#define SHOAL_SCHEDULED 1
#define SHOAL_SEEDED_FAULTS 1
#include <cstring>
#include <functional>

#include <gtest/gtest.h>

#include "memory/arena.cc"
#include "memory/arena_claim.cc"
#include "memory/arena_collect.cc"
#include "memory/arena_intent.cc"
#include "memory/arena_recover.cc"
#include "memory/arena_slab.cc"
#include "tests/unit/arena_allocator_memory.h"

namespace shoal::test {
namespace {

// Counts down the accesses, and then does the other thread's work. Of the bytes of a block that is
// being zeroed nobody else knows.
struct Interruption {
  int left = -1;
  const void* blocks = nullptr;
  const void* blocks_end = nullptr;
  std::function<void()> intruder;
};
Interruption interruption;

}  // namespace
}  // namespace shoal::test

namespace shoal::memory {
SHOAL_VARIANT_BEGIN
void scheduler_step(const void* word) {
  test::Interruption& next = test::interruption;
  if (word >= next.blocks && word < next.blocks_end) return;
  if (next.left < 0 || next.left-- > 0) return;
  next.left = -1;
  next.intruder();
}
SHOAL_VARIANT_END
}  // namespace shoal::memory

namespace shoal::test {
namespace {

using memory::ArenaMemory;
using memory::BlockFor;
using memory::Caller;
using memory::Fault;
using memory::kChunkBytes;

constexpr std::uint64_t kCell = 16000;

struct Taken {
  Caller* caller;
  std::uint64_t block;
  std::uint64_t bytes;
  BlockFor of;
};

// An arena, and what its threads hold in it; every block is filled when it is got, and must be
// still when it is given back.
class Scene {
 public:
  Scene() : arena(5), a(arena.caller(1)), b(arena.caller(2)) {}

  static BlockFor of(const Caller& caller) {
    return {.object = 1ULL << 32 | caller.slot(), .part = 1};
  }
  bool put(Caller& caller, std::uint64_t bytes) {
    const absl::StatusOr<std::uint64_t> block = arena.memory.allocate(caller, bytes, of(caller));
    if (!block.ok()) return false;
    const std::uint64_t size = ArenaMemory::block_size(bytes);
    for (const std::byte byte : arena.block(*block, size)) {
      if (byte != std::byte{0}) wrong = "a block is not zeroed";
    }
    std::memset(arena.bytes.data() + *block, caller.slot(), size);
    if (!arena.memory.own(caller, *block, bytes, of(caller)).ok()) wrong = "a block is not owned";
    taken.push_back({&caller, *block, bytes, of(caller)});
    return true;
  }
  // The last that this thread has put.
  void take(Caller& caller) {
    for (std::size_t i = taken.size(); i-- > 0;) {
      if (taken[i].caller != &caller) continue;
      const Taken last = taken[i];
      taken.erase(taken.begin() + static_cast<std::ptrdiff_t>(i));
      give(last);
      return;
    }
  }
  void give(const Taken& last) {
    for (const std::byte byte : arena.block(last.block, ArenaMemory::block_size(last.bytes))) {
      if (byte != std::byte(last.caller->slot())) wrong = "somebody else wrote into a block";
    }
    if (!arena.memory.free(*last.caller, last.block, last.bytes, last.of).ok()) {
      wrong = "a block cannot be freed";
    }
  }
  // Empty slabs go, and all that is free is punched.
  void collect() { arena.collect_all(); }

  std::string end() {
    while (!taken.empty()) {
      const Taken last = taken.back();
      taken.pop_back();
      give(last);
    }
    if (arena.memory.usage().owned_bytes() != 0) wrong = "leaked";
    collect();
    if (arena.memory.usage().used_chunks() != 0) wrong = "a slab is not given back";
    if (arena.header().used_chunks.load() != 0) wrong = "used_chunks is off";
    for (memory::ThreadRecord& record : arena.records) {
      if (ArenaMemory::has_intent(record)) wrong = "an intent is left";
    }
    return wrong;
  }

  TestArena arena;
  Caller a;
  Caller b;
  std::vector<Taken> taken;
  std::string wrong;
};

struct Pair {
  const char* name;
  std::function<void(Scene&)> before;
  std::function<void(Scene&)> thread;
  std::function<void(Scene&)> intruder;
};

std::vector<Pair> pairs() {
  const auto nothing = [](Scene&) {};
  const auto collect = [](Scene& s) { s.collect(); };
  const auto put_cell = [](Scene& s) { s.put(s.a, kCell); };
  const auto empty_slab = [](Scene& s) {
    s.put(s.b, kCell);
    s.take(s.b);
  };
  return {
      {"put a cell | close its slab", empty_slab, put_cell, collect},
      {"close a slab | put a cell", empty_slab, collect, [](Scene& s) { s.put(s.b, kCell); }},
      {"close a slab | put and take a cell", empty_slab, collect,
       [](Scene& s) {
         s.put(s.b, kCell);
         s.take(s.b);
       }},
      {"put a cell | close its slab and take it for a run", empty_slab, put_cell,
       [](Scene& s) {
         s.collect();
         s.put(s.b, kChunkBytes * 5);
       }},
      {"put a cell | put a cell", nothing, put_cell, [](Scene& s) { s.put(s.b, kCell); }},
      {"make a slab | fill it", nothing, put_cell,
       [](Scene& s) {
         while (s.put(s.b, kCell)) {
         }
         s.take(s.b);
       }},
      {"put a run | put a run", nothing, [](Scene& s) { s.put(s.a, kChunkBytes * 2); },
       [](Scene& s) { s.put(s.b, kChunkBytes * 2); }},
      {"put a run | fill the arena, leave a hole", nothing,
       [](Scene& s) { s.put(s.a, kChunkBytes * 2); },
       [](Scene& s) {
         while (s.put(s.b, kChunkBytes)) {
         }
         s.take(s.b);
       }},
      {"take a run | put chunks",
       [](Scene& s) {
         s.put(s.b, kChunkBytes);
         s.put(s.a, kChunkBytes * 4);
       },
       [](Scene& s) { s.take(s.a); },
       [](Scene& s) {
         while (s.put(s.b, kChunkBytes)) {
         }
       }},
      {"put a run | punch",
       [](Scene& s) {
         s.put(s.a, kChunkBytes * 4);
         s.take(s.a);
       },
       [](Scene& s) { s.put(s.a, kChunkBytes * 3); }, collect},
      {"punch | put a run",
       [](Scene& s) {
         s.put(s.a, kChunkBytes * 4);
         s.take(s.a);
       },
       collect, [](Scene& s) { s.put(s.b, kChunkBytes * 3); }},
      {"recount | put a run", [](Scene& s) { s.put(s.a, kChunkBytes); },
       [](Scene& s) {
         (void)s.arena.memory.recount({[](void* at) {
                                         auto& scene = *static_cast<Scene*>(at);
                                         return ArenaMemory::has_intent(*scene.b.record);
                                       },
                                       &s});
       },
       [](Scene& s) {
         s.take(s.a);
         s.put(s.b, kChunkBytes * 2);
       }},
  };
}

// At how many of its accesses the thread can be interrupted with harm; the first is told.
int harmful(const Pair& pair, std::string& first, int& points) {
  int harm = 0;
  for (points = 0;; ++points) {
    Scene scene;
    pair.before(scene);
    interruption = {.left = points,
                    .blocks = scene.arena.bytes.data() + scene.arena.geometry.chunks,
                    .blocks_end = scene.arena.bytes.data() + scene.arena.geometry.file_bytes,
                    .intruder = [&] { pair.intruder(scene); }};
    pair.thread(scene);
    const bool interrupted = interruption.left < 0;
    interruption = {};
    const std::string wrong = scene.end();
    if (!wrong.empty() && harm++ == 0) {
      first = std::string(pair.name) + ", access " + std::to_string(points) + ": " + wrong;
    }
    if (!interrupted) return harm;
  }
}

TEST(ArenaAllocatorInterleaving, DoesNoHarmAnywhere) {
  for (const Pair& pair : pairs()) {
    std::string first;
    int points = 0;
    EXPECT_EQ(harmful(pair, first, points), 0) << first;
    EXPECT_GT(points, 10) << pair.name;
    std::printf("%-52s %4d points\n", pair.name, points);
  }
}

class ArenaAllocatorInterleavingFault : public testing::TestWithParam<Fault> {};

TEST_P(ArenaAllocatorInterleavingFault, IsFound) {
  memory::seeded_fault = GetParam();
  int harm = 0;
  std::string first;
  int points = 0;
  for (const Pair& pair : pairs()) harm += harmful(pair, first, points);
  memory::seeded_fault = Fault::kNone;
  EXPECT_GT(harm, 0);
  std::printf("%d points, last: %s\n", harm, first.c_str());
}

INSTANTIATE_TEST_SUITE_P(Each, ArenaAllocatorInterleavingFault,
                         testing::Values(Fault::kSlabIgnoresClaims, Fault::kClaimIgnoresClosing,
                                         Fault::kDirtyBlockGiven));

}  // namespace
}  // namespace shoal::test
