// See scheduler.h.
#include "tests/schedule/scheduler.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <utility>

#include "memory/futex.h"
#include "memory/word.h"

namespace shoal::test {
namespace {

constexpr std::uint64_t kStepsMost = 50'000;  // beyond, somebody runs in circles
constexpr std::size_t kEventsKept = 256;
constexpr std::uint64_t kStepsOfTheDying = 8;
constexpr std::uint64_t kHighPriority = 1U << 20;

Scheduler* g_current = nullptr;

std::uint32_t value_at(const void* word) {
  std::uint32_t value = 0;
  std::memcpy(&value, word, sizeof value);
  return value;
}

// The eight bytes around it: the event does not know how wide the word is.
std::uint64_t bytes_around(const void* word) {
  const auto at = reinterpret_cast<std::uintptr_t>(word) & ~std::uintptr_t{7};
  std::uint64_t value = 0;
  std::memcpy(&value, reinterpret_cast<const void*>(at), sizeof value);
  return value >> (reinterpret_cast<std::uintptr_t>(word) & 7) * 8;
}

}  // namespace

Scheduler::Scheduler(std::uint64_t seed, Observer& observer, const Weather& weather)
    : observer_(observer),
      weather_(weather),
      random_state_(seed),
      lowest_priority_(kHighPriority),
      events_(kEventsKept) {}

Scheduler::~Scheduler() = default;

Scheduler* Scheduler::current() { return g_current; }

// SplitMix64.
std::uint64_t Scheduler::random(std::uint64_t below) {
  random_state_ += 0x9e3779b97f4a7c15;
  std::uint64_t z = random_state_;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return (z ^ (z >> 31)) % below;
}

Process& Scheduler::add_process(std::uint16_t slot) {
  Process& process = processes_.emplace_back();
  process.slot = slot;
  return process;
}

Thread& Scheduler::add_thread(Process& process, std::string name, std::function<void()> body) {
  Thread& thread = threads_.emplace_back();
  thread.process = &process;
  thread.name = std::move(name);
  thread.priority = kHighPriority + 1 + random(kHighPriority);
  thread.fiber = std::make_unique<Fiber>(threads_.size() - 1, [this, body = std::move(body)] {
    settle();
    body();
    end_thread(Thread::State::kReturned);
  });
  return thread;
}

void Scheduler::run() {
  g_current = this;
  Thread* const first = choose();
  if (first != nullptr) {
    running_ = first;
    first->started = true;
    outside_.switch_to(*first->fiber);
  }
  // Whoever is in the middle of something leaves its stack in order.
  stopping_ = true;
  for (Thread& thread : threads_) {
    if (!thread.started || thread.gone) continue;
    running_ = &thread;
    outside_.switch_to(*thread.fiber);
  }
  running_ = nullptr;
  g_current = nullptr;
}

// ---- who goes on ----

Thread* Scheduler::choose() {
  for (;;) {
    disturb();
    std::size_t ready = 0;
    Thread* chosen = nullptr;
    for (Thread& thread : threads_) {
      if (thread.state == Thread::State::kWaiting && thread.may_go_on()) {
        thread.state = Thread::State::kReady;
      }
      if (thread.state != Thread::State::kReady) continue;
      ++ready;
      if (weather_.order == Weather::Order::kPriorities) {
        if (chosen == nullptr || thread.priority > chosen->priority) chosen = &thread;
      } else if (random(ready) == 0) {
        chosen = &thread;
      }
    }
    if (ready == 0) {
      if (go_on_without_anybody()) continue;
      return nullptr;
    }
    const bool stays = weather_.order == Weather::Order::kSticky && running_ != nullptr &&
                       running_->state == Thread::State::kReady && random(8) != 0;
    return stays ? running_ : chosen;
  }
}

// True: somebody may go on after all.
bool Scheduler::go_on_without_anybody() {
  const bool over = std::all_of(threads_.begin(), threads_.end(), [](const Thread& thread) {
    return thread.is_over() || thread.state == Thread::State::kWaiting;
  });
  if (over) return false;
  const bool for_ever = std::none_of(threads_.begin(), threads_.end(), [](const Thread& thread) {
    return thread.state == Thread::State::kSleeping && thread.deadline != memory::kForever;
  });
  std::string wrong = quietly([&] { return observer_.on_idle(for_ever); });
  if (!wrong.empty()) failure_ = std::move(wrong);
  return failure_.empty() && !for_ever && expire_next();
}

bool Scheduler::expire_next() {
  Thread* next = nullptr;
  for (Thread& thread : threads_) {
    if (thread.state != Thread::State::kSleeping || thread.deadline == memory::kForever) continue;
    if (next == nullptr || thread.deadline < next->deadline) next = &thread;
  }
  if (next == nullptr) return false;
  now_ = std::max(now_, next->deadline);
  next->state = Thread::State::kReady;
  next->timed_out = true;
  return true;
}

void Scheduler::disturb() {
  if (weather_.hasty_clock && random(64) == 0) (void)expire_next();
  if (!weather_.needless_wakes || random(64) != 0) return;
  for (Thread& thread : threads_) {
    if (thread.state != Thread::State::kSleeping || random(2) == 0) continue;
    thread.state = Thread::State::kReady;
    return;
  }
}

void Scheduler::resume(Thread& thread) {
  thread.started = true;
  Thread& before = *running_;
  if (&before == &thread) return;
  running_ = &thread;
  before.fiber->switch_to(*thread.fiber);
}

// From the one that runs to whoever is next.
void Scheduler::pass_on() {
  Thread* const next = choose();
  if (next == nullptr) stop();
  resume(*next);
  settle();
}

// Run by whoever is gone on with, before anything else.
void Scheduler::settle() {
  if (stopping_) stop();
  Thread& self = *running_;
  if (!self.process->dying) return;
  if (self.steps_left-- == 0) end_thread(Thread::State::kDead);
}

void Scheduler::stop() {
  running_->gone = true;
  running_->fiber->end_with(outside_);
}

void Scheduler::fail(const char* what) {
  failure_ = running_->name + ": " + what;
  stop();
}

// ---- what threads do ----

void Scheduler::step(const void* word) {
  if (quiet_ || !observer_.is_shared(word)) return;
  Thread& self = *running_;
  ++self.steps;
  ++steps_;
  if (steps_ > kStepsMost) fail("runs in circles");
  Process& process = *self.process;
  if (++process.steps == process.dies_at) kill(process);
  for (const std::uint64_t point : weather_.change_points) {
    if (point == steps_) self.priority = --lowest_priority_;
  }
  pass_on();
  note(Act::kAccess, word, bytes_around(word));
}

bool Scheduler::sleep(const void* word, std::uint32_t expected, std::int64_t deadline) {
  step(word);
  Thread& self = *running_;
  if (value_at(word) != expected) return true;
  if (deadline <= now_) return false;
  // The kill that is on its way ends the sleep.
  if (self.process->dying) end_thread(Thread::State::kDead);
  self.state = Thread::State::kSleeping;
  self.sleeps_on = word;
  self.deadline = deadline;
  self.timed_out = false;
  note(Act::kSleep, word, expected);
  pass_on();
  note(self.timed_out ? Act::kTimedOut : Act::kWoken, word, bytes_around(word));
  return !self.timed_out;
}

int Scheduler::wake(const void* word, int most) {
  step(word);
  int woken = 0;
  // In any order: the kernel's is nothing to rest on.
  const std::size_t start = random(threads_.size());
  for (std::size_t i = 0; i < threads_.size() && woken < most; ++i) {
    Thread& thread = threads_[(start + i) % threads_.size()];
    if (thread.state != Thread::State::kSleeping || thread.sleeps_on != word) continue;
    thread.state = Thread::State::kReady;
    ++woken;
  }
  note(Act::kWake, word, static_cast<std::uint64_t>(woken));
  return woken;
}

void Scheduler::yield() {
  Thread& self = *running_;
  if (++steps_ > kStepsMost) fail("runs in circles");
  self.priority = --lowest_priority_;
  pass_on();
}

void Scheduler::wait_for(std::function<bool()> may_go_on) {
  Thread& self = *running_;
  self.may_go_on = std::move(may_go_on);
  self.state = Thread::State::kWaiting;
  pass_on();
}

// ---- death ----

void Scheduler::kill(Process& process) {
  process.dying = true;
  for (Thread& thread : threads_) {
    if (thread.process != &process || thread.is_over()) continue;
    // A kill reaches the threads one by one.
    thread.steps_left = &thread == running_ ? 0 : random(kStepsOfTheDying);
    if (thread.state == Thread::State::kReady) continue;
    thread.steps_left = 0;
    thread.state = Thread::State::kReady;
  }
}

void Scheduler::end_thread(Thread::State state) {
  Thread& self = *running_;
  self.state = state;
  self.gone = true;
  if (state == Thread::State::kDead) note(Act::kDie, nullptr, 0);
  look_at_end_of(*self.process);
  Thread* const next = choose();
  if (next == nullptr) self.fiber->end_with(outside_);
  running_ = next;
  next->started = true;
  self.fiber->end_with(*next->fiber);
}

void Scheduler::look_at_end_of(Process& process) {
  bool any_dead = false;
  for (const Thread& thread : threads_) {
    if (thread.process != &process) continue;
    if (!thread.is_over()) return;
    any_dead |= thread.state == Thread::State::kDead;
  }
  process.dead = any_dead;
  process.ended = !any_dead;
  if (!any_dead) return;
  quietly([&] {
    observer_.on_death(process);
    return true;
  });
}

// ---- the trace ----

void Scheduler::note(Act act, const void* word, std::uint64_t value) {
  events_[event_count_++ % kEventsKept] = {steps_, running_, act, word, value};
}

std::string Scheduler::trace(std::size_t most) const {
  static constexpr const char* kActs[] = {"finds", "sleeps on", "woken from", "timed out on",
                                          "wakes", "dies",      "clock"};
  std::string text;
  const std::uint64_t kept = std::min<std::uint64_t>({event_count_, kEventsKept, most});
  for (std::uint64_t i = event_count_ - kept; i < event_count_; ++i) {
    const Event& event = events_[i % kEventsKept];
    char line[160];
    const std::string word = event.word == nullptr ? "" : observer_.name_of(event.word);
    std::snprintf(line, sizeof line, "  #%-4llu %-8s %-12s %-10s %#llx\n",
                  static_cast<unsigned long long>(event.step), event.thread->name.c_str(),
                  kActs[static_cast<std::size_t>(event.act)], word.c_str(),
                  static_cast<unsigned long long>(event.value));
    text += line;
  }
  for (const Thread& thread : threads_) {
    static constexpr const char* kStates[] = {"ready", "asleep", "waiting", "returned", "dead"};
    text += "  " + thread.name + " " + kStates[static_cast<std::size_t>(thread.state)] + "\n";
  }
  return text;
}

}  // namespace shoal::test

// ---- what the variant of memory/ calls ----

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

using test::Scheduler;

void scheduler_step(const void* word) {
  if (Scheduler::current() != nullptr) Scheduler::current()->step(word);
}

std::int64_t monotonic_ns() {
  return Scheduler::current() == nullptr ? 0 : Scheduler::current()->now();
}

bool futex_wait(const Word32& word, std::uint32_t expected, Deadline deadline) {
  return Scheduler::current()->sleep(&word, expected, deadline);
}

int futex_wake(Word32& word, int most) {
  return Scheduler::current() == nullptr ? 0 : Scheduler::current()->wake(&word, most);
}

void relax() { Scheduler::current()->yield(); }

SHOAL_VARIANT_END

}  // namespace shoal::memory
