// The manager: its parts, put together, and the event loop that feeds them. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include <capnp/common.h>
#include <kj/async-unix.h>
#include <kj/async.h>

#include "daemon/listener.h"
#include "daemon/log.h"
#include "daemon/options.h"
#include "daemon/peer.h"
#include "daemon/state.h"

namespace shoal::daemon {

class Manager final : private kj::TaskSet::ErrorHandler {
 public:
  Manager(kj::UnixEventPort& port, State& state, Listener& listener, Service& service, Log& log,
          std::uint32_t ungreeted_max);
  ~Manager() noexcept(false);

  // Serves until `stop` resolves and whoever sleeps in an arena has been woken: while the sockets
  // are still there, so that nobody takes the end for a lost connection.
  kj::Promise<void> run(kj::Promise<void> stop);

 private:
  // What is watched of a session: its process and its life pipe.
  struct Watch;

  void refuse_descriptors();
  kj::Promise<void> close_arenas();
  kj::Promise<void> accept_all();
  bool may_connect(const Identity& who) const;
  void accept_one(protocol::UniqueFd socket);
  void turn_away(int socket, const Identity& who);
  void serve(protocol::UniqueFd socket, Identity who);
  void greeted_or_gone(uid_t uid);
  void peer_over(Peer* peer);
  void watch(Index slot);
  kj::Promise<void> watch_death(Index slot, std::uint32_t generation);
  kj::Promise<void> watch_life(Index slot, std::uint32_t generation);
  kj::Promise<void> read_life(Index slot, std::uint32_t generation);
  // Does what the session's state asks for next.
  void advance(Index slot);
  // Looks again later at a session that closed its descriptors but still maps its page.
  kj::Promise<void> look_again(Index slot, std::uint32_t generation, kj::Duration after);
  kj::Promise<void> recover(Index slot);
  kj::Promise<void> drain(Index slot);
  void schedule_laundry();
  kj::Promise<void> launder();
  void schedule_clearing();
  kj::Promise<void> clear();
  void schedule_tracing();
  kj::Promise<void> trace();
  void schedule_expiry();
  void schedule_watches();
  kj::Promise<void> check_watches();
  void schedule_slow_waits();
  kj::Promise<void> look_for_slow_waits();
  void schedule_tidying();
  bool same_session(Index slot, std::uint32_t generation) const;
  void taskFailed(kj::Exception&& exception) override;

  kj::UnixEventPort& port_;
  State& state_;
  Listener& listener_;
  Service& service_;
  Log& log_;
  std::uint32_t ungreeted_max_;
  std::uint32_t ungreeted_ = 0;
  absl::flat_hash_map<uid_t, std::uint32_t> ungreeted_of_uid_;
  kj::UnixEventPort::FdObserver listening_;
  Peer::Events events_;
  kj::Array<capnp::word> scratch_;
  absl::flat_hash_map<Index, std::unique_ptr<Watch>> watches_;
  absl::flat_hash_map<Index, Peer*> peer_of_session_;
  std::uint64_t turned_away_ = 0;
  std::int64_t turned_away_told_ns_ = 0;
  bool laundry_scheduled_ = false;
  bool clearing_scheduled_ = false;
  bool tracing_scheduled_ = false;
  bool expiry_scheduled_ = false;
  bool watches_scheduled_ = false;
  bool slow_waits_scheduled_ = false;
  bool tidying_scheduled_ = false;
  kj::TaskSet tasks_;
};

}  // namespace shoal::daemon
