// A play: a few simulated processes work on one object of memory/, one of them may be killed, and a
// manager recovers what it leaves. Each kind of object has its own, which says what must hold.
//
// Threads of a play call memory/ and tell the play what they were told; the play compares. Between
// two accesses of shared words nothing else runs, so plain members suffice for that.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>

#include "memory/caller.h"
#include "memory/futex.h"
#include "memory/object.h"
#include "memory/recover.h"
#include "tests/schedule/scheduler.h"

namespace shoal::test {

// What befalls a run, drawn from the seed.
struct Fate {
  int victims = 0;                 // how many processes are killed, each ...
  std::uint64_t step_limit = 1;    // ... at a step below this
  std::uint64_t manager_dies = 0;  // at its step; another takes over. 0: it lives
  bool leave = false;  // who has ended gives its reference back, which makes everybody look again
  std::uint64_t retired_at = 0;  // the object ends at this step. 0: it stays
};

class Play : public Observer {
 public:
  Play();

  // Lays the object and adds the threads.
  virtual void begin() = 0;
  // After all of it: what is wrong, or nothing.
  virtual std::string on_end() { return {}; }
  // Threads sleep, and nobody is ready.
  virtual std::string on_all_asleep(bool for_ever);
  virtual void on_killed(Process&) {}
  virtual void on_recovered(Process&) {}

  void start(Scheduler& scheduler, const Fate& fate);

  std::string on_idle(bool for_ever) final;
  void on_death(Process& process) final;
  [[nodiscard]] std::string name_of(const void* word) const final;
  [[nodiscard]] bool is_shared(const void* word) const final;

 protected:
  void lay(memory::ObjectKind kind, std::uint16_t flags, std::uint64_t parameter);
  Process& add_process();
  void add_thread(Process& process, std::function<void(memory::Caller&)> body);

  [[nodiscard]] Scheduler& scheduler() { return *scheduler_; }
  [[nodiscard]] const memory::ObjectView& object() const { return object_; }
  [[nodiscard]] memory::Descriptor& descriptor() const { return *object_.descriptor; }
  template <typename Look>
  auto quietly(Look look) {
    return scheduler_->quietly(look);
  }
  std::uint64_t random(std::uint64_t below) { return scheduler_->random(below); }
  // A deadline for one call, most often none.
  memory::Deadline some_deadline();
  void expect(bool holds, const char* what);
  // A moment in which others may run.
  void pause();
  [[nodiscard]] bool was_retired() const { return retired_; }
  // The process was killed, and its manager has begun to take back what it held.
  [[nodiscard]] static bool is_taken_back(const Process& process) {
    return process.dead && process.recovery_begun;
  }
  [[nodiscard]] Process& process_of(const memory::Caller& caller);
  // Every process that was killed has been recovered.
  [[nodiscard]] bool all_recovered() const;
  // Some manager was killed, so that a recovery was done twice, perhaps.
  [[nodiscard]] bool manager_died() const { return managers_ > 1; }

 private:
  static constexpr std::size_t kArenaBytes = 2 * memory::kChunkBytes;
  static constexpr std::uint32_t kIndex = 1;
  static constexpr std::uint64_t kBlock = memory::kChunkBytes + 4096;

  void add_manager();
  void manage(memory::Caller& caller);

  std::byte* arena_;
  memory::ObjectView object_;
  Scheduler* scheduler_ = nullptr;
  Fate fate_;
  std::deque<memory::Caller> callers_;
  std::deque<Process*> processes_;
  std::deque<Process*> manager_processes_;
  int managers_ = 0;
  bool retired_ = false;
};

}  // namespace shoal::test
