// The sweep is only worth something if it finds faults. Here the list is compiled once more with
// each known fault in it, and the linear pass over all operations must find every one.
#define SHOAL_SEEDED_FAULTS 1
#include "memory/shareable_list.h"
// The sources themselves: the library's were compiled without faults, in another namespace.
#include <cstdio>

#include <gtest/gtest.h>

#include "memory/futex.cc"
#include "memory/shareable_list.cc"
#include "memory/shareable_list_format.cc"
#include "memory/shareable_list_write.cc"
#include "memory/wait.cc"
#include "tests/crash/shareable_list_operations.h"
#include "tests/crash/sweep.h"

namespace shoal::test {
namespace {

using memory::Fault;

// How many operations show it.
std::size_t operations_with_violations(Fault fault) {
  memory::seeded_fault = fault;
  std::size_t found = 0;
  std::string first;
  for (const Operation& operation : list_operations()) {
    const SweepReport report = sweep_states(operation, kListBytes);
    if (report.violations.empty()) continue;
    ++found;
    if (first.empty()) first = report.violations[0];
  }
  memory::seeded_fault = Fault::kNone;
  std::printf("fault %d: %zu operations, first: %s\n", static_cast<int>(fault), found,
              first.c_str());
  return found;
}

TEST(ShareableListFaults, NoneIsFoundWithoutOne) {
  EXPECT_EQ(operations_with_violations(Fault::kNone), 0U);
}

class ShareableListFault : public testing::TestWithParam<Fault> {};

TEST_P(ShareableListFault, IsFound) { EXPECT_GT(operations_with_violations(GetParam()), 0U); }

INSTANTIATE_TEST_SUITE_P(Each, ShareableListFault,
                         testing::Values(Fault::kPublishBeforeFill, Fault::kCopyBeforePublish,
                                         Fault::kReleaseBeforeCopy, Fault::kScalarInPlace,
                                         Fault::kTailInPlace, Fault::kTakeOverWithoutCopy,
                                         Fault::kOrphanIgnoresClaim, Fault::kOrphanDropsPublished));

}  // namespace
}  // namespace shoal::test
