// Condition and its lock under the scheduler: makers add to a store and notify one, takers wait
// until there is something. Nobody may sleep while there is something and nobody is on the way.
#include "memory/condition.h"

#include <gtest/gtest.h>

#include "memory/lock.h"
#include "tests/schedule/campaign.h"

namespace shoal::test {
namespace {

using memory::Acquisition;
using memory::Caller;
using memory::Fault;
using memory::kForever;
using memory::ObjectKind;
using memory::Result;

constexpr int kMakers = 2;  // the first processes

class ConditionPlay : public Play {
 public:
  void begin() override {
    lay(ObjectKind::kCondition, 0, /*waiters=*/8);
    for (int i = 0; i < kMakers; ++i) {
      add_thread(add_process(), [this](Caller& caller) { make(caller); });
    }
    for (int i = 0; i < 3; ++i) {
      add_thread(add_process(), [this](Caller& caller) { take(caller); });
    }
  }

  std::string on_all_asleep(bool) override {
    if (memory::is_held(descriptor())) return "sleeps, and the lock is held";
    for (std::uint32_t i = 0; i < object().count; ++i) {
      const std::uint32_t cell = object().cells32()[i].load();
      if ((cell & 3) == 2 && is_asleep(memory::slot_in(cell))) return "was notified, and sleeps on";
    }
    // A maker that died may have filled the store and told nobody yet.
    return store_ > 0 && !maker_died_ ? "sleeps, and the store is not empty" : "";
  }
  std::string on_end() override {
    if (was_retired()) return {};
    if (memory::is_held(descriptor())) return "the lock is held after all";
    if (woken_ > notified_ + maybe_notified_ && !any_died_) return "more were woken than notified";
    for (std::uint32_t i = 0; i < object().count; ++i) {
      const std::uint32_t cell = object().cells32()[i].load();
      if (cell != 0 && !is_asleep(memory::slot_in(cell))) return "a cell is not given back";
    }
    return {};
  }
  void on_killed(Process& process) override {
    any_died_ = true;
    maker_died_ |= process.slot <= kMakers;
  }

 private:
  bool lock(Caller& caller) {
    Acquisition got;
    return memory::acquire(object(), caller, kForever, &got) == Result::kDone;
  }
  bool unlock(Caller& caller) { return memory::release(object(), caller) == Result::kDone; }

  void make(Caller& caller) {
    for (int round = 0; round < 2; ++round) {
      if (!lock(caller)) return;
      const auto more = static_cast<std::uint32_t>(1 + random(2));
      // All of them at once or one after the other, under the lock or after it.
      const bool after = random(2) == 0;
      store_ += more;
      if (after && !unlock(caller)) return;
      std::uint32_t count = 0;
      maybe_notified_ += more;
      if (memory::notify(object(), caller, more, &count) == Result::kStale) return;
      maybe_notified_ -= more;
      expect(count <= more, "more are notified than were to be");
      notified_ += count;
      if (!after && !unlock(caller)) return;
    }
  }

  void take(Caller& caller) {
    for (int round = 0; round < 2; ++round) {
      if (!lock(caller)) return;
      while (store_ == 0) {
        std::uint32_t cell = 0;
        const Result enlisted = memory::enlist(object(), caller, &cell);
        if (enlisted == Result::kStale) return;
        expect(enlisted == Result::kDone, "no cell is free");
        if (!unlock(caller)) return;
        const memory::Deadline deadline = some_deadline();
        const Result result = memory::await_notification(object(), caller, cell, deadline);
        if (result == Result::kStale) return;
        if (result == Result::kDone) ++woken_;
        if (!lock(caller)) return;
        if (result == Result::kTimedOut) break;
        memory::leave(object(), caller, cell);
      }
      if (store_ > 0) --store_;
      if (!unlock(caller)) return;
    }
  }

  bool is_asleep(std::uint16_t slot) {
    for (const Thread& thread : scheduler().threads()) {
      if (thread.process->slot == slot && thread.state == Thread::State::kSleeping) return true;
    }
    return false;
  }

  std::uint32_t store_ = 0;
  std::uint32_t notified_ = 0;
  std::uint32_t maybe_notified_ = 0;
  std::uint32_t woken_ = 0;
  bool any_died_ = false;
  bool maker_died_ = false;
};

TEST(ConditionSchedule, Holds) { expect_no_finding(campaign_of<ConditionPlay>()); }

class ConditionFault : public testing::TestWithParam<Fault> {};
TEST_P(ConditionFault, IsFound) { expect_finding(GetParam(), campaign_of<ConditionPlay>()); }
INSTANTIATE_TEST_SUITE_P(Each, ConditionFault,
                         testing::Values(Fault::kUnlockForgetsWake, Fault::kRecoverForgetsWake,
                                         Fault::kNotifySwallowed, Fault::kWaiterKeepsCell));

}  // namespace
}  // namespace shoal::test
