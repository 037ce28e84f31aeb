// See campaign.h.
#include "tests/schedule/campaign.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include <gtest/gtest.h>

namespace shoal::test {
namespace {

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr std::uint64_t kRuns = 1'000;
#else
constexpr std::uint64_t kRuns = 30'000;
#endif
constexpr std::uint64_t kRunsToFindFault = 30'000;
constexpr std::uint64_t kCalibrationRuns = 20;
constexpr std::uint64_t kFailuresEnough = 100;
constexpr std::size_t kTraceLines = 80;

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* const text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 0);
}

// How long undisturbed runs are: so long a victim may live.
struct Measure {
  std::uint64_t of_process = 1;
  std::uint64_t of_run = 1;
};

class Runner {
 public:
  explicit Runner(const Campaign& campaign) : campaign_(campaign) {
    for (std::uint64_t seed = 1; seed <= kCalibrationRuns; ++seed) {
      Finding ignored;
      run(seed, {}, {}, &ignored);
    }
    calibrated_ = true;
  }

  void run(std::uint64_t seed, Finding* finding) {
    // Another sequence than the scheduler's own.
    std::uint64_t state = seed * 0xd1342543de82ef95 + 1;
    const auto draw = [&](std::uint64_t below) {
      state = state * 6364136223846793005 + 1442695040888963407;
      return (state >> 33) % below;
    };
    Weather weather;
    weather.order = static_cast<Weather::Order>(draw(3));
    weather.hasty_clock = draw(3) == 0;
    weather.needless_wakes = draw(6) == 0;
    for (std::uint64_t& point : weather.change_points) point = draw(measure_.of_run) + 1;
    Fate fate;
    fate.step_limit = measure_.of_process;
    if (campaign_.deaths) fate.victims = static_cast<int>(std::min<std::uint64_t>(draw(4), 2));
    if (fate.victims != 0 && draw(3) == 0) fate.manager_dies = 1 + draw(60);
    fate.leave = draw(4) == 0;
    if (campaign_.retirement && draw(16) == 0) fate.retired_at = 1 + draw(measure_.of_run);
    run(seed, weather, fate, finding);
  }

 private:
  void run(std::uint64_t seed, const Weather& weather, const Fate& fate, Finding* finding) {
    const std::unique_ptr<Play> play = campaign_.make();
    Scheduler scheduler(seed, *play, weather);
    play->start(scheduler, fate);
    scheduler.run();
    std::string failure = scheduler.failure();
    if (failure.empty()) failure = play->on_end();
    ++finding->runs;
    if (!calibrated_) {
      measure_.of_run = std::max(measure_.of_run, scheduler.steps());
      for (const Process& process : scheduler.processes()) {
        measure_.of_process = std::max(measure_.of_process, process.steps);
      }
    }
    if (failure.empty()) return;
    ++finding->failed;
    if (finding->failed > 1 && finding->steps <= scheduler.steps()) return;
    finding->seed = seed;
    finding->steps = scheduler.steps();
    finding->failure = failure;
    finding->trace = scheduler.trace(kTraceLines);
  }

  const Campaign& campaign_;
  Measure measure_;
  bool calibrated_ = false;
};

Finding run_seeds(const Campaign& campaign, std::uint64_t runs, std::uint64_t failures_enough) {
  Runner runner(campaign);
  Finding finding;
  const std::uint64_t only = number_from("SHOAL_SCHEDULE_SEED", 0);
  if (only != 0) {
    runner.run(only, &finding);
    return finding;
  }
  for (std::uint64_t seed = 1; seed <= runs && finding.failed < failures_enough; ++seed) {
    runner.run(seed, &finding);
  }
  return finding;
}

}  // namespace

Finding run_campaign(const Campaign& campaign) {
  return run_seeds(campaign, number_from("SHOAL_SCHEDULES", kRuns), kFailuresEnough);
}

Finding run_campaign_with(memory::Fault fault, const Campaign& campaign) {
  memory::seeded_fault = fault;
  Finding finding = run_seeds(campaign, kRunsToFindFault, 1);
  memory::seeded_fault = memory::Fault::kNone;
  return finding;
}

void expect_no_finding(const Campaign& campaign) {
  const Finding finding = run_campaign(campaign);
  EXPECT_EQ(finding.failed, 0U) << "of " << finding.runs << " runs; repeat the shortest with "
                                << "SHOAL_SCHEDULE_SEED=" << finding.seed << "\n"
                                << finding.failure << "\n"
                                << finding.trace;
}

void expect_finding(memory::Fault fault, const Campaign& campaign) {
  const Finding finding = run_campaign_with(fault, campaign);
  EXPECT_GT(finding.failed, 0U) << "the fault " << static_cast<int>(fault) << " was not found in "
                                << finding.runs << " runs";
  std::printf("fault %d: seed %llu, %s\n", static_cast<int>(fault),
              static_cast<unsigned long long>(finding.seed), finding.failure.c_str());
}

}  // namespace shoal::test
