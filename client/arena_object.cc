// Implements <shoal/arena_object.h>: creating, opening, and what has nothing to do with the kind.
#include "shoal/arena_object.h"

#include <utility>

#include "client/arena_reference.h"
#include "client/session.h"
#include "client/wire.h"
#include "schemas/text.h"

namespace shoal {

using internal::ArenaReference;
using internal::ArenaRequest;
using internal::Reference;
using internal::Session;
using internal::set_text;

namespace {

using Attached = absl::StatusOr<std::shared_ptr<ArenaReference>>;

// The manager compares fingerprints; whoever would believe it about sizes reads beyond his bytes.
absl::StatusOr<std::shared_ptr<Reference>> check(Attached attached, const ArenaRequest& wanted) {
  if (!attached.ok()) return attached.status();
  const ArenaReference& object = **attached;
  const bool untyped = wanted.element_bytes == 0;
  const bool fits =
      object.kind == wanted.kind &&
      (untyped || wanted.kind != Kind::kCell || object.parameter == wanted.element_bytes) &&
      (untyped || wanted.kind != Kind::kArray ||
       (object.element_bytes == wanted.element_bytes &&
        object.parameter % wanted.element_bytes == 0)) &&
      (untyped || wanted.kind != Kind::kTypedDict ||
       (object.element_bytes == wanted.element_bytes && object.parameter == wanted.parameter));
  if (fits) return std::shared_ptr<Reference>(*std::move(attached));
  return protocol::error(absl::StatusCode::kFailedPrecondition, internal::named(object),
                         " was opened as ", kind_name(wanted.kind), " of ", wanted.element_bytes,
                         " bytes each; open it as what it is");
}

Attached attach(Session& session, std::string_view name, const ArenaRequest& wanted,
                internal::FillRequest fill) {
  if (!wanted.unknown_option.empty()) return internal::unknown_option(wanted.unknown_option);
  if (absl::Status status = internal::check_access(wanted.access); !status.ok()) return status;
  return session.attach_in_arena(name, fill);
}

void fill_open(wire::Open::Builder open, const ArenaRequest& wanted) {
  open.setKind(internal::to_wire(wanted.kind));
  open.setAccess(internal::to_wire(wanted.access));
  set_text([&](unsigned size) { return open.initFingerprint(size); }, wanted.fingerprint);
}

}  // namespace

absl::StatusOr<std::shared_ptr<Reference>> ArenaObject::create_object(const Client& client,
                                                                      std::string_view name,
                                                                      const ArenaRequest& wanted,
                                                                      bool open_existing) {
  return check(attach(*client.session_, name, wanted,
                      [&](wire::Request::Builder request) {
                        auto create = request.initCreate();
                        set_text([&](unsigned size) { return create.initName(size); }, name);
                        create.setKind(internal::to_wire(wanted.kind));
                        create.setLifetime(internal::to_wire(wanted.lifetime));
                        create.setOpenExisting(open_existing);
                        create.setOpenAccess(internal::to_wire(wanted.access));
                        create.setParameter(wanted.parameter);
                        create.setFlags(wanted.flags);
                        set_text([&](unsigned size) { return create.initFingerprint(size); },
                                 wanted.fingerprint);
                        create.setElementBytes(wanted.element_bytes);
                        create.setInitial({reinterpret_cast<const kj::byte*>(wanted.initial.data()),
                                           wanted.initial.size()});
                      }),
               wanted);
}

absl::StatusOr<std::shared_ptr<Reference>> ArenaObject::open_object(const Client& client,
                                                                    std::string_view name,
                                                                    const ArenaRequest& wanted) {
  return check(attach(*client.session_, name, wanted,
                      [&](wire::Request::Builder request) {
                        auto open = request.initOpen();
                        set_text([&](unsigned size) { return open.initName(size); }, name);
                        fill_open(open, wanted);
                      }),
               wanted);
}

absl::StatusOr<std::shared_ptr<Reference>> ArenaObject::open_object(const Client& client,
                                                                    const Token& token,
                                                                    const ArenaRequest& wanted) {
  return check(attach(*client.session_, {}, wanted,
                      [&](wire::Request::Builder request) {
                        auto open = request.initOpen();
                        set_text([&](unsigned size) { return open.initToken(size); }, token.text);
                        fill_open(open, wanted);
                      }),
               wanted);
}

absl::StatusOr<std::shared_ptr<Reference>> ArenaObject::open_object(const Client& client,
                                                                    std::uint64_t id,
                                                                    const ArenaRequest& wanted) {
  return check(attach(*client.session_, {}, wanted,
                      [&](wire::Request::Builder request) {
                        auto open = request.initOpen();
                        open.setObject(id);
                        fill_open(open, wanted);
                      }),
               wanted);
}

const std::string& ArenaObject::name() const {
  static const std::string kNone;
  return reference_ == nullptr ? kNone : reference_->name;
}

std::uint64_t ArenaObject::id() const { return reference_ == nullptr ? 0 : reference_->object; }

Access ArenaObject::access() const {
  return reference_ == nullptr ? Access::kReadOnly : reference_->access;
}

absl::Status ArenaObject::close() {
  reference_.reset();
  return absl::OkStatus();
}

absl::Status ArenaObject::unlink() const {
  if (reference_ == nullptr) return internal::is_closed();
  return reference_->session->call(
      [&](wire::Request::Builder request) { request.initUnlink().setObject(reference_->object); },
      internal::expect_done);
}

absl::StatusOr<int> ArenaObject::poll_fd() const {
  if (reference_ == nullptr) return internal::is_closed();
  return reference_->session->watch(reference_->object);
}

}  // namespace shoal
