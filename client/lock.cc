// Implements <shoal/lock.h>. The words are memory/lock.h's and memory/shared_lock.h's.
#include "shoal/lock.h"

#include "client/lock_calls.h"
#include "memory/shared_lock.h"

namespace shoal {

using internal::acquire_recursive;
using internal::acquire_within;
using internal::ArenaReference;
using internal::give_back;
using internal::lock_or_throw;
using internal::look_or;
using internal::release_recursive;
using internal::SharedReference;
using internal::ThreadEntry;
using internal::throw_status;
using internal::try_or_throw;
using internal::unlock_quietly;
using memory::Acquisition;
using memory::Deadline;
using memory::ObjectView;
using memory::Result;

namespace internal {

bool acquired_or_throw(const absl::StatusOr<Acquired>& acquired) {
  if (acquired.ok()) return true;
  if (!absl::IsDeadlineExceeded(acquired.status())) throw_status(acquired.status());
  return false;
}

RLock lock_of(const SharedReference& reference) { return RLock(reference); }

std::uint32_t depth_of(const SharedReference& reference) {
  const ArenaReference* const object = object_of(reference);
  const ThreadEntry* const thread = object == nullptr ? nullptr : thread_in(object->writer);
  // Who has no number here yet holds nothing; who was not found at once may have one.
  if (object == nullptr || object->view.is_stale()) return 0;
  const ThreadEntry* const found = thread != nullptr ? thread : find_thread_entry(object->writer);
  if (found == nullptr || !memory::holds(*object->view.descriptor, found->caller)) return 0;
  return object->view.descriptor->depth.load(std::memory_order_relaxed);
}

absl::StatusOr<bool> is_abandoned(const SharedReference& reference) {
  bool abandoned = false;
  absl::Status status = look_at(reference, [&](const ArenaReference& object) {
    abandoned = object.view.descriptor->abandoned.load() != 0;
    return Result::kDone;
  });
  if (!status.ok()) return status;
  return abandoned;
}

absl::Status make_consistent(const SharedReference& reference) {
  return call_on(reference, [](const ArenaReference& object, ThreadEntry& thread) {
    return memory::mark_consistent(object.view, thread.caller);
  });
}

bool is_locked(const SharedReference& reference) {
  return look_or(reference, false,
                 [](const ObjectView& view) { return memory::is_held(*view.descriptor); });
}

}  // namespace internal

namespace {

inline Result acquire_lock(const ArenaReference& object, ThreadEntry& thread, Deadline deadline,
                           Acquisition* acquisition) {
  return memory::acquire(object.view, thread.caller, deadline, acquisition);
}
inline Result release_lock(const ArenaReference& object, ThreadEntry& thread) {
  return memory::release(object.view, thread.caller);
}
inline Result acquire_to_write(const ArenaReference& object, ThreadEntry& thread, Deadline deadline,
                               Acquisition* acquisition) {
  return memory::acquire_exclusive(object.view, thread.caller, deadline, acquisition);
}
inline Result release_writer(const ArenaReference& object, ThreadEntry& thread) {
  return memory::release_exclusive(object.view, thread.caller);
}
inline Result acquire_to_read(const ArenaReference& object, ThreadEntry& thread, Deadline deadline,
                              Acquisition* acquisition) {
  return memory::acquire_shared(object.view, thread.caller, deadline, acquisition);
}
inline Result release_reader(const ArenaReference& object, ThreadEntry& thread) {
  return memory::release_shared(object.view, thread.caller);
}

}  // namespace

// ---- Lock ----

internal::ArenaRequest Lock::wanted(const Options& options) {
  return {.kind = Kind::kLock,
          .flags = options.release_by == ReleaseBy::kAnyone ? memory::kFlagReleaseByAnyone
                                                            : std::uint16_t{0},
          .lifetime = options.lifetime,
          .access = options.access,
          .unknown_option = options.release_by > ReleaseBy::kAnyone ? "release_by" : ""};
}

void Lock::lock() const { lock_or_throw<acquire_lock>(reference_); }
bool Lock::try_lock() const { return try_or_throw<acquire_lock>(reference_); }
void Lock::unlock() const noexcept { unlock_quietly<release_lock>(reference_); }
absl::StatusOr<Acquired> Lock::acquire(absl::Duration timeout) const {
  return acquire_within<acquire_lock>(reference_, timeout);
}
absl::Status Lock::release() const { return give_back<release_lock>(reference_); }
bool Lock::locked() const { return internal::is_locked(reference_); }
absl::StatusOr<bool> Lock::abandoned() const { return internal::is_abandoned(reference_); }
absl::Status Lock::mark_consistent() const { return internal::make_consistent(reference_); }

// ---- RLock ----

internal::ArenaRequest RLock::wanted(const Options& options) {
  return {.kind = Kind::kRLock, .lifetime = options.lifetime, .access = options.access};
}

void RLock::lock() const { lock_or_throw<acquire_recursive>(reference_); }
bool RLock::try_lock() const { return try_or_throw<acquire_recursive>(reference_); }
void RLock::unlock() const noexcept { unlock_quietly<release_recursive>(reference_); }
absl::StatusOr<Acquired> RLock::acquire(absl::Duration timeout) const {
  return acquire_within<acquire_recursive>(reference_, timeout);
}
absl::Status RLock::release() const { return give_back<release_recursive>(reference_); }
bool RLock::locked() const { return internal::is_locked(reference_); }
std::uint32_t RLock::depth() const { return internal::depth_of(reference_); }
absl::StatusOr<bool> RLock::abandoned() const { return internal::is_abandoned(reference_); }
absl::Status RLock::mark_consistent() const { return internal::make_consistent(reference_); }

// ---- SharedLock ----

internal::ArenaRequest SharedLock::wanted(const Options& options) {
  return {.kind = Kind::kSharedLock,
          .parameter = options.readers,
          .lifetime = options.lifetime,
          .access = options.access};
}

void SharedLock::lock() const { lock_or_throw<acquire_to_write>(reference_); }
bool SharedLock::try_lock() const { return try_or_throw<acquire_to_write>(reference_); }
void SharedLock::unlock() const noexcept { unlock_quietly<release_writer>(reference_); }
absl::StatusOr<Acquired> SharedLock::acquire(absl::Duration timeout) const {
  return acquire_within<acquire_to_write>(reference_, timeout);
}
absl::Status SharedLock::release() const { return give_back<release_writer>(reference_); }

void SharedLock::lock_shared() const { lock_or_throw<acquire_to_read>(reference_); }
bool SharedLock::try_lock_shared() const { return try_or_throw<acquire_to_read>(reference_); }
void SharedLock::unlock_shared() const noexcept { unlock_quietly<release_reader>(reference_); }
absl::StatusOr<Acquired> SharedLock::acquire_shared(absl::Duration timeout) const {
  return acquire_within<acquire_to_read>(reference_, timeout);
}
absl::Status SharedLock::release_shared() const { return give_back<release_reader>(reference_); }

bool SharedLock::locked() const { return internal::is_locked(reference_); }
std::uint32_t SharedLock::readers() const {
  return look_or(reference_, std::uint32_t{0}, memory::sharers);
}
absl::StatusOr<bool> SharedLock::abandoned() const { return internal::is_abandoned(reference_); }
absl::Status SharedLock::mark_consistent() const { return internal::make_consistent(reference_); }

}  // namespace shoal
