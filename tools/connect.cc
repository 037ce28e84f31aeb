// How commands reach a manager. See connect.h.
#include "tools/connect.h"

#include <cstdlib>

namespace shoal::tools {

ClientOptions connect_options(const Invocation& asked) {
  return {.socket = asked.value("--socket"), .arena = asked.value("--arena"), .label = kLabel};
}

absl::StatusOr<Client> connect(const Invocation& asked) {
  return Client::connect(connect_options(asked));
}

absl::StatusOr<Client> connect_for_administration(const Invocation& asked) {
  return Client::connect_for_administration(connect_options(asked));
}

absl::StatusOr<Admin> connect_admin(const Invocation& asked) {
  auto client = connect_for_administration(asked);
  if (!client.ok()) return client.status();
  return Admin(*std::move(client));
}

std::string arena_name(const Client& client) {
  if (!client.options().arena.empty()) return client.options().arena;
  const char* name = std::getenv("SHOAL_ARENA");
  return name != nullptr && *name != '\0' ? name : "default";
}

}  // namespace shoal::tools
