// Blocks that views of sessions show, so that nobody frees them (memory/arena.h, pin). A block is
// pinned as long as at least one session has it so; what its owner has let go of meanwhile is freed
// then.
//
// Invariant: whoever pins a block of an object is attached to it. A pin ends with the session's
// last reference, or with the session.
#pragma once

#include <cstdint>
#include <tuple>
#include <utility>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"

#include "daemon/arena_memory.h"
#include "daemon/catalog.h"
#include "daemon/objects.h"

namespace shoal::daemon {

class Pins {
 public:
  Pins(const Catalog& catalog, Objects& objects, ArenaMemories& memories)
      : catalog_(catalog), objects_(objects), memories_(memories) {}

  // Again: no more than once. NOT_FOUND: the block is not the object's, or not any more.
  // RESOURCE_EXHAUSTED: the session has too many.
  absl::Status add(Index slot, Index object, std::uint64_t block);
  void end(Index slot, Index object, std::uint64_t block);
  void end_object(Index slot, Index object);
  void end_session(Index slot);

  [[nodiscard]] std::uint32_t of_session(Index slot) const;

 private:
  using Block = std::pair<Index, std::uint64_t>;        // object, offset
  using Pin = std::tuple<Index, Index, std::uint64_t>;  // slot, object, offset

  [[nodiscard]] ArenaMemory* memory_of(Index object) const;
  void end(absl::btree_set<Pin>::iterator pin);

  const Catalog& catalog_;
  Objects& objects_;
  ArenaMemories& memories_;
  absl::btree_map<Block, std::uint32_t> blocks_;  // how many sessions have it pinned
  absl::btree_set<Pin> by_session_;
  absl::flat_hash_map<Index, std::uint32_t> count_of_session_;
};

}  // namespace shoal::daemon
