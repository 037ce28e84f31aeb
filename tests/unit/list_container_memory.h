// A List in a small arena, and a model of it: for unit tests of memory/list_container*.
#pragma once

#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "memory/list_container_recover.h"
#include "memory/list_container_write.h"
#include "memory/recover.h"
#include "tests/unit/arena_allocator_memory.h"

namespace shoal::test {

using memory::ListElement;
using memory::ListObject;
using memory::ListValue;
using memory::ListWriter;
using memory::Result;

// A value as it is put in and read: comparable, owns its bytes.
struct Item {
  std::uint8_t kind = 0;
  bool references = false;
  std::string bytes;

  bool operator==(const Item&) const = default;
  [[nodiscard]] ListValue value() const {
    return ListValue::of(kind, references, std::as_bytes(std::span(bytes)));
  }
};

template <typename T>
Item item_of(std::uint8_t kind, T number, bool references = false) {
  return {kind, references, std::string(reinterpret_cast<const char*>(&number), sizeof number)};
}
inline Item int_item(std::int64_t number) { return item_of(memory::kListKindInt, number); }
inline Item double_item(double number) { return item_of(memory::kListKindDouble, number); }
inline Item reference_item(std::uint64_t id) {
  return item_of(memory::kListKindReference, id, true);
}
inline Item text_item(std::string text) { return {5, false, std::move(text)}; }

inline Item item_of(const ListElement& element) {
  if (!memory::is_inline(element.word)) return {element.kind, element.references, element.bytes};
  const memory::InlineBytes value = memory::inline_bytes(element.word);
  return {value.kind, value.references, std::string(value.bytes, value.size)};
}

inline std::vector<ListValue> values_of(const std::vector<Item>& items) {
  std::vector<ListValue> values;
  for (const Item& item : items) values.push_back(item.value());
  return values;
}

// Empty: the same. Else where they differ first.
inline std::string difference(const std::vector<Item>& a, const std::vector<Item>& b) {
  const std::size_t most = std::min(a.size(), b.size());
  std::size_t i = 0;
  while (i < most && a[i] == b[i]) ++i;
  if (i == a.size() && i == b.size()) return "";
  const auto told = [&](const std::vector<Item>& items) {
    if (i >= items.size()) return std::string("the end");
    return "kind " + std::to_string(items[i].kind) + ", " + std::to_string(items[i].bytes.size()) +
           " bytes \"" + items[i].bytes.substr(0, 20) + "\"";
  };
  return "element " + std::to_string(i) + ": " + told(a) + "; " + told(b);
}

class ListWorld {
 public:
  explicit ListWorld(std::uint32_t chunks) : arena(chunks), caller(arena.caller(1)) {
    arena.counts_commits = false;
    std::memset(static_cast<void*>(descriptor_.get()), 0, sizeof(memory::Descriptor));
    descriptor_->id.store(kId);
    list.view.descriptor = descriptor_.get();
    list.view.header = &arena.header();
    list.view.id = kId;
    list.view.kind = memory::ObjectKind::kList;
    list.arena = arena.bytes.data();
    list.geometry = arena.geometry;
    list.allocator = &arena.memory;
  }

  static constexpr std::uint64_t kId = std::uint64_t{5} << 32 | 3;

  ListWriter writer() { return ListWriter(list, call); }
  Result append(const Item& item) {
    const ListValue value = item.value();
    return writer().append({&value, 1});
  }
  std::uint64_t size() const {
    memory::ListMark now;
    return memory::mark(list, now) == Result::kDone ? now.count : UINT64_MAX;
  }
  std::vector<Item> items() const {
    std::vector<Item> all;
    memory::ListMark now;
    if (memory::mark(list, now) != Result::kDone) return all;
    std::vector<ListElement> page;
    while (all.size() < now.count &&
           memory::read_page(list, now, all.size(), now.count, page) == Result::kDone) {
      for (const ListElement& element : page) all.push_back(item_of(element));
    }
    return all;
  }
  // Empty: all is well, and nothing is owned but what the list reaches.
  std::string wrong() {
    const memory::ListReport report = memory::verify(list);
    if (!report.wrong.empty()) return report.wrong[0];
    const memory::ArenaUsage usage = arena.memory.usage();
    if (usage.owned_bytes() != report.block_bytes) {
      return "owns " + std::to_string(usage.owned_bytes()) + " bytes, reaches " +
             std::to_string(report.block_bytes);
    }
    if (memory::ArenaMemory::has_intent(*caller.record)) return "an intent is left";
    return descriptor_->lock.load() == 0 ? "" : "the lock is held";
  }
  memory::Reaches reaches() {
    return {[](void* self, std::uint64_t object, std::uint32_t part, std::uint64_t block) {
              return object == kId &&
                     memory::reaches(static_cast<ListWorld*>(self)->list, part, block);
            },
            this};
  }
  memory::Descriptor& descriptor() { return *descriptor_; }

  TestArena arena;
  ListObject list;
  memory::Caller caller;
  memory::Call call{.caller = caller, .timeout_ns = memory::kForever};

 private:
  // At the end of what may be touched, as far as its alignment goes.
  std::unique_ptr<memory::Descriptor> descriptor_ = std::make_unique<memory::Descriptor>();
};

}  // namespace shoal::test
