// What builds a List anew, and pop, which does so unless the element is the last. See
// list_container.h for what is noted while a list is replaced.
#include <algorithm>
#include <utility>

#include "memory/list_container_write.h"
#include "memory/seeded_faults.h"
#include "memory/shared_copy.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

namespace {

// Leaves in a run begin where a ListPlace can say.
constexpr std::uint64_t aligned(std::uint64_t bytes) {
  return (bytes + kListPlaceBytes - 1) / kListPlaceBytes * kListPlaceBytes;
}

// Of a leaf in the run: a short list has room to grow, any other has it in its last leaf.
std::uint32_t slots_for(std::uint64_t count) {
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(count + count / 4 + 4, kLeafElements));
}

}  // namespace

// ---- plans ----

ListPlan::Source ListPlan::source(std::uint64_t index) const {
  if (!order.empty()) return {.index = order[index]};
  if (reversed) return {.index = old_count - 1 - index};
  if (index < erased.first) return {.index = index, .count = erased.first - index};
  const std::uint64_t behind = index - erased.first;
  const std::uint64_t end = count();
  if (erased.step == 1 || erased.count == 0) {
    if (behind < values.size()) {
      return {.is_new = true, .index = erased.backwards ? values.size() - 1 - behind : behind};
    }
    return {.index = index - values.size() + erased.count, .count = end - index};
  }
  if (!values.empty()) {  // each in the place of one that is erased
    const std::uint64_t which = behind / erased.step;
    if (which >= erased.count) return {.index = index, .count = end - index};
    if (behind % erased.step != 0) return {.index = index};
    return {.is_new = true, .index = erased.backwards ? erased.count - 1 - which : which};
  }
  const std::uint64_t kept = erased.step - 1;  // between two that are erased
  if (behind / kept >= erased.count) return {.index = index + erased.count, .count = end - index};
  return {.index = erased.first + behind / kept * erased.step + 1 + behind % kept};
}

bool ListPlan::drops(std::uint64_t old) const {
  if (!order.empty() || reversed || old < erased.first) return false;
  const std::uint64_t behind = old - erased.first;
  return behind % erased.step == 0 && behind / erased.step < erased.count;
}

// ---- building ----

bool ListWriter::old_leaf(std::uint32_t index, ListLeafView& leaf) const {
  const std::uint64_t first = std::uint64_t{index} * kLeafElements;
  const std::uint64_t used = std::min<std::uint64_t>(tree_.count - first, kLeafElements);
  return ListLeafView::load(list_, tree_, index, leaf) && leaf.slots >= used;
}

// Old elements that become new ones one after another, of one leaf and into one.
struct ListWriter::Piece {
  ListLeafView from;
  std::uint64_t slot = 0;  // of `from`
  std::uint64_t count = 0;
};

// `source` is the one of new element `index`. Keeps the leaf of the piece before.
bool ListWriter::next_piece(const ListPlan::Source& source, std::uint64_t index,
                            Piece& piece) const {
  const auto leaf = static_cast<std::uint32_t>(source.index / kLeafElements);
  const bool is_same = piece.count != 0 && piece.from.word == tree_.leaf_word(list_, leaf).load();
  if (!is_same && !old_leaf(leaf, piece.from)) return false;
  piece.slot = source.index % kLeafElements;
  piece.count =
      std::min({source.count, kLeafElements - piece.slot, kLeafElements - index % kLeafElements});
  return true;
}

// How large the run must be.
bool ListWriter::measure(const ListPlan& plan, std::uint64_t& run_bytes) const {
  const std::uint64_t count = plan.count();
  Piece piece;
  run_bytes = 0;
  for (std::uint64_t first = 0; first < count; first += kLeafElements) {
    const std::uint64_t last = std::min(count, first + kLeafElements);
    std::uint64_t records = 0;
    for (std::uint64_t i = first; i < last;) {
      const ListPlan::Source source = plan.source(i);
      if (source.is_new) {
        records += plan.values[source.index].record_room();
        ++i;
        continue;
      }
      if (!next_piece(source, i, piece)) return false;
      for (std::uint64_t k = 0; k < piece.count; ++k) {
        const std::uint64_t word = piece.from.element(list_, piece.slot + k).load();
        if (list_tag(word) != ListTag::kRecord) continue;
        ListBytes value;
        if (!ListBytes::load(list_, piece.from.offset, word, value)) return false;
        records += record_bytes(value.bytes);
      }
      i += piece.count;
    }
    const std::uint64_t slots = first > 0 ? kLeafElements : slots_for(count);
    run_bytes += aligned(leaf_bytes(slots, records));
  }
  return true;
}

