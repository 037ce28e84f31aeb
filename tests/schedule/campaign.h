// Many runs of a play, each with a seed of its own, and the verdict on all of them.
//
// SHOAL_SCHEDULE_SEED=N repeats one run and prints its trace; SHOAL_SCHEDULES=N sets how many runs
// a play has.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "memory/seeded_faults.h"
#include "tests/schedule/play.h"

namespace shoal::test {

using MakePlay = std::function<std::unique_ptr<Play>()>;

struct Campaign {
  MakePlay make;
  bool deaths = true;
  bool retirement = true;
};

struct Finding {
  std::uint64_t runs = 0;
  std::uint64_t failed = 0;
  // Of the failed run with the fewest steps.
  std::uint64_t seed = 0;
  std::uint64_t steps = 0;
  std::string failure;
  std::string trace;
};

Finding run_campaign(const Campaign& campaign);

// The check of the checker: with the fault in memory/, some run must fail.
Finding run_campaign_with(memory::Fault fault, const Campaign& campaign);

template <typename SomePlay>
Campaign campaign_of() {
  return {.make = [] { return std::make_unique<SomePlay>(); }};
}

void expect_no_finding(const Campaign& campaign);
void expect_finding(memory::Fault fault, const Campaign& campaign);

}  // namespace shoal::test
