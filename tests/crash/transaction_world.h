// Two dicts, a list and two cells in a small arena, and transactions over them, as the kill sweeps
// see them: one page with the records of threads, then the arena, whose object table has room for
// these few.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "memory/cell.h"
#include "memory/recover.h"
#include "memory/transaction.h"
#include "tests/crash/dict_world.h"
#include "tests/crash/sweep.h"

namespace shoal::test {

using memory::ListObject;
using memory::ListValue;
using memory::ListWriter;

inline constexpr std::uint32_t kTransactionChunks = 12;
inline constexpr std::uint64_t kWideCellBytes = 40;

constexpr memory::Geometry transaction_geometry() {
  memory::Geometry g = small_geometry(kTransactionChunks);
  const std::uint64_t moved = memory::Geometry::kObjectTable + kPage - g.chunk_table;
  g.chunk_table += moved;
  g.cell_table += moved;
  g.chunks += moved;
  g.file_bytes += moved;
  return g;
}

// All that there is, as texts.
struct Contents {
  DictModel dicts[2];
  std::vector<std::string> list;
  std::uint64_t word = 0;
  std::string wide;

  friend bool operator==(const Contents&, const Contents&) = default;
  // Without cells, which readers see change some moments later.
  [[nodiscard]] Contents without_cells() const {
    return {.dicts = {dicts[0], dicts[1]}, .list = list, .word = 0, .wide = {}};
  }
};

// Anew for every process that looks at the bytes.
class TransactionWorld {
 public:
  struct Page {
    memory::ThreadRecord victim;
    memory::ThreadRecord survivor;
  };
  static std::size_t bytes() { return kPage + transaction_geometry().file_bytes; }
  static constexpr std::uint16_t kVictim = 7;

  explicit TransactionWorld(std::span<std::byte> bytes)
      : page(*reinterpret_cast<Page*>(bytes.data())),
        arena(bytes.data() + kPage),
        geometry(transaction_geometry()),
        allocator(arena, geometry, memory::Commit{}),
        victim{.owner = memory::owner_of(kVictim, 1), .record = &page.victim},
        survivor{.owner = memory::owner_of(9, 2), .record = &page.survivor},
        manager{.owner = memory::owner_of(memory::kManagerSlot, memory::kManagerThread),
                .record = memory::manager_record(arena)} {
    victim.spins = victim.spins_max = 0;
    list = {.view = view(3, memory::ObjectKind::kList),
            .arena = arena,
            .geometry = geometry,
            .allocator = &allocator,
            .timeout_ns = kDictPatienceNs};
    word = view(4, memory::ObjectKind::kCell, 8);
    wide = view(5, memory::ObjectKind::kCell, kWideCellBytes);
  }

  void lay() {
    memory::lay_arena(arena, {.layout = 3,
                              .bytes = kTransactionChunks * memory::kChunkBytes,
                              .id = 1,
                              .manager = 1,
                              .quota_chunks = kTransactionChunks});
    lay(1, memory::ObjectKind::kDict);
    lay(2, memory::ObjectKind::kDict);
    lay(3, memory::ObjectKind::kList);
    lay(4, memory::ObjectKind::kCell, 8);
    lay(5, memory::ObjectKind::kCell, kWideCellBytes);
    open();
  }
  // After lay: the seed of the hash is read here.
  void open() {
    for (std::uint32_t i = 0; i < 2; ++i) {
      dicts[i] = std::make_unique<Dict>(view(i + 1, memory::ObjectKind::kDict), arena, geometry,
                                        &allocator);
    }
  }

  // ---- what is read ----

