// What the manager knows, without sockets or an event loop: built once by main, and by tests and
// fuzzers that have no main.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"

#include "daemon/accounts.h"
#include "daemon/arena_memory.h"
#include "daemon/arenas.h"
#include "daemon/catalog.h"
#include "daemon/ledger.h"
#include "daemon/log.h"
#include "daemon/objects.h"
#include "daemon/options.h"
#include "daemon/pins.h"
#include "daemon/segment.h"
#include "daemon/service.h"
#include "daemon/sessions.h"
#include "daemon/slow_waits.h"
#include "daemon/tokens.h"
#include "daemon/trace.h"
#include "daemon/watches.h"
#include "schemas/memory_gauge.h"

namespace shoal::daemon {

// How many descriptors there are for what; each takes some.
struct DescriptorBudget {
  std::uint32_t segments = 0;
  std::uint32_t sessions = 0;
  std::uint32_t ungreeted = 0;
  std::uint32_t watches = 0;

  // Shares out `descriptors`, the process's limit: half for segments (one each), three eighths for
  // sessions (control socket, pidfd, life pipe, page), the rest for connections before hello and
  // for watches, half each.
  static DescriptorBudget of(std::uint64_t descriptors, std::uint32_t sessions_max);
};

class State {
 public:
  State(Catalog&& fresh, const Options& options, const DescriptorBudget& budget, Log& log);
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  [[nodiscard]] Parts parts() {
    return {catalog, accounts, arenas, memories, ledger, objects, trace,
            watches, pins,     tokens, sessions, gauge,  log};
  }

  Log& log;
  Catalog catalog;
  protocol::MemoryGauge gauge;
  SegmentStore store;
  Accounts accounts;
  Arenas arenas;
  ArenaMemories memories;
  Ledger ledger;
  Objects objects;
  Trace trace;
  Watches watches;
  Pins pins;
  Tokens tokens;
  Sessions sessions;
  SlowWaits slow_waits;

  // The end of the manager, as far as clients sleep in shared memory: they wake, and every call in
  // an arena says UNAVAILABLE from then on.
  // Does some of it; whether there is more.
  bool close_some();
  void close_arenas() {
    while (close_some()) {
    }
  }

 private:
  bool objects_closed_ = false;
};

}  // namespace shoal::daemon
