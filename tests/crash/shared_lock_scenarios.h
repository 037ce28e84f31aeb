// Sweeps of SharedLock: its writer's word as every lock's, and what readers and writers do to each
// other.
#pragma once

#include "tests/crash/lock_scenarios.h"

namespace shoal::test {

inline constexpr std::uint16_t kReader = 13;  // lives, and reads from the beginning

inline Act reading(memory::Deadline (*deadline)() = long_deadline) {
  return [=](const ObjectView& view, Caller& caller) {
    Acquisition acquisition;
    return memory::acquire_shared(view, caller, deadline(), &acquisition);
  };
}

inline std::function<void(const ObjectView&)> reader_leaves(std::uint16_t slot) {
  return [=](const ObjectView& view) {
    Actor reader(slot);
    (void)memory::release_shared(view, reader.caller());
  };
}

// As of every lock, when those who read have left; and nobody reads any more but who is let in.
inline std::function<Check(const ObjectView&)> expect_shared(std::uint64_t tokens) {
  return [=](const ObjectView& crash) -> Check {
    const LockAftermath writer(writer_calls(), crash, tokens);
    return [=](const ObjectView& view, Sleepers& sleepers) -> std::string {
      reader_leaves(kReader)(view);
      if (std::string wrong = writer(view, sleepers); !wrong.empty()) return wrong;
      if (memory::sharers(view) != 0) return "holds of readers are left";
      Actor later(kLater);
      Actor another(kLater + 1);
      Acquisition ignored;
      if (memory::acquire_shared(view, later.caller(), 0, &ignored) != Result::kDone) {
        return "nobody can read later";
      }
      if (memory::acquire_exclusive(view, another.caller(), 0, &ignored) != Result::kTimedOut) {
        return "a writer comes in beside a reader";
      }
      const bool left = memory::release_shared(view, later.caller()) == Result::kDone;
      return left && memory::sharers(view) == 0 ? "" : "a reader cannot leave";
    };
  };
}

inline std::vector<Scenario> shared_lock_scenarios() {
  std::vector<Scenario> all = lock_word_scenarios(writer_calls(), "SharedLock", 4);
  for (Scenario& scenario : all) {
    scenario.expect = expect_shared(scenario.before ? 1 : 0);
  }
  const Made made{.kind = ObjectKind::kSharedLock, .parameter = 4};
  const Made one_cell{.kind = ObjectKind::kSharedLock, .parameter = 1};
  const Made in_block{.kind = ObjectKind::kSharedLock, .parameter = 40};
  const LockCalls writer = writer_calls();
  const Wait writes = lock_sleeper(writer);
  const auto add = [&](Scenario scenario, std::uint64_t tokens) {
    scenario.name = "SharedLock " + scenario.name;
    scenario.expect = expect_shared(tokens);
    all.push_back(std::move(scenario));
  };
  add({.name = "acquire, waiting for a reader",
       .made = made,
       .before = read_by(kReader),
       .victim = acquiring(writer),
       .second = reading(short_deadline),
       .unblock = reader_leaves(kReader)},
      0);
  add({.name = "acquire, given up on a reader",
       .made = in_block,
       .before = read_by(kReader),
       .sleepers = {writes},
       .victim = acquiring(writer, short_deadline),
       .result = Result::kTimedOut},
      0);
  add({.name = "release with a reader and a writer asleep",
       .made = made,
       .before = held_by(writer, kVictim),
       .sleepers = {reader_sleeper(), writes},
       .victim = memory::release_exclusive,
       .second = reading(short_deadline),
       .lets_go = 2},
      1);
  add({.name = "acquire_shared", .made = made, .victim = reading(one_try)}, 0);
  add({.name = "acquire_shared beside a reader, with a writer asleep",
       .made = in_block,
       .before = read_by(kReader),
       .victim = reading(one_try)},
      0);
  add({.name = "acquire_shared, a writer is in",
       .made = made,
       .before = held_by(writer, kOther),
       .sleepers = {reader_sleeper()},
       .victim = reading(one_try),
       .result = Result::kTimedOut},
      1);
  add({.name = "acquire_shared after a writer",
       .made = made,
       .before = held_by(writer, kOther),
       .sleepers = {writes},
       .victim = reading(),
       .second = acquiring(writer),
       .unblock = let_go_by(writer, kOther)},
      1);
  add({.name = "acquire_shared, all cells taken",
       .made = one_cell,
       .before = read_by(kReader),
       .victim = reading(),
       .second = reading(),
       .unblock = reader_leaves(kReader)},
      0);
  add({.name = "release_shared",
       .made = made,
       .before = read_by(kVictim),
       .victim = memory::release_shared},
      0);
  add({.name = "release_shared with a writer asleep",
       .made = made,
       .before = read_by(kVictim),
       .sleepers = {writes},
       .victim = memory::release_shared,
       .second = reading(short_deadline),
       .lets_go = 1},
      0);
  add({.name = "release_shared, a reader and a writer asleep",
       .made = one_cell,
       .before = read_by(kVictim),
       .sleepers = {reader_sleeper(), writes},
       .victim = memory::release_shared,
       .lets_go = 2},
      0);
  return all;
}

}  // namespace shoal::test
