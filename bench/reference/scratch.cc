// See scratch.h.
#include "reference/scratch.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "reference/programs.h"
#include "reference/side.h"

namespace reference {
namespace {

// Waits for a line, or for the end of everybody who might write one.
constexpr char kJanitor[] = R"(trap "" HUP INT TERM; read -r _; rm -rf "$1")";

}  // namespace

ScratchFolder::ScratchFolder() : path_("/dev/shm/bench.XXXXXX") {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) give_up("pipe", std::strerror(errno));
  if (::mkdtemp(path_.data()) == nullptr) give_up(path_.c_str(), std::strerror(errno));
  janitor_ = ::fork();
  if (janitor_ < 0) give_up("fork", std::strerror(errno));
  if (janitor_ == 0) become(ends[0], {"sh", "-c", kJanitor, "sh", path_});
  ::close(ends[0]);
  order_ = ends[1];
}

ScratchFolder::~ScratchFolder() {
  // Closing is not enough: processes forked since then hold a copy.
  if (::write(order_, "\n", 1) != 1) give_up(path_.c_str(), "cannot be removed");
  ::close(order_);
  while (::waitpid(janitor_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace reference
