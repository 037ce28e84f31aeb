// See inspect_deadlocks.h.
#include "client/inspect_deadlocks.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>

namespace shoal::internal {
namespace {

using SessionKey = std::pair<std::uint64_t, std::uint64_t>;  // manager, session

SessionKey key_of(const ThreadSeen& thread) { return {thread.manager, thread.session}; }

// One way for a need to be met: these threads go on. Stuck while one of them is.
struct Way {
  std::vector<std::size_t> threads;  // that wait
  std::size_t stuck = 0;             // of these
  // Any thread of this one could: what the process holds is certain only while all are stuck.
  std::optional<SessionKey> process;
};

// What threads wait for: an object, for one purpose.
struct Need {
  const LockSeen* lock = nullptr;
  bool all = false;  // of its ways must be free; else one
  bool certain = true;
  std::vector<Way> ways;
  std::size_t ways_stuck = 0;
  std::vector<std::size_t> waiters;
  bool stuck = true;
};

struct Waiter {
  const WaitSeen* wait = nullptr;
  std::size_t need = 0;
  std::vector<std::pair<std::size_t, std::size_t>> in;  // needs, and which of their ways
};

// Nodes are threads, then needs.
class Graph {
 public:
  Graph(const std::vector<LockSeen>& locks, const std::vector<SessionSeen>& sessions) {
    for (const SessionSeen& session : sessions) {
      threads_of_[{session.manager, session.session}] = session.threads.size();
    }
    for (const LockSeen& lock : locks) add_waiters(lock);
    for (std::size_t at = 0; at < needs_.size(); ++at) add_ways(at);
    release_all_that_can_go_on();
    connect();
  }

  std::vector<Deadlock> circles() {
    std::vector<Deadlock> found;
    for (const std::vector<std::size_t>& group : groups()) found.push_back(circle(group));
    return found;
  }

 private:
  void add_waiters(const LockSeen& lock) {
    std::map<WaitPurpose, std::size_t> by_purpose;
    for (const WaitSeen& wait : lock.waiters) {
      const auto [at, is_new] = by_purpose.try_emplace(wait.purpose, needs_.size());
      if (is_new) needs_.push_back({.lock = &lock, .ways = {}, .waiters = {}});
      needs_[at->second].waiters.push_back(waiters_.size());
      by_process_[key_of(wait.thread)].push_back(waiters_.size());
      waiters_.push_back({.wait = &wait, .need = at->second, .in = {}});
    }
  }

  void add_ways(std::size_t at) {
    Need& need = needs_[at];
    const LockSeen& lock = *need.lock;
    const WaitPurpose purpose = waiters_[need.waiters.front()].wait->purpose;
    const bool for_lock = purpose == WaitPurpose::kLock || purpose == WaitPurpose::kShared ||
                          purpose == WaitPurpose::kStore;
    const std::optional<ThreadSeen>& holder = lock.holder_for(purpose);
    if (for_lock && holder.has_value()) {
      need.certain = !lock.release_by_anyone;
      need.ways.push_back(way_of(lock, *holder));
    } else if (purpose == WaitPurpose::kReaders || purpose == WaitPurpose::kShared ||
               (purpose == WaitPurpose::kPermit && !lock.plain && lock.value == 0)) {
      need.all = purpose == WaitPurpose::kReaders;
      for (const HoldSeen& hold : lock.holders) need.ways.push_back(way_of(lock, hold.holder));
    }
    for (std::size_t i = 0; i < need.ways.size(); ++i) {
      Way& way = need.ways[i];
      way.stuck = way.threads.size();
      if (way.stuck > 0) ++need.ways_stuck;
      for (const std::size_t thread : way.threads) waiters_[thread].in.emplace_back(at, i);
    }
  }

  Way way_of(const LockSeen& lock, const ThreadSeen& holder) const {
    Way way;
    if (is_of_process(lock, holder)) way.process = key_of(holder);
    const auto process = by_process_.find(key_of(holder));
    if (holder.session == 0 || process == by_process_.end()) return way;
    for (const std::size_t at : process->second) {
      const std::uint32_t thread = waiters_[at].wait->thread.thread;
      if (holder.thread == 0 || thread == holder.thread) way.threads.push_back(at);
    }
    return way;
  }

  // Of a Lock and of a SharedLock's writer, the thread that acquired it is known, but any thread of
  // its process may release it.
  static bool is_of_process(const LockSeen& lock, const ThreadSeen& holder) {
    return holder.thread == 0 || lock.kind == Kind::kLock || lock.kind == Kind::kSharedLock;
  }

  // After all that can go on has been released.
  [[nodiscard]] bool is_certain(const Way& way) const {
    if (!way.process.has_value()) return true;
    const auto threads = threads_of_.find(*way.process);
    const auto stuck = stuck_of_.find(*way.process);
    return threads != threads_of_.end() && stuck != stuck_of_.end() &&
           stuck->second == threads->second;
  }

  static bool is_stuck(const Need& need) {
    if (need.all) return need.ways_stuck > 0;
    return !need.ways.empty() && need.ways_stuck == need.ways.size();
  }

