// Room in a List for what a change will put there: a larger spine or leaf in the place of one, with
// the same elements, published by one word. See list_container_write.h.
#include <algorithm>
#include <utility>

#include "memory/list_container_write.h"
#include "memory/seeded_faults.h"
#include "memory/shared_copy.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

namespace {

// A leaf's block, and how many elements it will have room for.
struct LeafShape {
  unsigned size = 0;
  std::uint32_t slots = 0;

  // For `slots` elements at least and `records` bytes; with room for more of both.
  static LeafShape of(std::uint32_t index, std::uint64_t slots, std::uint64_t records) {
    const bool is_full = index > 0 || slots > kLeafElements / 2;
    const std::uint64_t least = is_full ? kLeafElements : slots;
    const std::uint64_t more = records == 0 ? 0 : records + records / 4 + (is_full ? 0 : slots);
    LeafShape shape{.size = list_size_for(leaf_bytes(least, more))};
    shape.slots = kLeafElements;
    if (is_full || shape.size == kListSizes) return shape;
    const std::uint64_t room = list_block_bytes(shape.size) - sizeof(ListLeaf);
    const std::uint64_t fitting = room / (8 + records / slots);
    shape.slots = static_cast<std::uint32_t>(
        std::clamp<std::uint64_t>(std::min(fitting, (room - records) / 8), slots, kLeafElements));
    return shape;
  }
};

}  // namespace

// A spine that has place for so many leaves.
ListWriter::Step ListWriter::need_spine(std::uint64_t leaves) {
  if (tree_.spine != 0 && tree_.leaves >= leaves) return Result::kDone;
  const unsigned size = spine_size_for(leaves);
  if (size == kListSizes) return too_many();
  if (!want(spine_, list_block_bytes(size), kListPartSpine)) return std::nullopt;
  ListTree larger = tree_;
  larger.spine = spine_.offset;
  larger.size = list_size_for(spine_.bytes);
  larger.leaves = leaves_in_spine(larger.size);
  larger.root = ListPlace::next(tree_.root, list_.place_of(spine_.offset), larger.size);
  ListSpine& head = larger.head(list_);
  head.count.store(tree_.count);
  if (tree_.spine != 0) {
    head.run.store(tree_.head(list_).run.load());
    head.run_bytes.store(tree_.head(list_).run_bytes.load());
    for (std::uint32_t i = 0; i < tree_.leaves; ++i) {
      larger.leaf_word(list_, i).store(tree_.leaf_word(list_, i).load());
    }
    absl::Status retired =
        list_.allocator->retire(caller_, tree_.spine, list_block_bytes(tree_.size), block_for(0));
    if (!retired.ok()) return refuse(std::move(retired));
  }
  list_.descriptor().root.store(larger.root);
  own(spine_);
  if (tree_.spine != 0) {
    (void)list_.allocator->free(caller_, tree_.spine, list_block_bytes(tree_.size), block_for(0));
  }
  tree_ = larger;
  return Result::kDone;
}

// A leaf with place for `slots` elements, of which the first `used` are there, and for so many
// bytes of new records.
ListWriter::Step ListWriter::need_leaf(std::uint32_t index, std::uint64_t used, std::uint64_t slots,
                                       std::uint64_t record_room, ListLeafView& leaf) {
  if (!ListLeafView::load(list_, tree_, index, leaf)) return Result::kDamaged;
  if (leaf.offset != 0 && leaf.slots >= slots && leaf.bytes - leaf.tail >= record_room) {
    return Result::kDone;
  }
  if (used > leaf.slots) return Result::kDamaged;
  std::uint64_t records = record_room;
  for (std::uint64_t slot = 0; slot < used; ++slot) {
    ListBytes value;
    const std::uint64_t word = leaf.element(list_, slot).load();
    if (list_tag(word) != ListTag::kRecord) continue;
    if (!ListBytes::load(list_, leaf.offset, word, value)) return Result::kDamaged;
    records += record_bytes(value.bytes);
  }
  ListLeafView before;
  if (used == 0 && index > 0 && ListLeafView::load(list_, tree_, index - 1, before)) {
    // What comes will be like what came before.
    constexpr std::uint64_t kLikely = std::uint64_t{kLeafElements} * kRecordBytesMax;
    records = std::max(records, std::min<std::uint64_t>(before.tail - before.records(), kLikely));
  }
  const LeafShape shape = LeafShape::of(index, slots, records);
  if (shape.size == kListSizes) return Result::kDamaged;
  if (!want(block_, list_block_bytes(shape.size), kListPartLeaf + index)) return std::nullopt;
  const ListLeafView old = leaf;
  const unsigned size = list_size_for(block_.bytes);
  leaf = {.word = ListPlace::next(old.word, list_.place_of(block_.offset), size),
          .offset = block_.offset,
          .bytes = static_cast<std::uint32_t>(block_.bytes),
          .slots = shape.slots};
  leaf.tail = leaf.records();
  Word64& word = tree_.leaf_word(list_, index);
  if (has_fault(Fault::kListLeafUnbuilt)) word.store(leaf.word);
  if (!fill_leaf(old, used, leaf)) return Result::kDamaged;
  const bool goes = old.offset != 0 && old.own_bytes() != 0;
  if (goes) {
    absl::Status retired = list_.allocator->retire(caller_, old.offset, old.own_bytes(),
                                                   block_for(kListPartLeaf + index));
    if (!retired.ok()) return refuse(std::move(retired));
  }
  word.store(leaf.word);
  own(block_);
  if (goes) {
    (void)list_.allocator->free(caller_, old.offset, old.own_bytes(),
                                block_for(kListPartLeaf + index));
  }
  return Result::kDone;
}

bool ListWriter::fill_leaf(const ListLeafView& from, std::uint64_t used, ListLeafView& to) {
  ListLeaf& head = to.head(list_);
  head.bytes.store(to.bytes);
  head.slots.store(to.slots);
  head.tail.store(to.tail);
  for (std::uint64_t slot = 0; slot < used; ++slot) {
    if (!copy(from, from.element(list_, slot).load(), to, slot)) return false;
  }
  head.tail.store(to.tail);
  fence_stores();
  return true;
}

bool ListWriter::copy_record(const ListLeafView& from, std::uint64_t& word, ListLeafView& to) {
  ListBytes value;
  if (!ListBytes::load(list_, from.offset, word, value)) return false;
  const std::uint64_t room = record_bytes(value.bytes);
  if (room > to.bytes - to.tail) return false;
  const std::uint64_t at = to.offset + to.tail;
  list_.at<Word64>(at).store(record_head(value.bytes, value.kind, value.references));
  copy_in(list_.arena + at + kRecordHeadBytes, list_.arena + value.offset, room - kRecordHeadBytes,
          room - kRecordHeadBytes);
  word = record_word(to.tail);
  to.tail += static_cast<std::uint32_t>(room);
  return true;
}

SHOAL_VARIANT_END

}  // namespace shoal::memory
