// Sessions: one connected client process each, from hello until nothing of it is left.
//
//   live ------------- process dead ----------> dying --- life pipe hung up ---> recovering -> free
//     \-- control socket and life pipe hung up, page not mapped: exec or a clean end ---^
//
// Locks are recovered at death; references go when the life pipe has hung up too, because a forked
// child may still use them. When socket and pipe are closed but the process lives and still maps
// its session page, it has closed all its descriptors: its references stay until it is dead
// (quarantined; never guessed). A slot is given out again only after recovery has ended.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "daemon/accounts.h"
#include "daemon/arena_memory.h"
#include "daemon/catalog.h"
#include "daemon/clock.h"
#include "daemon/identity.h"
#include "daemon/ledger.h"
#include "daemon/log.h"
#include "daemon/objects.h"
#include "daemon/pins.h"
#include "daemon/watches.h"
#include "schemas/unique_fd.h"

namespace shoal::daemon {

class Sessions {
 public:
  struct New {
    std::string_view label;
    Index arena = 0;  // 0: for administration only
    protocol::UniqueFd pidfd;
    std::int64_t now_ns = 0;
  };
  struct Opened {
    Index slot = 0;
    protocol::UniqueFd life;  // the write end, for the client
    protocol::UniqueFd page;
  };
  struct Secret {
    std::uint64_t session = 0;
    std::uint64_t words[2] = {};
  };

  Sessions(Catalog& catalog, Ledger& ledger, Objects& objects, ArenaMemories& memories,
           Watches& watches, Pins& pins, Accounts& accounts, Log& log, std::uint32_t sessions_max)
      : catalog_(catalog),
        ledger_(ledger),
        objects_(objects),
        memories_(memories),
        watches_(watches),
        pins_(pins),
        accounts_(accounts),
        log_(log),
        sessions_max_(sessions_max) {}

  // RESOURCE_EXHAUSTED names the limit. `may_use_all`: not held to one uid's share.
  absl::StatusOr<Opened> open(const Identity& who, New session, bool may_use_all);
  // Goes on with a session after its control socket was lost: its slot. NOT_FOUND: unknown.
  absl::StatusOr<Index> resume(const Secret& secret, const Identity& who);
  // The session that the secret names, 0 if none: whatever its state.
  [[nodiscard]] Index find(const Secret& secret) const;
  [[nodiscard]] Secret secret(Index slot) const;

  // What was seen of the session. Then ask for the next step.
  void died(Index slot);
  void life_hung_up(Index slot) { runtime(slot).life_over = true; }
  void control_lost(Index slot) { runtime(slot).connected = false; }
  void control_connected(Index slot) { runtime(slot).connected = true; }

  enum class Step {
    kNone,
    kQuarantine,  // look again later: leave_quarantine
    kRecover,     // call recover_some until it has no more to do, then ask again
    kDrain,       // call drain_some until it has no more to do: the slot is free then
  };
  Step next(Index slot);

  // Whether a thread of a session of the arena has something in flight there, as their pages say;
  // also if there are too many threads to look at them all.
  [[nodiscard]] bool allocates(Index arena) const;

  [[nodiscard]] bool is_quarantined(Index slot) { return runtime(slot).quarantined; }
  // Whether the page is no longer mapped, so that there is a next step.
  bool leave_quarantine(Index slot);

  // Each does a little, so that one session cannot keep others waiting; whether more is to do.
  // What must not wait for the references: its names, and what its process held in shared memory.
  bool recover_some(Index slot, Turn turn = Turn(kAtOnce));
  bool drain_some(Index slot, Turn turn = Turn(kAtOnce));

  [[nodiscard]] SessionRecord& record(Index slot) { return catalog_.sessions[slot]; }
  [[nodiscard]] const SessionRecord& record(Index slot) const { return catalog_.sessions[slot]; }
  [[nodiscard]] std::uint64_t id(Index slot) const {
    return make_id(record(slot).generation, slot);
  }
  [[nodiscard]] std::string_view label(Index slot) const;
  [[nodiscard]] std::string_view state_name(Index slot) const;
  [[nodiscard]] int pidfd(Index slot) { return runtime(slot).pidfd.get(); }
  [[nodiscard]] int life(Index slot) { return runtime(slot).life.get(); }
  [[nodiscard]] int page(Index slot) { return runtime(slot).page.fd(); }
  [[nodiscard]] bool connected(Index slot) { return runtime(slot).connected; }
  // Whether this very session may still ask for something: what is made for a dead one, nobody
  // ends.
  [[nodiscard]] bool is_live(Index slot, std::uint32_t generation) const {
    return record(slot).generation == generation &&
           record(slot).state.load(std::memory_order_relaxed) ==
               static_cast<std::uint32_t>(SessionState::kLive);
  }
  [[nodiscard]] std::uint32_t sessions_max() const { return sessions_max_; }

 private:
  // Objects recovered, names or references dropped, threads looked at, before others get their
  // turn.
  static constexpr int kAtOnce = 32;

  struct Runtime {
    protocol::UniqueFd pidfd;
    protocol::UniqueFd life;  // read end
    Segment page;
    bool connected = false;
    bool dead = false;
    bool life_over = false;
    bool recovering = false;
    bool recovered = false;
    bool draining = false;
    bool quarantined = false;
    std::uint32_t next_thread = 1;  // whose allocations are taken back next
    std::vector<Index> to_recover;  // objects it could write
  };

  Runtime& runtime(Index slot);
  bool maps_page(Index slot);
  bool recover_intents(Index slot, Turn& turn);
  void recover_object(Index slot, Index object);
  void set_state(Index slot, SessionState state);

  Catalog& catalog_;
  Ledger& ledger_;
  Objects& objects_;
  ArenaMemories& memories_;
  Watches& watches_;
  Pins& pins_;
  Accounts& accounts_;
  Log& log_;
  std::uint32_t sessions_max_;
  std::vector<Runtime> runtimes_;  // parallel to the session table
};

}  // namespace shoal::daemon
