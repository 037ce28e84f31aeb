// A victim marks where its body begins and ends in a page of its own, so that only the instructions
// between count.
#include "tests/crash/traced.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

namespace shoal::test {
namespace {

constexpr std::size_t kPageBytes = 4096;
constexpr unsigned long kOptions = PTRACE_O_EXITKILL;
constexpr std::int64_t kLookNs = 1'000'000;  // without a stop for so long: perhaps it sleeps

// Stops arrive as SIGCHLD, which is waited for with a limit; so it may not be delivered. For all
// threads of the test, and for children until they are ready.
void block_child_signal(int how) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  pthread_sigmask(how, &set, nullptr);
}

// False: none came for a while.
bool wait_for_child_signal() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  const timespec limit{.tv_sec = 0, .tv_nsec = kLookNs};
  return sigtimedwait(&set, nullptr, &limit) == SIGCHLD;
}

// Victim and tracer take turns, so they do best on one processor. Which one is chosen anew for each
// victim, so that several sweeps spread.
class OneProcessor {
 public:
  OneProcessor() {
    static const cpu_set_t kAll = [] {
      cpu_set_t all;
      sched_getaffinity(0, sizeof all, &all);
      return all;
    }();
    sched_setaffinity(0, sizeof kAll, &kAll);
    const int here = sched_getcpu();
    if (here < 0) return;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(static_cast<unsigned>(here), &one);
    sched_setaffinity(0, sizeof one, &one);
  }
};

// The place before the body: a stop that needs no call into a library, where there is one.
void stand() {
#if defined(__x86_64__)
  asm volatile("int3");
#else
  raise(SIGTRAP);
#endif
}

}  // namespace

bool sleeps_in_futex(pid_t pid, pid_t tid, std::uintptr_t* word) {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%d/task/%d/syscall", pid, tid);
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  char text[128] = {};
  const ssize_t got = read(fd, text, sizeof text - 1);
  close(fd);
  if (got <= 0) return false;
  long number = -1;
  unsigned long at = 0;
  // "running" while it does not sleep.
  if (std::sscanf(text, "%ld %lx", &number, &at) != 2 || number != SYS_futex) return false;
  *word = at;
  return true;
}

Traced::Traced(std::size_t threads, const Setup& setup)
    : marks_page_(kPageBytes), marks_(reinterpret_cast<Mark*>(marks_page_.span().data())) {
  block_child_signal(SIG_BLOCK);
  const OneProcessor pinned;
  pid_ = fork();
  if (pid_ < 0) abort();
  if (pid_ == 0) be_the_victim(threads, setup);
  ready_ = gather(threads);
}

void Traced::be_the_victim(std::size_t threads, const Setup& setup) {
  block_child_signal(SIG_UNBLOCK);
  if (ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) _exit(1);
  if (threads > 1) raise(SIGSTOP);
  std::vector<Body> bodies = setup();
  if (bodies.size() != threads) _exit(1);
  std::vector<std::thread> others;
  for (std::size_t i = 1; i < threads; ++i) {
    others.emplace_back([this, i, &bodies] { stand_and_run(i, bodies[i]); });
  }
  stand_and_run(0, bodies[0]);
  for (std::thread& other : others) other.join();
  _exit(0);
}

void Traced::stand_and_run(std::size_t thread, const Body& body) {
  Mark& mark = marks_[thread];
  mark.tid = static_cast<pid_t>(syscall(SYS_gettid));
  stand();
  mark.started = 1;
  mark.result = body();
  mark.done = 1;
}

// Until every thread stands before its body. With several, the child stops once beforehand, so that
// it can be asked to tell of its clones.
bool Traced::gather(std::size_t threads) {
  threads_ = {{.tid = pid_, .running = true}};
  std::size_t standing = 0;
  for (std::size_t at = 0; standing < threads; at = (at + 1) % threads_.size()) {
    int status = 0;
    const pid_t tid = threads_[at].tid;
    if (waitpid(tid, &status, WNOHANG | __WALL) != tid) {
      if (at + 1 == threads_.size()) (void)wait_for_child_signal();
      continue;
    }
    if (!WIFSTOPPED(status)) return false;
    if (status >> 8 == (SIGTRAP | PTRACE_EVENT_CLONE << 8)) {
      unsigned long clone = 0;
      ptrace(PTRACE_GETEVENTMSG, tid, nullptr, &clone);
      threads_.push_back({.tid = static_cast<pid_t>(clone), .running = true});
    } else if (WSTOPSIG(status) == SIGTRAP) {
      ++standing;
      continue;
    } else if (WSTOPSIG(status) != SIGSTOP) {
      return false;
    }
    if (threads > 1) ptrace(PTRACE_SETOPTIONS, tid, nullptr, kOptions | PTRACE_O_TRACECLONE);
    ptrace(PTRACE_CONT, tid, nullptr, nullptr);
  }
  if (threads_.size() != threads) return false;
  for (std::size_t i = 0; i < threads; ++i) {
    threads_[i] = {.tid = marks_[i].tid, .running = false};
    ptrace(PTRACE_SETOPTIONS, threads_[i].tid, nullptr, kOptions);
    while (marks_[i].started == 0) {
      if (const Step step = this->step(i); step != Step::kStepped) return false;
    }
  }
  return true;
}

