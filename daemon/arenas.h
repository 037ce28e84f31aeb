// Arenas as name spaces: owner, mode, quota, and who may do what in them. Their memory is not here.
//
//   who              | may
//   -----------------+---------------------------------------------------------------
//   r of the mode    | list, stat and open read-only the objects of the arena
//   w of the mode    | create, open for writing, seal and unlink them
//   owner            | change the mode, remove the arena
//   root, own uid    | all of that in every arena, create arenas, change quotas
//
// As with files, the first of owner, group and others that fits decides. Who has neither r nor w
// cannot tell the arena from one that does not exist, except by its refusal at hello.
#pragma once

#include <sys/types.h>

#include <string_view>

#include "absl/container/btree_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "daemon/accounts.h"
#include "daemon/catalog.h"
#include "daemon/identity.h"

namespace shoal::daemon {

inline constexpr std::string_view kDefaultArena = "default";

struct Rights {
  bool read = false;
  bool write = false;
};

class Arenas {
 public:
  struct New {
    std::string_view name;
    mode_t mode = 0600;
    std::uint64_t quota_bytes = 0;
    uid_t owner_uid = 0;
    gid_t owner_gid = 0;
  };

  Arenas(Catalog& catalog, const Accounts& accounts, uid_t own_uid)
      : catalog_(catalog), accounts_(accounts), own_uid_(own_uid) {}

  absl::StatusOr<Index> create(const New& arena, std::int64_t now_ns);
  [[nodiscard]] Index find(std::string_view name) const;  // 0: none

  [[nodiscard]] Rights rights(Index arena, const Identity& who) const;
  [[nodiscard]] bool is_administrator(const Identity& who) const {
    // Under the overflow uid anybody may hide, a manager that runs under it included.
    return who.uid == 0 || (who.uid == own_uid_ && who.uid != kOverflowUid);
  }

  // The arena if `who` has any right in it, else NOT_FOUND.
  [[nodiscard]] absl::StatusOr<Index> visible(std::string_view name, const Identity& who) const;

  absl::Status change_mode(std::string_view name, mode_t mode, const Identity& who);
  absl::Status change_quota(std::string_view name, std::uint64_t bytes, const Identity& who);
  absl::Status remove(std::string_view name, const Identity& who);

  // In order of the names. `visit(Index)`.
  template <typename Visit>
  void for_each(Visit visit) const {
    for (const auto& [name, index] : by_name_) visit(index);
  }

 private:
  absl::StatusOr<Index> owned(std::string_view name, const Identity& who) const;

  Catalog& catalog_;
  const Accounts& accounts_;
  uid_t own_uid_;
  absl::btree_map<std::string_view, Index> by_name_;  // keys point into the records
};

}  // namespace shoal::daemon
