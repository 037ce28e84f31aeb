// Lock and RLock under the scheduler: one holder at a time, nobody sleeps while it is free, the
// death of a holder is told, and the token grows.
#include "memory/lock.h"

#include <gtest/gtest.h>

#include "tests/schedule/campaign.h"

namespace shoal::test {
namespace {

using memory::Acquisition;
using memory::Caller;
using memory::Deadline;
using memory::Fault;
using memory::ObjectKind;
using memory::Result;

class LockPlay : public Play {
 public:
  explicit LockPlay(ObjectKind kind = ObjectKind::kLock) : kind_(kind) {}

  void begin() override {
    lay(kind_, 0, 0);
    for (int i = 0; i < 3; ++i) {
      Process& process = add_process();
      const int threads = i == 0 ? 2 : 1;
      for (int thread = 0; thread < threads; ++thread) {
        add_thread(process, [this](Caller& caller) { use(caller); });
      }
    }
  }

  void on_killed(Process& process) override {
    if (memory::slot_in(descriptor().lock.load()) == process.slot) abandoned_ = true;
  }

  std::string on_all_asleep(bool) override {
    return memory::is_held(descriptor()) ? "sleeps while a lock is held that nobody gives back"
                                         : "sleeps while the lock is free";
  }

  std::string on_end() override {
    if (was_retired()) return {};
    if (memory::is_held(descriptor())) return "held after all";
    if (!abandoned_ && descriptor().abandoned.load() != 0) return "abandoned by nobody";
    if (abandoned_ && descriptor().abandoned.load() == 0) return "abandoned, and not marked";
    return {};
  }

 private:
  void use(Caller& caller) {
    for (int round = 0; round < 2; ++round) {
      Acquisition got;
      const Result result = acquire(caller, &got);
      if (result == Result::kStale) return;
      if (result == Result::kTimedOut) continue;
      expect(result == Result::kDone, "an acquisition fails");
      enter(caller, got);
      pause();
      if (kind_ == ObjectKind::kRLock) {
        Acquisition again;
        const Result second = memory::acquire_recursive(object(), caller, 0, &again);
        if (second == Result::kStale) return;
        expect(second == Result::kDone && again.token == got.token, "a second acquisition fails");
        pause();
        if (memory::release_recursive(object(), caller) == Result::kStale) return;
      }
      if (abandoned_ && random(2) == 0) {
        if (memory::mark_consistent(object(), caller) == Result::kStale) return;
        abandoned_ = false;
      }
      leave(caller);
      const Result released = kind_ == ObjectKind::kRLock
                                  ? memory::release_recursive(object(), caller)
                                  : memory::release(object(), caller);
      if (released == Result::kStale) return;
      expect(released == Result::kDone || was_retired(), "a release fails");
    }
  }

  Result acquire(Caller& caller, Acquisition* got) {
    const Deadline deadline = some_deadline();
    return kind_ == ObjectKind::kRLock ? memory::acquire_recursive(object(), caller, deadline, got)
                                       : memory::acquire(object(), caller, deadline, got);
  }

  void enter(const Caller& caller, const Acquisition& got) {
    if (retiring()) return;
    expect(inside_ == nullptr || is_taken_back(process_of(*inside_)), "two hold it");
    inside_ = &caller;
    expect(got.token > token_, "the token does not grow");
    token_ = got.token;
    expect(got.abandoned == abandoned_, abandoned_ ? "a death is hidden" : "abandoned by nobody");
  }
  void leave(const Caller& caller) {
    if (inside_ == &caller) inside_ = nullptr;
  }
  // An object that ends has no rules left.
  bool retiring() {
    return quietly([&] { return object().is_stale(); });
  }

  ObjectKind kind_;
  const Caller* inside_ = nullptr;
  std::uint64_t token_ = 0;
  bool abandoned_ = false;
};

class RLockPlay : public LockPlay {
 public:
  RLockPlay() : LockPlay(ObjectKind::kRLock) {}
};

TEST(LockSchedule, Holds) { expect_no_finding(campaign_of<LockPlay>()); }
TEST(LockSchedule, HoldsRecursively) { expect_no_finding(campaign_of<RLockPlay>()); }

class LockFault : public testing::TestWithParam<Fault> {};
TEST_P(LockFault, IsFound) { expect_finding(GetParam(), campaign_of<LockPlay>()); }
INSTANTIATE_TEST_SUITE_P(Each, LockFault,
                         testing::Values(Fault::kUnlockForgetsWake, Fault::kRecoverForgetsWake,
                                         Fault::kRecoverForgetsLock, Fault::kRecoverHidesDeath,
                                         Fault::kTokenBeforeLock));

}  // namespace
}  // namespace shoal::test
