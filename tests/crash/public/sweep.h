// The sweeps of public calls, with a real manager: a victim is a process with a session of its own.
//
//  states  one victim, stopped after every instruction between its marks; whenever the object has
//          changed, a copy of it is recovered and must not name the dead any more.
//  kills   a victim killed at each instruction, or at some; the real manager recovers, those who
//          were blocked must get on, and the living use the object.
//  two     two victims, processes or threads of one, that take turns as a seed says and are killed.
#pragma once

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include <shoal/lock.h>

#include "tests/crash/kill_points.h"
#include "tests/crash/public/operation.h"
#include "tests/crash/sweep.h"
#include "tests/support/test_manager.h"

namespace shoal::test {

struct PublicReport {
  std::size_t instructions = 0;
  std::size_t states = 0;
  std::size_t kills = 0;
  std::size_t kills_of_two = 0;
  std::vector<std::string> violations;
};

class PublicSweep {
 public:
  PublicSweep() : client_(manager_.client(options())) {
    const Lock mine = client_.create<Lock>("mine").value();
    arena_ = mapped_arena();
    (void)mine.acquire();
    slot_ = holder_of(mine.id());
    (void)mine.release();
  }

  // Killed at every instruction of calls of up to `every_max`, else at kDrawnPoints and where the
  // object changes.
  PublicReport sweep(const PublicOperation& operation, std::size_t every_max) {
    PublicReport report;
    std::vector<std::size_t> changes;
    const Trail trail = sweep_states(operation, report, changes);
    for (const std::size_t point : chosen(trail.size(), changes, every_max)) {
      kill_at(operation, trail, point, report);
    }
    if (operation.sleeps) kill_at(operation, trail, kAsleep, report);
    return report;
  }

  // `threads`: of one process; else two processes.
  void sweep_two(const PublicOperation& operation, bool threads, std::uint64_t seed,
                 PublicReport& report);

 private:
  static ClientOptions options() {
    ClientOptions options;
    options.spins = 1;  // a spin only makes a sweep longer
    return options;
  }

  [[nodiscard]] std::uint16_t holder_of(std::uint64_t id) const {
    return memory::slot_in(Image(arena_, id).words().lock.load());
  }

  std::string next_name() { return "object " + std::to_string(++rounds_); }

  Traced::Setup victims_of(const PublicOperation& operation, const std::string& name,
                           std::size_t threads) const {
    return [this, &operation, name, threads] {
      const Client own = manager_.client(options());
      std::vector<Traced::Body> bodies;
      for (std::size_t i = 0; i < threads; ++i) bodies.push_back(operation.victim(own, name));
      return bodies;
    };
  }

  Trail sweep_states(const PublicOperation& operation, PublicReport& report,
                     std::vector<std::size_t>& changes);
  void kill_at(const PublicOperation& operation, const Trail& trail, std::size_t point,
               PublicReport& report);

  static std::vector<std::size_t> chosen(std::size_t instructions,
                                         const std::vector<std::size_t>& changes,
                                         std::size_t points_max) {
    std::vector<std::size_t> points =
        kill_points(instructions, std::min(points_max, kEveryInstructionMax),
                    std::min(points_max, kDrawnPoints));
    for (const std::size_t change : changes) {
      for (const std::size_t point : {change - 1, change}) {
        if (point >= 1 && point <= instructions) points.push_back(point);
      }
    }
    std::sort(points.begin(), points.end());
    points.erase(std::unique(points.begin(), points.end()), points.end());
    return points;
  }

  static void complain(PublicReport& report, const PublicOperation& operation,
                       const std::string& how, const std::string& wrong) {
    constexpr std::size_t kViolationsMax = 5;
    if (wrong.empty() || report.violations.size() >= kViolationsMax) return;
    report.violations.push_back(operation.name + ", " + how + ": " + wrong);
  }

