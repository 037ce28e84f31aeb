// Watches under the scheduler: who waits for an object by a descriptor instead of sleeping is told
// when there is something to try, also by the recovery of who should have told.
#include <gtest/gtest.h>

#include "memory/event.h"
#include "memory/lock.h"
#include "memory/semaphore.h"
#include "memory/shared_lock.h"
#include "memory/wait.h"
#include "tests/schedule/campaign.h"

namespace shoal::test {
namespace {

using memory::Acquisition;
using memory::Caller;
using memory::kForever;
using memory::ObjectKind;
using memory::Result;

// Two users and a watcher, which tries, arms the watch, tries again, and waits to be told.
class WatchPlay : public Play {
 public:
  explicit WatchPlay(ObjectKind kind) : kind_(kind) {}

  void begin() override {
    lay(kind_, 0, 1);
    for (int i = 0; i < 2; ++i) {
      add_thread(add_process(), [this](Caller& caller) { use(caller); });
    }
    Process& watcher = add_process();
    watcher_slot_ = watcher.slot;
    add_thread(watcher, [this](Caller& caller) { watch(caller); });
  }

  std::string on_all_asleep(bool) override {
    return kind_ == ObjectKind::kEvent ? "" : "sleeps while it is free";
  }
  std::string on_end() override {
    return watches_ && !watcher_died_ && is_free() ? "the watcher was not told" : "";
  }
  void on_killed(Process& process) override { watcher_died_ |= process.slot == watcher_slot_; }
  // As the manager does after it has recovered an object that is watched.
  void on_recovered(Process&) override { look(); }

 private:
  // One try, which must not wait, or a use that may.
  Result acquire(Caller& caller, memory::Deadline deadline) {
    Acquisition got;
    switch (kind_) {
      case ObjectKind::kLock:
        return memory::acquire(object(), caller, deadline, &got);
      case ObjectKind::kSharedLock:
        return memory::acquire_exclusive(object(), caller, deadline, &got);
      case ObjectKind::kSemaphore:
        return memory::acquire_permit(object(), caller, deadline);
      default:
        return memory::wait_for_event(object(), caller, deadline);
    }
  }
  Result release(Caller& caller) {
    switch (kind_) {
      case ObjectKind::kLock:
        return memory::release(object(), caller);
      case ObjectKind::kSharedLock:
        return memory::release_exclusive(object(), caller);
      case ObjectKind::kSemaphore:
        return memory::release_permits(object(), caller, 1);
      default:
        return Result::kDone;
    }
  }
  bool is_free() {
    switch (kind_) {
      case ObjectKind::kSemaphore:
        return memory::free_permits(object()) != 0;
      case ObjectKind::kEvent:
        return memory::event_is_set(object());
      default:
        return !memory::is_held(descriptor());
    }
  }

  void use(Caller& caller) {
    caller.poke = [](void* play, std::uint64_t) { static_cast<WatchPlay*>(play)->told_ = true; };
    caller.context = this;
    if (kind_ == ObjectKind::kEvent) {
      (void)memory::set_event(object(), caller);
      return;
    }
    for (int round = 0; round < 2; ++round) {
      const Result result = acquire(caller, some_deadline());
      if (result == Result::kStale) return;
      if (result == Result::kTimedOut) continue;
      if (release(caller) == Result::kStale) return;
    }
  }

  void watch(Caller& caller) {
    for (;;) {
      if (try_it(caller)) return;
      told_ = false;
      if (!memory::arm_watch(object())) return;
      if (try_it(caller)) return;
      watches_ = true;
      scheduler().wait_for([this] { return told_; });
      watches_ = false;
    }
  }
  // True: no more to watch for.
  bool try_it(Caller& caller) {
    const Result result = acquire(caller, 0);
    if (result == Result::kDone) (void)release(caller);
    return result != Result::kTimedOut;
  }
  void look() {
    quietly([&] {
      const std::uint32_t both = descriptor().event.load() & descriptor().lock.load();
      told_ |= (both & memory::kWatched) == 0;
      return true;
    });
  }

  ObjectKind kind_;
  std::uint16_t watcher_slot_ = 0;
  bool told_ = false;
  bool watches_ = false;
  bool watcher_died_ = false;
};

class WatchSchedule : public testing::TestWithParam<ObjectKind> {};
TEST_P(WatchSchedule, TheWatcherIsTold) {
  Campaign campaign;
  campaign.make = [] { return std::make_unique<WatchPlay>(GetParam()); };
  // Retiring tells watchers through the manager, which ends their watches.
  campaign.retirement = false;
  expect_no_finding(campaign);
}
INSTANTIATE_TEST_SUITE_P(Kinds, WatchSchedule,
                         testing::Values(ObjectKind::kLock, ObjectKind::kSharedLock,
                                         ObjectKind::kSemaphore, ObjectKind::kEvent));

}  // namespace
}  // namespace shoal::test
