// See service.h. Here: what has to do with the memory of arenas.
#include <string>

#include "daemon/kinds.h"
#include "daemon/service.h"
#include "schemas/text.h"

namespace shoal::daemon {

using protocol::error;

absl::Status Service::arena_map(Call& call, wire::Access access) {
  const bool writable = access == wire::Access::READ_WRITE;
  if (absl::Status status = require_right(call, writable); !status.ok()) return status;
  absl::StatusOr<ArenaMemory*> memory =
      parts_.memories.need(parts_.sessions.record(call.peer.slot).arena);
  if (!memory.ok()) return memory.status();
  absl::StatusOr<protocol::UniqueFd> descriptor = (*memory)->descriptor(writable);
  if (!descriptor.ok()) return descriptor.status();
  call.answer.descriptors[0] = *std::move(descriptor);
  auto out = call.reply.initArenaMemory();
  out.setArena((*memory)->id());
  out.setArenaBytes((*memory)->arena_bytes());
  return absl::OkStatus();
}

absl::Status Service::watch(Call& call, std::uint64_t id) {
  const absl::StatusOr<Index> object = held(call, id, /*writable=*/false);
  if (!object.ok()) return object.status();
  const ObjectRecord& record = parts_.objects.record(*object);
  if (!parts_.objects.in_arena(*object)) {
    return error(absl::StatusCode::kFailedPrecondition, kind_name(record.kind), " \"",
                 record.name.view(),
                 "\" does not tell of its changes; locks, events and what else can be waited for "
                 "do");
  }
  absl::StatusOr<protocol::UniqueFd> event =
      parts_.watches.add(call.peer.slot, *object, parts_.arenas.is_administrator(call.peer.who));
  if (!event.ok()) return event.status();
  call.answer.descriptors[0] = *std::move(event);
  call.reply.setDone();
  return absl::OkStatus();
}

absl::Status Service::pin(Call& call, wire::Pin::Reader pin) {
  if (!pin.getOn()) {
    const Index object = parts_.objects.get(pin.getObject());
    if (object != 0) parts_.pins.end(call.peer.slot, object, pin.getBlock());
    return absl::OkStatus();
  }
  const absl::StatusOr<Index> object = held(call, pin.getObject(), /*writable=*/false);
  if (!object.ok()) return object.status();
  const ObjectRecord& record = parts_.objects.record(*object);
  if (!parts_.objects.in_arena(*object) ||
      !memory::is_container(static_cast<memory::ObjectKind>(record.kind))) {
    return error(absl::StatusCode::kFailedPrecondition, kind_name(record.kind), " \"",
                 record.name.view(), "\" has no values to pin; dicts and lists do");
  }
  absl::Status status = parts_.pins.add(call.peer.slot, *object, pin.getBlock());
  if (status.ok()) call.reply.setDone();
  return status;
}

// Anything may be poked; only what the session is attached to is looked at.
void Service::poke(const Call& call, std::uint64_t id) {
  const Index object = parts_.objects.get(id);
  if (object != 0 && parts_.ledger.find(call.peer.slot, object) != 0)
    parts_.watches.tell_all(object);
}

// The session will write the object no more, and with `all` not use it at all: what it still holds
// there is given back.
void Service::end_use(const Call& call, Index object, bool all) {
  const Index slot = call.peer.slot;
  const Index attachment = parts_.ledger.find(slot, object);
  if (attachment == 0) return;
  if (all) {
    parts_.watches.end(slot, object);
    parts_.pins.end_object(slot, object);
  }
  if (!parts_.objects.in_arena(object) || !is_writable(parts_.catalog.attachments[attachment])) {
    return;
  }
  const absl::StatusOr<bool> freed =
      parts_.objects.recover(object, static_cast<std::uint16_t>(slot), /*died=*/false);
  parts_.watches.tell_all(object);
  if (!freed.ok() || !*freed) return;
  const ObjectRecord& record = parts_.objects.record(object);
  parts_.log(Level::kInfo, "object.recovered",
             {{"object", parts_.objects.id(object)},
              {"kind", kind_name(record.kind)},
              {"name", record.named != 0 ? record.name.view() : std::string_view()},
              {"session", parts_.sessions.id(slot)},
              {"pid", parts_.sessions.record(slot).pid}});
}

// One page a reply, since each has a descriptor.
absl::Status Service::waits(Call& call, wire::Page::Reader page) {
  const bool all = parts_.arenas.is_administrator(call.peer.who);
  auto out = call.reply.initWaits();
  for (Index slot = index_of(page.getAfter()) + 1; slot < parts_.catalog.sessions.end(); ++slot) {
    if (!parts_.catalog.sessions.in_use(slot)) continue;
    const SessionRecord& record = parts_.sessions.record(slot);
    const bool visible = parts_.sessions.is_live(slot, record.generation) &&
                         (all || record.uid == call.peer.who.uid);
    if (!visible) continue;
    absl::StatusOr<protocol::UniqueFd> descriptor =
        reopen(parts_.sessions.page(slot), /*writable=*/false);
    if (!descriptor.ok()) return descriptor.status();
    call.answer.descriptors[0] = *std::move(descriptor);
    out.setSession(parts_.sessions.id(slot));
    out.setPid(record.pid);
    out.setUid(record.uid);
    out.setLabel(std::string(parts_.sessions.label(slot)).c_str());
    out.setArena(std::string(parts_.catalog.arenas[record.arena].name.view()).c_str());
    return absl::OkStatus();
  }
  return absl::OkStatus();
}

}  // namespace shoal::daemon
