// The reference of control/ping: see control.h.
#include <array>

#include "reference/control.h"
#include "reference/forked_server.h"

namespace reference {
namespace {

// About what one of the manager's small messages takes, framing included.
using Message = std::array<std::uint64_t, 8>;

void serve(int socket) {
  Message message;
  while (read_all(socket, message.data(), sizeof message) &&
         write_all(socket, message.data(), sizeof message)) {
  }
}

class Echo final : public Side {
 public:
  Echo() : server_(&serve) {}

  std::uint64_t run(std::uint64_t rounds) override {
    std::uint64_t good = 0;
    for (std::uint64_t i = 0; i < rounds; ++i) {
      Message message{};
      message[0] = i;
      Message answer;
      if (!write_all(server_.socket(), message.data(), sizeof message) ||
          !read_all(server_.socket(), answer.data(), sizeof answer)) {
        give_up("echo", "the server is gone");
      }
      good += answer == message ? 1 : 0;
    }
    return good;
  }

 private:
  ForkedServer server_;
};

}  // namespace

std::unique_ptr<Side> echo() { return std::make_unique<Echo>(); }

}  // namespace reference
