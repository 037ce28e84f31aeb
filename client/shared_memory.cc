// Implements <shoal/shared_memory.h>, and what every kind that is a segment needs to be attached.
#include "shoal/shared_memory.h"

#include <utility>

#include "client/reference.h"
#include "client/segment.h"
#include "client/session.h"
#include "client/wire.h"
#include "schemas/names.h"
#include "schemas/text.h"

namespace shoal {

using internal::Descriptors;
using internal::Reference;
using internal::set_text;

namespace internal {

absl::StatusOr<std::shared_ptr<Reference>> create_segment(Session& session,
                                                          const SegmentRequest& wanted) {
  if (absl::Status status = check_access(wanted.options.access); !status.ok()) return status;
  // On the wire it would mean any node.
  const int node = wanted.options.numa_node.value_or(-1);
  if (wanted.options.numa_node.has_value() && node < 0) {
    return protocol::error(absl::StatusCode::kInvalidArgument, "object \"",
                           protocol::printable(wanted.name), "\": there is no NUMA node ", node,
                           "; leave the node out to take any");
  }
  return session.attach(wanted.name, wanted.options.prefault, [&](wire::Request::Builder request) {
    auto create = request.initCreate();
    set_text([&](unsigned size) { return create.initName(size); }, wanted.name);
    create.setKind(to_wire(wanted.kind));
    create.setSize(wanted.options.size);
    create.setLifetime(to_wire(wanted.options.lifetime));
    create.setSealable(wanted.options.sealable);
    create.setSparse(wanted.options.sparse);
    create.setHugePages(wanted.options.huge_pages);
    create.setNumaNode(node);
    create.setOpenExisting(wanted.open_existing);
    create.setOpenAccess(to_wire(wanted.options.access));
  });
}

absl::StatusOr<std::shared_ptr<Reference>> open_segment(Session& session, std::string_view name,
                                                        Kind kind, const OpenOptions& options) {
  if (absl::Status status = check_access(options.access); !status.ok()) return status;
  return session.attach(name, options.prefault, [&](wire::Request::Builder request) {
    auto open = request.initOpen();
    set_text([&](unsigned size) { return open.initName(size); }, name);
    open.setKind(to_wire(kind));
    open.setAccess(to_wire(options.access));
  });
}

absl::StatusOr<std::shared_ptr<Reference>> open_segment(Session& session, const Token& token,
                                                        Kind kind, const OpenOptions& options) {
  if (absl::Status status = check_access(options.access); !status.ok()) return status;
  return session.attach({}, options.prefault, [&](wire::Request::Builder request) {
    auto open = request.initOpen();
    set_text([&](unsigned size) { return open.initToken(size); }, token.text);
    open.setKind(to_wire(kind));
    open.setAccess(to_wire(options.access));
  });
}

}  // namespace internal

namespace {

absl::Status closed() { return absl::FailedPreconditionError("the shared memory is closed"); }

// Asks for a descriptor of what `reference` holds.
absl::StatusOr<protocol::UniqueFd> descriptor_of(const Reference& reference, Access access) {
  protocol::UniqueFd fd;
  absl::Status status = reference.session->call(
      [&](wire::Request::Builder request) {
        auto wanted = request.initDescriptor();
        wanted.setObject(reference.object);
        wanted.setAccess(internal::to_wire(access));
      },
      [&](wire::Reply::Reader, Descriptors& descriptors) {
        fd = std::move(descriptors[0]);
        return absl::OkStatus();
      });
  if (!status.ok()) return status;
  if (!fd.valid()) return internal::no_descriptor_came();
  return fd;
}

}  // namespace

SharedMemory::SharedMemory(std::shared_ptr<Reference> reference)
    : reference_(std::move(reference)) {}

absl::StatusOr<SharedMemory> SharedMemory::create(const Client& client, std::string_view name,
                                                  const Options& options, bool open_existing) {
  auto reference = internal::create_segment(*client.session_, {.name = name,
                                                               .kind = Kind::kSharedMemory,
                                                               .options = options,
                                                               .open_existing = open_existing});
  if (!reference.ok()) return reference.status();
  return SharedMemory(*std::move(reference));
}

absl::StatusOr<SharedMemory> SharedMemory::open(const Client& client, std::string_view name,
                                                const OpenOptions& options) {
  auto reference = internal::open_segment(*client.session_, name, Kind::kSharedMemory, options);
  if (!reference.ok()) return reference.status();
  return SharedMemory(*std::move(reference));
}

absl::StatusOr<SharedMemory> SharedMemory::open(const Client& client, const Token& token,
                                                const OpenOptions& options) {
  auto reference = internal::open_segment(*client.session_, token, Kind::kSharedMemory, options);
  if (!reference.ok()) return reference.status();
  return SharedMemory(*std::move(reference));
}

std::span<std::byte> SharedMemory::data() const {
  return reference_ == nullptr ? std::span<std::byte>() : reference_->mapping->data();
}

std::uint64_t SharedMemory::size() const { return data().size(); }

const std::string& SharedMemory::name() const {
  static const std::string kNone;
  return reference_ == nullptr ? kNone : reference_->name;
}

std::uint64_t SharedMemory::id() const { return reference_ == nullptr ? 0 : reference_->object; }

Access SharedMemory::access() const {
  return reference_ == nullptr ? Access::kReadOnly : reference_->mapping->access();
}

const PageReport& SharedMemory::pages() const {
  static const PageReport kNone;
  return reference_ == nullptr ? kNone : reference_->pages;
}

absl::Status SharedMemory::close() {
  reference_.reset();
  return absl::OkStatus();
}

absl::Status SharedMemory::unlink() const {
  if (reference_ == nullptr) return closed();
  return reference_->session->call(
      [&](wire::Request::Builder request) { request.initUnlink().setObject(reference_->object); },
      [](wire::Reply::Reader, Descriptors&) { return absl::OkStatus(); });
}

absl::Status SharedMemory::seal() const {
  if (reference_ == nullptr) return closed();
  if (reference_->access == Access::kReadOnly) {
    return protocol::error(absl::StatusCode::kPermissionDenied, internal::named(*reference_),
                           " is attached read-only; open it with read-write access to seal it");
  }
  // Held back, not mapped, in case the seal is refused.
  absl::StatusOr<protocol::UniqueFd> writable = descriptor_of(*reference_, Access::kReadWrite);
  if (!writable.ok()) {
    // Only an object that somebody sealed already has no writable descriptor.
    if (!absl::IsFailedPrecondition(writable.status()) &&
        !absl::IsPermissionDenied(writable.status())) {
      return writable.status();
    }
  }
  absl::StatusOr<protocol::UniqueFd> readable = descriptor_of(*reference_, Access::kReadOnly);
  if (!readable.ok()) return readable.status();
  // The kernel seals only what nobody has mapped through a writable descriptor.
  absl::Status status = reference_->mapping->replace(readable->get(), Access::kReadOnly);
  if (!status.ok()) return status;
  status = reference_->session->call(
      [&](wire::Request::Builder request) { request.setSeal(reference_->object); },
      [](wire::Reply::Reader, Descriptors&) { return absl::OkStatus(); });
  if (status.ok() || !writable.ok()) return status;
  absl::Status restored = reference_->mapping->replace(writable->get(), Access::kReadWrite);
  return restored.ok() ? status : restored;
}

absl::StatusOr<int> SharedMemory::descriptor(Access access) const {
  if (reference_ == nullptr) return closed();
  if (absl::Status status = internal::check_access(access); !status.ok()) return status;
  absl::StatusOr<protocol::UniqueFd> fd = descriptor_of(*reference_, access);
  if (!fd.ok()) return fd.status();
  return fd->release();
}

}  // namespace shoal
