// A List: elements one after another, each a value {kind, has references, bytes} of any size. Its
// bytes are laid out in list_container_layout.h. Here: its protocol, its values, and its readers,
// who take no lock, write nothing and need the mapping for reading only. Who changes a list
// (list_container_write.h) holds the lock in its descriptor.
//
// Invariants:
//  1. What the root word reaches is a whole list, at every moment. A change builds what nobody
//     reaches and is published by one store: of an element's word (set), of the spine's count
//     (append, pop at the end), of a leaf's or the spine's ListPlace (a larger one in its place:
//     the same elements), or of the root (everything else: the list is built anew in one block).
//  2. A place beyond the count, and a record that no word names, means nothing. The tail of a leaf
//     goes on before the word that names the record is stored.
//  3. Every word that leads to a block changes when the block is freed, and never comes back: a
//     reader that finds the words as they were has read nothing of the block's next life. An
//     element is read between two looks at the count, so that one that was taken away and
//     overwritten is not seen before it is published.
//  4. Many blocks go at once when a list is replaced as a whole: more than a thread has intents.
//     `next` and `old` stand in the descriptor then, under the lock, until all of it is freed:
//     first the large values that the list has no more, then, once `freed` is set, the leaves, the
//     run and, last, the spine. The new spine is owned before the new run, and both before the list
//     is built, so that what is owned is found from the spine.
//
// Memory order: an element, or whatever else was built, comes before the store that publishes it
// (release), and is read behind it (acquire). A block is freed behind the store that takes it out;
// who gets it next orders its own stores behind (shared_copy.h).
//
// What if a process dies here?
//  - Before the one store: nothing has changed. What was allocated goes by its intent. A record
//    behind the last one that is named is dead room of the leaf.
//  - After it: all has changed. The block is owned by its intent; the block that it replaces, or
//    the large value that it overwrote, goes by its intent.
//  - While the list is replaced: with the old root in place, all of `next` is freed but what the
//    root reaches, too; with the new one, all of `old`. Either may be half freed already: nobody
//    but who holds the lock can make blocks of this object owned, so what is owned still and is not
//    reached by the root is what was to be freed.
//  - In the middle of recovery, the manager: it is begun again, and comes to the same end.
//
// A transaction (transaction.h) makes several such stores, of element words and of the count. Who
// finds the list marked takes the words from its record once it is committed.
//
// Every byte here is hostile: a word is loaded once, checked against the geometry and then used;
// all loops end by what was checked. kDamaged: what was read cannot be.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "memory/futex.h"
#include "memory/list_container_layout.h"
#include "memory/object.h"
#include "memory/record_words.h"
#include "memory/shared_copy.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

class ArenaMemory;

// A List as its algorithms see it. Nothing in it is read from shared memory.
struct ListObject {
  ObjectView view;
  std::byte* arena = nullptr;
  Geometry geometry;
  ArenaMemory* allocator = nullptr;           // null: for reading only
  std::int64_t timeout_ns = kReadPatienceNs;  // for how long a read lets others disturb it

  [[nodiscard]] ListDescriptor& descriptor() const {
    return *reinterpret_cast<ListDescriptor*>(view.descriptor);
  }
  // Whether these bytes lie among the chunks.
  [[nodiscard]] bool holds(std::uint64_t offset, std::uint64_t bytes) const {
    return offset >= geometry.chunks && offset <= geometry.file_bytes &&
           bytes <= geometry.file_bytes - offset;
  }
  // Whether so many elements fit in there at all.
  [[nodiscard]] bool can_hold(std::uint64_t count) const {
    return count <= std::uint64_t{geometry.chunk_count} * kChunkBytes / 8;
  }
  // A word, at a multiple of 8.
  [[nodiscard]] bool holds_word(std::uint64_t offset) const {
    return offset - geometry.chunks < std::uint64_t{geometry.chunk_count} * kChunkBytes;
  }
  [[nodiscard]] bool has_place(std::uint32_t place) const {
    return place - 1 < geometry.chunk_count * (kChunkBytes / kListPlaceBytes);  // 0 wraps
  }
  [[nodiscard]] std::uint64_t offset_of(std::uint32_t place) const {
    return geometry.chunks + std::uint64_t{place - 1} * kListPlaceBytes;
  }
  [[nodiscard]] std::uint32_t place_of(std::uint64_t offset) const {
    return static_cast<std::uint32_t>((offset - geometry.chunks) / kListPlaceBytes) + 1;
  }
  // Checked before, all of it.
  template <typename T>
  [[nodiscard]] T& at(std::uint64_t offset) const {
    return *reinterpret_cast<T*>(arena + offset);
  }
};