  // Only keys of `a` and `b`, each alone, as readers find them who take no lock.
  [[nodiscard]] std::optional<Contents> read(const Contents& a, const Contents& b) const {
    Contents found;
    for (int i = 0; i < 2; ++i) {
      for (const DictModel* const model : {&a.dicts[i], &b.dicts[i]}) {
        for (const auto& [key, value] : *model) {
          Result result{};
          const auto got = get_from(*dicts[i], key, result);
          if (got) found.dicts[i][key] = *got;
          if (!got && result != Result::kAbsent) return std::nullopt;
        }
      }
    }
    memory::ListMark now;
    if (mark(list, now) != Result::kDone) return std::nullopt;
    for (std::uint64_t i = 0; i < now.count; ++i) {
      memory::ListElement element;
      if (get(list, static_cast<std::int64_t>(i), element) != Result::kDone) return std::nullopt;
      found.list.push_back(memory::is_inline(element.word)
                               ? std::to_string(memory::int_in(element.word))
                               : element.bytes);
    }
    found.word = word.descriptor->value.load();
    found.wide.resize(kWideCellBytes);
    if (memory::load_cell(wide, kDictPatienceNs, std::as_writable_bytes(std::span(found.wide))) !=
        Result::kDone) {
      return std::nullopt;
    }
    return found;
  }

  // ---- what is done ----

  struct Changes {
    std::vector<std::pair<int, std::pair<std::string, std::string>>> puts;  // dict, key, value
    std::vector<std::pair<int, std::string>> erased;
    std::map<std::uint64_t, std::string> sets;  // "i..." is a number
    std::vector<std::string> appended;
    std::optional<std::uint64_t> word;
    std::optional<std::string> wide;
  };
  static ListValue list_value(const std::string& text) {
    if (text[0] == 'i') {
      const std::int64_t number = std::stoll(text.substr(1));
      return {.word = memory::int_word(number), .kind = memory::kListKindInt};
    }
    return ListValue::of(kTextKind, false, std::as_bytes(std::span(text)));
  }
  // What the calls are made of, in memory that the caller keeps.
  [[nodiscard]] memory::TransactionChanges changes_of(const Changes& from) const {
    memory::TransactionChanges changes;
    for (const auto& [which, entry] : from.puts) {
      const std::string& value = entry.second;
      changes.keys.push_back({.dict = dicts[which].get(),
                              .key = dicts[which]->key(kTextKind, entry.first),
                              .value = {.data = value.data() + 1,
                                        .bytes = value.size() - 1,
                                        .kind = value[0] == 'n' ? kNumberKind : kTextKind}});
    }
    for (const auto& [which, key] : from.erased) {
      changes.keys.push_back(
          {.dict = dicts[which].get(), .key = dicts[which]->key(kTextKind, key), .erase = true});
    }
    if (!from.sets.empty() || !from.appended.empty()) {
      memory::ListChanges& to = changes.lists.emplace_back();
      to.list = &list;
      for (const auto& [index, text] : from.sets) {
        to.sets.push_back({.index = index, .value = list_value(text)});
      }
      for (const std::string& text : from.appended) {
        to.appended.push_back({.value = list_value(text)});
      }
    }
    if (from.word) {
      changes.cells.push_back({.cell = word, .value = std::as_bytes(std::span(&*from.word, 1))});
    }
    if (from.wide) {
      changes.cells.push_back({.cell = wide, .value = std::as_bytes(std::span(*from.wide))});
    }
    return changes;
  }
  Result commit(Caller& caller, memory::TransactionChanges& changes) {
    Call call{.caller = caller, .timeout_ns = kDictPatienceNs};
    memory::Transaction transaction(home());
    return transaction.commit(call, changes, {});
  }
  Result commit(Caller& caller, const Changes& from) {
    memory::TransactionChanges changes = changes_of(from);
    return commit(caller, changes);
  }
  Result clear(Caller& caller, int which) {
    Call call{.caller = caller, .timeout_ns = kDictPatienceNs};
    memory::Transaction transaction(home());
    return transaction.clear(call, *dicts[which]);
  }

  // ---- death ----

