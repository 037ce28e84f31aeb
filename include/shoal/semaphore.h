// Semaphores between processes.
//
//   auto slots = client->open_or_create<shoal::Semaphore>("slots", {.permits = 4});
//   if (slots->acquire(absl::Seconds(1)).ok()) { work(); (void)slots->release(); }
//
// Permits::kOwned (the default): a permit is a resource. A process that dies, or gives its last
// reference back, returns what it has; only a process that has permits can release them. There are
// never more than the semaphore was created with. Threads of one process share what it has.
// Permits::kPlain: a permit is a signal, as in Python: anybody may release, and the count may grow
// beyond what it began with (up to 2^31 - 1). One that a process took and died with is gone. It may
// begin at 0.
// BoundedSemaphore differs for plain permits: it refuses to grow beyond what it began with.
//
// Errors beside those of arena_object.h: acquire: DEADLINE_EXCEEDED. release: all or nothing;
// FAILED_PRECONDITION: more than the process has (owned; if other threads of it release or acquire
// at the same moment, some may be released), or than a BoundedSemaphore has room for;
// RESOURCE_EXHAUSTED: more than 2^31 - 1.
// Thread and fork safety, ownership, waiting: arena_object.h.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "shoal/arena_object.h"
#include "shoal/export.h"
#include "shoal/object.h"

namespace shoal {

enum class Permits : std::uint8_t { kOwned, kPlain };

struct SemaphoreOptions {
  std::uint32_t permits = 1;  // owned: 1 to 2^20; plain: how many there are at first
  Permits ownership = Permits::kOwned;
  Lifetime lifetime = Lifetime::kNamed;
  Access access = Access::kReadWrite;  // open_or_create: how to open an existing object
};

class SHOAL_EXPORT Semaphore : public internal::ArenaKind<Semaphore> {
 public:
  using Options = SemaphoreOptions;

  Semaphore() = default;  // closed

  // Takes one permit.
  [[nodiscard]] absl::Status acquire(absl::Duration timeout = absl::InfiniteDuration()) const;
  // False: none is free, or any error that acquire(absl::ZeroDuration()) would tell.
  [[nodiscard]] bool try_acquire() const;
  absl::Status release(std::uint32_t permits = 1) const;
  // Permits that are free.
  [[nodiscard]] absl::StatusOr<std::uint32_t> value() const;

 private:
  friend class internal::ArenaKind<Semaphore>;
  using ArenaKind::ArenaKind;
  static internal::ArenaRequest wanted(const Options& options);
};

class SHOAL_EXPORT BoundedSemaphore : public internal::ArenaKind<BoundedSemaphore> {
 public:
  using Options = SemaphoreOptions;

  BoundedSemaphore() = default;  // closed

  // As Semaphore's.
  [[nodiscard]] absl::Status acquire(absl::Duration timeout = absl::InfiniteDuration()) const;
  [[nodiscard]] bool try_acquire() const;
  absl::Status release(std::uint32_t permits = 1) const;
  [[nodiscard]] absl::StatusOr<std::uint32_t> value() const;

 private:
  friend class internal::ArenaKind<BoundedSemaphore>;
  using ArenaKind::ArenaKind;
  static internal::ArenaRequest wanted(const Options& options);
};

}  // namespace shoal
