// What the workers of a round do, and what must be true of it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <shoal/shoal.h>

#include "tests/torture/board.h"

namespace shoal::torture {

class Scenario {
 public:
  virtual ~Scenario() = default;
  [[nodiscard]] virtual std::string_view name() const = 0;
  [[nodiscard]] virtual std::size_t seats() const = 0;

  // In the worker, for ever.
  virtual void begin(Worker&) {}
  virtual void step(Worker& worker) = 0;

  // Whether these seats must get on while the others are dead and nobody replaces them.
  [[nodiscard]] virtual bool live_alone(const std::vector<bool>& alive) const = 0;
  // How far a seat's share of the work has got; each of them must grow. Seats that share an answer
  // stand in for each other.
  [[nodiscard]] virtual std::uint64_t progress(const Board& board, std::size_t seat) const {
    return board.seats[seat].steps.load();
  }
  // In the parent, after deaths: what a survivor would mend that knows it.
  virtual std::string mend() { return {}; }

  // In the parent, when all workers are dead and nobody was replaced: what is wrong, or nothing.
  // `killed_in` counts the deaths of the round in the middle of each operation.
  virtual std::string final_state(const Board& board,
                                  const std::vector<std::uint64_t>& killed_in) = 0;
};

// Two players take turns on a Cell, told by notify() alone.
std::unique_ptr<Scenario> make_cell_turns(const Client& client);
// The same with an Event for each.
std::unique_ptr<Scenario> make_event_turns(const Client& client);
// A producer hands one item after the other to either of two consumers, by conditions.
std::unique_ptr<Scenario> make_handover(const Client& client);
// Three parties at a barrier.
std::unique_ptr<Scenario> make_meeting(const Client& client);
// Four workers do a bit of everything.
std::unique_ptr<Scenario> make_mixture(const Client& client);

// Four workers use containers of all kinds: containers.h.
std::unique_ptr<Scenario> make_containers(const Client& client);

// The value, or the end of the program: objects of a round could not be made.
template <class T>
T made(absl::StatusOr<T> object) {
  return std::move(object).value();
}

inline constexpr absl::Duration kPatience = absl::Seconds(60);

}  // namespace shoal::torture
