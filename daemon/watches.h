// Descriptors that tell of changes: an eventfd for each session and object that it watches. The
// session polls its duplicate; whoever changes the object clears the watched bit (memory/wait.h)
// and pokes the manager, which then makes the eventfd readable. A waker may be killed before its
// poke, or not care to send one: so all are looked at once a second, too.
//
// Invariant: whoever watches an object is attached to it. A watch ends with the session's last
// reference, or with the session.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <utility>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"

#include "daemon/catalog.h"
#include "daemon/log.h"
#include "daemon/objects.h"
#include "schemas/unique_fd.h"

namespace shoal::daemon {

class Watches {
 public:
  Watches(const Catalog& catalog, Objects& objects, Log& log, std::uint32_t watches_max);

  // The session's descriptor for this object, armed: it becomes readable at the next change. The
  // same one each time. RESOURCE_EXHAUSTED names the limit. `may_use_all`: not held to one uid's
  // share.
  absl::StatusOr<protocol::UniqueFd> add(Index slot, Index object, bool may_use_all);
  void end(Index slot, Index object);
  void end_session(Index slot);

  // Tells everybody who watches the object: it has changed.
  void tell_all(Index object);
  // Checks some of all watched objects, from where it left off; whether there are more.
  bool check_some();

  [[nodiscard]] bool has(Index slot, Index object) const {
    return events_.contains(Key{object, slot});
  }
  [[nodiscard]] bool empty() const { return events_.empty(); }
  [[nodiscard]] std::uint32_t count() const { return static_cast<std::uint32_t>(events_.size()); }
  [[nodiscard]] std::uint32_t watches_max() const { return watches_max_; }

 private:
  using Key = std::pair<Index, Index>;
  // What a change of an object moves on.
  struct Change {
    std::uint32_t event = 0;  // its sequence
    std::uint64_t token = 0;  // of the lock
    bool operator==(const Change&) const = default;
  };

  [[nodiscard]] Change change_of(Index object) const;
  [[nodiscard]] bool has_news(Index object) const;

  absl::Status check_limits(Index slot, bool may_use_all) const;
  [[nodiscard]] std::uint32_t of_session(Index slot) const;
  [[nodiscard]] bool tell(const protocol::UniqueFd& event) const;
  void forget(Key object_and_slot);

  const Catalog& catalog_;
  Objects& objects_;
  Log& log_;
  std::uint32_t watches_max_;
  absl::btree_map<Key, protocol::UniqueFd> events_;  // by object and slot
  absl::btree_set<Key> by_session_;                  // slot and object
  absl::flat_hash_map<Index, Change> told_;          // up to where all who watch it were told
  absl::flat_hash_map<Index, std::uint32_t> count_of_session_;
  absl::flat_hash_map<uid_t, std::uint32_t> count_of_uid_;
  Index next_ = 0;  // object that check_some begins with
};

}  // namespace shoal::daemon
