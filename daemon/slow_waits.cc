// See slow_waits.h.
#include "daemon/slow_waits.h"

#include <algorithm>
#include <initializer_list>
#include <utility>
#include <vector>

#include "daemon/kinds.h"
#include "memory/layout.h"
#include "memory/session_page.h"

namespace shoal::daemon {
namespace {

// In one turn: threads of one session, and sessions.
constexpr std::uint32_t kThreadsAtOnce = 512;
constexpr int kSessionsAtOnce = 16;
constexpr std::uint32_t kLinesOfSession = 16;

}  // namespace

std::uint32_t SlowWaits::look_every_ms() const {
  return std::clamp(longer_than_ms_ / 2, std::uint32_t{50}, std::uint32_t{1000});
}

bool SlowWaits::look_at_some(std::int64_t now_ns) {
  if (!wanted()) return false;
  for (int i = 0; i < kSessionsAtOnce; ++i) {
    while (slot_ < catalog_.sessions.end() && !catalog_.sessions.in_use(slot_)) ++slot_;
    if (slot_ >= catalog_.sessions.end()) {
      // What was not seen again is over, and may be told of once more.
      told_ = std::exchange(telling_, Told());
      slot_ = 1;
      return false;
    }
    const bool live =
        sessions_.is_live(slot_, sessions_.record(slot_).generation) && sessions_.page(slot_) >= 0;
    const std::vector<ThreadSeen> threads =
        live ? read_threads(sessions_.page(slot_), thread_, kThreadsAtOnce)
             : std::vector<ThreadSeen>();
    for (const ThreadSeen& thread : threads) {
      if (thread.waiting != 0) tell(slot_, thread, now_ns);
    }
    thread_ += kThreadsAtOnce;
    if (threads.size() == kThreadsAtOnce) return true;
    ++slot_;
    thread_ = 1;
    lines_ = 0;
  }
  return true;
}

void SlowWaits::tell(Index slot, const ThreadSeen& thread, std::int64_t now_ns) {
  const auto now = static_cast<std::uint64_t>(now_ns);
  const std::uint64_t waited_ns = thread.since_ns < now ? now - thread.since_ns : 0;
  if (thread.since_ns == 0 || waited_ns < std::uint64_t{longer_than_ms_} * 1'000'000) return;
  const Index object = objects_.get(thread.waiting);
  const SessionRecord& session = sessions_.record(slot);
  // A page may name any object; only its own arena's can be waited for.
  if (object == 0 || !objects_.in_arena(object) || objects_.record(object).arena != session.arena) {
    return;
  }
  const Thread who{sessions_.id(slot), thread.thread};
  const Wait wait{.object = thread.waiting, .since_ns = thread.since_ns};
  const auto told = told_.find(who);
  const bool known = told != told_.end() && told->second == wait;
  if (!known && lines_ >= kLinesOfSession) return;
  telling_[who] = wait;
  if (known) return;
  ++lines_;
  const ObjectRecord& record = objects_.record(object);
  const memory::Descriptor& d = *objects_.view(object).descriptor;
  const bool for_store = thread.purpose == static_cast<std::uint32_t>(memory::Purpose::kStore);
  const Index holder =
      for_store ? memory::slot_of_owner(d.hint.load()) : memory::slot_in(d.lock.load());
  const bool held = catalog_.sessions.in_use(holder);
  const auto seconds = waited_ns / 1'000'000'000;
  const std::initializer_list<LogField> fields = {
      {"session", sessions_.id(slot)},
      {"pid", session.pid},
      {"thread", thread.thread},
      {"tid", thread.tid},
      {"object", thread.waiting},
      {"name", record.named != 0 ? record.name.view() : std::string_view()},
      {"kind", kind_name(record.kind)},
      {"for", memory::purpose_name(static_cast<memory::Purpose>(thread.purpose))},
      {"seconds", seconds},
      {"holder", held ? sessions_.id(holder) : 0},
      {"holder_pid", held ? sessions_.record(holder).pid : 0}};
  log_(Level::kWarning, "wait.slow", fields);
}

}  // namespace shoal::daemon
