// Implements <shoal/arena.h> and <shoal/admin.h>.
#include "shoal/arena.h"

#include "client/session.h"
#include "client/wire.h"
#include "schemas/control.capnp.h"
#include "shoal/admin.h"

namespace shoal {

using internal::ask;
using internal::expect_done;
using internal::from_wire;
using internal::set_text;
using internal::to_string;
using internal::to_time;
using Reply = wire::Reply::Reader;

namespace {

std::vector<ArenaInfo> all_of(capnp::List<wire::Arena>::Reader arenas) {
  std::vector<ArenaInfo> all;
  for (const auto arena : arenas) all.push_back(from_wire(arena));
  return all;
}

}  // namespace

absl::Status Arena::create(const ArenaOptions& options) const {
  return session_->call(
      [&](wire::Request::Builder request) {
        auto create = request.initArenaCreate();
        set_text([&](unsigned size) { return create.initName(size); }, name_);
        create.setMode(static_cast<std::uint16_t>(options.mode));
        create.setQuota(options.quota_bytes);
        if (options.owner_uid.has_value()) create.setOwnerUid(*options.owner_uid);
        if (options.owner_gid.has_value()) create.setOwnerGid(*options.owner_gid);
      },
      expect_done);
}

absl::StatusOr<ArenaInfo> Arena::stat() const {
  absl::StatusOr<std::vector<ArenaInfo>> found = ask(
      *session_,
      [&](wire::Request::Builder request) {
        set_text([&](unsigned size) { return request.initArenaStat(size); }, name_);
      },
      &Reply::isArenas, &Reply::getArenas, all_of);
  if (!found.ok()) return found.status();
  if (found->size() != 1) return internal::unexpected();
  return std::move(found->front());
}

absl::Status Arena::chmod(mode_t mode) const {
  return session_->call(
      [&](wire::Request::Builder request) {
        auto change = request.initArenaChange();
        set_text([&](unsigned size) { return change.initName(size); }, name_);
        change.setMode(static_cast<std::uint16_t>(mode));
      },
      expect_done);
}

absl::Status Arena::set_quota(std::uint64_t bytes) const {
  return session_->call(
      [&](wire::Request::Builder request) {
        auto change = request.initArenaChange();
        set_text([&](unsigned size) { return change.initName(size); }, name_);
        change.setQuota(bytes);
      },
      expect_done);
}

absl::Status Arena::remove() const {
  return session_->call(
      [&](wire::Request::Builder request) {
        set_text([&](unsigned size) { return request.initArenaRemove(size); }, name_);
      },
      expect_done);
}

absl::StatusOr<ManagerInfo> Admin::manager() const {
  return ask(
      *client_.session_, [](wire::Request::Builder request) { request.setPing(); }, &Reply::isPong,
      &Reply::getPong,
      [](wire::Pong::Reader pong) -> ManagerInfo {
        return {.id = pong.getManager(),
                .release = to_string(pong.getProgram()),
                .pid = static_cast<pid_t>(pong.getManagerPid()),
                .socket = to_string(pong.getSocket()),
                .protocol_major = pong.getVersion().getMajor(),
                .protocol_minor = pong.getVersion().getMinor(),
                .layout_version = pong.getLayout(),
                .started = to_time(pong.getStartedNs()),
                .sessions = pong.getSessions(),
                .objects = pong.getObjects()};
      });
}

namespace {

ClientInfo info_of(wire::ClientInfo::Reader client) {
  return {.session = client.getSession(),
          .slot = client.getSlot(),
          .pid = static_cast<pid_t>(client.getPid()),
          .uid = client.getUid(),
          .gid = client.getGid(),
          .label = to_string(client.getLabel()),
          .arena = to_string(client.getArena()),
          .state = to_string(client.getState()),
          .since = to_time(client.getSinceNs()),
          .references = client.getReferences(),
          .objects = client.getObjects()};
}

}  // namespace

absl::StatusOr<std::vector<ClientInfo>> Admin::clients() const {
  std::vector<ClientInfo> all;
  for (;;) {
    const absl::StatusOr<bool> more = ask(
        *client_.session_,
        [&](wire::Request::Builder request) {
          request.initClients().setAfter(all.empty() ? 0 : all.back().slot);
        },
        &Reply::isClients, &Reply::getClients,
        [&](wire::Clients::Reader page) {
          for (const auto client : page.getClients()) all.push_back(info_of(client));
          return page.getMore() && page.getClients().size() > 0;
        });
    if (!more.ok()) return more.status();
    if (!*more) return all;
  }
}

absl::StatusOr<std::vector<LimitInfo>> Admin::limits() const {
  return ask(
      *client_.session_, [](wire::Request::Builder request) { request.setLimits(); },
      &Reply::isLimits, &Reply::getLimits,
      [](capnp::List<wire::Limit>::Reader limits) {
        std::vector<LimitInfo> all;
        for (const auto limit : limits) {
          all.push_back({.name = to_string(limit.getName()),
                         .unit = to_string(limit.getUnit()),
                         .limit = limit.getLimit(),
                         .used = limit.getUsed(),
                         .counted = limit.getCounted()});
        }
        return all;
      });
}

absl::StatusOr<Usage> Admin::usage() const {
  return ask(
      *client_.session_, [](wire::Request::Builder request) { request.setUsage(); },
      &Reply::isUsage, &Reply::getUsage,
      [](wire::Usage::Reader in) {
        Usage usage{.memory_max_bytes = in.getMemoryMax(),
                    .committed_bytes = in.getCommitted(),
                    .warm_bytes = in.getWarm(),
                    .warm_max_bytes = in.getWarmMax(),
                    .available_bytes = in.getAvailable(),
                    .container_bytes = in.getContainers(),
                    .arenas = all_of(in.getArenas()),
                    .users = {}};
        for (const auto user : in.getUsers()) {
          usage.users.push_back({.uid = user.getUid(),
                                 .committed_bytes = user.getCommitted(),
                                 .objects = user.getObjects(),
                                 .sessions = user.getSessions()});
        }
        return usage;
      });
}

absl::StatusOr<std::vector<ArenaInfo>> Admin::arenas() const {
  return ask(
      *client_.session_, [](wire::Request::Builder request) { request.setArenaList(); },
      &Reply::isArenas, &Reply::getArenas, all_of);
}

}  // namespace shoal
