// Implements <shoal/semaphore.h>. The cells and the count are memory/semaphore.h's.
#include "shoal/semaphore.h"

#include "client/arena_reference.h"
#include "memory/semaphore.h"

namespace shoal {

using internal::ArenaReference;
using internal::call_on;
using internal::look_at;
using internal::ThreadEntry;
using internal::wait_on;
using memory::Deadline;
using memory::Result;

namespace {

using SharedReference = std::shared_ptr<internal::Reference>;

internal::ArenaRequest request(Kind kind, const SemaphoreOptions& options) {
  return {.kind = kind,
          .parameter = options.permits,
          .flags = options.ownership == Permits::kPlain ? memory::kFlagPlain : std::uint16_t{0},
          .lifetime = options.lifetime,
          .access = options.access,
          .unknown_option = options.ownership > Permits::kPlain ? "ownership" : ""};
}

Result take_permit(const ArenaReference& object, ThreadEntry& thread, Deadline deadline) {
  return memory::acquire_permit(object.view, thread.caller, deadline);
}

absl::Status acquire_one(const SharedReference& reference, absl::Duration timeout) {
  return wait_on(reference, timeout, take_permit);
}

bool try_one(const SharedReference& reference) {
  absl::Status ignored;
  return internal::try_on(reference, &ignored, take_permit);
}

absl::Status release_some(const SharedReference& reference, std::uint32_t permits) {
  if (permits == 0) [[unlikely]] {
    return absl::InvalidArgumentError("a semaphore's release gives back at least one permit");
  }
  return call_on(reference, [=](const ArenaReference& object, ThreadEntry& thread) {
    return memory::release_permits(object.view, thread.caller, permits);
  });
}

absl::StatusOr<std::uint32_t> value_of(const SharedReference& reference) {
  std::uint32_t value = 0;
  absl::Status status = look_at(reference, [&](const ArenaReference& object) {
    value = memory::free_permits(object.view);
    return Result::kDone;
  });
  if (!status.ok()) return status;
  return value;
}

}  // namespace

internal::ArenaRequest Semaphore::wanted(const Options& options) {
  return request(Kind::kSemaphore, options);
}
absl::Status Semaphore::acquire(absl::Duration timeout) const {
  return acquire_one(reference_, timeout);
}
bool Semaphore::try_acquire() const { return try_one(reference_); }
absl::Status Semaphore::release(std::uint32_t permits) const {
  return release_some(reference_, permits);
}
absl::StatusOr<std::uint32_t> Semaphore::value() const { return value_of(reference_); }

internal::ArenaRequest BoundedSemaphore::wanted(const Options& options) {
  return request(Kind::kBoundedSemaphore, options);
}
absl::Status BoundedSemaphore::acquire(absl::Duration timeout) const {
  return acquire_one(reference_, timeout);
}
bool BoundedSemaphore::try_acquire() const { return try_one(reference_); }
absl::Status BoundedSemaphore::release(std::uint32_t permits) const {
  return release_some(reference_, permits);
}
absl::StatusOr<std::uint32_t> BoundedSemaphore::value() const { return value_of(reference_); }

}  // namespace shoal
