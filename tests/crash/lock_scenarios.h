// Sweeps of the lock word: Lock, RLock, and a SharedLock's writer and readers.
#pragma once

#include <set>

#include "memory/lock.h"
#include "memory/shared_lock.h"
#include "tests/crash/sync_scenario.h"

namespace shoal::test {

// How to lock and unlock one kind for writing.
struct LockCalls {
  std::function<Result(const ObjectView&, Caller&, memory::Deadline, Acquisition*)> acquire;
  std::function<Result(const ObjectView&, Caller&)> release;
  ObjectKind kind;
};

inline LockCalls lock_calls() { return {memory::acquire, memory::release, ObjectKind::kLock}; }
inline LockCalls rlock_calls() {
  return {memory::acquire_recursive, memory::release_recursive, ObjectKind::kRLock};
}
inline LockCalls writer_calls() {
  return {memory::acquire_exclusive, memory::release_exclusive, ObjectKind::kSharedLock};
}

inline Wait lock_sleeper(const LockCalls& calls) {
  return [calls](const ObjectView& view, Caller& caller) {
    Outcome outcome;
    outcome.result = calls.acquire(view, caller, long_deadline(), &outcome.acquisition);
    if (outcome.result == Result::kDone) (void)calls.release(view, caller);
    return outcome;
  };
}

inline Wait reader_sleeper() {
  return [](const ObjectView& view, Caller& caller) {
    Outcome outcome;
    outcome.result = memory::acquire_shared(view, caller, long_deadline(), &outcome.acquisition);
    if (outcome.result == Result::kDone) (void)memory::release_shared(view, caller);
    return outcome;
  };
}

inline std::function<void(const ObjectView&)> held_by(const LockCalls& calls, std::uint16_t slot,
                                                      int times = 1) {
  return [=](const ObjectView& view) {
    Actor holder(slot);
    Acquisition ignored;
    for (int i = 0; i < times; ++i) (void)calls.acquire(view, holder.caller(), 0, &ignored);
  };
}

inline std::function<void(const ObjectView&)> read_by(std::uint16_t slot) {
  return [=](const ObjectView& view) {
    Actor reader(slot);
    Acquisition ignored;
    (void)memory::acquire_shared(view, reader.caller(), 0, &ignored);
  };
}

inline std::function<void(const ObjectView&)> let_go_by(const LockCalls& calls,
                                                        std::uint16_t slot) {
  return [=](const ObjectView& view) {
    Actor holder(slot);
    (void)calls.release(view, holder.caller());
  };
}

inline Act acquiring(const LockCalls& calls, memory::Deadline (*deadline)() = long_deadline) {
  return [=](const ObjectView& view, Caller& caller) {
    Acquisition acquisition;
    return calls.acquire(view, caller, deadline(), &acquisition);
  };
}
inline memory::Deadline one_try() { return 0; }

// What is true of every lock after the death of a victim.
//  - Nobody sleeps on; who comes later gets it at once.
//  - It is abandoned if the victim held it, and else if it was before.
//  - Tokens rise by one for each acquisition of the living, and by nothing else: `tokens` is what
//    the last one was at the beginning.
class LockAftermath {
 public:
  LockAftermath(const LockCalls& calls, const ObjectView& crash, std::uint64_t tokens)
      : calls_(calls), tokens_(tokens) {
    const Descriptor& d = *crash.descriptor;
    const bool in = calls.kind != ObjectKind::kSharedLock || d.depth.load() != 0;
    died_in_ = in && is_victim(memory::slot_in(d.lock.load()));
    abandoned_ = died_in_ || d.abandoned.load() != 0;
  }

  std::string operator()(const ObjectView& view, Sleepers& sleepers) const {
    const Descriptor& d = *view.descriptor;
    if (memory::slot_in(d.lock.load()) == kOther) let_go_by(calls_, kOther)(view);
    if (view.kind == ObjectKind::kSharedLock) {
      Actor other(kOther);
      (void)memory::release_shared(view, other.caller());
    }
    if (!sleepers.all_got_on()) return "a sleeper was not woken";
    std::set<std::uint64_t> tokens;
    for (const Outcome& outcome : sleepers.late_outcomes()) {
      if (std::string wrong = judge(outcome, tokens_); !wrong.empty()) return "sleeper: " + wrong;
    }
    for (int turn = 0; turn < 2; ++turn) {
      if (std::string wrong = come_later(view); !wrong.empty()) return "later: " + wrong;
    }
    if (d.lock.load() != 0) return "the word is not free: " + number(d.lock.load());
    if (d.depth.load() != 0) return "a depth is left";
    return "";
  }

 private:
  [[nodiscard]] std::string judge(const Outcome& outcome, std::uint64_t least) const {
    if (outcome.result != Result::kDone) return "result " + number(int(outcome.result));
    if (outcome.acquisition.abandoned != abandoned_) {
      return abandoned_ ? "is not told of the death" : "is told of a death that left nothing";
    }
    if (outcome.acquisition.token < least) return "its token is an old one";
    return "";
  }

  [[nodiscard]] std::string come_later(const ObjectView& view) const {
    const std::uint64_t before = view.descriptor->token.load();
    Actor later(kLater);
    Outcome outcome;
    outcome.result = calls_.acquire(view, later.caller(), 0, &outcome.acquisition);
    if (std::string wrong = judge(outcome, before); !wrong.empty()) return wrong;
    if (outcome.acquisition.token != before + 1) return "its token is not the next one";
    Actor another(kLater, 2);
    Acquisition ignored;
    if (calls_.acquire(view, another.caller(), 0, &ignored) != Result::kTimedOut) {
      return "two have it";
    }
    return calls_.release(view, later.caller()) == Result::kDone ? "" : "cannot be released";
  }

