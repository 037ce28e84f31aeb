// A barrier between processes: a fixed number of threads wait for each other, again and again.
//
//   auto round = client->open_or_create<shoal::Barrier>("round", {.parties = 4});
//   absl::StatusOr<std::size_t> place = round->wait(absl::Seconds(10));
//
// Death: when a process that has taken part (has waited once and is still attached) dies, or its
// wait times out, the barrier breaks: everybody who waits, now or later, gets ABORTED until
// reset().
//
// Errors beside those of arena_object.h: wait: ABORTED: the barrier is broken, or was reset while
// this thread waited; DEADLINE_EXCEEDED, which breaks it for all; RESOURCE_EXHAUSTED: more
// processes take part than it has parties, and than 64. create: INVALID_ARGUMENT without parties.
// Thread and fork safety, ownership, waiting: arena_object.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "shoal/arena_object.h"
#include "shoal/export.h"
#include "shoal/object.h"

namespace shoal {

struct BarrierOptions {
  std::uint32_t parties = 0;  // threads that wait for each other, 1 to 65535: must be given
  Lifetime lifetime = Lifetime::kNamed;
  Access access = Access::kReadWrite;  // open_or_create: how to open an existing object
};

class SHOAL_EXPORT Barrier : public internal::ArenaKind<Barrier> {
 public:
  using Options = BarrierOptions;

  Barrier() = default;  // closed

  // Waits until all parties do. Which one this was: 0, the first, to parties - 1, the last. The
  // last to arrive runs its `action` before the others go on; one that throws breaks the barrier,
  // and is passed on.
  [[nodiscard]] absl::StatusOr<std::size_t> wait(absl::Duration timeout = absl::InfiniteDuration(),
                                                 const std::function<void()>& action = {}) const;
  // Breaks the barrier.
  absl::Status abort() const;
  // Whole and empty again; those who wait get ABORTED.
  absl::Status reset() const;

  [[nodiscard]] std::uint32_t parties() const;    // 0 once closed
  [[nodiscard]] std::uint32_t n_waiting() const;  // 0 while it is broken
  [[nodiscard]] bool broken() const;

 private:
  friend class internal::ArenaKind<Barrier>;
  using ArenaKind::ArenaKind;
  static internal::ArenaRequest wanted(const Options& options);
};

}  // namespace shoal
