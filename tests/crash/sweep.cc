// See sweep.h.
#include "tests/crash/sweep.h"

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "tests/crash/kill_points.h"
#include "tests/crash/shared_bytes.h"
#include "tests/crash/traced.h"

namespace shoal::test {
namespace {

constexpr std::size_t kViolationsMax = 20;

using MakeBody = std::function<std::function<void()>(std::span<std::byte>)>;

Traced::Setup setup_of(const MakeBody& body, std::span<std::byte> bytes) {
  return [&body, bytes] {
    return std::vector<Traced::Body>{[run = body(bytes)] {
      run();
      return 0;
    }};
  };
}

class Judge {
 public:
  Judge(const Operation& operation, SweepReport& report) : operation_(operation), report_(report) {}

  bool judge(std::span<const std::byte> bytes, std::size_t instruction, const char* how) {
    const Copy copy(bytes);
    const Verdict verdict = operation_.judge(copy.span());
    if (!verdict.violation.empty()) complain(instruction, how, verdict.violation);
    return verdict.done;
  }

  void complain(std::size_t instruction, const char* how, const std::string& what) {
    if (report_.violations.size() >= kViolationsMax) return;
    report_.violations.push_back(operation_.name + ", " + how + " after instruction " +
                                 std::to_string(instruction) + ": " + what);
  }

 private:
  const Operation& operation_;
  SweepReport& report_;
};

// Once in this process, so that lazily bound symbols and first-use tables cost the victim nothing.
void warm_up(const Operation& operation, std::size_t bytes) {
  const SharedBytes scratch(bytes);
  operation.prepare(scratch.span());
  operation.victim(scratch.span())();
}

}  // namespace

Walk walk_states(std::span<std::byte> shared, const MakeBody& body, Sleeps sleeps,
                 const std::function<std::string(const Walk&, const Copy&)>& see) {
  Walk walk;
  auto last = std::make_unique<Copy>(shared);
  Traced process(1, setup_of(body, shared));
  if (!process.ready()) return walk;
  while (walk.violation.empty()) {
    const Traced::Step step = process.step();
    if (step == Traced::Step::kBlocked && sleeps == Sleeps::kUntilItsDeadline) continue;
    walk.ended = step == Traced::Step::kDone;
    if (step != Traced::Step::kStepped) break;
    ++walk.instructions;
    if (last->equals(shared)) continue;
    last = std::make_unique<Copy>(shared);
    ++walk.states;
    walk.violation = see(walk, *last);
  }
  return walk;
}

SweepReport sweep_states(const Operation& operation, std::size_t bytes) {
  SweepReport report;
  Judge judge(operation, report);
  warm_up(operation, bytes);
  const SharedBytes shared(bytes);
  operation.prepare(shared.span());
  bool done = judge.judge(shared.span(), 0, "stopped");
  if (done) judge.complain(0, "stopped", "done before it began");
  const auto see = [&](const Walk& so_far, const Copy& state) {
    const bool now = judge.judge(state.span(), so_far.instructions, "stopped");
    if (done && !now) judge.complain(so_far.instructions, "stopped", "the effect was undone");
    done = now;
    return std::string();
  };
  const Walk walk = walk_states(shared.span(), operation.victim, Sleeps::kUntilItsDeadline, see);
  report.instructions = walk.instructions;
  report.states = walk.states;
  if (!walk.ended) {
    judge.complain(report.instructions, "stopped", "no ptrace, or the victim ended by itself");
  } else if (!judge.judge(shared.span(), report.instructions, "finished")) {
    judge.complain(report.instructions, "finished", "without effect");
  }
  return report;
}

SweepReport sweep_kills(const Operation& operation, std::size_t bytes,
                        std::size_t /*instructions*/) {
  SweepReport report;
  Judge judge(operation, report);
  warm_up(operation, bytes);
  const SharedBytes traced(bytes);
  operation.prepare(traced.span());
  const Trail trail = follow(setup_of(operation.victim, traced.span()), [] { return true; });
  report.instructions = trail.size();
  for (std::size_t point : kill_points(trail.size(), kEveryInstructionMax, kDrawnPoints)) {
    // Deep in a loop: an earlier turn of it, which is not so long a way.
    point = std::min(point, trail.last_new(point) + kEveryInstructionMax);
    const SharedBytes shared(bytes);
    operation.prepare(shared.span());
    Traced victim(1, setup_of(operation.victim, shared.span()));
    if (!advance(victim, trail, point, [] { return true; })) {
      judge.complain(point, "killed", "no ptrace, or the victim ended by itself");
      break;
    }
    victim.kill_now();
    ++report.kills;
    judge.judge(shared.span(), point, "killed");
  }
  return report;
}

}  // namespace shoal::test
