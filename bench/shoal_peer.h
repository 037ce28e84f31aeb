// Shoal's side of a row in which two processes work: the peer is a client of its own, of the same
// private manager.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "bench/manager.h"
#include "reference/peer.h"

namespace bench {

// The peer is forked first, so that it inherits nothing of shoal's.
class ShoalPeer {
 public:
  // What the peer works with; it finds every object by the name that this process gave it.
  using Make =
      std::function<reference::Peer::Work(reference::PeerPage& page, const shoal::Client& client)>;

  explicit ShoalPeer(Make make, shoal::ClientOptions options = {})
      : peer_([make = std::move(make), options](reference::PeerPage& page, const char* socket) {
          shoal::ClientOptions with_socket = options;
          with_socket.socket = socket;
          return make(page, must("peer", shoal::Client::connect(with_socket)));
        }),
        manager_(must("manager", shoal::Manager::start())),
        client_(must("client", manager_.connect(options))) {}

  [[nodiscard]] const shoal::Client& client() const { return client_; }
  [[nodiscard]] reference::Peer& peer() { return peer_; }

  // Once every object that the peer opens is there.
  void begin() { peer_.begin(manager_.socket()); }

 private:
  reference::Peer peer_;
  shoal::Manager manager_;
  shoal::Client client_;
};

}  // namespace bench
