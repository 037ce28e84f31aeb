// Changing a List. See list_container.h for the protocol.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"

#include "memory/arena.h"
#include "memory/call.h"
#include "memory/list_container.h"
#include "memory/list_container_tree.h"
#include "memory/lock.h"
#include "memory/seeded_faults.h"
#include "memory/wait.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

// What the list will be made of, when it is built anew.
struct ListPlan {
  std::uint64_t old_count = 0;
  ListRange erased = {};
  std::span<const ListValue> values = {};     // in the place of what is erased
  std::span<const std::uint64_t> order = {};  // if not empty: a permutation
  bool reversed = false;

  [[nodiscard]] std::uint64_t count() const { return old_count - erased.count + values.size(); }

  // Where a new element comes from: an old one, or one of the values.
  struct Source {
    bool is_new = false;
    std::uint64_t index = 0;
    std::uint64_t count = 1;  // so many that follow come from there on
  };
  [[nodiscard]] Source source(std::uint64_t index) const;
  [[nodiscard]] bool drops(std::uint64_t old) const;
};

// One change of a list, made as if at one moment. Allocates without the lock, then takes it and
// looks again.
//   kAbsent     no such element
//   kExhausted  too little memory, or too much to put in: Call::why
//   kDiffers    see `expect`; or as many values as elements were needed
//   kTimedOut, kStale, kDamaged
class ListWriter {
 public:
  ListWriter(const ListObject& list, Call& call) : list_(list), caller_(call.caller), call_(call) {}
  ListWriter(const ListWriter&) = delete;
  ListWriter& operator=(const ListWriter&) = delete;
  ~ListWriter();

  // The change is made only if nothing has changed since `mark`; else kDiffers.
  void expect(const ListMark& mark) { expected_ = mark.changes; }
  // Takes the lock and keeps it until destroyed, for who would never find the list unchanged. What
  // follows allocates under the lock.
  Result hold();

  Result append(std::span<const ListValue> values);
  Result set(std::int64_t index, const ListValue& value);
  // Before the element at `index`; beyond either end: there.
  Result insert(std::int64_t index, const ListValue& value);
  Result pop(std::int64_t index, ListElement& element);
  Result erase(const ListSlice& slice);
  // As Python: with a step other than 1 as many values as elements.
  Result assign(const ListSlice& slice, std::span<const ListValue> values);
  Result clear() { return erase(ListSlice{}); }
  Result reverse();
  // Element i becomes what element order[i] was: a permutation. With `expect`.
  Result reorder(std::span<const std::uint64_t> order);

  // ---- for transactions ----

  // The lock is the caller's already, and stays so.
  void borrow_lock() { locked_ = keeps_lock_ = borrowed_ = true; }
  // A block of its own for a large value, in flight: `word` is what names it.
  struct LargeBlock {
    std::uint64_t word = 0;
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
  };
  Result make_large(const ListValue& value, LargeBlock& made);
  // A value for an element, or to be appended; `large`: the word, if it is a large one.
  struct Put {
    std::uint64_t index = 0;  // not for what is appended
    ListValue value;
    std::uint64_t large = 0;
  };
  // One store each, prepared: the caller makes them, all together. The words stay where they are
  // while the lock is held; what is not stored needs no undoing. `sets`: by ascending index.
  struct Change {
    Word64* word = nullptr;
    std::uint64_t value = 0;
    std::uint64_t drops = 0;  // the word of a large value that is overwritten
  };
  Result prepare(std::span<const Put> sets, std::span<const Put> appended,
                 std::vector<Change>& changes);

 private:
  // None: something is wanted, which `provide` gets without the lock; then all is looked at again.
  using Step = std::optional<Result>;

  struct Block {
    std::uint64_t offset = 0;  // 0: none
    std::uint64_t bytes = 0;
    std::uint32_t part = 0;
  };
  struct Wish {
    Block* block = nullptr;  // null: none
    std::uint64_t bytes = 0;
    std::uint32_t part = 0;
  };

  Result lock();
  void unlock();
  Result edit(absl::FunctionRef<Step()> attempt);
  Result provide();
  Result refuse(absl::Status status);  // kExhausted
  Result too_many();
  [[nodiscard]] BlockFor block_for(std::uint32_t part) const { return {list_.view.id, part}; }
  bool want(Block& block, std::uint64_t bytes, std::uint32_t part);
  Result allocate(Block& block, std::uint64_t bytes, std::uint32_t part);
  void own(Block& block);
  void drop(Block& block);

  bool load_tree();
  void note_kinds(std::span<const ListValue> values);

  struct Large;
  Result prepare_values(std::span<const ListValue> values);
  Result make_ahead(const ListValue& value, std::size_t index, Large& large);
  [[nodiscard]] Large* ahead(std::size_t index);
  bool store_record(ListLeafView& leaf, const ListValue& value, std::uint64_t large,
                    std::uint64_t& word);
  // An element of another leaf, with its record. False: it cannot be, or there is no room.
  bool copy(const ListLeafView& from, std::uint64_t word, ListLeafView& to, std::uint64_t slot) {
    if (list_tag(word) == ListTag::kRecord && !copy_record(from, word, to)) return false;
    to.element(list_, slot).store(word);
    return true;
  }
  bool copy_record(const ListLeafView& from, std::uint64_t& word, ListLeafView& to);

