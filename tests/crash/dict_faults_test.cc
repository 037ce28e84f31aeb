// memory/dict* once more, with each known fault in it: the linear pass over all operations must
// find every one. (The build compiles memory/ once more for it; an inline namespace keeps the two
// apart.)
#include <cstdio>

#include <gtest/gtest.h>

#include "memory/dict.h"
#include "tests/crash/dict_operations.h"
#include "tests/crash/sweep.h"

namespace shoal::test {
namespace {

using memory::Fault;

// The first operation that shows it; "": none.
std::string first_violation(Fault fault) {
  memory::seeded_fault = fault;
  std::string first;
  for (const DictOperation& operation : dict_operations()) {
    if (operation.is_long) continue;
    const SweepReport report =
        sweep_states(as_operation(operation), DictWorld::bytes_for(operation.chunks));
    if (report.violations.empty()) continue;
    first = report.violations[0];
    break;
  }
  memory::seeded_fault = Fault::kNone;
  std::printf("fault %d: %s\n", static_cast<int>(fault), first.c_str());
  return first;
}

TEST(DictFaults, NoneIsFoundWithoutOne) { EXPECT_EQ(first_violation(Fault::kNone), ""); }

class DictFault : public testing::TestWithParam<Fault> {};

TEST_P(DictFault, IsFound) { EXPECT_NE(first_violation(GetParam()), ""); }

INSTANTIATE_TEST_SUITE_P(Each, DictFault,
                         testing::Values(Fault::kNoRecount, Fault::kHalfSplitStays,
                                         Fault::kOldBlockForgotten, Fault::kEraseLeavesGap,
                                         Fault::kSlotBeforeEntry, Fault::kNotRetired,
                                         Fault::kSplitRootFirst, Fault::kMergeDepthFirst,
                                         Fault::kValuesNotReached, Fault::kSparesKept));

}  // namespace
}  // namespace shoal::test
