// Every instruction of every change of a List, stopped at and killed at; and of the recovery of a
// list that was being replaced.
#include <cstdio>
#include <set>

#include <gtest/gtest.h>

#include "tests/crash/list_operations.h"
#include "tests/crash/shared_bytes.h"
#include "tests/crash/sweep.h"

namespace shoal::test {
namespace {

class ListSweep : public testing::TestWithParam<std::size_t> {
 protected:
  [[nodiscard]] const ListOperation& operation() const {
    return swept_list_operations()[GetParam()];
  }
  [[nodiscard]] std::size_t bytes() const { return swept_list_bytes(operation().chunks); }
};

TEST_P(ListSweep, TheOperationItselfIsRight) {
  const BeforeAndAfter expected = expected_of(operation());
  const GuardedBytes bytes(this->bytes());
  SweptList swept({bytes.data(), bytes.size()}, operation().chunks);
  swept.lay();
  ASSERT_EQ(operation().prepare(swept), Result::kDone);
  ASSERT_EQ(swept.marks(), expected.before);
  ASSERT_NE(expected.before, expected.after);
  ASSERT_EQ(operation().victim(swept), Result::kDone);
  ASSERT_TRUE(swept.marks() == expected.after);
  ASSERT_EQ(swept.whole(), "");
  ASSERT_EQ(swept.go_on(expected.after), "");
}

TEST_P(ListSweep, LosesNothingWhereverItDies) {
  const Operation swept = as_operation(operation());
  const SweepReport states = sweep_states(swept, bytes());
  const SweepReport kills = sweep_kills(swept, bytes(), states.instructions);
  std::printf("%-52s %6zu instructions, %4zu states, %5zu kills\n", swept.name.c_str(),
              states.instructions, states.states, kills.kills);
  EXPECT_GT(states.instructions, 0U);
  EXPECT_GE(kills.kills, 1U);
  for (const std::string& violation : states.violations) ADD_FAILURE() << violation;
  for (const std::string& violation : kills.violations) ADD_FAILURE() << violation;
}

// The manager, too, is stopped after every instruction of recovery.
void sweep_recovery(const ListOperation& operation, std::span<const std::byte> crash,
                    std::size_t& steps, std::size_t& states) {
  const SharedBytes shared(crash.size());
  std::memcpy(shared.span().data(), crash.data(), crash.size());
  const std::optional<Marks> expected = SweptList(shared.span(), operation.chunks).marks();
  ASSERT_TRUE(expected.has_value());
  const Walk walk = walk_states(
      shared.span(),
      [&](std::span<std::byte> bytes) {
        return [swept = std::make_shared<SweptList>(bytes, operation.chunks)] { swept->recover(); };
      },
      Sleeps::kNever,
      [&](const Walk&, const Copy& state) -> std::string {
        const SweptList seen(state.span(), operation.chunks);
        if (seen.marks() != expected) return "recovery changes the list";
        return judge_list(operation, state.span(), *expected, false);
      });
  steps += walk.instructions;
  states += walk.states;
  ASSERT_EQ(walk.violation, "");
  ASSERT_TRUE(walk.ended) << "no ptrace, or it does not end";
}

TEST_P(ListSweep, IsRecoveredWhereverTheManagerDiesToo) {
  if (!operation().replaces) return;
  // Drawn from the distinct images of a crash, those while it is replaced among them.
  constexpr std::size_t kImages = 12;
  const Operation swept = as_operation(operation());
  const SharedBytes shared(bytes());
  swept.prepare(shared.span());
  std::vector<std::unique_ptr<Copy>> images;
  const Walk walk =
      walk_states(shared.span(), swept.victim, Sleeps::kNever, [&](const Walk&, const Copy& state) {
        const SweptList seen(state.span(), operation().chunks);
        if (seen.list.descriptor().next.load() != 0) {
          images.push_back(std::make_unique<Copy>(state.span()));
        }
        return std::string();
      });
  ASSERT_TRUE(walk.ended) << "no ptrace, or it does not end";
  ASSERT_FALSE(images.empty());
  std::size_t steps = 0;
  std::size_t states = 0;
  const std::size_t stride = images.size() / kImages + 1;
  for (std::size_t i = GetParam() % stride; i < images.size(); i += stride) {
    sweep_recovery(operation(), images[i]->span(), steps, states);
    if (HasFatalFailure()) FAIL() << operation().name << ", image " << i;
  }
  std::printf("%-52s recovery: %7zu instructions, %5zu states of %zu images\n",
              operation().name.c_str(), steps, states, images.size());
}

INSTANTIATE_TEST_SUITE_P(Operations, ListSweep,
                         testing::Range(std::size_t{0}, swept_list_operations().size()));

}  // namespace
}  // namespace shoal::test
