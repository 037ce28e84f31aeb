// Sweeps of Condition: waiting, notifying, and dying in between. The lock around it is lock_word's.
#pragma once

#include "memory/condition.h"
#include "tests/crash/sync_scenario.h"

namespace shoal::test {

// The lowest bits of a waiter's cell: layout.h.
inline bool cell_waits(std::uint32_t cell) { return (cell & 3) == 1; }
inline bool cell_is_notified(std::uint32_t cell) { return (cell & 3) == 2; }

inline std::uint32_t cell_of_slot(const ObjectView& view, std::uint16_t slot) {
  for (std::uint32_t i = 0; i < view.count; ++i) {
    const std::uint32_t cell = view.cells32()[i].load();
    if (cell != 0 && memory::slot_in(cell) == slot) return cell;
  }
  return 0;
}

inline Result await_and_leave(const ObjectView& view, Caller& caller, std::uint32_t cell,
                              memory::Deadline deadline) {
  const Result result = memory::await_notification(view, caller, cell, deadline);
  if (result == Result::kDone) memory::leave(view, caller, cell);
  return result;
}

inline Result wait_once(const ObjectView& view, Caller& caller, memory::Deadline deadline) {
  std::uint32_t cell = 0;
  const Result result = memory::enlist(view, caller, &cell);
  return result == Result::kDone ? await_and_leave(view, caller, cell, deadline) : result;
}

inline Wait condition_sleeper() {
  return [](const ObjectView& view, Caller& caller) {
    return Outcome{wait_once(view, caller, long_deadline()), {}};
  };
}

inline std::function<void(const ObjectView&)> notified_by(std::uint16_t slot, std::uint32_t many) {
  return [=](const ObjectView& view) {
    Actor actor(slot);
    (void)memory::notify(view, actor.caller(), many);
  };
}

// Every notification that was given reaches one of the living: those of the sleepers that the crash
// image shows as notified, or gone, and one more for a victim that died with one in its cell.
inline Check expect_condition(const ObjectView& crash) {
  std::size_t waiting = 0;
  std::size_t with_the_dead = 0;
  for (std::uint32_t i = 0; i < crash.count; ++i) {
    const std::uint32_t cell = crash.cells32()[i].load();
    const bool dead = is_victim(memory::slot_in(cell));
    if (!dead && cell_waits(cell)) ++waiting;
    if (dead && cell_is_notified(cell)) ++with_the_dead;
  }
  return [=](const ObjectView& view, Sleepers& sleepers) -> std::string {
    const std::size_t handed_on = std::min(with_the_dead, waiting);
    if (!sleepers.got_on(sleepers.size() - waiting + handed_on)) {
      return with_the_dead > 0 ? "a notification went with the dead" : "a wake-up is lost";
    }
    for (std::uint32_t i = 0; i < view.count; ++i) {
      if (is_victim(memory::slot_in(view.cells32()[i].load()))) return "a cell is still the dead's";
    }
    if (!sleepers.settle()) return "a sleeper is neither asleep nor through";
    // One notification for each that still waits: none may go elsewhere.
    while (sleepers.through() < sleepers.size()) {
      const std::size_t through = sleepers.through();
      if (through == sleepers.size()) break;
      notified_by(kLater, 1)(view);
      if (!sleepers.got_on(through + 1)) return "a later notification was swallowed";
      if (!sleepers.settle()) return "a sleeper is neither asleep nor through";
    }
    for (std::uint32_t i = 0; i < view.count; ++i) {
      if (view.cells32()[i].load() != 0) return "a cell is not given back";
    }
    Actor later(kLater);
    std::uint32_t cell = 0;
    std::uint32_t many = 0;
    if (memory::enlist(view, later.caller(), &cell) != Result::kDone) return "no cell later";
    if (memory::notify(view, later.caller(), 2, &many) != Result::kDone || many != 1) {
      return "a later notification finds nobody";
    }
    return await_and_leave(view, later.caller(), cell, 0) == Result::kDone
               ? ""
               : "a later wait is not notified";
  };
}

inline std::vector<Scenario> condition_scenarios() {
  std::vector<Scenario> all;
  const auto add = [&](Scenario scenario) {
    scenario.name = "Condition " + scenario.name;
    scenario.expect = expect_condition;
    if (scenario.made.parameter == 0) {
      scenario.made = {.kind = ObjectKind::kCondition, .parameter = 4};
    }
    all.push_back(std::move(scenario));
  };
  const Made in_block{.kind = ObjectKind::kCondition, .parameter = 40};
  const Wait sleeper = condition_sleeper();
  const Act waits = [](const ObjectView& view, Caller& caller) {
    return wait_once(view, caller, long_deadline());
  };
  const auto notifies = [](std::uint32_t many) -> Act {
    return [many](const ObjectView& view, Caller& caller) {
      return memory::notify(view, caller, many);
    };
  };
  // The victim's cell is the first in line, and may be notified when it begins.
  const auto enlisted = [](const ObjectView& view) {
    Actor victim(kVictim);
    std::uint32_t cell = 0;
    (void)memory::enlist(view, victim.caller(), &cell);
  };
  const auto await = [](memory::Deadline (*deadline)()) -> Act {
    return [=](const ObjectView& view, Caller& caller) {
      for (std::uint32_t i = 0; i < view.count; ++i) {
        if (memory::slot_in(view.cells32()[i].load()) != caller.slot()) continue;
        return await_and_leave(view, caller, i, deadline());
      }
      return view.is_stale() ? Result::kStale : Result::kExhausted;
    };
  };
  add({.name = "wait", .victim = waits, .second = waits, .unblock = notified_by(kOther, 2)});
  add({.name = "wait behind a sleeper",
       .made = in_block,
       .sleepers = {sleeper},
       .victim = waits,
       .second = waits,
       .unblock = notified_by(kOther, 3)});
  add({.name = "wait, given up beside a sleeper",
       .sleepers = {sleeper},
       .victim = [](const ObjectView& view,
                    Caller& caller) { return wait_once(view, caller, short_deadline()); },
       .result = Result::kTimedOut});
  add({.name = "wait, the end of one that is notified",
       .before = enlisted,
       .sleepers = {sleeper, sleeper},
       .after = notified_by(kOther, 1),
       .victim = await(long_deadline),
       .second = notifies(1)});
  add({.name = "notify, nobody waits", .victim = notifies(1)});
  add({.name = "notify",
       .made = in_block,
       .sleepers = {sleeper, sleeper},
       .victim = notifies(1),
       .second = notifies(1),
       .lets_go = 1});
  add({.name = "notify_all",
       .sleepers = {sleeper, sleeper, sleeper},
       .victim = notifies(100),
       .second = waits,
       .lets_go = 3});
  return all;
}

}  // namespace shoal::test
