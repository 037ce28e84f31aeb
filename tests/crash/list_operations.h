// What a List does, as the sweeps see it: a small arena behind one page that holds the list's
// descriptor and the records of two threads. Used with the real list and with seeded faults.
#pragma once

#include <algorithm>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "memory/list_container_recover.h"
#include "memory/list_container_write.h"
#include "tests/crash/sweep.h"
#include "tests/unit/arena_allocator_memory.h"

namespace shoal::test {

using memory::ArenaMemory;
using memory::BlockFor;
using memory::Caller;
using memory::kChunkBytes;
using memory::kLeafElements;
using memory::ListElement;
using memory::ListObject;
using memory::ListSlice;
using memory::ListValue;
using memory::ListWriter;
using memory::Result;

inline constexpr std::uint64_t kSweptList = std::uint64_t{4} << 32 | 5;
inline constexpr BlockFor kOtherObject{.object = std::uint64_t{4} << 32 | 6, .part = 0};
inline constexpr std::uint16_t kVictimSlot = 7;

// An element of a swept list: a number, or a text that its number stands for.
struct Mark {
  std::int64_t number = 0;
  std::size_t bytes = 0;  // of the text; 0: it is the number itself

  bool operator==(const Mark&) const = default;
};
inline std::vector<std::byte> bytes_of(const Mark& mark) {
  std::vector<std::byte> bytes(mark.bytes);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<std::byte>(static_cast<std::size_t>(mark.number) * 31 + i);
  }
  if (mark.bytes >= 8) std::memcpy(bytes.data(), &mark.number, 8);
  return bytes;
}
// Nothing: it is none of them, or torn.
inline std::optional<Mark> mark_of(const ListElement& element) {
  if (memory::list_tag(element.word) == memory::ListTag::kInt) {
    return Mark{memory::int_in(element.word), 0};
  }
  if (memory::is_inline(element.word) || element.bytes.size() < 8) return std::nullopt;
  Mark mark{.number = 0, .bytes = element.bytes.size()};
  std::memcpy(&mark.number, element.bytes.data(), 8);
  const std::vector<std::byte> bytes = bytes_of(mark);
  if (std::memcmp(bytes.data(), element.bytes.data(), bytes.size()) != 0) return std::nullopt;
  return mark;
}
using Marks = std::vector<Mark>;

inline Mark number(std::int64_t of) { return {of, 0}; }
inline Mark text(std::int64_t of) { return {of, 40}; }
inline Mark large(std::int64_t of) { return {of, 2100}; }
inline Marks numbers(std::size_t count) {
  Marks marks;
  for (std::size_t i = 0; i < count; ++i) marks.push_back(number(static_cast<std::int64_t>(i)));
  return marks;
}

// Values with what they refer to.
class Stored {
 public:
  explicit Stored(const Marks& marks) {
    bytes_.reserve(marks.size());
    for (const Mark& mark : marks) {
      bytes_.push_back(bytes_of(mark));
      constexpr std::uint8_t kBytesKind = 6;
      values_.push_back(mark.bytes == 0 ? ListValue{.word = memory::int_word(mark.number)}
                                        : ListValue::of(kBytesKind, false, bytes_.back()));
    }
  }
  [[nodiscard]] std::span<const ListValue> values() const { return values_; }

 private:
  std::vector<std::vector<std::byte>> bytes_;
  std::vector<ListValue> values_;
};

struct ListPageBytes {
  memory::Descriptor descriptor;
  memory::ThreadRecord victim;
  memory::ThreadRecord survivor;
};
static_assert(sizeof(ListPageBytes) <= kPage);

inline std::size_t swept_list_bytes(std::uint32_t chunks) {
  return kPage + small_geometry(chunks).file_bytes;
}

