// A dict in a small arena, as the kill sweeps see it: one page with the records of threads and the
// dict's descriptor, then the arena. Used with the real dict and with seeded faults.
#pragma once

#include <sys/mman.h>

#include <cstring>
#include <map>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "memory/containers.h"
#include "memory/dict.h"
#include "memory/recover.h"
#include "tests/unit/arena_allocator_memory.h"

namespace shoal::test {

using memory::ArenaMemory;
using memory::Call;
using memory::Caller;
using memory::Dict;
using memory::Result;

inline constexpr std::uint64_t kDictId = std::uint64_t{3} << 32 | 1;
inline constexpr std::uint64_t kOtherId = std::uint64_t{3} << 32 | 2;
inline constexpr std::int64_t kDictPatienceNs = 20'000'000'000;
inline constexpr std::uint16_t kDictVictims[] = {7, 8};

// A value with its kind in front: "t..." is text, "n" and 8 bytes a number.
using DictModel = std::map<std::string, std::string>;
inline std::string text_value(std::string_view text) { return "t" + std::string(text); }
inline std::string number_value(std::int64_t number) {
  std::string value(9, 'n');
  std::memcpy(value.data() + 1, &number, 8);
  return value;
}

// Anew for every process that looks at the bytes.
class DictWorld {
 public:
  struct Page {
    memory::ThreadRecord victims[2];
    memory::ThreadRecord survivor;
  };
  static constexpr std::size_t kDescriptors = 1024;
  static_assert(sizeof(Page) <= kDescriptors);
  static std::size_t bytes_for(std::uint32_t chunks) {
    return kPage + small_geometry(chunks).file_bytes;
  }

  DictWorld(std::span<std::byte> bytes, std::uint32_t chunks)
      : page(*reinterpret_cast<Page*>(bytes.data())),
        objects(bytes.data() + kDescriptors - memory::Geometry::kObjectTable),
        arena(bytes.data() + kPage),
        geometry(small_geometry(chunks)),
        memory(arena, geometry, memory::Commit{}),
        view(memory::view_of(objects, kDictId, memory::ObjectKind::kDict, 0, 0, 0)),
        victims{{.owner = memory::owner_of(kDictVictims[0], 1), .record = &page.victims[0]},
                {.owner = memory::owner_of(kDictVictims[1], 1), .record = &page.victims[1]}},
        survivor{.owner = memory::owner_of(9, 2), .record = &page.survivor},
        manager{.owner = memory::owner_of(memory::kManagerSlot, memory::kManagerThread),
                .record = memory::manager_record(arena)} {
    for (Caller& victim : victims) victim.spins = victim.spins_max = 0;
    view.header = reinterpret_cast<const memory::ArenaHeader*>(arena);
  }

  void lay(std::uint32_t chunks) {
    memory::lay_arena(arena, {.layout = 2,
                              .bytes = chunks * memory::kChunkBytes,
                              .id = 1,
                              .manager = 1,
                              .quota_chunks = chunks});
    memory::NewObject made;
    made.index = 1;
    made.id = kDictId;
    made.kind = memory::ObjectKind::kDict;
    made.seed = 0x1234567890abcdef;
    memory::lay_object(objects, made);
  }

  // After lay: the hash's seed is read here.
  [[nodiscard]] Dict open() { return Dict(view, arena, geometry, &memory); }
  [[nodiscard]] memory::DictDescriptor& descriptor() const {
    return *reinterpret_cast<memory::DictDescriptor*>(view.descriptor);
  }
  // Shards of the first page, which is all that these worlds have.
  template <typename Visit>
  void for_each_shard(Visit visit) const {
    visit(descriptor().first);
    const std::uint64_t page = descriptor().first_page.load();
    if (page == 0) return;
    auto* const shards = reinterpret_cast<memory::Shard*>(arena + page);
    for (std::uint32_t i = 1; i < memory::kShardsPerPage; ++i) visit(shards[i]);
  }

  void recover(std::size_t victim) {
    const memory::Reaches reaches{
        [](void* self, std::uint64_t object, std::uint32_t part, std::uint64_t block) {
          auto& world = *static_cast<DictWorld*>(self);
          return object == kDictId &&
                 memory::container_reaches(world.view, world.home(), part, block);
        },
        this};
    (void)memory.recover_intents(*manager.record, manager.owner, reaches);
    (void)memory.recover_intents(page.victims[victim], victims[victim].owner, reaches);
    memory::recover_container(view, home(), manager, kDictVictims[victim]);
  }
  [[nodiscard]] memory::ContainerHome home() {
    return {.arena = arena, .geometry = geometry, .allocator = &memory};
  }

