// See list_container_recover.h.
#include "memory/list_container_recover.h"

#include <algorithm>
#include <cstring>

#include "memory/list_container_tree.h"
#include "memory/lock.h"
#include "memory/seeded_faults.h"
#include "memory/shared_copy.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

void recover_list(const ListObject& list, Caller& manager, std::uint16_t slot) {
  ListDescriptor& d = list.descriptor();
  Descriptor& common = *list.view.descriptor;
  const bool held = slot_in(common.lock.load(std::memory_order_seq_cst)) == slot;
  if (held && d.next.load() != 0 && !has_fault(Fault::kListReplacedForgotten)) {
    finish_replacing(list, manager);
  }
  if (held) {
    // Its stores were made, or will never be: recover_transaction came before.
    d.transaction.store(0);
    d.changes.add(1);
  }
  if (recover_word(common.lock, slot, 1)) common.recoveries.add(1);
}

// Of `next` and `old` nothing is asked: what an intent covers there may as well go at once.
bool reaches(const ListObject& list, std::uint32_t part, std::uint64_t block) {
  ListTree tree;
  if (!ListTree::load(list, list.descriptor().root.load(), tree) || tree.spine == 0) return false;
  if (part == kListPartSpine) return tree.spine == block;
  if (part == kListPartRun) return tree.head(list).run.load() == block;
  if (part >= kListPartLeaf) {
    const std::uint32_t index = part - kListPartLeaf;
    if (index >= tree.leaves) return false;
    const ListPlace leaf = ListPlace::of(tree.leaf_word(list, index).load());
    return leaf.size != 0 && list.has_place(leaf.place) && list.offset_of(leaf.place) == block;
  }
  if (part != kListPartValue || (list.descriptor().sticky.load() & kListHasLarge) == 0) {
    return false;
  }
  bool found = false;
  (void)walk(list, tree, [&](std::uint64_t, const ListLeafView&, std::uint64_t word) {
    const LargePlace place = LargePlace::of(word);
    found = list_tag(word) == ListTag::kLarge && list.has_place(place.place) &&
            list.offset_of(place.place) == block;
    return !found;
  });
  return found;
}

// ---- references ----

namespace {

// The references of the leaf's elements, from where the walk is.
Walked walk_leaf(const ListObject& list, const ListLeafView& leaf, std::uint32_t used,
                 ReferenceWalk& walk, std::uint64_t& left, std::uint32_t& steps,
                 absl::FunctionRef<void(std::uint64_t id)> visit) {
  for (; walk.slot < used; ++walk.slot, walk.id = 0) {
    if (steps == 0) return Walked::kMore;
    const std::uint64_t word = leaf.element(list, walk.slot).load();
    if (list_tag(word) == ListTag::kReference) visit(reference_in(word));
    ListBytes value;
    if (is_inline(word) || !ListBytes::load(list, leaf.offset, word, value) || !value.references ||
        value.offset % 8 != 0) {
      --steps;
      continue;
    }
    const auto table = reference_table(value.kind, list.arena + value.offset, value.bytes);
    if (!table || table->count == 0) {
      --steps;
      continue;
    }
    if (walk.id == 0 && !take_bytes(8 * table->count, left)) return Walked::kLost;
    while (walk.id < table->count) {
      if (steps == 0) return Walked::kMore;
      --steps;
      visit((*table)[walk.id++]);
    }
  }
  return Walked::kOver;
}

}  // namespace

// By index, which an element keeps as long as the root word stands. What a leaf showed counts if
// the word that leads to it stands, too; what is appended or set meanwhile, somebody has just put,
// who holds what it refers to.
Walked walk_references(const ListObject& list, ReferenceWalk& walk, std::uint64_t& left,
                       std::uint32_t steps, absl::FunctionRef<void(std::uint64_t id)> visit) {
  const ListDescriptor& d = list.descriptor();
  if ((d.sticky.load() & kListHasReferences) == 0) return Walked::kOver;
  steps = walk.steps(steps);
  const std::uint64_t root = d.root.load();
  ListTree tree;
  const bool can_be = ListTree::load(list, root, tree);
  if (walk.root != root) {
    walk = {.root = root, .tries = walk.root == 0 ? 0 : walk.tries + 1};
    if (can_be && !take_bytes(8 * tree.count, left)) return Walked::kLost;
  }
  if (walk.tries > ReferenceWalk::kTriesMax) return Walked::kLost;
  Walked walked = Walked::kOver;
  for (; can_be && tree.spine != 0 && walked == Walked::kOver; ++walk.position, walk.slot = 0) {
    const std::uint64_t first = std::uint64_t{walk.position} * kLeafElements;
    if (first >= tree.count) break;
    const auto used =
        static_cast<std::uint32_t>(std::min<std::uint64_t>(tree.count - first, kLeafElements));
    const ReferenceWalk before = walk;
    ListLeafView leaf;
    if (ListLeafView::load(list, tree, walk.position, leaf) && leaf.slots >= used) {
      walked = walk_leaf(list, leaf, used, walk, left, steps, visit);
    }
    fence_loads();
    const bool stood = d.root.load(std::memory_order_relaxed) == root &&
                       tree.leaf_word(list, walk.position).load() == leaf.word;
    if (!stood) {
      walk = before;
      ++walk.tries;
      return Walked::kMore;
    }
    if (walked != Walked::kOver) return walked;
  }
  // A tree that could not be loaded may have been another one's already.
  if (d.root.load() == root || list.view.is_stale()) return Walked::kOver;
  ++walk.tries;
  return Walked::kMore;
}

SHOAL_VARIANT_END

}  // namespace shoal::memory
