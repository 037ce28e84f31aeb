// See held_references.h.
#include "client/held_references.h"

#include "client/arena_reference.h"
#include "client/fork.h"
#include "client/session.h"
#include "memory/containers.h"
#include "memory/value_references.h"
#include "schemas/text.h"

namespace shoal::internal {
namespace {

using protocol::error;

absl::Status refused(std::uint64_t id, const ArenaReference& container, Session::Hold hold) {
  if (hold == Session::Hold::kSegment) {
    return error(absl::StatusCode::kInvalidArgument, named(container), ": object ", id,
                 " is a segment of its own; values refer to objects in the memory of their arena. "
                 "Nothing was changed");
  }
  if (LiveSessions::get().is_held_elsewhere(id, container.session->options().arena)) {
    return error(absl::StatusCode::kInvalidArgument, named(container), ": object ", id,
                 " is of another arena, where no reference leads; create it in this one. Nothing "
                 "was changed");
  }
  return error(absl::StatusCode::kFailedPrecondition, named(container), ": object ", id,
               " is not held by this client; open it first, and keep it open until the reference "
               "is stored. Nothing was changed");
}

}  // namespace

absl::Status HeldReferences::hold_all(const ArenaReference& container, const EncodedValue& value) {
  // A forked child holds nothing before it has a session of its own.
  const absl::StatusOr<std::uint16_t> slot = container.session->slot();
  if (!slot.ok()) return slot.status();
  std::vector<std::uint64_t> ids;
  memory::references_in(value.kind, reinterpret_cast<const std::byte*>(value.bytes.data()),
                        value.bytes.size(), [&](std::uint64_t id) { ids.push_back(id); });
  std::uint64_t missing = 0;
  const Session::Hold hold = container.session->pin(ids, missing);
  if (hold != Session::Hold::kHeld) return refused(missing, container, hold);
  if (!ids_.empty()) let_go();
  session_ = container.session.get();
  epoch_ = fork_epoch();
  ids_ = std::move(ids);
  for (const std::uint64_t id : ids_) memory::note_referred(container.home.arena, id);
  return absl::OkStatus();
}

void HeldReferences::let_go() {
  if (epoch_ == fork_epoch()) session_->unpin(ids_);
  ids_.clear();
}

}  // namespace shoal::internal