bool Traced::go(Thread& thread, int request) {
  if (thread.running) return true;
  if (ptrace(static_cast<__ptrace_request>(request), thread.tid, nullptr, nullptr) != 0) {
    return false;
  }
  thread.running = true;
  return true;
}

bool Traced::sleeps_in_futex(const Thread& thread) const {
  std::uintptr_t word = 0;
  return test::sleeps_in_futex(pid_, thread.tid, &word);
}

bool Traced::stopped(Thread& thread, bool* sleeps) {
  bool may_sleep = false;
  for (;;) {
    int status = 0;
    const pid_t got = waitpid(thread.tid, &status, WNOHANG | __WALL);
    if (got == thread.tid) {
      thread.running = false;
      if (!WIFSTOPPED(status) && thread.tid == pid_) pid_ = -1;
      return WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP;
    }
    if (got < 0 && errno != EINTR) return false;
    // It slept before this look for a stop: one that has just come would look like sleep.
    if (may_sleep) {
      *sleeps = true;
      return false;
    }
    may_sleep = !wait_for_child_signal() && sleeps_in_futex(thread);
  }
}

Traced::Step Traced::step(std::size_t thread) {
  Thread& one = threads_[thread];
  bool sleeps = false;
  if (!go(one, PTRACE_SINGLESTEP)) return Step::kGone;
  (void)wait_for_child_signal();  // as a rule it has stopped by then
  if (!stopped(one, &sleeps)) return sleeps ? Step::kBlocked : Step::kGone;
  return marks_[thread].done != 0 ? Step::kDone : Step::kStepped;
}

std::uintptr_t Traced::where(std::size_t thread) const {
#if defined(__x86_64__)
  const long at =
      ptrace(PTRACE_PEEKUSER, threads_[thread].tid, offsetof(user_regs_struct, rip), nullptr);
  return static_cast<std::uintptr_t>(at);
#else
  (void)thread;
  return 0;
#endif
}

Traced::Step Traced::run_to(std::uintptr_t address) {
#if defined(__x86_64__)
  Thread& one = threads_[0];
  const std::uintptr_t word = address & ~std::uintptr_t{7};
  const unsigned shift = static_cast<unsigned>(address - word) * 8;
  if (!one.running) {
    if (where() == address) return Step::kStepped;
    errno = 0;
    replaced_ = static_cast<std::uintptr_t>(ptrace(PTRACE_PEEKTEXT, one.tid, word, nullptr));
    if (errno != 0) return Step::kGone;
    const std::uintptr_t trap =
        (replaced_ & ~(std::uintptr_t{0xff} << shift)) | std::uintptr_t{0xcc} << shift;
    ptrace(PTRACE_POKETEXT, one.tid, word, trap);
    if (!go(one, PTRACE_CONT)) return Step::kGone;
    (void)wait_for_child_signal();
  }
  bool sleeps = false;
  if (!stopped(one, &sleeps)) {
    if (sleeps) return Step::kBlocked;
    return marks_[0].done != 0 ? Step::kDone : Step::kGone;
  }
  ptrace(PTRACE_POKETEXT, one.tid, word, replaced_);
  if (where() != address + 1) return Step::kGone;
  ptrace(PTRACE_POKEUSER, one.tid, offsetof(user_regs_struct, rip), address);
  return Step::kStepped;
#else
  (void)address;
  return Step::kGone;
#endif
}

void Traced::finish() {
  for (Thread& thread : threads_) (void)go(thread, PTRACE_CONT);
  int status = 0;
  while (waitpid(pid_, &status, __WALL) == pid_ && !WIFSIGNALED(status) && !WIFEXITED(status)) {
  }
  pid_ = -1;
}

int Traced::result(std::size_t thread) const { return marks_[thread].result; }

void Traced::kill_now() {
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  int status = 0;
  for (const Thread& thread : threads_) {
    if (thread.tid <= 0 || thread.tid == pid_) continue;
    while (waitpid(thread.tid, &status, __WALL) == thread.tid && WIFSTOPPED(status)) {
    }
  }
  while (waitpid(pid_, &status, __WALL) == pid_ && !WIFSIGNALED(status) && !WIFEXITED(status)) {
  }
  pid_ = -1;
}

}  // namespace shoal::test
