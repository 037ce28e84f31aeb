// Kill sweeps: a process is stopped, or really killed, after every single instruction of an
// operation on shared bytes, and what it leaves behind is judged. Knows nothing of what the bytes
// mean. Needs ptrace; where that is refused the sweep reports a violation, it never skips.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "tests/crash/shared_bytes.h"

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

// A process that is stopped after each instruction of what `body` gives, which is as
// Operation::victim. `see` gets a copy of the shared bytes whenever they have changed; what it says
// is wrong with them ends the walk.
struct Walk {
  std::size_t instructions = 0;
  std::size_t states = 0;
  bool ended = false;     // the body has; else: no ptrace, it ended by itself, or it sleeps
  std::string violation;  // empty: all is well
};
enum class Sleeps { kNever, kUntilItsDeadline };
Walk walk_states(std::span<std::byte> shared,
                 const std::function<std::function<void()>(std::span<std::byte>)>& body,
                 Sleeps sleeps, const std::function<std::string(const Walk&, const Copy&)>& see);

}  // namespace shoal::test
