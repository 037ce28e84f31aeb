// Implements <shoal/inspect.h>.
#include "shoal/inspect.h"

#include <algorithm>
#include <map>
#include <span>
#include <tuple>
#include <utility>

#include "client/inspect_deadlocks.h"
#include "client/inspect_object.h"
#include "client/inspect_pages.h"
#include "client/inspect_proc.h"
#include "memory/session_page.h"
#include "schemas/text.h"
#include "shoal/admin.h"

namespace shoal {

using internal::ArenaSeen;
using internal::FileId;
using internal::SharedFile;
using protocol::text;

std::string_view purpose_name(WaitPurpose purpose) {
  return memory::purpose_name(static_cast<memory::Purpose>(purpose));
}

std::optional<absl::Time> LockSeen::since() const {
  const auto first = std::ranges::find_if(
      waiters, [](const WaitSeen& wait) { return wait.since != absl::InfinitePast(); });
  if (first == waiters.end()) return std::nullopt;
  return first->since;
}

struct Inspector::State {
  using ObjectKey = std::pair<std::uint64_t, std::uint64_t>;  // manager, object
  struct Name {
    std::string name;
    std::string arena;
  };

  explicit State(InspectOptions wanted) : options(std::move(wanted)), proc(options.proc) {}

  absl::Status look();
  void look_at_pages(std::map<FileId, SharedFile>& pages);
  void look_at_arena(SharedFile file);
  void look_at_objects();
  void add_lock(const ArenaSeen& arena, const memory::Descriptor& descriptor);
  void add_waiters();
  void fill_in(LockSeen& lock) const;
  void fill_in(ThreadSeen& thread) const;
  [[nodiscard]] bool is_wanted(std::uint64_t manager) const {
    return options.manager == 0 || manager == options.manager;
  }
  [[nodiscard]] ThreadSeen resolve(std::uint64_t manager, std::uint16_t slot,
                                   std::uint32_t thread) const;

