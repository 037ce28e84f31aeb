// Says in the log who waits too long, and for whom: once a wait. It reads the thread records of
// live sessions, which are hostile: so many lines a session and look, and no more.
#pragma once

#include <cstdint>
#include <utility>

#include "absl/container/flat_hash_map.h"

#include "daemon/catalog.h"
#include "daemon/log.h"
#include "daemon/objects.h"
#include "daemon/session_page.h"
#include "daemon/sessions.h"

namespace shoal::daemon {

class SlowWaits {
 public:
  // `longer_than_ms` 0: looks at nothing.
  SlowWaits(const Catalog& catalog, Sessions& sessions, const Objects& objects, Log& log,
            std::uint32_t longer_than_ms)
      : catalog_(catalog),
        sessions_(sessions),
        objects_(objects),
        log_(log),
        longer_than_ms_(longer_than_ms) {}

  [[nodiscard]] bool wanted() const { return longer_than_ms_ != 0; }
  // How long from one look at everybody to the next.
  [[nodiscard]] std::uint32_t look_every_ms() const;

  // Looks at some threads, from where it left off; whether there are more. `now_ns` is
  // CLOCK_MONOTONIC.
  bool look_at_some(std::int64_t now_ns);

 private:
  struct Wait {
    std::uint64_t object = 0;
    std::uint64_t since_ns = 0;
    bool operator==(const Wait&) const = default;
  };
  using Thread = std::pair<std::uint64_t, std::uint32_t>;  // session id, number
  using Told = absl::flat_hash_map<Thread, Wait>;

  void tell(Index slot, const ThreadSeen& thread, std::int64_t now_ns);

  const Catalog& catalog_;
  Sessions& sessions_;
  const Objects& objects_;
  Log& log_;
  std::uint32_t longer_than_ms_;
  Index slot_ = 1;  // where the next look begins
  std::uint32_t thread_ = 1;
  std::uint32_t lines_ = 0;  // of this session, in this look
  Told told_;                // by the last look at everybody
  Told telling_;             // and by this one
};

}  // namespace shoal::daemon
