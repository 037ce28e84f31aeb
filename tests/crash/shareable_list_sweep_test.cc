// Every instruction of every mutating operation of ShareableList, stopped at and killed at.
#include <cstdio>

#include <gtest/gtest.h>

#include "memory/shareable_list.h"
#include "tests/crash/shareable_list_operations.h"
#include "tests/crash/sweep.h"

namespace shoal::test {
namespace {

class ShareableListSweep : public testing::TestWithParam<std::size_t> {};

TEST_P(ShareableListSweep, LeavesOldOrNewWhereverItDies) {
  const Operation operation = list_operations()[GetParam()];
  const SweepReport states = sweep_states(operation, kListBytes);
  const SweepReport kills = sweep_kills(operation, kListBytes, states.instructions);
  std::printf("%-32s %5zu instructions, %3zu states, %5zu kills, %zu violations\n",
              operation.name.c_str(), states.instructions, states.states, kills.kills,
              states.violations.size() + kills.violations.size());
  EXPECT_GT(states.states, 0U);
  EXPECT_GT(kills.kills, 0U);
  for (const std::string& violation : states.violations) ADD_FAILURE() << violation;
  for (const std::string& violation : kills.violations) ADD_FAILURE() << violation;
}

INSTANTIATE_TEST_SUITE_P(Operations, ShareableListSweep,
                         testing::Range(std::size_t{0}, list_operations().size()));

}  // namespace
}  // namespace shoal::test
