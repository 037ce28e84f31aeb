// See framing.h.
#include "schemas/framing.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>

#include "schemas/limits.h"
#include "schemas/text.h"

namespace shoal::protocol {
namespace {

// Both ends build a message in one segment, or two when it outgrew its first; more are refused.
constexpr std::uint32_t kSegmentsPerMessageMax = 16;
// Room for what a careless peer may send along, so that all of it is seen and closed.
constexpr std::size_t kDescriptorRoom = 16;

std::uint32_t word32(std::span<const std::byte> bytes, std::size_t index) {
  std::uint32_t value = 0;
  std::memcpy(&value, bytes.data() + 4 * index, sizeof value);
  return value;
}

void take_descriptors(msghdr& message, Received& received) {
  std::size_t taken = 0;
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof fd);
      UniqueFd owned(fd);
      if (taken < received.descriptors.size()) received.descriptors[taken++] = std::move(owned);
    }
  }
}

}  // namespace

absl::StatusOr<std::optional<std::size_t>> message_bytes(std::span<const std::byte> bytes,
                                                         std::size_t bytes_max) {
  if (bytes.size() < 8) return std::nullopt;
  const std::uint32_t segments_less_one = word32(bytes, 0);
  if (segments_less_one >= kSegmentsPerMessageMax) {
    return error(absl::StatusCode::kInvalidArgument, "a message of ",
                 std::uint64_t{segments_less_one} + 1, " segments; at most ",
                 kSegmentsPerMessageMax, " are allowed");
  }
  const std::uint32_t segments = segments_less_one + 1;
  const std::size_t table_bytes = (segments / 2 + 1) * 8;
  std::uint64_t total = table_bytes;
  for (std::uint32_t i = 0; i < segments; ++i) {
    if (bytes.size() < 4 * (i + 2)) return std::nullopt;
    total += std::uint64_t{word32(bytes, i + 1)} * 8;
    if (total > bytes_max) {
      return error(absl::StatusCode::kInvalidArgument, "a message of ", total,
                   " bytes or more; at most ", bytes_max, " are allowed");
    }
  }
  return std::optional<std::size_t>(total);
}

capnp::ReaderOptions reader_options(std::size_t message_bytes) {
  // Each word may be looked at a few times (size, then content), never amplified without bound.
  return {.traversalLimitInWords = message_bytes / 8 * 4 + 64, .nestingLimit = kMessageNestingMax};
}

Received receive(int socket, std::span<std::byte> buffer, int flags, int* error) {
  iovec vector{buffer.data(), buffer.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kDescriptorRoom * sizeof(int))> control;
  msghdr message{};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t got = ::recvmsg(socket, &message, flags | MSG_CMSG_CLOEXEC);
  Received received;
  *error = got < 0 ? -errno : 0;
  if (got >= 0) {
    received.bytes = static_cast<std::size_t>(got);
    take_descriptors(message, received);
  }
  return received;
}

std::ptrdiff_t send(int socket, std::span<const std::byte> bytes, std::span<const int> descriptors,
                    int flags) {
  iovec vector{const_cast<std::byte*>(bytes.data()), bytes.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kMessageDescriptorsMax * sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  if (!descriptors.empty()) {
    const std::size_t bytes_of_fds =
        std::min(descriptors.size_bytes(), sizeof(int) * kMessageDescriptorsMax);
    message.msg_control = control.data();
    message.msg_controllen = CMSG_SPACE(bytes_of_fds);
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(bytes_of_fds);
    std::memcpy(CMSG_DATA(header), descriptors.data(), bytes_of_fds);
  }
  const ssize_t sent = ::sendmsg(socket, &message, flags | MSG_NOSIGNAL);
  return sent < 0 ? -errno : sent;
}

}  // namespace shoal::protocol