// ---- values ----

// A value to be put in. The bytes are the caller's.
struct ListValue {
  std::uint64_t word = 0;  // kNotInline: it needs a record, or a block
  std::uint8_t kind = 0;
  bool references = false;
  std::span<const std::byte> bytes = {};

  static ListValue of(std::uint8_t kind, bool references, std::span<const std::byte> bytes);

  [[nodiscard]] bool is_large() const {
    return word == kNotInline && bytes.size() > kRecordBytesMax;
  }
  [[nodiscard]] std::uint64_t record_room() const {
    return word == kNotInline && !is_large() ? record_bytes(bytes.size()) : 0;
  }
};

// A value that was read: its word if that says all, else the bytes.
struct ListElement {
  std::uint64_t word = 0;
  std::uint8_t kind = 0;  // of what is not inline
  bool references = false;
  std::string bytes;
};

// An inline word as {kind, bytes}.
struct InlineBytes {
  std::uint8_t kind = 0;
  bool references = false;
  std::uint8_t size = 0;
  alignas(8) char bytes[8] = {};
};
InlineBytes inline_bytes(std::uint64_t word);

// ---- indices, as Python has them ----

struct ListSlice {
  std::optional<std::int64_t> start = {};
  std::optional<std::int64_t> stop = {};
  std::int64_t step = 1;  // not 0
};

// The elements first, first + step, ... in ascending order; `backwards`: the slice goes down.
struct ListRange {
  std::uint64_t first = 0;
  std::uint64_t step = 1;
  std::uint64_t count = 0;
  bool backwards = false;

  static ListRange of(const ListSlice& slice, std::uint64_t count);
};

// Below `count`, or nothing.
inline std::optional<std::uint64_t> index_in(std::int64_t index, std::uint64_t count) {
  if (index < 0) index += static_cast<std::int64_t>(count);
  if (index < 0 || static_cast<std::uint64_t>(index) >= count) return std::nullopt;
  return static_cast<std::uint64_t>(index);
}

// ---- readers ----

// An element's word, and the words that lead to it, as they were.
struct ListSpot {
  std::uint64_t root = 0;
  std::uint64_t spine = 0;  // offsets
  std::uint64_t leaf_at = 0;
  std::uint64_t leaf = 0;  // the leaf's ListPlace
  std::uint64_t leaf_offset = 0;
  std::uint64_t index = 0;
  std::uint64_t at = 0;  // the element's offset
  std::uint64_t word = 0;
  std::uint64_t count = 0;
  bool from_end = false;  // `index` was counted from there
};

// Whether the words that lead there still are as they were, so that what was read is the list's.
template <typename Words>
[[gnu::always_inline]] inline bool is_still_there(const ListObject& list, const ListSpot& spot,
                                                  const Words& words) {
  fence_loads();
  const std::uint64_t count = words.word(list.at<ListSpine>(spot.spine).count);
  return list.at<Word64>(spot.leaf_at).load(std::memory_order_relaxed) == spot.leaf &&
         (spot.from_end ? count == spot.count : count > spot.index) && words.stand() &&
         list.descriptor().root.load(std::memory_order_relaxed) == spot.root;
}

