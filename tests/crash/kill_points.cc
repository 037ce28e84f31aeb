// See kill_points.h.
#include "tests/crash/kill_points.h"

#include <algorithm>
#include <random>

namespace shoal::test {
namespace {

// More than any operation's: it hangs.
constexpr std::size_t kInstructionsMax = 2'000'000;
constexpr int kLooksMax = 20'000;  // at a sleeper

// Steps on until it has moved by one instruction.
Traced::Step step_on(Traced& victim, const Unblock& unblock, bool& unblocked) {
  Traced::Step step = victim.step();
  for (int look = 0; step == Traced::Step::kBlocked; ++look) {
    if (look > kLooksMax) return Traced::Step::kGone;
    if (!unblocked && !unblock()) return Traced::Step::kGone;
    unblocked = true;
    step = victim.step();
  }
  return step;
}

}  // namespace

void Trail::add(std::uintptr_t where) {
  const bool is_new = seen_.insert(where).second;
  places_.push_back(where);
  last_new_.push_back(is_new || last_new_.empty() ? places_.size() - 1 : last_new_.back());
}

Trail follow(const Traced::Setup& setup, const Unblock& unblock) {
  Trail trail;
  Traced victim(1, setup);
  if (!victim.ready()) return trail;
  bool unblocked = false;
  trail.add(victim.where());
  for (std::size_t i = 0; i < kInstructionsMax; ++i) {
    const Traced::Step step = step_on(victim, unblock, unblocked);
    if (step == Traced::Step::kGone) return {};
    if (step == Traced::Step::kDone) return trail;
    trail.add(victim.where());
  }
  return {};
}

bool advance(Traced& victim, const Trail& trail, std::size_t point, const Unblock& unblock) {
  if (!victim.ready() || trail.size() == 0) return false;
  bool unblocked = false;
  std::size_t at = 0;
  const std::size_t target = trail.last_new(point);
  if (trail.at(target) != 0 && target > 1) {
    Traced::Step step = victim.run_to(trail.at(target));
    for (int look = 0; step == Traced::Step::kBlocked; ++look) {
      if (look > kLooksMax || (!unblocked && !unblock())) return false;
      unblocked = true;
      step = victim.run_to(trail.at(target));
    }
    if (step == Traced::Step::kGone) return false;
    if (step == Traced::Step::kDone) return true;
    at = target;
  }
  for (; at < point; ++at) {
    const Traced::Step step = step_on(victim, unblock, unblocked);
    if (step == Traced::Step::kGone) return false;
    if (step == Traced::Step::kDone) return true;
  }
  return true;
}

bool fall_asleep(Traced& victim) {
  if (!victim.ready()) return false;
  for (std::size_t i = 0; i < kInstructionsMax; ++i) {
    const Traced::Step step = victim.step();
    if (step != Traced::Step::kStepped) return step == Traced::Step::kBlocked;
  }
  return false;
}

std::vector<std::size_t> kill_points(std::size_t instructions, std::size_t every_max,
                                     std::size_t drawn) {
  std::vector<std::size_t> points;
  if (instructions <= every_max) {
    for (std::size_t point = 1; point <= instructions; ++point) points.push_back(point);
    return points;
  }
  std::mt19937_64 draw(instructions);
  for (std::size_t i = 0; i < drawn; ++i) points.push_back(1 + draw() % instructions);
  std::sort(points.begin(), points.end());
  return points;
}

}  // namespace shoal::test
