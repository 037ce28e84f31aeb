// One message over a Unix stream socket: Cap'n Proto's stream framing, with up to two descriptors
// riding along. Both ends use it; neither trusts what it reads.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>

#include "absl/status/statusor.h"
#include <capnp/message.h>
#include <capnp/serialize.h>

#include "schemas/limits.h"
#include "schemas/unique_fd.h"

namespace shoal::protocol {

// The size of the first message in `bytes`, framing included; nullopt while its segment table is
// not all there. INVALID_ARGUMENT: larger than `bytes_max`, or not a message. Nothing is believed
// before it is compared with `bytes_max`, so a hostile count costs nothing.
absl::StatusOr<std::optional<std::size_t>> message_bytes(std::span<const std::byte> bytes,
                                                         std::size_t bytes_max);

// How a message from a peer is read: nesting and traversal bounded by its size.
capnp::ReaderOptions reader_options(std::size_t message_bytes);

// What recvmsg brought. `bytes` 0: the peer has closed.
struct Received {
  std::size_t bytes = 0;
  std::array<UniqueFd, kMessageDescriptorsMax> descriptors;  // more than these are closed
};

// One recvmsg, not repeated after a signal (-EINTR); CLOEXEC on what arrives. Returns -errno in
// `error` on failure.
Received receive(int socket, std::span<std::byte> buffer, int flags, int* error);

// One sendmsg of `bytes` with at most kMessageDescriptorsMax descriptors; never SIGPIPE. The number
// of bytes taken, or -errno. The descriptors go with the first byte.
std::ptrdiff_t send(int socket, std::span<const std::byte> bytes, std::span<const int> descriptors,
                    int flags);

}  // namespace shoal::protocol