  InspectOptions options;
  internal::MonotonicClock clock;
  mutable internal::ProcFiles proc;
  std::vector<SessionSeen> sessions;
  std::vector<WaitSeen> waits;
  std::vector<LockSeen> locks;
  std::vector<ArenaSeen> arenas;
  std::map<std::pair<std::uint64_t, std::uint16_t>, std::size_t> by_slot;  // of `sessions`
  std::map<ObjectKey, std::size_t> by_object;                              // of `locks`
  std::map<ObjectKey, Name> names;
  std::map<ObjectKey, std::string> labels;  // by manager and session
};

absl::Status Inspector::State::look() {
  const auto pids = proc.pids();
  if (!pids.has_value()) {
    return protocol::error(absl::StatusCode::kUnavailable, "there is no process file system at ",
                           options.proc, ": mount it, or look from where it is");
  }
  std::map<FileId, SharedFile> pages;
  std::map<FileId, SharedFile> memories;
  for (const pid_t pid : *pids) {
    for (internal::MappedFile& file : proc.memfds(pid)) {
      const bool is_page = file.name == "shoal-session";
      if (!is_page && file.name != "shoal-arena") continue;
      auto& files = is_page ? pages : memories;
      files.try_emplace(file.id, proc, file.id).first->second.add(pid, std::move(file.regions));
    }
  }
  look_at_pages(pages);
  for (auto& [id, file] : memories) look_at_arena(std::move(file));
  look_at_objects();
  return absl::OkStatus();
}

void Inspector::State::look_at_pages(std::map<FileId, SharedFile>& pages) {
  for (auto& [id, file] : pages) {
    file.choose_way();
    auto page = internal::read_page(file, proc, clock);
    if (!page.has_value() || !is_wanted(page->session.manager)) continue;
    waits.insert(waits.end(), page->waits.begin(), page->waits.end());
    sessions.push_back(std::move(page->session));
  }
  std::ranges::sort(sessions, {}, [](const SessionSeen& s) {
    return std::tuple(s.manager, s.pid != 0, s.session);
  });
  std::ranges::sort(waits, {}, [](const WaitSeen& w) {
    return std::tuple(w.since_ns, w.thread.manager, w.thread.session, w.thread.thread);
  });
  // A slot is used again; a page of its last session that a forked child maps says nothing more.
  for (std::size_t at = 0; at < sessions.size(); ++at) {
    by_slot.insert_or_assign({sessions[at].manager, sessions[at].slot}, at);
  }
}

void Inspector::State::look_at_arena(SharedFile file) {
  file.choose_way();
  const auto header = internal::read_header(file);
  if (!header.has_value() || !is_wanted(header->manager)) return;
  arenas.push_back({.manager = header->manager, .arena = header->arena, .file = std::move(file)});
}

void Inspector::State::look_at_objects() {
  std::map<ObjectKey, bool> waited_for;
  for (const WaitSeen& wait : waits) waited_for[{wait.thread.manager, wait.object}] = false;
  for (const ArenaSeen& arena : arenas) {
    internal::for_each_object(arena, [&](const memory::Descriptor& descriptor) {
      const auto awaited = waited_for.find({arena.manager, descriptor.id.load()});
      if (awaited != waited_for.end()) awaited->second = true;
      if (awaited != waited_for.end() || internal::may_be_held(descriptor)) {
        add_lock(arena, descriptor);
      }
    });
    // Somebody has used these, so they are no holes, though in no page table any more.
    for (auto& [key, found] : waited_for) {
      if (found || key.first != arena.manager) continue;
      const auto descriptor = internal::read_descriptor(arena, key.second);
      if (!descriptor.has_value()) continue;
      found = true;
      add_lock(arena, *descriptor);
    }
  }
  std::ranges::sort(locks, {}, [](const LockSeen& l) { return std::tuple(l.manager, l.object); });
  for (std::size_t at = 0; at < locks.size(); ++at) {
    by_object.try_emplace({locks[at].manager, locks[at].object}, at);
  }
  add_waiters();
  std::erase_if(
      locks, [](const LockSeen& lock) { return lock.waiters.empty() && !internal::is_held(lock); });
  by_object.clear();
}

void Inspector::State::add_lock(const ArenaSeen& arena, const memory::Descriptor& descriptor) {
  locks.push_back(
      internal::read_object(arena, descriptor, [&](std::uint16_t slot, std::uint32_t thread) {
        return resolve(arena.manager, slot, thread);
      }));
}

void Inspector::State::add_waiters() {
  for (const WaitSeen& wait : waits) {
    const auto lock = by_object.find({wait.thread.manager, wait.object});
    if (lock != by_object.end()) locks[lock->second].waiters.push_back(wait);
  }
}

ThreadSeen Inspector::State::resolve(std::uint64_t manager, std::uint16_t slot,
                                     std::uint32_t thread) const {
  ThreadSeen seen{.manager = manager, .slot = slot, .thread = thread};
  const auto at = by_slot.find({manager, slot});
  if (at == by_slot.end()) return seen;
  const SessionSeen& session = sessions[at->second];
  const auto known = std::ranges::lower_bound(session.threads, thread, {}, &ThreadSeen::thread);
  if (thread != 0 && known != session.threads.end() && known->thread == thread) return *known;
  seen.session = session.session;
  seen.pid = session.pid;
  seen.label = session.label;
  seen.stopped = session.stopped;
  return seen;
}

void Inspector::State::fill_in(ThreadSeen& thread) const {
  const auto label = labels.find({thread.manager, thread.session});
  if (label != labels.end()) thread.label = label->second;
}

void Inspector::State::fill_in(LockSeen& lock) const {
  const auto name = names.find({lock.manager, lock.object});
  if (name != names.end()) {
    lock.name = name->second.name;
    lock.arena_name = name->second.arena;
  }
  if (lock.holder.has_value()) fill_in(*lock.holder);
  for (HoldSeen& hold : lock.holders) fill_in(hold.holder);
  for (WaitSeen& wait : lock.waiters) fill_in(wait.thread);
}

absl::StatusOr<Inspector> Inspector::look(const InspectOptions& options) {
  auto state = std::make_unique<State>(options);
  if (absl::Status looked = state->look(); !looked.ok()) return looked;
  return Inspector(std::move(state));
}

Inspector::Inspector(std::unique_ptr<State> state) : state_(std::move(state)) {}
Inspector::Inspector(Inspector&&) noexcept = default;
Inspector& Inspector::operator=(Inspector&&) noexcept = default;
Inspector::~Inspector() = default;

absl::Status Inspector::ask(const Client& client) {
  const Admin admin(client);
  const auto manager = admin.manager();
  if (!manager.ok()) return manager.status();
  const auto clients = admin.clients();
  if (clients.ok()) {
    for (const ClientInfo& info : *clients)
      state_->labels[{manager->id, info.session}] = info.label;
  }
  const auto named = client.list();
  if (!named.ok()) return named.status();
  for (const ObjectInfo& info : *named) {
    state_->names[{manager->id, info.id}] = {.name = info.name, .arena = info.arena};
  }
  const auto unnamed = client.list_unnamed();
  if (!unnamed.ok()) return unnamed.status();
  for (const ObjectInfo& info : *unnamed) {
    state_->names[{manager->id, info.id}] = {.name = {}, .arena = info.arena};
  }
  for (LockSeen& lock : state_->locks) state_->fill_in(lock);
  for (WaitSeen& wait : state_->waits) state_->fill_in(wait.thread);
  for (SessionSeen& session : state_->sessions) {
    for (ThreadSeen& thread : session.threads) state_->fill_in(thread);
    const auto label = state_->labels.find({session.manager, session.session});
    if (label != state_->labels.end()) session.label = label->second;
  }
  return absl::OkStatus();
}

const std::vector<LockSeen>& Inspector::locks() const { return state_->locks; }
const std::vector<WaitSeen>& Inspector::waits() const { return state_->waits; }
const std::vector<SessionSeen>& Inspector::sessions() const { return state_->sessions; }
std::size_t Inspector::unreadable() const { return state_->proc.unreadable(); }

const LockSeen* Inspector::find(std::uint64_t manager, std::uint64_t object) const {
  const auto key = [](const LockSeen& lock) { return std::tuple(lock.manager, lock.object); };
  const auto at = std::ranges::lower_bound(state_->locks, std::tuple(manager, object), {}, key);
  const bool found = at != state_->locks.end() && key(*at) == std::tuple(manager, object);
  return found ? &*at : nullptr;
}

std::optional<LockSeen> Inspector::object(std::uint64_t manager, std::uint64_t id) const {
  if (const LockSeen* const lock = find(manager, id); lock != nullptr) return *lock;
  for (const ArenaSeen& arena : state_->arenas) {
    if (arena.manager != manager) continue;
    const auto descriptor = internal::read_descriptor(arena, id);
    if (!descriptor.has_value()) continue;
    LockSeen lock =
        internal::read_object(arena, *descriptor, [&](std::uint16_t slot, std::uint32_t thread) {
          return state_->resolve(manager, slot, thread);
        });
    state_->fill_in(lock);
    return lock;
  }
  return std::nullopt;
}

std::vector<Deadlock> Inspector::deadlocks() const {
  const auto find = [](const State& state) {
    return internal::find_deadlocks(state.locks, state.sessions);
  };
  std::vector<Deadlock> found = find(*state_);
  if (found.empty()) return found;
  // Every wait and every hold was there before and after one instant, if it is the same wait and
  // the same acquisition at a second look.
  State again(state_->options);
  if (!again.look().ok()) return {};
  const std::vector<Deadlock> second = find(again);
  const auto key = [](const DeadlockStep& s) {
    return std::tuple(s.thread.manager, s.thread.session, s.thread.thread, s.object, s.since_ns,
                      s.token);
  };
  std::erase_if(found, [&](const Deadlock& deadlock) {
    return std::ranges::none_of(second, [&](const Deadlock& other) {
      return std::ranges::equal(deadlock.steps, other.steps, {}, key, key);
    });
  });
  for (Deadlock& deadlock : found) {
    for (DeadlockStep& step : deadlock.steps) state_->fill_in(step.thread);
  }
  return found;
}

std::string Inspector::object_text(std::uint64_t manager, std::uint64_t object) const {
  const auto name = state_->names.find({manager, object});
  if (name != state_->names.end() && !name->second.name.empty()) {
    return text("\"", name->second.name, "\"");
  }
  return text("#", object);
}

}  // namespace shoal
