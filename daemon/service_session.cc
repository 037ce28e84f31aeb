// See service.h. Here: how a session begins, goes on after a lost connection, and is taken over by
// a forked child.
#include <algorithm>
#include <vector>

#include "daemon/clock.h"
#include "daemon/liveness.h"
#include "daemon/service.h"
#include "schemas/names.h"
#include "schemas/protocol.h"
#include "schemas/text.h"

namespace shoal::daemon {
namespace {

using protocol::error;

constexpr int kNamesAtOnce = 256;

std::string version_text(wire::Version::Reader version) {
  return protocol::text(version.getMajor(), ".", version.getMinor());
}

absl::Status check_versions(wire::Hello::Reader hello) {
  const bool speaks = hello.getOldest().getMajor() <= protocol::kProtocolMajor &&
                      protocol::kProtocolMajor <= hello.getNewest().getMajor();
  if (speaks && hello.getLayout() == protocol::kLayoutVersion) return absl::OkStatus();
  return error(absl::StatusCode::kFailedPrecondition, "the client speaks protocol ",
               version_text(hello.getOldest()), " to ", version_text(hello.getNewest()),
               " and memory layout ", hello.getLayout(), "; this manager (release ",
               protocol::kRelease, ") speaks protocol ", protocol::kProtocolMajor, ".",
               protocol::kProtocolMinor, " and memory layout ", protocol::kLayoutVersion,
               ": update the older of the two");
}

Sessions::Secret secret_of(wire::Secret::Reader secret) {
  return {.session = secret.getSession(), .words = {secret.getHigh(), secret.getLow()}};
}

}  // namespace

absl::Status Service::hello(Call& call, wire::Hello::Reader hello) {
  Connection& peer = call.peer;
  if (peer.slot != 0) {
    call.answer.hang_up = true;
    return error(absl::StatusCode::kFailedPrecondition, "hello was said already");
  }
  if (absl::Status status = check_versions(hello); !status.ok()) return status;
  if (hello.getResume().getSession() != 0) {
    const absl::StatusOr<Index> slot =
        parts_.sessions.resume(secret_of(hello.getResume()), peer.who);
    if (!slot.ok()) return slot.status();
    peer.slot = *slot;
    peer.generation = parts_.sessions.record(*slot).generation;
    return welcome(call);
  }
  const std::string_view arena_name = view(hello.getArena());
  Index arena = 0;
  if (!arena_name.empty()) {
    const absl::StatusOr<Index> visible = parts_.arenas.visible(arena_name, peer.who);
    if (!visible.ok() && parts_.arenas.find(arena_name) != 0) {
      return error(absl::StatusCode::kPermissionDenied, "arena \"", protocol::printable(arena_name),
                   "\" gives uid ", peer.who.uid,
                   " no rights; ask its owner (shoalctl arena chmod)");
    }
    if (!visible.ok()) return visible.status();
    arena = *visible;
  }
  absl::StatusOr<protocol::UniqueFd> pidfd =
      pidfd_of_peer(peer.socket, peer.who, std::move(peer.offered));
  if (!pidfd.ok()) return pidfd.status();
  absl::StatusOr<Sessions::Opened> opened =
      parts_.sessions.open(peer.who,
                           {.label = view(hello.getLabel()),
                            .arena = arena,
                            .pidfd = *std::move(pidfd),
                            .now_ns = wall_ns()},
                           parts_.arenas.is_administrator(peer.who));
  if (!opened.ok()) return opened.status();
  peer.slot = opened->slot;
  peer.generation = parts_.sessions.record(opened->slot).generation;
  call.answer.descriptors[0] = std::move(opened->life);
  call.answer.descriptors[1] = std::move(opened->page);
  call.answer.opened_session = true;
  return welcome(call);
}

absl::Status Service::welcome(Call& call) {
  auto out = call.reply.initHello();
  auto version = out.initVersion();
  version.setMajor(protocol::kProtocolMajor);
  version.setMinor(protocol::kProtocolMinor);
  const Sessions::Secret secret = parts_.sessions.secret(call.peer.slot);
  auto shown = out.initSecret();
  shown.setSession(secret.session);
  shown.setHigh(secret.words[0]);
  shown.setLow(secret.words[1]);
  out.setSlot(static_cast<std::uint16_t>(call.peer.slot));
  out.setManagerPid(static_cast<std::uint32_t>(info_.pid));
  out.setProgram(protocol::kRelease);
  const Outcome& last = parts_.sessions.record(call.peer.slot).last;
  out.setLastRequest(last.request);
  out.setLastObject(last.object);
  parts_.sessions.control_connected(call.peer.slot);
  return absl::OkStatus();
}

absl::Status Service::inherit(Call& call, wire::Inherit::Reader inherit) {
  const Index parent = parts_.sessions.find(secret_of(inherit.getParent()));
  std::vector<std::uint64_t> gone;
  for (const wire::Count::Reader wanted : inherit.getReferences()) {
    const Index object = parts_.objects.get(wanted.getObject());
    const Index held = parent != 0 && object != 0 ? parts_.ledger.find(parent, object) : 0;
    if (held == 0 || wanted.getCount() == 0) {
      gone.push_back(wanted.getObject());
      continue;
    }
    // A fork may change its uid.
    if (!parts_.objects.in_arena(object)) {
      parts_.objects.segment(object).given_to(call.peer.who.uid);
    }
    const bool writable = parts_.catalog.attachments[held].access ==
                          static_cast<std::uint32_t>(wire::Access::READ_WRITE);
    const bool wants_writable = wanted.getAccess() == wire::Access::READ_WRITE;
    const wire::Access access =
        writable && wants_writable ? wire::Access::READ_WRITE : wire::Access::READ_ONLY;
    absl::Status status = parts_.ledger.attach(
        call.peer.slot, object, access,
        std::min(wanted.getCount(), parts_.catalog.attachments[held].count), wall_ns());
    if (!status.ok()) return status;
  }
  auto out = call.reply.initGone(static_cast<unsigned>(gone.size()));
  for (std::size_t i = 0; i < gone.size(); ++i) out.set(static_cast<unsigned>(i), gone[i]);
  return absl::OkStatus();
}

absl::Status Service::goodbye(Call& call) {
  Turn turn(kNamesAtOnce);
  call.answer.again = parts_.objects.end_of_creator(call.peer.slot, turn);
  call.reply.setDone();
  return absl::OkStatus();
}

absl::Status Service::ping(Call& call) {
  auto out = call.reply.initPong();
  out.setProgram(protocol::kRelease);
  out.setManagerPid(static_cast<std::uint32_t>(info_.pid));
  auto version = out.initVersion();
  version.setMajor(protocol::kProtocolMajor);
  version.setMinor(protocol::kProtocolMinor);
  out.setLayout(protocol::kLayoutVersion);
  out.setSocket(info_.socket.c_str());
  out.setStartedNs(info_.started_ns);
  out.setSessions(parts_.catalog.sessions.used());
  out.setObjects(parts_.objects.count());
  out.setManager(parts_.memories.manager());
  return absl::OkStatus();
}

}  // namespace shoal::daemon
