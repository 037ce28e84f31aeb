// A peer that speaks the control protocol by hand, or breaks it: what libshoal would never send.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <capnp/message.h>
#include <capnp/serialize.h>

#include "schemas/control.capnp.h"
#include "schemas/unique_fd.h"

namespace shoal::test {

// One reply of the manager, or the end of the connection.
class RawReply {
 public:
  RawReply() = default;  // the connection was closed
  RawReply(std::vector<capnp::word> words, std::vector<protocol::UniqueFd> descriptors);

  [[nodiscard]] bool closed() const { return reader_ == nullptr; }
  [[nodiscard]] wire::Reply::Reader get() const;  // not of a closed connection
  // "closed", "OK", or the code and message of an error.
  [[nodiscard]] std::string outcome() const;
  [[nodiscard]] const std::vector<protocol::UniqueFd>& descriptors() const { return descriptors_; }

 private:
  std::unique_ptr<std::vector<capnp::word>> words_;
  std::unique_ptr<capnp::FlatArrayMessageReader> reader_;
  std::vector<protocol::UniqueFd> descriptors_;
};

class RawPeer {
 public:
  using Fill = std::function<void(wire::Request::Builder)>;

  explicit RawPeer(const std::string& socket);

  // The bytes of one request, framing included.
  static std::string encode(const Fill& fill);

  // False if the manager has closed. Every descriptor goes along, however many.
  bool send(std::string_view bytes, std::span<const int> descriptors = {}) const;
  [[nodiscard]] RawReply receive() const;
  [[nodiscard]] RawReply call(const Fill& fill) const;
  // Waits until the manager has closed the connection; false if the watchdog ran out.
  [[nodiscard]] bool wait_for_end() const;

  // Says hello as an ordinary client of `arena`. The descriptors in its reply are the session's
  // life: dropped, the manager only sees a session whose process has closed them.
  RawReply hello(std::string_view arena, const wire::Secret::Reader* resume = nullptr) const;

  [[nodiscard]] int fd() const { return socket_.get(); }
  void close() { socket_.reset(); }

 private:
  protocol::UniqueFd socket_;
};

}  // namespace shoal::test
