// See wire.h.
#include "client/wire.h"

#include "schemas/text.h"

namespace shoal::internal {

absl::Status unknown_option(std::string_view option) {
  return protocol::error(absl::StatusCode::kInvalidArgument, "the option \"", option,
                         "\" has a value that there is not; give one that its type names");
}

absl::Status check_access(Access access) {
  return access > Access::kReadOnly ? unknown_option("access") : absl::OkStatus();
}

absl::Status unexpected() {
  return absl::InternalError("the manager answered something else than was asked");
}

ObjectInfo from_wire(wire::Object::Reader object) {
  return {.id = object.getId(),
          .name = to_string(object.getName()),
          .arena = to_string(object.getArena()),
          .kind = static_cast<Kind>(object.getKind()),
          .size_bytes = object.getSize(),
          .committed_bytes = object.getCommitted(),
          .lifetime = static_cast<Lifetime>(object.getLifetime()),
          .references = object.getReferences(),
          .sessions = object.getSessions(),
          .tokens = object.getTokens(),
          .referred = object.getReferred(),
          .sealable = object.getSealable(),
          .sealed = object.getSealed(),
          .sparse = object.getSparse(),
          .page_size_bytes = object.getPageSize(),
          .numa_node = object.getNumaNode(),
          .created = to_time(object.getCreatedNs()),
          .creator_pid = static_cast<pid_t>(object.getCreatorPid()),
          .creator_uid = object.getCreatorUid(),
          .parameter = object.getParameter(),
          .flags = object.getFlags(),
          .fingerprint = to_string(object.getFingerprint()),
          .element_bytes = object.getElementBytes()};
}

Holder from_wire(wire::Holder::Reader holder) {
  return {.session = holder.getSession(),
          .pid = static_cast<pid_t>(holder.getPid()),
          .uid = holder.getUid(),
          .label = to_string(holder.getLabel()),
          .since = to_time(holder.getSinceNs()),
          .references = holder.getReferences(),
          .access = static_cast<Access>(holder.getAccess()),
          .state = to_string(holder.getState())};
}

ArenaInfo from_wire(wire::Arena::Reader arena) {
  return {.name = to_string(arena.getName()),
          .owner_uid = arena.getOwnerUid(),
          .owner_gid = arena.getOwnerGid(),
          .mode = arena.getMode(),
          .quota_bytes = arena.getQuota(),
          .committed_bytes = arena.getCommitted(),
          .objects = arena.getObjects(),
          .sessions = arena.getSessions(),
          .created = to_time(arena.getCreatedNs()),
          .arena_bytes = arena.getArenaBytes(),
          .container_bytes = arena.getContainers()};
}

}  // namespace shoal::internal
