// Every instruction of every mutating operation of memory/'s synchronisation, stopped at and killed
// at, and of the recovery from each image that a crash leaves.
#include "tests/crash/sync_sweep.h"

#include <cstdio>
#include <cstdlib>

#include <gtest/gtest.h>

#include "tests/crash/sync_scenarios.h"

namespace shoal::test {
namespace {

bool everything() { return std::getenv("SHOAL_SWEEP_FULL") != nullptr; }

struct Totals {
  std::size_t operations = 0, points = 0, states = 0, recovery = 0, kills = 0;
};
Totals totals;

class SyncSweep : public testing::TestWithParam<std::size_t> {
 protected:
  static void TearDownTestSuite() {
    std::printf("%zu operations: %zu kill points, %zu states, %zu of recovery, %zu kills\n",
                totals.operations, totals.points, totals.states, totals.recovery, totals.kills);
  }
};

TEST_P(SyncSweep, LosesNothingWhereverItDies) {
  const Scenario& scenario = sync_scenarios()[GetParam()];
  SyncReport report = sweep_states(scenario, /*with_recovery=*/true);
  sweep_alive(scenario, report);
  sweep_kills(scenario, report);
  const std::size_t alone = report.kills;
  if (scenario.second) {
    const std::uint64_t seeds = everything() ? 2000 : 20;
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) sweep_two(scenario, seed, report);
  }
  std::printf("%-56s %5zu instructions, %3zu states, recovery %6zu and %4zu, %5zu kills",
              scenario.name.c_str(), report.instructions, report.states,
              report.recovery_instructions, report.recovery_states, alone);
  if (scenario.second) std::printf(", %zu of two", report.kills - alone);
  std::printf("\n");
  EXPECT_GT(report.instructions, 0U);
  EXPECT_GE(report.kills, 1U);
  for (const std::string& violation : report.violations) ADD_FAILURE() << violation;
  ++totals.operations;
  totals.points += report.instructions;
  totals.states += report.states;
  totals.recovery += report.recovery_states;
  totals.kills += report.kills;
}

INSTANTIATE_TEST_SUITE_P(Operations, SyncSweep,
                         testing::Range(std::size_t{0}, sync_scenarios().size()));

}  // namespace
}  // namespace shoal::test
