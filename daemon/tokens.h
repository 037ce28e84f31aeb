// Tokens: printable words that each hold one reference to an object until they are opened or their
// time is up, whatever becomes of who made them.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"

#include "daemon/catalog.h"
#include "daemon/objects.h"
#include "schemas/control.capnp.h"

namespace shoal::daemon {

class Tokens {
 public:
  Tokens(Catalog& catalog, Objects& objects) : catalog_(catalog), objects_(objects) {}

  struct New {
    Index object = 0;
    wire::Access access = wire::Access::READ_ONLY;
    std::int64_t expires_ns = 0;
    uid_t uid = 0;             // who makes it
    bool may_use_all = false;  // not held to one uid's share
  };
  // RESOURCE_EXHAUSTED names the limit.
  absl::StatusOr<std::string> make(const New& token);

  // The token's record, 0 if there is none: taken, expired, or never made.
  [[nodiscard]] Index find(std::string_view text) const;
  [[nodiscard]] const TokenRecord& operator[](Index index) const { return catalog_.tokens[index]; }

  // Uses the token up. Its object has lost a reference: the caller attaches first.
  void take(Index index);

  // Ends what is over; when the next one will be, 0 if there is none.
  std::int64_t expire(std::int64_t now_ns);

  static std::string text(const TokenRecord& record);

 private:
  using Secret = std::pair<std::uint64_t, std::uint64_t>;
  Catalog& catalog_;
  Objects& objects_;
  absl::flat_hash_map<Secret, Index> by_secret_;
  absl::btree_set<std::pair<std::int64_t, Index>> by_time_;
  absl::flat_hash_map<uid_t, std::uint32_t> of_uid_;
};

}  // namespace shoal::daemon
