// One item at a time from a producer to whichever consumer is notified. If a consumer dies with its
// notification, the other one must get it: nobody replaces the dead one until an item has got
// through.
#include <atomic>

#include "tests/torture/scenario.h"

namespace shoal::torture {
namespace {

class Handover : public Scenario {
 public:
  explicit Handover(const Client& client)
      : ready_(made(client.create<Condition>())),
        taken_(made(client.create<Condition>())),
        words_(made(client.create<Array<std::uint64_t>>({.size = 3}))) {}

  [[nodiscard]] std::string_view name() const override { return "handover"; }
  [[nodiscard]] std::size_t seats() const override { return 3; }
  [[nodiscard]] bool live_alone(const std::vector<bool>& alive) const override {
    return alive[kProducer] && (alive[1] || alive[2]);
  }
  // Which of the consumers gets on is chance.
  [[nodiscard]] std::uint64_t progress(const Board& board, std::size_t seat) const override {
    if (seat == kProducer) return board.seats[kProducer].steps.load();
    return board.seats[1].steps.load() + board.seats[2].steps.load();
  }

  void step(Worker& worker) override {
    const auto acquired = worker.in(Op::kRLockAcquire, [&] { return ready_.acquire(); });
    worker.need(acquired, "acquire");
    mend_if_abandoned(worker);
    if (worker.seat() == kProducer) {
      produce(worker);
    } else {
      consume(worker);
    }
    worker.need(worker.in(Op::kRLockRelease, [&] { return ready_.release(); }), "release");
    worker.step();
  }

  // A death in the lock is nobody's notification: who finds it out tells everybody.
  std::string mend() override {
    const auto acquired = ready_.acquire(kPatience);
    if (!acquired.ok())
      return "the dead kept the condition's lock: " + acquired.status().ToString();
    if (acquired->abandoned) {
      const bool mended = mark();
      if (!mended) return "the condition's lock cannot be marked consistent";
    }
    return ready_.release().ok() ? "" : "the condition's lock cannot be released";
  }

  std::string final_state(const Board&, const std::vector<std::uint64_t>&) override {
    if (std::string wrong = mend(); !wrong.empty()) return wrong;
    if (ready_.waiters() != 0 || taken_.waiters() != 0) return "the dead still wait";
    const std::uint64_t produced = word(kProduced).load();
    const std::uint64_t consumed = word(kConsumed).load();
    if (produced - consumed != word(kItems).load()) return "items were lost or doubled";
    return {};
  }

 private:
  static constexpr std::size_t kProducer = 0;
  enum Which : std::size_t { kItems, kProduced, kConsumed };
  [[nodiscard]] std::atomic_ref<std::uint64_t> word(Which which) const {
    return std::atomic_ref(words_.data()[which]);
  }

  // `produced` and `consumed` are changed first; what is there follows from them.
  [[nodiscard]] bool mark() const {
    word(kItems).store(word(kProduced).load() - word(kConsumed).load());
    return ready_.notify_all().ok() && taken_.notify_all().ok() && ready_.mark_consistent().ok();
  }
  void mend_if_abandoned(Worker& worker) const {
    const auto abandoned = ready_.abandoned();
    worker.need(abandoned, "abandoned");
    if (*abandoned) {
      if (!worker.in(Op::kLockMark, [&] { return mark(); })) worker.fail("it cannot be mended");
    } else if (word(kProduced).load() - word(kConsumed).load() != word(kItems).load()) {
      worker.fail("half a change, and nobody said that its maker died");
    }
  }

  void produce(Worker& worker) const {
    while (word(kItems).load() != 0) {
      worker.need(worker.in(Op::kConditionWait, [&] { return taken_.wait(ready_); }), "wait");
      mend_if_abandoned(worker);
    }
    word(kProduced).fetch_add(1);
    word(kItems).store(1);
    worker.need(worker.in(Op::kConditionNotify, [&] { return ready_.notify(); }), "notify");
  }

  void consume(Worker& worker) const {
    while (word(kItems).load() == 0) {
      worker.need(worker.in(Op::kConditionWait, [&] { return ready_.wait(); }), "wait");
      mend_if_abandoned(worker);
    }
    word(kConsumed).fetch_add(1);
    word(kItems).store(0);
    worker.need(worker.in(Op::kConditionNotify, [&] { return taken_.notify(); }), "notify");
  }

  Condition ready_;  // and the lock of both
  Condition taken_;
  Array<std::uint64_t> words_;
};

}  // namespace

std::unique_ptr<Scenario> make_handover(const Client& client) {
  return std::make_unique<Handover>(client);
}

}  // namespace shoal::torture
