// See session.h and threads.h. Here: a thread's first call, and its end.
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <new>

#include "client/session.h"
#include "memory/session_page.h"
#include "schemas/text.h"

namespace shoal::internal {

LiveSessions& LiveSessions::get() {
  static auto* const sessions = new LiveSessions;
  return *sessions;
}

std::uint64_t LiveSessions::add(const std::shared_ptr<Session>& session) {
  const std::lock_guard lock(state_mutex_);
  all_[++last_] = session;
  return last_;
}

void LiveSessions::remove(std::uint64_t number) {
  const std::lock_guard lock(state_mutex_);
  all_.erase(number);
}

bool LiveSessions::is_held_elsewhere(std::uint64_t object, const std::string& arena) {
  // Looked at, and perhaps ended, without the mutex.
  std::vector<std::shared_ptr<Session>> sessions;
  {
    const std::lock_guard lock(state_mutex_);
    for (const auto& [number, session] : all_) sessions.push_back(session.lock());
  }
  return std::any_of(sessions.begin(), sessions.end(), [&](const auto& session) {
    return session != nullptr && session->options().arena != arena && session->holds(object);
  });
}

std::shared_ptr<Session> LiveSessions::find(std::uint64_t number) {
  const std::lock_guard lock(state_mutex_);
  const auto found = all_.find(number);
  return found == all_.end() ? nullptr : found->second.lock();
}

absl::StatusOr<ThreadEntry*> Session::enter() {
  const absl::StatusOr<std::uint16_t> own_slot = slot();
  if (!own_slot.ok()) return own_slot.status();
  if (ThreadEntry* known = find_thread_entry(number_)) {
    show_thread_entry(known);
    return known;
  }
  ThreadEntry* const entry = new_thread_entry();
  if (entry == nullptr) {
    return protocol::error(absl::StatusCode::kResourceExhausted,
                           "there is no memory to note what this thread holds, or it uses more "
                           "than 1023 sessions; use fewer clients in one thread");
  }
  const std::lock_guard lock(state_mutex_);
  std::uint32_t number = threads_.take();
  if (number == 0) {
    // What the ended held may have been given back with its last proxy.
    std::erase_if(ended_, [&](std::uint32_t ended) {
      if (is_owner(ended)) return false;
      threads_.give_back(ended);
      return true;
    });
    number = threads_.take();
  }
  if (number == 0) {
    return protocol::error(absl::StatusCode::kResourceExhausted, "all ", memory::kThreadsMax,
                           " thread numbers of this session are in use; let threads end, or "
                           "connect again (shoal::Client::connect) for more");
  }
  auto* const page = reinterpret_cast<memory::SessionPage*>(page_->data().data());
  memory::ThreadRecord& record = page->records[number - 1];
  record.waiting.store(0, std::memory_order_relaxed);
  record.tid.store(static_cast<std::uint32_t>(::syscall(SYS_gettid)));
  if (page->threads.load(std::memory_order_relaxed) <= number) page->threads.store(number + 1);
  new (entry) ThreadEntry{.session = number_,
                          .caller = {.owner = memory::owner_of(*own_slot, number),
                                     .record = &record,
                                     .spins = std::min(options_.spins, std::uint32_t{30}),
                                     .spins_max = options_.spins,
                                     .poke = &Session::poke,
                                     .context = this},
                          .number = number,
                          .held = 0};
  show_thread_entry(entry);
  return entry;
}

// Whether a recursive lock names the thread. One whose last proxy for writing is closed does so at
// most until the manager hears of that, which is before this session can open it again.
bool Session::is_owner(std::uint32_t thread) const {
  const std::uint32_t owner = memory::owner_of(slot_, thread);
  return std::ranges::any_of(held_, [&](const auto& entry) {
    const Held& held = entry.second;
    return held.count[static_cast<int>(Access::kReadWrite)] > 0 && held.lock != nullptr &&
           memory::owner_in(held.lock->load(std::memory_order_relaxed)) == owner;
  });
}

// What the thread still holds by its number must not become another thread's.
void Session::leave(const ThreadEntry& entry) {
  const std::lock_guard lock(state_mutex_);
  // A child's own session has numbers of its own; what it inherited was wiped.
  if (epoch_.load(std::memory_order_relaxed) != fork_epoch()) return;
  if (entry.held != 0 && is_owner(entry.number)) {
    ended_.push_back(entry.number);
    return;
  }
  entry.caller.record->tid.store(0);
  threads_.give_back(entry.number);
}

}  // namespace shoal::internal
