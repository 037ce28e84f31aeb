// The sweep of transactions is only worth something if it finds faults. Here they are compiled once
// more with each known fault in them, and the linear pass must find every one.
#include <cstdio>

#include <gtest/gtest.h>

#include "tests/crash/sweep.h"
#include "tests/crash/transaction_world.h"

namespace shoal::test {
namespace {

using memory::Fault;

// How many transactions show it.
std::size_t transactions_with_violations(Fault fault) {
  std::size_t found = 0;
  std::string first;
  for (const SweptTransaction& operation : swept_transactions()) {
    // What is there before the transaction is sound.
    const Operation swept = as_operation(operation);
    memory::seeded_fault = fault;
    const SweepReport report = sweep_states(swept, TransactionWorld::bytes());
    memory::seeded_fault = Fault::kNone;
    if (report.violations.empty()) continue;
    ++found;
    if (first.empty()) first = report.violations[0];
    if (found == 2) break;
  }
  std::printf("fault %d: first: %s\n", static_cast<int>(fault), first.c_str());
  return found;
}

class TransactionFault : public testing::TestWithParam<Fault> {};

TEST_P(TransactionFault, IsFound) { EXPECT_GT(transactions_with_violations(GetParam()), 0U); }

INSTANTIATE_TEST_SUITE_P(Each, TransactionFault,
                         testing::Values(Fault::kApplyBeforeCommit, Fault::kCommittedForgotten,
                                         Fault::kUnmarked, Fault::kTakenForgotten));

}  // namespace
}  // namespace shoal::test
