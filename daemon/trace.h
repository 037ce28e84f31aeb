// The trace: which objects that have no name and are held by nobody can still be reached, since a
// value in some container refers to them; the others are freed. So containers may hold containers,
// in circles too, and nothing in shared memory is counted.
//
//   no name, session or token --> unrooted --- a cycle begins ---> judged --- reached --> unrooted
//                                    ^                                |
//                                    |                                +--- not reached --> freed
//         opened by its id: rooted <-+--------------------------------+
//
// A cycle is about one arena. It goes through what every container that is not judged refers to,
// then through what those refer to that it reached. It does so in slices, while clients go on.
//
// Why nothing is freed that can be reached: who puts a reference somewhere holds the object at that
// moment, and so does who takes one out to put it elsewhere; holding is asked for here. So a
// reference that a cycle did not meet, since it came to a place that had been looked at, is to an
// object that was held during the cycle. Such an object was not judged, or was opened by its id
// meanwhile (`rooted`) and is not judged any more; and what it refers to is met, in its turn. What
// lies where it lay all the time is met, however its container is rebuilt (memory/containers.h).
// When all is reached that can be, the rest is garbage at once: no garbage can be opened any more,
// so nobody finds half of it.
//
// Hostile bytes: ids may be anything; a walk is bounded by what a sound arena can hold, and one
// that loses its way frees nothing in this cycle.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_set.h"

#include "daemon/arena_memory.h"
#include "daemon/catalog.h"
#include "daemon/clock.h"
#include "daemon/objects.h"
#include "memory/value_references.h"

namespace shoal::daemon {

class Trace {
 public:
  Trace(const Catalog& catalog, Objects& objects, const ArenaMemories& memories)
      : catalog_(catalog), objects_(objects), memories_(memories) {}

  // The object has lost what kept it, but for a value that may refer to it.
  void unrooted(Index object);
  // It is held again.
  void rooted(Index object);
  [[nodiscard]] bool is_unrooted(Index object) const;
  // It is about to be freed; nobody may have it any more.
  [[nodiscard]] bool is_garbage(Index object) const;

  // Does some of a cycle that is under way or due; whether there is more to be done at once.
  bool trace_some();
  // Until a cycle is due; nullopt: there is nothing unrooted.
  [[nodiscard]] std::optional<std::int64_t> rest_ns() const;

  // The first cycle of the arena that is about all that is unrooted now; 0: nothing is.
  [[nodiscard]] std::uint64_t next_cycle(Index arena) const;
  [[nodiscard]] bool is_over(Index arena, std::uint64_t cycle) const;
  // Does some of it, due or not; whether it is not over yet.
  bool hurry(Index arena, std::uint64_t cycle, Turn turn = Turn(kStepsAtOnce));

 private:
  static constexpr int kStepsAtOnce = 10'000;

  using Set = absl::flat_hash_set<Index>;
  struct Cycle {
    Set judged;                          // and not reached
    std::vector<std::uint64_t> reached;  // whose references are to be followed
    std::uint64_t walking = 0;           // whose references are being followed
    memory::ReferenceWalk walk;
    Index next = 1;          // object to be looked at
    std::uint64_t left = 0;  // bytes that may be looked at
    bool lost = false;       // some reference may not have been met
    bool ending = false;     // what is judged still is garbage
    Set::iterator at;        // of that, the next
    std::size_t freed = 0;
    std::int64_t work_ns = 0;
  };
  struct Traced {
    Set unrooted;  // to be judged by the next cycle
    std::optional<Cycle> cycle;
    std::uint64_t ended = 0;  // cycles
    bool fresh = false;       // something became unrooted since the last one began
    std::int64_t rest_ns = 0;
    std::int64_t due_ns = 0;
    std::int64_t not_before_ns = 0;
  };

  [[nodiscard]] const Traced* traced(Index object) const;
  void begin(Index arena, Traced& traced);
  void end(Traced& traced);
  void advance(Index arena, Traced& traced, Turn& turn);
  bool step(Index arena, Traced& traced);
  bool look_for_next(Index arena, Cycle& cycle) const;
  void walk(Index arena, Traced& traced);
  void free_next(Cycle& cycle);

  const Catalog& catalog_;
  Objects& objects_;
  const ArenaMemories& memories_;
  absl::btree_map<Index, Traced> arenas_;
  Index last_ = 0;  // arena that had its turn
};

}  // namespace shoal::daemon
