// Implements <shoal/barrier.h>. The state word is memory/barrier.h's.
#include "shoal/barrier.h"

#include "client/arena_reference.h"
#include "memory/barrier.h"

namespace shoal {

using internal::ArenaReference;
using internal::call_on;
using internal::look_or;
using internal::ThreadEntry;
using memory::Arrival;
using memory::Deadline;
using memory::Result;

internal::ArenaRequest Barrier::wanted(const Options& options) {
  return {.kind = Kind::kBarrier,
          .parameter = options.parties,
          .lifetime = options.lifetime,
          .access = options.access};
}

absl::StatusOr<std::size_t> Barrier::wait(absl::Duration timeout,
                                          const std::function<void()>& action) const {
  Arrival arrival;
  absl::Status status =
      call_on(reference_, [&](const ArenaReference& object, ThreadEntry& thread) -> Result {
        // The last to arrive waits for nobody, and needs no clock.
        Result arrived = memory::arrive(object.view, thread.caller, 0, &arrival);
        if (arrived == Result::kDone && arrival.is_last) return arrived;
        const Deadline deadline = memory::deadline_after(timeout);
        if (arrived == Result::kTimedOut && deadline != 0) {
          arrived = memory::arrive(object.view, thread.caller, deadline, &arrival);
        }
        if (arrived == Result::kTimedOut) {
          (void)memory::break_barrier(object.view, thread.caller);
        }
        if (arrived != Result::kDone || arrival.is_last) return arrived;
        // What happened before it is armed is seen by the wait.
        (void)internal::rearm_watch(object);
        return memory::wait_for_phase(object.view, thread.caller, arrival, deadline);
      });
  if (!status.ok()) return status;
  if (!arrival.is_last) return arrival.index;
  if (action) {
    try {
      action();
    } catch (...) {
      (void)abort();
      throw;
    }
  }
  // Found anew: the action may have done anything, fork included.
  status = call_on(reference_, [&](const ArenaReference& object, ThreadEntry& thread) {
    return memory::end_phase(object.view, thread.caller, arrival);
  });
  if (!status.ok()) return status;
  return arrival.index;
}

absl::Status Barrier::abort() const {
  return call_on(reference_, [](const ArenaReference& object, ThreadEntry& thread) {
    return memory::break_barrier(object.view, thread.caller);
  });
}

absl::Status Barrier::reset() const {
  return call_on(reference_, [](const ArenaReference& object, ThreadEntry& thread) {
    return memory::reset_barrier(object.view, thread.caller);
  });
}

std::uint32_t Barrier::parties() const {
  const ArenaReference* const object = internal::object_of(reference_);
  return object == nullptr ? 0 : object->view.count;
}

std::uint32_t Barrier::n_waiting() const {
  return look_or(reference_, std::uint32_t{0}, memory::arrived);
}

bool Barrier::broken() const { return look_or(reference_, false, memory::is_broken); }

}  // namespace shoal