// One look. kAbsent, kDamaged: if the root still is `spot.root`. Else to be checked by
// is_still_there.
template <typename Words>
[[gnu::always_inline]] inline Result look_up(const ListObject& list, std::int64_t index,
                                             ListSpot& spot, const Words& words) {
  spot.root = list.descriptor().root.load();
  const std::uint32_t place = ListPlace::of(spot.root).place;
  if (place == 0) return Result::kAbsent;
  if (!list.has_place(place)) return Result::kDamaged;
  spot.spine = list.offset_of(place);
  spot.count = words.word(list.at<ListSpine>(spot.spine).count);
  spot.from_end = index < 0;
  if (index < 0) index += static_cast<std::int64_t>(spot.count);
  spot.index = static_cast<std::uint64_t>(index);
  if (spot.index >= spot.count) return Result::kAbsent;
  const std::uint64_t leaf = spot.index / kLeafElements;
  spot.leaf_at = spot.spine + sizeof(ListSpine) + leaf * 8;
  if (!list.holds_word(spot.leaf_at)) return Result::kDamaged;
  spot.leaf = list.at<Word64>(spot.leaf_at).load();
  const std::uint32_t leaf_place = ListPlace::of(spot.leaf).place;
  if (!list.has_place(leaf_place)) return Result::kDamaged;
  spot.leaf_offset = list.offset_of(leaf_place);
  spot.at = spot.leaf_offset + sizeof(ListLeaf) + (spot.index - leaf * kLeafElements) * 8;
  if (!list.holds_word(spot.at)) return Result::kDamaged;
  spot.word = words.word(list.at<Word64>(spot.at));
  return Result::kDone;
}

// An element; negative indices count from the end. kAbsent; kDamaged.
Result get_slow(const ListObject& list, std::int64_t index, ListElement& element);
inline Result get(const ListObject& list, std::int64_t index, ListElement& element) {
  ListSpot spot;
  // The mark is looked at before the words: see transaction.h.
  if (list.descriptor().transaction.load() == 0 &&
      look_up(list, index, spot, PlainWords{}) == Result::kDone && is_inline(spot.word) &&
      is_still_there(list, spot, PlainWords{})) [[likely]] {
    element.word = spot.word;
    return Result::kDone;
  }
  return get_slow(list, index, element);
}

// A number in a record of its leaf, for want of room in its word. False: there is none.
[[gnu::always_inline]] inline bool load_long_int(const ListObject& list, const ListSpot& spot,
                                                 std::int64_t& number) {
  const std::uint64_t at = record_offset(spot.word);
  if (list_tag(spot.word) != ListTag::kRecord || at > kLeafBytesMax ||
      !list.holds(spot.leaf_offset + at, kRecordHeadBytes + 8)) {
    return false;
  }
  const std::byte* const record = list.arena + spot.leaf_offset + at;
  if (load_word(record) != record_head(8, kListKindInt, false)) return false;
  number = static_cast<std::int64_t>(load_word(record + kRecordHeadBytes));
  return true;
}

// An element that is a number. False: it is something else, or not there, or did not stand: get()
// tells which.
[[gnu::always_inline]] inline bool get_int(const ListObject& list, std::int64_t index,
                                           std::int64_t& number) {
  ListSpot spot;
  if (list.view.is_stale() || list.descriptor().transaction.load() != 0 ||
      look_up(list, index, spot, PlainWords{}) != Result::kDone) {
    return false;
  }
  number = int_in(spot.word);
  if (list_tag(spot.word) != ListTag::kInt && !load_long_int(list, spot, number)) return false;
  return is_still_there(list, spot, PlainWords{});
}

// A list at one moment, for reading many elements of it.
struct ListMark {
  std::uint64_t changes = 0;
  std::uint64_t root = 0;
  std::uint64_t count = 0;
};
Result mark(const ListObject& list, ListMark& mark);

// The elements from `first` on to the end of its leaf, or to `last`. Each is as it was at some
// moment of the call. kDiffers: since `mark` elements came or went elsewhere than behind it.
Result read_page(const ListObject& list, const ListMark& mark, std::uint64_t first,
                 std::uint64_t last, std::vector<ListElement>& page);

SHOAL_VARIANT_END

}  // namespace shoal::memory