  Page& page;
  std::byte* objects;  // where the arena would begin, as far as descriptors go
  std::byte* arena;
  memory::Geometry geometry;
  ArenaMemory memory;
  memory::ObjectView view;
  Caller victims[2];
  Caller survivor;
  Caller manager;
};

// ---- one call ----

inline constexpr std::uint8_t kTextKind = 5;
inline constexpr std::uint8_t kNumberKind = 2;

inline Result put_in(Dict& dict, Caller& caller, std::string_view key, std::string_view value) {
  Call call{.caller = caller, .timeout_ns = kDictPatienceNs};
  return dict.put(call, dict.key(kTextKind, key),
                  {.data = value.data() + 1,
                   .bytes = value.size() - 1,
                   .kind = value[0] == 'n' ? kNumberKind : kTextKind});
}
inline Result erase_in(Dict& dict, Caller& caller, std::string_view key) {
  Call call{.caller = caller, .timeout_ns = kDictPatienceNs};
  return dict.erase(call, dict.key(kTextKind, key));
}
inline Result increment_in(Dict& dict, Caller& caller, std::string_view key) {
  Call call{.caller = caller, .timeout_ns = kDictPatienceNs};
  std::uint64_t word = 0;
  const memory::DictValue value{.data = &word, .bytes = 8, .kind = kNumberKind};
  return dict.change(call, dict.key(kTextKind, key), [&](const memory::StoredValue* found) {
    if (found == nullptr) return memory::DictDecision{.result = Result::kAbsent};
    word = found->word() + 1;
    return memory::DictDecision{.what = memory::DictDecision::What::kPut, .value = &value};
  });
}
inline Result pop_from(Dict& dict, Caller& caller, std::string* key = nullptr) {
  Call call{.caller = caller, .timeout_ns = kDictPatienceNs};
  return dict.pop_last(call, [&](std::uint8_t, const std::byte* at, std::uint32_t bytes,
                                 const memory::StoredValue&) {
    if (key != nullptr) key->assign(reinterpret_cast<const char*>(at), bytes);
  });
}
inline std::optional<std::string> get_from(const Dict& dict, std::string_view key, Result& result) {
  std::string found;
  result = dict.find(dict.key(kTextKind, key), 0, [&](const memory::StoredValue& value) {
    found.assign(1 + value.bytes, value.kind == kNumberKind ? 'n' : 't');
    memory::copy_out(found.data() + 1, value.data, value.bytes);
  });
  return result == Result::kDone ? std::optional(found) : std::nullopt;
}

// All there is, in the order of insertion. False: not so, or one key twice.
inline bool all_of(const Dict& dict, DictModel& all, std::string* last = nullptr) {
  memory::DictSnapshot snapshot;
  if (dict.snapshot(nullptr, 0, true, snapshot) != Result::kDone) return false;
  for (const memory::DictItem& item : snapshot.items) {
    const auto* at = reinterpret_cast<const char*>(snapshot.bytes.data());
    std::string value(1, item.value_kind == kNumberKind ? 'n' : 't');
    value.append(at + item.value, item.value_bytes);
    if (last != nullptr) last->assign(at + item.key, item.key_bytes);
    if (!all.emplace(std::string(at + item.key, item.key_bytes), value).second) return false;
  }
  return true;
}

// ---- what must be true ----

// Where two models differ, in words; "": nowhere.
inline std::string difference(const DictModel& expected, const DictModel& found) {
  for (const auto& [key, value] : expected) {
    const auto at = found.find(key);
    if (at == found.end()) return key + " is lost";
    if (at->second != value) return key + " has another value";
  }
  for (const auto& [key, value] : found) {
    if (expected.count(key) == 0) return key + " is there, which must not be";
  }
  return "";
}

// Each key alone, and all of them together, as `expected` says.
inline std::string answers_as(const Dict& dict, const DictModel& expected) {
  Result result{};
  for (const auto& [key, value] : expected) {
    const std::optional<std::string> found = get_from(dict, key, result);
    if (!found) return key + " is not found: result " + std::to_string(static_cast<int>(result));
    if (*found != value) return key + " is found with another value";
  }
  DictModel all;
  if (!all_of(dict, all)) return "no snapshot, or a key twice in it";
  return difference(expected, all);
}

// Nothing is held, in flight, or counted wrong; what the dict owns is what its root words name.
inline std::string whole(DictWorld& world, const DictModel& expected) {
  const Dict dict = world.open();
  if (std::string wrong = answers_as(dict, expected); !wrong.empty()) return wrong;
  memory::DictStat stat;
  std::string wrong;
  (void)dict.verify(stat, [&](const std::string& what) { wrong = what; });
  if (!wrong.empty()) return "verify: " + wrong;
  if (dict.size() != expected.size() || stat.entries != expected.size()) {
    return "size " + std::to_string(dict.size()) + ", counted " + std::to_string(stat.entries) +
           ", of " + std::to_string(expected.size());
  }
  for (const auto& record : world.page.victims) {
    if (ArenaMemory::has_intent(const_cast<memory::ThreadRecord&>(record)))
      return "an intent is left";
  }
  std::uint64_t named = 0;
  if (world.descriptor().first_page.load() != 0) named += memory::kHeaderPageBytes;
  if (memory::owner_in(world.view.descriptor->lock.load()) != 0) wrong = "the dict stays locked";
  world.for_each_shard([&](const memory::Shard& shard) {
    if (memory::owner_in(shard.lock.load()) != 0) wrong = "a shard stays locked";
    const memory::DictRoot root = memory::DictRoot::of(shard.root.load());
    if (root.block != 0) named += ArenaMemory::block_size(root.bytes());
    if (root.block != 0 && shard.depth.load() == 0) wrong = "a shard that is none has a block";
  });
  for (const auto& [key, value] : expected) {
    const std::uint64_t bytes = value.size() - 1;
    if (bytes > memory::kInlineValueBytesMax) named += ArenaMemory::block_size(bytes + 8);
  }
  if (!wrong.empty()) return wrong;
  const memory::ArenaUsage usage = world.memory.usage();
  if (usage.claimed_chunks != 0) return "chunks stay claimed";
  for (const auto& cells : usage.cells) {
    if (cells.claimed != 0) return "cells stay claimed";
  }
  const std::uint64_t owned = usage.owned_bytes();
  if (owned > named) return "leaked " + std::to_string(owned - named) + " bytes";
  if (owned < named) return "lost " + std::to_string(named - owned) + " bytes";
  return "";
}

// ---- those who live on ----

inline std::string random_value(std::mt19937_64& draw) {
  const std::uint64_t what = draw() % 16;
  if (what < 6) return number_value(static_cast<std::int64_t>(draw()));
  const std::size_t bytes = what == 15 ? 2200 + draw() % 1500 : draw() % 120;
  return text_value(std::string(bytes, static_cast<char>('a' + draw() % 26)));
}

// The survivor changes this and that, makes shards split and shrink, and empties the dict.
inline std::string go_on(DictWorld& world, DictModel model, int calls) {
  Dict dict = world.open();
  std::string last;
  DictModel all;
  if (!all_of(dict, all, &last)) return "no snapshot";
  std::string popped;
  if (!model.empty()) {
    if (pop_from(dict, world.survivor, &popped) != Result::kDone) return "nothing is popped";
    if (popped != last) return popped + " is popped, not " + last;
    model.erase(popped);
  }
  std::mt19937_64 draw(model.size());
  for (int i = 0; i < calls; ++i) {
    const std::string key = draw() % 4 == 0 && !model.empty() ? model.begin()->first
                                                              : "f" + std::to_string(draw() % 60);
    if (i == calls / 3) {
      // As if many had waited for it: the next that puts something splits it.
      world.for_each_shard([](memory::Shard& shard) { shard.contended.store(1000); });
    }
    if (draw() % 3 == 0) {
      const Result expected = model.erase(key) == 1 ? Result::kDone : Result::kAbsent;
      if (erase_in(dict, world.survivor, key) != expected) return "later: " + key + " not erased";
    } else {
      const std::string value = random_value(draw);
      const Result result = put_in(dict, world.survivor, key, value);
      if (result != Result::kDone) {
        return "later: " + key + " not put: result " + std::to_string(static_cast<int>(result));
      }
      model[key] = value;
    }
  }
  if (std::string wrong = whole(world, model); !wrong.empty()) return "later: " + wrong;
  for (const auto& [key, value] : model) {
    if (erase_in(dict, world.survivor, key) != Result::kDone) return "at last: " + key + " stays";
  }
  if (std::string wrong = whole(world, {}); !wrong.empty()) return "at last: " + wrong;
  return "";
}

}  // namespace shoal::test
