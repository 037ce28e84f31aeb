// References of wake/: see sync.h.
#include <memory>

#include "reference/futex.h"
#include "reference/peer.h"
#include "reference/pthread_types.h"
#include "reference/sync.h"
#include "reference/sync_work.h"

namespace reference {
namespace {

// Two ends of a hand-over: what each does to let the other go on, and to wait for it. T is made
// before the peer is forked; both have it. `give(turn)` and `take(turn)`: 0 is the peer's turn, 1
// this process's.
template <typename T>
class Wake final : public Side {
 public:
  Wake()
      : ends_(), peer_([this](PeerPage& page, const char*) {
          return [this, &page](std::uint64_t rounds) {
            return wait_and_wake(
                page, rounds, [this] { ends_.give(1); }, [this] { ends_.take(0); });
          };
        }) {
    peer_.begin();
  }

  std::uint64_t run(std::uint64_t rounds) override {
    return wake_rounds(
        peer_, rounds, &paused_ns_, [this] { ends_.give(0); }, [this] { ends_.take(1); });
  }

  [[nodiscard]] double paused_ns() const override { return paused_ns_; }

 private:
  T ends_;
  Peer peer_;
  double paused_ns_ = 0;
};

// Each process counts what it has taken by itself.
class FutexEnds {
 public:
  void give(int turn) {
    FutexWord& word = words_->line[turn].word;
    word.store(word.load(std::memory_order_relaxed) + 1, std::memory_order_seq_cst);
    futex_wake(word, 1);
  }
  void take(int turn) {
    FutexWord& word = words_->line[turn].word;
    while (word.load(std::memory_order_seq_cst) == taken_) futex_wait(word, taken_);
    ++taken_;
  }

 private:
  struct Line {
    alignas(128) FutexWord word{0};
  };
  struct Words {
    Line line[2];
  };
  InSharedMemory<Words> words_;
  std::uint32_t taken_ = 0;
};

class SemaphoreEnds {
 public:
  void give(int turn) { (void)semaphores_[turn]->give(); }
  void take(int turn) { (void)semaphores_[turn]->take(); }

 private:
  InSharedMemory<PosixSemaphore> semaphores_[2] = {InSharedMemory<PosixSemaphore>(0U),
                                                   InSharedMemory<PosixSemaphore>(0U)};
};

// The lock is held from one wait to the next, as it must be where the turn is plain data.
class ConditionEnds {
 public:
  void give(int turn) {
    State& state = *state_;
    state.mutex.lock();
    state.turn = turn;
    state.condition.notify();
    state.mutex.unlock();
  }
  void take(int turn) {
    State& state = *state_;
    state.mutex.lock();
    while (state.turn != turn) state.condition.wait(state.mutex);
    state.mutex.unlock();
  }

 private:
  struct State {
    PlainMutex mutex;
    PthreadCondition condition;
    int turn = 1;
  };
  InSharedMemory<State> state_;
};

// A word on a line of its own for each direction: the least that two processes need.
class BareSpin final : public Side {
 public:
  BareSpin()
      : peer_([](PeerPage& page, const char*) {
          return [&page, taken = std::uint32_t{0}](std::uint64_t rounds) mutable {
            for (std::uint64_t i = 0; i < rounds * kSpinRound; ++i) {
              ++taken;
              while (page.there.load(std::memory_order_acquire) != taken) relax();
              page.back.store(taken, std::memory_order_release);
            }
            return std::uint64_t{0};
          };
        }) {
    peer_.begin();
  }

  std::uint64_t run(std::uint64_t rounds) override {
    return peer_.run(rounds, [this](std::uint64_t count) {
      PeerPage& page = peer_.page();
      const std::uint32_t before = page.back.load(std::memory_order_relaxed);
      for (std::uint64_t i = 0; i < count * kSpinRound; ++i) {
        ++given_;
        page.there.store(given_, std::memory_order_release);
        while (page.back.load(std::memory_order_acquire) != given_) relax();
      }
      return std::uint64_t{page.back.load(std::memory_order_relaxed) - before};
    });
  }

 private:
  std::uint32_t given_ = 0;
  Peer peer_;
};

}  // namespace

std::unique_ptr<Side> bare_futex() { return std::make_unique<Wake<FutexEnds>>(); }
std::unique_ptr<Side> posix_semaphore_wake() { return std::make_unique<Wake<SemaphoreEnds>>(); }
std::unique_ptr<Side> pthread_condition_wake() { return std::make_unique<Wake<ConditionEnds>>(); }
std::unique_ptr<Side> bare_spin() { return std::make_unique<BareSpin>(); }

}  // namespace reference
