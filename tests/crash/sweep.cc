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

Traced::Setup setup_of(const Operation& operation, std::span<std::byte> bytes) {
  return [&operation, bytes] {
    return std::vector<Traced::Body>{[run = operation.victim(bytes)] {
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

SweepReport sweep_states(const Operation& operation, std::size_t bytes) {
  SweepReport report;
  Judge judge(operation, report);
  warm_up(operation, bytes);
  const SharedBytes shared(bytes);
  operation.prepare(shared.span());
  bool done = judge.judge(shared.span(), 0, "stopped");
  if (done) judge.complain(0, "stopped", "done before it began");
  auto last = std::make_unique<Copy>(shared.span());

  Traced victim(1, setup_of(operation, shared.span()));
  Traced::Step step = victim.ready() ? Traced::Step::kStepped : Traced::Step::kGone;
  for (;;) {
    step = step == Traced::Step::kGone ? step : victim.step();
    if (step == Traced::Step::kGone || step == Traced::Step::kDone) break;
    if (step == Traced::Step::kBlocked) continue;  // until its deadline
    ++report.instructions;
    if (last->equals(shared.span())) continue;
    last = std::make_unique<Copy>(shared.span());
    ++report.states;
    const bool now = judge.judge(last->span(), report.instructions, "stopped");
    if (done && !now) judge.complain(report.instructions, "stopped", "the effect was undone");
    done = now;
  }
  if (step == Traced::Step::kGone) {
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
  const Trail trail = follow(setup_of(operation, traced.span()), [] { return true; });
  report.instructions = trail.size();
  for (std::size_t point : kill_points(trail.size(), kEveryInstructionMax, kDrawnPoints)) {
    // Deep in a loop: an earlier turn of it, which is not so long a way.
    point = std::min(point, trail.last_new(point) + kEveryInstructionMax);
    const SharedBytes shared(bytes);
    operation.prepare(shared.span());
    Traced victim(1, setup_of(operation, shared.span()));
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
