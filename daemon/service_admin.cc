// See service.h. Here: what operators ask.
#include <algorithm>
#include <vector>

#include "daemon/clock.h"
#include "daemon/service.h"
#include "schemas/names.h"
#include "schemas/text.h"

namespace shoal::daemon {

using protocol::error;

void Service::describe(wire::Arena::Builder out, Index arena) const {
  const ArenaRecord& record = parts_.catalog.arenas[arena];
  const Accounts::ArenaUse use = parts_.accounts.arena(arena);
  out.setName(std::string(record.name.view()).c_str());
  out.setOwnerUid(record.owner_uid);
  out.setOwnerGid(record.owner_gid);
  out.setMode(static_cast<std::uint16_t>(record.mode));
  out.setQuota(record.quota_bytes);
  out.setCommitted(use.committed_bytes);
  out.setObjects(use.objects);
  out.setSessions(use.sessions);
  out.setCreatedNs(record.created_ns);
  out.setArenaBytes(parts_.memories.arena_bytes());
  out.setContainers(use.container_bytes());
}

absl::Status Service::arena_create(Call& call, wire::ArenaCreate::Reader arena) {
  const Identity& who = call.peer.who;
  const std::string_view name = view(arena.getName());
  if (!parts_.arenas.is_administrator(who)) {
    return error(absl::StatusCode::kPermissionDenied, "arena \"", protocol::printable(name),
                 "\": only root and the manager's uid may create arenas; you are uid ", who.uid);
  }
  constexpr std::uint32_t kCaller = 0xffffffff;
  const absl::StatusOr<Index> created = parts_.arenas.create(
      {.name = name,
       .mode = arena.getMode(),
       .quota_bytes = arena.getQuota() == 0 ? info_.default_quota_bytes : arena.getQuota(),
       .owner_uid = arena.getOwnerUid() == kCaller ? who.uid : arena.getOwnerUid(),
       .owner_gid = arena.getOwnerGid() == kCaller ? who.gid : arena.getOwnerGid()},
      wall_ns());
  if (!created.ok()) return created.status();
  parts_.log(Level::kInfo, "arena.create", {{"arena", name}, {"uid", who.uid}});
  call.reply.setDone();
  return absl::OkStatus();
}

absl::Status Service::arena_list(Call& call) {
  parts_.memories.settle_all();
  std::vector<Index> visible;
  parts_.arenas.for_each([&](Index arena) {
    const Rights rights = parts_.arenas.rights(arena, call.peer.who);
    if (rights.read || rights.write) visible.push_back(arena);
  });
  auto out = call.reply.initArenas(static_cast<unsigned>(visible.size()));
  for (std::size_t i = 0; i < visible.size(); ++i) {
    describe(out[static_cast<unsigned>(i)], visible[i]);
  }
  return absl::OkStatus();
}

absl::Status Service::arena_stat(Call& call, std::string_view name) {
  const absl::StatusOr<Index> arena = parts_.arenas.visible(name, call.peer.who);
  if (!arena.ok()) return arena.status();
  parts_.memories.settle(*arena);
  describe(call.reply.initArenas(1)[0], *arena);
  return absl::OkStatus();
}

absl::Status Service::arena_change(Call& call, wire::ArenaChange::Reader change) {
  const std::string_view name = view(change.getName());
  if (!change.isMode() && !change.isQuota()) return unknown_kind(call);
  absl::Status status = change.isMode()
                            ? parts_.arenas.change_mode(name, change.getMode(), call.peer.who)
                            : parts_.arenas.change_quota(name, change.getQuota(), call.peer.who);
  if (!status.ok()) return status;
  parts_.memories.settle(parts_.arenas.find(name));
  parts_.log(Level::kInfo, "arena.change",
             {{"arena", name},
              {change.isMode() ? "mode" : "quota",
               change.isMode() ? std::uint64_t{change.getMode()} : change.getQuota()},
              {"uid", call.peer.who.uid}});
  call.reply.setDone();
  return absl::OkStatus();
}

absl::Status Service::arena_remove(Call& call, std::string_view name) {
  const Index arena = parts_.arenas.find(name);
  absl::Status status = parts_.arenas.remove(name, call.peer.who);
  if (!status.ok()) return status;
  parts_.memories.remove(arena);
  parts_.log(Level::kInfo, "arena.remove", {{"arena", name}, {"uid", call.peer.who.uid}});
  call.reply.setDone();
  return absl::OkStatus();
}

absl::Status Service::clients(Call& call, wire::Page::Reader page) {
  const bool all = parts_.arenas.is_administrator(call.peer.who);
  const std::uint32_t asked = page.getMost() == 0 ? protocol::kListPageMax : page.getMost();
  const std::size_t most = std::min(asked, protocol::kListPageMax);
  std::vector<Index> slots;
  for (Index slot = index_of(page.getAfter()) + 1;
       slot < parts_.catalog.sessions.end() && slots.size() <= most; ++slot) {
    if (!parts_.catalog.sessions.in_use(slot)) continue;
    if (all || parts_.sessions.record(slot).uid == call.peer.who.uid) slots.push_back(slot);
  }
  auto out = call.reply.initClients();
  out.setMore(slots.size() > most);
  slots.resize(std::min(slots.size(), most));
  auto clients = out.initClients(static_cast<unsigned>(slots.size()));
  for (std::size_t i = 0; i < slots.size(); ++i) {
    const Index slot = slots[i];
    const SessionRecord& record = parts_.sessions.record(slot);
    const Ledger::Total total = parts_.ledger.of_session(slot);
    auto client = clients[static_cast<unsigned>(i)];
    client.setSession(parts_.sessions.id(slot));
    client.setPid(record.pid);
    client.setUid(record.uid);
    client.setGid(record.gid);
    client.setLabel(std::string(parts_.sessions.label(slot)).c_str());
    client.setArena(std::string(parts_.catalog.arenas[record.arena].name.view()).c_str());
    client.setState(std::string(parts_.sessions.state_name(slot)).c_str());
    client.setSinceNs(record.since_ns);
    client.setReferences(shown(total.references));
    client.setObjects(total.attachments);
    client.setSlot(static_cast<std::uint16_t>(slot));
  }
  return absl::OkStatus();
}

absl::Status Service::usage(Call& call) {
  parts_.memories.settle_all();
  auto out = call.reply.initUsage();
  out.setMemoryMax(parts_.accounts.memory_max_bytes());
  out.setCommitted(parts_.accounts.committed_bytes());
  out.setContainers(parts_.accounts.container_bytes());
  out.setWarm(parts_.objects.store().warm_bytes());
  out.setWarmMax(parts_.objects.store().warm_max());
  out.setAvailable(parts_.gauge.available());
  std::vector<Index> visible;
  parts_.arenas.for_each([&](Index arena) {
    const Rights rights = parts_.arenas.rights(arena, call.peer.who);
    if (rights.read || rights.write) visible.push_back(arena);
  });
  auto arenas = out.initArenas(static_cast<unsigned>(visible.size()));
  for (std::size_t i = 0; i < visible.size(); ++i) {
    describe(arenas[static_cast<unsigned>(i)], visible[i]);
  }
  const bool all = parts_.arenas.is_administrator(call.peer.who);
  std::vector<uid_t> uids;
  for (const auto& [uid, use] : parts_.accounts.users()) {
    if (all || uid == call.peer.who.uid) uids.push_back(uid);
  }
  std::sort(uids.begin(), uids.end());
  auto users = out.initUsers(static_cast<unsigned>(uids.size()));
  for (std::size_t i = 0; i < uids.size(); ++i) {
    const Accounts::User use = parts_.accounts.user(uids[i]);
    auto user = users[static_cast<unsigned>(i)];
    user.setUid(uids[i]);
    user.setCommitted(use.committed_bytes);
    user.setObjects(use.objects);
    user.setSessions(use.sessions);
  }
  return absl::OkStatus();
}

absl::Status Service::limits(Call& call) {
  struct Row {
    const char* name;
    const char* unit;
    std::uint64_t limit;
    bool counted;
    std::uint64_t used;
  };
  parts_.memories.settle_all();
  const std::uint64_t arenas_used = parts_.catalog.arenas.used();
  const Row rows[] = {
      {"memory", "bytes", parts_.accounts.memory_max_bytes(), true, parts_.accounts.used_bytes()},
      {"warm memory", "bytes", parts_.objects.store().warm_max(), true,
       parts_.objects.store().warm_bytes()},
      {"request size", "bytes", protocol::kRequestBytesMax, false, 0},
      {"reply size", "bytes", protocol::kReplyBytesMax, false, 0},
      {"requests in flight per session", "requests", protocol::kRequestsInFlightMax, false, 0},
      {"sessions", "sessions", parts_.sessions.sessions_max(), true,
       parts_.catalog.sessions.used()},
      {"connections before hello", "connections", info_.ungreeted_max, false, 0},
      {"attachments per session", "objects", protocol::kAttachmentsPerSessionMax, false, 0},
      {"references per attachment", "references", protocol::kReferencesPerAttachmentMax, false, 0},
      {"attachments", "attachments", parts_.catalog.attachments.capacity(), true,
       parts_.catalog.attachments.used()},
      {"arenas", "arenas", parts_.catalog.arenas.capacity(), true, arenas_used},
      {"objects per arena", "objects", protocol::kObjectsPerArenaMax, false, 0},
      {"arena size", "bytes", parts_.memories.arena_bytes(), false, 0},
      {"objects", "objects", parts_.catalog.objects.capacity(), true, parts_.objects.count()},
      {"segments", "segments", parts_.objects.segments_max(), true, parts_.accounts.segments()},
      {"segment size", "bytes", protocol::kSegmentBytesMax, false, 0},
      {"tokens", "tokens", parts_.catalog.tokens.capacity(), true, parts_.catalog.tokens.used()},
      {"token validity", "seconds", static_cast<std::uint64_t>(protocol::kTokenSecondsMax), false,
       0},
      {"watches", "objects", parts_.watches.watches_max(), true, parts_.watches.count()},
      {"watches per session", "objects", protocol::kWatchesPerSessionMax, false, 0},
      {"large values in view per session", "values", protocol::kPinsPerSessionMax, false, 0},
      {"threads per session", "threads", memory::kThreadsMax, false, 0},
      {"owned permits", "permits", protocol::kOwnedPermitsMax, false, 0},
      {"plain permits", "permits", protocol::kPlainPermitsMax, false, 0},
      {"parties of a barrier", "parties", protocol::kPartiesMax, false, 0},
      {"readers of a shared lock", "sessions", protocol::kSharersMax, false, 0},
      {"waiters in a condition", "threads", protocol::kWaitersMax, false, 0},
      {"cell size", "bytes", protocol::kCellBytesMax, false, 0},
      {"value size", "bytes", protocol::kValueBytesMax, false, 0},
      {"text in another value", "bytes", protocol::kNestedTextBytesMax, false, 0},
      {"elements of a value", "values", protocol::kValueElementsMax, false, 0},
      {"depth of a value", "levels", protocol::kValueDepthMax, false, 0},
      {"key size", "bytes", protocol::kKeyBytesMax, false, 0},
      {"fingerprint length", "bytes", protocol::kFingerprintBytesMax, false, 0},
      {"name length", "bytes", protocol::kNameBytesMax, false, 0},
      {"label length", "bytes", protocol::kLabelBytesMax, false, 0},
  };
  auto out = call.reply.initLimits(std::size(rows));
  for (unsigned i = 0; i < std::size(rows); ++i) {
    out[i].setName(rows[i].name);
    out[i].setUnit(rows[i].unit);
    out[i].setLimit(rows[i].limit);
    out[i].setUsed(rows[i].used);
    out[i].setCounted(rows[i].counted);
  }
  return absl::OkStatus();
}

}  // namespace shoal::daemon
