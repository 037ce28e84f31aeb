// What a sweep of one operation of memory/'s synchronisation is about: what the victim finds, what
// it does, who sleeps meanwhile, and what must be true for those who live on.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tests/crash/sleepers.h"
#include "tests/crash/sync_image.h"

namespace shoal::test {

// Judges an object from which the dead were recovered: lets those go on who hold something, sees
// the sleepers get on, and works with the object. Empty: all is well.
using Check = std::function<std::string(const ObjectView&, Sleepers&)>;

using Act = std::function<Result(const ObjectView&, Caller&)>;

struct Scenario {
  std::string name;
  Made made = {};
  // What happened before: first this, then the sleepers fall asleep, then that.
  std::function<void(const ObjectView&)> before = {};
  std::vector<Wait> sleepers = {};
  std::function<void(const ObjectView&)> after = {};

  Act victim;
  Result result = Result::kDone;  // what it gets if nobody kills it
  Act second = {};                // a second victim, for the sweeps with two
  // What somebody alive does once the victim sleeps; none: it may not sleep for ever.
  std::function<void(const ObjectView&)> unblock = {};
  // How many sleepers the victim's own wake-ups let go, if nobody kills it.
  std::size_t lets_go = 0;

  // What must be true after recovery, seen from the crash image.
  std::function<Check(const ObjectView& crash)> expect = {};
};

inline Check always_wrong(std::string violation) {
  return [violation](const ObjectView&, Sleepers&) { return violation; };
}

inline std::string number(std::uint64_t value) { return std::to_string(value); }

// ---- deadlines ----

// Of waits that only somebody else ends. Longer than patience, and yet no test hangs for ever. Made
// when a stage is set, so that it is no part of what is swept.
inline memory::Deadline end_of_stage = 0;
inline memory::Deadline long_deadline() { return end_of_stage; }
inline void set_deadline() {
  end_of_stage = memory::deadline_after(absl::Seconds(10) + 3 * sweep_patience);
}
// Of waits that end by themselves.
inline memory::Deadline short_deadline() { return memory::deadline_after(absl::Milliseconds(2)); }

}  // namespace shoal::test
