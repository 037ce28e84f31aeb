// See peer.h.
#include "reference/peer.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <new>

#include "reference/cores.h"
#include "reference/futex.h"
#include "reference/side.h"

namespace reference {
namespace {

using Clock = std::chrono::steady_clock;

// A peer that has nothing to do stays awake this long: turns follow each other at once, and a wake
// would be measured with them. Then it sleeps, so as not to take its core from the other side.
constexpr auto kAwake = std::chrono::microseconds(50);
constexpr std::uint32_t kLooks = 1024;  // between two looks at the clock, or at the peer
constexpr auto kPatience = std::chrono::seconds(30);

// The next order after `last`.
std::uint32_t next_order(PeerPage& page, std::uint32_t last) {
  for (;;) {
    const auto until = Clock::now() + kAwake;
    do {
      for (std::uint32_t look = 0; look < kLooks; ++look) {
        const std::uint32_t order = page.order.load(std::memory_order_acquire);
        if (order != last) return order;
        relax();
      }
    } while (Clock::now() < until);
    page.asleep.store(1, std::memory_order_seq_cst);
    if (page.order.load(std::memory_order_seq_cst) == last) futex_wait(page.order, last);
    page.asleep.store(0, std::memory_order_relaxed);
  }
}

[[noreturn]] void be_peer(PeerPage& page, const Peer::Make& make) {
  std::uint32_t order = next_order(page, 0);
  const Peer::Work work = make(page, page.text);
  page.done.store(order, std::memory_order_release);
  for (;;) {
    order = next_order(page, order);
    page.started.store(order, std::memory_order_release);
    const std::uint64_t sum = work(page.rounds.load(std::memory_order_relaxed));
    page.sum.store(sum, std::memory_order_relaxed);
    page.done.store(order, std::memory_order_release);
  }
}

}  // namespace

Peer::Peer(Make make) {
  void* page =
      ::mmap(nullptr, sizeof(PeerPage), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) give_up("peer", std::strerror(errno));
  page_ = new (page) PeerPage;
  const int core = two_cores().second;
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ < 0) give_up("fork", std::strerror(errno));
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(0);
    if (core >= 0) pin_to(core);
    be_peer(*page_, make);
  }
}

Peer::~Peer() {
  ::kill(pid_, SIGKILL);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  ::munmap(page_, sizeof(PeerPage));
}

void Peer::begin(const std::string& text) {
  if (text.size() >= PeerPage::kTextBytes) give_up("peer", "too much to tell it");
  std::memcpy(page_->text, text.c_str(), text.size() + 1);
  page_->order.store(++order_, std::memory_order_seq_cst);
  futex_wake(page_->order);
  await(page_->done);
}

void Peer::start(std::uint64_t rounds) {
  page_->rounds.store(rounds, std::memory_order_relaxed);
  page_->order.store(++order_, std::memory_order_seq_cst);
  if (page_->asleep.load(std::memory_order_seq_cst) != 0) futex_wake(page_->order);
  await(page_->started);
}

std::uint64_t Peer::finish() {
  await(page_->done);
  return page_->sum.load(std::memory_order_relaxed);
}

void Peer::await(const std::atomic<std::uint32_t>& word) {
  for (auto until = Clock::now() + kPatience; Clock::now() < until;) {
    for (std::uint32_t look = 0; look < kLooks; ++look) {
      if (word.load(std::memory_order_acquire) == order_) return;
      relax();
    }
    if (::waitpid(pid_, nullptr, WNOHANG) != 0) give_up("peer", "it has died");
  }
  give_up("peer", "it does not answer");
}

}  // namespace reference
