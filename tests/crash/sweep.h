// Kill sweeps: a process is stopped, or really killed, after every single instruction of an
// operation on shared bytes, and what it leaves behind is judged. Knows nothing of what the bytes
// mean. Needs ptrace; where that is refused the sweep reports a violation, it never skips.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace shoal::test {

// What a state means to those who live on.
struct Verdict {
  bool done = false;      // the operation took effect
  std::string violation;  // empty: all is well
};

struct Operation {
  std::string name;
  // Makes the bytes that the victim finds; they are zero before.
  std::function<void(std::span<std::byte>)> prepare;
  // Gives what the victim does. What it needs beforehand, an attached view say, is made outside of
  // what is swept. Neither may touch the test framework.
  std::function<std::function<void()>(std::span<std::byte>)> victim;
  // Judges a copy of the bytes, which it may change: read, recover, read again, go on.
  std::function<Verdict(std::span<std::byte>)> judge;
};

struct SweepReport {
  std::size_t instructions = 0;  // of the operation
  std::size_t states = 0;        // different bytes that were judged in the linear pass
  std::size_t kills = 0;         // real ones
  std::vector<std::string> violations;
};

// One victim, stopped after each instruction; the bytes are copied and judged whenever they have
// changed. Also judged: that the effect comes at one instruction and stays.
SweepReport sweep_states(const Operation& operation, std::size_t bytes);

// A victim of its own killed by SIGKILL at each instruction, where `instructions` of the operation
// are at most kEveryInstructionMax, else at kDrawnPoints of them.
inline constexpr std::size_t kEveryInstructionMax = 2000;
inline constexpr std::size_t kDrawnPoints = 50;
SweepReport sweep_kills(const Operation& operation, std::size_t bytes, std::size_t instructions);

}  // namespace shoal::test
