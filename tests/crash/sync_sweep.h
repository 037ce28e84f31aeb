// The sweeps of memory/'s synchronisation. Of each scenario:
//
//  states    one victim, stopped after every instruction; whenever the object has changed, a copy
//  is
//            recovered and judged, with real sleepers who fell asleep before the victim began, and
//            none of whom the victim has woken: the worst that can be.
//  recovery  from each of these crash images: the manager, too, is stopped after every instruction
//            of recovery, and whenever the object has changed, a copy is recovered anew and judged.
//  kills     a victim of its own really killed at each instruction, among real sleepers.
//  two       two victims that take turns as a seed says, both killed at an instruction it says.
//  alive     nobody dies, and nothing is recovered.
#pragma once

#include <cstdio>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "tests/crash/kill_points.h"
#include "tests/crash/shared_bytes.h"
#include "tests/crash/sweep.h"
#include "tests/crash/sync_scenario.h"

namespace shoal::test {

struct SyncReport {
  std::size_t instructions = 0;
  std::size_t states = 0;
  std::size_t recovery_instructions = 0;
  std::size_t recovery_states = 0;
  std::size_t kills = 0;
  std::vector<std::string> violations;

  void complain(const std::string& name, const char* how, std::size_t at, std::string what) {
    constexpr std::size_t kViolationsMax = 10;
    if (violations.size() >= kViolationsMax) return;
    violations.push_back(name + ", " + how + " after instruction " + number(at) + ": " +
                         std::move(what));
  }
};

// An object as the victim finds it, with its sleepers asleep.
class Stage {
 public:
  explicit Stage(const Scenario& scenario)
      : bytes_(kImageBytes), view_(view_in(bytes_.span(), scenario.made)) {
    set_deadline();
    lay_in(bytes_.span(), scenario.made);
    if (scenario.before) scenario.before(view_);
    sleepers_ = std::make_unique<Sleepers>(bytes_.span(), view_, scenario.sleepers);
    if (scenario.after) scenario.after(view_);
  }
  [[nodiscard]] std::span<std::byte> bytes() const { return bytes_.span(); }
  [[nodiscard]] const ObjectView& view() const { return view_; }
  [[nodiscard]] Sleepers& sleepers() const { return *sleepers_; }

