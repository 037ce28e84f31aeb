// One connection: reads requests, has them answered, writes replies. A peer that breaks the
// protocol is named in the log and disconnected, never asserted on.
//
// At most one reply is unwritten: while a peer does not read, nothing more is read from it.
// Framing is our own on a non-blocking socket (schemas/framing.h), watched by KJ's event port: one
// recvmsg and one sendmsg a request.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include <kj/array.h>
#include <kj/async-unix.h>
#include <kj/async.h>

#include "daemon/service.h"
#include "schemas/unique_fd.h"

namespace shoal::daemon {

class Peer {
 public:
  struct Events {
    std::function<void(Peer&, bool is_new)> greeted;  // has a session, new or resumed
    std::function<void()> worked;                     // answered something
  };

  // `scratch` is where every peer's bytes are received; only what is left over is kept.
  Peer(kj::UnixEventPort& port, protocol::UniqueFd socket, Identity who, Service& service, Log& log,
       std::span<capnp::word> scratch, const Events& events);

  // Resolves when the connection is over.
  kj::Promise<void> serve();

  // Says nothing more and ends `serve`.
  void hang_up();

  [[nodiscard]] const Connection& connection() const { return connection_; }
  [[nodiscard]] bool greeted() const { return connection_.slot != 0; }

 private:
  enum class Next { kRead, kWrite, kYield, kLater, kEnd };

  Next work();
  Next read_once();
  // Answers every whole message of `bytes`; keeps the rest.
  Next answer_all(std::span<const std::byte> bytes);
  Next answer_one(std::span<const std::byte> message);
  Next write_out();
  Next refuse(std::string_view why);
  void keep(std::span<const std::byte> rest);

  // Room in a full socket, waited for only then: watching for it all the time would wake the loop
  // after every reply. A descriptor of its own, since one has one observer.
  struct Writable {
    Writable(kj::UnixEventPort& port, protocol::UniqueFd copy)
        : socket(std::move(copy)),
          observer(port, socket.get(), kj::UnixEventPort::FdObserver::OBSERVE_WRITE) {}
    protocol::UniqueFd socket;
    kj::UnixEventPort::FdObserver observer;
  };

  kj::Promise<void> until_writable();

  kj::UnixEventPort& port_;
  protocol::UniqueFd socket_;
  kj::UnixEventPort::FdObserver observer_;
  std::unique_ptr<Writable> writable_;
  Connection connection_;
  Service& service_;
  Log& log_;
  std::span<capnp::word> scratch_;
  const Events& events_;

  std::vector<capnp::word> kept_;  // the beginning of a message, or messages not yet answered
  std::size_t kept_bytes_ = 0;
  kj::Array<capnp::word> out_;  // the reply being written
  std::size_t out_written_ = 0;
  std::array<protocol::UniqueFd, protocol::kMessageDescriptorsMax> out_descriptors_;
  bool end_after_write_ = false;
  bool ended_ = false;
};

}  // namespace shoal::daemon
