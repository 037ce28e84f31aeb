// SharedLock under the scheduler: a writer alone or readers together, fewer processes that read at
// once than there are, and deaths on both sides.
#include "memory/shared_lock.h"

#include <gtest/gtest.h>

#include "tests/schedule/campaign.h"

namespace shoal::test {
namespace {

using memory::Acquisition;
using memory::Caller;
using memory::Fault;
using memory::ObjectKind;
using memory::Result;

class SharedLockPlay : public Play {
 public:
  void begin() override {
    lay(ObjectKind::kSharedLock, 0, /*sharers=*/1 + random(3));
    for (int i = 0; i < 3; ++i) {
      Process& process = add_process();
      const int threads = i == 0 ? 2 : 1;
      for (int thread = 0; thread < threads; ++thread) {
        add_thread(process, [this](Caller& caller) { use(caller); });
      }
    }
  }

  void on_killed(Process& process) override {
    const bool was_in = descriptor().depth.load() != 0;
    if (memory::slot_in(descriptor().lock.load()) == process.slot && was_in) abandoned_ = true;
  }

  std::string on_all_asleep(bool) override { return "sleeps while nobody is in"; }

  std::string on_end() override {
    if (was_retired()) return {};
    if (memory::is_held(descriptor())) return "the writer's place is taken after all";
    if (memory::sharers(object()) != 0) return "shared holds are left";
    if (abandoned_ != (descriptor().abandoned.load() != 0)) return "abandoned is wrong";
    return {};
  }

 private:
  struct Visit {
    const Caller* who;
    bool writes;
  };

  void use(Caller& caller) {
    for (int round = 0; round < 2; ++round) {
      const bool writes = random(2) == 0;
      Acquisition got;
      const Result result = writes
                                ? memory::acquire_exclusive(object(), caller, some_deadline(), &got)
                                : memory::acquire_shared(object(), caller, some_deadline(), &got);
      if (result == Result::kStale) return;
      if (result == Result::kTimedOut) continue;
      expect(result == Result::kDone, "an acquisition fails");
      enter({&caller, writes}, got);
      pause();
      std::erase_if(inside_, [&](const Visit& visit) { return visit.who == &caller; });
      const Result released = writes ? memory::release_exclusive(object(), caller)
                                     : memory::release_shared(object(), caller);
      if (released == Result::kStale) return;
      expect(released == Result::kDone || retiring(), "a release fails");
    }
  }

  void enter(const Visit& visit, const Acquisition& got) {
    if (retiring()) return;
    for (const Visit& other : inside_) {
      if (is_taken_back(process_of(*other.who))) continue;
      expect(!visit.writes && !other.writes, "a writer is not alone");
    }
    inside_.push_back(visit);
    if (visit.writes) expect(got.token > token_, "the token does not grow");
    expect(got.token >= token_, "a reader's token goes back");
    token_ = got.token;
    expect(got.abandoned == abandoned_, abandoned_ ? "a death is hidden" : "abandoned by nobody");
  }
  bool retiring() {
    return quietly([&] { return object().is_stale(); });
  }

  std::vector<Visit> inside_;
  std::uint64_t token_ = 0;
  bool abandoned_ = false;
};

// The threads of one process share its cells, and may have two of them.
class CrowdPlay : public Play {
 public:
  void begin() override {
    lay(ObjectKind::kSharedLock, 0, /*sharers=*/2);
    Process& crowd = add_process();
    for (int i = 0; i < 4; ++i) {
      add_thread(crowd, [this](Caller& caller) { read(caller); });
    }
    add_thread(add_process(), [this](Caller& caller) { read(caller); });
  }
  std::string on_end() override {
    return memory::sharers(object()) == 0 ? "" : "shared holds are left";
  }

 private:
  void read(Caller& caller) {
    for (int round = 0; round < 3; ++round) {
      Acquisition got;
      const Result result = memory::acquire_shared(object(), caller, memory::kForever, &got);
      expect(result == Result::kDone, "an acquisition fails");
      expect(memory::release_shared(object(), caller) == Result::kDone, "a release fails");
    }
  }
};

TEST(SharedLockSchedule, ThreadsOfAProcessShareItsCells) {
  Campaign campaign = campaign_of<CrowdPlay>();
  campaign.deaths = false;
  campaign.retirement = false;
  expect_no_finding(campaign);
}

TEST(SharedLockSchedule, Holds) { expect_no_finding(campaign_of<SharedLockPlay>()); }

class SharedLockFault : public testing::TestWithParam<Fault> {};
TEST_P(SharedLockFault, IsFound) { expect_finding(GetParam(), campaign_of<SharedLockPlay>()); }
INSTANTIATE_TEST_SUITE_P(Each, SharedLockFault,
                         testing::Values(Fault::kUnlockForgetsWake, Fault::kRecoverForgetsWake,
                                         Fault::kRecoverForgetsLock, Fault::kRecoverHidesDeath,
                                         Fault::kRecoverForgetsShared,
                                         Fault::kSharedIgnoresWriter));

}  // namespace
}  // namespace shoal::test
