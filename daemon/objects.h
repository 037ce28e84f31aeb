// The objects: records in the catalog, their names, and their bytes: a segment of memory each
// (objects.cc), or a place in the memory of their arena (arena_objects.cc).
// An object lives while it has a name or a reference (of a session or of a token); whoever takes
// one of these away calls on `unlink` or `reference_dropped`, and the last one frees the object;
// or leaves it to the trace (trace.h), if a value in some container may refer to it.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "daemon/accounts.h"
#include "daemon/arena_memory.h"
#include "daemon/catalog.h"
#include "daemon/clock.h"
#include "daemon/kinds.h"
#include "daemon/ledger.h"
#include "daemon/segment.h"
#include "memory/object.h"
#include "schemas/control.capnp.h"
#include "schemas/memory_gauge.h"

namespace shoal::daemon {

class Objects {
 public:
  struct New {
    std::string_view name;  // empty: anonymous
    Index arena = 0;
    wire::Kind kind = wire::Kind::UNKNOWN;
    wire::Lifetime lifetime = wire::Lifetime::NAMED;
    std::uint64_t size_bytes = 0;
    bool sealable = false;
    bool sparse = false;
    bool huge_pages = false;
    int numa_node = -1;
    Index creator = 0;         // slot
    bool may_use_all = false;  // not held to one uid's share of the segments
    std::int64_t now_ns = 0;
    Traits traits{};  // of kinds that live in their arena, which have no size of their own
  };

  Objects(Catalog& catalog, const Ledger& ledger, Accounts& accounts, protocol::MemoryGauge& gauge,
          SegmentStore& store, ArenaMemories& memories, std::uint32_t segments_max)
      : catalog_(catalog),
        ledger_(ledger),
        accounts_(accounts),
        gauge_(gauge),
        store_(store),
        memories_(memories),
        segments_max_(segments_max) {}

  // The object has its name, but no reference yet: the caller attaches at once or calls
  // `reference_dropped`.
  absl::StatusOr<Index> create(const New& object);

  [[nodiscard]] Index find(Index arena, std::string_view name) const;  // 0: none
  [[nodiscard]] Index get(std::uint64_t id) const;                     // 0: gone
  [[nodiscard]] bool is_there(Index index) const {
    return catalog_.objects.is(index, ObjectState::kThere);
  }
  [[nodiscard]] std::uint64_t id(Index index) const {
    return make_id(catalog_.objects[index].generation, index);
  }

  // ALREADY_EXISTS; FAILED_PRECONDITION if the object has a name.
  absl::Status link(Index index, std::string_view name);
  void unlink(Index index);

  // A reference of a session or token is gone: perhaps the last.
  void reference_dropped(Index index);
  void token_added(Index index) { ++state(index).tokens; }
  void token_removed(Index index) { --state(index).tokens; }
  [[nodiscard]] std::uint32_t tokens(Index index) const { return states_[index].tokens; }

  // Is told of objects whose last name or reference is gone, but to which a value may refer.
  void tell_of_unrooted(std::function<void(Index)> tell) { unrooted_ = std::move(tell); }
  // Whether a value has ever referred to the object, as far as its bytes tell.
  [[nodiscard]] bool is_referred_to(Index index) const {
    return in_arena(index) && view(index).descriptor->referred.load() != 0;
  }
  // No value refers to it any more.
  void free_unreached(Index index);

  // Unlinks some of what this session created with lifetime `session`; whether there is more.
  bool end_of_creator(Index slot, Turn& turn);

  [[nodiscard]] Segment& segment(Index index) { return states_[index].segment; }
  [[nodiscard]] SegmentStore& store() { return store_; }
  // Warm segments are only worth keeping while nobody needs the memory.
  void drop_warm();
  [[nodiscard]] const ObjectRecord& record(Index index) const { return catalog_.objects[index]; }
  absl::Status seal(Index index);