// `to` is noted as `next`; nobody reads it yet. `in`: its run, as it was allocated.
Result ListWriter::build(const ListPlan& plan, const ListTree& to, const Block& in) {
  const std::uint64_t run = in.offset;
  const std::uint64_t end = run + in.bytes;
  const std::uint64_t count = plan.count();
  std::uint64_t at = run;
  Piece piece;
  for (std::uint64_t first = 0; first < count; first += kLeafElements) {
    const auto index = static_cast<std::uint32_t>(first / kLeafElements);
    ListLeafView leaf{.offset = at, .slots = first > 0 ? kLeafElements : slots_for(count)};
    leaf.tail = leaf.records();
    if (at >= end || leaf.tail > end - at) return Result::kDamaged;
    leaf.bytes = static_cast<std::uint32_t>(std::min<std::uint64_t>(end - at, kLeafBytesMax));
    leaf.head(list_).slots.store(leaf.slots);
    leaf.head(list_).tail.store(leaf.tail);
    leaf.head(list_).bytes.store(leaf.bytes);
    to.leaf_word(list_, index).store(ListPlace{1, list_.place_of(at), 0}.word());
    const std::uint64_t last = std::min(count, first + kLeafElements);
    for (std::uint64_t i = first; i < last;) {
      const ListPlan::Source source = plan.source(i);
      if (source.is_new) {
        const Result result = build_new(plan.values[source.index], source.index, i, leaf, to);
        if (result != Result::kDone) return result;
        ++i;
        continue;
      }
      if (!next_piece(source, i, piece)) return Result::kDamaged;
      for (std::uint64_t k = 0; k < piece.count; ++k, ++i) {
        const std::uint64_t word = piece.from.element(list_, piece.slot + k).load();
        if (!copy(piece.from, word, leaf, i - first)) return Result::kDamaged;
      }
    }
    to.head(list_).count.store(last);
    leaf.head(list_).tail.store(leaf.tail);
    at += aligned(leaf.tail);
    if (last < count) leaf.head(list_).bytes.store(static_cast<std::uint32_t>(aligned(leaf.tail)));
  }
  fence_stores();
  return Result::kDone;
}

// Element `index` of the new list, at once reached by `next`.
Result ListWriter::build_new(const ListValue& value, std::size_t which, std::uint64_t index,
                             ListLeafView& leaf, const ListTree& to) {
  Large now;
  Large* large = value.is_large() ? ahead(which) : &now;
  if (large == nullptr) {
    large = &now;
    const Result result = make_ahead(value, which, now);
    if (result != Result::kDone) return result;
  }
  std::uint64_t word = 0;
  if (!store_record(leaf, value, large->word, word)) return Result::kDamaged;
  leaf.element(list_, index % kLeafElements).store(word);
  to.head(list_).count.store(index + 1);
  own(large->block);
  return Result::kDone;
}

ListWriter::Step ListWriter::rebuild(const ListPlan& plan) {
  const std::uint64_t count = plan.count();
  if (count > kListCountMax) return too_many();
  const unsigned size = spine_size_for(leaves_for(count));
  if (size == kListSizes) return too_many();
  const std::uint64_t changes = list_.descriptor().changes.load(std::memory_order_relaxed);
  if (measured_at_ != changes && !measure(plan, run_bytes_)) return Result::kDamaged;
  measured_at_ = changes;
  ListTree to{.root = ListPlace::next(tree_.root, 0, 0)};
  if (count > 0) {
    const bool has_spine = want(spine_, list_block_bytes(size), kListPartSpine);
    if (!want(block_, run_bytes_, kListPartRun) || !has_spine) return std::nullopt;
    to.spine = spine_.offset;
    to.size = list_size_for(spine_.bytes);
    to.leaves = leaves_in_spine(to.size);
    to.root = ListPlace::next(tree_.root, list_.place_of(to.spine), to.size);
    to.head(list_).run.store(block_.offset);
    to.head(list_).run_bytes.store(block_.bytes);
  }
  ListDescriptor& d = list_.descriptor();
  const auto note = [&] {
    d.old.store(tree_.root);
    d.freed.store(0);
    d.next.store(to.root);
  };
  note_kinds(plan.values);
  if (has_fault(Fault::kListRootUnbuilt)) d.root.store(to.root);
  if (!has_fault(Fault::kListNotesLate)) note();
  const Block run = block_;
  own(spine_);
  own(block_);
  const Result built = count > 0 ? build(plan, to, run) : Result::kDone;
  if (built != Result::kDone) {
    finish_replacing(list_, caller_);
    return built;
  }
  d.root.store(to.root);
  quick::note_change(list_);
  if (has_fault(Fault::kListNotesLate)) note();
  free_replaced(list_, caller_, tree_.root,
                [&](std::uint64_t index, std::uint64_t) { return plan.drops(index); });
  return Result::kDone;
}

