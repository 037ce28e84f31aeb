// See accounts.h.
#include "daemon/accounts.h"

#include <algorithm>
#include <string>

#include "memory/layout.h"
#include "schemas/limits.h"
#include "schemas/names.h"
#include "schemas/text.h"

namespace shoal::daemon {

using protocol::error;

namespace {

std::uint64_t left(std::uint64_t limit, std::uint64_t used) {
  return limit > used ? limit - used : 0;
}

// Of what is charged for an object: what the blocks of its arena have it in. Its descriptor lies in
// a table, which is there anyway.
std::uint64_t block_bytes(std::uint64_t bytes, Accounts::Home home) {
  return home == Accounts::Home::kArena ? left(bytes, memory::kDescriptorBytes) : 0;
}

// What there is already, for a message.
std::string used_text(std::uint64_t committed, std::uint64_t in_containers) {
  return in_containers == 0
             ? protocol::text(committed, " committed")
             : protocol::text(committed, " committed and ", in_containers, " in containers");
}

}  // namespace

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

template <typename Change>
void Accounts::change_use(Index arena, Change change) {
  ArenaUse& use = arena_use(arena);
  container_bytes_ -= use.container_bytes();
  change(use);
  container_bytes_ += use.container_bytes();
}

absl::Status Accounts::charge_object(Index arena, uid_t uid, std::uint64_t bytes, Home home) {
  const ArenaRecord& record = catalog_.arenas[arena];
  const ArenaUse use = this->arena(arena);
  // A small block finds its place in a chunk that is taken already, perhaps.
  const std::uint64_t in_arena = block_bytes(bytes, home);
  const bool shares = in_arena < memory::kChunkBytes;
  const std::uint64_t more = bytes - (shares ? std::min(in_arena, use.container_bytes()) : 0);
  const std::uint64_t in_containers = use.container_bytes();
  if (use.objects >= protocol::kObjectsPerArenaMax) {
    return error(absl::StatusCode::kResourceExhausted, "arena \"", record.name.view(), "\" has ",
                 use.objects, " objects, the limit \"objects per arena\"");
  }
  if (more > left(left(record.quota_bytes, use.committed_bytes), in_containers)) {
    return error(absl::StatusCode::kResourceExhausted, "arena \"", record.name.view(),
                 "\": quota of ", record.quota_bytes, " bytes, ",
                 used_text(use.committed_bytes, in_containers), ", ", bytes,
                 " more asked for; unlink what is not needed or raise the quota (shoalctl df, "
                 "shoalctl arena quota)");
  }
  if (more > left(memory_max_bytes_, used_bytes())) {
    return error(absl::StatusCode::kResourceExhausted, "the manager's memory-max of ",
                 memory_max_bytes_, " bytes: ", used_text(committed_bytes_, container_bytes_), ", ",
                 bytes,
                 " more asked for; unlink what is not needed or raise --memory-max (shoalctl df)");
  }
  committed_bytes_ += bytes;
  change_use(arena, [&](ArenaUse& changed) {
    changed.committed_bytes += bytes;
    changed.in_arena_bytes += in_arena;
    ++changed.objects;
  });
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
  change_use(arena, [&](ArenaUse& changed) {
    changed.committed_bytes -= bytes;
    changed.in_arena_bytes -= block_bytes(bytes, home);
    --changed.objects;
  });
  User& user = users_[uid];
  user.committed_bytes -= bytes;
  --user.objects;
  if (home == Home::kSegment) {
    --user.segments;
    --segments_;
  }
  forget_if_idle(uid);
}

void Accounts::shrink_object(Index arena, uid_t uid, std::uint64_t bytes) {
  committed_bytes_ -= bytes;
  change_use(arena, [bytes](ArenaUse& use) { use.committed_bytes -= bytes; });
  users_[uid].committed_bytes -= bytes;
}

void Accounts::see_taken(Index arena, std::uint64_t bytes) {
  change_use(arena, [bytes](ArenaUse& use) { use.taken_bytes = bytes; });
}

std::uint64_t Accounts::room_in_arena(Index arena) const {
  const ArenaUse use = this->arena(arena);
  const std::uint64_t in_arena = use.in_arena_bytes + use.container_bytes();
  const std::uint64_t of_quota =
      left(catalog_.arenas[arena].quota_bytes, use.committed_bytes - use.in_arena_bytes);
  // As long as there is plenty, nobody is told of what goes on in other arenas.
  if (used_bytes() < memory_max_bytes_ / 4 * 3) return of_quota;
  return std::min(of_quota, left(memory_max_bytes_, used_bytes() - in_arena));
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
