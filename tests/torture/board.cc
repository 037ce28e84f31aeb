// See board.h.
#include "tests/torture/board.h"

#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <new>

namespace shoal::torture {

Board* Board::make() {
  void* memory =
      ::mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  return memory == MAP_FAILED ? nullptr : new (memory) Board{};
}

void Board::clear() {
  for (Seat& seat : seats) {
    seat.doomed.store(seat.incarnation.load());
    seat.op.store(Op::kNone);
    seat.steps.store(0);
    for (auto& count : seat.done) count.store(0);
  }
  violated.store(false);
}

void Board::report(std::string_view what) {
  bool first = false;
  if (!violated.compare_exchange_strong(first, true)) return;
  const std::size_t bytes = std::min(what.size(), violation.size() - 1);
  std::copy_n(what.data(), bytes, violation.data());
  violation[bytes] = '\0';
}

void Worker::dwell() {
  switch (below(8)) {
    case 0:
      ::sched_yield();
      break;
    case 1:
      ::usleep(static_cast<useconds_t>(below(100)));
      break;
    default:
      for (std::uint64_t i = below(300); i > 0; --i)
        std::atomic_signal_fence(std::memory_order_seq_cst);
  }
}

void Worker::fail(const std::string& what) const {
  // Of a doomed worker's marks nobody took any notice.
  if (!board_.is_doomed(mark_)) board_.report("seat " + std::to_string(seat_) + ": " + what);
  ::_exit(1);
}

}  // namespace shoal::torture
