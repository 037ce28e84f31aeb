// Runs the threads of simulated processes one at a time, and decides at every access to a shared
// word who goes on: by a seed, so that a run can be repeated exactly. Stands in for the kernel
// (futexes, the clock) and kills processes in the middle of things. Knows no object of memory/.
//
// A run ends when every thread has, when a check fails, or when nobody can go on any more: then the
// play says whether that is as it should be.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/schedule/fiber.h"

namespace shoal::test {

struct Process {
  std::uint16_t slot = 0;
  std::uint64_t steps = 0;
  std::uint64_t dies_at = 0;  // its step; 0: it lives
  bool dying = false;         // its threads end, one after the other
  bool dead = false;
  bool ended = false;  // alive, and all of its threads have returned
  // Of the manager's.
  bool recovery_begun = false;
  bool recovered = false;
};

struct Thread {
  enum class State { kReady, kSleeping, kWaiting, kReturned, kDead };
  Process* process = nullptr;
  std::string name;
  State state = State::kReady;
  bool started = false;
  bool gone = false;  // its stack is not to be entered again
  const void* sleeps_on = nullptr;
  std::int64_t deadline = 0;
  bool timed_out = false;
  std::function<bool()> may_go_on;  // while kWaiting
  std::uint64_t steps = 0;
  std::uint64_t steps_left = 0;  // while its process is dying
  std::uint64_t priority = 0;
  std::unique_ptr<Fiber> fiber;

  [[nodiscard]] bool is_over() const { return state == State::kReturned || state == State::kDead; }
};

// What the threads do, seen by the scheduler. Empty texts mean that all is well.
class Observer {
 public:
  virtual ~Observer() = default;
  // Everybody sleeps. `for_ever`: and nobody has a deadline; else the clock goes on.
  virtual std::string on_idle(bool for_ever) = 0;
  // The last thread of a process that is killed has ended.
  virtual void on_death(Process&) {}
  // The words are named in the trace.
  [[nodiscard]] virtual std::string name_of(const void* word) const = 0;
  [[nodiscard]] virtual bool is_shared(const void* word) const = 0;
};

// How a run is made difficult. Drawn from the seed, too (campaign.cc).
struct Weather {
  enum class Order { kRandom, kSticky, kPriorities };
  Order order = Order::kRandom;
  bool hasty_clock = false;     // deadlines pass at any moment, not only when everybody sleeps
  bool needless_wakes = false;  // sleepers wake without cause
  std::uint64_t change_points[4] = {};  // kPriorities: steps at which who runs goes to the end
};

class Scheduler {
 public:
  Scheduler(std::uint64_t seed, Observer& observer, const Weather& weather);
  ~Scheduler();

  Process& add_process(std::uint16_t slot);
  Thread& add_thread(Process& process, std::string name, std::function<void()> body);
  void run();

  // The one that runs now; null outside of all threads.
  static Scheduler* current();
  [[nodiscard]] Thread& running() { return *running_; }
  [[nodiscard]] std::int64_t now() const { return now_; }
  std::uint64_t random(std::uint64_t below);

  // Looks at shared words in between that are no steps.
  template <typename Look>
  auto quietly(Look look) {
    const bool before = std::exchange(quiet_, true);
    auto seen = look();
    quiet_ = before;
    return seen;
  }

  // Called by whoever runs:
  void step(const void* word);
  // False: the deadline is over.
  bool sleep(const void* word, std::uint32_t expected, std::int64_t deadline);
  int wake(const void* word, int most);
  void yield();
  void wait_for(std::function<bool()> may_go_on);
  // Leaves the stack as it is, so nothing on it may own memory.
  [[noreturn]] void fail(const char* what);

  [[nodiscard]] const std::string& failure() const { return failure_; }
  [[nodiscard]] std::uint64_t steps() const { return steps_; }
  [[nodiscard]] const std::deque<Process>& processes() const { return processes_; }
  [[nodiscard]] const std::deque<Thread>& threads() const { return threads_; }
  // The last steps, one a line.
  [[nodiscard]] std::string trace(std::size_t most) const;

 private:
  enum class Act : std::uint8_t { kAccess, kSleep, kWoken, kTimedOut, kWake, kDie, kClock };
  struct Event {
    std::uint64_t step;
    const Thread* thread;
    Act act;
    const void* word;
    std::uint64_t value;
  };

  void note(Act act, const void* word, std::uint64_t value);
  Thread* choose();
  bool go_on_without_anybody();
  bool expire_next();
  void disturb();
  void pass_on();
  void resume(Thread& thread);
  void settle();
  void end_thread(Thread::State state);
  void kill(Process& process);
  void look_at_end_of(Process& process);
  [[noreturn]] void stop();

  Observer& observer_;
  Weather weather_;
  std::uint64_t random_state_;
  std::deque<Process> processes_;
  std::deque<Thread> threads_;
  Fiber outside_;
  Thread* running_ = nullptr;
  bool stopping_ = false;
  bool quiet_ = false;
  std::int64_t now_ = 1000;
  std::uint64_t steps_ = 0;
  std::uint64_t lowest_priority_;
  std::string failure_;
  std::vector<Event> events_;  // a ring
  std::uint64_t event_count_ = 0;
};

}  // namespace shoal::test