 private:
  SharedBytes bytes_;
  ObjectView view_;
  std::unique_ptr<Sleepers> sleepers_;
};

inline void recover(const ObjectView& view, std::uint16_t slot) {
  Actor manager(kManager);
  memory::recover_object(view, manager.caller(), slot, /*died=*/true);
}

inline std::string what_the_dead_left(const ObjectView& view) {
  if (is_victim(memory::slot_in(view.descriptor->lock.load()))) return "the word names the dead";
  return "";
}

inline std::string judge_recovered(const ObjectView& view, Sleepers& sleepers, const Check& check) {
  if (std::string wrong = what_the_dead_left(view); !wrong.empty()) return wrong;
  if (std::string wrong = check(view, sleepers); !wrong.empty()) return wrong;
  recover(view, kVictim);  // once more harms nobody
  return what_the_dead_left(view);
}

// The bytes are laid over an object in which the scenario's sleepers sleep.
inline std::string judge_image(const Scenario& scenario, std::span<const std::byte> image,
                               const Check& check) {
  const Stage stage(scenario);
  if (!stage.sleepers().trouble().empty()) return stage.sleepers().trouble();
  std::memcpy(stage.bytes().data(), image.data(), image.size());
  recover(stage.view(), kVictim);
  return judge_recovered(stage.view(), stage.sleepers(), check);
}

inline Traced::Setup victim_of(const Scenario& scenario, std::span<std::byte> bytes) {
  return [&scenario, bytes] {
    return std::vector<Traced::Body>{[&scenario, view = view_in(bytes, scenario.made),
                                      actor = std::make_shared<Actor>(kVictim)] {
      return static_cast<int>(scenario.victim(view, actor->caller()));
    }};
  };
}

// The object as the victim finds it, but nobody sleeps any more: the notes that they do are left.
inline void leave_notes(const Scenario& scenario, std::span<std::byte> bytes) {
  const Stage stage(scenario);
  std::memcpy(bytes.data(), stage.bytes().data(), bytes.size());
}

// ---- recovery ----

inline void sweep_recovery(const Scenario& scenario, std::span<const std::byte> crash,
                           const Check& check, std::size_t at, SyncReport& report) {
  const SharedBytes shared(kImageBytes);
  std::memcpy(shared.span().data(), crash.data(), crash.size());
  Traced manager(1, [&] {
    return std::vector<Traced::Body>{[view = view_in(shared.span(), scenario.made)] {
      recover(view, kVictim);
      return 0;
    }};
  });
  Copy last(shared.span());
  Traced::Step step = manager.ready() ? Traced::Step::kStepped : Traced::Step::kGone;
  while (step == Traced::Step::kStepped) {
    step = manager.step();
    ++report.recovery_instructions;
    if (last.equals(shared.span())) continue;
    last = Copy(shared.span());
    ++report.recovery_states;
    std::string wrong = judge_image(scenario, last.span(), check);
    if (!wrong.empty()) report.complain(scenario.name, "and recovery too", at, std::move(wrong));
  }
  if (step != Traced::Step::kDone) {
    report.complain(scenario.name, "in recovery", at, "no ptrace, or it does not end");
  }
}

// ---- states ----

// Without recovery's sweep the first violation is enough: so seeded faults are looked for.
inline SyncReport sweep_states(const Scenario& scenario, bool with_recovery) {
  SyncReport report;
  const SharedBytes shared(kImageBytes);
  leave_notes(scenario, shared.span());
  const ObjectView view = view_in(shared.span(), scenario.made);
  std::set<std::string> seen;
  const auto judge = [&](const Copy& image) {
    const Check check = scenario.expect(view_in(image.span(), scenario.made));
    std::string wrong = judge_image(scenario, image.span(), check);
    if (!wrong.empty()) {
      report.complain(scenario.name, "stopped", report.instructions, std::move(wrong));
    }
    const bool is_new =
        seen.emplace(reinterpret_cast<const char*>(image.span().data()), kImageBytes).second;
    if (is_new && with_recovery) {
      sweep_recovery(scenario, image.span(), check, report.instructions, report);
    }
  };
  Copy last(shared.span());
  judge(last);
  Traced victim(1, victim_of(scenario, shared.span()));
  bool unblocked = false;
  Traced::Step step = victim.ready() ? Traced::Step::kStepped : Traced::Step::kGone;
  while (step != Traced::Step::kGone && step != Traced::Step::kDone) {
    step = victim.step();
    if (step == Traced::Step::kBlocked && !unblocked && scenario.unblock) {
      scenario.unblock(view);
      unblocked = true;
    }
    if (step == Traced::Step::kStepped) ++report.instructions;
    if (last.equals(shared.span())) continue;
    last = Copy(shared.span());
    ++report.states;
    judge(last);
    if (!with_recovery && !report.violations.empty()) return report;
  }
  if (step == Traced::Step::kGone) {
    report.complain(scenario.name, "stopped", report.instructions,
                    "no ptrace, or the victim ended by itself");
  } else if (victim.result() != static_cast<int>(scenario.result)) {
    report.complain(scenario.name, "finished", report.instructions,
                    "its result is " + std::to_string(victim.result()));
  }
  return report;
}

// ---- alive ----

inline void sweep_alive(const Scenario& scenario, SyncReport& report) {
  if (scenario.unblock) return;
  const Stage stage(scenario);
  Actor actor(kVictim);
  const Result result = scenario.victim(stage.view(), actor.caller());
  if (result != scenario.result) {
    report.complain(scenario.name, "alive", 0, "its result is " + number(int(result)));
  }
  if (!stage.sleepers().got_on(scenario.lets_go)) {
    report.complain(scenario.name, "alive", 0, "it did not wake a sleeper");
  }
}

// ---- kills ----

// What has become of an object in which somebody was killed, after the last of the living who could
// move did so.
inline std::string judge_killed(const Scenario& scenario, const Stage& stage,
                                const std::vector<std::uint16_t>& dead) {
  if (!stage.sleepers().trouble().empty()) return stage.sleepers().trouble();
  if (!stage.sleepers().settle()) return "a sleeper is neither asleep nor through";
  stage.sleepers().remember_early();
  const Copy crash(stage.bytes());
  const Check check = scenario.expect(view_in(crash.span(), scenario.made));
  for (const std::uint16_t slot : dead) recover(stage.view(), slot);
  return judge_recovered(stage.view(), stage.sleepers(), check);
}

inline void sweep_kills(const Scenario& scenario, SyncReport& report) {
  Trail trail;
  {
    const Stage stage(scenario);
    trail = follow(victim_of(scenario, stage.bytes()), [&] {
      if (scenario.unblock) scenario.unblock(stage.view());
      return true;
    });
  }
  std::vector<std::size_t> points = kill_points(trail.size(), kEveryInstructionMax, kDrawnPoints);
  if (scenario.unblock) points.push_back(kAsleep);
  for (const std::size_t point : points) {
    const Stage stage(scenario);
    Traced victim(1, victim_of(scenario, stage.bytes()));
    const bool there = point == kAsleep ? fall_asleep(victim) : advance(victim, trail, point, [&] {
      if (scenario.unblock) scenario.unblock(stage.view());
      return true;
    });
    victim.kill_now();
    std::string wrong = there ? judge_killed(scenario, stage, {kVictim})
                              : "no ptrace, or the victim ended by itself";
    ++report.kills;
    if (!wrong.empty()) report.complain(scenario.name, "killed", point, std::move(wrong));
  }
  if (trail.size() == 0) {
    report.complain(scenario.name, "killed", 0, "no ptrace, or the victim ended by itself");
  }
}

// ---- two ----

inline void sweep_two(const Scenario& scenario, std::uint64_t seed, SyncReport& report) {
  const Stage stage(scenario);
  const auto setup = [&](const Act& act, std::uint16_t slot) -> Traced::Setup {
    return [&act, &stage, slot] {
      return std::vector<Traced::Body>{[&act, &stage, actor = std::make_shared<Actor>(slot)] {
        return static_cast<int>(act(stage.view(), actor->caller()));
      }};
    };
  };
  Traced first(1, setup(scenario.victim, kVictim));
  Traced second(1, setup(scenario.second, kSecondVictim));
  Traced* const victims[] = {&first, &second};
  bool over[] = {!first.ready(), !second.ready()};
  bool asleep[] = {false, false};
  bool unblocked = !scenario.unblock;
  std::mt19937_64 draw(seed);
  // Mostly short, so that all of it is reached.
  const std::size_t steps = draw() % (draw() % 2 == 0 ? 300 : 900);
  std::size_t turn = draw() % 2;
  for (std::size_t i = 0; i < steps && !(over[0] && over[1]); ++i) {
    if (draw() % 8 == 0) turn = 1 - turn;
    if (over[turn] || asleep[turn]) turn = 1 - turn;
    if (over[turn]) continue;
    const Traced::Step step = victims[turn]->step();
    over[turn] = step == Traced::Step::kDone || step == Traced::Step::kGone;
    asleep[turn] = step == Traced::Step::kBlocked;
    if ((asleep[0] || over[0]) && (asleep[1] || over[1])) {
      if (unblocked) break;
      scenario.unblock(stage.view());
      unblocked = true;
      asleep[0] = asleep[1] = false;
    }
  }
  const bool ready = first.ready() && second.ready();
  first.kill_now();
  second.kill_now();
  report.kills += 2;
  const bool in_order = draw() % 2 == 0;
  std::string wrong = !ready ? "no ptrace, or a victim ended by itself"
                             : judge_killed(scenario, stage,
                                            in_order ? std::vector{kVictim, kSecondVictim}
                                                     : std::vector{kSecondVictim, kVictim});
  if (!wrong.empty()) {
    report.complain(scenario.name + " (seed " + number(seed) + ")", "two victims killed", steps,
                    std::move(wrong));
  }
}

}  // namespace shoal::test
