// A session with a manager: one control call at a time, repeated after a lost connection; what this
// process holds; and what becomes of both in a forked child.
//
// Locking: `call_mutex_` for as long as a call is under way; `state_mutex_` for the local ledger,
// never held while waiting. A reference given back never waits: if a call is under way, whoever
// makes it passes the news on when it is done.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "client/channel.h"
#include "client/fork.h"
#include "client/guarded_fd.h"
#include "client/mapping.h"
#include "schemas/control.capnp.h"
#include "shoal/client.h"
#include "shoal/object.h"

namespace shoal::internal {

class Reference;

class Session final : private ForkGuarded, public std::enable_shared_from_this<Session> {
 public:
  static absl::StatusOr<std::shared_ptr<Session>> open(ClientOptions options, bool with_arena);
  ~Session();

  // One request and its reply. `fill` may run several times; `read` at most once.
  absl::Status call(FillRequest fill, ReadReply read);

  // A request that attaches to an object; `name` is what messages and name() say.
  absl::StatusOr<std::shared_ptr<Reference>> attach(std::string_view name, bool prefault,
                                                    FillRequest fill);

  // Names this process as an owner in shared memory. Opens a forked child's session.
  absl::StatusOr<std::uint16_t> slot() {
    if (epoch_.load(std::memory_order_acquire) == fork_epoch()) return slot_;
    return slot_after_fork();
  }

  [[nodiscard]] const ClientOptions& options() const { return options_; }

 private:
  friend class Reference;

  struct Held {
    std::uint32_t count[2] = {};        // by access
    std::weak_ptr<Mapping> mapping[2];  // by access

    [[nodiscard]] std::uint32_t total() const { return count[0] + count[1]; }
    [[nodiscard]] Access access() const {
      return count[static_cast<int>(Access::kReadWrite)] > 0 ? Access::kReadWrite
                                                             : Access::kReadOnly;
    }
  };
  struct Secret {
    std::uint64_t session = 0;
    std::uint64_t high = 0;
    std::uint64_t low = 0;
  };

  Session(ClientOptions options, bool with_arena);

  // All of these with call_mutex_ held.
  absl::Status begin_call();
  absl::Status exchange(std::uint64_t id, kj::ArrayPtr<const capnp::word> message, ReadReply read);
  absl::Status connect_anywhere(absl::Duration within);
  absl::Status hello(bool resume);
  absl::Status reconnect(absl::Time deadline, absl::Status status);
  void settle_abandoned(wire::Welcome::Reader welcome);
  absl::Status begin_in_child();
  absl::Status inherit(const Secret& parent);
  absl::StatusOr<std::uint16_t> slot_after_fork();
  void send_releases();

  absl::StatusOr<std::shared_ptr<Reference>> take(std::string_view name, bool prefault,
                                                  wire::Attached::Reader attached,
                                                  Descriptors& descriptors);
  void release(std::uint64_t object, Access access);
  void pass_on_releases();

  static void fill_secret(wire::Secret::Builder out, const Secret& secret);

  ClientOptions options_;
  bool with_arena_;
  std::string socket_path_;  // where the manager was found
  Channel channel_;
  GuardedFd life_;  // the write end of the life pipe, in which nothing is ever written
  std::shared_ptr<Mapping> page_;
  Secret secret_;
  std::uint16_t slot_ = 0;
  std::uint64_t last_id_ = 0;
  std::uint64_t abandoned_ = 0;  // id of a request that was given up; 0: none
  absl::Status lost_;            // not OK: for good
  std::atomic<std::uint64_t> epoch_;

  // With state_mutex_ held.
  absl::flat_hash_map<std::uint64_t, Held> held_;
  absl::flat_hash_set<std::uint64_t> to_release_;
  std::atomic<bool> has_releases_{false};
};

}  // namespace shoal::internal
