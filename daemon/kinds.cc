// See kinds.h.
#include "daemon/kinds.h"

#include "schemas/limits.h"
#include "schemas/names.h"
#include "schemas/parameter_range.h"
#include "schemas/text.h"

namespace shoal::daemon {
namespace {

using memory::ObjectKind;

static_assert(protocol::kArrayBytesMax == memory::kArenaBytesMax);

std::uint16_t flags_of(ObjectKind kind) {
  switch (kind) {
    case ObjectKind::kLock:
      return memory::kFlagReleaseByAnyone;
    case ObjectKind::kSemaphore:
    case ObjectKind::kBoundedSemaphore:
      return memory::kFlagPlain;
    default:
      return 0;
  }
}

template <typename... Pieces>
absl::Status invalid(std::string_view name, std::uint16_t kind, const Pieces&... pieces) {
  return protocol::error(absl::StatusCode::kInvalidArgument, kind_name(kind), " \"",
                         protocol::printable(name), "\": ", pieces...);
}

absl::Status check_type(std::string_view name, std::uint16_t kind, const Traits& traits) {
  const bool typed = static_cast<ObjectKind>(kind) == ObjectKind::kCell ||
                     static_cast<ObjectKind>(kind) == ObjectKind::kArray ||
                     static_cast<ObjectKind>(kind) == ObjectKind::kTypedDict;
  const std::string_view type = traits.fingerprint;
  if (!typed) {
    if (type.empty()) return absl::OkStatus();
    return invalid(name, kind,
                   "only a Cell, an Array or a TypedDict has a fingerprint of its type");
  }
  if (type.empty() || type.size() > protocol::kFingerprintBytesMax ||
      !protocol::check_name("fingerprint", type).ok()) {
    return invalid(name, kind, "the fingerprint of its type is \"", protocol::printable(type),
                   "\"; give 1 to ", protocol::kFingerprintBytesMax,
                   " bytes of text, as in \"i32\"");
  }
  return absl::OkStatus();
}

}  // namespace

const char* kind_name(std::uint16_t kind) {
  switch (static_cast<wire::Kind>(kind)) {
    case wire::Kind::SHARED_MEMORY:
      return "SharedMemory";
    case wire::Kind::SHAREABLE_LIST:
      return "ShareableList";
    case wire::Kind::LOCK:
      return "Lock";
    case wire::Kind::R_LOCK:
      return "RLock";
    case wire::Kind::SHARED_LOCK:
      return "SharedLock";
    case wire::Kind::SEMAPHORE:
      return "Semaphore";
    case wire::Kind::BOUNDED_SEMAPHORE:
      return "BoundedSemaphore";
    case wire::Kind::CONDITION:
      return "Condition";
    case wire::Kind::EVENT:
      return "Event";
    case wire::Kind::BARRIER:
      return "Barrier";
    case wire::Kind::CELL:
      return "Cell";
    case wire::Kind::ARRAY:
      return "Array";
    case wire::Kind::DICT:
      return "Dict";
    case wire::Kind::TYPED_DICT:
      return "TypedDict";
    case wire::Kind::LIST:
      return "List";
    case wire::Kind::NAMESPACE:
      return "Namespace";
    default:
      return "object of unknown kind";
  }
}

absl::Status check_traits(std::string_view name, std::uint16_t kind, const Traits& traits) {
  const auto of = static_cast<ObjectKind>(kind);
  if (const std::uint16_t strange = traits.flags & ~flags_of(of); strange != 0) {
    return invalid(name, kind, "option flags ", strange,
                   " are not of this kind, or this manager is older than the client");
  }
  const protocol::ParameterRange range = protocol::parameter_range(
      static_cast<wire::Kind>(kind), (traits.flags & memory::kFlagPlain) != 0);
  if (!range.contains(traits.parameter)) {
    return invalid(name, kind, traits.parameter, " ", range.what, "; give ", range.least, " to ",
                   range.most);
  }
  if (absl::Status status = check_type(name, kind, traits); !status.ok()) return status;
  if (of == ObjectKind::kArray &&
      (traits.element_bytes == 0 || traits.parameter % traits.element_bytes != 0)) {
    return invalid(name, kind, traits.parameter, " bytes are no whole number of elements of ",
                   traits.element_bytes, " bytes");
  }
  if (of == ObjectKind::kTypedDict &&
      (traits.element_bytes == 0 || traits.element_bytes > protocol::kValueBytesMax)) {
    return invalid(name, kind, traits.element_bytes, " bytes of a value; give 1 to ",
                   protocol::kValueBytesMax);
  }
  const std::uint64_t initial = traits.initial.size();
  if (initial != 0 && (of != ObjectKind::kCell || initial != traits.parameter)) {
    return invalid(name, kind, "an initial value of ", initial,
                   " bytes; only a Cell has one, of the value's size, which is ",
                   of == ObjectKind::kCell ? traits.parameter : 0);
  }
  return absl::OkStatus();
}

}  // namespace shoal::daemon
