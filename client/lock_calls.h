// What the locks have in common: each call is a template over the words' algorithm, which is
// inlined into it.
#pragma once

#include <memory>

#include "client/arena_reference.h"
#include "memory/lock.h"
#include "shoal/lock.h"

namespace shoal::internal {

using SharedReference = std::shared_ptr<Reference>;
using AcquireWord = memory::Result (*)(const ArenaReference&, ThreadEntry&, memory::Deadline,
                                       memory::Acquisition*);
using ReleaseWord = memory::Result (*)(const ArenaReference&, ThreadEntry&);

template <AcquireWord acquire_word>
inline void lock_or_throw(const SharedReference& reference) {
  const absl::Status status =
      call_on(reference, [](const ArenaReference& object, ThreadEntry& thread) {
        memory::Acquisition ignored;
        return acquire_word(object, thread, memory::kForever, &ignored);
      });
  if (!status.ok()) [[unlikely]]
    throw_status(status);
}

template <AcquireWord acquire_word>
inline absl::StatusOr<Acquired> acquire_within(const SharedReference& reference,
                                               absl::Duration timeout) {
  memory::Acquisition had;
  absl::Status status =
      wait_on(reference, timeout,
              [&](const ArenaReference& object, ThreadEntry& thread, memory::Deadline deadline) {
                return acquire_word(object, thread, deadline, &had);
              });
  if (!status.ok()) [[unlikely]]
    return status;
  return Acquired{.token = had.token, .abandoned = had.abandoned};
}

template <AcquireWord acquire_word>
inline bool try_or_throw(const SharedReference& reference) {
  absl::Status error;
  const bool had =
      try_on(reference, &error,
             [](const ArenaReference& object, ThreadEntry& thread, memory::Deadline deadline) {
               memory::Acquisition ignored;
               return acquire_word(object, thread, deadline, &ignored);
             });
  if (!error.ok()) [[unlikely]]
    throw_status(error);
  return had;
}

template <ReleaseWord release_word>
inline absl::Status give_back(const SharedReference& reference) {
  return call_on(reference, [](const ArenaReference& object, ThreadEntry& thread) {
    return release_word(object, thread);
  });
}

// As the standard demands, it does not throw: a guard's destructor calls it, perhaps after the
// manager has shut down, or in a forked child, which does not hold what its parent held.
template <ReleaseWord release_word>
inline void unlock_quietly(const SharedReference& reference) noexcept {
  (void)give_back<release_word>(reference);
}

// ---- recursive locks: of RLock, Condition, Cell and Array ----

inline memory::Result acquire_recursive(const ArenaReference& object, ThreadEntry& thread,
                                        memory::Deadline deadline,
                                        memory::Acquisition* acquisition) {
  const memory::Result result =
      memory::acquire_recursive(object.view, thread.caller, deadline, acquisition);
  if (result == memory::Result::kDone &&
      object.view.descriptor->depth.load(std::memory_order_relaxed) == 1) {
    ++thread.held;
  }
  return result;
}

inline memory::Result release_recursive(const ArenaReference& object, ThreadEntry& thread) {
  const bool last = object.view.descriptor->depth.load(std::memory_order_relaxed) == 1;
  const memory::Result result = memory::release_recursive(object.view, thread.caller);
  if (result == memory::Result::kDone && last && thread.held > 0) --thread.held;
  return result;
}

// 0: the calling thread does not hold it.
std::uint32_t depth_of(const SharedReference& reference);

// ---- of any lock ----

absl::StatusOr<bool> is_abandoned(const SharedReference& reference);
absl::Status make_consistent(const SharedReference& reference);
bool is_locked(const SharedReference& reference);

}  // namespace shoal::internal
