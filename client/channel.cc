// See channel.h.
#include "client/channel.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/time/clock.h"
#include <kj/exception.h>

#include "schemas/framing.h"
#include "schemas/text.h"

namespace shoal::internal {
namespace {

using protocol::error;

constexpr std::size_t kFirstReadBytes = 4096;

// What the manager refused, as the caller's status.
absl::Status status_of(wire::Error::Reader failure) {
  const std::uint16_t code = failure.getCode();
  const bool known = code > 0 && code <= static_cast<int>(absl::StatusCode::kUnauthenticated);
  const auto message = failure.getMessage();
  return error(known ? static_cast<absl::StatusCode>(code) : absl::StatusCode::kUnknown,
               std::string_view(message.begin(), message.size()));
}

}  // namespace

kj::Array<capnp::word> encode(std::uint64_t id, FillRequest fill) {
  capnp::word first[64];
  std::memset(first, 0, sizeof first);
  capnp::MallocMessageBuilder message(kj::arrayPtr(first, 64));
  auto request = message.initRoot<wire::Request>();
  request.setId(id);
  fill(request);
  return capnp::messageToFlatArray(message);
}

absl::StatusOr<Channel> Channel::connect(const std::string& path, absl::Duration timeout) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return error(absl::StatusCode::kInvalidArgument, "socket path \"", path, "\" has ", path.size(),
                 " bytes; at most ", sizeof address.sun_path - 1, " fit");
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  protocol::UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket.valid()) {
    return error(absl::StatusCode::kResourceExhausted,
                 "cannot make a socket: ", std::strerror(errno),
                 "; raise the limit of descriptors (ulimit -n)");
  }
  Channel channel(std::move(socket));
  channel.set_timeout(timeout);
  int result = 0;
  do {
    result =
        ::connect(channel.socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
  } while (result != 0 && errno == EINTR);
  if (result != 0) {
    return error(errno == EACCES || errno == EPERM ? absl::StatusCode::kPermissionDenied
                                                   : absl::StatusCode::kUnavailable,
                 path, ": ", std::strerror(errno));
  }
  return channel;
}

void Channel::set_timeout(absl::Duration timeout) {
  // 0 would mean for ever.
  const timeval bound = absl::ToTimeval(std::max(timeout, absl::Milliseconds(1)));
  ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof bound);
  ::setsockopt(socket_.get(), SOL_SOCKET, SO_SNDTIMEO, &bound, sizeof bound);
}

// A signal interrupted the wait, and there is time left.
bool Channel::go_on(std::ptrdiff_t failure) const {
  return failure == -EINTR && absl::Now() < deadline_;
}

absl::Status Channel::lose(std::string_view why) {
  socket_.close();
  return error(absl::StatusCode::kUnavailable, why);
}

absl::Status Channel::send(kj::ArrayPtr<const capnp::word> message,
                           std::span<const int> descriptors) {
  const auto bytes = message.asBytes();
  std::size_t sent = 0;
  while (sent < bytes.size()) {
    const std::ptrdiff_t n = protocol::send(
        socket_.get(),
        {reinterpret_cast<const std::byte*>(bytes.begin()) + sent, bytes.size() - sent},
        sent == 0 ? descriptors : std::span<const int>(), 0);
    // A manager that can do without them lets no descriptors in.
    if (n == -EPERM && sent == 0 && !descriptors.empty()) {
      descriptors = {};
      continue;
    }
    if (go_on(n)) continue;
    if (n == -EAGAIN || n == -EINTR) return lose("the manager takes no requests (is it stopped?)");
    if (n < 0) return lose(std::strerror(static_cast<int>(-n)));
    sent += static_cast<std::size_t>(n);
  }
  return absl::OkStatus();
}

bool Channel::send_now(kj::ArrayPtr<const capnp::word> message) {
  const auto bytes = message.asBytes();
  const std::ptrdiff_t n = protocol::send(
      socket_.get(), {reinterpret_cast<const std::byte*>(bytes.begin()), bytes.size()}, {},
      MSG_DONTWAIT);
  if (n == static_cast<std::ptrdiff_t>(bytes.size())) return true;
  // A part of a message cannot be taken back.
  if (n != -EAGAIN && n != -EINTR) socket_.close();
  return false;
}

absl::Status Channel::receive_bytes(std::size_t* size, Descriptors& descriptors) {
  if (buffer_.empty()) buffer_ = std::vector<capnp::word>(kFirstReadBytes / sizeof(capnp::word));
  std::size_t have = 0;
  std::size_t taken = 0;
  for (;;) {
    auto* base = reinterpret_cast<std::byte*>(buffer_.data());
    const std::size_t room = buffer_.size() * sizeof(capnp::word);
    int failure = 0;
    protocol::Received got =
        protocol::receive(socket_.get(), {base + have, room - have}, 0, &failure);
    if (go_on(failure)) continue;
    if (failure == -EAGAIN || failure == -EINTR)
      return lose("the manager does not answer (is it stopped?)");
    if (failure != 0) return lose(std::strerror(-failure));
    if (got.bytes == 0) return lose("the manager closed the connection");
    for (protocol::UniqueFd& descriptor : got.descriptors) {
      if (descriptor.valid() && taken < descriptors.size()) {
        descriptors[taken++] = std::move(descriptor);
      }
    }
    have += got.bytes;
    const auto whole = protocol::message_bytes({base, have}, protocol::kReplyBytesMax);
    if (!whole.ok()) return lose(protocol::to_std(whole.status().message()));
    if (whole->has_value() && **whole < have) return lose("more than one reply came");
    if (whole->has_value() && **whole == have) {
      *size = have;
      return absl::OkStatus();
    }
    if (whole->has_value() && **whole > room) {
      std::vector<capnp::word> larger((**whole + sizeof(capnp::word) - 1) / sizeof(capnp::word));
      std::memcpy(larger.data(), buffer_.data(), have);
      buffer_ = std::move(larger);
    }
  }
}

absl::Status Channel::receive(std::uint64_t id, ReadReply read, bool* lost) {
  Descriptors descriptors;
  std::size_t size = 0;
  *lost = true;
  if (absl::Status status = receive_bytes(&size, descriptors); !status.ok()) return status;
  absl::Status outcome;
  bool other_id = false;
  kj::Maybe<kj::Exception> broken = kj::runCatchingExceptions([&] {
    capnp::FlatArrayMessageReader reader(kj::arrayPtr(buffer_.data(), size / sizeof(capnp::word)),
                                         protocol::reader_options(size));
    const auto reply = reader.getRoot<wire::Reply>();
    other_id = reply.getId() != id;
    if (other_id) return;
    outcome = reply.isError() ? status_of(reply.getError()) : read(reply, descriptors);
  });
  if (broken != nullptr || other_id) return lose("a reply that cannot be read");
  *lost = false;
  return outcome;
}

}  // namespace shoal::internal
