// The locks' calls: Lock, RLock, SharedLock, and Condition's own lock, which all have the same.
#pragma once

#include <chrono>

#include <shoal/condition.h>
#include <shoal/lock.h>

#include "tests/crash/public/operation.h"

namespace shoal::test {

// Whether a victim that had the word had the lock: a SharedLock's writer may still have waited for
// readers.
inline bool died_in(const AtDeath& death) {
  const memory::Descriptor& d = death.image.words();
  const bool shared = d.kind.load() == static_cast<std::uint16_t>(memory::ObjectKind::kSharedLock);
  return death.had_word() && (!shared || d.depth.load() != 0);
}

// Acquires it in time, is told of the death or not, and releases it.
template <class T>
std::string acquire_later(const T& lock, const AtDeath& death) {
  const bool told = died_in(death) || death.image.words().abandoned.load() != 0;
  for (int turn = 0; turn < 2; ++turn) {
    const absl::StatusOr<Acquired> got = lock.acquire(kPatience);
    if (!got.ok()) return "later: " + text_of(got.status());
    if (got->token <= death.image.words().token.load()) return "later: the token is an old one";
    if (turn == 0 && got->abandoned != told) {
      return told ? "is not told of the death" : "is told of a death that left nothing";
    }
    if (lock.abandoned().value() != got->abandoned) return "abandoned() says something else";
    if (got->abandoned) (void)lock.mark_consistent();
    if (!lock.release().ok()) return "cannot release later";
  }
  return lock.locked() ? "still locked" : "";
}

template <class T>
std::string blocked_in_acquire(const T& lock) {
  const absl::StatusOr<Acquired> got = lock.acquire(2 * kPatience);
  return text_of(got.ok() ? lock.release() : got.status());
}

template <class T>
void hold(const T& lock) {
  (void)lock.acquire(kPatience);
}

template <class T>
void warm_lock(const T& lock) {
  (void)lock.acquire(kPatience);
  (void)lock.mark_consistent();
  (void)lock.release();
  (void)lock.try_lock();
  lock.unlock();
  (void)lock.try_lock_for(std::chrono::milliseconds(1));
  lock.unlock();
}

template <class T>
void let_go(const T& lock) {
  (void)lock.release();
}

// As after an earlier death.
template <class T>
void make_abandoned(const T& lock) {
  auto* const d = reinterpret_cast<memory::Descriptor*>(
      mapped_arena().data() + memory::Geometry::kObjectTable +
      std::uint64_t{static_cast<std::uint32_t>(lock.id())} * memory::kDescriptorBytes);
  d->abandoned.store(1);
}

template <class T>
void add_lock_operations(std::vector<PublicOperation>& all, const std::string& kind,
                         const typename T::Options& options = {}) {
  const auto add = [&](Case<T> made) {
    for (std::string& method : made.methods) method.insert(0, kind + "::");
    made.name.insert(0, kind + " ");
    made.options = options;
    made.warm_up = warm_lock<T>;
    made.go_on = acquire_later<T>;
    all.push_back(operation_of<T>(std::move(made)));
  };
  const std::vector<std::function<std::string(const T&)>> one_asleep = {blocked_in_acquire<T>};
  add({.name = "lock", .methods = {"lock"}, .call = [](const T& lock) { lock.lock(); }});
  add({.name = "try_lock", .methods = {"try_lock"}, .call = [](const T& lock) {
         (void)lock.try_lock();
       }});
  add({.name = "try_lock_for", .methods = {"try_lock_for"}, .call = [](const T& lock) {
         (void)lock.try_lock_for(std::chrono::seconds(1));
       }});
  add({.name = "try_lock_until", .methods = {"try_lock_until"}, .call = [](const T& lock) {
         (void)lock.try_lock_until(std::chrono::steady_clock::now() + std::chrono::seconds(1));
       }});
  add({.name = "acquire", .methods = {"acquire"}, .call = [](const T& lock) {
         (void)lock.acquire(absl::Seconds(1));
       }});
  add({.name = "acquire after a sleep, another asleep",
       .methods = {"acquire"},
       .before = hold<T>,
       .sleepers = one_asleep,
       .call = [](const T& lock) { (void)lock.acquire(2 * kPatience); },
       .unblock = let_go<T>,
       .help = [](const T& lock, const AtDeath&) { (void)lock.release(); }});
  add({.name = "release", .methods = {"release"}, .prepare = hold<T>, .call = let_go<T>});
  add({.name = "release, a survivor asleep",
       .methods = {"release"},
       .sleepers = one_asleep,
       .prepare = hold<T>,
       .call = let_go<T>});
  add({.name = "unlock", .methods = {"unlock"}, .prepare = hold<T>, .call = [](const T& lock) {
         lock.unlock();
       }});
  add({.name = "acquire and release, a survivor comes and goes",
       .methods = {"acquire", "release"},
       .twice = true,
       .call = [](const T& lock) {
         (void)lock.acquire(2 * kPatience);
         (void)lock.release();
       }});
  add({.name = "mark_consistent",
       .methods = {"mark_consistent"},
       .before = make_abandoned<T>,
       .prepare = hold<T>,
       .call = [](const T& lock) { (void)lock.mark_consistent(); }});
}

// Reading, and writers and readers beside each other.
inline void add_shared_operations(std::vector<PublicOperation>& all) {
  using T = SharedLock;
  const auto add = [&](Case<T> made) {
    for (std::string& method : made.methods) method.insert(0, "SharedLock::");
    made.name.insert(0, "SharedLock ");
    made.warm_up = [](const T& lock) {
      warm_lock(lock);
      (void)lock.acquire_shared(kPatience);
      (void)lock.release_shared();
      (void)lock.try_lock_shared_for(std::chrono::milliseconds(1));
      lock.unlock_shared();
    };
    made.go_on = [](const T& lock, const AtDeath& death) {
      std::string wrong = acquire_later(lock, death);
      if (wrong.empty() && lock.readers() != 0) wrong = "holds of readers are left";
      if (wrong.empty()) wrong = text_of(lock.acquire_shared(kPatience).status());
      if (wrong.empty()) wrong = text_of(lock.release_shared());
      return wrong;
    };
    all.push_back(operation_of<T>(std::move(made)));
  };
  const std::function<std::string(const T&)> reads = [](const T& lock) {
    const absl::StatusOr<Acquired> got = lock.acquire_shared(2 * kPatience);
    return text_of(got.ok() ? lock.release_shared() : got.status());
  };
  const auto read = [](const T& lock) { (void)lock.acquire_shared(kPatience); };
  const auto leave = [](const T& lock) { (void)lock.release_shared(); };
  add({.name = "lock_shared", .methods = {"lock_shared"}, .call = [](const T& lock) {
         lock.lock_shared();
       }});
  add({.name = "try_lock_shared", .methods = {"try_lock_shared"}, .call = [](const T& lock) {
         (void)lock.try_lock_shared();
       }});
  add({.name = "try_lock_shared_for",
       .methods = {"try_lock_shared_for"},
       .call = [](const T& lock) { (void)lock.try_lock_shared_for(std::chrono::seconds(1)); }});
  add({.name = "try_lock_shared_until",
       .methods = {"try_lock_shared_until"},
       .call = [](const T& lock) {
         (void)lock.try_lock_shared_until(std::chrono::steady_clock::now() +
                                          std::chrono::seconds(1));
       }});
  add({.name = "acquire_shared after a writer, another reader asleep",
       .methods = {"acquire_shared"},
       .before = hold<T>,
       .sleepers = {reads},
       .call = [](const T& lock) { (void)lock.acquire_shared(2 * kPatience); },
       .unblock = let_go<T>,
       .help = [](const T& lock, const AtDeath&) { (void)lock.release(); }});
  add({.name = "unlock_shared",
       .methods = {"unlock_shared"},
       .prepare = read,
       .call = [](const T& lock) { lock.unlock_shared(); }});
  add({.name = "release_shared, a writer asleep",
       .methods = {"release_shared"},
       .sleepers = {blocked_in_acquire<T>},
       .prepare = read,
       .call = leave});
  add({.name = "release, a reader and a writer asleep",
       .methods = {"release"},
       .sleepers = {reads, blocked_in_acquire<T>},
       .prepare = hold<T>,
       .call = let_go<T>});
  add({.name = "acquire, waiting for a reader",
       .methods = {"acquire"},
       .before = read,
       .call = [](const T& lock) { (void)lock.acquire(2 * kPatience); },
       .unblock = leave,
       .help = [](const T& lock, const AtDeath&) { (void)lock.release_shared(); }});
  add({.name = "acquire_shared and release_shared",
       .methods = {"acquire_shared", "release_shared"},
       .twice = true,
       .call = [](const T& lock) {
         (void)lock.acquire_shared(2 * kPatience);
         (void)lock.release_shared();
       }});
}

}  // namespace shoal::test
