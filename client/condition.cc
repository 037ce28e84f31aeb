// Implements <shoal/condition.h>. The cells are memory/condition.h's, the lock is memory/lock.h's.
#include "shoal/condition.h"

#include "absl/cleanup/cleanup.h"

#include "client/lock_calls.h"
#include "memory/condition.h"

namespace shoal {

using internal::acquire_recursive;
using internal::ArenaReference;
using internal::call_on;
using internal::release_recursive;
using internal::ThreadEntry;
using memory::Deadline;
using memory::Result;

internal::ArenaRequest Condition::wanted(const Options& options) {
  return {.kind = Kind::kCondition,
          .parameter = options.waiters,
          .lifetime = options.lifetime,
          .access = options.access};
}

void Condition::lock() const { internal::lock_or_throw<acquire_recursive>(reference_); }
bool Condition::try_lock() const { return internal::try_or_throw<acquire_recursive>(reference_); }
void Condition::unlock() const noexcept { internal::unlock_quietly<release_recursive>(reference_); }
absl::StatusOr<Acquired> Condition::acquire(absl::Duration timeout) const {
  return internal::acquire_within<acquire_recursive>(reference_, timeout);
}
absl::Status Condition::release() const {
  return internal::give_back<release_recursive>(reference_);
}
bool Condition::locked() const { return internal::is_locked(reference_); }
std::uint32_t Condition::depth() const { return internal::depth_of(reference_); }
absl::StatusOr<bool> Condition::abandoned() const { return internal::is_abandoned(reference_); }
absl::Status Condition::mark_consistent() const { return internal::make_consistent(reference_); }

namespace {

// Takes the cell away; a notification that came for it is another's then.
void hand_on(const ArenaReference& object, ThreadEntry& thread, std::uint32_t cell) {
  if (memory::await_notification(object.view, thread.caller, cell, 0) != Result::kDone) return;
  (void)memory::notify(object.view, thread.caller, 1);
  memory::leave(object.view, thread.caller, cell);
}

// Waits in a cell, without the lock that `unlock` gives back and `lock` takes again. Locks of
// somebody else's may throw.
Result wait_in_cell(const ArenaReference& object, ThreadEntry& thread, absl::Duration timeout,
                    absl::FunctionRef<void()> unlock, absl::FunctionRef<void()> lock) {
  std::uint32_t cell = 0;
  const Result enlisted = memory::enlist(object.view, thread.caller, &cell);
  if (enlisted != Result::kDone) return enlisted;
  absl::Cleanup not_waiting = [&] { hand_on(object, thread, cell); };
  unlock();
  const Result result =
      memory::await_notification(object.view, thread.caller, cell, memory::deadline_after(timeout));
  if (result != Result::kDone) {
    std::move(not_waiting).Cancel();  // the cell is given back already
    lock();
    if (result == Result::kTimedOut) (void)internal::rearm_watch(object);
    return result;
  }
  lock();
  std::move(not_waiting).Cancel();
  memory::leave(object.view, thread.caller, cell);
  return result;
}

}  // namespace

absl::Status Condition::wait(absl::Duration timeout) const {
  return call_on(reference_, [&](const ArenaReference& object, ThreadEntry& thread) -> Result {
    memory::Descriptor& d = *object.view.descriptor;
    if (object.view.is_stale()) return Result::kStale;
    if (!memory::holds(d, thread.caller)) return Result::kNotOwner;
    const std::uint32_t depth = d.depth.load(std::memory_order_relaxed);
    Result relocked = Result::kDone;
    const Result result = wait_in_cell(
        object, thread, timeout,
        [&] {
          d.depth.store(0, std::memory_order_relaxed);
          (void)memory::release(object.view, thread.caller);
        },
        [&] {
          memory::Acquisition ignored;
          relocked = memory::acquire(object.view, thread.caller, memory::kForever, &ignored);
          if (relocked == Result::kDone) d.depth.store(depth, std::memory_order_relaxed);
        });
    return relocked == Result::kDone ? result : relocked;
  });
}

absl::Status Condition::wait_unlocked(absl::FunctionRef<void()> unlock,
                                      absl::FunctionRef<void()> lock,
                                      absl::Duration timeout) const {
  return call_on(reference_, [&](const ArenaReference& object, ThreadEntry& thread) {
    return wait_in_cell(object, thread, timeout, unlock, lock);
  });
}

absl::StatusOr<bool> Condition::wait_for(absl::FunctionRef<bool()> predicate,
                                         absl::Duration timeout) const {
  if (predicate()) return true;
  const Deadline deadline = memory::deadline_after(timeout);
  do {
    const absl::Duration left = deadline == memory::kForever
                                    ? absl::InfiniteDuration()
                                    : absl::Nanoseconds(deadline - memory::monotonic_ns());
    absl::Status status = wait(left);
    if (absl::IsDeadlineExceeded(status)) return predicate();
    if (!status.ok()) return status;
  } while (!predicate());
  return true;
}

absl::StatusOr<std::uint32_t> Condition::notify(std::uint32_t most) const {
  std::uint32_t notified = 0;
  absl::Status status = call_on(reference_, [&](const ArenaReference& object, ThreadEntry& thread) {
    return memory::notify(object.view, thread.caller, most, &notified);
  });
  if (!status.ok()) return status;
  return notified;
}

absl::StatusOr<std::uint32_t> Condition::notify_all() const { return notify(UINT32_MAX); }

std::uint32_t Condition::waiters() const {
  return internal::look_or(reference_, std::uint32_t{0}, memory::waiters);
}

}  // namespace shoal
