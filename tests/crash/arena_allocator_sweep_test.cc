// Every instruction of what the arena's allocator does, stopped at and killed at.
#include <cstdio>

#include <gtest/gtest.h>

#include "memory/arena.h"
#include "tests/crash/arena_allocator_operations.h"
#include "tests/crash/sweep.h"

namespace shoal::test {
namespace {

class ArenaAllocatorSweep : public testing::TestWithParam<std::size_t> {};

TEST_P(ArenaAllocatorSweep, LosesAndLeaksNothingWhereverItDies) {
  const Operation operation = as_operation(swept_operations()[GetParam()]);
  const SweepReport states = sweep_states(operation, kSweptBytes);
  const SweepReport kills = sweep_kills(operation, kSweptBytes, states.instructions);
  std::printf("%-36s %5zu instructions, %3zu states, %5zu kills, %zu violations\n",
              operation.name.c_str(), states.instructions, states.states, kills.kills,
              states.violations.size() + kills.violations.size());
  EXPECT_GT(states.states, 0U);
  EXPECT_GT(kills.kills, 0U);
  for (const std::string& violation : states.violations) ADD_FAILURE() << violation;
  for (const std::string& violation : kills.violations) ADD_FAILURE() << violation;
}

INSTANTIATE_TEST_SUITE_P(Operations, ArenaAllocatorSweep,
                         testing::Range(std::size_t{0}, swept_operations().size()));

}  // namespace
}  // namespace shoal::test
