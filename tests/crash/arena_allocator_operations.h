// What the arena's allocator does, as the sweeps see it: a small arena behind one page that holds
// the thread's record and an object's root word. Used with the real allocator and with seeded
// faults. The object has one root word; the block it names may name a second one (a sibling).
#pragma once

#include <cstring>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "memory/arena.h"
#include "tests/crash/sweep.h"
#include "tests/unit/arena_allocator_memory.h"

namespace shoal::test {

using memory::ArenaMemory;
using memory::BlockFor;
using memory::BlockState;
using memory::Caller;
using memory::kChunkBytes;

inline constexpr std::uint32_t kSweptChunks = 6;
inline constexpr std::size_t kSweptBytes = kPage + small_geometry(kSweptChunks).file_bytes;
inline constexpr BlockFor kObject{.object = 4ULL << 32 | 5, .part = 3};
inline constexpr BlockFor kOther{.object = 4ULL << 32 | 6, .part = 0};
inline constexpr std::uint64_t kCellBytes = 100;
inline constexpr std::uint64_t kRunBytes = 3 * kChunkBytes;
inline constexpr std::uint64_t kFilled = 0x5ead'beef;

struct SweptPage {
  memory::ThreadRecord victim;
  memory::ThreadRecord survivor;
  memory::Word64 root;        // offset of the object's block, or 0
  memory::Word64 root_bytes;  // what was asked for; stored before the root
  memory::Word64 marker;      // for operations that leave no other trace
};

// All of it, anew for every process that looks at the bytes.
class Swept {
 public:
  explicit Swept(std::span<std::byte> bytes)
      : page(*reinterpret_cast<SweptPage*>(bytes.data())),
        arena(bytes.data() + kPage),
        geometry(small_geometry(kSweptChunks)),
        memory(arena, geometry, memory::Commit{}),
        victim{.owner = memory::owner_of(7, 1), .record = &page.victim},
        survivor{.owner = memory::owner_of(9, 2), .record = &page.survivor},
        manager{.owner = memory::owner_of(memory::kManagerSlot, memory::kManagerThread),
                .record = memory::manager_record(arena)} {}

  void lay() {
    memory::lay_arena(arena, {.layout = 2,
                              .bytes = kSweptChunks * kChunkBytes,
                              .id = 1,
                              .manager = 1,
                              .quota_chunks = kSweptChunks});
  }

  // ---- what the victims are made of ----

  std::uint64_t allocate(Caller& caller, std::uint64_t bytes, BlockFor block_for = kObject) {
    return memory.allocate(caller, bytes, block_for).value_or(0);
  }
  void fill(std::uint64_t block, std::uint64_t sibling = 0) {
    at(block).store(kFilled);
    at(block + 8).store(sibling);
  }
  void publish(std::uint64_t block, std::uint64_t bytes) {
    page.root_bytes.store(bytes);
    page.root.store(block);
  }
  void put(Caller& caller, std::uint64_t bytes, std::uint64_t old = 0) {
    const std::uint64_t block = allocate(caller, bytes);
    fill(block);
    if (old != 0) (void)memory.retire(caller, old, bytes, kObject);
    publish(block, bytes);
    (void)memory.own(caller, block, bytes, kObject);
  }
  bool free(Caller& caller, std::uint64_t block, std::uint64_t bytes, BlockFor of = kObject) {
    return memory.free(caller, block, bytes, of).ok();
  }
  void take(Caller& caller, std::uint64_t bytes) {
    const std::uint64_t block = page.root.load();
    (void)memory.retire(caller, block, bytes, kObject);
    page.root.store(0);
    (void)free(caller, block, bytes);
  }
  // So that nothing is fresh any more.
  void soil() {
    const std::uint64_t run = allocate(manager, kSweptChunks * kChunkBytes, kOther);
    std::memset(arena + run, 0xee, kSweptChunks * kChunkBytes);
    (void)free(manager, run, kSweptChunks * kChunkBytes, kOther);
  }