// All of it, anew for every process that looks at the bytes.
class SweptList {
 public:
  SweptList(std::span<std::byte> bytes, std::uint32_t chunks)
      : page(*reinterpret_cast<ListPageBytes*>(bytes.data())),
        arena(bytes.data() + kPage),
        chunks(chunks),
        memory(arena, small_geometry(chunks), memory::Commit{}),
        victim{.owner = memory::owner_of(kVictimSlot, 1), .record = &page.victim},
        survivor{.owner = memory::owner_of(9, 2), .record = &page.survivor},
        manager{.owner = memory::owner_of(memory::kManagerSlot, memory::kManagerThread),
                .record = memory::manager_record(arena)} {
    list.view.descriptor = &page.descriptor;
    list.view.header = reinterpret_cast<memory::ArenaHeader*>(arena);
    list.view.id = kSweptList;
    list.view.kind = memory::ObjectKind::kList;
    list.arena = arena;
    list.geometry = small_geometry(chunks);
    list.allocator = &memory;
  }
  SweptList(const SweptList&) = delete;
  SweptList& operator=(const SweptList&) = delete;

  void lay() {
    memory::lay_arena(arena, {.layout = 2,
                              .bytes = chunks * kChunkBytes,
                              .id = 1,
                              .manager = 1,
                              .quota_chunks = chunks});
    page.descriptor.id.store(kSweptList);
  }

  // ---- changes ----

  template <typename Change>
  Result change(Caller& caller, Change change) {
    memory::Call call{.caller = caller, .timeout_ns = 0};
    ListWriter writer(list, call);
    return change(writer);
  }
  Result append(Caller& caller, const Marks& marks) {
    const Stored stored(marks);
    return change(caller, [&](ListWriter& writer) { return writer.append(stored.values()); });
  }
  Result pop(Caller& caller, std::int64_t index, ListElement& element) {
    return change(caller, [&](ListWriter& writer) { return writer.pop(index, element); });
  }

  // ---- what the living see ----

  // Nothing: it cannot be read, or an element is none that was put in.
  std::optional<Marks> marks() const {
    memory::ListMark now;
    if (memory::mark(list, now) != Result::kDone) return std::nullopt;
    Marks marks;
    std::vector<ListElement> read;
    while (marks.size() < now.count) {
      if (read_page(list, now, marks.size(), now.count, read) != Result::kDone) return std::nullopt;
      for (const ListElement& element : read) {
        const std::optional<Mark> mark = mark_of(element);
        if (!mark) return std::nullopt;
        marks.push_back(*mark);
      }
    }
    return marks;
  }
  memory::Reaches reaches() {
    return {[](void* self, std::uint64_t object, std::uint32_t part, std::uint64_t block) {
              return object == kSweptList &&
                     memory::reaches(static_cast<SweptList*>(self)->list, part, block);
            },
            this};
  }
  void recover() {
    (void)memory.recover_intents(page.victim, victim.owner, reaches());
    (void)memory.recover_intents(*manager.record, manager.owner, reaches());
    recover_list(list, manager, kVictimSlot);
  }
  // Nothing is held or in flight, and the list owns what it reaches and nothing else.
  std::string whole() {
    const memory::ListReport report = verify(list);
    if (!report.wrong.empty()) return report.wrong[0];
    if (page.descriptor.lock.load() != 0) return "the lock is held";
    if (ArenaMemory::has_intent(page.victim)) return "an intent is left";
    if (ArenaMemory::has_intent(*manager.record)) return "an intent of the manager is left";
    const memory::ArenaUsage usage = memory.usage();
    if (usage.owned_bytes() > report.block_bytes) {
      return "leaked " + std::to_string(usage.owned_bytes() - report.block_bytes) + " bytes";
    }
    if (usage.owned_bytes() < report.block_bytes) return "reaches what it does not own";
    return "";
  }
  // The survivor changes the list in every way, and then empties it.
  std::string go_on(Marks expected) {
    const auto is = [&](const char* after) -> std::string {
      const std::optional<Marks> now = marks();
      if (!now || *now != expected) return std::string("wrong after ") + after;
      return whole() == "" ? "" : std::string("after ") + after + ": " + whole();
    };
    const Marks more = {number(900), text(901), large(902)};
    if (append(survivor, more) != Result::kDone) return "no append later";
    expected.insert(expected.end(), more.begin(), more.end());
    if (std::string wrong = is("an append"); !wrong.empty()) return wrong;
    const Stored other({text(903)});
    for (const std::int64_t index : {std::int64_t{0}, std::int64_t{-1}}) {
      const Result result = change(
          survivor, [&](ListWriter& writer) { return writer.set(index, other.values()[0]); });
      if (result != Result::kDone) return "no set later";
      (index == 0 ? expected.front() : expected.back()) = text(903);
    }
    if (std::string wrong = is("two sets"); !wrong.empty()) return wrong;
    ListElement element;
    const auto middle = static_cast<std::int64_t>(expected.size() / 2);
    if (pop(survivor, middle, element) != Result::kDone) return "no pop later";
    if (mark_of(element) != expected[static_cast<std::size_t>(middle)]) return "it popped another";
    expected.erase(expected.begin() + middle);
    if (std::string wrong = is("a pop"); !wrong.empty()) return wrong;
    const Result cleared = change(survivor, [](ListWriter& writer) { return writer.clear(); });
    if (cleared != Result::kDone) return "no clear later";
    if (memory.usage().owned_bytes() != 0) return "memory is left after a clear";
    return "";
  }

