// The victim marks where its operation begins and ends in a page of its own, so that only the
// instructions between count.
#include "tests/crash/sweep.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>

namespace shoal::test {
namespace {

constexpr std::size_t kPageBytes = 4096;
constexpr std::size_t kViolationsMax = 20;

struct Marks {
  volatile int started;
  volatile int done;
};

// Bytes that parent and victim share through a memfd.
class SharedBytes {
 public:
  explicit SharedBytes(std::size_t size) : size_(size) {
    const int fd = memfd_create("sweep", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, static_cast<off_t>(size)) != 0) abort();
    void* at = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED) abort();
    close(fd);
    data_ = static_cast<std::byte*>(at);
  }
  SharedBytes(const SharedBytes&) = delete;
  SharedBytes& operator=(const SharedBytes&) = delete;
  ~SharedBytes() { munmap(data_, size_); }

  std::span<std::byte> span() const { return {data_, size_}; }

 private:
  std::byte* data_ = nullptr;
  std::size_t size_;
};

// A private copy at the start of a page, as a mapping would be.
class Copy {
 public:
  explicit Copy(std::span<const std::byte> from)
      : data_(static_cast<std::byte*>(
            aligned_alloc(kPageBytes, (from.size() + kPageBytes - 1) / kPageBytes * kPageBytes))),
        size_(from.size()) {
    memcpy(data_.get(), from.data(), size_);
  }
  std::span<std::byte> span() const { return {data_.get(), size_}; }
  bool equals(std::span<const std::byte> other) const {
    return memcmp(data_.get(), other.data(), size_) == 0;
  }

 private:
  struct Free {
    void operator()(std::byte* at) const { free(at); }
  };
  std::unique_ptr<std::byte, Free> data_;
  std::size_t size_;
};

// One traced child that performs the operation.
class Victim {
 public:
  Victim(const Operation& operation, std::span<std::byte> bytes)
      : marks_page_(kPageBytes), marks_(reinterpret_cast<Marks*>(marks_page_.span().data())) {
    pid_ = fork();
    if (pid_ < 0) abort();
    if (pid_ == 0) {
      if (ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) _exit(1);
      const std::function<void()> run = operation.victim(bytes);
      raise(SIGSTOP);
      marks_->started = 1;
      run();
      marks_->done = 1;
      _exit(0);
    }
    alive_ = wait_for_stop();
    while (alive_ && !marks_->started) alive_ = step_once();
  }
  Victim(const Victim&) = delete;
  Victim& operator=(const Victim&) = delete;
  ~Victim() { kill_now(); }

  bool alive() const { return alive_; }
  bool done() const { return marks_->done != 0; }

  // False if the victim is gone, which is no part of any operation.
  bool step() { return alive_ = step_once(); }

  void kill_now() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    int status = 0;
    while (waitpid(pid_, &status, 0) == pid_ && !WIFSIGNALED(status) && !WIFEXITED(status)) {
    }
    pid_ = -1;
    alive_ = false;
  }

 private:
  bool step_once() {
    if (ptrace(PTRACE_SINGLESTEP, pid_, nullptr, nullptr) != 0) return false;
    return wait_for_stop();
  }

  bool wait_for_stop() {
    int status = 0;
    pid_t got;
    do {
      got = waitpid(pid_, &status, 0);
    } while (got < 0 && errno == EINTR);
    if (got == pid_ && WIFSTOPPED(status)) return true;
    if (got == pid_) pid_ = -1;
    return false;
  }

  SharedBytes marks_page_;
  Marks* marks_;
  pid_t pid_ = -1;
  bool alive_ = false;
};

class Judge {
 public:
  Judge(const Operation& operation, SweepReport& report) : operation_(operation), report_(report) {}

  bool judge(std::span<const std::byte> bytes, std::size_t instruction, const char* how) {
    const Copy copy(bytes);
    const Verdict verdict = operation_.judge(copy.span());
    if (!verdict.violation.empty()) complain(instruction, how, verdict.violation);
    return verdict.done;
  }

  void complain(std::size_t instruction, const char* how, const std::string& what) {
    if (report_.violations.size() >= kViolationsMax) return;
    report_.violations.push_back(operation_.name + ", " + how + " after instruction " +
                                 std::to_string(instruction) + ": " + what);
  }

 private:
  const Operation& operation_;
  SweepReport& report_;
};

// Once in this process, so that lazily bound symbols and first-use tables cost the victim nothing.
void warm_up(const Operation& operation, std::size_t bytes) {
  const SharedBytes scratch(bytes);
  operation.prepare(scratch.span());
  operation.victim(scratch.span())();
}

}  // namespace

SweepReport sweep_states(const Operation& operation, std::size_t bytes) {
  SweepReport report;
  Judge judge(operation, report);
  warm_up(operation, bytes);
  const SharedBytes shared(bytes);
  operation.prepare(shared.span());
  bool done = judge.judge(shared.span(), 0, "stopped");
  if (done) judge.complain(0, "stopped", "done before it began");
  auto last = std::make_unique<Copy>(shared.span());

  Victim victim(operation, shared.span());
  while (victim.alive() && !victim.done() && victim.step()) {
    ++report.instructions;
    if (last->equals(shared.span())) continue;
    last = std::make_unique<Copy>(shared.span());
    ++report.states;
    const bool now = judge.judge(last->span(), report.instructions, "stopped");
    if (done && !now) judge.complain(report.instructions, "stopped", "the effect was undone");
    done = now;
  }
  if (!victim.alive()) {
    judge.complain(report.instructions, "stopped", "no ptrace, or the victim ended by itself");
  } else if (!judge.judge(shared.span(), report.instructions, "finished")) {
    judge.complain(report.instructions, "finished", "without effect");
  }
  return report;
}

SweepReport sweep_kills(const Operation& operation, std::size_t bytes, std::size_t instructions) {
  SweepReport report;
  report.instructions = instructions;
  Judge judge(operation, report);
  warm_up(operation, bytes);
  const bool every = instructions <= kEveryInstructionMax;
  std::mt19937_64 draw(instructions);
  const std::size_t rounds = every ? instructions : kDrawnPoints;
  for (std::size_t round = 1; round <= rounds; ++round) {
    const std::size_t point = every ? round : 1 + draw() % instructions;
    const SharedBytes shared(bytes);
    operation.prepare(shared.span());
    Victim victim(operation, shared.span());
    for (std::size_t at = 0; at < point && victim.alive() && !victim.done(); ++at) victim.step();
    if (!victim.alive()) {
      judge.complain(point, "killed", "no ptrace, or the victim ended by itself");
      break;
    }
    victim.kill_now();
    ++report.kills;
    judge.judge(shared.span(), point, "killed");
  }
  return report;
}

}  // namespace shoal::test