  // ---- what the living see ----

  memory::Word64& at(std::uint64_t offset) const {
    return *reinterpret_cast<memory::Word64*>(arena + offset);
  }
  std::uint64_t sibling() const {
    return page.root.load() == 0 ? 0 : at(page.root.load() + 8).load();
  }
  memory::Reaches reaches() {
    return {[](void* self, std::uint64_t object, std::uint32_t part, std::uint64_t block) {
              const auto& swept = *static_cast<Swept*>(self);
              return object == kObject.object && part == kObject.part &&
                     (swept.page.root.load() == block || swept.sibling() == block);
            },
            this};
  }
  void recover() {
    (void)memory.recover_intents(page.victim, victim.owner, reaches());
    (void)memory.recover_intents(*manager.record, manager.owner, reaches());
  }
  bool recount() {
    return memory.recount({[](void*) { return false; }, nullptr});
  }

  // Nothing is in flight; the object owns what its root reaches, and nothing else is owned.
  std::string whole(std::uint64_t sibling_bytes) {
    if (ArenaMemory::has_intent(page.victim)) return "an intent is left";
    for (std::uint32_t chunk = 0; chunk < kSweptChunks; ++chunk) {
      const BlockState state = memory::block_state(chunk_word_at(arena, geometry, chunk).load());
      if (state == BlockState::kClosing) return "a slab stays closing";
    }
    std::uint64_t expected = 0;
    if (page.root.load() != 0) {
      expected = ArenaMemory::block_size(page.root_bytes.load());
      if (at(page.root.load()).load() != kFilled) return "the block was overwritten";
      if (sibling() != 0) {
        expected += ArenaMemory::block_size(sibling_bytes);
        if (at(sibling()).load() != kFilled) return "the sibling was overwritten";
      }
    }
    const memory::ArenaUsage usage = memory.usage();
    if (usage.claimed_chunks != 0) return "chunks stay claimed";
    for (const auto& cells : usage.cells) {
      if (cells.claimed != 0) return "cells stay claimed";
    }
    const std::uint64_t owned = usage.owned_bytes();
    if (owned > expected) return "leaked " + std::to_string(owned - expected) + " bytes";
    if (owned < expected) return "lost " + std::to_string(expected - owned) + " bytes";
    const auto& header = *reinterpret_cast<memory::ArenaHeader*>(arena);
    if (header.used_chunks.load() < usage.used_chunks()) return "used_chunks is too low";
    return "";
  }

  // The survivor fills all that is free, which must be zeros and nobody else's, and gives it back.
  std::string go_on(std::uint64_t sibling_bytes) {
    const std::uint64_t root = page.root.load();
    const std::uint64_t other = sibling();
    for (const std::uint64_t bytes : {kCellBytes, std::uint64_t{16384}, kRunBytes, kChunkBytes}) {
      std::vector<std::uint64_t> blocks;
      while (true) {
        const absl::StatusOr<std::uint64_t> block = memory.allocate(survivor, bytes, kOther);
        if (!block.ok()) break;
        const std::uint64_t size = ArenaMemory::block_size(bytes);
        for (std::uint64_t i = 0; i < size; i += 8) {
          if (at(*block + i).load() != 0) return "the next block is not zeroed";
        }
        std::memset(arena + *block, 0xcc, size);
        if (!memory.own(survivor, *block, bytes, kOther).ok()) return "the next block is not owned";
        blocks.push_back(*block);
      }
      if (root != 0 && at(root).load() != kFilled) return "the block was given to another";
      if (other != 0 && at(other).load() != kFilled) return "the sibling was given to another";
      for (const std::uint64_t block : blocks) {
        if (!free(survivor, block, bytes, kOther)) return "the next block cannot be freed";
      }
    }
    page.root.store(0);
    if (root != 0 && !free(survivor, root, page.root_bytes.load())) return "cannot be freed";
    if (other != 0 && !free(survivor, other, sibling_bytes)) return "the sibling cannot be freed";
    if (!recount()) return "cannot be counted";
    const std::uint64_t all = allocate(survivor, kSweptChunks * kChunkBytes, kOther);
    if (all == 0) return "the arena does not become empty again";
    return "";
  }

