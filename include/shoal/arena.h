// Administration of an arena: a set of names with one owner, one mode and one quota.
// Blocking, thread and fork safety: as Client.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "shoal/export.h"

namespace shoal {

namespace internal {
class Session;
}

struct ArenaOptions {
  mode_t mode = 0600;             // rw bits for owner, group and others; r: open, w: change
  std::uint64_t quota_bytes = 0;  // 0: the manager's default
  // Default: the caller's. Only root and the manager's uid may choose.
  std::optional<uid_t> owner_uid = {};
  std::optional<gid_t> owner_gid = {};
};

struct ArenaInfo {
  std::string name;
  uid_t owner_uid = 0;
  gid_t owner_gid = 0;
  mode_t mode = 0;
  std::uint64_t quota_bytes = 0;
  std::uint64_t committed_bytes = 0;  // of its objects, as each was charged when it was made
  std::uint32_t objects = 0;
  std::uint32_t sessions = 0;
  absl::Time created;
  std::uint64_t arena_bytes = 0;  // how large the arena's own memory may grow; sparse
  // What its dicts and lists hold beyond that, and what is not used of the 64 KiB that cells
  // and arrays share. The quota bounds the sum of both.
  std::uint64_t container_bytes = 0;
};

class SHOAL_EXPORT Arena {
 public:
  // Only root and the manager's own uid may create arenas. ALREADY_EXISTS, PERMISSION_DENIED,
  // INVALID_ARGUMENT, RESOURCE_EXHAUSTED.
  [[nodiscard]] absl::Status create(const ArenaOptions& options = {}) const;

  // NOT_FOUND, also for an arena that the caller has no rights in.
  [[nodiscard]] absl::StatusOr<ArenaInfo> stat() const;

  // For the owner and root. Binds attachments made from now on; existing ones stay.
  [[nodiscard]] absl::Status chmod(mode_t mode) const;

  // For root and the manager's uid. A quota below what is used only stops growth.
  [[nodiscard]] absl::Status set_quota(std::uint64_t bytes) const;

  // For the owner and root. FAILED_PRECONDITION while it has objects or sessions; never "default".
  [[nodiscard]] absl::Status remove() const;

  [[nodiscard]] const std::string& name() const { return name_; }

 private:
  friend class Client;
  Arena(std::shared_ptr<internal::Session> session, std::string name)
      : session_(std::move(session)), name_(std::move(name)) {}

  std::shared_ptr<internal::Session> session_;
  std::string name_;
};

}  // namespace shoal
