// The walk of `verify`, while others change the list. See list_container_recover.h; everything read
// here may be garbage.
#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

#include "memory/futex.h"
#include "memory/list_container_recover.h"
#include "memory/list_container_tree.h"
#include "memory/lock.h"
#include "memory/shared_copy.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

namespace {

// What changes meanwhile is looked at again so often, in all, before nothing is said of it.
constexpr int kLooksAgain = 10'000;

class Verifier {
 public:
  explicit Verifier(const ListObject& list)
      : list_(list), tables_(list.arena, list.geometry, Commit{}) {}

  ListReport verify() {
    const ListDescriptor& d = list_.descriptor();
    const std::uint64_t root = d.root.load();
    ListTree tree;
    if (!ListTree::load(list_, root, tree)) {
      complain("the root names no spine");
    } else if (tree.spine != 0) {
      report_.elements = tree.count;
      look_at_spine(tree);
      for (std::uint32_t i = 0; i < tree.leaves; ++i) look_at_leaf(tree, i);
    }
    look(
        [&]() -> Found {
          if (d.next.load() == 0) return {};
          return {"nobody holds the lock, and the list is being replaced", /*at_rest=*/true};
        },
        [] { return true; });
    fence_loads();
    if (d.root.load(std::memory_order_relaxed) != root) report_.stood = false;
    return std::move(report_);
  }

 private:
  static constexpr std::size_t kComplaintsMax = 20;

  // What one look finds.
  struct Found {
    std::string wrong = {};  // empty: nothing
    // Counts only if nobody was changing the list: blocks change hands behind the store that
    // publishes them.
    bool at_rest = false;
  };

  // Whether nobody is changing the list, and since which change.
  struct Rest {
    bool rests = false;
    std::uint64_t changes = 0;
    bool operator==(const Rest&) const = default;
  };
  [[nodiscard]] Rest rest() const {
    const std::uint64_t changes = list_.descriptor().changes.load();
    return {.rests = owner_in(list_.view.descriptor->lock.load()) == 0, .changes = changes};
  }

  void complain(std::string wrong) {
    if (report_.wrong.size() < kComplaintsMax) report_.wrong.push_back(std::move(wrong));
  }

  // Looks until it finds nothing, or something that counts: it does while `stands` says that the
  // words that lead there are as they were.
  template <typename Check, typename Stands>
  void look(const Check& check, const Stands& stands) {
    do {
      const Rest before = rest();
      const Found found = check();
      if (found.wrong.empty()) return;
      fence_loads();
      if (stands() && (!found.at_rest || (before.rests && rest() == before))) {
        return complain(found.wrong);
      }
    } while (again());
  }

  bool again() {
    relax();
    return again_left_-- > 0;
  }

  [[nodiscard]] Found owned(std::uint64_t block, std::uint64_t bytes, std::uint32_t part,
                            const std::string& what) const {
    if (tables_.is_owned(block, bytes, {list_.view.id, part})) return {};
    return {absl::StrCat("the list does not own the block of ", what, " at ", block),
            /*at_rest=*/true};
  }

  void look_at_spine(const ListTree& tree) {
    const auto stands = [&] { return list_.descriptor().root.load() == tree.root; };
    const std::uint64_t spine_bytes = list_block_bytes(tree.size);
    report_.block_bytes += ArenaMemory::block_size(spine_bytes);
    look([&] { return owned(tree.spine, spine_bytes, kListPartSpine, "its spine"); }, stands);
    const std::uint64_t run = tree.head(list_).run.load();
    const std::uint64_t run_bytes = tree.head(list_).run_bytes.load();
    if (run == 0) return;
    report_.block_bytes += ArenaMemory::block_size(run_bytes);
    look([&] { return owned(run, run_bytes, kListPartRun, "its run"); }, stands);
  }

  // The word of a leaf is loaded before the count: a leaf is dropped behind the count that lets go
  // of it, and is there before the count that needs it.
  [[nodiscard]] std::uint64_t used_in(const ListTree& tree, std::uint32_t index) const {
    const std::uint64_t count = tree.head(list_).count.load();
    const std::uint64_t first = std::uint64_t{index} * kLeafElements;
    return count <= first ? 0 : std::min<std::uint64_t>(count - first, kLeafElements);
  }

