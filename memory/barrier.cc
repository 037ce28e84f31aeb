// See barrier.h.
#include "memory/barrier.h"

#include "memory/seeded_faults.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

namespace {

constexpr std::uint32_t kPhaseMask = (1U << 30) - 1;
constexpr std::uint32_t kHistoryLength = 16;

struct State {
  bool broken;
  bool acting;  // all have arrived; the last is about to end the phase
  std::uint32_t arrived;
  std::uint32_t phase;
  std::uint32_t history;  // bit 0: the phase before this one was reset

  static State of(std::uint64_t word) {
    return {.broken = (word & 1) != 0,
            .acting = (word & 2) != 0,
            .arrived = static_cast<std::uint32_t>(word >> 2 & 0xffff),
            .phase = static_cast<std::uint32_t>(word >> 18 & kPhaseMask),
            .history = static_cast<std::uint32_t>(word >> 48)};
  }
  [[nodiscard]] std::uint64_t word() const {
    return (broken ? 1U : 0U) | (acting ? 2U : 0U) | std::uint64_t{arrived & 0xffff} << 2 |
           std::uint64_t{phase & kPhaseMask} << 18 | std::uint64_t{history & 0xffff} << 48;
  }
  [[nodiscard]] State next(bool was_reset) const {
    return {.broken = false,
            .acting = false,
            .arrived = 0,
            .phase = (phase + 1) & kPhaseMask,
            .history = history << 1 | (was_reset ? 1U : 0U)};
  }
};

State state_of(const ObjectView& barrier) {
  return State::of(barrier.descriptor->value.load(std::memory_order_seq_cst));
}

// Changes the state by `change`, which returns false to leave it.
template <typename Change>
bool update(const ObjectView& barrier, Change change) {
  std::uint64_t seen = barrier.descriptor->value.load(std::memory_order_seq_cst);
  for (;;) {
    State state = State::of(seen);
    if (!change(state)) return false;
    if (barrier.descriptor->value.change(seen, state.word())) return true;
  }
}

bool take_part(const ObjectView& barrier, std::uint16_t slot) {
  for (std::uint32_t i = 0; i < barrier.size / sizeof(Word16); ++i) {
    Word16& cell = barrier.cells16()[(slot + i) % (barrier.size / sizeof(Word16))];
    std::uint16_t seen = cell.load(std::memory_order_relaxed);
    if (seen == slot || (seen == 0 && cell.change(seen, slot)) || seen == slot) return true;
  }
  return false;
}

// How the phase ended that somebody waited in.
Result ended(const State& now, const Arrival& arrival) {
  const std::uint32_t age = (now.phase - arrival.phase) & kPhaseMask;
  const bool reset = age <= kHistoryLength && (now.history >> (age - 1) & 1) != 0;
  return reset ? Result::kBroken : Result::kDone;
}

}  // namespace

Result arrive(const ObjectView& barrier, Caller& caller, Deadline deadline, Arrival* arrival) {
  if (barrier.is_stale()) return Result::kStale;
  if (!take_part(barrier, caller.slot())) return Result::kExhausted;
  for (;;) {
    // Who comes while a phase is being ended belongs to the next.
    const Result ready = wait_until(caller, barrier, Purpose::kBarrier, deadline, [&] {
      const State state = state_of(barrier);
      return state.broken || (!state.acting && state.arrived < barrier.count);
    });
    if (ready != Result::kDone) return ready;
    State before{};
    const bool in = update(barrier, [&](State& state) {
      if (state.broken || state.acting || state.arrived >= barrier.count) return false;
      before = state;
      ++state.arrived;
      state.acting = state.arrived == barrier.count;
      return true;
    });
    if (in) {
      *arrival = {.phase = before.phase,
                  .index = before.arrived,
                  .is_last = before.arrived + 1 == barrier.count};
      return Result::kDone;
    }
    if (is_broken(barrier)) return Result::kBroken;
  }
}

Result end_phase(const ObjectView& barrier, Caller& caller, const Arrival& arrival) {
  const bool ended_it = update(barrier, [&](State& state) {
    if (state.broken || state.phase != arrival.phase) return false;
    state = state.next(/*was_reset=*/false);
    return true;
  });
  if (!ended_it) return barrier.is_stale() ? Result::kStale : Result::kBroken;
  announce(caller, barrier);
  return Result::kDone;
}

Result wait_for_phase(const ObjectView& barrier, Caller& caller, const Arrival& arrival,
                      Deadline deadline) {
  State state{};
  const Result result = wait_until(caller, barrier, Purpose::kBarrier, deadline, [&] {
    state = state_of(barrier);
    return state.broken || state.phase != arrival.phase;
  });
  if (result == Result::kStale) return result;
  if (result == Result::kTimedOut) {
    // Unless the phase has ended after all.
    const bool broke = update(barrier, [&](State& now) {
      state = now;
      if (now.broken || now.phase != arrival.phase) return false;
      now.broken = true;
      return true;
    });
    if (broke) {
      announce(caller, barrier);
      return Result::kTimedOut;
    }
  }
  return state.phase != arrival.phase ? ended(state, arrival) : Result::kBroken;
}

Result break_barrier(const ObjectView& barrier, Caller& caller) {
  if (barrier.is_stale()) return Result::kStale;
  (void)update(barrier, [](State& state) {
    state.broken = true;
    return true;
  });
  announce(caller, barrier);
  return Result::kDone;
}

Result reset_barrier(const ObjectView& barrier, Caller& caller) {
  if (barrier.is_stale()) return Result::kStale;
  (void)update(barrier, [](State& state) {
    state = state.next(/*was_reset=*/true);
    return true;
  });
  announce(caller, barrier);
  return Result::kDone;
}

bool is_broken(const ObjectView& barrier) { return state_of(barrier).broken; }

std::uint32_t arrived(const ObjectView& barrier) {
  const State state = state_of(barrier);
  return state.broken || state.acting ? 0 : state.arrived;
}

void recover_barrier(const ObjectView& barrier, std::uint16_t slot, bool died) {
  for (std::uint32_t i = 0; i < barrier.size / sizeof(Word16); ++i) {
    Word16& cell = barrier.cells16()[i];
    std::uint16_t seen = cell.load(std::memory_order_relaxed);
    if (seen != slot) continue;
    // First: if the manager dies in between, the cell still says so.
    if (died && !has_fault(Fault::kBarrierHidesDeath)) {
      (void)update(barrier, [](State& state) {
        state.broken = true;
        return true;
      });
      barrier.descriptor->recoveries.add(1);
    }
    (void)cell.change(seen, 0);
  }
}

SHOAL_VARIANT_END

}  // namespace shoal::memory
