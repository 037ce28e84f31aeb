// Whether what several callers saw of one key can have happened one call after the other, each at
// an instant between its begin and its end (Wing and Gong). For short histories: it tries all
// orders, but none twice from the same state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <utility>
#include <vector>

namespace shoal::test {

enum class KeyCall : std::uint8_t { kPut, kGet, kErase, kExchange, kIncrement };

// One call on the key. `done` false: get, erase and increment found no key, exchange another value.
struct KeyEvent {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  KeyCall call = KeyCall::kGet;
  std::int64_t value = 0;     // put: what; get: what was found; increment: what came of it
  std::int64_t expected = 0;  // exchange: `expected` became `value`
  bool done = true;
};

using KeyState = std::optional<std::int64_t>;  // the value, if there is the key

// False: in this state the call would have had another result. Else `state` is as it left it.
inline bool apply(const KeyEvent& event, KeyState& state) {
  const bool was = state.has_value();
  switch (event.call) {
    case KeyCall::kPut:
      state = event.value;
      return event.done;
    case KeyCall::kGet:
      return event.done ? state == event.value : !was;
    case KeyCall::kErase:
      state.reset();
      return was == event.done;
    case KeyCall::kExchange: {
      const bool same = state == event.expected;
      if (same) state = event.value;
      return same == event.done;
    }
    case KeyCall::kIncrement:
      if (was) ++*state;
      return event.done ? state == event.value : !was;
  }
  return false;
}

class Linearizability {
 public:
  explicit Linearizability(const std::vector<KeyEvent>& events) : events_(events) {}

  [[nodiscard]] bool holds() { return events_.size() <= 64 && search(0, std::nullopt); }

 private:
  // `over`: a bit for each call that has happened.
  bool search(std::uint64_t over, KeyState state) {
    std::uint64_t first_end = UINT64_MAX;
    bool all = true;
    for (std::size_t i = 0; i < events_.size(); ++i) {
      if ((over >> i & 1) != 0) continue;
      all = false;
      if (events_[i].end < first_end) first_end = events_[i].end;
    }
    if (all) return true;
    if (!seen_.emplace(over, state).second) return false;
    for (std::size_t i = 0; i < events_.size(); ++i) {
      // Not one that began when another, which has not happened yet, was over.
      if ((over >> i & 1) != 0 || events_[i].begin > first_end) continue;
      KeyState next = state;
      if (apply(events_[i], next) && search(over | std::uint64_t{1} << i, next)) return true;
    }
    return false;
  }

  const std::vector<KeyEvent>& events_;
  std::set<std::pair<std::uint64_t, KeyState>> seen_;
};

}  // namespace shoal::test