// ---- what it is good for ----

Result ListWriter::insert(std::int64_t index, const ListValue& value) {
  return assign({.start = index, .stop = index}, {&value, 1});
}

Result ListWriter::assign(const ListSlice& slice, std::span<const ListValue> values) {
  if (const Result result = prepare_values(values); result != Result::kDone) return result;
  return edit([&]() -> Step {
    const ListRange range = ListRange::of(slice, tree_.count);
    if (slice.step != 1 && range.count != values.size()) return Result::kDiffers;
    const bool at_end = range.count == 0 && range.first == tree_.count;
    if (at_end && values.size() <= kValuesAhead) {
      Change change;
      const Step step = append_locked(values, change);
      return step == Result::kDone ? make(change) : step;
    }
    if (range.count == 0 && values.empty()) return Result::kDone;
    return rebuild({.old_count = tree_.count, .erased = range, .values = values});
  });
}

Result ListWriter::erase(const ListSlice& slice) {
  return edit([&]() -> Step {
    const ListRange range = ListRange::of(slice, tree_.count);
    if (range.count == 0) return Result::kDone;
    return rebuild({.old_count = tree_.count, .erased = range});
  });
}

Result ListWriter::reverse() {
  return edit([&]() -> Step {
    if (tree_.count < 2) return Result::kDone;
    return rebuild({.old_count = tree_.count, .reversed = true});
  });
}

Result ListWriter::reorder(std::span<const std::uint64_t> order) {
  return edit([&]() -> Step {
    if (order.size() != tree_.count) return Result::kDiffers;
    if (order.empty()) return Result::kDone;
    return rebuild({.old_count = tree_.count, .order = order});
  });
}

// ---- pop ----

Result ListWriter::pop(std::int64_t index, ListElement& element) {
  return edit([&]() -> Step {
    const std::optional<std::uint64_t> at = index_in(index, tree_.count);
    if (!at) return Result::kAbsent;
    if (const Step step = copy_out(*at, element); step != Result::kDone) return step;
    if (*at + 1 == tree_.count) return pop_last();
    return rebuild({.old_count = tree_.count, .erased = {.first = *at, .count = 1}});
  });
}

// Into memory that was there before the lock was taken.
ListWriter::Step ListWriter::copy_out(std::uint64_t index, ListElement& element) {
  ListLeafView leaf;
  if (!old_leaf(static_cast<std::uint32_t>(index / kLeafElements), leaf)) return Result::kDamaged;
  element.word = leaf.element(list_, index % kLeafElements).load();
  if (is_inline(element.word)) return Result::kDone;
  ListBytes value;
  if (!ListBytes::load(list_, leaf.offset, element.word, value)) return Result::kDamaged;
  if (element.bytes.capacity() < value.bytes) {
    text_ = &element.bytes;
    text_bytes_ = value.bytes;
    return std::nullopt;
  }
  element.kind = value.kind;
  element.references = value.references;
  element.bytes.resize(value.bytes);
  memory::copy_out(element.bytes.data(), list_.arena + value.offset, value.bytes);
  return Result::kDone;
}

ListWriter::Step ListWriter::pop_last() {
  const std::uint64_t last = tree_.count - 1;
  const auto index = static_cast<std::uint32_t>(last / kLeafElements);
  ListLeafView leaf;
  if (!old_leaf(index, leaf)) return Result::kDamaged;
  const std::uint64_t word = leaf.element(list_, last % kLeafElements).load();
  const Result result = make({.word = &tree_.head(list_).count,
                              .value = last,
                              .drops = list_tag(word) == ListTag::kLarge ? word : 0});
  // One empty leaf stays, so that a list that grows and shrinks there allocates nothing.
  if (result != Result::kDone || last % kLeafElements != 0) return result;
  return index + 1 < tree_.leaves ? drop_leaf(index + 1) : result;
}

// One that is empty.
Result ListWriter::drop_leaf(std::uint32_t index) {
  ListLeafView leaf;
  if (!ListLeafView::load(list_, tree_, index, leaf)) return Result::kDamaged;
  if (leaf.offset == 0) return Result::kDone;
  const std::uint64_t bytes = leaf.own_bytes();
  const BlockFor part = block_for(kListPartLeaf + index);
  if (bytes != 0) {
    absl::Status retired = list_.allocator->retire(caller_, leaf.offset, bytes, part);
    if (!retired.ok()) return refuse(std::move(retired));
  }
  tree_.leaf_word(list_, index).store(ListPlace::next(leaf.word, 0, 0));
  if (bytes != 0) (void)list_.allocator->free(caller_, leaf.offset, bytes, part);
  return Result::kDone;
}

SHOAL_VARIANT_END

}  // namespace shoal::memory
