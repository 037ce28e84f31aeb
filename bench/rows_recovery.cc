// lock/recovery: a process dies by SIGKILL holding a lock; how long until another one, which is
// blocked on it, has it.
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <ctime>

#include <shoal/lock.h>

#include "bench/row.h"
#include "bench/shoal_peer.h"

namespace bench {
namespace {

using reference::PeerPage;

constexpr char kName[] = "inherited";
// From when the survivor is about to block until the owner dies: many times what it takes to fall
// asleep.
constexpr auto kUntilDeath = std::chrono::milliseconds(1);

double now_ns() {
  timespec now;
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

void sleep_for(std::chrono::nanoseconds time) {
  const timespec left{0, time.count()};
  ::nanosleep(&left, nullptr);
}

// A new process: takes the lock, says so by `there`, waits for `back`, and kills itself. The time
// of that stands in `counter`.
[[noreturn]] void own_and_die(PeerPage& page, const char* socket, pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(0);
  const auto client = must("victim", shoal::Client::connect({.socket = socket}));
  const auto lock = must("victim", client.open<shoal::Lock>(kName));
  must("victim", lock.acquire().status());
  page.back.store(0, std::memory_order_relaxed);
  page.there.store(1, std::memory_order_seq_cst);
  while (page.back.load() == 0) sleep_for(std::chrono::microseconds(50));
  sleep_for(kUntilDeath);
  page.counter = static_cast<std::uint64_t>(now_ns());
  ::kill(::getpid(), SIGKILL);
  for (;;) ::pause();
}

// Each round is one process that lives and dies; forked by a peer that is no client of anything.
std::uint64_t raise_victims(PeerPage& page, const char* socket, std::uint64_t rounds) {
  const pid_t parent = ::getpid();
  for (std::uint64_t i = 0; i < rounds; ++i) {
    const pid_t victim = ::fork();
    if (victim < 0) return 0;
    if (victim == 0) own_and_die(page, socket, parent);
    while (::waitpid(victim, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  return 0;
}

class Recovery final : public Incident {
 public:
  Recovery()
      : peer_([](PeerPage& page, const char* socket) {
          return
              [&page, socket](std::uint64_t rounds) { return raise_victims(page, socket, rounds); };
        }),
        lock_(must("create", shoal_.client.create<shoal::Lock>(kName))) {
    peer_.begin(shoal_.manager.socket());
  }

  double once() override {
    PeerPage& page = peer_.page();
    double took = 0;
    peer_.run(1, [&](std::uint64_t) {
      const double begun = now_ns();
      while (page.there.load() == 0) {
        if (now_ns() - begun > 10e9) reference::give_up("recovery", "the owner-to-be has failed");
        sleep_for(std::chrono::microseconds(50));
      }
      page.there.store(0, std::memory_order_relaxed);
      page.back.store(1, std::memory_order_seq_cst);
      const shoal::Acquired acquired = must("acquire", lock_.acquire(absl::Seconds(10)));
      took = now_ns() - static_cast<double>(page.counter);
      if (!acquired.abandoned) reference::give_up("recovery", "the lock was not abandoned");
      must("mark_consistent", lock_.mark_consistent());
      must("release", lock_.release());
      return std::uint64_t{0};
    });
    return took;
  }

 private:
  reference::Peer peer_;
  ManagedClient shoal_;
  shoal::Lock lock_;
};

}  // namespace

std::vector<Row> recovery_rows() {
  return {{.name = "lock/recovery",
           .reference_name = "none: from SIGKILL until the next holder has the lock",
           .incident = [] { return std::make_unique<Recovery>(); }}};
}

}  // namespace bench
