// Three parties meet at a barrier again and again, without a deadline. A death breaks it; whoever
// learns of that makes it whole; nobody passes unless all have come.
#include <atomic>

#include "tests/torture/scenario.h"

namespace shoal::torture {
namespace {

class Meeting : public Scenario {
 public:
  explicit Meeting(const Client& client)
      : barrier_(made(client.create<Barrier>({.parties = kParties}))),
        words_(made(client.create<Array<std::uint64_t>>({.size = 3}))) {}

  [[nodiscard]] std::string_view name() const override { return "meeting"; }
  [[nodiscard]] std::size_t seats() const override { return kParties; }
  [[nodiscard]] bool live_alone(const std::vector<bool>&) const override { return false; }

  void step(Worker& worker) override {
    const auto place = worker.in(Op::kBarrierWait, [&] {
      return barrier_.wait(absl::InfiniteDuration(), [&] { act(worker); });
    });
    if (place.ok()) {
      if (*place >= kParties) worker.fail("place " + std::to_string(*place));
      const std::uint64_t passed = word(kPassed).fetch_add(1) + 1;
      // An action comes before all the passes that it allows.
      if (passed > kParties * word(kActions).load()) worker.fail("passed before all had come");
      worker.step();
      return;
    }
    // Places of the dead are free once the manager has seen to it.
    if (absl::IsResourceExhausted(place.status())) return;
    if (!absl::IsAborted(place.status())) worker.need(place, "wait");
    if (!barrier_.broken()) return;
    worker.need(worker.in(Op::kBarrierReset, [&] { return barrier_.reset(); }), "reset");
  }

  std::string final_state(const Board&, const std::vector<std::uint64_t>&) override {
    if (!barrier_.reset().ok()) return "the barrier cannot be reset";
    if (barrier_.n_waiting() != 0 || barrier_.broken()) return "a reset barrier is not empty";
    return {};
  }

 private:
  static constexpr std::uint32_t kParties = 3;
  enum Which : std::size_t { kPassed, kActions, kActing };
  [[nodiscard]] std::atomic_ref<std::uint64_t> word(Which which) const {
    return std::atomic_ref(words_.data()[which]);
  }

  // The last to come runs it, while the others wait.
  void act(Worker& worker) const {
    const Mark before = word(kActing).exchange(worker.mark());
    if (before != 0 && !worker.board().is_doomed(before)) worker.fail("two run the action");
    worker.dwell();
    word(kActions).fetch_add(1);
    Mark mine = worker.mark();
    word(kActing).compare_exchange_strong(mine, 0);
  }

  Barrier barrier_;
  Array<std::uint64_t> words_;
};

}  // namespace

std::unique_ptr<Scenario> make_meeting(const Client& client) {
  return std::make_unique<Meeting>(client);
}

}  // namespace shoal::torture
