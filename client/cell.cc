// Implements the parts of <shoal/cell.h> and <shoal/array.h> that are not in the headers: where the
// bytes are, and cells of more than a word, which are memory/cell.h's.
#include "shoal/cell.h"

#include <cstddef>

#include "client/arena_reference.h"
#include "memory/cell.h"
#include "schemas/text.h"
#include "shoal/array.h"

namespace shoal::internal {

using memory::Deadline;
using memory::Result;

namespace {

// For another writer's claim.
absl::Duration op_timeout(const Reference* reference) {
  return reference == nullptr ? absl::ZeroDuration() : reference->session->options().op_timeout;
}

}  // namespace

static_assert(offsetof(memory::Descriptor, value) - offsetof(memory::Descriptor, id) ==
              Place::kValueBehindId);

Place Place::of(const Reference& reference) {
  const ArenaReference& object = *object_of(&reference);
  const memory::ObjectView& view = object.view;
  // A word of the mapping, as the header's inlined code sees it.
  const auto* const id = reinterpret_cast<const std::uint64_t*>(&view.descriptor->id);
  const bool in_word = view.kind == memory::ObjectKind::kCell && memory::is_one_word(view.count);
  Place place;
  place.id_now = id;
  if (object.access == Access::kReadWrite) place.id_now_to_write = id;
  place.id = view.id;
  place.bytes = in_word ? reinterpret_cast<std::byte*>(&view.descriptor->value) : view.bytes;
  place.size = view.kind == memory::ObjectKind::kCell ? view.count : view.size;
  return place;
}

absl::Status refusal(const Reference* reference) {
  const ArenaReference* const object = object_of(reference);
  if (object == nullptr) return is_closed();
  const bool read_only = object->access == Access::kReadOnly && !object->view.is_stale();
  return read_only ? is_read_only(*object) : failure(Result::kStale, *object);
}

absl::Status no_such_element(const Reference& reference, std::ptrdiff_t index, std::size_t size) {
  return protocol::error(absl::StatusCode::kOutOfRange, named(reference), " has no element ", index,
                         "; it has ", size, " of them");
}

absl::Status load_cell(const Reference* reference, std::span<std::byte> value) {
  return look_at(reference, [&](const ArenaReference& object) {
    return memory::load_cell(object.view, object.op_timeout_ns, value);
  });
}

absl::Status store_cell(const Reference* reference, std::span<const std::byte> value) {
  return wait_on(reference, op_timeout(reference),
                 [&](const ArenaReference& object, ThreadEntry& thread, Deadline deadline) {
                   return memory::store_cell(object.view, thread.caller, deadline, value);
                 });
}

absl::StatusOr<bool> exchange_cell(const Reference* reference, std::span<std::byte> expected,
                                   std::span<const std::byte> desired) {
  bool done = true;
  absl::Status status =
      wait_on(reference, op_timeout(reference),
              [&](const ArenaReference& object, ThreadEntry& thread, Deadline deadline) {
                const Result result =
                    memory::exchange_cell(object.view, thread.caller, deadline, expected, desired);
                done = result == Result::kDone;
                return result == Result::kDiffers ? Result::kDone : result;
              });
  if (!status.ok()) return status;
  return done;
}

absl::Status wait_for_cell(const Reference* reference, std::span<const std::byte> old,
                           absl::Duration timeout) {
  const ArenaReference* const cell = object_of(reference);
  if (cell != nullptr && cell->access == Access::kReadOnly) {
    return look_at(reference, [&](const ArenaReference& object) {
      const auto wait = [&](Deadline deadline) {
        return memory::poll_for_change(object.view, deadline, old);
      };
      const Result result = wait(0);
      return result == Result::kTimedOut ? wait_longer(object, timeout, wait) : result;
    });
  }
  return wait_on(reference, timeout,
                 [&](const ArenaReference& object, ThreadEntry& thread, Deadline deadline) {
                   return memory::wait_for_change(object.view, thread.caller, deadline, old);
                 });
}

absl::Status notify_cell(const Reference* reference) {
  return call_on(reference, [](const ArenaReference& object, ThreadEntry& thread) {
    return memory::notify_cell(object.view, thread.caller);
  });
}

}  // namespace shoal::internal
