// A List as the holder of its lock and the manager see it: spine, leaves and records, each loaded
// once and checked. Internal to list_container*.cc.
#pragma once

#include <vector>

#include "absl/functional/function_ref.h"

#include "memory/arena.h"
#include "memory/list_container.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

// What a root word leads to.
struct ListTree {
  std::uint64_t root = 0;
  std::uint64_t spine = 0;  // offset; 0: no elements, no memory
  unsigned size = 0;
  std::uint32_t leaves = 0;  // that the spine has room for
  std::uint64_t count = 0;

  // False: it cannot be.
  static bool load(const ListObject& list, std::uint64_t root, ListTree& tree);

  [[nodiscard]] ListSpine& head(const ListObject& list) const { return list.at<ListSpine>(spine); }
  [[nodiscard]] Word64& leaf_word(const ListObject& list, std::uint32_t index) const {
    return list.at<Word64>(spine + sizeof(ListSpine) + std::uint64_t{index} * 8);
  }
};

struct ListLeafView {
  std::uint64_t word = 0;
  std::uint64_t offset = 0;  // 0: there is none
  std::uint32_t bytes = 0;
  std::uint32_t slots = 0;
  std::uint32_t tail = 0;

  static bool load(const ListObject& list, const ListTree& tree, std::uint32_t index,
                   ListLeafView& leaf);

  [[nodiscard]] ListLeaf& head(const ListObject& list) const { return list.at<ListLeaf>(offset); }
  [[nodiscard]] Word64& element(const ListObject& list, std::uint64_t slot) const {
    return list.at<Word64>(offset + sizeof(ListLeaf) + slot * 8);
  }
  [[nodiscard]] std::uint32_t records() const {
    return static_cast<std::uint32_t>(leaf_bytes(slots, 0));
  }
  // How much of the arena it takes, alone; 0: it lies in the run.
  [[nodiscard]] std::uint64_t own_bytes() const {
    return list_block_bytes(ListPlace::of(word).size);
  }
};

// The value that a record or a block of its own holds: where its bytes are.
struct ListBytes {
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
  std::uint8_t kind = 0;
  bool references = false;

  // False: it cannot be, or the word is inline. `leaf`: offset of the element's leaf.
  static bool load(const ListObject& list, std::uint64_t leaf, std::uint64_t word,
                   ListBytes& value);
};

// What the block of a large value takes of the arena.
std::uint64_t large_block_bytes(const ListObject& list, std::uint64_t word);

// Each element's word, until `visit` says false or a leaf cannot be. True: all of them.
bool walk(const ListObject& list, const ListTree& tree,
          absl::FunctionRef<bool(std::uint64_t index, const ListLeafView& leaf, std::uint64_t word)>
              visit);

// ---- replacing a list as a whole ----

// Frees what `root` reaches, of the large values those that `goes` says, and ends the replacement.
// For who holds the lock, or in the name of a dead one.
void free_replaced(const ListObject& list, Caller& caller, std::uint64_t root,
                   absl::FunctionRef<bool(std::uint64_t index, std::uint64_t word)> goes);

// Ends the replacement that the descriptor speaks of, whatever of it was done.
void finish_replacing(const ListObject& list, Caller& caller);

SHOAL_VARIANT_END

}  // namespace shoal::memory
