// Event, and with it the eventcount, under the scheduler: who waited when it was set goes on, even
// if it is cleared at once.
#include "memory/event.h"

#include <gtest/gtest.h>

#include "tests/schedule/campaign.h"

namespace shoal::test {
namespace {

using memory::Caller;
using memory::Fault;
using memory::ObjectKind;
using memory::Result;

// Set once, for good, by one of two.
class SetPlay : public Play {
 public:
  void begin() override {
    lay(ObjectKind::kEvent, 0, 0);
    for (int i = 0; i < 2; ++i) {
      add_thread(add_process(), [this](Caller& caller) {
        const Result result = memory::set_event(object(), caller);
        expect(result == Result::kDone || result == Result::kStale, "set fails");
      });
    }
    for (int i = 0; i < 3; ++i) {
      add_thread(add_process(), [this](Caller& caller) { wait(caller); });
    }
  }

  std::string on_all_asleep(bool) override {
    return memory::event_is_set(object()) ? "sleeps while the event is set" : "";
  }

 private:
  void wait(Caller& caller) {
    const Result result = memory::wait_for_event(object(), caller, some_deadline());
    if (result != Result::kDone) return;
    expect(quietly([&] { return memory::event_is_set(object()); }), "went on without a set");
  }
};

// Set and cleared again and again.
class PulsePlay : public Play {
 public:
  void begin() override {
    lay(ObjectKind::kEvent, 0, 0);
    add_thread(add_process(), [this](Caller& caller) { pulse(caller); });
    for (int i = 0; i < 3; ++i) {
      Waiter& waiter = waiters_[i];
      add_thread(add_process(), [this, &waiter](Caller& caller) { wait(caller, waiter); });
    }
  }

  std::string on_all_asleep(bool) override {
    for (const Waiter& waiter : waiters_) {
      const bool asleep = waiter.thread != nullptr && waiter.waits &&
                          waiter.thread->state == Thread::State::kSleeping;
      if (asleep && waiter.must_go) return "sleeps although it was set meanwhile";
    }
    return {};
  }

 private:
  struct Waiter {
    Thread* thread = nullptr;
    bool waits = false;
    std::uint64_t since = 0;
    bool due = false;      // waited when a set began
    bool must_go = false;  // and the set is done
  };

  void pulse(Caller& caller) {
    for (int round = 0; round < 2; ++round) {
      // Who is at its second step has looked at what was before.
      for (Waiter& waiter : waiters_) {
        waiter.due = waiter.waits && waiter.thread->steps >= waiter.since + 2;
      }
      if (memory::set_event(object(), caller) == Result::kStale) return;
      for (Waiter& waiter : waiters_) waiter.must_go |= waiter.due;
      if (memory::clear_event(object()) == Result::kStale) return;
    }
  }
  void wait(Caller& caller, Waiter& waiter) {
    waiter.thread = &scheduler().running();
    for (int round = 0; round < 2; ++round) {
      waiter.must_go = false;
      waiter.due = false;
      waiter.since = waiter.thread->steps;
      waiter.waits = true;
      const Result result = memory::wait_for_event(object(), caller, some_deadline());
      waiter.waits = false;
      if (result == Result::kStale) return;
    }
  }

  Waiter waiters_[3];
};

TEST(EventSchedule, SetLetsAllGo) { expect_no_finding(campaign_of<SetPlay>()); }
TEST(EventSchedule, APulseLetsGoWhoWaited) { expect_no_finding(campaign_of<PulsePlay>()); }

TEST(EventFault, ForgottenWaitersAreFound) {
  expect_finding(Fault::kEventForgetsWaiters, campaign_of<SetPlay>());
  expect_finding(Fault::kEventForgetsWaiters, campaign_of<PulsePlay>());
}

}  // namespace
}  // namespace shoal::test
