// See accounts.h.
#include "daemon/accounts.h"

#include "schemas/limits.h"
#include "schemas/names.h"
#include "schemas/text.h"

namespace shoal::daemon {

using protocol::error;

Accounts::ArenaUse& Accounts::arena_use(Index arena) {
  if (arena >= arenas_.size()) arenas_.resize(arena + 1);
  return arenas_[arena];
}

Accounts::ArenaUse Accounts::arena(Index arena) const {
  return arena < arenas_.size() ? arenas_[arena] : ArenaUse{};
}

Accounts::User Accounts::user(uid_t uid) const {
  const auto found = users_.find(uid);
  return found == users_.end() ? User{} : found->second;
}

absl::Status Accounts::charge_object(Index arena, uid_t uid, std::uint64_t bytes, Home home) {
  const ArenaRecord& record = catalog_.arenas[arena];
  ArenaUse& use = arena_use(arena);
  const auto left = [](std::uint64_t limit, std::uint64_t used) {
    return limit > used ? limit - used : 0;
  };
  if (use.objects >= protocol::kObjectsPerArenaMax) {
    return error(absl::StatusCode::kResourceExhausted, "arena \"", record.name.view(), "\" has ",
                 use.objects, " objects, the limit \"objects per arena\"");
  }
  if (bytes > left(record.quota_bytes, use.committed_bytes)) {
    return error(absl::StatusCode::kResourceExhausted, "arena \"", record.name.view(),
                 "\": quota of ", record.quota_bytes, " bytes, ", use.committed_bytes,
                 " committed, ", bytes,
                 " more asked for; unlink what is not needed or raise the quota (shoalctl df, "
                 "shoalctl arena quota)");
  }
  if (bytes > left(memory_max_bytes_, committed_bytes_)) {
    return error(absl::StatusCode::kResourceExhausted, "the manager's memory-max of ",
                 memory_max_bytes_, " bytes: ", committed_bytes_, " committed, ", bytes,
                 " more asked for; unlink what is not needed or raise --memory-max (shoalctl df)");
  }
  committed_bytes_ += bytes;
  use.committed_bytes += bytes;
  ++use.objects;
  User& user = users_[uid];
  user.committed_bytes += bytes;
  ++user.objects;
  if (home == Home::kSegment) {
    ++user.segments;
    ++segments_;
  }
  return absl::OkStatus();
}

void Accounts::release_object(Index arena, uid_t uid, std::uint64_t bytes, Home home) {
  committed_bytes_ -= bytes;
  ArenaUse& use = arena_use(arena);
  use.committed_bytes -= bytes;
  --use.objects;
  User& user = users_[uid];
  user.committed_bytes -= bytes;
  --user.objects;
  if (home == Home::kSegment) {
    --user.segments;
    --segments_;
  }
  forget_if_idle(uid);
}

void Accounts::add_session(Index arena, uid_t uid) {
  ++arena_use(arena).sessions;
  ++users_[uid].sessions;
}

void Accounts::remove_session(Index arena, uid_t uid) {
  --arena_use(arena).sessions;
  --users_[uid].sessions;
  forget_if_idle(uid);
}

void Accounts::forget_if_idle(uid_t uid) {
  const auto found = users_.find(uid);
  if (found->second.objects == 0 && found->second.sessions == 0) users_.erase(found);
}

}  // namespace shoal::daemon
