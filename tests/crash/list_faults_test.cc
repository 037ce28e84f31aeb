// The sweeps of a List are only worth something if they find faults. Here it is compiled once more
// with each known fault in it, and the linear pass over all operations must find every one.
#include <cstdio>

#include <gtest/gtest.h>

#include "tests/crash/list_operations.h"
#include "tests/crash/sweep.h"

namespace shoal::test {
namespace {

using memory::Fault;

// How many operations show it.
std::size_t operations_with_violations(Fault fault) {
  std::size_t found = 0;
  std::string first;
  for (const ListOperation& operation : swept_list_operations()) {
    if (operation.chunks > 4) continue;
    // What is there before the operation is sound.
    const Operation swept = as_operation(operation);
    memory::seeded_fault = fault;
    const SweepReport report = sweep_states(swept, swept_list_bytes(operation.chunks));
    memory::seeded_fault = Fault::kNone;
    if (report.violations.empty()) continue;
    ++found;
    if (first.empty()) first = report.violations[0];
  }
  std::printf("fault %d: %zu operations, first: %s\n", static_cast<int>(fault), found,
              first.c_str());
  return found;
}

class ListFault : public testing::TestWithParam<Fault> {};

TEST_P(ListFault, IsFound) { EXPECT_GT(operations_with_violations(GetParam()), 0U); }

INSTANTIATE_TEST_SUITE_P(Each, ListFault,
                         testing::Values(Fault::kListCountFirst, Fault::kListTailForgotten,
                                         Fault::kListLeafUnbuilt, Fault::kListRootUnbuilt,
                                         Fault::kListNotesLate, Fault::kListReplacedForgotten,
                                         Fault::kListFreesReached, Fault::kListFreedTooSoon,
                                         Fault::kListOldValueKept));

}  // namespace
}  // namespace shoal::test