  void recover() {
    memory::recover_transaction(page.victim, home(), manager);
    const memory::Reaches reaches{
        [](void* self, std::uint64_t object, std::uint32_t part, std::uint64_t block) {
          auto& world = *static_cast<TransactionWorld*>(self);
          const std::uint64_t index = object & 0xffffffff;
          if (index == 1 || index == 2) {
            return memory::container_reaches(world.dicts[index - 1]->object(), world.home(), part,
                                             block);
          }
          return index == 3 &&
                 memory::container_reaches(world.list.view, world.home(), part, block);
        },
        this};
    (void)allocator.recover_intents(*manager.record, manager.owner, reaches);
    (void)allocator.recover_intents(page.victim, victim.owner, reaches);
    for (const auto& dict : dicts) {
      memory::recover_container(dict->object(), home(), manager, kVictim);
    }
    memory::recover_container(list.view, home(), manager, kVictim);
    memory::recover_object(word, manager, kVictim, true);
    memory::recover_object(wide, manager, kVictim, true);
  }

  // Nothing is in flight, locked, marked; "": so it is.
  [[nodiscard]] std::string whole() {
    std::string wrong;
    for (const auto& dict : dicts) {
      memory::DictStat stat;
      (void)dict->verify(stat, [&](const std::string& what) { wrong += what + "; "; });
      const auto& d = *reinterpret_cast<memory::DictDescriptor*>(dict->object().descriptor);
      if (memory::owner_in(d.first.lock.load()) != 0) wrong += "a shard stays locked; ";
      if (d.first.transaction.load() != 0) wrong += "a shard stays marked; ";
    }
    if (list.descriptor().transaction.load() != 0) wrong += "the list stays marked; ";
    for (const memory::ObjectView& object : {list.view, word, wide}) {
      if (memory::owner_in(object.descriptor->lock.load()) != 0) wrong += "a lock stays held; ";
    }
    if (wide.descriptor->hint.load() != 0) wrong += "a claim stays; ";
    if (word.descriptor->abandoned.load() != 0) wrong += "a cell is called abandoned; ";
    if (page.victim.transaction.load() != 0) wrong += "the thread has its record; ";
    for (memory::ThreadRecord* const record : {&page.victim, manager.record}) {
      if (ArenaMemory::has_intent(*record)) wrong += "an intent is left; ";
    }
    if (allocator.usage().claimed_chunks != 0) wrong += "chunks stay claimed; ";
    return wrong;
  }

  // The survivor goes on, and empties everything: then nothing is owned any more.
  [[nodiscard]] std::string go_on() {
    const Changes more{.puts = {{0, {"later", text_value("x")}}, {1, {"later", number_value(1)}}},
                       .erased = {},
                       .sets = {},
                       .appended = {"i77", std::string(3000, 'z')},
                       .word = 99,
                       .wide = std::string(kWideCellBytes, 'l')};
    if (commit(survivor, more) != Result::kDone) return "later: no transaction";
    Result result{};
    if (!get_from(*dicts[1], "later", result)) return "later: not there";
    for (int i = 0; i < 2; ++i) {
      if (clear(survivor, i) != Result::kDone) return "at last: not cleared";
    }
    Call call{.caller = survivor, .timeout_ns = kDictPatienceNs};
    if (ListWriter(list, call).clear() != Result::kDone) return "at last: the list stays";
    if (std::string wrong = whole(); !wrong.empty()) return "at last: " + wrong;
    const std::uint64_t owned = allocator.usage().owned_bytes();
    return owned == 0 ? "" : "leaked " + std::to_string(owned) + " bytes";
  }

  [[nodiscard]] memory::ContainerHome home() {
    return {.arena = arena, .geometry = geometry, .allocator = &allocator};
  }

  Page& page;
  std::byte* arena;
  memory::Geometry geometry;
  ArenaMemory allocator;
  Caller victim;
  Caller survivor;
  Caller manager;
  std::unique_ptr<Dict> dicts[2];
  ListObject list;
  memory::ObjectView word;
  memory::ObjectView wide;

