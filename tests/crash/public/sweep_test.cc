// Every instruction of every public call that changes shared memory: stopped at, and killed at.
// By default only short calls are killed at every instruction, longer ones where the object changes
// and at some drawn places; with SHOAL_SWEEP_FULL=1 those of up to 2,000 instructions, too.
#include "tests/crash/public/sweep.h"

#include <cstdio>
#include <cstdlib>

#include <gtest/gtest.h>

#include "tests/crash/public/operations.h"

namespace shoal::test {
namespace {

bool everything() { return std::getenv("SHOAL_SWEEP_FULL") != nullptr; }

class PublicCall : public testing::TestWithParam<std::size_t> {
 protected:
  static void SetUpTestSuite() { sweep_ = new PublicSweep; }
  static void TearDownTestSuite() {
    delete sweep_;
    std::printf("%zu operations: %zu kill points, %zu states, %zu kills\n", operations_, points_,
                states_, kills_);
  }

  static PublicSweep* sweep_;
  static inline std::size_t operations_, points_, states_, kills_;
};

PublicSweep* PublicCall::sweep_ = nullptr;

TEST_P(PublicCall, LosesNothingWhereverItsProcessDies) {
  constexpr std::size_t kShort = 520;
  const PublicOperation& operation = public_operations()[GetParam()];
  PublicReport report = sweep_->sweep(operation, everything() ? kEveryInstructionMax : kShort);
  if (operation.twice) {
    const std::uint64_t seeds = everything() ? 500 : 10;
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
      sweep_->sweep_two(operation, /*threads=*/seed % 2 == 0, seed, report);
    }
  }
  std::printf("%-60s %5zu instructions, %3zu states, %5zu kills", operation.name.c_str(),
              report.instructions, report.states, report.kills);
  if (operation.twice) std::printf(", %zu of two", report.kills_of_two);
  std::printf("\n");
  EXPECT_GT(report.instructions, 0U);
  for (const std::string& violation : report.violations) ADD_FAILURE() << violation;
  ++operations_;
  points_ += report.instructions;
  states_ += report.states;
  kills_ += report.kills + report.kills_of_two;
}

INSTANTIATE_TEST_SUITE_P(Operations, PublicCall,
                         testing::Range(std::size_t{0}, public_operations().size()));

}  // namespace
}  // namespace shoal::test
