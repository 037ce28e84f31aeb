// The control socket as a client sees it: one message out, one message in, blocking with a bound.
// Knows nothing of sessions.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include <capnp/message.h>
#include <capnp/serialize.h>
#include <kj/array.h>

#include "client/guarded_fd.h"
#include "schemas/control.capnp.h"
#include "schemas/limits.h"
#include "schemas/unique_fd.h"

namespace shoal::internal {

using Descriptors = std::array<protocol::UniqueFd, protocol::kMessageDescriptorsMax>;
using FillRequest = absl::FunctionRef<void(wire::Request::Builder)>;
using ReadReply = absl::FunctionRef<absl::Status(wire::Reply::Reader, Descriptors&)>;

// The bytes of one request.
kj::Array<capnp::word> encode(std::uint64_t id, FillRequest fill);

class Channel {
 public:
  Channel() = default;

  // UNAVAILABLE: nobody listens there. Until set_timeout, `timeout` bounds every wait.
  static absl::StatusOr<Channel> connect(const std::string& path, absl::Duration timeout);

  // How long one send or receive may wait from now on.
  void set_timeout(absl::Duration timeout);
  // When a wait that signals keep interrupting ends.
  void set_deadline(absl::Time deadline) { deadline_ = deadline; }

  [[nodiscard]] bool valid() const { return socket_.valid(); }
  [[nodiscard]] bool ours() const { return socket_.ours(); }
  void close() { socket_.close(); }

  // UNAVAILABLE: the connection is lost, and closed.
  absl::Status send(kj::ArrayPtr<const capnp::word> message, std::span<const int> descriptors = {});
  // False: the socket is full, or the connection is lost. Never waits.
  bool send_now(kj::ArrayPtr<const capnp::word> message);
  // Reads one message and lets `read` look at it; its status, or an error from the peer's Error
  // reply. UNAVAILABLE with `*lost`: the connection is lost, and closed.
  absl::Status receive(std::uint64_t id, ReadReply read, bool* lost);

 private:
  explicit Channel(protocol::UniqueFd socket) : socket_(std::move(socket)) {}
  absl::Status lose(std::string_view why);
  absl::Status receive_bytes(std::size_t* size, Descriptors& descriptors);

  [[nodiscard]] bool go_on(std::ptrdiff_t failure) const;

  GuardedFd socket_;
  absl::Time deadline_ = absl::InfiniteFuture();
  std::vector<capnp::word> buffer_;  // of the reply being read
};

}  // namespace shoal::internal
