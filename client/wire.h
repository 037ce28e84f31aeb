// Between the public types and the wire's.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"

#include "client/channel.h"
#include "schemas/control.capnp.h"
#include "shoal/arena.h"
#include "shoal/object.h"

namespace shoal::internal {

// Names may hold NULs until the manager has refused them: copied by size.
template <typename Set>
void set_text(Set&& init, std::string_view text) {
  auto out = init(static_cast<unsigned>(text.size()));
  std::copy(text.begin(), text.end(), out.begin());
}

inline std::string to_string(capnp::Text::Reader text) { return {text.begin(), text.size()}; }
inline absl::Time to_time(std::int64_t ns) { return absl::FromUnixNanos(ns); }
inline wire::Access to_wire(Access access) { return static_cast<wire::Access>(access); }
inline wire::Lifetime to_wire(Lifetime lifetime) { return static_cast<wire::Lifetime>(lifetime); }
inline wire::Kind to_wire(Kind kind) { return static_cast<wire::Kind>(kind); }

// INVALID_ARGUMENT for a value that there is not: the manager would take it for one that there is.
absl::Status check_access(Access access);
absl::Status unknown_option(std::string_view option);

// For replies of another kind than the request's.
absl::Status unexpected();
inline absl::Status expect_done(wire::Reply::Reader reply, Descriptors&) {
  return reply.isDone() ? absl::OkStatus() : unexpected();
}

ObjectInfo from_wire(wire::Object::Reader object);
Holder from_wire(wire::Holder::Reader holder);
ArenaInfo from_wire(wire::Arena::Reader arena);

}  // namespace shoal::internal
