// Barrier under the scheduler: nobody goes on before all have come, all of a phase are told the
// same, and a death breaks it for everybody.
#include "memory/barrier.h"

#include <gtest/gtest.h>

#include "tests/schedule/campaign.h"

namespace shoal::test {
namespace {

using memory::Arrival;
using memory::Caller;
using memory::Fault;
using memory::ObjectKind;
using memory::Result;

constexpr std::uint32_t kParties = 3;
constexpr int kRounds = 3;

class BarrierPlay : public Play {
 public:
  void begin() override {
    lay(ObjectKind::kBarrier, 0, kParties);
    for (std::uint32_t i = 0; i < kParties; ++i) {
      add_thread(add_process(), [this](Caller& caller) { meet(caller); });
    }
  }

  void on_killed(Process& process) override {
    for (std::uint32_t i = 0; i < object().size / 2; ++i) {
      breaks_ |= object().cells16()[i].load() == process.slot;
    }
    // Who never came is waited for, as anybody who is late.
    if (!breaks_) one_never_came_ = true;
  }
  std::string on_all_asleep(bool) override {
    if (one_never_came_) return {};
    return memory::is_broken(object()) ? "sleeps at a broken barrier" : "sleeps, and all have come";
  }
  std::string on_end() override {
    if (was_retired() || !all_recovered()) return {};
    if (breaks_ && !memory::is_broken(object())) return "a death has not broken it";
    if (!breaks_ && !times_out_ && memory::is_broken(object())) return "broken by nobody";
    return {};
  }

 private:
  void meet(Caller& caller) {
    for (int round = 0; round < kRounds; ++round) {
      // Late parties time out: rare, because a broken barrier has little to show.
      const memory::Deadline deadline = random(20) == 0 ? scheduler().now() + 1 : memory::kForever;
      times_out_ |= deadline != memory::kForever;
      ++came_[round];
      Arrival arrival;
      Result result = memory::arrive(object(), caller, memory::kForever, &arrival);
      if (result == Result::kDone) {
        result = arrival.is_last ? end(caller, arrival)
                                 : memory::wait_for_phase(object(), caller, arrival, deadline);
      }
      if (result != Result::kDone) {
        const bool may_break = breaks_ || times_out_ || was_retired() || stale();
        expect(may_break, "a wait fails without a cause");
        return;
      }
      expect(came_[round] == kParties, "went on before all had come");
      expect((indices_[round] & 1U << arrival.index) == 0, "two parties have one index");
      indices_[round] |= 1U << arrival.index;
    }
  }
  Result end(Caller& caller, const Arrival& arrival) {
    pause();
    return memory::end_phase(object(), caller, arrival);
  }
  bool stale() {
    return quietly([&] { return object().is_stale(); });
  }

  std::uint32_t came_[kRounds] = {};
  std::uint32_t indices_[kRounds] = {};
  bool breaks_ = false;
  bool times_out_ = false;
  bool one_never_came_ = false;
};

// One of them begins anew while the others wait: those are told so, all of them, and go on.
class ResetPlay : public Play {
 public:
  void begin() override {
    lay(ObjectKind::kBarrier, 0, kParties);
    for (std::uint32_t i = 0; i + 1 < kParties; ++i) {
      add_thread(add_process(), [this](Caller& caller) { wait(caller); });
    }
    add_thread(add_process(), [this](Caller& caller) { reset(caller); });
  }

  std::string on_all_asleep(bool) override {
    return resets_ == kRounds ? "sleeps after a reset" : "sleeps for ever";
  }

 private:
  void wait(Caller& caller) {
    for (;;) {
      Arrival arrival;
      const Result came = memory::arrive(object(), caller, memory::kForever, &arrival);
      if (came == Result::kStale) return;
      expect(came == Result::kDone, "an arrival fails");
      expect(!arrival.is_last, "the last has come, and one never did");
      const Result result = memory::wait_for_phase(object(), caller, arrival, memory::kForever);
      expect(result == Result::kBroken || result == Result::kStale,
             "a phase ended without a party");
      if (resets_ == kRounds || result == Result::kStale) return;
    }
  }
  void reset(Caller& caller) {
    for (int round = 0; round < kRounds; ++round) {
      // Only a phase in which somebody waits: so all are told of the last one.
      scheduler().wait_for([this] {
        return quietly(
            [&] { return object().is_stale() || memory::arrived(object()) == kParties - 1; });
      });
      if (round + 1 == kRounds) resets_ = kRounds;
      if (memory::reset_barrier(object(), caller) == Result::kStale) return;
    }
  }

  int resets_ = 0;
};

TEST(BarrierSchedule, Holds) { expect_no_finding(campaign_of<BarrierPlay>()); }
TEST(BarrierSchedule, AResetIsToldToAll) {
  Campaign campaign = campaign_of<ResetPlay>();
  campaign.deaths = false;
  expect_no_finding(campaign);
}

TEST(BarrierFault, AHiddenDeathIsFound) {
  expect_finding(Fault::kBarrierHidesDeath, campaign_of<BarrierPlay>());
}

}  // namespace
}  // namespace shoal::test
