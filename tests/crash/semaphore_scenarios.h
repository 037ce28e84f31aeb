// Sweeps of semaphores, with owned and with plain permits.
#pragma once

#include "memory/semaphore.h"
#include "tests/crash/lock_scenarios.h"

namespace shoal::test {

inline Made semaphore(std::uint64_t permits, std::uint16_t flags = 0,
                      ObjectKind kind = ObjectKind::kSemaphore) {
  return {.kind = kind, .flags = flags, .parameter = permits};
}

inline std::function<void(const ObjectView&)> permits_taken(std::uint16_t slot, int many) {
  return [=](const ObjectView& view) {
    Actor actor(slot);
    for (int i = 0; i < many; ++i) (void)memory::acquire_permit(view, actor.caller(), 0);
  };
}

inline Wait permit_sleeper(bool gives_back) {
  return [=](const ObjectView& view, Caller& caller) {
    Outcome outcome;
    outcome.result = memory::acquire_permit(view, caller, long_deadline());
    if (gives_back && outcome.result == Result::kDone) {
      (void)memory::release_permits(view, caller, 1);
    }
    return outcome;
  };
}

inline Act taking(memory::Deadline (*deadline)() = long_deadline) {
  return [=](const ObjectView& view, Caller& caller) {
    return memory::acquire_permit(view, caller, deadline());
  };
}

inline Act giving(std::uint32_t many) {
  return [=](const ObjectView& view, Caller& caller) {
    return memory::release_permits(view, caller, many);
  };
}

inline std::function<void(const ObjectView&)> given_by(std::uint16_t slot, std::uint32_t many) {
  return [=](const ObjectView& view) {
    Actor actor(slot);
    (void)memory::release_permits(view, actor.caller(), many);
  };
}

// Owned permits: whatever the dead had is there again, none more, and nobody sleeps on.
inline Check expect_owned(const ObjectView& crash) {
  const std::uint32_t others_before = memory::permits_of(crash, kOther);
  return [=](const ObjectView& view, Sleepers& sleepers) -> std::string {
    if (memory::permits_of(view, kOther) != others_before) return "the living lost permits";
    if (others_before == view.count) given_by(kOther, 1)(view);
    if (!sleepers.all_got_on()) return "a sleeper was not woken";
    const std::uint32_t mine = memory::permits_of(view, kOther);
    const std::uint32_t free = memory::free_permits(view);
    if (free + mine != view.count) return "permits are missing: " + number(free);
    permits_taken(kLater, static_cast<int>(view.count))(view);
    if (memory::permits_of(view, kLater) != free) return "not all can be had later";
    given_by(kLater, free)(view);
    return memory::free_permits(view) == free ? "" : "not all can be given back later";
  };
}

// Plain permits: the count is what the calls that took effect make it, `changes` being what the
// victims' may add up to, and the sleepers have what there is.
inline std::function<Check(const ObjectView&)> expect_plain(std::uint64_t at_first,
                                                            std::vector<std::int64_t> changes) {
  return [=](const ObjectView&) -> Check {
    return [=](const ObjectView& view, Sleepers& sleepers) -> std::string {
      // Who is there when there are permits has one; each of the others gets one now.
      std::int64_t helped = 0;
      while (sleepers.through() < sleepers.size()) {
        if (!sleepers.settle()) return "a sleeper is neither asleep nor through";
        const std::size_t through = sleepers.through();
        if (through == sleepers.size()) break;
        const bool there_is_one = memory::free_permits(view) > 0;
        if (!there_is_one) {
          given_by(kLater, 1)(view);
          ++helped;
        }
        if (sleepers.got_on(through + 1)) continue;
        return there_is_one ? "a sleeper was not woken" : "a sleeper sleeps on";
      }
      const auto now = static_cast<std::int64_t>(memory::free_permits(view));
      const std::int64_t change = now - helped + static_cast<std::int64_t>(sleepers.size()) -
                                  static_cast<std::int64_t>(at_first);
      for (const std::int64_t may : changes) {
        if (change == may) {
          Actor later(kLater);
          if (now > 0 && memory::acquire_permit(view, later.caller(), 0) != Result::kDone) {
            return "none can be had later";
          }
          return "";
        }
      }
      return "the count is off by " + std::to_string(change);
    };
  };
}

inline std::vector<Scenario> semaphore_scenarios() {
  std::vector<Scenario> all;
  const auto owned = [&](Scenario scenario) {
    scenario.name = "Semaphore " + scenario.name;
    scenario.expect = expect_owned;
    all.push_back(std::move(scenario));
  };
  const Wait sleeper = permit_sleeper(true);
  owned({.name = "acquire", .made = semaphore(3), .victim = taking(one_try)});
  owned({.name = "acquire, none free",
         .made = semaphore(2),
         .before = permits_taken(kOther, 2),
         .victim = taking(one_try),
         .result = Result::kTimedOut});
  owned({.name = "acquire after a sleep",
         .made = semaphore(2),
         .before = permits_taken(kOther, 2),
         .sleepers = {sleeper},
         .victim = taking(),
         .second = taking(),
         .unblock = given_by(kOther, 1)});
  owned({.name = "release",
         .made = semaphore(2),
         .before = permits_taken(kVictim, 1),
         .victim = giving(1)});
  owned({.name = "release with a sleeper",
         .made = semaphore(100),  // permits in a block of their own
         .before = permits_taken(kVictim, 100),
         .sleepers = {sleeper},
         .victim = giving(1),
         .second = taking(short_deadline),
         .lets_go = 1});
  owned({.name = "release of three with two sleepers",
         .made = semaphore(3),
         .before = permits_taken(kVictim, 3),
         .sleepers = {sleeper, sleeper},
         .victim = giving(3),
         .second = taking(short_deadline),
         .lets_go = 2});
  const auto plain = [&](Scenario scenario, std::vector<std::int64_t> changes) {
    scenario.expect = expect_plain(scenario.made.parameter, std::move(changes));
    all.push_back(std::move(scenario));
  };
  const Wait keeper = permit_sleeper(false);
  plain({.name = "plain Semaphore acquire",
         .made = semaphore(2, memory::kFlagPlain),
         .victim = taking(one_try)},
        {0, -1});
  plain({.name = "plain Semaphore acquire after a sleep",
         .made = semaphore(0, memory::kFlagPlain),
         .victim = taking(),
         .unblock = given_by(kOther, 1)},
        {0, 1});
  plain({.name = "plain Semaphore release",
         .made = semaphore(0, memory::kFlagPlain),
         .victim = giving(1)},
        {0, 1});
  plain({.name = "plain Semaphore release of two with two sleepers",
         .made = semaphore(0, memory::kFlagPlain),
         .sleepers = {keeper, keeper},
         .victim = giving(2),
         .lets_go = 2},
        {0, 2});
  plain({.name = "plain BoundedSemaphore release with a sleeper",
         .made = semaphore(1, memory::kFlagPlain, ObjectKind::kBoundedSemaphore),
         .before = permits_taken(kOther, 1),
         .sleepers = {keeper},
         .victim = giving(1),
         .lets_go = 1},
        {-1, 0});
  plain({.name = "plain BoundedSemaphore release beyond its bound",
         .made = semaphore(1, memory::kFlagPlain, ObjectKind::kBoundedSemaphore),
         .victim = giving(1),
         .result = Result::kOverflow},
        {0});
  return all;
}

}  // namespace shoal::test
