// See line_probe.h.
#include "bench/line_probe.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <new>

#include "reference/cores.h"

namespace bench {
namespace {

constexpr int kBatches = 64;
constexpr std::uint32_t kRoundTrips = 200;  // of a batch
constexpr auto kPatience = std::chrono::seconds(5);

}  // namespace

// The turn counts up; ours are the even numbers, the partner's the odd ones.
struct LineProbe::Line {
  alignas(128) std::atomic<std::uint32_t> turn{0};
};

namespace {

// Spins until the word has the value; false after a while, for a partner that died.
bool await(const std::atomic<std::uint32_t>& turn, std::uint32_t value) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  for (std::uint32_t spins = 1; turn.load(std::memory_order_acquire) != value; ++spins) {
    if (spins % 65536 == 0 && std::chrono::steady_clock::now() > deadline) return false;
  }
  return true;
}

// Each byte read is one measurement.
[[noreturn]] void be_partner(std::atomic<std::uint32_t>& turn, int wake) {
  char order;
  while (::read(wake, &order, 1) == 1) {
    const std::uint32_t start = turn.load(std::memory_order_acquire) & ~1U;
    for (std::uint32_t i = 0; i <= kBatches * kRoundTrips; ++i) {
      if (!await(turn, start + 2 * i + 1)) break;
      turn.store(start + 2 * i + 2, std::memory_order_release);
    }
  }
  ::_exit(0);
}

}  // namespace

LineProbe::LineProbe(Line* line, int wake, pid_t partner)
    : line_(line), wake_(wake), partner_(partner) {}

std::unique_ptr<LineProbe> LineProbe::start() {
  const auto [own_core, other_core] = reference::two_cores();
  int ends[2];
  if (own_core < 0 || ::pipe2(ends, O_CLOEXEC) != 0) return nullptr;
  void* page =
      ::mmap(nullptr, sizeof(Line), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return nullptr;
  auto* line = new (page) Line;
  const pid_t parent = ::getpid();
  const pid_t partner = ::fork();
  if (partner == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(0);
    ::close(ends[1]);
    reference::pin_to(other_core);
    be_partner(line->turn, ends[0]);
  }
  ::close(ends[0]);
  return std::unique_ptr<LineProbe>(new LineProbe(line, ends[1], partner));
}

LineProbe::~LineProbe() {
  ::close(wake_);
  if (partner_ > 0) {
    ::kill(partner_, SIGKILL);
    while (::waitpid(partner_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  ::munmap(line_, sizeof(Line));
}

std::optional<double> LineProbe::measure_ns() {
  using Clock = std::chrono::steady_clock;
  if (partner_ <= 0 || ::write(wake_, "", 1) != 1) return std::nullopt;
  const reference::PinnedToFirstCore pinned(true);
  std::uint32_t turn = line_->turn.load(std::memory_order_acquire);
  double best = 0;
  bool answered = true;
  // The first exchange waits until the partner is awake and is not counted.
  for (int batch = -1; batch < kBatches && answered; ++batch) {
    const auto start = Clock::now();
    const std::uint32_t round_trips = batch < 0 ? 1 : kRoundTrips;
    for (std::uint32_t i = 0; i < round_trips && answered; ++i, turn += 2) {
      line_->turn.store(turn + 1, std::memory_order_release);
      answered = await(line_->turn, turn + 2);
    }
    const std::chrono::duration<double, std::nano> took = Clock::now() - start;
    const double hand_over = took.count() / (2.0 * round_trips);
    if (batch == 0 || (batch > 0 && hand_over < best)) best = hand_over;
  }
  if (!answered) return std::nullopt;
  return best;
}

}  // namespace bench
