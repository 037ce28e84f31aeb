// The allocator's sources once more, with each known fault in them: the linear pass over all
// operations must find every one.
#define SHOAL_SEEDED_FAULTS 1
#include "memory/arena.h"
// The sources themselves: the library's were compiled without faults, in another namespace.
#include <cstdio>

#include <gtest/gtest.h>

#include "memory/arena.cc"
#include "memory/arena_claim.cc"
#include "memory/arena_collect.cc"
#include "memory/arena_intent.cc"
#include "memory/arena_recover.cc"
#include "memory/arena_slab.cc"
#include "tests/crash/arena_allocator_operations.h"
#include "tests/crash/sweep.h"

namespace shoal::test {
namespace {

using memory::Fault;

// How many operations show it.
std::size_t operations_with_violations(Fault fault) {
  memory::seeded_fault = fault;
  std::size_t found = 0;
  std::string first;
  for (const SweptOperation& operation : swept_operations()) {
    const SweepReport report = sweep_states(as_operation(operation), kSweptBytes);
    if (report.violations.empty()) continue;
    ++found;
    if (first.empty()) first = report.violations[0];
  }
  memory::seeded_fault = Fault::kNone;
  std::printf("fault %d: %zu operations, first: %s\n", static_cast<int>(fault), found,
              first.c_str());
  return found;
}

TEST(ArenaAllocatorFaults, NoneIsFoundWithoutOne) {
  EXPECT_EQ(operations_with_violations(Fault::kNone), 0U);
}

class ArenaAllocatorFault : public testing::TestWithParam<Fault> {};

TEST_P(ArenaAllocatorFault, IsFound) { EXPECT_GT(operations_with_violations(GetParam()), 0U); }

// kSlabIgnoresClaims and kClaimIgnoresClosing need two who live: see the interleavings.
INSTANTIATE_TEST_SUITE_P(Each, ArenaAllocatorFault,
                         testing::Values(Fault::kIntentForgotten, Fault::kClaimBeforeIntent,
                                         Fault::kIntentEndsEarly, Fault::kRecoverFreesReached,
                                         Fault::kRunFreedFromHead, Fault::kFreeKeepsFreeing,
                                         Fault::kClosingForgotten, Fault::kDirtyBlockGiven));

}  // namespace
}  // namespace shoal::test