  SweptPage& page;
  std::byte* arena;
  memory::Geometry geometry;
  ArenaMemory memory;
  Caller victim;
  Caller survivor;
  Caller manager;
};

// One operation in the terms of this file.
struct SweptOperation {
  std::string name;
  std::function<void(Swept&)> prepare;
  std::function<void(Swept&)> victim;
  std::function<bool(Swept&)> done;
  std::uint64_t sibling_bytes = 0;
  // The victim holds no lock while the root is 0: survivors may use the object before recovery.
  bool frees = false;
  // What is done again from the start if the one who did it has died.
  std::function<void(Swept&)> again = nullptr;
};

// What may happen between death and recovery.
enum class Meanwhile { kNothing, kOthersAllocate, kSuccessorLives, kSuccessorRetires };

inline std::string judge_one(const SweptOperation& operation, std::span<const std::byte> bytes,
                             Meanwhile meanwhile) {
  const GuardedBytes copy(bytes.size());
  std::memcpy(copy.data(), bytes.data(), bytes.size());
  Swept swept({copy.data(), copy.size()});
  std::uint64_t others = 0;
  std::uint64_t retired = 0;
  if (meanwhile == Meanwhile::kOthersAllocate) {
    others = swept.allocate(swept.survivor, kCellBytes, kOther);
  } else if (meanwhile != Meanwhile::kNothing) {
    // Of the same object, part and size, so that it gets the very chunks the dead one was freeing.
    const std::uint64_t size = swept.page.root_bytes.load();
    const std::uint64_t block = swept.allocate(swept.survivor, size);
    if (block == 0) return "";
    swept.fill(block);
    swept.publish(block, size);
    if (!swept.memory.own(swept.survivor, block, size, kObject).ok()) return "successor: not owned";
    if (meanwhile == Meanwhile::kSuccessorRetires) {
      swept.page.root.store(0);
      retired = block;
    }
  }
  swept.recover();
  if (operation.again) operation.again(swept);
  if (retired != 0 && !swept.free(swept.survivor, retired, swept.page.root_bytes.load())) {
    return "successor: freed behind its back";
  }
  if (others != 0 && !swept.free(swept.survivor, others, kCellBytes, kOther)) {
    return "others: freed behind their back";
  }
  if (std::string wrong = swept.whole(operation.sibling_bytes); !wrong.empty()) return wrong;
  swept.recover();
  if (std::string wrong = swept.whole(operation.sibling_bytes); !wrong.empty()) {
    return "recovered again: " + wrong;
  }
  return swept.go_on(operation.sibling_bytes);
}

inline Operation as_operation(const SweptOperation& operation) {
  return {.name = operation.name,
          .prepare =
              [operation](std::span<std::byte> bytes) {
                Swept swept(bytes);
                swept.lay();
                operation.prepare(swept);
              },
          .victim = [operation](std::span<std::byte> bytes) -> std::function<void()> {
            return
                [swept = std::make_shared<Swept>(bytes), operation] { operation.victim(*swept); };
          },
          .judge =
              [operation](std::span<std::byte> bytes) {
                Swept swept(bytes);
                Verdict verdict;
                verdict.done = operation.done(swept);
                std::vector<Meanwhile> cases = {Meanwhile::kNothing, Meanwhile::kOthersAllocate};
                if (operation.frees && swept.page.root.load() == 0) {
                  cases.push_back(Meanwhile::kSuccessorLives);
                  cases.push_back(Meanwhile::kSuccessorRetires);
                }
                for (const Meanwhile meanwhile : cases) {
                  if (!verdict.violation.empty()) break;
                  verdict.violation = judge_one(operation, bytes, meanwhile);
                }
                return verdict;
              }};
}

inline std::vector<SweptOperation> swept_operations() {
  const auto nothing = [](Swept&) {};
  const auto has_root = [](Swept& s) { return s.page.root.load() != 0; };
  const auto no_root = [](Swept& s) { return s.page.root.load() == 0; };
  const auto marked = [](Swept& s) { return s.page.marker.load() != 0; };
  const auto no_intent = [](Swept& s) { return !ArenaMemory::has_intent(s.page.victim); };
  std::vector<SweptOperation> all;
  all.push_back({"put a cell, making a slab", nothing,
                 [](Swept& s) { s.put(s.victim, kCellBytes); }, has_root});
  all.push_back({"put a cell that was used before",
                 [](Swept& s) {
                   s.soil();
                   (void)s.free(s.survivor, s.allocate(s.survivor, kCellBytes, kOther), kCellBytes,
                                kOther);
                 },
                 [](Swept& s) { s.put(s.victim, kCellBytes); }, has_root});
  all.push_back({"put a run", nothing, [](Swept& s) { s.put(s.victim, kRunBytes); }, has_root});
  all.push_back({"take a run", [](Swept& s) { s.put(s.survivor, kRunBytes); },
                 [](Swept& s) { s.take(s.victim, kRunBytes); }, no_root, 0, true});
  all.push_back({"take a cell", [](Swept& s) { s.put(s.survivor, kCellBytes); },
                 [](Swept& s) { s.take(s.victim, kCellBytes); }, no_root, 0, true});
  all.push_back({"replace a run by another", [](Swept& s) { s.put(s.survivor, kRunBytes); },
                 [](Swept& s) {
                   const std::uint64_t old = s.page.root.load();
                   s.put(s.victim, kRunBytes, old);
                   (void)s.free(s.victim, old, kRunBytes);
                 },
                 [](Swept& s) { return s.page.root.load() != s.geometry.chunks; }});
  all.push_back({"split a cell in two", [](Swept& s) { s.put(s.survivor, kCellBytes); },
                 [](Swept& s) {
                   const std::uint64_t old = s.page.root.load();
                   const std::uint64_t a = s.allocate(s.victim, kCellBytes);
                   const std::uint64_t b = s.allocate(s.victim, kRunBytes);
                   s.fill(b);
                   s.fill(a, b);
                   (void)s.memory.retire(s.victim, old, kCellBytes, kObject);
                   s.publish(a, kCellBytes);
                   (void)s.memory.own(s.victim, a, kCellBytes, kObject);
                   (void)s.memory.own(s.victim, b, kRunBytes, kObject);
                   (void)s.free(s.victim, old, kCellBytes);
                 },
                 [](Swept& s) { return s.sibling() != 0; }, kRunBytes});
  all.push_back({"let blocks go that are not needed", nothing,
                 [](Swept& s) {
                   const std::uint64_t a = s.allocate(s.victim, kCellBytes);
                   const std::uint64_t b = s.allocate(s.victim, kRunBytes);
                   (void)s.free(s.victim, b, kRunBytes);
                   (void)s.free(s.victim, a, kCellBytes);
                   s.page.marker.store(1);
                 },
                 marked});
  all.push_back({"put a run where a slab must go",
                 [](Swept& s) {
                   (void)s.free(s.survivor, s.allocate(s.survivor, kCellBytes, kOther), kCellBytes,
                                kOther);
                 },
                 [](Swept& s) {
                   const std::uint64_t bytes = (kSweptChunks - 1) * kChunkBytes;
                   const std::uint64_t block = s.allocate(s.victim, bytes);
                   const std::uint64_t more = s.allocate(s.victim, kChunkBytes);
                   (void)s.free(s.victim, more, kChunkBytes);
                   s.fill(block);
                   s.publish(block, bytes);
                   (void)s.memory.own(s.victim, block, bytes, kObject);
                 },
                 has_root});
  all.push_back({"keep a slab that is in use",
                 [](Swept& s) {
                   s.put(s.survivor, kCellBytes);
                   chunk_word_at(s.arena, s.geometry, 0)
                       .store(memory::closing_word(chunk_word_at(s.arena, s.geometry, 0).load(),
                                                   s.victim.owner));
                   s.page.victim.intent.store(memory::intent_word(0, 256 + 1, 0));
                 },
                 [](Swept& s) { s.recover(); }, no_intent});
  all.push_back(
      {"give back and punch, the manager",
       [](Swept& s) {
         (void)s.free(s.survivor, s.allocate(s.survivor, kCellBytes, kOther), kCellBytes, kOther);
         (void)s.free(s.survivor, s.allocate(s.survivor, kChunkBytes, kOther), kChunkBytes, kOther);
       },
       [](Swept& s) {
         memory::QuietWatch watch;
         const memory::Punch punch{[](void*, std::uint64_t, std::uint64_t) { return true; },
                                   nullptr};
         (void)s.memory.collect(s.manager, watch, 1, 0, 100, punch);
         (void)s.memory.collect(s.manager, watch, 1 + memory::kQuietNs, 0, 100, punch);
         s.page.marker.store(1);
       },
       marked});
  all.push_back({"recover a published run",
                 [](Swept& s) {
                   const std::uint64_t block = s.allocate(s.victim, kRunBytes);
                   s.fill(block);
                   s.publish(block, kRunBytes);
                 },
                 [](Swept& s) { s.recover(); }, no_intent});
  all.push_back({"recover blocks in flight",
                 [](Swept& s) {
                   (void)s.allocate(s.victim, kRunBytes);
                   (void)s.allocate(s.victim, kCellBytes);
                 },
                 [](Swept& s) { s.recover(); }, no_intent});
  all.push_back({"recover a run that was being freed",
                 [](Swept& s) {
                   s.put(s.survivor, kRunBytes);
                   const std::uint64_t chunk = 0;
                   s.page.root.store(0);
                   s.page.victim.intent_for.store(kObject.object | 1ULL << memory::kFreeingShift);
                   s.page.victim.intent.store(memory::intent_word(chunk, 256 + 3, kObject.part));
                 },
                 [](Swept& s) { s.recover(); }, no_intent, 0, true});
  // A view shows the first run; the manager ends it, once more if it died.
  const auto show = [](Swept& s) {
    s.put(s.survivor, kRunBytes);
    (void)s.memory.pin(s.page.root.load(), 5);
  };
  const auto end_view = [](Swept& s) {
    s.memory.unpin(s.manager, s.geometry.chunks, kObject.object);
  };
  const auto look_and_end_view = [end_view](Swept& s) {
    // What the view shows was given to another: let it be found.
    if (s.at(s.geometry.chunks).load() != kFilled) s.publish(s.geometry.chunks, kRunBytes);
    end_view(s);
  };
  all.push_back({"take a run that a view shows", show,
                 [](Swept& s) { s.take(s.victim, kRunBytes); }, no_root, 0, true,
                 look_and_end_view});
  all.push_back({"end a view of a run that is there", show,
                 [end_view](Swept& s) {
                   end_view(s);
                   s.page.marker.store(1);
                 },
                 marked, 0, false, end_view});
  all.push_back({"end a view of a run that was taken",
                 [show](Swept& s) {
                   show(s);
                   s.take(s.survivor, kRunBytes);
                 },
                 [end_view](Swept& s) {
                   end_view(s);
                   s.page.marker.store(1);
                 },
                 marked, 0, false, end_view});
  const auto free_all = [](Swept& s) {
    std::uint32_t cursor = 0;
    const memory::Gone gone{[](void*, std::uint32_t index) { return index == 5; }, nullptr};
    while (!s.memory.free_all(gone, cursor, 2)) {
    }
  };
  all.push_back({"free all of an object",
                 [](Swept& s) {
                   s.put(s.survivor, kRunBytes);
                   s.page.root.store(0);
                 },
                 free_all, [](Swept& s) { return s.memory.usage(5).owned_bytes() == 0; }, 0, false,
                 free_all});
  return all;
}

}  // namespace shoal::test