  ListPageBytes& page;
  std::byte* arena;
  std::uint32_t chunks;
  ArenaMemory memory;
  Caller victim;
  Caller survivor;
  Caller manager;
  ListObject list;
};

// One operation in the terms of this file.
struct ListOperation {
  std::string name;
  std::function<Result(SweptList&)> prepare;  // by the survivor
  std::function<Result(SweptList&)> victim;
  // What the list is before and after; of what `prepare` left, if there is nothing.
  std::function<Marks(Marks)> makes;
  std::uint32_t chunks = 4;
  bool replaces = false;  // the list as a whole: its recovery is swept, too
};

inline std::string judge_list(const ListOperation& operation, std::span<const std::byte> bytes,
                              const Marks& expected, bool with_meanwhile) {
  const GuardedBytes copy(bytes.size());
  std::memcpy(copy.data(), bytes.data(), bytes.size());
  SweptList swept({copy.data(), bytes.size()}, operation.chunks);
  // Others wait for the lock meanwhile, with blocks for this very list.
  std::vector<std::pair<std::uint64_t, std::uint32_t>> waiting;
  if (with_meanwhile) {
    for (const std::uint32_t part : {memory::kListPartValue, memory::kListPartLeaf,
                                     memory::kListPartSpine, memory::kListPartRun}) {
      const auto block = swept.memory.allocate(swept.survivor, 200, {kSweptList, part});
      if (block.ok()) waiting.emplace_back(*block, part);
    }
  }
  swept.recover();
  for (const auto& [block, part] : waiting) {
    if (!swept.memory.free(swept.survivor, block, 200, {kSweptList, part}).ok()) {
      return "freed what others have in flight";
    }
  }
  for (const char* when : {"recovered: ", "recovered twice: "}) {
    const std::optional<Marks> now = swept.marks();
    if (!now) return std::string(when) + "cannot be read";
    if (*now != expected) return std::string(when) + "recovery changed the list";
    if (std::string wrong = swept.whole(); !wrong.empty()) return when + wrong;
    swept.recover();
  }
  return swept.go_on(expected);
}

// What the list is before the operation and after it.
struct BeforeAndAfter {
  Marks before;
  Marks after;
};
inline BeforeAndAfter expected_of(const ListOperation& operation) {
  const GuardedBytes bytes(swept_list_bytes(operation.chunks));
  SweptList swept({bytes.data(), bytes.size()}, operation.chunks);
  swept.lay();
  if (operation.prepare(swept) != Result::kDone) return {};
  BeforeAndAfter expected{.before = swept.marks().value_or(Marks{}), .after = {}};
  expected.after = operation.makes(expected.before);
  return expected;
}

