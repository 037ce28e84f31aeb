// See trace.h.
#include "daemon/trace.h"

#include <algorithm>
#include <utility>

#include "memory/containers.h"

namespace shoal::daemon {
namespace {

// Garbage is looked for soon after there may be some, and less and less often while there is none.
// In between, so many times as long as a cycle took.
constexpr std::int64_t kFirstRestNs = 100'000'000;
constexpr std::int64_t kLongestRestNs = 4'000'000'000;
constexpr std::int64_t kRestsPerWork = 20;
// Of an arena's bytes, in one cycle: blocks that change meanwhile are looked at again.
constexpr std::uint64_t kLooksAtEach = 4;
// Records looked at, or slots and ids of a container, in one step.
constexpr int kRecordsAtOnce = 256;
constexpr std::uint32_t kSlotsAtOnce = 256;

std::int64_t now_ns() { return clock_ns(CLOCK_MONOTONIC); }

}  // namespace

// ---- what becomes rooted and unrooted ----

void Trace::unrooted(Index object) {
  Traced& traced = arenas_[objects_.record(object).arena];
  traced.unrooted.insert(object);
  traced.fresh = true;
  const std::int64_t soon = std::max(now_ns() + kFirstRestNs, traced.not_before_ns);
  traced.due_ns = traced.unrooted.size() == 1 ? soon : std::min(traced.due_ns, soon);
}

void Trace::rooted(Index object) {
  const auto found = arenas_.find(objects_.record(object).arena);
  if (found == arenas_.end()) return;
  Traced& traced = found->second;
  traced.unrooted.erase(object);
  // The cycle has passed it over as long as it was judged.
  if (traced.cycle && traced.cycle->judged.erase(object) != 0) {
    traced.cycle->reached.push_back(objects_.id(object));
  }
}

const Trace::Traced* Trace::traced(Index object) const {
  const auto found = arenas_.find(objects_.record(object).arena);
  return found == arenas_.end() ? nullptr : &found->second;
}

bool Trace::is_unrooted(Index object) const {
  const Traced* const in = traced(object);
  return in != nullptr &&
         (in->unrooted.contains(object) || (in->cycle && in->cycle->judged.contains(object)));
}

bool Trace::is_garbage(Index object) const {
  const Traced* const in = traced(object);
  return in != nullptr && in->cycle && in->cycle->ending && in->cycle->judged.contains(object);
}

// ---- when ----

bool Trace::trace_some() {
  const std::int64_t now = now_ns();
  const auto wants = [&](const Traced& traced) {
    return traced.cycle || (!traced.unrooted.empty() && traced.due_ns <= now);
  };
  // One arena at a time, each in its turn.
  auto at = arenas_.upper_bound(last_);
  for (std::size_t looked = 0; looked < arenas_.size(); ++looked, ++at) {
    if (at == arenas_.end()) at = arenas_.begin();
    if (!wants(at->second)) continue;
    last_ = at->first;
    Turn turn(kStepsAtOnce);
    advance(at->first, at->second, turn);
    break;
  }
  return std::any_of(arenas_.begin(), arenas_.end(),
                     [&](const auto& entry) { return wants(entry.second); });
}

std::optional<std::int64_t> Trace::rest_ns() const {
  std::optional<std::int64_t> rest;
  const std::int64_t now = now_ns();
  for (const auto& [arena, traced] : arenas_) {
    if (!traced.cycle && traced.unrooted.empty()) continue;
    const std::int64_t mine = traced.cycle ? 0 : std::max<std::int64_t>(traced.due_ns - now, 0);
    rest = std::min(rest.value_or(mine), mine);
  }
  return rest;
}

std::uint64_t Trace::next_cycle(Index arena) const {
  const auto found = arenas_.find(arena);
  if (found == arenas_.end()) return 0;
  const Traced& traced = found->second;
  if (!traced.cycle && traced.unrooted.empty()) return 0;
  return traced.ended + (traced.cycle ? 2 : 1);
}

bool Trace::is_over(Index arena, std::uint64_t cycle) const {
  const auto found = arenas_.find(arena);
  if (found == arenas_.end()) return true;
  const Traced& traced = found->second;
  return traced.ended >= cycle || (!traced.cycle && traced.unrooted.empty());
}

bool Trace::hurry(Index arena, std::uint64_t cycle, Turn turn) {
  if (is_over(arena, cycle)) return false;
  advance(arena, arenas_.find(arena)->second, turn);
  return !is_over(arena, cycle);
}

// ---- a cycle ----

void Trace::begin(Index arena, Traced& traced) {
  Cycle& cycle = traced.cycle.emplace();
  cycle.judged.swap(traced.unrooted);
  cycle.left = kLooksAtEach * memories_.find(arena)->geometry().file_bytes;
  traced.fresh = false;
}

void Trace::end(Traced& traced) {
  const std::int64_t now = now_ns();
  const bool in_vain = traced.cycle->freed == 0 && !traced.fresh;
  traced.rest_ns = in_vain ? std::min(2 * traced.rest_ns, kLongestRestNs) : kFirstRestNs;
  traced.rest_ns = std::max(traced.rest_ns, kFirstRestNs);
  traced.not_before_ns = now + kRestsPerWork * traced.cycle->work_ns;
  traced.due_ns = std::max(now + traced.rest_ns, traced.not_before_ns);
  traced.cycle.reset();
  ++traced.ended;
}

void Trace::advance(Index arena, Traced& traced, Turn& turn) {
  const std::int64_t began = now_ns();
  if (!traced.cycle) begin(arena, traced);
  bool more = true;
  while (more && turn.step()) more = step(arena, traced);
  traced.cycle->work_ns += now_ns() - began;
  if (!more) end(traced);
}

// Whether there is more to do in this cycle.
bool Trace::step(Index arena, Traced& traced) {
  Cycle& cycle = *traced.cycle;
  if (cycle.judged.empty()) return false;
  if (cycle.ending) {
    free_next(cycle);
  } else if (cycle.walking != 0) {
    walk(arena, traced);
  } else if (!cycle.reached.empty()) {
    cycle.walking = cycle.reached.back();
    cycle.walk = {};
    cycle.reached.pop_back();
  } else if (!look_for_next(arena, cycle)) {
    if (cycle.lost) {
      traced.unrooted.merge(cycle.judged);
      return false;
    }
    cycle.ending = true;
    cycle.at = cycle.judged.begin();
  }
  return true;
}

// The next container that is not judged. False: there is none any more.
bool Trace::look_for_next(Index arena, Cycle& cycle) const {
  for (int i = 0; i < kRecordsAtOnce; ++i) {
    if (cycle.next >= catalog_.objects.end()) return false;
    const Index object = cycle.next++;
    const bool wanted = objects_.is_there(object) && objects_.record(object).arena == arena &&
                        objects_.record(object).allocates != 0 && !cycle.judged.contains(object);
    if (!wanted) continue;
    cycle.walking = objects_.id(object);
    cycle.walk = {};
    break;
  }
  return true;
}

void Trace::walk(Index arena, Traced& traced) {
  Cycle& cycle = *traced.cycle;
  // It may have been freed meanwhile: whoever held it held what was taken from it.
  const Index object = objects_.get(cycle.walking);
  const bool wanted = object != 0 && objects_.record(object).arena == arena &&
                      objects_.record(object).allocates != 0;
  memory::Walked walked = memory::Walked::kOver;
  if (wanted) {
    walked = memory::walk_references(objects_.view(object), memories_.find(arena)->home(),
                                     cycle.walk, cycle.left, kSlotsAtOnce, [&](std::uint64_t id) {
                                       const Index target = objects_.get(id);
                                       if (target == 0 || cycle.judged.erase(target) == 0) return;
                                       traced.unrooted.insert(target);
                                       cycle.reached.push_back(id);
                                     });
  }
  if (walked == memory::Walked::kMore) return;
  cycle.walking = 0;
  cycle.lost = cycle.lost || walked == memory::Walked::kLost;
}

void Trace::free_next(Cycle& cycle) {
  const Index object = *cycle.at;
  cycle.judged.erase(cycle.at++);
  objects_.free_unreached(object);
  ++cycle.freed;
}

}  // namespace shoal::daemon
