// How commands reach a manager: as --socket and --arena say.
#pragma once

#include <string>

#include "absl/status/statusor.h"

#include <shoal/admin.h>
#include <shoal/client.h>

#include "tools/command.h"

namespace shoal::tools {

// What other tools see this program as.
inline constexpr const char* kLabel = "shoalctl";

ClientOptions connect_options(const Invocation& asked);

// A session in an arena, for commands about its objects.
absl::StatusOr<Client> connect(const Invocation& asked);

// A session in no arena, for commands about the manager.
absl::StatusOr<Client> connect_for_administration(const Invocation& asked);
absl::StatusOr<Admin> connect_admin(const Invocation& asked);

// The arena that connect() goes to, to be named in messages.
std::string arena_name(const Client& client);

}  // namespace shoal::tools
