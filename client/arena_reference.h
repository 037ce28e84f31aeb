// A reference to an object that lives in the memory of its arena, and the way into it that every
// proxy takes. One call: a look at the thread (threads.h), the algorithm of memory/ inlined, and
// done. No Status with a message is made, nothing allocated, no system call, unless something is
// out of the ordinary.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "client/arena_mapping.h"
#include "client/reference.h"
#include "client/session.h"
#include "client/threads.h"
#include "memory/arena.h"
#include "memory/containers.h"
#include "memory/dict.h"
#include "memory/futex.h"
#include "memory/list_container.h"
#include "memory/object.h"

namespace shoal::internal {

// Matches no entry of any thread.
inline constexpr std::uint64_t kNoSession = UINT64_MAX;

class ArenaReference final : public Reference {
 public:
  using Reference::Reference;

  // Looks through what the manager said, and makes the view of it.
  absl::Status bind(std::shared_ptr<ArenaMapping> in);

  memory::ObjectView view;
  // The session's number, for who may write; else kNoSession, so that a call that would write
  // finds no thread and is refused where that is looked into.
  std::uint64_t writer = kNoSession;
  std::int64_t op_timeout_ns = 0;
  std::uint64_t parameter = 0;
  std::uint64_t block = 0;
  std::uint16_t flags = 0;
  std::uint32_t element_bytes = 0;
  memory::ContainerHome home;  // where blocks are; without an allocator for who may not write
  // Of a container.
  std::unique_ptr<memory::Dict> dict;  // of a Dict, a TypedDict or a Namespace
  memory::ListObject list;             // of a List

 private:
  void bind_container();

  std::shared_ptr<ArenaMapping> arena_;
  std::optional<memory::ArenaMemory> allocator_;  // for who may write
};

// Null: the proxy is closed.
inline const ArenaReference* object_of(const Reference* reference) {
  return static_cast<const ArenaReference*>(reference);
}
inline const ArenaReference* object_of(const std::shared_ptr<Reference>& reference) {
  return object_of(reference.get());
}

// ---- out of the ordinary ----

// The calling thread in the object's session, where `thread_in` did not find it.
// FAILED_PRECONDITION for a closed proxy (null), PERMISSION_DENIED for a read-only one.
absl::StatusOr<ThreadEntry*> enter(const ArenaReference* object);

// How long a call waits for another process's lock.
inline const std::int64_t& op_timeout_ns(const ArenaReference& object) {
  return object.op_timeout_ns;
}

absl::Status is_closed();
absl::Status is_read_only(const ArenaReference& object);

// What became of a call, as the caller is told: every Result but kDone.
absl::Status failure(memory::Result result, const ArenaReference& object);

[[noreturn]] void throw_status(const absl::Status& status);

// A call has to wait: drains the object's poll_fd and arms it again. False: it has none.
bool rearm_watch(const ArenaReference& object);

// A try has failed: waits by `operation` if there is time to; if there is none, arms the object's
// poll_fd, if it has one, and tries once more.
memory::Result wait_longer(const ArenaReference& object, absl::Duration timeout,
                           absl::FunctionRef<memory::Result(memory::Deadline)> operation);

// ---- calls ----

template <typename Operation>
[[gnu::noinline, gnu::cold]] absl::Status call_entering(const ArenaReference* object,
                                                        Operation& operation) {
  absl::StatusOr<ThreadEntry*> thread = enter(object);
  if (!thread.ok()) return thread.status();
  memory::Caller::count((*thread)->caller.record->operations);
  const memory::Result result = operation(*object, **thread);
  return result == memory::Result::kDone ? absl::OkStatus() : failure(result, *object);
}

// `reference`: a proxy's, or a pointer to it. `operation(object, thread)` gives a memory::Result.
template <typename Handle, typename Operation>
inline absl::Status call_on(const Handle& reference, Operation operation) {
  const ArenaReference* const object = object_of(reference);
  ThreadEntry* const thread = object == nullptr ? nullptr : thread_in(object->writer);
  if (thread == nullptr) [[unlikely]]
    return call_entering(object, operation);
  memory::Caller::count(thread->caller.record->operations);
  const memory::Result result = operation(*object, *thread);
  if (result == memory::Result::kDone) [[likely]]
    return absl::OkStatus();
  return failure(result, *object);
}

// `operation(object, thread, deadline)` gives a memory::Result. The clock is asked only after the
// first try.
template <typename Handle, typename Operation>
inline absl::Status wait_on(const Handle& reference, absl::Duration timeout, Operation operation) {
  return call_on(reference, [&](const ArenaReference& object, ThreadEntry& thread) {
    const memory::Result result = operation(object, thread, memory::Deadline{0});
    if (result != memory::Result::kTimedOut) [[likely]]
      return result;
    return wait_longer(object, timeout, [&](memory::Deadline deadline) {
      return operation(object, thread, deadline);
    });
  });
}

// As wait_on, without any waiting: whether the try succeeded. A failed one makes no Status:
// programs try again and again. `error`: anything but a try that failed.
template <typename Handle, typename Operation>
inline bool try_on(const Handle& reference, absl::Status* error, Operation operation) {
  bool had = true;
  *error = call_on(reference, [&](const ArenaReference& object, ThreadEntry& thread) {
    const auto attempt = [&](memory::Deadline deadline) {
      return operation(object, thread, deadline);
    };
    memory::Result result = attempt(0);
    if (result == memory::Result::kTimedOut) [[unlikely]]
      result = wait_longer(object, absl::ZeroDuration(), attempt);
    had = result != memory::Result::kTimedOut;
    return had ? result : memory::Result::kDone;
  });
  return had && error->ok();
}

// `look(object)` gives a memory::Result and writes nothing, so a read-only proxy will do.
template <typename Handle, typename Look>
inline absl::Status look_at(const Handle& reference, Look look) {
  const ArenaReference* const object = object_of(reference);
  if (object == nullptr) [[unlikely]]
    return is_closed();
  const memory::Result result = object->view.is_stale() ? memory::Result::kStale : look(*object);
  if (result == memory::Result::kDone) [[likely]]
    return absl::OkStatus();
  return failure(result, *object);
}

// A number or truth about the object; `nothing` once closed.
template <typename Handle, typename T, typename Look>
inline T look_or(const Handle& reference, T nothing, Look look) {
  const ArenaReference* const object = object_of(reference);
  return object == nullptr || object->view.is_stale() ? nothing : look(object->view);
}

}  // namespace shoal::internal
