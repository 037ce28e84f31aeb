// The manager's own changes of an object, stopped after every instruction: laying it, and retiring
// it while others sleep in it.
#include <cstdio>
#include <cstring>

#include <gtest/gtest.h>

#include "tests/crash/sync_scenarios.h"
#include "tests/crash/sync_sweep.h"

namespace shoal::test {
namespace {

// Everybody wakes, and is told; so is who comes later.
std::string judge_retired(const Scenario& scenario, std::span<const std::byte> image) {
  const Stage stage(scenario);
  if (!stage.sleepers().trouble().empty()) return stage.sleepers().trouble();
  std::memcpy(stage.bytes().data(), image.data(), image.size());
  memory::retire_object(stage.view());
  if (!stage.sleepers().all_got_on()) return "a sleeper was not woken";
  for (const Outcome& outcome : stage.sleepers().late_outcomes()) {
    if (outcome.result != Result::kStale) return "a sleeper was not told";
  }
  Actor later(kLater);
  const Result result = scenario.victim(stage.view(), later.caller());
  return result == Result::kStale ? "" : "a later call is told " + number(int(result));
}

TEST(Retire, WakesEverybodyWhereverItIsBegunAnew) {
  std::size_t instructions = 0;
  std::size_t states = 0;
  for (const Scenario& scenario : sync_scenarios()) {
    if (scenario.sleepers.empty()) continue;
    SCOPED_TRACE(scenario.name);
    const SharedBytes shared(kImageBytes);
    leave_notes(scenario, shared.span());
    Copy last(shared.span());
    EXPECT_EQ(judge_retired(scenario, last.span()), "");
    Traced manager(1, [&] {
      return std::vector<Traced::Body>{[view = view_in(shared.span(), scenario.made)] {
        memory::retire_object(view);
        return 0;
      }};
    });
    ASSERT_TRUE(manager.ready()) << "no ptrace";
    Traced::Step step = Traced::Step::kStepped;
    while (step == Traced::Step::kStepped) {
      step = manager.step();
      ++instructions;
      if (last.equals(shared.span())) continue;
      last = Copy(shared.span());
      ++states;
      EXPECT_EQ(judge_retired(scenario, last.span()), "") << "stopped after " << instructions;
    }
    EXPECT_EQ(step, Traced::Step::kDone);
  }
  std::printf("retire_object: %zu instructions, %zu states\n", instructions, states);
}

// What the manager lays: a lock on the place of one that was held, watched and abandoned.
Operation laying(std::string name, const Made& made) {
  return {.name = std::move(name),
          .prepare =
              [](std::span<std::byte> bytes) {
                const Made lock{.kind = ObjectKind::kRLock};
                lay_in(bytes, lock);
                const ObjectView view = view_in(bytes, lock);
                held_by(rlock_calls(), kOther, 2)(view);
                view.descriptor->abandoned.store(1);
                memory::retire_object(view);
              },
          .victim = [made](std::span<std::byte> bytes) { return [=] { lay_in(bytes, made); }; },
          .judge = [made](std::span<std::byte> bytes) -> Verdict {
            const ObjectView view = view_in(bytes, made);
            const bool done = !view.is_stale();
            if (!done) lay_in(bytes, made);  // as the manager does anew
            const Descriptor& d = *view.descriptor;
            if (view.is_stale()) return {done, "it is not there"};
            if (d.lock.load() != 0 || d.depth.load() != 0 || d.token.load() != 0 ||
                d.abandoned.load() != 0 || d.recoveries.load() != 0) {
              return {done, "something of its forerunner is left"};
            }
            Actor actor(kLater);
            Acquisition got;
            const Result result = memory::acquire(view, actor.caller(), 0, &got);
            const bool fresh = result == Result::kDone && got.token == 1 && !got.abandoned;
            return {done, fresh ? "" : "it cannot be locked"};
          }};
}

TEST(Lay, IsThereWithItsLastStoreAndNotBefore) {
  for (const Operation& operation :
       {laying("lay a Lock", {.kind = ObjectKind::kLock}),
        laying("lay a Cell", {.kind = ObjectKind::kCell, .parameter = 24})}) {
    const SweepReport states = sweep_states(operation, kImageBytes);
    const SweepReport kills = sweep_kills(operation, kImageBytes, states.instructions);
    std::printf("%-20s %5zu instructions, %3zu states, %5zu kills\n", operation.name.c_str(),
                states.instructions, states.states, kills.kills);
    for (const std::string& violation : states.violations) ADD_FAILURE() << violation;
    for (const std::string& violation : kills.violations) ADD_FAILURE() << violation;
  }
}

}  // namespace
}  // namespace shoal::test
