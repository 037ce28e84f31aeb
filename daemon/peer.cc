// See peer.h.
#include "daemon/peer.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <capnp/serialize.h>
#include <kj/exception.h>

#include "schemas/framing.h"
#include "schemas/names.h"
#include "schemas/text.h"

namespace shoal::daemon {
namespace {

// Requests answered before other peers get their turn.
constexpr int kRequestsAtOnce = 64;

}  // namespace

Peer::Peer(kj::UnixEventPort& port, protocol::UniqueFd socket, Identity who, Service& service,
           Log& log, std::span<capnp::word> scratch, const Events& events)
    : port_(port),
      socket_(std::move(socket)),
      observer_(port, socket_.get(), kj::UnixEventPort::FdObserver::OBSERVE_READ),
      service_(service),
      log_(log),
      scratch_(scratch),
      events_(events) {
  connection_.who = std::move(who);
  connection_.socket = socket_.get();
}

kj::Promise<void> Peer::serve() {
  const Next next = ended_ ? Next::kEnd : work();
  events_.worked();
  switch (next) {
    case Next::kEnd:
      return kj::READY_NOW;
    case Next::kYield:
    case Next::kLater:
      return kj::evalLast([this] { return serve(); });
    case Next::kWrite:
      return until_writable();
    case Next::kRead:
      break;
  }
  return observer_.whenBecomesReadable().then([this] { return serve(); });
}

kj::Promise<void> Peer::until_writable() {
  protocol::UniqueFd copy(::fcntl(socket_.get(), F_DUPFD_CLOEXEC, 0));
  if (!copy.valid()) return kj::READY_NOW;
  writable_ = std::make_unique<Writable>(port_, std::move(copy));
  return writable_->observer.whenBecomesWritable().then([this] { return serve(); });
}

void Peer::hang_up() {
  ended_ = true;
  // Wakes a `serve` that waits for the socket.
  ::shutdown(socket_.get(), SHUT_RDWR);
}

Peer::Next Peer::work() {
  for (int i = 0; i < kRequestsAtOnce; ++i) {
    Next next = write_out();
    if (next != Next::kRead) return next;
    if (kept_bytes_ > 0) {
      // Requests that came together: answered one by one, each after the reply before it is out.
      const std::size_t before = kept_bytes_;
      const std::vector<capnp::word> kept = std::exchange(kept_, std::vector<capnp::word>());
      kept_bytes_ = 0;
      next = answer_all({reinterpret_cast<const std::byte*>(kept.data()), before});
      if (next != Next::kRead) {
        if (next == Next::kYield) continue;
        return next;
      }
    }
    next = read_once();
    if (next == Next::kYield) continue;
    return next;
  }
  return Next::kYield;
}

// kYield: something was done and there may be more.
Peer::Next Peer::read_once() {
  auto* base = reinterpret_cast<std::byte*>(scratch_.data());
  const std::size_t room = scratch_.size_bytes();
  if (kept_bytes_ > 0) std::memcpy(base, kept_.data(), kept_bytes_);
  int error = 0;
  protocol::Received received = protocol::receive(
      socket_.get(), {base + kept_bytes_, room - kept_bytes_}, MSG_DONTWAIT, &error);
  if (error == -EAGAIN) return Next::kRead;
  if (error == -EINTR) return Next::kYield;
  if (error != 0 || received.bytes == 0) return Next::kEnd;
  bool with_descriptors = false;
  for (protocol::UniqueFd& descriptor : received.descriptors) {
    with_descriptors |= descriptor.valid();
    // Only what comes with hello is ever looked at; the rest is closed here.
    if (!greeted() && !connection_.offered.valid()) connection_.offered = std::move(descriptor);
  }
  const std::size_t have = kept_bytes_ + received.bytes;
  // The peer's end may have come with its last bytes, in one event: no other would tell of it.
  bool may_be_over = true;
  KJ_IF_MAYBE (at_end, observer_.atEndHint()) {
    may_be_over = *at_end;
  }
  // A read that did not fill the buffer emptied the socket, unless descriptors cut it short.
  const bool drained = have < room && !with_descriptors && !may_be_over;
  kept_bytes_ = 0;
  const Next next = answer_all({base, have});
  if (next == Next::kRead && !drained) return Next::kYield;
  return next;
}

// kYield: a reply is out or waits to be written, and messages are left over. kLater: the first of
// these is answered in part, and handled again when others have had their turn.
Peer::Next Peer::answer_all(std::span<const std::byte> bytes) {
  for (;;) {
    const auto size = protocol::message_bytes(bytes, protocol::kRequestBytesMax);
    if (!size.ok()) return refuse(protocol::to_std(size.status().message()));
    if (!size->has_value() || **size > bytes.size()) {
      keep(bytes);
      return Next::kRead;
    }
    Next next = answer_one(bytes.first(**size));
    if (next == Next::kLater) {
      keep(bytes);
      return next;
    }
    bytes = bytes.subspan(**size);
    if (next == Next::kRead) next = write_out();
    if (next == Next::kRead) continue;
    if (next != Next::kEnd) keep(bytes);
    return next;
  }
}

void Peer::keep(std::span<const std::byte> rest) {
  kept_ = std::vector<capnp::word>((rest.size() + sizeof(capnp::word) - 1) / sizeof(capnp::word));
  if (!rest.empty()) std::memcpy(kept_.data(), rest.data(), rest.size());
  kept_bytes_ = rest.size();
}

Peer::Next Peer::answer_one(std::span<const std::byte> message) {
  Answer answer;
  const Index slot_before = connection_.slot;
  kj::Maybe<kj::Exception> broken = kj::runCatchingExceptions([&] {
    capnp::FlatArrayMessageReader reader(
        kj::arrayPtr(reinterpret_cast<const capnp::word*>(message.data()),
                     message.size() / sizeof(capnp::word)),
        protocol::reader_options(message.size()));
    service_.handle(connection_, reader.getRoot<wire::Request>(), answer);
  });
  KJ_IF_MAYBE (exception, broken) {
    return refuse(
        protocol::text("a message that cannot be read: ", exception->getDescription().cStr()));
  }
  if (connection_.slot != slot_before) {
    events_.greeted(*this, answer.opened_session);
  }
  connection_.offered.reset();
  if (answer.again) return Next::kLater;
  if (answer.hang_up) {
    log_(Level::kWarning, "peer.refused",
         {{"pid", connection_.who.pid},
          {"uid", connection_.who.uid},
          {"why", "a request that its session may not make"}});
    end_after_write_ = true;
  }
  if (!answer.has_reply) return answer.hang_up ? Next::kEnd : Next::kRead;
  out_ = capnp::messageToFlatArray(answer.message);
  out_written_ = 0;
  out_descriptors_ = std::move(answer.descriptors);
  return Next::kRead;
}

// kRead: all is written.
Peer::Next Peer::write_out() {
  while (out_written_ < out_.asBytes().size()) {
    const auto bytes = out_.asBytes();
    int descriptors[protocol::kMessageDescriptorsMax];
    std::size_t count = 0;
    for (const protocol::UniqueFd& descriptor : out_descriptors_) {
      if (descriptor.valid()) descriptors[count++] = descriptor.get();
    }
    const std::ptrdiff_t sent =
        protocol::send(socket_.get(),
                       {reinterpret_cast<const std::byte*>(bytes.begin()) + out_written_,
                        bytes.size() - out_written_},
                       {descriptors, count}, MSG_DONTWAIT);
    if (sent == -EINTR) continue;
    if (sent == -EAGAIN) return Next::kWrite;
    if (sent < 0) return Next::kEnd;
    out_written_ += static_cast<std::size_t>(sent);
    for (protocol::UniqueFd& descriptor : out_descriptors_) descriptor.reset();
  }
  out_ = nullptr;
  out_written_ = 0;
  return end_after_write_ ? Next::kEnd : Next::kRead;
}

Peer::Next Peer::refuse(std::string_view why) {
  log_(Level::kWarning, "peer.refused",
       {{"pid", connection_.who.pid}, {"uid", connection_.who.uid}, {"why", why}});
  return Next::kEnd;
}

}  // namespace shoal::daemon
