// Implements <shoal/event.h>. The word is memory/event.h's.
#include "shoal/event.h"

#include "client/arena_reference.h"
#include "memory/event.h"

namespace shoal {

using internal::ArenaReference;
using internal::call_on;
using internal::ThreadEntry;
using memory::Deadline;
using memory::Result;

internal::ArenaRequest Event::wanted(const Options& options) {
  return {.kind = Kind::kEvent, .lifetime = options.lifetime, .access = options.access};
}

absl::Status Event::set() const {
  return call_on(reference_, [](const ArenaReference& object, ThreadEntry& thread) {
    return memory::set_event(object.view, thread.caller);
  });
}

absl::Status Event::clear() const {
  return call_on(reference_, [](const ArenaReference& object, ThreadEntry&) {
    return memory::clear_event(object.view);
  });
}

bool Event::is_set() const { return internal::look_or(reference_, false, memory::event_is_set); }

absl::Status Event::wait(absl::Duration timeout) const {
  const ArenaReference* const event = internal::object_of(reference_);
  if (event != nullptr && event->access == Access::kReadOnly) {
    return internal::look_at(reference_, [&](const ArenaReference& object) {
      const auto wait = [&](Deadline deadline) {
        return memory::poll_for_event(object.view, deadline);
      };
      const Result result = wait(0);
      return result == Result::kTimedOut ? internal::wait_longer(object, timeout, wait) : result;
    });
  }
  return internal::wait_on(
      reference_, timeout,
      [](const ArenaReference& object, ThreadEntry& thread, Deadline deadline) {
        return memory::wait_for_event(object.view, thread.caller, deadline);
      });
}

}  // namespace shoal
