// Threads that are asleep in an object when a victim begins, and must not be forgotten, whatever
// becomes of it. They are real: whether a wake-up is lost is never computed, but seen.
#pragma once

#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"

#include "memory/futex.h"
#include "tests/crash/sync_image.h"
#include "tests/crash/traced.h"

namespace shoal::test {

// How long somebody is waited for who must come. Only a fault makes a sweep wait so long.
inline absl::Duration sweep_patience = absl::Seconds(20);

struct Outcome {
  Result result = Result::kTimedOut;
  Acquisition acquisition;
};

// Waits, and lets go of what it got.
using Wait = std::function<Outcome(const ObjectView&, Caller&)>;

class Sleepers {
 public:
  // Each begins when the one before it sleeps.
  Sleepers(std::span<std::byte> image, const ObjectView& view, const std::vector<Wait>& waits)
      : image_(image), view_(view) {
    for (const Wait& wait : waits) {
      all_.push_back(std::make_unique<One>(kSleepers + all_.size()));
      One& one = *all_.back();
      one.thread = std::thread([this, &one, wait] {
        one.tid = static_cast<pid_t>(::syscall(SYS_gettid));
        one.outcome = wait(view_, one.actor.caller());
        const std::lock_guard guard(mutex_);
        one.through = true;
        changed_.notify_all();
      });
      if (!settle(one) || one.through) trouble_ = "a sleeper did not fall asleep";
    }
  }
  Sleepers(const Sleepers&) = delete;
  Sleepers& operator=(const Sleepers&) = delete;
  ~Sleepers() {
    if (!got_on(all_.size(), absl::ZeroDuration())) memory::retire_object(view_);
    while (!got_on(all_.size(), absl::Milliseconds(1))) wake_every_word();
    for (const std::unique_ptr<One>& one : all_) one->thread.join();
  }

  [[nodiscard]] const std::string& trouble() const { return trouble_; }
  [[nodiscard]] std::size_t size() const { return all_.size(); }

  // So many are through, at the latest after a while.
  bool got_on(std::size_t many, absl::Duration patience = sweep_patience) {
    const absl::Time deadline = absl::Now() + patience;
    std::unique_lock lock(mutex_);
    return changed_.wait_until(lock, absl::ToChronoTime(deadline),
                               [&] { return through_locked() >= many; });
  }
  bool all_got_on() { return got_on(all_.size()); }

  // Until each is through or asleep. False: that took too long.
  bool settle() {
    bool all = true;
    for (const std::unique_ptr<One>& one : all_) all = settle(*one) && all;
    return all;
  }
  [[nodiscard]] std::size_t through() {
    const std::lock_guard guard(mutex_);
    return through_locked();
  }

  // Those who are through by now came before the death.
  void remember_early() {
    const std::lock_guard guard(mutex_);
    for (const std::unique_ptr<One>& one : all_) one->early = one->through;
  }
  // Of those who got on after the death.
  [[nodiscard]] std::vector<Outcome> late_outcomes() {
    const std::lock_guard guard(mutex_);
    std::vector<Outcome> outcomes;
    for (const std::unique_ptr<One>& one : all_) {
      if (one->through && !one->early) outcomes.push_back(one->outcome);
    }
    return outcomes;
  }

 private:
  struct One {
    explicit One(std::size_t slot) : actor(static_cast<std::uint16_t>(slot)) {}
    Actor actor;
    std::thread thread;
    std::atomic<pid_t> tid = 0;
    std::atomic<bool> through = false;
    bool early = false;
    Outcome outcome;
  };

  [[nodiscard]] std::size_t through_locked() const {
    std::size_t count = 0;
    for (const std::unique_ptr<One>& one : all_) count += one->through ? 1 : 0;
    return count;
  }

  bool settle(const One& one) const {
    const absl::Time deadline = absl::Now() + sweep_patience;
    const auto begin = reinterpret_cast<std::uintptr_t>(image_.data());
    while (absl::Now() < deadline) {
      std::uintptr_t word = 0;
      if (one.through) return true;
      if (one.tid != 0 && sleeps_in_futex(::getpid(), one.tid, &word) && word >= begin &&
          word < begin + image_.size()) {
        return true;
      }
      std::this_thread::yield();
    }
    return false;
  }

  void wake_every_word() {
    for (std::size_t at = 0; at + 4 <= image_.size(); at += 4) {
      memory::futex_wake(*reinterpret_cast<memory::Word32*>(image_.data() + at),
                         memory::kEverybody);
    }
  }

  std::span<std::byte> image_;
  ObjectView view_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::unique_ptr<One>> all_;
  std::string trouble_;
};

}  // namespace shoal::test
