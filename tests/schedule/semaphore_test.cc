// Semaphores under the scheduler: owned permits are never more than there are and come back from
// the dead; plain ones are conserved.
#include "memory/semaphore.h"

#include <gtest/gtest.h>

#include "tests/schedule/campaign.h"

namespace shoal::test {
namespace {

using memory::Caller;
using memory::Fault;
using memory::ObjectKind;
using memory::Result;

class OwnedPlay : public Play {
 public:
  void begin() override {
    permits_ = 1 + random(2);
    lay(ObjectKind::kSemaphore, 0, permits_);
    for (int i = 0; i < 3; ++i) {
      Process& process = add_process();
      const int threads = i == 0 ? 2 : 1;
      for (int thread = 0; thread < threads; ++thread) {
        add_thread(process, [this](Caller& caller) { use(caller); });
      }
    }
  }

  std::string on_all_asleep(bool) override { return "sleeps while a permit is free"; }
  std::string on_end() override {
    if (was_retired()) return {};
    return memory::free_permits(object()) == permits_ ? "" : "permits are lost";
  }

 private:
  void use(Caller& caller) {
    for (int round = 0; round < 2; ++round) {
      const Result result = memory::acquire_permit(object(), caller, some_deadline());
      if (result == Result::kStale) return;
      if (result == Result::kTimedOut) continue;
      expect(result == Result::kDone, "an acquisition fails");
      holders_.push_back(&caller);
      std::erase_if(holders_, [&](Caller* other) { return is_taken_back(process_of(*other)); });
      expect(holders_.size() <= permits_, "more hold a permit than there are");
      pause();
      std::erase(holders_, &caller);
      const Result released = memory::release_permits(object(), caller, 1);
      if (released == Result::kStale) return;
      expect(released == Result::kDone, "a release fails");
    }
  }

  std::uint64_t permits_ = 1;
  std::vector<Caller*> holders_;
};

// Two give, three take, and each counts. Who is killed in the middle of it is uncertain by one.
class PlainPlay : public Play {
 public:
  void begin() override {
    lay(ObjectKind::kSemaphore, memory::kFlagPlain, 1);
    for (int i = 0; i < 2; ++i) {
      add_thread(add_process(), [this](Caller& caller) { give(caller); });
    }
    for (int i = 0; i < 3; ++i) {
      add_thread(add_process(), [this](Caller& caller) { take(caller); });
    }
  }

  std::string on_all_asleep(bool) override {
    if (memory::free_permits(object()) != 0) return "sleeps while a permit is free";
    return {};
  }
  std::string on_end() override {
    if (was_retired()) return {};
    const auto left = static_cast<std::int64_t>(memory::free_permits(object()));
    if (left > 1 + given_ + maybe_given_ - taken_) return "there are too many permits";
    if (left < 1 + given_ - taken_ - maybe_taken_) return "permits are lost";
    return {};
  }

 private:
  void give(Caller& caller) {
    for (int round = 0; round < 2; ++round) {
      const auto permits = static_cast<std::uint32_t>(1 + random(2));
      maybe_given_ += permits;
      const Result result = memory::release_permits(object(), caller, permits);
      if (result == Result::kStale) return;
      expect(result == Result::kDone, "a release fails");
      maybe_given_ -= permits;
      given_ += permits;
    }
  }
  void take(Caller& caller) {
    for (int round = 0; round < 2; ++round) {
      ++maybe_taken_;
      const Result result = memory::acquire_permit(object(), caller, some_deadline());
      if (result == Result::kStale) return;
      expect(result == Result::kDone || result == Result::kTimedOut, "an acquisition fails");
      --maybe_taken_;
      if (result == Result::kDone) ++taken_;
    }
  }

  std::int64_t given_ = 0;
  std::int64_t maybe_given_ = 0;
  std::int64_t taken_ = 0;
  std::int64_t maybe_taken_ = 0;
};

TEST(SemaphoreSchedule, OwnedPermitsHold) { expect_no_finding(campaign_of<OwnedPlay>()); }
TEST(SemaphoreSchedule, PlainPermitsHold) { expect_no_finding(campaign_of<PlainPlay>()); }

TEST(SemaphoreFault, ForgottenPermitsAreFound) {
  expect_finding(Fault::kRecoverForgetsPermits, campaign_of<OwnedPlay>());
}
TEST(SemaphoreFault, APermitTooManyIsFound) {
  expect_finding(Fault::kReleaseTwice, campaign_of<PlainPlay>());
}

}  // namespace
}  // namespace shoal::test
