// See list_container_tree.h.
#include "memory/list_container_tree.h"

#include <algorithm>

#include "memory/seeded_faults.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

bool ListTree::load(const ListObject& list, std::uint64_t root, ListTree& tree) {
  tree = {.root = root};
  const ListPlace place = ListPlace::of(root);
  if (place.place == 0) return true;
  if (!list.has_place(place.place) || place.size == 0 || place.size > kSpineSizeMax) return false;
  const std::uint64_t spine = list.offset_of(place.place);
  if (!list.holds(spine, list_block_bytes(place.size))) return false;
  tree.size = place.size;
  tree.leaves = leaves_in_spine(place.size);
  tree.spine = spine;
  tree.count = tree.head(list).count.load();
  return tree.count <= std::uint64_t{tree.leaves} * kLeafElements && list.can_hold(tree.count);
}

bool ListLeafView::load(const ListObject& list, const ListTree& tree, std::uint32_t index,
                        ListLeafView& leaf) {
  leaf = {.word = tree.leaf_word(list, index).load()};
  const ListPlace place = ListPlace::of(leaf.word);
  if (place.place == 0) return true;
  if (!list.has_place(place.place)) return false;
  const std::uint64_t offset = list.offset_of(place.place);
  if (!list.holds(offset, sizeof(ListLeaf))) return false;
  leaf.offset = offset;
  leaf.bytes = leaf.head(list).bytes.load();
  leaf.slots = leaf.head(list).slots.load();
  leaf.tail = leaf.head(list).tail.load();
  return leaf.bytes <= kLeafBytesMax && list.holds(offset, leaf.bytes) &&
         leaf.slots <= kLeafElements && leaf.records() <= leaf.tail && leaf.tail <= leaf.bytes &&
         leaf.tail % 8 == 0 && leaf.bytes % 8 == 0 &&
         (place.size == 0 || leaf.bytes <= list_block_bytes(place.size));
}

std::uint64_t large_block_bytes(const ListObject& list, std::uint64_t word) {
  const LargePlace place = LargePlace::of(word);
  if (place.size != kLargeRun) return cell_bytes((place.size - 1) % kCellSizes);
  const std::uint64_t at = list.offset_of(place.place);
  if (!list.holds(at, 8)) return 0;
  const std::uint64_t bytes = list.at<Word64>(at).load();
  // No cell: what lies there now may be anything.
  return std::clamp(bytes, cell_bytes(kCellSizes - 1), kListValueBytesMax) + kLargeHeadBytes;
}

bool walk(const ListObject& list, const ListTree& tree,
          absl::FunctionRef<bool(std::uint64_t, const ListLeafView&, std::uint64_t)> visit) {
  for (std::uint64_t first = 0; first < tree.count; first += kLeafElements) {
    ListLeafView leaf;
    const auto index = static_cast<std::uint32_t>(first / kLeafElements);
    const std::uint64_t used = std::min<std::uint64_t>(tree.count - first, kLeafElements);
    if (!ListLeafView::load(list, tree, index, leaf) || leaf.slots < used) return false;
    for (std::uint64_t slot = 0; slot < used; ++slot) {
      if (!visit(first + slot, leaf, leaf.element(list, slot).load())) return false;
    }
  }
  return true;
}

// ---- replacing a list as a whole ----

void free_replaced(const ListObject& list, Caller& caller, std::uint64_t root,
                   absl::FunctionRef<bool(std::uint64_t index, std::uint64_t word)> goes) {
  ListDescriptor& d = list.descriptor();
  ArenaMemory& memory = *list.allocator;
  const auto part = [&](std::uint32_t which) { return BlockFor{list.view.id, which}; };
  ListTree tree;
  const bool has_large = (d.sticky.load() & kListHasLarge) != 0;
  const bool can_be =
      ListTree::load(list, root, tree) && tree.spine != 0 &&
      memory.is_owned(tree.spine, list_block_bytes(tree.size), part(kListPartSpine));
  const bool begun = d.freed.load() != 0;
  if (has_fault(Fault::kListFreedTooSoon)) d.freed.store(1);
  if (can_be && has_large && !begun) {
    (void)walk(list, tree, [&](std::uint64_t index, const ListLeafView&, std::uint64_t word) {
      if (list_tag(word) != ListTag::kLarge || !goes(index, word)) return true;
      const LargePlace place = LargePlace::of(word);
      if (list.has_place(place.place)) {
        (void)memory.free(caller, list.offset_of(place.place), large_block_bytes(list, word),
                          part(kListPartValue));
      }
      return true;
    });
  }
  d.freed.store(1);
  if (can_be) {
    for (std::uint32_t i = 0; i < tree.leaves; ++i) {
      const ListPlace place = ListPlace::of(tree.leaf_word(list, i).load());
      if (place.size == 0 || !list.has_place(place.place)) continue;
      (void)memory.free(caller, list.offset_of(place.place), list_block_bytes(place.size),
                        part(kListPartLeaf + i));
    }
    const std::uint64_t run = tree.head(list).run.load();
    const std::uint64_t run_bytes = tree.head(list).run_bytes.load();
    if (run != 0) (void)memory.free(caller, run, run_bytes, part(kListPartRun));
    (void)memory.free(caller, tree.spine, list_block_bytes(tree.size), part(kListPartSpine));
  }
  d.next.store(0);
}

void finish_replacing(const ListObject& list, Caller& caller) {
  ListDescriptor& d = list.descriptor();
  const std::uint64_t next = d.next.load();
  if (next == 0) return;
  const std::uint64_t root = d.root.load();
  const std::uint64_t goes = root == next ? d.old.load() : next;
  std::vector<std::uint64_t> kept;
  ListTree tree;
  if (d.freed.load() == 0 && (d.sticky.load() & kListHasLarge) != 0 &&
      ListTree::load(list, root, tree) && tree.spine != 0) {
    (void)walk(list, tree, [&](std::uint64_t, const ListLeafView&, std::uint64_t word) {
      if (list_tag(word) == ListTag::kLarge) kept.push_back(LargePlace::of(word).place);
      return true;
    });
    std::sort(kept.begin(), kept.end());
  }
  if (has_fault(Fault::kListFreesReached)) kept.clear();
  if (goes == root) {
    d.next.store(0);
    return;
  }
  free_replaced(list, caller, goes, [&](std::uint64_t, std::uint64_t word) {
    return !std::binary_search(kept.begin(), kept.end(), LargePlace::of(word).place);
  });
}

SHOAL_VARIANT_END

}  // namespace shoal::memory
