// A public call as the sweeps with a real manager see it: the object, who is blocked in it or holds
// it, what the victim does before its marks and between them, and how the living go on afterwards.
#pragma once

#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

#include <shoal/client.h>

#include "tests/crash/public/peek.h"
#include "tests/crash/traced.h"

namespace shoal::test {

// For who must come: only a fault makes a sweep wait so long.
inline constexpr absl::Duration kPatience = absl::Seconds(20);

// The object at the death of the victim, and who is who in it.
struct AtDeath {
  Image image;
  std::uint16_t survivor = 0;  // slot of the living
  int victims = 1;

  [[nodiscard]] bool is_dead(std::uint16_t slot) const { return slot != 0 && slot != survivor; }
  // Whether the victim had the lock word.
  [[nodiscard]] bool had_word() const {
    return is_dead(memory::slot_in(image.words().lock.load()));
  }
};

// One object with its survivors, for one victim.
class Round {
 public:
  virtual ~Round() = default;
  [[nodiscard]] virtual std::uint64_t id() const = 0;
  // Until each survivor that is to sleep does. Empty, or what is wrong.
  virtual std::string begin(std::span<const std::byte> arena) = 0;
  virtual bool unblock() = 0;
  // The living go on. Empty, or what is wrong.
  virtual std::string go_on(const AtDeath& death) = 0;
};

struct PublicOperation {
  std::string name;
  std::vector<std::string> methods;  // of registry.h
  bool twice = false;                // also swept with two victims
  bool sleeps = false;               // the victim does, until it is unblocked
  bool early = false;                // the survivors fall asleep before there is a victim
  std::function<std::unique_ptr<Round>(const shoal::Client&, const std::string& object)> round;
  // In the victim's process, with its session.
  std::function<Traced::Body(const shoal::Client&, const std::string& object)> victim;
};

template <class T>
struct Case {
  std::string name;
  std::vector<std::string> methods;
  bool twice = false;
  bool early = false;
  typename T::Options options = {};
  std::function<void(const T&)> before = {};  // by the living
  // Each blocks, and gives what is wrong.
  std::vector<std::function<std::string(const T&)>> sleepers = {};
  // By the victim with another object of the kind, so that its first calls are behind it.
  std::function<void(const T&)> warm_up = {};
  std::function<void(const T&)> prepare = {};  // by the victim, before its marks
  std::function<void(const T&)> call = {};     // between them
  std::function<void(const T&)> unblock = {};  // by the living, once the victim sleeps
  // By the living after the death, so that every sleeper has what it waits for.
  std::function<void(const T&, const AtDeath&)> help = {};
  // And when they are through.
  std::function<std::string(const T&, const AtDeath&)> go_on = {};
};

template <class T>
class RoundOf final : public Round {
 public:
  RoundOf(const Case<T>& made, const shoal::Client& client, const std::string& object)
      : case_(made), object_(client.create<T>(object, made.options).value()) {
    if (case_.before) case_.before(object_);
  }
  ~RoundOf() override {
    for (const std::unique_ptr<Sleeper>& sleeper : sleepers_) sleeper->thread.join();
    (void)object_.unlink();
  }

  // 0: it does not live in the arena.
  [[nodiscard]] std::uint64_t id() const override {
    if constexpr (requires { object_.id(); }) return object_.id();
    return 0;
  }

  std::string begin(std::span<const std::byte> arena) override {
    for (const auto& body : case_.sleepers) {
      sleepers_.push_back(std::make_unique<Sleeper>());
      Sleeper& sleeper = *sleepers_.back();
      sleeper.thread = std::thread([this, &sleeper, body] {
        sleeper.tid = static_cast<pid_t>(::syscall(SYS_gettid));
        std::string wrong = body(object_);
        const std::lock_guard guard(mutex_);
        sleeper.wrong = std::move(wrong);
        sleeper.through = true;
        changed_.notify_all();
      });
      const absl::Time deadline = absl::Now() + kPatience;
      while (!sleeps(sleeper, arena)) {
        if (absl::Now() > deadline) return "a survivor did not fall asleep";
        std::this_thread::yield();
      }
    }
    return "";
  }

  bool unblock() override {
    if (case_.unblock) case_.unblock(object_);
    return static_cast<bool>(case_.unblock);
  }

  std::string go_on(const AtDeath& death) override {
    if (case_.help) case_.help(object_, death);
    std::unique_lock lock(mutex_);
    const bool through =
        changed_.wait_until(lock, absl::ToChronoTime(absl::Now() + kPatience), [&] {
          for (const auto& sleeper : sleepers_) {
            if (!sleeper->through) return false;
          }
          return true;
        });
    if (!through) return "a survivor sleeps on: its wake-up is lost";
    for (const auto& sleeper : sleepers_) {
      if (!sleeper->wrong.empty()) return "a survivor: " + sleeper->wrong;
    }
    return case_.go_on ? case_.go_on(object_, death) : "";
  }

 private:
  struct Sleeper {
    std::thread thread;
    std::atomic<pid_t> tid = 0;
    bool through = false;
    std::string wrong;
  };

  static bool sleeps(const Sleeper& sleeper, std::span<const std::byte> arena) {
    std::uintptr_t word = 0;
    const auto begin = reinterpret_cast<std::uintptr_t>(arena.data());
    return sleeper.tid != 0 && sleeps_in_futex(::getpid(), sleeper.tid, &word) && word >= begin &&
           word < begin + arena.size();
  }

  const Case<T>& case_;
  T object_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::unique_ptr<Sleeper>> sleepers_;
};

template <class T>
PublicOperation operation_of(Case<T> made) {
  const auto shared = std::make_shared<const Case<T>>(std::move(made));
  return {
      .name = shared->name,
      .methods = shared->methods,
      .twice = shared->twice,
      .early = shared->early,
      .round =
          [shared](const shoal::Client& client, const std::string& object) {
            return std::make_unique<RoundOf<T>>(*shared, client, object);
          },
      .victim = [shared](const shoal::Client& client, const std::string& object) -> Traced::Body {
        auto opened = std::make_shared<T>(client.open<T>(object).value());
        if (shared->warm_up) shared->warm_up(client.create<T>(shared->options).value());
        if (shared->prepare) shared->prepare(*opened);
        return [shared, opened] {
          shared->call(*opened);
          return 0;
        };
      }};
}

inline std::string text_of(const absl::Status& status) {
  return status.ok() ? "" : std::string(status.message());
}

}  // namespace shoal::test