inline Verdict verdict_on(const ListOperation& operation, const BeforeAndAfter& expected,
                          std::span<std::byte> bytes) {
  const SweptList swept(bytes, operation.chunks);
  const std::optional<Marks> seen = swept.marks();  // nobody has recovered anything yet
  Verdict verdict;
  verdict.done = seen == expected.after;
  if (!seen) {
    verdict.violation = "a reader sees what was never put in";
  } else if (!verdict.done && *seen != expected.before) {
    verdict.violation = "a reader sees neither the old nor the new list";
  }
  for (const bool with_meanwhile : {false, true}) {
    if (!verdict.violation.empty()) break;
    verdict.violation = judge_list(operation, bytes, *seen, with_meanwhile);
  }
  return verdict;
}

inline Operation as_operation(const ListOperation& operation) {
  const auto expected = std::make_shared<BeforeAndAfter>(expected_of(operation));
  return {
      .name = operation.name,
      .prepare =
          [operation](std::span<std::byte> bytes) {
            SweptList swept(bytes, operation.chunks);
            swept.lay();
            (void)operation.prepare(swept);
          },
      .victim = [operation](std::span<std::byte> bytes) -> std::function<void()> {
        return [swept = std::make_shared<SweptList>(bytes, operation.chunks), operation] {
          (void)operation.victim(*swept);
        };
      },
      .judge = [operation, expected](
                   std::span<std::byte> bytes) { return verdict_on(operation, *expected, bytes); }};
}

// ---- the operations ----

namespace list_operations {

inline std::function<Result(SweptList&)> filled(Marks marks) {
  return [marks = std::move(marks)](SweptList& s) { return s.append(s.survivor, marks); };
}
// The same in one block, as after an insert; so many more are appended then.
inline std::function<Result(SweptList&)> replaced(Marks marks, std::size_t more = 0) {
  return [=](SweptList& s) {
    Result result = s.append(s.survivor, marks);
    for (int i = 0; i < 2 && result == Result::kDone; ++i) {
      result = s.change(s.survivor, [](ListWriter& writer) { return writer.reverse(); });
    }
    return result == Result::kDone && more > 0 ? s.append(s.survivor, numbers(more)) : result;
  };
}
template <typename Change>
std::function<Result(SweptList&)> victim_does(Change change) {
  return [change](SweptList& s) {
    return s.change(s.victim, [&](ListWriter& writer) { return change(writer); });
  };
}
inline std::function<Result(SweptList&)> victim_appends(Marks marks) {
  return [stored = std::make_shared<Stored>(marks)](SweptList& s) {
    return s.change(s.victim, [&](ListWriter& w) { return w.append(stored->values()); });
  };
}
inline std::function<Result(SweptList&)> victim_sets(std::int64_t index, Mark mark) {
  return [index, stored = std::make_shared<Stored>(Marks{mark})](SweptList& s) {
    return s.change(s.victim, [&](ListWriter& w) { return w.set(index, stored->values()[0]); });
  };
}
inline std::function<Result(SweptList&)> victim_assigns(ListSlice slice, Marks marks) {
  return [slice, stored = std::make_shared<Stored>(marks)](SweptList& s) {
    return s.change(s.victim, [&](ListWriter& w) { return w.assign(slice, stored->values()); });
  };
}
inline std::function<Result(SweptList&)> victim_pops(std::int64_t index) {
  return [index](SweptList& s) {
    ListElement element;
    element.bytes.reserve(4096);
    return s.pop(s.victim, index, element);
  };
}
inline std::function<Marks(Marks)> with_more(Marks more) {
  return [more](Marks marks) {
    marks.insert(marks.end(), more.begin(), more.end());
    return marks;
  };
}
inline std::function<Marks(Marks)> with(std::size_t index, Mark mark) {
  return [=](Marks marks) {
    marks[index] = mark;
    return marks;
  };
}
inline std::function<Marks(Marks)> without(std::size_t index) {
  return [=](Marks marks) {
    marks.erase(marks.begin() + static_cast<std::ptrdiff_t>(index));
    return marks;
  };
}

}  // namespace list_operations