  [[nodiscard]] bool in_arena(Index index) const { return is_arena_kind(record(index).kind); }
  // Of an object in an arena; all of it from the catalog.
  [[nodiscard]] memory::ObjectView view(Index index) const;
  // Nothing of the slot stays held in the object. True: something was. `died`: the process is no
  // more, it did not merely give the object back.
  absl::StatusOr<bool> recover(Index index, std::uint16_t slot, bool died);
  // Whether a block is in use for this part of the object, as the allocator asks.
  [[nodiscard]] bool reaches(std::uint64_t id, std::uint32_t part, std::uint64_t block) const;
  // Frees some of what the writers of destroyed objects had taken from their arena; whether there
  // is more. Until then nobody gets their indexes.
  bool clear_some();
  [[nodiscard]] bool has_to_clear() const { return !clearing_.empty(); }
  [[nodiscard]] bool has_to_clear(Index arena) const { return clearing_.contains(arena); }
  // Some of the objects in arenas, of all arenas, are no more, and whoever waits in one is woken.
  // Whether there are more; from the first on, when there are no more. The arenas are closed.
  bool close_some(Turn& turn);

  // In byte order of the names, from the first that begins with `prefix` and is greater than
  // `after`. `visit(Index)` returns whether to go on; it is called only while names have the
  // prefix.
  template <typename Visit>
  void for_each_named(Index arena, std::string_view prefix, std::string_view after,
                      Visit visit) const {
    if (arena >= names_.size()) return;
    const Names& names = names_[arena];
    auto at =
        after >= prefix && !after.empty() ? names.upper_bound(after) : names.lower_bound(prefix);
    for (; at != names.end() && at->first.substr(0, prefix.size()) == prefix; ++at) {
      if (!visit(at->second)) return;
    }
  }

  [[nodiscard]] std::uint32_t count() const { return catalog_.objects.used(); }
  [[nodiscard]] std::uint32_t segments_max() const { return segments_max_; }

 private:
  using Names = absl::btree_map<std::string_view, Index>;  // keys point into the records
  struct State {
    Segment segment;
    std::uint32_t tokens = 0;
    // A list of what its creator made with lifetime `session` and is still named.
    Index previous_of_creator = 0;
    Index next_of_creator = 0;
  };

  // Destroyed objects of one arena: those that this pass over its tables is for, and those that
  // came later.
  struct Clearing {
    std::uint32_t cursor = 0;
    std::vector<Index> passing;
    std::vector<Index> waiting;
  };

  State& state(Index index);
  Names& names(Index arena);
  absl::Status check_new_name(const New& object) const;
  absl::Status check_new_segment(const New& object) const;
  absl::StatusOr<Index> create_segment(const New& object);
  absl::Status check_new_in_arena(const New& object) const;
  absl::StatusOr<Index> create_in_arena(const New& object);
  absl::Status lay_in_arena(Index index, const New& object, std::byte* arena);
  void retire_in_arena(Index index);
  void fill(ObjectRecord& record, const New& object) const;
  absl::Status admit(std::uint64_t bytes);
  absl::StatusOr<Segment> take_segment(const SegmentSpec& spec, std::uint64_t bytes);
  void put_name(Index index, std::string_view name);
  [[nodiscard]] bool is_used(Index index) const;
  void free_if_unused(Index index);
  void add_to_creator(Index index);
  void remove_from_creator(Index index);

  Catalog& catalog_;
  const Ledger& ledger_;
  Accounts& accounts_;
  protocol::MemoryGauge& gauge_;
  SegmentStore& store_;
  ArenaMemories& memories_;
  std::uint32_t segments_max_;
  std::function<void(Index)> unrooted_ = [](Index) {};
  std::vector<State> states_;                  // parallel to the object table
  std::vector<Names> names_;                   // parallel to the arena table
  std::vector<Index> first_of_creator_;        // by slot
  absl::btree_map<Index, Clearing> clearing_;  // by arena
  Index close_next_ = 1;                       // object
  Index cleared_last_ = 0;                     // arena
};

}  // namespace shoal::daemon
