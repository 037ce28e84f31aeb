// A victim: a child process under ptrace, whose threads go on by single instructions, or to a given
// one, until it is killed. Knows nothing of what it does. Needs ptrace; where that is refused the
// victim is never ready, which whoever uses it must report as a failure.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/crash/shared_bytes.h"

namespace shoal::test {

class Traced {
 public:
  // What a thread does. Made in the child, outside of what is swept; may not touch the framework.
  using Body = std::function<int()>;
  using Setup = std::function<std::vector<Body>()>;

  // Returns when each of the `threads` threads stands before its body.
  Traced(std::size_t threads, const Setup& setup);
  Traced(const Traced&) = delete;
  Traced& operator=(const Traced&) = delete;
  ~Traced() { kill_now(); }

  [[nodiscard]] bool ready() const { return ready_; }
  [[nodiscard]] pid_t pid() const { return pid_; }

  enum class Step {
    kStepped,
    kBlocked,  // sleeps in a futex. Step again to see whether it still does
    kDone,     // the body has ended
    kGone,     // no ptrace, or it ended by itself, which is no part of any operation
  };
  Step step(std::size_t thread = 0);

  // Where a thread stands: the address of its next instruction; 0: not known on this machine.
  [[nodiscard]] std::uintptr_t where(std::size_t thread = 0) const;
  // Runs thread 0 until it stands before the instruction at `address`: kStepped. kDone: it did not
  // come there, and the process has ended. Only on machines that know `where`.
  Step run_to(std::uintptr_t address);
  // Runs all to the end.
  void finish();

  // What the body gave, once it is done.
  [[nodiscard]] int result(std::size_t thread = 0) const;

  // SIGKILL, and gone when this returns.
  void kill_now();

 private:
  struct Mark {
    volatile int started;
    volatile int done;
    volatile int result;
    volatile pid_t tid;
  };
  struct Thread {
    pid_t tid = -1;
    bool running = false;  // told to go on, and not seen to stop
  };

  [[noreturn]] void be_the_victim(std::size_t threads, const Setup& setup);
  void stand_and_run(std::size_t thread, const Body& body);
  bool gather(std::size_t threads);
  bool go(Thread& thread, int request);
  // Until it stops. False: it is gone, or sleeps.
  bool stopped(Thread& thread, bool* sleeps);
  [[nodiscard]] bool sleeps_in_futex(const Thread& thread) const;

  SharedBytes marks_page_;
  Mark* marks_;
  pid_t pid_ = -1;
  std::vector<Thread> threads_;
  std::uintptr_t replaced_ = 0;  // what run_to put a trap over
  bool ready_ = false;
};

// Whether the thread of a process sleeps in a futex, and on which word of the process.
bool sleeps_in_futex(pid_t pid, pid_t tid, std::uintptr_t* word);

}  // namespace shoal::test