  // A larger one may come into its place meanwhile.
  void look_at_leaf(const ListTree& tree, std::uint32_t index) {
    const ListReport before = report_;
    while (!look_at_leaf_once(tree, index)) {
      report_ = before;
      if (again()) continue;
      report_.stood = false;
      return;
    }
  }

  // False: it was another one at the end.
  bool look_at_leaf_once(const ListTree& tree, std::uint32_t index) {
    ListLeafView leaf;
    std::uint64_t used = 0;
    bool can_be = false;
    const auto stands = [&] { return tree.leaf_word(list_, index).load() == leaf.word; };
    look(
        [&]() -> Found {
          can_be = ListLeafView::load(list_, tree, index, leaf);
          used = used_in(tree, index);
          if (!can_be) return {absl::StrCat("leaf ", index, " cannot be")};
          can_be = leaf.slots >= used;
          if (!can_be) return {absl::StrCat("leaf ", index, " is not there, or too short")};
          if (leaf.own_bytes() == 0) return {};
          return owned(leaf.offset, leaf.own_bytes(), kListPartLeaf + index,
                       absl::StrCat("leaf ", index));
        },
        stands);
    if (can_be && leaf.offset != 0) {
      ++report_.leaves;
      if (leaf.own_bytes() != 0) report_.block_bytes += ArenaMemory::block_size(leaf.own_bytes());
      report_.dead_bytes += leaf.tail - leaf.records();  // what is live is taken off below
      for (std::uint64_t slot = 0; slot < used; ++slot) look_at_element(tree, index, leaf, slot);
    }
    fence_loads();
    return stands();
  }

  void look_at_element(const ListTree& tree, std::uint32_t leaf_index, const ListLeafView& leaf,
                       std::uint64_t slot) {
    const std::uint64_t index = std::uint64_t{leaf_index} * kLeafElements + slot;
    const Word64& element = leaf.element(list_, slot);
    std::uint64_t word = element.load();
    report_.live_bytes += 8;
    if (is_inline(word)) return;
    ListBytes value;
    const auto leaf_stands = [&] { return tree.leaf_word(list_, leaf_index).load() == leaf.word; };
    look(
        [&]() -> Found {
          word = element.load();
          value = {};
          if (is_inline(word) || !leaf_stands()) return {};
          return look_at_bytes(leaf, index, word, value);
        },
        // Before an element is published again, beyond the count, its word is another one.
        [&] {
          const bool is_there = tree.head(list_).count.load() > index;
          return is_there && element.load() == word && leaf_stands();
        });
    if (is_inline(word) || value.offset == 0) return;
    if (list_tag(word) == ListTag::kLarge) {
      ++report_.large_values;
      report_.live_bytes += value.bytes;
      report_.block_bytes += ArenaMemory::block_size(large_block_bytes(list_, word));
    } else {
      report_.live_bytes += record_bytes(value.bytes);
      report_.dead_bytes -= std::min(report_.dead_bytes, record_bytes(value.bytes));
    }
  }

  Found look_at_bytes(const ListLeafView& leaf, std::uint64_t index, std::uint64_t word,
                      ListBytes& value) const {
    if (!ListBytes::load(list_, leaf.offset, word, value)) {
      value = {};
      return {absl::StrCat("element ", index, " cannot be")};
    }
    if (list_tag(word) == ListTag::kLarge) {
      return owned(list_.offset_of(LargePlace::of(word).place), large_block_bytes(list_, word),
                   kListPartValue, absl::StrCat("element ", index));
    }
    const std::uint64_t end =
        value.offset - leaf.offset - kRecordHeadBytes + record_bytes(value.bytes);
    if (end <= leaf.head(list_).tail.load() && record_offset(word) >= leaf.records()) return {};
    return {absl::StrCat("element ", index, " lies outside its leaf's records")};
  }

  const ListObject& list_;
  const ArenaMemory tables_;  // looked at only
  int again_left_ = kLooksAgain;
  ListReport report_;
};

}  // namespace

ListReport verify(const ListObject& list) { return Verifier(list).verify(); }

SHOAL_VARIANT_END

}  // namespace shoal::memory
