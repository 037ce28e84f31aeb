// An event between processes: a flag that many wait for.
//
//   auto ready = client->open_or_create<shoal::Event>("ready");
//   (void)ready->set();                                      // here
//   absl::Status status = ready->wait(absl::Seconds(5));     // there
//
// Who waits when it is set is let go, even if it is cleared before he has woken. It stays set until
// it is cleared, whatever becomes of who set it: death changes nothing.
// is_set() and wait() work on a read-only attachment; there wait() looks every few milliseconds.
//
// Errors beside those of arena_object.h: wait: DEADLINE_EXCEEDED.
// Thread and fork safety, ownership, waiting: arena_object.h.
#pragma once

#include "absl/status/status.h"
#include "absl/time/time.h"

#include "shoal/arena_object.h"
#include "shoal/export.h"
#include "shoal/object.h"

namespace shoal {

struct EventOptions {
  Lifetime lifetime = Lifetime::kNamed;
  Access access = Access::kReadWrite;  // open_or_create: how to open an existing object
};

class SHOAL_EXPORT Event : public internal::ArenaKind<Event> {
 public:
  using Options = EventOptions;

  Event() = default;  // closed

  absl::Status set() const;
  absl::Status clear() const;
  // False also for an event that is closed or gone.
  [[nodiscard]] bool is_set() const;
  [[nodiscard]] absl::Status wait(absl::Duration timeout = absl::InfiniteDuration()) const;

 private:
  friend class internal::ArenaKind<Event>;
  using ArenaKind::ArenaKind;
  static internal::ArenaRequest wanted(const Options& options);
};

}  // namespace shoal
