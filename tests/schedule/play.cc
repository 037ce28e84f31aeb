// See play.h.
#include "tests/schedule/play.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace shoal::test {
namespace {

constexpr std::uint64_t kId = std::uint64_t{7} << 32 | 1;
constexpr std::uint16_t kFirstSlot = 1;
constexpr std::uint16_t kManagerSlot = 0;

// One for all plays: they run one after the other.
alignas(4096) std::byte g_arena[2 * memory::kChunkBytes];

}  // namespace

Play::Play() : arena_(g_arena) {}

// ---- before ----

void Play::start(Scheduler& scheduler, const Fate& fate) {
  scheduler_ = &scheduler;
  fate_ = fate;
  begin();
  for (int i = 0; i < fate.victims; ++i) {
    processes_[random(processes_.size())]->dies_at = 1 + random(fate.step_limit);
  }
  add_manager();
  manager_processes_.back()->dies_at = fate.manager_dies;
}

void Play::lay(memory::ObjectKind kind, std::uint16_t flags, std::uint64_t parameter) {
  const std::uint64_t block = memory::block_bytes(kind, flags, parameter) != 0 ? kBlock : 0;
  std::memset(arena_, 0, sizeof(memory::ArenaHeader));
  std::memset(arena_ + memory::Geometry::kObjectTable + kIndex * memory::kDescriptorBytes, 0,
              memory::kDescriptorBytes);
  std::memset(arena_ + kBlock, 0, 4096);
  memory::NewObject made;
  made.index = kIndex;
  made.id = kId;
  made.kind = kind;
  made.flags = flags;
  made.parameter = parameter;
  made.block = block;
  memory::lay_object(arena_, made);
  object_ = memory::view_of(arena_, kId, kind, flags, parameter, block);
}

Process& Play::add_process() {
  const auto slot = static_cast<std::uint16_t>(kFirstSlot + processes_.size());
  return *processes_.emplace_back(&scheduler_->add_process(slot));
}

void Play::add_thread(Process& process, std::function<void(memory::Caller&)> body) {
  std::uint32_t number = 1;
  for (const memory::Caller& caller : callers_) number += caller.slot() == process.slot ? 1 : 0;
  memory::Caller& caller = callers_.emplace_back();
  caller.owner = memory::owner_of(process.slot, number);
  caller.spins = caller.spins_max = static_cast<std::uint32_t>(random(2));
  scheduler_->add_thread(process, "P" + std::to_string(process.slot) + "." + std::to_string(number),
                         [&caller, body = std::move(body)] { body(caller); });
}

// ---- the manager ----

void Play::add_manager() {
  ++managers_;
  Process& process = scheduler_->add_process(kManagerSlot);
  manager_processes_.push_back(&process);
  memory::Caller& caller = callers_.emplace_back();
  scheduler_->add_thread(process, "M" + std::to_string(managers_), [&] { manage(caller); });
}

void Play::manage(memory::Caller& caller) {
  for (;;) {
    Process* gone = nullptr;
    const auto has_work = [&] {
      for (Process* process : processes_) {
        const bool left = process->dead || (process->ended && fate_.leave);
        if (left && !process->recovered) gone = process;
      }
      return gone != nullptr ||
             (fate_.retired_at != 0 && !retired_ && scheduler_->steps() >= fate_.retired_at);
    };
    scheduler_->wait_for(has_work);
    if (gone == nullptr) {
      memory::retire_object(object_);
      retired_ = true;
      continue;
    }
    gone->recovery_begun = true;
    memory::recover_object(object_, caller, gone->slot, gone->dead);
    gone->recovered = true;
    on_recovered(*gone);
  }
}

// ---- in between ----

std::string Play::on_all_asleep(bool for_ever) { return for_ever ? "sleeps for ever" : ""; }

std::string Play::on_idle(bool for_ever) {
  std::string wrong = retired_ ? "sleeps in an object that is no more" : on_all_asleep(for_ever);
  if (wrong.empty()) return wrong;
  std::string who;
  for (const Thread& thread : scheduler_->threads()) {
    if (thread.state == Thread::State::kSleeping) who += thread.name + " ";
  }
  return who + wrong;
}

void Play::on_death(Process& process) {
  const bool of_managers = std::find(manager_processes_.begin(), manager_processes_.end(),
                                     &process) != manager_processes_.end();
  if (of_managers) {
    add_manager();
  } else {
    on_killed(process);
  }
}

memory::Deadline Play::some_deadline() {
  switch (random(6)) {
    case 0:
      return 0;
    case 1:
      return scheduler_->now() + 1 + static_cast<std::int64_t>(random(100));
    default:
      return memory::kForever;
  }
}

void Play::expect(bool holds, const char* what) {
  if (!holds) scheduler_->fail(what);
}

void Play::pause() { scheduler_->step(&object_.descriptor->id); }

Process& Play::process_of(const memory::Caller& caller) {
  return *processes_[caller.slot() - kFirstSlot];
}

bool Play::all_recovered() const {
  return std::all_of(processes_.begin(), processes_.end(),
                     [](const Process* process) { return !process->dead || process->recovered; });
}

// ---- the trace ----

bool Play::is_shared(const void* word) const {
  const auto* const at = static_cast<const std::byte*>(word);
  return at >= arena_ && at < arena_ + kArenaBytes;
}

std::string Play::name_of(const void* word) const {
  const memory::Descriptor& d = *object_.descriptor;
  const std::pair<const void*, const char*> names[] = {{&d.id, "id"},
                                                       {&d.lock, "lock"},
                                                       {&d.depth, "depth"},
                                                       {&d.token, "token"},
                                                       {&d.abandoned, "abandoned"},
                                                       {&d.event, "event"},
                                                       {&d.value, "value"},
                                                       {&d.hint, "hint"},
                                                       {&d.recoveries, "recoveries"},
                                                       {&d.contended, "contended"}};
  for (const auto& [at, name] : names) {
    if (at == word) return name;
  }
  return "bytes+" + std::to_string(static_cast<const std::byte*>(word) - object_.bytes);
}

}  // namespace shoal::test
