// See arenas.h.
#include "daemon/arenas.h"

#include "schemas/names.h"
#include "schemas/text.h"

namespace shoal::daemon {
namespace {

using protocol::error;
using protocol::printable;

absl::Status check_mode(mode_t mode) {
  if ((mode & ~mode_t{0666}) == 0) return absl::OkStatus();
  return error(absl::StatusCode::kInvalidArgument,
               "mode has bits other than rw for owner, group and others (at most 0666)");
}

absl::Status no_such_arena(std::string_view name) {
  return error(absl::StatusCode::kNotFound, "no arena \"", printable(name),
               "\"; shoalctl arena ls lists those you may use, shoalctl arena create makes one");
}

}  // namespace

absl::StatusOr<Index> Arenas::create(const New& arena, std::int64_t now_ns) {
  if (absl::Status status = protocol::check_name("arena", arena.name); !status.ok()) return status;
  if (absl::Status status = check_mode(arena.mode); !status.ok()) return status;
  if (find(arena.name) != 0) {
    return error(absl::StatusCode::kAlreadyExists, "arena \"", arena.name, "\" exists");
  }
  const Index index = catalog_.arenas.take();
  if (index == 0) {
    return error(absl::StatusCode::kResourceExhausted, "there are ", catalog_.arenas.capacity(),
                 " arenas, the limit \"arenas\"; remove one (shoalctl arena rm)");
  }
  ArenaRecord& record = catalog_.arenas[index];
  ++record.generation;
  record.owner_uid = arena.owner_uid;
  record.owner_gid = arena.owner_gid;
  record.quota_bytes = arena.quota_bytes;
  record.created_ns = now_ns;
  record.mode = arena.mode;
  record.name.set(arena.name);
  catalog_.arenas.publish(index);
  by_name_[record.name.view()] = index;
  return index;
}

Index Arenas::find(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? 0 : found->second;
}

Rights Arenas::rights(Index arena, const Identity& who) const {
  if (is_administrator(who)) return {.read = true, .write = true};
  const ArenaRecord& record = catalog_.arenas[arena];
  // Several uids without a mapping look the same: none of them owns anything.
  const bool somebody = who.uid != kOverflowUid;
  mode_t bits = record.mode & 7;
  if (somebody && who.uid == record.owner_uid) {
    bits = record.mode >> 6 & 7;
  } else if (somebody && who.in_group(record.owner_gid)) {
    bits = record.mode >> 3 & 7;
  }
  return {.read = (bits & 4) != 0, .write = (bits & 2) != 0};
}

absl::StatusOr<Index> Arenas::visible(std::string_view name, const Identity& who) const {
  const Index index = find(name);
  if (index == 0) return no_such_arena(name);
  const Rights rights = this->rights(index, who);
  if (!rights.read && !rights.write) return no_such_arena(name);
  return index;
}

absl::StatusOr<Index> Arenas::owned(std::string_view name, const Identity& who) const {
  const Index index = find(name);
  if (index == 0) return no_such_arena(name);
  const ArenaRecord& record = catalog_.arenas[index];
  const bool owner = who.uid != kOverflowUid && who.uid == record.owner_uid;
  // An owner who took his own rights away can give them back, as with files.
  if (owner || is_administrator(who)) return index;
  if (auto seen = visible(name, who); !seen.ok()) return seen;
  return error(absl::StatusCode::kPermissionDenied, "arena \"", name, "\" belongs to uid ",
               record.owner_uid, "; only that uid, root and the manager's uid may do this");
}

absl::Status Arenas::change_mode(std::string_view name, mode_t mode, const Identity& who) {
  if (absl::Status status = check_mode(mode); !status.ok()) return status;
  const absl::StatusOr<Index> index = owned(name, who);
  if (!index.ok()) return index.status();
  catalog_.arenas[*index].mode = mode;
  return absl::OkStatus();
}

absl::Status Arenas::change_quota(std::string_view name, std::uint64_t bytes, const Identity& who) {
  const absl::StatusOr<Index> index = visible(name, who);
  if (!index.ok()) return index.status();
  if (!is_administrator(who)) {
    return error(absl::StatusCode::kPermissionDenied, "quota of arena \"", name,
                 "\": only root and the manager's uid may change it");
  }
  if (bytes == 0) {
    return error(absl::StatusCode::kInvalidArgument, "quota of arena \"", name,
                 "\" must be at least 1 byte; use shoalctl arena chmod to keep writers out");
  }
  catalog_.arenas[*index].quota_bytes = bytes;
  return absl::OkStatus();
}

absl::Status Arenas::remove(std::string_view name, const Identity& who) {
  const absl::StatusOr<Index> index = owned(name, who);
  if (!index.ok()) return index.status();
  if (name == kDefaultArena) {
    return error(absl::StatusCode::kFailedPrecondition, "arena \"", name, "\" always exists");
  }
  const Accounts::ArenaUse use = accounts_.arena(*index);
  if (use.objects != 0 || use.sessions != 0) {
    return error(absl::StatusCode::kFailedPrecondition, "arena \"", name, "\" has ", use.objects,
                 " objects and ", use.sessions,
                 " sessions; unlink the objects and end the sessions first (shoalctl ls, "
                 "shoalctl clients)");
  }
  by_name_.erase(catalog_.arenas[*index].name.view());
  catalog_.arenas.free(*index);
  return absl::OkStatus();
}

}  // namespace shoal::daemon
