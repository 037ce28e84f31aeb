// The work that both sides of the rows of locks, semaphores, cells and waiting do. Knows nothing of
// shoal.
#pragma once

#include <chrono>
#include <cstdint>

#include "reference/peer.h"
#include "reference/side.h"

namespace reference {

// Rows of one process: one round is this many operations.
inline constexpr std::uint64_t kSyncRound = 4096;

// `step()` is one operation, and gives 1 if it was done.
template <typename Step>
std::uint64_t sync_rounds(std::uint64_t rounds, Step step) {
  std::uint64_t sum = 0;
  for (std::uint64_t i = 0; i < rounds * kSyncRound; ++i) {
    sum += step();
    keep(sum);
  }
  return sum;
}

// lock/contended2: two processes take one lock in turns, as they can get it, and count under it. A
// round is this many counts, whoever makes them, so that both compete until the end.
inline constexpr std::uint64_t kContendedRound = 512;

// Of the _work row: what each does between two holds.
inline constexpr int kOutsideSteps = 100;

inline void outside_work(int steps) {
  std::uint64_t value = 1;
  for (int i = 0; i < steps; ++i) {
    value = value * 0x9e3779b97f4a7c15 + 1;
    keep(value);
  }
}

// Counts until the target: how many of the counts were the caller's. A lock that lets two in loses
// counts, which makes the sum of both callers' greater than the target.
template <typename Take, typename Give>
std::uint64_t contend(PeerPage& page, int outside_steps, Take take, Give give) {
  std::uint64_t own = 0;
  for (;;) {
    take();
    const bool counts = page.counter < page.target;
    if (counts) page.counter += 1;
    give();
    if (!counts) return own;
    own += 1;
    outside_work(outside_steps);
  }
}

// A round of counts by `peer` and the caller together. Nobody may be at it.
template <typename Take, typename Give>
std::uint64_t contended_rounds(Peer& peer, std::uint64_t rounds, int outside_steps, Take take,
                               Give give) {
  PeerPage& page = peer.page();
  page.target = page.counter + rounds * kContendedRound;
  return peer.run(rounds, [&](std::uint64_t) { return contend(page, outside_steps, take, give); });
}

// wake/futex: two processes wake each other in turns. An operation is one hand-over, so a round
// trip is two. What is handed over is the turn to count, without any atomic. Whoever has the turn
// keeps it for so long that the other is fast asleep: else neither of them ever sleeps, or now and
// then, and what is measured is chance. These pauses are measured, too, and do not count.
inline constexpr auto kFallAsleep = std::chrono::microseconds(50);

inline void pause_with_turn(PeerPage& page) {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  auto now = start;
  while (now - start < kFallAsleep) now = Clock::now();
  page.paused_ns += static_cast<std::uint64_t>(std::chrono::nanoseconds(now - start).count());
}

// This process's part of `trips` round trips: `give` lets the other go on, `take` waits until it
// has done the same. The sum is that of the counts of the other.
template <typename Give, typename Take>
std::uint64_t wake_and_wait(PeerPage& page, std::uint64_t trips, Give give, Take take) {
  std::uint64_t sum = 0;
  for (std::uint64_t i = 0; i < trips; ++i) {
    const std::uint64_t mine = ++page.counter;
    pause_with_turn(page);
    give();
    take();
    sum += page.counter - mine;
  }
  return sum;
}

// The other process's.
template <typename Give, typename Take>
std::uint64_t wait_and_wake(PeerPage& page, std::uint64_t trips, Give give, Take take) {
  for (std::uint64_t i = 0; i < trips; ++i) {
    take();
    page.counter += 1;
    pause_with_turn(page);
    give();
  }
  return 0;
}

// Round trips by both. Nobody may be at it; `paused_ns` is that of the Side.
template <typename Give, typename Take>
std::uint64_t wake_rounds(Peer& peer, std::uint64_t rounds, double* paused_ns, Give give,
                          Take take) {
  PeerPage& page = peer.page();
  page.paused_ns = 0;
  const std::uint64_t sum =
      peer.run(rounds, [&](std::uint64_t trips) { return wake_and_wait(page, trips, give, take); });
  *paused_ns = static_cast<double>(page.paused_ns);
  return sum;
}

// wake/spin: round trips of a round, two operations each. Nobody pauses.
inline constexpr std::uint64_t kSpinRound = 256;

}  // namespace reference
