// See held_objects.h.
#include "tools/held_objects.h"

#include <utility>

#include "absl/strings/str_cat.h"

#include <shoal/arena_object.h>

#include "tools/format.h"

namespace shoal::tools {
namespace {

// An object of which nothing is asked but to be there.
template <Kind kind>
class Held : public internal::ArenaKind<Held<kind>> {
 public:
  struct Options {};

 private:
  friend class internal::ArenaKind<Held>;
  using internal::ArenaKind<Held>::ArenaKind;
  static internal::ArenaRequest wanted(const Options&) { return {.kind = kind}; }
};

using Proxy = absl::StatusOr<std::shared_ptr<const void>>;

template <Kind kind>
Proxy open_as(const Client& client, std::uint64_t id) {
  auto object = client.open_by_id<Held<kind>>(id, {.access = Access::kReadOnly});
  if (!object.ok()) return object.status();
  return std::make_shared<const Held<kind>>(*std::move(object));
}

// Of the kinds from the first that lives in an arena on.
template <Kind kind = Kind::kLock>
Proxy open_any(const Client& client, const ObjectInfo& object) {
  if (object.kind == kind) return open_as<kind>(client, object.id);
  constexpr Kind kNext = static_cast<Kind>(static_cast<std::uint16_t>(kind) + 1);
  if constexpr (kNext <= Kind::kNamespace) {
    return open_any<kNext>(client, object);
  } else {
    return absl::FailedPreconditionError(absl::StrCat(
        "object ", object.id, " is a ", std::string(kind_name(object.kind)),
        ", a segment of its own; values refer to objects in the memory of their arena"));
  }
}

}  // namespace

HeldObjects::HeldObjects(Client client) : client_(std::move(client)) {}

absl::Status HeldObjects::hold(const Value& value) {
  if (const std::uint64_t* id = value.as_reference()) return hold_object(*id);
  for (const Value& item : value.items()) {
    if (absl::Status status = hold(item); !status.ok()) return status;
  }
  for (const ValueEntry& entry : value.entries()) {
    if (absl::Status status = hold(entry.key); !status.ok()) return status;
    if (absl::Status status = hold(entry.value); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status HeldObjects::hold_object(std::uint64_t id) {
  if (held_.contains(id)) return absl::OkStatus();
  const auto stat = client_.stat_by_id(id);
  auto proxy = stat.ok() ? open_any(client_, stat->object) : Proxy(stat.status());
  if (absl::IsNotFound(proxy.status())) {
    return absl::NotFoundError(
        absl::StrCat("the value refers to object ", id,
                     ", which is not in this arena, or not any more; put null there, or the id of "
                     "another: shoalctl ls shows them"));
  }
  if (!proxy.ok()) return proxy.status();
  held_.emplace(id, *std::move(proxy));
  return absl::OkStatus();
}

}  // namespace shoal::tools