inline std::vector<ListOperation> list_operations_that_store_one_word() {
  using namespace list_operations;
  const Marks few = {number(0), text(1), large(2), number(3)};
  std::vector<ListOperation> all;
  const auto nothing = [](SweptList&) { return Result::kDone; };
  all.push_back({"append the first", nothing, victim_appends({number(1)}), with_more({number(1)})});
  all.push_back(
      {"append a number", filled(few), victim_appends({number(5)}), with_more({number(5)})});
  all.push_back({"append a number quickly", filled(few),
                 [](SweptList& s) {
                   return append_quickly(s.list, s.victim, memory::int_word(5)) ? Result::kDone
                                                                                : Result::kAbsent;
                 },
                 with_more({number(5)})});
  all.push_back(
      {"append a text", filled(numbers(3)), victim_appends({text(5)}), with_more({text(5)})});
  all.push_back({"append a text in a leaf with room", filled({text(1), text(2), text(3)}),
                 victim_appends({text(5)}), with_more({text(5)})});
  all.push_back({"append to a full leaf", filled(numbers(30)), victim_appends({number(5)}),
                 with_more({number(5)})});
  all.push_back({"append to a full leaf with texts",
                 filled({text(1), text(2), text(3), text(4), text(5), text(6)}),
                 victim_appends({text(7), text(8), text(9), text(10)}),
                 with_more({text(7), text(8), text(9), text(10)})});
  all.push_back({"append to a leaf in the run", replaced(few, 5),
                 victim_appends({text(7), text(8), number(9)}),
                 with_more({text(7), text(8), number(9)})});
  all.push_back({"append the first of a leaf", filled(numbers(kLeafElements)),
                 victim_appends({number(5)}), with_more({number(5)}), 8});
  all.push_back(
      {"append a large value", filled(few), victim_appends({large(5)}), with_more({large(5)})});
  all.push_back({"extend by several", filled(few),
                 victim_appends({large(5), number(6), text(7), large(8)}),
                 with_more({large(5), number(6), text(7), large(8)})});
  all.push_back({"extend over the end of a leaf", filled(numbers(kLeafElements - 1)),
                 victim_appends({number(5), text(6), number(7)}),
                 with_more({number(5), text(6), number(7)}), 8});
  all.push_back({"append where the spine is full", filled(numbers(28 * kLeafElements)),
                 victim_appends({number(5)}), with_more({number(5)}), 24});
  all.push_back({"set a number", filled(few), victim_sets(0, number(9)), with(0, number(9))});
  all.push_back({"set a number quickly", filled(few),
                 [](SweptList& s) {
                   return set_quickly(s.list, s.victim, 1, memory::int_word(9)) ? Result::kDone
                                                                                : Result::kAbsent;
                 },
                 with(1, number(9))});
  all.push_back({"set a text", filled(few), victim_sets(0, text(9)), with(0, text(9))});
  all.push_back({"set a text in a full leaf",
                 filled({text(1), text(2), text(3), text(4), text(5), text(6)}),
                 victim_sets(3, {9, 90}), with(3, {9, 90})});
  all.push_back(
      {"set a text in the run", replaced(few), victim_sets(3, {9, 400}), with(3, {9, 400})});
  all.push_back(
      {"set a large value over another", filled(few), victim_sets(2, large(9)), with(2, large(9))});
  all.push_back({"set a number over a large value", filled(few), victim_sets(2, number(9)),
                 with(2, number(9))});
  all.push_back({"pop a number at the end", filled(few), victim_pops(-1), without(3)});
  all.push_back(
      {"pop a large value at the end", filled({number(0), large(2)}), victim_pops(-1), without(1)});
  all.push_back({"pop the first of a leaf, with one behind it",
                 [](SweptList& s) {
                   Result result = s.append(s.survivor, numbers(2 * kLeafElements + 1));
                   ListElement element;
                   for (std::size_t i = 0; i < kLeafElements && result == Result::kDone; ++i) {
                     result = s.pop(s.survivor, -1, element);
                   }
                   return result;
                 },
                 victim_pops(-1), without(kLeafElements), 8});
  return all;
}

