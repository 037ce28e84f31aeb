// What a name may be: of objects and arenas, the same on both sides of the socket.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace shoal::protocol {

// OK, or INVALID_ARGUMENT saying what is wrong with `name`. `what` is "object" or "arena".
absl::Status check_name(std::string_view what, std::string_view name);

// A prefix for listing: empty or the beginning of a name.
absl::Status check_prefix(std::string_view prefix);

bool is_utf8(std::string_view bytes);

// For messages and logs: the bytes with anything unprintable escaped, cut at 255 bytes.
std::string printable(std::string_view bytes);

}  // namespace shoal::protocol
