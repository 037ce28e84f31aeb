// Sweeps of Event and Barrier.
#pragma once

#include "memory/barrier.h"
#include "memory/event.h"
#include "tests/crash/sync_scenario.h"

namespace shoal::test {

// ---- Event ----

inline Wait event_sleeper() {
  return [](const ObjectView& view, Caller& caller) {
    return Outcome{memory::wait_for_event(view, caller, long_deadline()), {}};
  };
}

inline std::function<void(const ObjectView&)> set_by(std::uint16_t slot) {
  return [=](const ObjectView& view) {
    Actor actor(slot);
    (void)memory::set_event(view, actor.caller());
  };
}

// Death changes nothing; who slept when it was set is let go, even if it was cleared again.
// `word`: the value when the sleepers fell asleep.
inline std::function<Check(const ObjectView&)> expect_event(std::uint64_t word) {
  return [=](const ObjectView& crash) -> Check {
    const bool was_set = memory::event_was_set(crash, word);
    const bool is_set = memory::event_is_set(crash);
    return [=](const ObjectView& view, Sleepers& sleepers) -> std::string {
      if (memory::event_is_set(view) != is_set) return "recovery changed it";
      if (!was_set) set_by(kLater)(view);
      if (!sleepers.all_got_on()) return "a sleeper was not woken";
      Actor later(kLater);
      const auto looks = [&] { return memory::wait_for_event(view, later.caller(), 0); };
      if (memory::set_event(view, later.caller()) != Result::kDone || looks() != Result::kDone) {
        return "it cannot be set later";
      }
      const bool cleared = memory::clear_event(view) == Result::kDone;
      return cleared && looks() == Result::kTimedOut ? "" : "it cannot be cleared later";
    };
  };
}

inline std::vector<Scenario> event_scenarios() {
  const Made made{.kind = ObjectKind::kEvent};
  const Act sets = [](const ObjectView& view, Caller& caller) {
    return memory::set_event(view, caller);
  };
  const Act clears = [](const ObjectView& view, Caller&) { return memory::clear_event(view); };
  return {
      {.name = "Event set", .made = made, .victim = sets, .expect = expect_event(0)},
      {.name = "Event set with two sleepers",
       .made = made,
       .sleepers = {event_sleeper(), event_sleeper()},
       .victim = sets,
       .second = clears,
       .lets_go = 2,
       .expect = expect_event(0)},
      {.name = "Event set and clear with a sleeper",
       .made = made,
       .sleepers = {event_sleeper()},
       .victim =
           [](const ObjectView& view, Caller& caller) {
             const Result result = memory::set_event(view, caller);
             return result == Result::kDone ? memory::clear_event(view) : result;
           },
       .lets_go = 1,
       .expect = expect_event(0)},
      {.name = "Event clear",
       .made = made,
       .before = set_by(kOther),
       .victim = clears,
       .expect = expect_event(3)},
      {.name = "Event wait",
       .made = made,
       .sleepers = {event_sleeper()},
       .victim =
           [](const ObjectView& view, Caller& caller) {
             return memory::wait_for_event(view, caller, long_deadline());
           },
       .unblock = set_by(kOther),
       .expect = expect_event(0)},
  };
}

// ---- Barrier ----

inline Result wait_at(const ObjectView& view, Caller& caller, memory::Deadline deadline) {
  memory::Arrival arrival;
  const Result result = memory::arrive(view, caller, deadline, &arrival);
  if (result != Result::kDone) return result;
  if (arrival.is_last) return memory::end_phase(view, caller, arrival);
  return memory::wait_for_phase(view, caller, arrival, deadline);
}

inline Wait party() {
  return [](const ObjectView& view, Caller& caller) {
    return Outcome{wait_at(view, caller, long_deadline()), {}};
  };
}

// All parties, one after the other, in one thread.
inline Result whole_phase(const ObjectView& view) {
  std::vector<Actor> actors;
  std::vector<memory::Arrival> arrivals(view.count);
  for (std::uint32_t i = 0; i < view.count; ++i) {
    // A few processes with many threads: the sleepers' take part, too, and have cells.
    actors.emplace_back(static_cast<std::uint16_t>(kLater + 20 + i % 2), i + 1);
    const Result result = memory::arrive(view, actors[i].caller(), 0, &arrivals[i]);
    if (result != Result::kDone) return result;
  }
  Result result = memory::end_phase(view, actors.back().caller(), arrivals.back());
  for (std::uint32_t i = 0; i + 1 < view.count && result == Result::kDone; ++i) {
    result = memory::wait_for_phase(view, actors[i].caller(), arrivals[i], 0);
  }
  return result;
}

// A victim that took part breaks it; the others learn how their phase ended, `ended` being how if
// it moved on.
inline std::function<Check(const ObjectView&)> expect_barrier(Result ended = Result::kDone) {
  return [=](const ObjectView& crash) -> Check {
    const std::uint64_t word = crash.descriptor->value.load();
    const bool moved_on = (word >> 18 & 0x3fffffff) != 0;
    bool took_part = false;
    for (std::size_t i = 0; i < crash.size / 2; ++i) {
      took_part = took_part || is_victim(crash.cells16()[i].load());
    }
    const bool broken = (word & 1) != 0 || took_part;
    return [=](const ObjectView& view, Sleepers& sleepers) -> std::string {
      if (memory::is_broken(view) != broken) {
        return broken ? "a dead party did not break it" : "it broke without a dead party";
      }
      Actor later(kLater);
      if (!broken && !moved_on) (void)memory::break_barrier(view, later.caller());
      if (!sleepers.all_got_on()) return "a sleeper was not woken";
      for (const Outcome& outcome : sleepers.late_outcomes()) {
        if (outcome.result != (moved_on ? ended : Result::kBroken)) {
          return "a party was told " + number(int(outcome.result));
        }
      }
      if (broken && wait_at(view, later.caller(), 0) != Result::kBroken) {
        return "a broken barrier lets somebody wait";
      }
      if (memory::reset_barrier(view, later.caller()) != Result::kDone) return "no reset later";
      if (memory::is_broken(view)) return "a reset leaves it broken";
      for (int turn = 0; turn < 2; ++turn) {
        if (whole_phase(view) != Result::kDone) return "no whole phase later";
      }
      return "";
    };
  };
}

inline std::vector<Scenario> barrier_scenarios() {
  std::vector<Scenario> all;
  const auto add = [&](Scenario scenario) {
    scenario.name = "Barrier " + scenario.name;
    if (scenario.made.parameter == 0) {
      scenario.made = {.kind = ObjectKind::kBarrier, .parameter = 3};
    }
    if (!scenario.expect) scenario.expect = expect_barrier();
    all.push_back(std::move(scenario));
  };
  const Made in_block{.kind = ObjectKind::kBarrier, .parameter = 80};
  const Act waits = [](const ObjectView& view, Caller& caller) {
    return wait_at(view, caller, long_deadline());
  };
  add({.name = "wait, the last to arrive",
       .sleepers = {party(), party()},
       .victim = waits,
       .lets_go = 2});
  add({.name = "wait, the first to arrive",
       .victim = waits,
       .second = waits,
       .unblock = [](const ObjectView& view) {
         for (std::uint16_t i = 0; i < view.count - 1; ++i) {
           Actor actor(static_cast<std::uint16_t>(kOther + 80 + i));
           memory::Arrival arrival;
           if (memory::arrive(view, actor.caller(), 0, &arrival) != Result::kDone) return;
           if (arrival.is_last) (void)memory::end_phase(view, actor.caller(), arrival);
         }
       }});
  add({.name = "wait, given up beside a sleeper",
       .made = in_block,
       .sleepers = {party()},
       .victim = [](const ObjectView& view,
                    Caller& caller) { return wait_at(view, caller, short_deadline()); },
       .result = Result::kTimedOut});
  add({.name = "abort with a sleeper",
       .sleepers = {party()},
       .victim = [](const ObjectView& view,
                    Caller& caller) { return memory::break_barrier(view, caller); },
       .second = waits,
       .lets_go = 1});
  add({.name = "reset with two sleepers",
       .sleepers = {party(), party()},
       .victim = [](const ObjectView& view,
                    Caller& caller) { return memory::reset_barrier(view, caller); },
       .lets_go = 2,
       .expect = expect_barrier(Result::kBroken)});
  return all;
}

}  // namespace shoal::test
