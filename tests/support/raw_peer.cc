// See raw_peer.h.
#include "tests/support/raw_peer.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "absl/status/status.h"

#include "schemas/framing.h"
#include "schemas/limits.h"
#include "schemas/protocol.h"
#include "tests/support/watchdog.h"

namespace shoal::test {
namespace {

bool readable(int fd) {
  pollfd ready{.fd = fd, .events = POLLIN, .revents = 0};
  int count = 0;
  do {
    count = ::poll(&ready, 1, kWatchdogSeconds * 1000);
  } while (count < 0 && errno == EINTR);
  return count == 1;
}

}  // namespace

RawReply::RawReply(std::vector<capnp::word> words, std::vector<protocol::UniqueFd> descriptors)
    : words_(std::make_unique<std::vector<capnp::word>>(std::move(words))),
      reader_(std::make_unique<capnp::FlatArrayMessageReader>(
          kj::arrayPtr(words_->data(), words_->size()))),
      descriptors_(std::move(descriptors)) {}

wire::Reply::Reader RawReply::get() const { return reader_->getRoot<wire::Reply>(); }

std::string RawReply::outcome() const {
  if (closed()) return "closed";
  if (!get().isError()) return "OK";
  const auto error = get().getError();
  return absl::Status(static_cast<absl::StatusCode>(error.getCode()), error.getMessage().cStr())
      .ToString();
}

RawPeer::RawPeer(const std::string& socket)
    : socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, socket.c_str(), sizeof address.sun_path - 1);
  if (::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    throw std::runtime_error("cannot connect to " + socket + ": " + std::strerror(errno));
  }
}

std::string RawPeer::encode(const Fill& fill) {
  capnp::MallocMessageBuilder message;
  fill(message.initRoot<wire::Request>());
  const kj::Array<capnp::word> words = capnp::messageToFlatArray(message);
  return {reinterpret_cast<const char*>(words.begin()), words.asBytes().size()};
}

bool RawPeer::send(std::string_view bytes, std::span<const int> descriptors) const {
  iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
  std::vector<char> control(CMSG_SPACE(descriptors.size_bytes()));
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  if (!descriptors.empty()) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(descriptors.size_bytes());
    std::memcpy(CMSG_DATA(header), descriptors.data(), descriptors.size_bytes());
  }
  while (piece.iov_len > 0) {
    const ssize_t sent = ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL);
    if (sent < 0) return false;
    piece.iov_base = static_cast<char*>(piece.iov_base) + sent;
    piece.iov_len -= static_cast<std::size_t>(sent);
    message.msg_control = nullptr;
    message.msg_controllen = 0;
  }
  return true;
}

RawReply RawPeer::receive() const {
  std::vector<std::byte> bytes;
  std::vector<protocol::UniqueFd> descriptors;
  for (;;) {
    const auto size = protocol::message_bytes(bytes, protocol::kReplyBytesMax);
    if (!size.ok()) throw std::runtime_error(size.status().ToString());
    if (size->has_value() && **size <= bytes.size()) {
      std::vector<capnp::word> words(**size / sizeof(capnp::word));
      std::memcpy(words.data(), bytes.data(), **size);
      return {std::move(words), std::move(descriptors)};
    }
    if (!readable(socket_.get())) throw std::runtime_error("no reply from the manager");
    std::byte piece[4096];
    int error = 0;
    protocol::Received got = protocol::receive(socket_.get(), piece, 0, &error);
    if (error != 0 || got.bytes == 0) return {};
    bytes.insert(bytes.end(), piece, piece + got.bytes);
    for (protocol::UniqueFd& descriptor : got.descriptors) {
      if (descriptor.valid()) descriptors.push_back(std::move(descriptor));
    }
  }
}

RawReply RawPeer::call(const Fill& fill) const {
  if (!send(encode(fill))) return {};
  return receive();
}

bool RawPeer::wait_for_end() const {
  char bytes[4096];
  while (readable(socket_.get())) {
    if (::recv(socket_.get(), bytes, sizeof bytes, 0) <= 0) return true;
  }
  return false;
}

RawReply RawPeer::hello(std::string_view arena, const wire::Secret::Reader* resume) const {
  return call([&](wire::Request::Builder request) {
    request.setId(1);
    auto hello = request.initHello();
    hello.initOldest().setMajor(protocol::kProtocolMajor);
    hello.initNewest().setMajor(protocol::kProtocolMajor);
    hello.setLayout(protocol::kLayoutVersion);
    hello.setLabel("raw");
    hello.setArena(std::string(arena).c_str());
    if (resume != nullptr) hello.setResume(*resume);
  });
}

}  // namespace shoal::test