  void release_all_that_can_go_on() {
    std::vector<std::size_t> free;
    const auto look_at = [&](std::size_t at) {
      if (!needs_[at].stuck || is_stuck(needs_[at])) return;
      needs_[at].stuck = false;
      free.push_back(at);
    };
    for (std::size_t at = 0; at < needs_.size(); ++at) look_at(at);
    while (!free.empty()) {
      const std::size_t need = free.back();
      free.pop_back();
      for (const std::size_t waiter : needs_[need].waiters) {
        for (const auto& [of, way] : waiters_[waiter].in) {
          if (--needs_[of].ways[way].stuck > 0) continue;
          --needs_[of].ways_stuck;
          look_at(of);
        }
      }
    }
  }

  void connect() {
    out_.resize(waiters_.size() + needs_.size());
    for (std::size_t at = 0; at < needs_.size(); ++at) {
      if (!needs_[at].stuck) continue;
      for (const std::size_t waiter : needs_[at].waiters) {
        ++stuck_of_[key_of(waiters_[waiter].wait->thread)];
        out_[waiter].push_back(waiters_.size() + at);
      }
      for (const Way& way : needs_[at].ways) {
        for (const std::size_t thread : way.threads) {
          if (needs_[waiters_[thread].need].stuck) out_[waiters_.size() + at].push_back(thread);
        }
      }
    }
  }

  // Tarjan's strongly connected components, those that are circles; without recursion, since a
  // chain may be as long as there are threads. Only the threads of each, sorted.
  std::vector<std::vector<std::size_t>> groups() const {
    constexpr std::size_t kUnseen = SIZE_MAX;
    struct Visit {
      std::size_t node;
      std::size_t next;
    };
    std::vector<std::vector<std::size_t>> found;
    std::vector<std::size_t> number(out_.size(), kUnseen), low(out_.size());
    std::vector<bool> open(out_.size());
    std::vector<std::size_t> stack;
    std::vector<Visit> path;
    std::size_t counter = 0;
    const auto enter = [&](std::size_t node) {
      number[node] = low[node] = counter++;
      stack.push_back(node);
      open[node] = true;
      path.push_back({node, 0});
    };
    for (std::size_t start = 0; start < out_.size(); ++start) {
      if (number[start] == kUnseen) enter(start);
      while (!path.empty()) {
        const std::size_t node = path.back().node;
        if (path.back().next < out_[node].size()) {
          const std::size_t next = out_[node][path.back().next++];
          if (number[next] == kUnseen) {
            enter(next);
          } else if (open[next]) {
            low[node] = std::min(low[node], number[next]);
          }
          continue;
        }
        path.pop_back();
        if (!path.empty()) low[path.back().node] = std::min(low[path.back().node], low[node]);
        if (low[node] != number[node]) continue;
        std::vector<std::size_t> threads;
        std::size_t size = 0;
        for (std::size_t member = kUnseen; member != node; ++size) {
          member = stack.back();
          stack.pop_back();
          open[member] = false;
          if (member < waiters_.size()) threads.push_back(member);
        }
        if (size == 1) continue;  // a thread never leads to itself but through a need
        std::ranges::sort(threads);
        found.push_back(std::move(threads));
      }
    }
    std::ranges::sort(found);
    return found;
  }

  // The shortest way from the group's first thread back to it.
  Deadlock circle(const std::vector<std::size_t>& group) const {
    const std::size_t start = group.front();
    std::map<std::size_t, std::size_t> from;  // within the group, and needs beside it
    std::vector<std::size_t> queue = {start};
    for (std::size_t at = 0; at < queue.size() && !from.contains(start); ++at) {
      for (const std::size_t next : out_[queue[at]]) {
        const bool inside = next >= waiters_.size() || std::ranges::binary_search(group, next);
        if (inside && from.try_emplace(next, queue[at]).second) queue.push_back(next);
      }
    }
    std::vector<std::size_t> nodes;
    std::size_t node = start;
    do {
      node = from.at(node);
      nodes.push_back(node);
    } while (node != start);
    std::ranges::reverse(nodes);
    Deadlock deadlock;
    for (std::size_t i = 0; i < nodes.size(); i += 2) {
      const Need& need = needs_[nodes[i + 1] - waiters_.size()];
      const std::size_t holder = nodes[(i + 2) % nodes.size()];
      const WaitSeen& wait = *waiters_[nodes[i]].wait;
      deadlock.steps.push_back({.thread = wait.thread,
                                .object = wait.object,
                                .purpose = wait.purpose,
                                .since_ns = wait.since_ns,
                                .token = need.lock->token});
      deadlock.certain &= need.certain && std::ranges::all_of(need.ways, [&](const Way& way) {
                            const bool matters =
                                !need.all || std::ranges::count(way.threads, holder) > 0;
                            return !matters || is_certain(way);
                          });
    }
    return deadlock;
  }

  std::vector<Waiter> waiters_;
  std::vector<Need> needs_;
  std::map<SessionKey, std::vector<std::size_t>> by_process_;
  std::map<SessionKey, std::size_t> threads_of_;
  std::map<SessionKey, std::size_t> stuck_of_;  // threads that wait for what never comes
  std::vector<std::vector<std::size_t>> out_;
};

}  // namespace

std::vector<Deadlock> find_deadlocks(const std::vector<LockSeen>& locks,
                                     const std::vector<SessionSeen>& sessions) {
  return Graph(locks, sessions).circles();
}

}  // namespace shoal::internal
