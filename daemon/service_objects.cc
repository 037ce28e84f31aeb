// See service.h. Here: what clients do with objects.
#include <algorithm>
#include <cmath>
#include <span>

#include "daemon/clock.h"
#include "daemon/kinds.h"
#include "daemon/service.h"
#include "schemas/names.h"
#include "schemas/text.h"

namespace shoal::daemon {

using protocol::error;
using protocol::printable;

absl::StatusOr<Index> Service::named(const Call& call, std::string_view name) const {
  if (absl::Status status = protocol::check_name("object", name); !status.ok()) return status;
  const Index arena = parts_.sessions.record(call.peer.slot).arena;
  const Index object = parts_.objects.find(arena, name);
  if (object != 0) return object;
  return error(absl::StatusCode::kNotFound, "no object \"", printable(name), "\" in arena \"",
               parts_.catalog.arenas[arena].name.view(), "\"; shoalctl ls lists what there is");
}

absl::StatusOr<Index> Service::held(const Call& call, std::uint64_t id, bool writable) const {
  const Index object = parts_.objects.get(id);
  const Index attachment = object == 0 ? 0 : parts_.ledger.find(call.peer.slot, object);
  if (attachment == 0) return object_gone(id);
  if (writable && !is_writable(parts_.catalog.attachments[attachment])) {
    return error(absl::StatusCode::kPermissionDenied, "object \"",
                 parts_.objects.record(object).name.view(),
                 "\" is attached read-only; open it with read-write access");
  }
  return object;
}

absl::Status Service::create(Call& call, wire::Create::Reader create) {
  const std::string_view name = view(create.getName());
  const Index slot = call.peer.slot;
  const Index arena = parts_.sessions.record(slot).arena;
  if (create.getOpenExisting() && !name.empty()) {
    if (absl::Status status = require_right(call, /*write=*/false); !status.ok()) return status;
    const Index existing = parts_.objects.find(arena, name);
    if (existing != 0) {
      const wire::Access access = checked(create.getOpenAccess());
      absl::Status status =
          check_open(call, existing, create.getKind(), access, view(create.getFingerprint()));
      return status.ok() ? attach(call, existing, access, /*created=*/false) : status;
    }
  }
  if (absl::Status status = require_right(call, /*write=*/true); !status.ok()) return status;
  const auto kind = static_cast<std::uint16_t>(create.getKind());
  if (!is_segment_kind(kind) && !is_arena_kind(kind)) {
    return error(absl::StatusCode::kInvalidArgument, "object \"", printable(name),
                 "\": this manager does not know its kind");
  }
  if (create.getLifetime() > wire::Lifetime::REFERENCED) {
    return error(absl::StatusCode::kInvalidArgument, "object \"", printable(name),
                 "\": this manager does not know its lifetime");
  }
  const capnp::Data::Reader initial = create.getInitial();
  const absl::StatusOr<Index> object = parts_.objects.create(
      {.name = name,
       .arena = arena,
       .kind = create.getKind(),
       .lifetime = create.getLifetime(),
       .size_bytes = create.getSize(),
       .sealable = create.getSealable(),
       .sparse = create.getSparse(),
       .huge_pages = create.getHugePages(),
       .numa_node = create.getNumaNode(),
       .creator = slot,
       .may_use_all = parts_.arenas.is_administrator(call.peer.who),
       .now_ns = wall_ns(),
       .traits = {.parameter = create.getParameter(),
                  .flags = create.getFlags(),
                  .fingerprint = view(create.getFingerprint()),
                  .element_bytes = create.getElementBytes(),
                  .initial = std::as_bytes(std::span(initial.begin(), initial.size()))}});
  if (waits_for_garbage(call, object.status())) return absl::OkStatus();
  if (!object.ok()) return object.status();
  absl::Status status = attach(call, *object, wire::Access::READ_WRITE, /*created=*/true);
  if (!status.ok()) parts_.objects.unlink(*object);
  return status;
}

// Where there is no room for a new object, some of what nobody can reach any more may be in its
// place: the request is handled again until the trace has seen all that there was at first.
bool Service::waits_for_garbage(Call& call, const absl::Status& status) {
  std::uint64_t& cycle = call.peer.awaited;
  if (absl::IsResourceExhausted(status)) {
    const Index arena = parts_.sessions.record(call.peer.slot).arena;
    if (cycle == 0) cycle = parts_.trace.next_cycle(arena);
    if (cycle != 0 && !parts_.trace.is_over(arena, cycle)) {
      (void)parts_.trace.hurry(arena, cycle);
      call.answer.again = true;
    } else if (cycle != 0 && parts_.objects.has_to_clear(arena)) {
      // What was destroyed goes on taking its place until its blocks are free.
      (void)parts_.objects.clear_some();
      call.answer.again = true;
    }
  }
  if (!call.answer.again) cycle = 0;
  return call.answer.again;
}

absl::Status Service::check_open(const Call& call, Index object, wire::Kind kind,
                                 wire::Access access, std::string_view fingerprint) const {
  const ObjectRecord& record = parts_.objects.record(object);
  if (kind != wire::Kind::UNKNOWN && record.kind != static_cast<std::uint16_t>(kind)) {
    return error(absl::StatusCode::kFailedPrecondition, "object \"", record.name.view(),
                 "\" is of kind ", kind_name(record.kind), ", not ",
                 kind_name(static_cast<std::uint16_t>(kind)), "; open it as what it is");
  }
  if (!fingerprint.empty() && fingerprint != record.type()) {
    return error(absl::StatusCode::kFailedPrecondition, kind_name(record.kind), " \"",
                 record.name.view(), "\" is of type \"", record.type(), "\", not of \"",
                 printable(fingerprint), "\"; open it as what it is");
  }
  if (access == wire::Access::READ_ONLY) return absl::OkStatus();
  if (record.sealed != 0) {
    return error(absl::StatusCode::kFailedPrecondition, "object \"", record.name.view(),
                 "\" is sealed; open it with read-only access");
  }
  return require_right(call, /*write=*/true);
}

absl::Status Service::open(Call& call, wire::Open::Reader open) {
  if (absl::Status status = require_right(call, /*write=*/false); !status.ok()) return status;
  if (open.isToken()) return open_token(call, open);
  if (open.isObject()) return open_object(call, open);
  if (!open.isName()) return unknown_kind(call);
  const absl::StatusOr<Index> object = named(call, view(open.getName()));
  if (!object.ok()) return object.status();
  const wire::Access access = checked(open.getAccess());
  absl::Status status =
      check_open(call, *object, open.getKind(), access, view(open.getFingerprint()));
  return status.ok() ? attach(call, *object, access, /*created=*/false) : status;
}

absl::Status Service::open_token(Call& call, wire::Open::Reader open) {
  parts_.tokens.expire(boot_ns());
  const Index token = parts_.tokens.find(view(open.getToken()));
  const Index object = token == 0 ? 0 : parts_.tokens[token].object;
  const Index arena = parts_.sessions.record(call.peer.slot).arena;
  if (object == 0 || parts_.objects.record(object).arena != arena) {
    return error(absl::StatusCode::kNotFound,
                 "no such token in this arena: it was opened already, its time is up, or it is of "
                 "another manager or arena; ask for a new one (share)");
  }
  const wire::Access access = checked(open.getAccess());
  if (access == wire::Access::READ_WRITE &&
      parts_.tokens[token].access != static_cast<std::uint32_t>(wire::Access::READ_WRITE)) {
    return error(absl::StatusCode::kPermissionDenied,
                 "the token was shared by a read-only holder; open it with read-only access");
  }
  absl::Status status =
      check_open(call, object, open.getKind(), access, view(open.getFingerprint()));
  if (status.ok()) status = attach(call, object, access, /*created=*/false);
  if (status.ok()) parts_.tokens.take(token);
  return status;
}

// By its id, as it stands in some value: what no value has ever referred to is opened by its name
// or a token alone.
absl::Status Service::open_object(Call& call, wire::Open::Reader open) {
  const Index object = parts_.objects.get(open.getObject());
  const bool there =
      object != 0 &&
      parts_.objects.record(object).arena == parts_.sessions.record(call.peer.slot).arena &&
      (parts_.objects.record(object).named != 0 || parts_.objects.is_referred_to(object)) &&
      !parts_.trace.is_garbage(object);
  if (!there) {
    return error(absl::StatusCode::kNotFound, "object ", open.getObject(),
                 " is gone, or no value of this arena has ever referred to it");
  }
  const wire::Access access = checked(open.getAccess());
  absl::Status status =
      check_open(call, object, open.getKind(), access, view(open.getFingerprint()));
  if (status.ok()) status = attach(call, object, access, /*created=*/false);
  if (status.ok()) parts_.trace.rooted(object);
  return status;
}

// One more reference for the session, and the descriptor to map. The ledger comes last: what it
// counted could not be taken back exactly.
absl::Status Service::attach(Call& call, Index object, wire::Access access, bool created) {
  absl::Status status = fill_attached(call, object, access, created);
  if (status.ok()) status = parts_.ledger.attach(call.peer.slot, object, access, 1, wall_ns());
  if (!status.ok()) {
    call.answer.descriptors[0].reset();
    return status;
  }
  call.outcome.object = parts_.objects.id(object);
  call.outcome.access = static_cast<std::uint8_t>(access);
  call.outcome.created = created ? 1 : 0;
  return absl::OkStatus();
}

absl::Status Service::fill_attached(Call& call, Index object, wire::Access access, bool created) {
  const ObjectRecord& record = parts_.objects.record(object);
  if (parts_.objects.in_arena(object)) {
    auto out = call.reply.initAttached();
    out.setObject(parts_.objects.id(object));
    out.setKind(static_cast<wire::Kind>(record.kind));
    out.setSize(record.size_bytes);
    out.setAccess(access);
    out.setCreated(created);
    out.setResident(true);
    out.setParameter(record.parameter);
    out.setFlags(record.flags);
    out.setFingerprint(std::string(record.type()).c_str());
    out.setElementBytes(record.element_bytes);
    out.setBlock(record.block);
    return absl::OkStatus();
  }
  Segment& segment = parts_.objects.segment(object);
  segment.given_to(call.peer.who.uid);
  absl::StatusOr<protocol::UniqueFd> descriptor =
      parts_.objects.store().descriptor(segment, access == wire::Access::READ_WRITE);
  if (!descriptor.ok()) return descriptor.status();
  call.answer.descriptors[0] = *std::move(descriptor);
  auto out = call.reply.initAttached();
  out.setObject(parts_.objects.id(object));
  out.setKind(static_cast<wire::Kind>(record.kind));
  out.setSize(record.size_bytes);
  out.setMapSize(segment.map_size());
  out.setAccess(access);
  out.setCreated(created);
  out.setResident(segment.resident());
  out.setPageSize(record.page_size_bytes);
  if (!segment.huge_pages_refused().empty()) {
    out.setHugePagesRefused(segment.huge_pages_refused().c_str());
  }
  return absl::OkStatus();
}

absl::Status Service::link(Call& call, wire::Link::Reader link) {
  if (absl::Status status = require_right(call, /*write=*/true); !status.ok()) return status;
  const absl::StatusOr<Index> object = held(call, link.getObject(), /*writable=*/true);
  if (!object.ok()) return object.status();
  // With its creator's session its name may end; so nobody else gives it one.
  const ObjectRecord& record = parts_.objects.record(*object);
  if (record.creator_slot != call.peer.slot || record.creator_generation != call.peer.generation) {
    return error(absl::StatusCode::kPermissionDenied,
                 "only the session that created the object may name it");
  }
  absl::Status status = parts_.objects.link(*object, view(link.getName()));
  if (status.ok()) call.reply.setDone();
  return status;
}

absl::Status Service::unlink(Call& call, wire::Unlink::Reader unlink) {
  if (absl::Status status = require_right(call, /*write=*/true); !status.ok()) return status;
  Index object = 0;
  if (unlink.isName()) {
    const absl::StatusOr<Index> found = named(call, view(unlink.getName()));
    if (!found.ok()) return found.status();
    object = *found;
  } else if (!unlink.isObject()) {
    return unknown_kind(call);
  } else {
    const absl::StatusOr<Index> found = held(call, unlink.getObject(), /*writable=*/false);
    if (!found.ok()) return found.status();
    object = *found;
    if (parts_.objects.record(object).named == 0) {
      return error(absl::StatusCode::kNotFound, "object ", unlink.getObject(),
                   " has no name: it was unlinked already, or is anonymous");
    }
  }
  parts_.objects.unlink(object);
  call.reply.setDone();
  return absl::OkStatus();
}

absl::Status Service::release(Call& call, wire::Release::Reader release) {
  const Index object = parts_.objects.get(release.getObject());
  const bool reads = checked(release.getAccess()) == wire::Access::READ_ONLY;
  if (object != 0 && (reads || release.getCount() == 0)) {
    end_use(call, object, release.getCount() == 0);
  }
  if (release.getKeep()) return absl::OkStatus();
  if (object != 0 && reads) {
    parts_.ledger.end_writing(call.peer.slot, object);
  }
  if (object != 0 && parts_.ledger.lower(call.peer.slot, object, release.getCount()) > 0) {
    parts_.objects.reference_dropped(object);
  }
  return absl::OkStatus();
}

absl::Status Service::share(Call& call, wire::Share::Reader share) {
  const absl::StatusOr<Index> object = held(call, share.getObject(), /*writable=*/false);
  if (!object.ok()) return object.status();
  const double seconds = share.getSeconds();
  if (!std::isfinite(seconds) || seconds <= 0 || seconds > protocol::kTokenSecondsMax) {
    return error(absl::StatusCode::kInvalidArgument,
                 "a token is valid for more than 0 and at most ",
                 static_cast<int>(protocol::kTokenSecondsMax), " seconds");
  }
  const std::int64_t now = boot_ns();
  parts_.tokens.expire(now);
  const Index attachment = parts_.ledger.find(call.peer.slot, *object);
  const absl::StatusOr<std::string> text = parts_.tokens.make(
      {.object = *object,
       .access = static_cast<wire::Access>(parts_.catalog.attachments[attachment].access),
       .expires_ns = now + static_cast<std::int64_t>(seconds * 1e9),
       .uid = call.peer.who.uid,
       .may_use_all = parts_.arenas.is_administrator(call.peer.who)});
  if (!text.ok()) return text.status();
  const TokenRecord& token = parts_.tokens[parts_.tokens.find(*text)];
  call.outcome.token[0] = token.secret[0];
  call.outcome.token[1] = token.secret[1];
  call.reply.setToken(text->c_str());
  return absl::OkStatus();
}

absl::Status Service::descriptor(Call& call, wire::Descriptor::Reader wanted) {
  const bool writable = checked(wanted.getAccess()) == wire::Access::READ_WRITE;
  const absl::StatusOr<Index> object = held(call, wanted.getObject(), writable);
  if (!object.ok()) return object.status();
  if (parts_.objects.in_arena(*object)) {
    const ObjectRecord& record = parts_.objects.record(*object);
    return error(absl::StatusCode::kFailedPrecondition, kind_name(record.kind), " \"",
                 record.name.view(),
                 "\" has no descriptor of its own: it lives in the memory of its arena");
  }
  return fill_attached(call, *object, checked(wanted.getAccess()), /*created=*/false);
}

absl::Status Service::seal(Call& call, std::uint64_t id) {
  const Index known = parts_.objects.get(id);
  const bool holds = known != 0 && parts_.ledger.find(call.peer.slot, known) != 0;
  if (holds && parts_.objects.record(known).sealed != 0) {
    call.reply.setDone();
    return absl::OkStatus();
  }
  const absl::StatusOr<Index> object = held(call, id, /*writable=*/true);
  if (!object.ok()) return object.status();
  const ObjectRecord& record = parts_.objects.record(*object);
  if (parts_.objects.in_arena(*object)) return parts_.objects.seal(*object);
  if (record.sealable == 0) {
    return error(absl::StatusCode::kFailedPrecondition, "object \"", record.name.view(),
                 "\" was not created sealable");
  }
  absl::Status status;
  parts_.ledger.for_each_of_object(*object, [&](const AttachmentRecord& other) {
    if (other.slot == call.peer.slot || !is_writable(other)) return true;
    const SessionRecord& writer = parts_.sessions.record(other.slot);
    status = error(absl::StatusCode::kFailedPrecondition, "object \"", record.name.view(),
                   "\" is attached for writing by pid ", writer.pid, " of uid ", writer.uid,
                   "; let it close the object or attach read-only");
    return false;
  });
  if (status.ok()) status = parts_.objects.seal(*object);
  if (!status.ok()) return status;
  // The caller has replaced its mapping by a read-only one.
  parts_.ledger.end_writing(call.peer.slot, *object);
  call.reply.setDone();
  return absl::OkStatus();
}

}  // namespace shoal::daemon
