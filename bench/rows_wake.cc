// The wake/ rows: how long it takes from a call in one process until a call that waits in another
// returns, and back.
#include <string>

#include <shoal/condition.h>
#include <shoal/event.h>
#include <shoal/lock.h>
#include <shoal/semaphore.h>

#include "bench/row.h"
#include "bench/shoal_peer.h"
#include "reference/sync.h"
#include "reference/sync_work.h"

namespace bench {
namespace {

using reference::kSpinRound;
using reference::PeerPage;

// Two ends of a hand-over, each process with proxies of its own: give(turn) lets the other go on,
// take(turn) waits for it. 0 is the peer's turn, 1 the measuring process's.
std::string name_of(int turn) { return "turn" + std::to_string(turn); }

template <typename T>
class TwoObjects {
 protected:
  TwoObjects(const shoal::Client& client, const typename T::Options& options)
      : objects_{must("object", client.open_or_create<T>(name_of(0), options)),
                 must("object", client.open_or_create<T>(name_of(1), options))} {}

  T objects_[2];
};

class EventEnds : TwoObjects<shoal::Event> {
 public:
  EventEnds(const shoal::Client& client, PeerPage&) : TwoObjects(client, {}) {}
  void start() {}
  void give(int turn) { must("set", objects_[turn].set()); }
  void take(int turn) {
    must("wait", objects_[turn].wait());
    must("clear", objects_[turn].clear());
  }
};

// Locks as signals: who waits for a turn acquires a lock that the other releases.
class LockEnds : TwoObjects<shoal::Lock> {
 public:
  LockEnds(const shoal::Client& client, PeerPage&)
      : TwoObjects(client, {.release_by = shoal::ReleaseBy::kAnyone}) {}
  void start() {
    for (shoal::Lock& lock : objects_) lock.lock();
  }
  void give(int turn) { objects_[turn].unlock(); }
  void take(int turn) { objects_[turn].lock(); }
};

class SemaphoreEnds : TwoObjects<shoal::Semaphore> {
 public:
  SemaphoreEnds(const shoal::Client& client, PeerPage&)
      : TwoObjects(client, {.permits = 0, .ownership = shoal::Permits::kPlain}) {}
  void start() {}
  void give(int turn) { must("release", objects_[turn].release()); }
  void take(int turn) { must("acquire", objects_[turn].acquire()); }
};

// One condition; whose turn it is stands under its lock, beside it.
class ConditionEnds {
 public:
  ConditionEnds(const shoal::Client& client, PeerPage& page)
      : condition_(must("object", client.open_or_create<shoal::Condition>("turns"))),
        turn_(&page.target) {}
  void start() { *turn_ = 1; }
  void give(int turn) {
    condition_.lock();
    *turn_ = static_cast<std::uint64_t>(turn);
    must("notify", condition_.notify().status());
    condition_.unlock();
  }
  void take(int turn) {
    condition_.lock();
    while (*turn_ != static_cast<std::uint64_t>(turn)) must("wait", condition_.wait());
    condition_.unlock();
  }

 private:
  shoal::Condition condition_;
  std::uint64_t* turn_;
};

template <typename Ends>
class Wake final : public reference::Side {
 public:
  Wake()
      : shoal_([](PeerPage& page, const shoal::Client& client) {
          return [&page, ends = Ends(client, page)](std::uint64_t trips) mutable {
            return reference::wait_and_wake(
                page, trips, [&] { ends.give(1); }, [&] { ends.take(0); });
          };
        }),
        ends_(shoal_.client(), shoal_.peer().page()) {
    ends_.start();
    shoal_.begin();
  }

  std::uint64_t run(std::uint64_t rounds) override {
    return reference::wake_rounds(
        shoal_.peer(), rounds, &paused_ns_, [this] { ends_.give(0); }, [this] { ends_.take(1); });
  }

  [[nodiscard]] double paused_ns() const override { return paused_ns_; }

 private:
  ShoalPeer shoal_;
  Ends ends_;
  double paused_ns_ = 0;
};

// Events with waiters that are told to spin. As its reference it hands over nothing but the turn.
class Spin final : public reference::Side {
 public:
  Spin()
      : shoal_(
            [](PeerPage& page, const shoal::Client& client) {
              return [ends = EventEnds(client, page)](std::uint64_t rounds) mutable {
                for (std::uint64_t i = 0; i < rounds * kSpinRound; ++i) {
                  ends.take(0);
                  ends.give(1);
                }
                return std::uint64_t{0};
              };
            },
            {.spins = 1'000'000}),
        ends_(shoal_.client(), shoal_.peer().page()) {
    shoal_.begin();
  }

  std::uint64_t run(std::uint64_t rounds) override {
    return shoal_.peer().run(rounds, [this](std::uint64_t count) {
      std::uint64_t taken = 0;
      for (std::uint64_t i = 0; i < count * kSpinRound; ++i, ++taken) {
        ends_.give(0);
        ends_.take(1);
      }
      return taken;
    });
  }

 private:
  ShoalPeer shoal_;
  EventEnds ends_;
};

template <typename S>
std::unique_ptr<reference::Side> make() {
  return std::make_unique<S>();
}

using MakeSide = std::unique_ptr<reference::Side> (*)();

Row wake_row(const char* name, const char* reference_name, MakeSide reference, MakeSide shoal) {
  return {.name = name,
          .reference_name = reference_name,
          .operations = 2,
          .two_processes = true,
          .pinned = true,
          .reference = reference,
          .shoal = shoal};
}

}  // namespace

std::vector<Row> wake_rows() {
  constexpr char kFutex[] = "bare futex ping-pong";
  std::vector<Row> rows = {
      wake_row("wake/futex/lock", kFutex, reference::bare_futex, make<Wake<LockEnds>>),
      wake_row("wake/futex/event", kFutex, reference::bare_futex, make<Wake<EventEnds>>),
      wake_row("wake/futex/condition", kFutex, reference::bare_futex, make<Wake<ConditionEnds>>),
      wake_row("wake/futex/condition_vs_pthread", "process-shared pthread condition",
               reference::pthread_condition_wake, make<Wake<ConditionEnds>>),
      wake_row("wake/futex/semaphore", kFutex, reference::bare_futex, make<Wake<SemaphoreEnds>>),
      wake_row("wake/futex/semaphore_vs_posix", "process-shared POSIX semaphore",
               reference::posix_semaphore_wake, make<Wake<SemaphoreEnds>>),
      wake_row("wake/spin/event", "bare spinning on a cache line", reference::bare_spin,
               make<Spin>),
  };
  rows.back().operations = 2 * kSpinRound;
  return rows;
}

}  // namespace bench
