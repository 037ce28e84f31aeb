// Large cells under the scheduler: values are whole, no addition is lost, and who waits for a
// change is told.
#include "memory/cell.h"

#include <array>

#include <gtest/gtest.h>

#include "tests/schedule/campaign.h"

namespace shoal::test {
namespace {

using memory::Caller;
using memory::Fault;
using memory::kForever;
using memory::ObjectKind;
using memory::Result;

// Three words that always say the same.
using Number = std::array<std::uint64_t, 3>;

std::span<std::byte> bytes_of(Number& number) { return std::as_writable_bytes(std::span(number)); }
bool is_whole(const Number& n) { return n[0] == n[1] && n[1] == n[2]; }
Number number_of(std::uint64_t n) { return {n, n, n}; }

class AdditionPlay : public Play {
 public:
  void begin() override {
    lay(ObjectKind::kCell, 0, sizeof(Number));
    for (int i = 0; i < 3; ++i) {
      add_thread(add_process(), [this](Caller& caller) { add(caller); });
    }
    add_thread(add_process(), [this](Caller& caller) { wait(caller); });
  }

  std::string on_all_asleep(bool) override {
    Number now{};
    (void)memory::load_cell(object(), memory::kReadPatienceNs, bytes_of(now));
    if (waiter_asleep() && now == waited_for_) return {};
    return "sleeps, and nobody is at work";
  }
  std::string on_end() override {
    Number now{};
    if (memory::load_cell(object(), memory::kReadPatienceNs, bytes_of(now)) == Result::kStale)
      return {};
    if (!is_whole(now)) return "the value is torn";
    if (now[0] < added_ || now[0] > added_ + maybe_added_) return "an addition is lost";
    return {};
  }

 private:
  void add(Caller& caller) {
    for (int round = 0; round < 2; ++round) {
      Number seen{};
      if (memory::load_cell(object(), memory::kReadPatienceNs, bytes_of(seen)) == Result::kStale)
        return;
      for (;;) {
        expect(is_whole(seen), "a torn value was read");
        Number next = number_of(seen[0] + 1);
        ++maybe_added_;
        const Result result =
            memory::exchange_cell(object(), caller, kForever, bytes_of(seen), bytes_of(next));
        if (result == Result::kStale) return;
        --maybe_added_;
        if (result == Result::kDone) break;
        expect(result == Result::kDiffers, "an exchange fails");
      }
      ++added_;
      if (memory::notify_cell(object(), caller) == Result::kStale) return;
    }
  }

  void wait(Caller& caller) {
    for (int round = 0; round < 3; ++round) {
      Number seen{};
      if (memory::load_cell(object(), memory::kReadPatienceNs, bytes_of(seen)) == Result::kStale)
        return;
      expect(is_whole(seen), "a torn value was read");
      waited_for_ = seen;
      const Result result =
          memory::wait_for_change(object(), caller, some_deadline(), bytes_of(seen));
      if (result == Result::kStale) return;
    }
  }
  bool waiter_asleep() {
    for (const Thread& thread : scheduler().threads()) {
      if (thread.state == Thread::State::kSleeping && thread.name != "P4.1") return false;
    }
    return true;
  }

  Number waited_for_{};
  std::uint64_t added_ = 0;
  std::uint64_t maybe_added_ = 0;
};

// Stores, as fast as they come, beside readers.
class StorePlay : public Play {
 public:
  void begin() override {
    lay(ObjectKind::kCell, 0, sizeof(Number));
    for (std::uint64_t i = 1; i <= 2; ++i) {
      add_thread(add_process(), [this, i](Caller& caller) {
        for (std::uint64_t round = 0; round < 3; ++round) {
          Number value = number_of(10 * i + round);
          const Result result =
              memory::store_cell(object(), caller, some_deadline(), bytes_of(value));
          if (result == Result::kStale) return;
        }
      });
    }
    for (int i = 0; i < 2; ++i) {
      add_thread(add_process(), [this](Caller&) {
        for (int round = 0; round < 3; ++round) {
          Number value{};
          if (memory::load_cell(object(), memory::kReadPatienceNs, bytes_of(value)) ==
              Result::kStale)
            return;
          expect(is_whole(value), "a torn value was read");
        }
      });
    }
  }
  std::string on_all_asleep(bool) override { return "sleeps, and nobody has the claim"; }
};

TEST(CellSchedule, NoAdditionIsLost) { expect_no_finding(campaign_of<AdditionPlay>()); }
TEST(CellSchedule, ValuesAreWhole) { expect_no_finding(campaign_of<StorePlay>()); }

TEST(CellFault, ATornPublishIsFound) {
  expect_finding(Fault::kCellTornPublish, campaign_of<AdditionPlay>());
  expect_finding(Fault::kCellTornPublish, campaign_of<StorePlay>());
}

}  // namespace
}  // namespace shoal::test
