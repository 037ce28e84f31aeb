// What an operator asks a manager: its sessions, limits, memory and arenas.
// Blocking, thread and fork safety: as Client.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "shoal/arena.h"
#include "shoal/client.h"
#include "shoal/export.h"

namespace shoal {

struct ManagerInfo {
  std::uint64_t id = 0;  // drawn at its start; in the memory that it makes
  std::string release;
  pid_t pid = 0;
  std::string socket;
  std::uint32_t protocol_major = 0;
  std::uint32_t protocol_minor = 0;
  std::uint32_t layout_version = 0;
  absl::Time started;
  std::uint32_t sessions = 0;  // the caller's included
  std::uint32_t objects = 0;
};

struct ClientInfo {
  std::uint64_t session = 0;
  std::uint16_t slot = 0;
  pid_t pid = 0;
  uid_t uid = 0;
  gid_t gid = 0;
  std::string label;
  std::string arena;
  std::string state;  // live, dying (dead, but a forked child may use its references), quarantined
  absl::Time since;
  std::uint32_t references = 0;
  std::uint32_t objects = 0;
};

struct LimitInfo {
  std::string name;
  std::string unit;
  std::uint64_t limit = 0;
  std::uint64_t used = 0;  // 0 where `counted` is false: a limit of one thing, not of a sum
  bool counted = false;
};

struct UserUsage {
  uid_t uid = 0;
  std::uint64_t committed_bytes = 0;
  std::uint32_t objects = 0;
  std::uint32_t sessions = 0;
};

struct Usage {
  std::uint64_t memory_max_bytes = 0;
  std::uint64_t committed_bytes = 0;
  std::uint64_t warm_bytes = 0;  // freed segments kept for re-use
  std::uint64_t warm_max_bytes = 0;
  std::uint64_t available_bytes = 0;  // what the host and the cgroup would still give
  std::uint64_t container_bytes = 0;  // of all arenas; `memory_max` bounds its sum with committed
  std::vector<ArenaInfo> arenas;
  std::vector<UserUsage> users;
};

class SHOAL_EXPORT Admin {
 public:
  explicit Admin(Client client) : client_(std::move(client)) {}

  [[nodiscard]] absl::StatusOr<ManagerInfo> manager() const;
  [[nodiscard]] absl::StatusOr<std::vector<ClientInfo>> clients() const;
  [[nodiscard]] absl::StatusOr<std::vector<LimitInfo>> limits() const;
  [[nodiscard]] absl::StatusOr<Usage> usage() const;
  // The arenas that the caller has rights in.
  [[nodiscard]] absl::StatusOr<std::vector<ArenaInfo>> arenas() const;

 private:
  Client client_;
};

}  // namespace shoal
