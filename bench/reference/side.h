// One of the two things a row compares. Both sides of a row do the same work in rounds: a fixed
// sequence of operations with known results, so that two sides that did different numbers of
// rounds can still be held against each other. Knows nothing of shoal.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace reference {

class Side {
 public:
  Side() = default;
  Side(const Side&) = delete;
  Side& operator=(const Side&) = delete;
  virtual ~Side() = default;

  // Does `rounds` rounds: this is what is timed. Returns the sum of every operation's result,
  // modulo 2^64; every round adds the same.
  virtual std::uint64_t run(std::uint64_t rounds) = 0;

  // Nanoseconds of the last run that it passed on purpose and that do not count.
  [[nodiscard]] virtual double paused_ns() const { return 0; }

  // What the rounds left behind, read back after the timing; any whole number of rounds leaves the
  // same.
  virtual std::uint64_t digest() { return 0; }
};

// Makes the compiler produce `value` here and now, at no cost beyond that. Google Benchmark's
// DoNotOptimize may send it through memory, which would hide half of what a one-word copy costs.
template <typename Word>
inline void keep(Word value) {
  asm volatile("" : : "r"(value));
}

// Makes the compiler believe that all memory was read and changed here, so that no copy is left
// out.
inline void touch_memory() { asm volatile("" : : : "memory"); }

// A measurement that cannot go on has nothing to clean up: children and managers end with us.
[[noreturn]] inline void give_up(const char* what, const char* why) {
  std::fprintf(stderr, "shoal_bench: %s: %s\n", what, why);
  std::exit(1);
}

}  // namespace reference
