// The calls of semaphores, events, conditions and barriers.
#pragma once

#include <algorithm>

#include <shoal/barrier.h>
#include <shoal/condition.h>
#include <shoal/event.h>
#include <shoal/semaphore.h>

#include "tests/crash/public/lock_operations.h"

namespace shoal::test {

// ---- semaphores ----

inline constexpr std::uint32_t kPermits = 3;

template <class T>
std::string blocked_for_permit(const T& semaphore) {
  const absl::Status got = semaphore.acquire(2 * kPatience);
  return text_of(got.ok() ? semaphore.release() : got);
}

template <class T>
void add_semaphore_operations(std::vector<PublicOperation>& all, const std::string& kind) {
  const auto add = [&](Case<T> made) {
    for (std::string& method : made.methods) method.insert(0, kind + "::");
    made.name.insert(0, kind + " ");
    if (made.options.permits == 1) made.options.permits = kPermits;
    made.warm_up = [](const T& semaphore) {
      for (int i = 0; i < 3; ++i) {
        (void)semaphore.release();
        (void)semaphore.acquire(absl::Milliseconds(1));
        (void)semaphore.try_acquire();
      }
    };
    if (!made.go_on) {
      // Whatever the dead had is there again.
      made.go_on = [](const T& semaphore, const AtDeath&) -> std::string {
        for (std::uint32_t i = 0; i < kPermits; ++i) {
          if (!semaphore.acquire(kPatience).ok()) return "a permit is missing";
        }
        if (semaphore.try_acquire()) return "there is a permit too many";
        if (!semaphore.release(kPermits).ok()) return "they cannot be released";
        return semaphore.value().value() == kPermits ? "" : "the value is wrong";
      };
    }
    all.push_back(operation_of<T>(std::move(made)));
  };
  const auto take = [](const T& semaphore) { (void)semaphore.acquire(2 * kPatience); };
  const auto take_all = [](const T& semaphore) {
    for (std::uint32_t i = 0; i < kPermits; ++i) (void)semaphore.acquire(kPatience);
  };
  add({.name = "acquire", .methods = {"acquire"}, .call = take});
  add({.name = "try_acquire", .methods = {"try_acquire"}, .call = [](const T& semaphore) {
         (void)semaphore.try_acquire();
       }});
  add({.name = "acquire after a sleep, another asleep",
       .methods = {"acquire"},
       .before = take_all,
       .sleepers = {blocked_for_permit<T>},
       .call = take,
       .unblock = [](const T& semaphore) { (void)semaphore.release(); },
       .help =
           [](const T& semaphore, const AtDeath&) {
             // One may be back already.
             if (!semaphore.release(kPermits).ok()) (void)semaphore.release(kPermits - 1);
           }});
  add({.name = "release", .methods = {"release"}, .prepare = take, .call = [](const T& semaphore) {
         (void)semaphore.release();
       }});
  add({.name = "release of all, two asleep",
       .methods = {"release"},
       .sleepers = {blocked_for_permit<T>, blocked_for_permit<T>},
       .prepare = take_all,
       .call = [](const T& semaphore) { (void)semaphore.release(kPermits); }});
  add({.name = "acquire and release",
       .methods = {"acquire", "release"},
       .twice = true,
       .call = [](const T& semaphore) {
         (void)semaphore.acquire(2 * kPatience);
         (void)semaphore.release();
       }});
  // Plain permits: the signal has come, or it has not.
  add({.name = "release of a plain permit, one asleep",
       .methods = {"release"},
       .options = {.permits = kPermits, .ownership = Permits::kPlain},
       .before = take_all,
       .sleepers = {[](const T& semaphore) { return text_of(semaphore.acquire(2 * kPatience)); }},
       .call = [](const T& semaphore) { (void)semaphore.release(); },
       .help =
           [](const T& semaphore, const AtDeath& death) {
             // The sleeper may have had it before the death.
             const bool come = death.image.words().value.load() > 0 ||
                               (death.image.words().event.load() & memory::kSignals) == 0;
             if (!come) (void)semaphore.release();
           },
       .go_on = [](const T& semaphore, const AtDeath&) -> std::string {
         return semaphore.value().value() <= 1 ? "" : "there are permits too many";
       }});
}

// ---- Event ----

inline void add_event_operations(std::vector<PublicOperation>& all) {
  using T = Event;
  const auto add = [&](Case<T> made) {
    for (std::string& method : made.methods) method.insert(0, "Event::");
    made.name.insert(0, "Event ");
    made.warm_up = [](const T& event) {
      (void)event.set();
      (void)event.wait(absl::Milliseconds(1));
      (void)event.clear();
      (void)event.wait(absl::Milliseconds(1));
    };
    made.help = [](const T& event, const AtDeath& death) {
      if (death.image.words().value.load() == 0) (void)event.set();
    };
    made.go_on = [](const T& event, const AtDeath& death) -> std::string {
      const std::uint64_t then = death.image.words().value.load();
      if (then != 0 && event.is_set() != ((then & 1) != 0)) return "the death changed it";
      if (!event.set().ok() || !event.wait(kPatience).ok()) return "cannot be set later";
      return event.clear().ok() && !event.is_set() ? "" : "cannot be cleared later";
    };
    all.push_back(operation_of<T>(std::move(made)));
  };
  const std::function<std::string(const T&)> waits = [](const T& event) {
    return text_of(event.wait(2 * kPatience));
  };
  add({.name = "set, two asleep",
       .methods = {"set"},
       .sleepers = {waits, waits},
       .call = [](const T& event) { (void)event.set(); }});
  add({.name = "clear",
       .methods = {"clear"},
       .before = [](const T& event) { (void)event.set(); },
       .call = [](const T& event) { (void)event.clear(); }});
  add({.name = "set and clear, one asleep",
       .methods = {"set", "clear"},
       .twice = true,
       .sleepers = {waits},
       .call = [](const T& event) {
         (void)event.set();
         (void)event.clear();
       }});
  add({.name = "wait, another asleep",
       .methods = {"wait"},
       .sleepers = {waits},
       .call = [](const T& event) { (void)event.wait(2 * kPatience); },
       .unblock = [](const T& event) { (void)event.set(); }});
}

// ---- Condition ----

inline void add_condition_operations(std::vector<PublicOperation>& all) {
  using T = Condition;
  add_lock_operations<T>(all, "Condition");
  const auto add = [&](Case<T> made) {
    for (std::string& method : made.methods) method.insert(0, "Condition::");
    made.name.insert(0, "Condition ");
    made.warm_up = [](const T& condition) {
      warm_lock(condition);
      (void)condition.acquire();
      (void)condition.wait(absl::Milliseconds(1));
      (void)condition.notify();
      (void)condition.release();
    };
    // Each further notification lets one more go, none is swallowed by the dead.
    made.help = [](const T& condition, const AtDeath&) {
      const absl::Time deadline = absl::Now() + kPatience;
      while (condition.waiters() > 0 && absl::Now() < deadline) (void)condition.notify();
    };
    made.go_on = [](const T& condition, const AtDeath& death) -> std::string {
      if (condition.notify_all().value() != 0) return "a dead waiter is notified";
      return acquire_later(condition, death);
    };
    all.push_back(operation_of<T>(std::move(made)));
  };
  const std::function<std::string(const T&)> waits = [](const T& condition) {
    if (!condition.acquire(kPatience).ok()) return std::string("no lock");
    const absl::Status status = condition.wait(2 * kPatience);
    (void)condition.release();
    return text_of(status);
  };
  const auto notifies_both = [](const T& condition) { (void)condition.notify(2); };
  add({.name = "wait, another asleep",
       .methods = {"wait"},
       .early = true,
       .sleepers = {waits},
       .prepare = hold<T>,
       .call = [](const T& condition) { (void)condition.wait(2 * kPatience); },
       .unblock = notifies_both});
  add({.name = "wait_for",
       .methods = {"wait_for"},
       .prepare = hold<T>,
       .call =
           [](const T& condition) {
             int looks = 0;
             (void)condition.wait_for([&] { return ++looks > 1; }, 2 * kPatience);
           },
       .unblock = notifies_both});
  add({.name = "notify, two asleep",
       .methods = {"notify"},
       .sleepers = {waits, waits},
       .call = [](const T& condition) { (void)condition.notify(); }});
  add({.name = "notify_all, two asleep",
       .methods = {"notify_all"},
       .sleepers = {waits, waits},
       .call = [](const T& condition) { (void)condition.notify_all(); }});
}

// ---- Barrier ----

inline void add_barrier_operations(std::vector<PublicOperation>& all) {
  using T = Barrier;
  const auto add = [&](Case<T> made) {
    for (std::string& method : made.methods) method.insert(0, "Barrier::");
    made.name.insert(0, "Barrier ");
    made.options.parties = 3;
    made.warm_up = [](const T& barrier) {
      (void)barrier.reset();
      (void)barrier.wait(absl::Milliseconds(1));
      (void)barrier.abort();
      (void)barrier.reset();
    };
    made.go_on = [](const T& barrier, const AtDeath& death) -> std::string {
      AtDeath then = death;
      const memory::ObjectView view = then.image.view();
      bool took_part = false;
      for (std::size_t i = 0; i < view.size / 2; ++i) {
        took_part = took_part || death.is_dead(view.cells16()[i].load());
      }
      if (took_part) {
        // The manager breaks it within moments; who waits is told then.
        const absl::Status told = barrier.wait(kPatience).status();
        if (!absl::IsAborted(told)) return "a dead party did not break it: " + text_of(told);
      }
      if (!barrier.reset().ok() || barrier.broken()) return "no reset later";
      std::vector<std::thread> others;
      std::atomic<int> through = 0;
      for (int i = 0; i < 3; ++i) {
        others.emplace_back([&] { through += barrier.wait(kPatience).ok() ? 1 : 0; });
      }
      for (std::thread& other : others) other.join();
      return through == 3 ? "" : "no whole phase later";
    };
    all.push_back(operation_of<T>(std::move(made)));
  };
  // Lets through or tells; how depends on where the victim died.
  const std::function<std::string(const T&)> waits = [](const T& barrier) {
    const absl::Status status = barrier.wait(2 * kPatience).status();
    return status.ok() || absl::IsAborted(status) ? "" : text_of(status);
  };
  const auto let_them_know = [](const T& barrier, const AtDeath&) { (void)barrier.abort(); };
  add({.name = "wait, the last to arrive",
       .methods = {"wait"},
       .sleepers = {waits, waits},
       .call = [](const T& barrier) { (void)barrier.wait(2 * kPatience); },
       .help =
           [](const T& barrier, const AtDeath& death) {
             // Only where the victim did not take part yet.
             Image image = death.image;
             bool took_part = image.words().value.load() >> 18 != 0;
             const memory::ObjectView view = image.view();
             for (std::size_t i = 0; i < view.size / 2; ++i) {
               took_part = took_part || death.is_dead(view.cells16()[i].load());
             }
             if (!took_part) (void)barrier.abort();
           }});
  add({.name = "abort, two asleep",
       .methods = {"abort"},
       .sleepers = {waits, waits},
       .call = [](const T& barrier) { (void)barrier.abort(); },
       .help = let_them_know});
  add({.name = "reset, two asleep",
       .methods = {"reset"},
       .sleepers = {waits, waits},
       .call = [](const T& barrier) { (void)barrier.reset(); },
       .help = let_them_know});
}

}  // namespace shoal::test
