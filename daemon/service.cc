// See service.h. Here: which handler a request goes to, and what holds for all of them.
#include "daemon/service.h"

#include <utility>

#include "schemas/text.h"

namespace shoal::daemon {

using protocol::error;

namespace {

bool is_change(wire::Request::Which which) {
  switch (which) {
    case wire::Request::CREATE:
    case wire::Request::OPEN:
    case wire::Request::LINK:
    case wire::Request::UNLINK:
    case wire::Request::SHARE:
    case wire::Request::SEAL:
    case wire::Request::INHERIT:
    case wire::Request::GOODBYE:
    case wire::Request::ARENA_CREATE:
    case wire::Request::ARENA_CHANGE:
    case wire::Request::ARENA_REMOVE:
      return true;
    default:
      return false;
  }
}

}  // namespace

void Service::handle(Connection& peer, wire::Request::Reader request, Answer& answer) {
  Call call{.peer = peer,
            .request = request,
            .reply = answer.message.initRoot<wire::Reply>(),
            .answer = answer};
  const bool ends_a_pin = request.isPin() && !request.getPin().getOn();
  answer.has_reply = !request.isRelease() && !request.isPoke() && !ends_a_pin;
  call.reply.setId(request.getId());
  const absl::Status status = dispatch(call);
  if (!status.ok()) fail(call, status);
}

void Service::fail(Call& call, const absl::Status& status) {
  const std::string message(status.message());
  auto failure = call.reply.initError();
  failure.setCode(static_cast<std::uint16_t>(status.code()));
  failure.setMessage(message.c_str());
}

absl::Status Service::dispatch(Call& call) {
  const wire::Request::Reader& request = call.request;
  switch (request.which()) {
    case wire::Request::HELLO:
      return hello(call, request.getHello());
    case wire::Request::PING:
      return ping(call);
    default:
      break;
  }
  if (absl::Status status = require_session(call); !status.ok()) {
    call.answer.hang_up = true;
    return status;
  }
  if (is_change(request.which())) {
    if (replay(call)) return absl::OkStatus();
    const absl::Status status = dispatch_change(call);
    if (call.answer.again) return status;
    call.outcome.request = request.getId();
    call.outcome.code = static_cast<std::uint32_t>(status.code());
    parts_.sessions.record(call.peer.slot).last = call.outcome;
    return status;
  }
  switch (request.which()) {
    case wire::Request::RELEASE:
      return release(call, request.getRelease());
    case wire::Request::DESCRIPTOR:
      return descriptor(call, request.getDescriptor());
    case wire::Request::ARENA_MAP:
      return arena_map(call, checked(request.getArenaMap()));
    case wire::Request::WATCH:
      return watch(call, request.getWatch());
    case wire::Request::PIN:
      return pin(call, request.getPin());
    case wire::Request::POKE:
      poke(call, request.getPoke());
      return absl::OkStatus();
    case wire::Request::LIST:
      return list(call, request.getList());
    case wire::Request::STAT:
      return stat(call, request.getStat());
    default:
      return dispatch_administration(call);
  }
}

absl::Status Service::dispatch_change(Call& call) {
  const wire::Request::Reader& request = call.request;
  switch (request.which()) {
    case wire::Request::CREATE:
      return create(call, request.getCreate());
    case wire::Request::OPEN:
      return open(call, request.getOpen());
    case wire::Request::LINK:
      return link(call, request.getLink());
    case wire::Request::UNLINK:
      return unlink(call, request.getUnlink());
    case wire::Request::SHARE:
      return share(call, request.getShare());
    case wire::Request::SEAL:
      return seal(call, request.getSeal());
    case wire::Request::INHERIT:
      return inherit(call, request.getInherit());
    case wire::Request::GOODBYE:
      return goodbye(call);
    case wire::Request::ARENA_CREATE:
      return arena_create(call, request.getArenaCreate());
    case wire::Request::ARENA_CHANGE:
      return arena_change(call, request.getArenaChange());
    default:
      return arena_remove(call, view(request.getArenaRemove()));
  }
}

absl::Status Service::dispatch_administration(Call& call) {
  const wire::Request::Reader& request = call.request;
  switch (request.which()) {
    case wire::Request::ARENA_LIST:
      return arena_list(call);
    case wire::Request::ARENA_STAT:
      return arena_stat(call, view(request.getArenaStat()));
    case wire::Request::CLIENTS:
      return clients(call, request.getClients());
    case wire::Request::WAITS:
      return waits(call, request.getWaits());
    case wire::Request::USAGE:
      return usage(call);
    case wire::Request::LIMITS:
      return limits(call);
    default:
      return unknown_kind(call);
  }
}

// Of the request, or of a choice inside it.
absl::Status Service::unknown_kind(const Call& call) {
  return error(absl::StatusCode::kUnimplemented, "request of kind ",
               static_cast<int>(call.request.which()),
               ", in this form, is not known to this manager; it is older than the client");
}

absl::Status Service::require_session(const Call& call) const {
  const Index slot = call.peer.slot;
  if (slot == 0) {
    return error(absl::StatusCode::kFailedPrecondition, "the first request must be hello");
  }
  if (parts_.sessions.is_live(slot, call.peer.generation)) return absl::OkStatus();
  return error(absl::StatusCode::kUnavailable, "the session has ended; connect again");
}

absl::Status Service::require_right(const Call& call, bool write) const {
  const Index arena = parts_.sessions.record(call.peer.slot).arena;
  if (arena == 0) {
    return error(absl::StatusCode::kFailedPrecondition,
                 "this session is for administration only; connect to an arena");
  }
  const Rights rights = parts_.arenas.rights(arena, call.peer.who);
  if (write ? rights.write : rights.read) return absl::OkStatus();
  const ArenaRecord& record = parts_.catalog.arenas[arena];
  return error(absl::StatusCode::kPermissionDenied, "arena \"", record.name.view(), "\" of uid ",
               record.owner_uid, " does not let uid ", call.peer.who.uid,
               write ? " write" : " read",
               write && rights.read ? "; open with read-only access, or" : ";",
               " ask its owner (shoalctl arena chmod)");
}

// The reply to a change whose reply was lost with the connection.
bool Service::replay(Call& call) {
  const Outcome& last = parts_.sessions.record(call.peer.slot).last;
  if (call.request.getId() > last.request) return false;
  if (call.request.getId() < last.request || last.request == 0) {
    fail(call, absl::InvalidArgumentError("request ids must grow"));
    call.answer.hang_up = true;
    return true;
  }
  if (last.code != 0) {
    fail(call, absl::Status(static_cast<absl::StatusCode>(last.code),
                            "the request was refused before the connection to the manager was "
                            "lost; repeat it for the reason"));
    return true;
  }
  if (last.token[0] != 0 || last.token[1] != 0) {
    TokenRecord made{};
    made.secret[0] = last.token[0];
    made.secret[1] = last.token[1];
    call.reply.setToken(Tokens::text(made).c_str());
    return true;
  }
  const Index object = parts_.objects.get(last.object);
  if (object == 0) {
    call.reply.setDone();
    return true;
  }
  const absl::Status status =
      fill_attached(call, object, static_cast<wire::Access>(last.access), last.created != 0);
  if (!status.ok()) fail(call, status);
  return true;
}

}  // namespace shoal::daemon