 private:
  static std::uint64_t id_of(std::uint32_t index) { return std::uint64_t{3} << 32 | index; }
  [[nodiscard]] memory::ObjectView view(std::uint32_t index, memory::ObjectKind kind,
                                        std::uint64_t parameter = 0) const {
    return memory::view_of(arena, id_of(index), kind, 0, parameter, 0);
  }
  void lay(std::uint32_t index, memory::ObjectKind kind, std::uint64_t parameter = 0) const {
    memory::NewObject made;
    made.index = index;
    made.id = id_of(index);
    made.kind = kind;
    made.parameter = parameter;
    made.seed = 0x1234567890abcdef + index;
    memory::lay_object(arena, made);
  }
};

// One transaction in the terms of this file.
struct SweptTransaction {
  std::string name;
  TransactionWorld::Changes before;  // what is there
  TransactionWorld::Changes changes;
  int clears = -1;                       // instead: this dict is emptied
  TransactionWorld::Changes replaced{};  // of what is there, so that the dicts have spares
};

// What there is, as the survivor makes it.
inline Result make_before(TransactionWorld& world, const SweptTransaction& swept) {
  const Result made = world.commit(world.survivor, swept.before);
  return made == Result::kDone ? world.commit(world.survivor, swept.replaced) : made;
}

inline Contents contents_after(const SweptTransaction& swept, bool done) {
  Contents now;
  now.wide.assign(kWideCellBytes, '\0');
  const auto apply = [&](const TransactionWorld::Changes& changes) {
    const auto shown = [](const std::string& text) {
      return text[0] == 'i' ? text.substr(1) : text;
    };
    for (const auto& [which, entry] : changes.puts) now.dicts[which][entry.first] = entry.second;
    for (const auto& [which, key] : changes.erased) now.dicts[which].erase(key);
    for (const auto& [index, text] : changes.sets) now.list[index] = shown(text);
    for (const std::string& text : changes.appended) now.list.push_back(shown(text));
    if (changes.word) now.word = *changes.word;
    if (changes.wide) now.wide = *changes.wide;
  };
  apply(swept.before);
  apply(swept.replaced);
  if (done && swept.clears >= 0) now.dicts[swept.clears].clear();
  if (done) apply(swept.changes);
  return now;
}

inline std::vector<SweptTransaction> swept_transactions() {
  const std::string large(2100, 'a');
  const std::string larger(2200, 'b');
  const std::string wide(kWideCellBytes, 'w');
  TransactionWorld::Changes there{
      .puts = {{0, {"one", number_value(1)}},
               {0, {"two", text_value("second")}},
               {0, {"large", text_value(large)}},
               {1, {"three", text_value("third")}}},
      .erased = {},
      .sets = {},
      .appended = {"i10", "a text that needs a record", std::string(2100, 'c'), "i13"},
      .word = 5,
      .wide = std::string(kWideCellBytes, 'v')};
  std::vector<SweptTransaction> all;
  all.push_back({"three keys of one dict",
                 there,
                 {.puts = {{0, {"one", number_value(2)}}, {0, {"new", text_value("made")}}},
                  .erased = {{0, "two"}},
                  .sets = {},
                  .appended = {},
                  .word = {},
                  .wide = {}}});
  all.push_back({"keys of two dicts",
                 there,
                 {.puts = {{0, {"one", text_value("another kind")}},
                           {1, {"three", text_value("changed")}},
                           {1, {"four", number_value(4)}}},
                  .erased = {},
                  .sets = {},
                  .appended = {},
                  .word = {},
                  .wide = {}}});
  all.push_back({"large values that come and go",
                 there,
                 {.puts = {{0, {"large", text_value(larger)}}, {1, {"more", text_value(large)}}},
                  .erased = {},
                  .sets = {},
                  .appended = {},
                  .word = {},
                  .wide = {}}});
  all.push_back({"elements of a list",
                 there,
                 {.puts = {},
                  .erased = {},
                  .sets = {{0, "i20"}, {1, "another text, longer than the one before"}},
                  .appended = {"i21", "one more text"},
                  .word = {},
                  .wide = {}}});
  all.push_back({"large elements of a list",
                 there,
                 {.puts = {},
                  .erased = {},
                  .sets = {{2, std::string(2110, 'd')}, {3, std::string(2120, 'e')}},
                  .appended = {std::string(2130, 'f')},
                  .word = {},
                  .wide = {}}});
  all.push_back({"cells",
                 there,
                 {.puts = {}, .erased = {}, .sets = {}, .appended = {}, .word = 6, .wide = wide}});
  all.push_back({"all kinds",
                 there,
                 {.puts = {{0, {"one", number_value(3)}}, {1, {"large", text_value(larger)}}},
                  .erased = {{1, "three"}},
                  .sets = {{2, "i30"}},
                  .appended = {"i31"},
                  .word = 7,
                  .wide = wide}});
  all.push_back({"clear", there, {}, 0});
  const auto texts = [](const std::string& end) {
    TransactionWorld::Changes changes;
    for (const char* const key : {"k1", "k2", "k3"}) {
      changes.puts.push_back({0, {key, text_value(key + end)}});
    }
    return changes;
  };
  TransactionWorld::Changes over_spares = texts(" new");
  over_spares.puts.pop_back();
  over_spares.puts.push_back({0, {"k4", text_value("k4 new")}});
  over_spares.erased = {{0, "k3"}};
  all.push_back({"over spares", texts(" old"), over_spares, -1, texts(" mid")});
  return all;
}

inline std::string judge_transaction(const SweptTransaction& operation,
                                     std::span<const std::byte> bytes, bool* done) {
  const Contents before = contents_after(operation, false);
  const Contents after = contents_after(operation, true);
  const GuardedBytes copy(bytes.size());
  std::memcpy(copy.data(), bytes.data(), bytes.size());
  TransactionWorld world({copy.data(), copy.size()});
  world.open();
  // Readers wait for nobody: they see one or the other before anything is recovered.
  const std::optional<Contents> early = world.read(before, after);
  if (!early) return "cannot be read";
  world.recover();
  const std::optional<Contents> found = world.read(before, after);
  if (!found) return "cannot be read after recovery";
  if (!(*found == before) && !(*found == after)) return "half done";
  if (done != nullptr) *done = *found == after;
  if (!(early->without_cells() == found->without_cells())) return "readers saw it otherwise";
  if (std::string wrong = world.whole(); !wrong.empty()) return wrong;
  world.recover();
  const std::optional<Contents> again = world.read(before, after);
  if (!again || !(*again == *found)) return "recovered again: otherwise";
  if (std::string wrong = world.whole(); !wrong.empty()) return "recovered again: " + wrong;
  return world.go_on();
}

inline Operation as_operation(const SweptTransaction& operation) {
  return {.name = operation.name,
          .prepare =
              [operation](std::span<std::byte> bytes) {
                TransactionWorld world(bytes);
                world.lay();
                (void)make_before(world, operation);
              },
          .victim = [operation](std::span<std::byte> bytes) -> std::function<void()> {
            auto world = std::make_shared<TransactionWorld>(bytes);
            world->open();
            auto changes =
                std::make_shared<memory::TransactionChanges>(world->changes_of(operation.changes));
            // What the changes refer to lives in this copy of the operation.
            auto kept = std::make_shared<SweptTransaction>(operation);
            *changes = world->changes_of(kept->changes);
            return [world, changes, kept] {
              if (kept->clears >= 0) {
                (void)world->clear(world->victim, kept->clears);
              } else {
                (void)world->commit(world->victim, *changes);
              }
            };
          },
          .judge =
              [operation](std::span<std::byte> bytes) {
                Verdict verdict;
                verdict.violation = judge_transaction(operation, bytes, &verdict.done);
                return verdict;
              }};
}

}  // namespace shoal::test