  Step need_spine(std::uint64_t leaves);
  Step need_leaf(std::uint32_t index, std::uint64_t used, std::uint64_t slots,
                 std::uint64_t record_room, ListLeafView& leaf);
  bool fill_leaf(const ListLeafView& from, std::uint64_t used, ListLeafView& to);
  Step append_locked(std::span<const ListValue> values, Change& change);
  Step set_locked(std::int64_t index, const ListValue& value, Change& change);
  Step need_leaves(std::span<const Put> sets, std::span<const Put> appended);
  Step prepare_locked(std::span<const Put> sets, std::span<const Put> appended,
                      std::vector<Change>& changes);
  Result make(const Change& change);
  Result begin(const Change& change);
  void made(const Change& change);
  Step copy_out(std::uint64_t index, ListElement& element);
  Step pop_last();
  Result drop_leaf(std::uint32_t index);

  Step rebuild(const ListPlan& plan);
  bool measure(const ListPlan& plan, std::uint64_t& run_bytes) const;
  Result build(const ListPlan& plan, const ListTree& to, const Block& in);
  Result build_new(const ListValue& value, std::size_t which, std::uint64_t index,
                   ListLeafView& leaf, const ListTree& to);
  struct Piece;
  bool next_piece(const ListPlan::Source& source, std::uint64_t index, Piece& piece) const;
  bool old_leaf(std::uint32_t index, ListLeafView& leaf) const;

  const ListObject& list_;
  Caller& caller_;
  Call& call_;
  Deadline deadline_ = 0;  // 0: nothing was waited for yet
  std::optional<std::uint64_t> expected_;
  bool locked_ = false;
  bool keeps_lock_ = false;
  bool borrowed_ = false;
  ListTree tree_;  // as it was when the lock was taken, and after each step

  // In flight; with one that is freed, and a slab, as many as a thread has intents.
  static constexpr std::size_t kValuesAhead = 2;
  Block spine_;
  Block block_;  // a leaf, or a run
  struct Large {
    Block block;
    std::uint64_t word = 0;
    std::size_t index = 0;  // among the values
  };
  Large ahead_[kValuesAhead];
  std::size_t ahead_count_ = 0;
  Wish wishes_[2];
  std::optional<std::uint64_t> measured_at_;  // by `changes`
  std::uint64_t run_bytes_ = 0;
  std::string* text_ = nullptr;  // that needs room
  std::size_t text_bytes_ = 0;
};

// ---- the quick ways: one inline word, and room for it ----

namespace quick {

// After the one store.
inline bool unlock(const ListObject& list, Caller& caller, bool result) {
  (void)release(list.view, caller);
  announce(caller, list.view);
  return result;
}

inline void note_change(const ListObject& list) {
  Word64& changes = list.descriptor().changes;
  changes.store(changes.load(std::memory_order_relaxed) + 1);
}

}  // namespace quick

// False: nothing was done, take the slow way.
inline bool append_quickly(const ListObject& list, Caller& caller, std::uint64_t word) {
  if (acquire_word(list.view, caller, Purpose::kLock, 0) != Result::kDone) return false;
  const std::uint64_t root = list.descriptor().root.load(std::memory_order_relaxed);
  const ListPlace spine = ListPlace::of(root);
  if (!list.has_place(spine.place) || spine.size == 0 || spine.size > kSpineSizeMax) {
    return quick::unlock(list, caller, false);
  }
  const std::uint64_t at = list.offset_of(spine.place);
  Word64& count_word = list.at<ListSpine>(at).count;
  const std::uint64_t count = count_word.load(std::memory_order_relaxed);
  const std::uint64_t leaf = count / kLeafElements;
  const std::uint64_t leaf_at = at + sizeof(ListSpine) + leaf * 8;
  if (leaf >= leaves_in_spine(spine.size) || !list.holds(leaf_at, 8)) {
    return quick::unlock(list, caller, false);
  }
  const auto place = ListPlace::of(list.at<Word64>(leaf_at).load(std::memory_order_relaxed)).place;
  if (!list.has_place(place)) return quick::unlock(list, caller, false);
  const std::uint64_t head = list.offset_of(place);
  const std::uint64_t slot = count - leaf * kLeafElements;
  const std::uint64_t element = head + sizeof(ListLeaf) + slot * 8;
  if (slot >= list.at<ListLeaf>(head).slots.load(std::memory_order_relaxed) ||
      !list.holds(element, 8)) {
    return quick::unlock(list, caller, false);
  }
  if (has_fault(Fault::kListCountFirst)) count_word.store(count + 1);
  list.at<Word64>(element).store(word);
  count_word.store(count + 1);
  quick::note_change(list);
  return quick::unlock(list, caller, true);
}

inline bool set_quickly(const ListObject& list, Caller& caller, std::int64_t index,
                        std::uint64_t word) {
  if (acquire_word(list.view, caller, Purpose::kLock, 0) != Result::kDone) return false;
  ListSpot spot;
  if (look_up(list, index, spot, PlainWords{}) != Result::kDone ||
      list_tag(spot.word) == ListTag::kLarge) {
    return quick::unlock(list, caller, false);
  }
  list.at<Word64>(spot.at).store(word);
  quick::note_change(list);
  return quick::unlock(list, caller, true);
}

SHOAL_VARIANT_END

}  // namespace shoal::memory