  TestManager manager_;
  Client client_;
  std::span<std::byte> arena_;
  std::uint16_t slot_ = 0;
  std::size_t rounds_ = 0;
};

inline const char* no_victim() { return "no ptrace, or the victim ended by itself"; }

inline Trail PublicSweep::sweep_states(const PublicOperation& operation, PublicReport& report,
                                       std::vector<std::size_t>& changes) {
  const std::string name = next_name();
  const std::unique_ptr<Round> round = operation.round(client_, name);
  const Lock probe = client_.create<Lock>(name + " probe").value();
  if (operation.early) complain(report, operation, "at first", round->begin(arena_));
  // The victim holds the probe, too: so its slot is known.
  const Traced::Setup setup = [&] {
    const Client own = manager_.client(options());
    const auto held = std::make_shared<Lock>(own.open<Lock>(name + " probe").value());
    (void)held->acquire();
    return std::vector<Traced::Body>{[held, body = operation.victim(own, name)] { return body(); }};
  };
  Trail trail;
  Traced victim(1, setup);
  if (!victim.ready()) {
    complain(report, operation, "stopped", no_victim());
    return trail;
  }
  if (!operation.early) complain(report, operation, "at first", round->begin(arena_));
  const std::uint16_t slot = holder_of(probe.id());
  memory::Caller manager;
  Image last(arena_, round->id());
  bool unblocked = false;
  trail.add(victim.where());
  for (;;) {
    const Traced::Step step = victim.step();
    if (step == Traced::Step::kBlocked && !unblocked) {
      unblocked = true;
      if (!round->unblock()) complain(report, operation, "stopped", "it sleeps");
      continue;
    }
    if (step == Traced::Step::kGone) complain(report, operation, "stopped", no_victim());
    if (step == Traced::Step::kGone || step == Traced::Step::kDone) break;
    if (step != Traced::Step::kStepped) continue;
    trail.add(victim.where());
    const Image now(arena_, round->id());
    if (now == last) continue;
    last = now;
    changes.push_back(trail.size());
    ++report.states;
    Image copy = now;
    memory::recover_object(copy.view(), manager, slot, /*died=*/true);
    if (copy.names(slot)) {
      complain(report, operation, "stopped at " + std::to_string(trail.size()),
               "recovery leaves the dead's name");
    }
  }
  report.instructions = trail.size();
  AtDeath death{Image(arena_, round->id()), slot_};
  victim.kill_now();
  complain(report, operation, "killed at its end", round->go_on(death));
  ++report.kills;
  return trail;
}

inline void PublicSweep::kill_at(const PublicOperation& operation, const Trail& trail,
                                 std::size_t point, PublicReport& report) {
  const std::string name = next_name();
  const std::string how =
      point == kAsleep ? "killed asleep" : "killed after instruction " + std::to_string(point);
  const std::unique_ptr<Round> round = operation.round(client_, name);
  if (operation.early) complain(report, operation, how, round->begin(arena_));
  Traced victim(1, victims_of(operation, name, 1));
  if (!operation.early) complain(report, operation, how, round->begin(arena_));
  const bool there = point == kAsleep
                         ? fall_asleep(victim)
                         : advance(victim, trail, point, [&] { return round->unblock(); });
  const AtDeath death{Image(arena_, round->id()), slot_};
  victim.kill_now();
  ++report.kills;
  if (!there) complain(report, operation, how, no_victim());
  complain(report, operation, how, round->go_on(death));
}

inline void PublicSweep::sweep_two(const PublicOperation& operation, bool threads,
                                   std::uint64_t seed, PublicReport& report) {
  const std::string name = next_name();
  const std::string how = std::string("two ") + (threads ? "threads" : "processes") +
                          " killed, seed " + std::to_string(seed);
  const std::unique_ptr<Round> round = operation.round(client_, name);
  std::vector<std::unique_ptr<Traced>> processes;
  const std::size_t each = threads ? 2 : 1;
  for (std::size_t i = 0; i < (threads ? 1 : 2); ++i) {
    processes.push_back(std::make_unique<Traced>(each, victims_of(operation, name, each)));
    if (!processes.back()->ready()) complain(report, operation, how, no_victim());
  }
  complain(report, operation, how, round->begin(arena_));
  std::mt19937_64 draw(seed);
  const std::size_t steps = draw() % (draw() % 2 == 0 ? 400 : 1500);
  bool over[] = {false, false};
  bool asleep[] = {false, false};
  std::size_t turn = draw() % 2;
  for (std::size_t i = 0; i < steps && report.violations.empty(); ++i) {
    if (draw() % 8 == 0) turn = 1 - turn;
    if (over[turn] || asleep[turn]) turn = 1 - turn;
    if (over[turn]) break;
    Traced& process = *processes[threads ? 0 : turn];
    const Traced::Step step = process.step(threads ? turn : 0);
    over[turn] = step == Traced::Step::kDone || step == Traced::Step::kGone;
    asleep[turn] = step == Traced::Step::kBlocked;
    if (over[turn]) asleep[1 - turn] = false;
    if (asleep[0] && asleep[1]) break;
  }
  const AtDeath death{Image(arena_, round->id()), slot_, /*victims=*/2};
  for (const std::unique_ptr<Traced>& process : processes) process->kill_now();
  report.kills_of_two += processes.size();
  complain(report, operation, how, round->go_on(death));
}

}  // namespace shoal::test
