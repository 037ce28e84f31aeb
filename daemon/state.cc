// See state.h.
#include "daemon/state.h"

#include <unistd.h>

#include <algorithm>

#include "daemon/clock.h"
#include "daemon/random.h"
#include "schemas/limits.h"

namespace shoal::daemon {
namespace {

// For the listener, the log, the loop itself, and what is open for an instant.
constexpr std::uint64_t kOwnDescriptors = 64;
constexpr std::uint64_t kDescriptorsPerSession = 4;
// Objects whose waiters are woken at the end, before others get their turn.
constexpr int kClosedAtOnce = 256;

}  // namespace

DescriptorBudget DescriptorBudget::of(std::uint64_t descriptors, std::uint32_t sessions_max) {
  const std::uint64_t free = descriptors > kOwnDescriptors ? descriptors - kOwnDescriptors : 8;
  const auto at_most = [](std::uint64_t share, std::uint32_t limit) {
    return static_cast<std::uint32_t>(std::min<std::uint64_t>(share, limit));
  };
  return {.segments = at_most(free / 2, protocol::kSegmentsMax),
          .sessions = at_most(free * 3 / 8 / kDescriptorsPerSession,
                              std::min(sessions_max, protocol::kSessionsMax)),
          .ungreeted = at_most(free / 16, protocol::kUngreetedMax),
          .watches = at_most(free / 16, protocol::kWatchesMax)};
}

State::State(Catalog&& fresh, const Options& options, const DescriptorBudget& budget, Log& log_to)
    : log(log_to),
      catalog(std::move(fresh)),
      store(options.warm_bytes),
      accounts(catalog, options.memory_max),
      arenas(catalog, accounts, ::geteuid()),
      memories(catalog, accounts,
               {.arena_bytes = options.arena_size,
                .warm_bytes = options.warm_bytes,
                .manager = random_word()}),
      ledger(catalog),
      objects(catalog, ledger, accounts, gauge, store, memories, budget.segments),
      trace(catalog, objects, memories),
      watches(catalog, objects, log, budget.watches),
      pins(catalog, objects, memories),
      tokens(catalog, objects),
      sessions(catalog, ledger, objects, memories, watches, pins, accounts, log, budget.sessions),
      slow_waits(catalog, sessions, objects, log, options.slow_wait_ms) {
  memories.ask_whether_busy([this](Index arena) { return sessions.allocates(arena); });
  objects.tell_of_unrooted([this](Index object) { trace.unrooted(object); });
  // The table of arenas is empty and the name is good: this cannot fail.
  (void)arenas.create({.name = kDefaultArena,
                       .mode = options.default_mode,
                       .quota_bytes = options.default_quota,
                       .owner_uid = ::geteuid(),
                       .owner_gid = ::getegid()},
                      wall_ns());
}

bool State::close_some() {
  memories.close();
  Turn turn(kClosedAtOnce);
  if (!objects_closed_ && objects.close_some(turn)) return true;
  objects_closed_ = true;
  return watches.check_some();
}

}  // namespace shoal::daemon
