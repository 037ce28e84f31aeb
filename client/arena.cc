// Implements <shoal/arena.h> and <shoal/admin.h>.
#include "shoal/arena.h"

#include "client/session.h"
#include "client/wire.h"
#include "schemas/control.capnp.h"
#include "shoal/admin.h"

namespace shoal {

using internal::Descriptors;
using internal::expect_done;
using internal::from_wire;
using internal::set_text;
using internal::to_string;
using internal::to_time;
using internal::unexpected;

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
  ArenaInfo info;
  absl::Status status = session_->call(
      [&](wire::Request::Builder request) {
        set_text([&](unsigned size) { return request.initArenaStat(size); }, name_);
      },
      [&](wire::Reply::Reader reply, Descriptors&) {
        if (!reply.isArenas() || reply.getArenas().size() != 1) return unexpected();
        info = from_wire(reply.getArenas()[0]);
        return absl::OkStatus();
      });
  if (!status.ok()) return status;
  return info;
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
  ManagerInfo info;
  absl::Status status =
      client_.session_->call([](wire::Request::Builder request) { request.setPing(); },
                             [&](wire::Reply::Reader reply, Descriptors&) {
                               if (!reply.isPong()) return unexpected();
                               const auto pong = reply.getPong();
                               info = {.release = to_string(pong.getProgram()),
                                       .pid = static_cast<pid_t>(pong.getManagerPid()),
                                       .socket = to_string(pong.getSocket()),
                                       .protocol_major = pong.getVersion().getMajor(),
                                       .protocol_minor = pong.getVersion().getMinor(),
                                       .layout_version = pong.getLayout(),
                                       .started = to_time(pong.getStartedNs()),
                                       .sessions = pong.getSessions(),
                                       .objects = pong.getObjects()};
                               return absl::OkStatus();
                             });
  if (!status.ok()) return status;
  return info;
}

absl::StatusOr<std::vector<ClientInfo>> Admin::clients() const {
  std::vector<ClientInfo> all;
  for (bool more = true; more;) {
    absl::Status status = client_.session_->call(
        [&](wire::Request::Builder request) {
          request.initClients().setAfter(all.empty() ? 0 : all.back().slot);
        },
        [&](wire::Reply::Reader reply, Descriptors&) {
          if (!reply.isClients()) return unexpected();
          const auto page = reply.getClients();
          for (const auto client : page.getClients()) {
            all.push_back({.session = client.getSession(),
                           .slot = client.getSlot(),
                           .pid = static_cast<pid_t>(client.getPid()),
                           .uid = client.getUid(),
                           .gid = client.getGid(),
                           .label = to_string(client.getLabel()),
                           .arena = to_string(client.getArena()),
                           .state = to_string(client.getState()),
                           .since = to_time(client.getSinceNs()),
                           .references = client.getReferences(),
                           .objects = client.getObjects()});
          }
          more = page.getMore() && page.getClients().size() > 0;
          return absl::OkStatus();
        });
    if (!status.ok()) return status;
  }
  return all;
}

absl::StatusOr<std::vector<LimitInfo>> Admin::limits() const {
  std::vector<LimitInfo> all;
  absl::Status status =
      client_.session_->call([](wire::Request::Builder request) { request.setLimits(); },
                             [&](wire::Reply::Reader reply, Descriptors&) {
                               if (!reply.isLimits()) return unexpected();
                               for (const auto limit : reply.getLimits()) {
                                 all.push_back({.name = to_string(limit.getName()),
                                                .unit = to_string(limit.getUnit()),
                                                .limit = limit.getLimit(),
                                                .used = limit.getUsed(),
                                                .counted = limit.getCounted()});
                               }
                               return absl::OkStatus();
                             });
  if (!status.ok()) return status;
  return all;
}

absl::StatusOr<Usage> Admin::usage() const {
  Usage usage;
  absl::Status status =
      client_.session_->call([](wire::Request::Builder request) { request.setUsage(); },
                             [&](wire::Reply::Reader reply, Descriptors&) {
                               if (!reply.isUsage()) return unexpected();
                               const auto in = reply.getUsage();
                               usage.memory_max_bytes = in.getMemoryMax();
                               usage.committed_bytes = in.getCommitted();
                               usage.warm_bytes = in.getWarm();
                               usage.warm_max_bytes = in.getWarmMax();
                               usage.available_bytes = in.getAvailable();
                               for (const auto arena : in.getArenas())
                                 usage.arenas.push_back(from_wire(arena));
                               for (const auto user : in.getUsers()) {
                                 usage.users.push_back({.uid = user.getUid(),
                                                        .committed_bytes = user.getCommitted(),
                                                        .objects = user.getObjects(),
                                                        .sessions = user.getSessions()});
                               }
                               return absl::OkStatus();
                             });
  if (!status.ok()) return status;
  return usage;
}

absl::StatusOr<std::vector<ArenaInfo>> Admin::arenas() const {
  std::vector<ArenaInfo> all;
  absl::Status status =
      client_.session_->call([](wire::Request::Builder request) { request.setArenaList(); },
                             [&](wire::Reply::Reader reply, Descriptors&) {
                               if (!reply.isArenas()) return unexpected();
                               for (const auto arena : reply.getArenas())
                                 all.push_back(from_wire(arena));
                               return absl::OkStatus();
                             });
  if (!status.ok()) return status;
  return all;
}

}  // namespace shoal
