// The reference of control/create_attach_touch_unlink_*: see control.h.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>

#include "reference/control.h"
#include "reference/forked_server.h"
#include "reference/work.h"

namespace reference {
namespace {

struct Message {
  enum Kind : std::uint64_t { kCreate, kDrop };
  std::uint64_t kind;
  std::uint64_t bytes;
  std::uint64_t unused[6];  // as large as the manager's small messages
};
static_assert(sizeof(Message) == 64);

int make_segment(std::uint64_t bytes) {
  const int fd = ::memfd_create("reference", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0 || ::ftruncate(fd, static_cast<off_t>(bytes)) != 0 ||
      ::fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    give_up("memfd", "cannot be made");
  }
  return fd;
}

bool send_with_descriptor(int socket, const Message& message, int fd) {
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  iovec bytes{const_cast<Message*>(&message), sizeof message};
  msghdr header{};
  header.msg_iov = &bytes;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof control;
  cmsghdr* item = CMSG_FIRSTHDR(&header);
  item->cmsg_level = SOL_SOCKET;
  item->cmsg_type = SCM_RIGHTS;
  item->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(item), &fd, sizeof fd);
  return ::sendmsg(socket, &header, MSG_NOSIGNAL) == static_cast<ssize_t>(sizeof message);
}

int receive_with_descriptor(int socket) {
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  Message message;
  iovec bytes{&message, sizeof message};
  msghdr header{};
  header.msg_iov = &bytes;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof control;
  const ssize_t n = ::recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
  const cmsghdr* item = CMSG_FIRSTHDR(&header);
  if (n != static_cast<ssize_t>(sizeof message) || item == nullptr) {
    give_up("passed memfd", "the server is gone");
  }
  int fd;
  std::memcpy(&fd, CMSG_DATA(item), sizeof fd);
  return fd;
}

void serve(int socket) {
  Message message;
  int segment = -1;
  while (read_all(socket, &message, sizeof message)) {
    if (message.kind == Message::kCreate) {
      segment = make_segment(message.bytes);
      if (!send_with_descriptor(socket, message, segment)) return;
    } else {
      ::close(segment);
      if (!write_all(socket, &message, sizeof message)) return;
    }
  }
}

class PassedMemfd final : public Side {
 public:
  explicit PassedMemfd(std::size_t bytes) : bytes_(bytes), server_(&serve) {}

  std::uint64_t run(std::uint64_t rounds) override {
    std::uint64_t sum = 0;
    for (std::uint64_t i = 0; i < rounds; ++i) sum += one_life();
    return sum;
  }

 private:
  std::uint64_t one_life() {
    Message message{Message::kCreate, bytes_, {}};
    if (!write_all(server_.socket(), &message, sizeof message)) {
      give_up("passed memfd", "the server is gone");
    }
    const int fd = receive_with_descriptor(server_.socket());
    void* start = ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (start == MAP_FAILED) give_up("passed memfd", "cannot be mapped");
    ::close(fd);
    const std::uint64_t sum = touch_pages(start, bytes_);
    ::munmap(start, bytes_);
    message.kind = Message::kDrop;
    if (!write_all(server_.socket(), &message, sizeof message) ||
        !read_all(server_.socket(), &message, sizeof message)) {
      give_up("passed memfd", "the server is gone");
    }
    return sum;
  }

  std::size_t bytes_;
  ForkedServer server_;
};

}  // namespace

std::unique_ptr<Side> passed_memfd(std::size_t bytes) {
  return std::make_unique<PassedMemfd>(bytes);
}

}  // namespace reference
