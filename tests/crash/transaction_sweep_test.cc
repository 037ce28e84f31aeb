// Every instruction of transactions over dicts, a list and cells, stopped at and killed at; and of
// the recovery of what they leave.
#include <cstdio>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "tests/crash/shared_bytes.h"
#include "tests/crash/sweep.h"
#include "tests/crash/transaction_world.h"

namespace shoal::test {
namespace {

class TransactionSweep : public testing::TestWithParam<std::size_t> {
 protected:
  [[nodiscard]] static SweptTransaction operation() { return swept_transactions()[GetParam()]; }
};

TEST_P(TransactionSweep, TheOperationItselfIsRight) {
  const SweptTransaction operation = this->operation();
  const Contents before = contents_after(operation, false);
  const Contents after = contents_after(operation, true);
  const GuardedBytes bytes(TransactionWorld::bytes());
  TransactionWorld world({bytes.data(), bytes.size()});
  world.lay();
  ASSERT_EQ(make_before(world, operation), Result::kDone);
  ASSERT_TRUE(world.read(before, after) == before);
  const Result result = operation.clears >= 0 ? world.clear(world.victim, operation.clears)
                                              : world.commit(world.victim, operation.changes);
  ASSERT_EQ(result, Result::kDone);
  ASSERT_TRUE(world.read(before, after) == after);
  ASSERT_EQ(world.whole(), "");
  ASSERT_EQ(world.go_on(), "");
}

TEST_P(TransactionSweep, LosesNothingWhereverItDies) {
  const Operation swept = as_operation(operation());
  const SweepReport states = sweep_states(swept, TransactionWorld::bytes());
  const SweepReport kills = sweep_kills(swept, TransactionWorld::bytes(), states.instructions);
  std::printf("%-40s %6zu instructions, %4zu states, %5zu kills\n", swept.name.c_str(),
              states.instructions, states.states, kills.kills);
  EXPECT_GT(states.instructions, 0U);
  EXPECT_GE(kills.kills, 1U);
  for (const std::string& violation : states.violations) ADD_FAILURE() << violation;
  for (const std::string& violation : kills.violations) ADD_FAILURE() << violation;
}

// The distinct images that a death can leave.
std::vector<std::unique_ptr<Copy>> images_of(const Operation& swept) {
  std::vector<std::unique_ptr<Copy>> images;
  const SharedBytes shared(TransactionWorld::bytes());
  swept.prepare(shared.span());
  images.push_back(std::make_unique<Copy>(shared.span()));
  const Walk walk =
      walk_states(shared.span(), swept.victim, Sleeps::kNever, [&](const Walk&, const Copy& state) {
        images.push_back(std::make_unique<Copy>(state.span()));
        return std::string();
      });
  if (!walk.ended) images.clear();
  return images;
}

// The manager, too, is stopped after every instruction of recovery.
TEST_P(TransactionSweep, IsRecoveredWhereverTheManagerDiesToo) {
  constexpr std::size_t kImages = 6;
  const SweptTransaction operation = this->operation();
  const auto images = images_of(as_operation(operation));
  ASSERT_FALSE(images.empty()) << "no ptrace, or it does not end";
  std::size_t steps = 0;
  std::size_t states = 0;
  const std::size_t stride = images.size() / kImages + 1;
  for (std::size_t i = GetParam() % stride; i < images.size(); i += stride) {
    bool expected = false;
    ASSERT_EQ(judge_transaction(operation, images[i]->span(), &expected), "");
    const SharedBytes shared(TransactionWorld::bytes());
    std::memcpy(shared.span().data(), images[i]->span().data(), images[i]->span().size());
    const Walk walk = walk_states(
        shared.span(),
        [](std::span<std::byte> bytes) {
          auto world = std::make_shared<TransactionWorld>(bytes);
          world->open();
          return [world] { world->recover(); };
        },
        Sleeps::kNever,
        [&](const Walk&, const Copy& state) {
          bool done = false;
          std::string violation = judge_transaction(operation, state.span(), &done);
          if (violation.empty() && done != expected) violation = "recovery changes what was done";
          return violation;
        });
    steps += walk.instructions;
    states += walk.states;
    ASSERT_EQ(walk.violation, "") << "image " << i;
    ASSERT_TRUE(walk.ended) << "no ptrace, or it does not end";
  }
  std::printf("%-40s recovery: %7zu instructions, %5zu states of %zu images\n",
              operation.name.c_str(), steps, states, images.size());
}

INSTANTIATE_TEST_SUITE_P(Operations, TransactionSweep,
                         testing::Range(std::size_t{0}, swept_transactions().size()));

}  // namespace
}  // namespace shoal::test
