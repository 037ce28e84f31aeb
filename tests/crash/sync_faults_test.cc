// The sweeps of synchronisation are only worth something if they find faults. Here it is compiled
// once more with each known fault in it, and the sweeps of all scenarios must find every one.
// (The build compiles memory/ once more for it; an inline namespace keeps the two apart.)
#include <cstdio>

#include <gtest/gtest.h>

#include "tests/crash/sync_scenarios.h"
#include "tests/crash/sync_sweep.h"

namespace shoal::test {
namespace {

using memory::Fault;

// The sweep without real kills; how many scenarios show the fault.
std::size_t scenarios_with_violations(Fault fault) {
  memory::seeded_fault = fault;
  std::size_t found = 0;
  std::string first;
  for (const Scenario& scenario : sync_scenarios()) {
    SyncReport report = sweep_states(scenario, /*with_recovery=*/false);
    if (report.violations.empty()) sweep_alive(scenario, report);
    if (report.violations.empty()) continue;
    ++found;
    if (first.empty()) first = report.violations[0];
  }
  memory::seeded_fault = Fault::kNone;
  std::printf("fault %d: %zu scenarios, first: %s\n", static_cast<int>(fault), found,
              first.c_str());
  return found;
}

TEST(SyncFaults, NoneIsFoundWithoutOne) { EXPECT_EQ(scenarios_with_violations(Fault::kNone), 0U); }

class SyncFault : public testing::TestWithParam<Fault> {
 protected:
  // Whoever is not woken would sleep on for ever; a needless alarm does no harm here.
  SyncFault() { sweep_patience = absl::Milliseconds(40); }
  ~SyncFault() override { sweep_patience = before_; }

 private:
  absl::Duration before_ = sweep_patience;
};

TEST_P(SyncFault, IsFound) { EXPECT_GT(scenarios_with_violations(GetParam()), 0U); }

INSTANTIATE_TEST_SUITE_P(Each, SyncFault,
                         testing::Values(Fault::kUnlockForgetsWake, Fault::kRecoverForgetsWake,
                                         Fault::kRecoverForgetsLock, Fault::kRecoverHidesDeath,
                                         Fault::kTokenBeforeLock, Fault::kRecoverForgetsPermits,
                                         Fault::kReleaseTwice, Fault::kRecoverForgetsShared,
                                         Fault::kSharedIgnoresWriter, Fault::kNotifySwallowed,
                                         Fault::kWaiterKeepsCell, Fault::kBarrierHidesDeath,
                                         Fault::kEventForgetsWaiters, Fault::kCellTornPublish));

}  // namespace
}  // namespace shoal::test
