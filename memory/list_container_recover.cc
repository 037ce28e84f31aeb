// See list_container_recover.h.
#include "memory/list_container_recover.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"

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

// ---- verify ----

namespace {

class Verifier {
 public:
  explicit Verifier(const ListObject& list)
      : list_(list), tables_(list.arena, list.geometry, Commit{}) {}

  ListReport verify() {
    const ListDescriptor& d = list_.descriptor();
    ListTree tree;
    if (!ListTree::load(list_, d.root.load(), tree)) {
      complain("the root names no spine");
    } else if (tree.spine != 0) {
      report_.elements = tree.count;
      look_at_blocks(tree);
      look_at_elements(tree);
    }
    if (owner_in(list_.view.descriptor->lock.load()) == 0 && d.next.load() != 0) {
      complain("nobody holds the lock, and the list is being replaced");
    }
    return std::move(report_);
  }

 private:
  static constexpr std::size_t kComplaintsMax = 20;

  template <typename... Parts>
  void complain(const Parts&... parts) {
    if (report_.wrong.size() < kComplaintsMax) report_.wrong.push_back(absl::StrCat(parts...));
  }

  void own(std::uint64_t block, std::uint64_t bytes, std::uint32_t part, const std::string& what) {
    report_.block_bytes += ArenaMemory::block_size(bytes);
    if (!tables_.is_owned(block, bytes, {list_.view.id, part})) {
      complain("the list does not own the block of ", what, " at ", block);
    }
  }

  void look_at_blocks(const ListTree& tree) {
    own(tree.spine, list_block_bytes(tree.size), kListPartSpine, "its spine");
    const std::uint64_t run = tree.head(list_).run.load();
    if (run != 0) own(run, tree.head(list_).run_bytes.load(), kListPartRun, "its run");
    for (std::uint32_t i = 0; i < tree.leaves; ++i) {
      ListLeafView leaf;
      if (!ListLeafView::load(list_, tree, i, leaf)) {
        complain("leaf ", i, " cannot be");
        continue;
      }
      if (leaf.offset == 0) continue;
      ++report_.leaves;
      const std::string what = absl::StrCat("leaf ", i);
      if (leaf.own_bytes() != 0) own(leaf.offset, leaf.own_bytes(), kListPartLeaf + i, what);
      report_.dead_bytes += leaf.tail - leaf.records();  // what is live is taken off below
    }
  }

  void look_at_elements(const ListTree& tree) {
    std::uint64_t next = 0;
    const bool all =
        walk(list_, tree, [&](std::uint64_t i, const ListLeafView& leaf, std::uint64_t word) {
          next = i + 1;
          report_.live_bytes += 8;
          if (is_inline(word)) return true;
          ListBytes value;
          if (!ListBytes::load(list_, leaf.offset, word, value)) {
            complain("element ", i, " cannot be");
          } else if (list_tag(word) == ListTag::kLarge) {
            ++report_.large_values;
            report_.live_bytes += value.bytes;
            own(list_.offset_of(LargePlace::of(word).place), large_block_bytes(list_, word),
                kListPartValue, absl::StrCat("element ", i));
          } else {
            const std::uint64_t end =
                value.offset - leaf.offset - kRecordHeadBytes + record_bytes(value.bytes);
            if (end > leaf.tail || record_offset(word) < leaf.records()) {
              complain("element ", i, " lies outside its leaf's records");
            }
            report_.live_bytes += record_bytes(value.bytes);
            report_.dead_bytes -= std::min(report_.dead_bytes, record_bytes(value.bytes));
          }
          return true;
        });
    if (!all) complain("the leaf of element ", next, " is not there, or too short");
  }

  const ListObject& list_;
  const ArenaMemory tables_;  // looked at only
  ListReport report_;
};

}  // namespace

ListReport verify(const ListObject& list) { return Verifier(list).verify(); }

SHOAL_VARIANT_END

}  // namespace shoal::memory