  LockCalls calls_;
  std::uint64_t tokens_;
  bool died_in_ = false;
  bool abandoned_ = false;
};

// `tokens`: the last one at the beginning; nobody but a victim that has the lock raises it.
inline std::function<Check(const ObjectView&)> expect_lock(const LockCalls& calls,
                                                           std::uint64_t tokens) {
  return [=](const ObjectView& crash) -> Check {
    const Descriptor& d = *crash.descriptor;
    const bool has_it = is_victim(memory::slot_in(d.lock.load()));
    // Where sleepers take part, they may have got on by now, and raised it themselves.
    const bool nobody_waits = d.contended.load() == 0;
    if (nobody_waits && !has_it && d.token.load() != tokens) {
      return always_wrong("the token was raised by who does not have the lock");
    }
    return LockAftermath(calls, crash, tokens);
  };
}

inline std::vector<Scenario> lock_word_scenarios(const LockCalls& calls, const std::string& kind,
                                                 std::uint64_t parameter) {
  const Made made{.kind = calls.kind, .parameter = parameter};
  const Wait sleeper = lock_sleeper(calls);
  std::vector<Scenario> all;
  const auto add = [&](Scenario scenario) {
    scenario.name = kind + " " + scenario.name;
    if (scenario.made.parameter == 0) scenario.made = made;
    if (!scenario.expect) scenario.expect = expect_lock(calls, scenario.before ? 1 : 0);
    all.push_back(std::move(scenario));
  };
  const Act give_back = calls.release;
  add({.name = "acquire", .victim = acquiring(calls, one_try)});
  add({.name = "acquire, held by another",
       .before = held_by(calls, kOther),
       .victim = acquiring(calls, one_try),
       .result = Result::kTimedOut});
  add({.name = "acquire after a sleep",
       .before = held_by(calls, kOther),
       .victim = acquiring(calls),
       .second = acquiring(calls),
       .unblock = let_go_by(calls, kOther)});
  add({.name = "acquire behind a sleeper",
       .before = held_by(calls, kOther),
       .sleepers = {sleeper},
       .victim = acquiring(calls),
       .second = acquiring(calls),
       .unblock = let_go_by(calls, kOther)});
  add({.name = "acquire, given up behind a sleeper",
       .before = held_by(calls, kOther),
       .sleepers = {sleeper},
       .victim = acquiring(calls, short_deadline),
       .result = Result::kTimedOut});
  add({.name = "release", .before = held_by(calls, kVictim), .victim = give_back});
  add({.name = "release with a sleeper",
       .before = held_by(calls, kVictim),
       .sleepers = {sleeper},
       .victim = give_back,
       .second = acquiring(calls, short_deadline),
       .lets_go = 1});
  add({.name = "release with two sleepers",
       .before = held_by(calls, kVictim),
       .sleepers = {sleeper, sleeper},
       .victim = give_back,
       .second = acquiring(calls, short_deadline),
       .lets_go = 2});
  add({.name = "acquire and release",
       .victim =
           [calls](const ObjectView& view, Caller& caller) {
             Acquisition acquisition;
             const Result result = calls.acquire(view, caller, 0, &acquisition);
             return result == Result::kDone ? calls.release(view, caller) : result;
           },
       .expect = [calls](const ObjectView& crash) { return LockAftermath(calls, crash, 0); }});
  add({.name = "mark_consistent",
       .before =
           [calls](const ObjectView& view) {
             held_by(calls, kVictim)(view);
             view.descriptor->abandoned.store(1);
           },
       .victim = [](const ObjectView& view,
                    Caller& caller) { return memory::mark_consistent(view, caller); }});
  add({.name = "arm_watch with a sleeper",
       .before = held_by(calls, kOther),
       .sleepers = {sleeper},
       .victim = [](const ObjectView& view, Caller&) {
         return memory::arm_watch(view) ? Result::kDone : Result::kStale;
       }});
  return all;
}

inline std::vector<Scenario> lock_scenarios() {
  std::vector<Scenario> all = lock_word_scenarios(lock_calls(), "Lock", 0);
  const Made anyone{.kind = ObjectKind::kLock, .flags = memory::kFlagReleaseByAnyone};
  for (const bool sleeping : {false, true}) {
    all.push_back(
        {.name =
             sleeping ? "Lock release of another's with a sleeper" : "Lock release of another's",
         .made = anyone,
         .before = held_by(lock_calls(), kOther),
         .sleepers = sleeping ? std::vector{lock_sleeper(lock_calls())} : std::vector<Wait>{},
         .victim = memory::release,
         .lets_go = sleeping ? std::size_t{1} : 0,
         .expect = expect_lock(lock_calls(), 1)});
  }
  return all;
}

inline std::vector<Scenario> rlock_scenarios() {
  std::vector<Scenario> all = lock_word_scenarios(rlock_calls(), "RLock", 0);
  const Made made{.kind = ObjectKind::kRLock};
  const Wait sleeper = lock_sleeper(rlock_calls());
  all.push_back({.name = "RLock acquire again, with a sleeper",
                 .made = made,
                 .before = held_by(rlock_calls(), kVictim),
                 .sleepers = {sleeper},
                 .victim = acquiring(rlock_calls(), one_try),
                 .expect = expect_lock(rlock_calls(), 1)});
  all.push_back({.name = "RLock release of one of two, with a sleeper",
                 .made = made,
                 .before = held_by(rlock_calls(), kVictim, 2),
                 .sleepers = {sleeper},
                 .victim = memory::release_recursive,
                 .expect = expect_lock(rlock_calls(), 1)});
  return all;
}

}  // namespace shoal::test
