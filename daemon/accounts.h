// Who uses how much memory: in all, by arena and by uid. Every byte of an object is charged before
// it is committed and given back when the object is freed; a sparse object is charged in full,
// since its holders can make all of it resident. What containers hold is taken by their writers,
// who ask nobody: it is looked at, as what an arena's memory has beyond its objects' charges, and
// what an arena's memory may still take follows from what is charged (room_in_arena).
// Theory: an arena's quota binds its users against each other; `memory_max` binds them all
// together; what the host has left (MemoryGauge) binds even that.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"

#include "daemon/catalog.h"

namespace shoal::daemon {

class Accounts {
 public:
  struct User {
    std::uint64_t committed_bytes = 0;
    std::uint32_t objects = 0;
    std::uint32_t segments = 0;  // of them, those with a memfd of their own
    std::uint32_t sessions = 0;
  };
  struct ArenaUse {
    std::uint64_t committed_bytes = 0;
    std::uint64_t in_arena_bytes = 0;  // of them, those in blocks of the arena
    std::uint64_t taken_bytes = 0;     // in blocks, when it was looked at last
    std::uint32_t objects = 0;
    std::uint32_t sessions = 0;

    // What containers have taken, and what is not used of the chunks that others are in.
    [[nodiscard]] std::uint64_t container_bytes() const {
      return taken_bytes > in_arena_bytes ? taken_bytes - in_arena_bytes : 0;
    }
  };

  Accounts(const Catalog& catalog, std::uint64_t memory_max_bytes)
      : catalog_(catalog), memory_max_bytes_(memory_max_bytes) {}

  enum class Home { kSegment, kArena };  // where the object's bytes are

  // RESOURCE_EXHAUSTED, with the table's name and figures; nothing is charged then.
  absl::Status charge_object(Index arena, uid_t uid, std::uint64_t bytes,
                             Home home = Home::kSegment);
  void release_object(Index arena, uid_t uid, std::uint64_t bytes, Home home = Home::kSegment);
  // A segment that was charged takes so much less.
  void shrink_object(Index arena, uid_t uid, std::uint64_t bytes);
  // So much of the arena's own memory is taken now.
  void see_taken(Index arena, std::uint64_t bytes);
  void add_session(Index arena, uid_t uid);
  void remove_session(Index arena, uid_t uid);

  [[nodiscard]] std::uint64_t memory_max_bytes() const { return memory_max_bytes_; }
  [[nodiscard]] std::uint64_t committed_bytes() const { return committed_bytes_; }
  [[nodiscard]] std::uint64_t container_bytes() const { return container_bytes_; }
  // What memory_max bounds.
  [[nodiscard]] std::uint64_t used_bytes() const { return committed_bytes_ + container_bytes_; }
  // What its quota and memory_max leave the arena's own memory, what it has included. memory_max
  // is looked at when three quarters of it are used.
  [[nodiscard]] std::uint64_t room_in_arena(Index arena) const;
  [[nodiscard]] std::uint32_t segments() const { return segments_; }
  [[nodiscard]] ArenaUse arena(Index arena) const;
  [[nodiscard]] User user(uid_t uid) const;
  [[nodiscard]] const absl::flat_hash_map<uid_t, User>& users() const { return users_; }

 private:
  ArenaUse& arena_use(Index arena);
  // Changes what the arena's memory holds by `change(use)`.
  template <typename Change>
  void change_use(Index arena, Change change);
  void forget_if_idle(uid_t uid);

  const Catalog& catalog_;
  std::uint64_t memory_max_bytes_;
  std::uint64_t committed_bytes_ = 0;
  std::uint64_t container_bytes_ = 0;
  std::uint32_t segments_ = 0;
  std::vector<ArenaUse> arenas_;
  absl::flat_hash_map<uid_t, User> users_;
};

}  // namespace shoal::daemon
