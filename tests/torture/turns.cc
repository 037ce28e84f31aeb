// Ping-pong: each player wakes the other, and nobody else does. A killed player is replaced, but
// its successor does nothing for the other one either: if the wake-up died with it, only recovery
// can give it, or the pair stands still.
#include <atomic>

#include "tests/torture/scenario.h"

namespace shoal::torture {
namespace {

class CellTurns : public Scenario {
 public:
  explicit CellTurns(const Client& client) : turn_(made(client.create<Cell<std::uint64_t>>())) {}

  [[nodiscard]] std::string_view name() const override { return "cell turns"; }
  [[nodiscard]] std::size_t seats() const override { return 2; }
  [[nodiscard]] bool live_alone(const std::vector<bool>&) const override { return false; }

  void step(Worker& worker) override {
    const auto turn = worker.in(Op::kCellLoad, [&] { return turn_.load(); });
    worker.need(turn, "load");
    if (*turn % 2 != worker.seat()) {
      worker.need(worker.in(Op::kCellWait, [&] { return turn_.wait(*turn); }), "wait");
      return;
    }
    std::uint64_t expected = *turn;
    const auto moved =
        worker.in(Op::kCellStore, [&] { return turn_.compare_exchange(expected, *turn + 1); });
    worker.need(moved, "compare_exchange");
    if (!*moved) worker.fail("somebody else has taken this turn");
    worker.need(worker.in(Op::kCellNotify, [&] { return turn_.notify(); }), "notify");
    worker.step();
  }

  std::string final_state(const Board&, const std::vector<std::uint64_t>&) override {
    return turn_.load().ok() ? "" : "the cell is gone";
  }

 private:
  Cell<std::uint64_t> turn_;
};

class EventTurns : public Scenario {
 public:
  explicit EventTurns(const Client& client)
      : turn_(made(client.create<Array<std::uint64_t>>({.size = 1}))),
        mine_{made(client.create<Event>()), made(client.create<Event>())} {}

  [[nodiscard]] std::string_view name() const override { return "event turns"; }
  [[nodiscard]] std::size_t seats() const override { return 2; }
  [[nodiscard]] bool live_alone(const std::vector<bool>&) const override { return false; }

  // The one before it may have moved without having called set() at all. If it had, this one wakes
  // nobody: the event is set.
  void begin(Worker& worker) override {
    if (turn() % 2 != worker.seat()) set(worker);
  }

  void step(Worker& worker) override {
    if (turn() % 2 != worker.seat()) {
      const Event& mine = mine_[worker.seat()];
      worker.need(worker.in(Op::kEventWait, [&] { return mine.wait(); }), "wait");
      worker.need(worker.in(Op::kEventClear, [&] { return mine.clear(); }), "clear");
      return;
    }
    word().fetch_add(1);
    set(worker);
    worker.step();
  }

  std::string final_state(const Board&, const std::vector<std::uint64_t>&) override { return {}; }

 private:
  [[nodiscard]] std::atomic_ref<std::uint64_t> word() const {
    return std::atomic_ref(turn_.data()[0]);
  }
  [[nodiscard]] std::uint64_t turn() const { return word().load(); }
  void set(Worker& worker) const {
    const Event& other = mine_[1 - worker.seat()];
    worker.need(worker.in(Op::kEventSet, [&] { return other.set(); }), "set");
  }

  Array<std::uint64_t> turn_;
  std::array<Event, 2> mine_;
};

}  // namespace

std::unique_ptr<Scenario> make_cell_turns(const Client& client) {
  return std::make_unique<CellTurns>(client);
}
std::unique_ptr<Scenario> make_event_turns(const Client& client) {
  return std::make_unique<EventTurns>(client);
}

}  // namespace shoal::torture