inline std::vector<ListOperation> list_operations_that_replace() {
  using namespace list_operations;
  const Marks few = {number(0), text(1), large(2), number(3), large(4), text(5), number(6)};
  std::vector<ListOperation> all;
  const auto add = [&](std::string name, auto prepare, auto victim, auto makes) {
    all.push_back({.name = std::move(name),
                   .prepare = prepare,
                   .victim = victim,
                   .makes = makes,
                   .replaces = true});
  };
  add("insert a number", filled(few), victim_assigns({.start = 2, .stop = 2}, {number(9)}),
      [](Marks marks) {
        marks.insert(marks.begin() + 2, number(9));
        return marks;
      });
  add("insert a large value in a list that was replaced", replaced(few, 3),
      victim_assigns({.start = 0, .stop = 0}, {large(9)}), [](Marks marks) {
        marks.insert(marks.begin(), large(9));
        return marks;
      });
  add("pop a large value in the middle", filled(few), victim_pops(2), without(2));
  add("pop a text in the middle", replaced(few), victim_pops(1), without(1));
  add("extend by many large values", filled(few),
      victim_appends({large(10), large(11), number(12), large(13), large(14)}),
      with_more({large(10), large(11), number(12), large(13), large(14)}));
  add("assign to a slice", replaced(few, 2),
      victim_assigns({.start = 1, .stop = 5}, {large(10), large(11), text(12), large(13)}),
      [](Marks marks) {
        const Marks made = {large(10), large(11), text(12), large(13)};
        marks.erase(marks.begin() + 1, marks.begin() + 5);
        marks.insert(marks.begin() + 1, made.begin(), made.end());
        return marks;
      });
  add("assign to every second", filled(few),
      victim_assigns({.step = 2}, {text(10), number(11), large(12), text(13)}), [](Marks marks) {
        const Marks made = {text(10), number(11), large(12), text(13)};
        for (std::size_t i = 0; i < made.size(); ++i) marks[2 * i] = made[i];
        return marks;
      });
  add("erase every second", filled(few),
      victim_does([](ListWriter& w) { return w.erase({.step = 2}); }), [](Marks marks) {
        return Marks{marks[1], marks[3], marks[5]};
      });
  add("reverse", filled(few), victim_does([](ListWriter& w) { return w.reverse(); }),
      [](Marks marks) {
        std::reverse(marks.begin(), marks.end());
        return marks;
      });
  add("reorder", replaced(few), victim_does([](ListWriter& w) {
        static constexpr std::uint64_t kOrder[] = {3, 1, 0, 2, 6, 5, 4};
        return w.reorder(kOrder);
      }),
      [](Marks marks) {
        return Marks{marks[3], marks[1], marks[0], marks[2], marks[6], marks[5], marks[4]};
      });
  add("clear", filled(few), victim_does([](ListWriter& w) { return w.clear(); }),
      [](Marks) { return Marks{}; });
  add(
      "clear a list that was replaced and has grown",
      [=](SweptList& s) {
        const Result result = replaced(few)(s);
        return result == Result::kDone ? s.append(s.survivor, numbers(40)) : result;
      },
      victim_does([](ListWriter& w) { return w.clear(); }), [](Marks) { return Marks{}; });
  return all;
}

inline const std::vector<ListOperation>& swept_list_operations() {
  static const std::vector<ListOperation> kAll = [] {
    std::vector<ListOperation> all = list_operations_that_store_one_word();
    for (ListOperation& operation : list_operations_that_replace()) {
      all.push_back(std::move(operation));
    }
    return all;
  }();
  return kAll;
}

}  // namespace shoal::test
