// How a victim comes to the instruction at which it is to die: which ones are taken, and a short
// way there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <unordered_set>
#include <vector>

#include "tests/crash/traced.h"

namespace shoal::test {

// Where a victim stood after each of its instructions, the first entry before any; so the kill
// points are 1 to size(). Empty: no ptrace, or it ended by itself.
class Trail {
 public:
  void add(std::uintptr_t where);
  [[nodiscard]] std::size_t size() const { return places_.empty() ? 0 : places_.size() - 1; }
  // The last instruction up to `point` that has never been stood before earlier on the way: a
  // victim that runs freely stops there for the first time at that very point.
  [[nodiscard]] std::size_t last_new(std::size_t point) const { return last_new_[point]; }
  [[nodiscard]] std::uintptr_t at(std::size_t point) const { return places_[point]; }

 private:
  std::vector<std::uintptr_t> places_;
  std::unordered_set<std::uintptr_t> seen_;
  std::vector<std::size_t> last_new_;
};

// Lets a victim go on that sleeps; false: it should not have to sleep.
using Unblock = std::function<bool()>;

// One victim from its beginning to its end.
Trail follow(const Traced::Setup& setup, const Unblock& unblock);

// Takes a victim that stands at its beginning to `point` of the trail, or to its end if that comes
// first. False: it is gone.
bool advance(Traced& victim, const Trail& trail, std::size_t point, const Unblock& unblock);

// Lets a victim go until it sleeps; false: it does not. As a kill point: in its sleep.
inline constexpr std::size_t kAsleep = SIZE_MAX;
bool fall_asleep(Traced& victim);

// Each point from 1 to `instructions` if those are at most `every_max`, else `drawn` of them,
// always the same.
std::vector<std::size_t> kill_points(std::size_t instructions, std::size_t every_max,
                                     std::size_t drawn);

}  // namespace shoal::test
