// See sessions.h.
#include "daemon/sessions.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "daemon/kinds.h"
#include "daemon/liveness.h"
#include "daemon/random.h"
#include "daemon/session_page.h"
#include "schemas/limits.h"
#include "schemas/text.h"

namespace shoal::daemon {
namespace {

using protocol::error;
using protocol::UniqueFd;

// Threads of all sessions of an arena that are looked at, before it is said to be busy.
constexpr std::uint32_t kThreadsLookedAt = 65'536;

absl::Status no_descriptor(const char* what) {
  return error(absl::StatusCode::kResourceExhausted, "the manager cannot make a ", what, ": ",
               std::strerror(errno), "; raise its limit of descriptors (ulimit -n)");
}

}  // namespace

Sessions::Runtime& Sessions::runtime(Index slot) {
  if (slot >= runtimes_.size()) runtimes_.resize(slot + 1);
  return runtimes_[slot];
}

absl::StatusOr<Sessions::Opened> Sessions::open(const Identity& who, New session,
                                                bool may_use_all) {
  const std::uint32_t of_uid = accounts_.user(who.uid).sessions;
  const std::uint32_t most =
      protocol::most_of_one_uid(protocol::Shared::kSessions, sessions_max_, may_use_all);
  if (catalog_.sessions.used() >= sessions_max_ || of_uid >= most) {
    return error(absl::StatusCode::kResourceExhausted, "there are ", catalog_.sessions.used(),
                 " sessions, ", of_uid, " of uid ", who.uid, "; the limit \"sessions\" is ",
                 sessions_max_, ", and ", most,
                 " for this uid: end some, or start the manager with a larger --sessions-max and "
                 "limit of descriptors");
  }
  int pipe_ends[2];
  if (::pipe2(pipe_ends, O_CLOEXEC | O_NONBLOCK) != 0) return no_descriptor("life pipe");
  Runtime fresh;
  fresh.life = UniqueFd(pipe_ends[0]);
  Opened opened;
  opened.life = UniqueFd(pipe_ends[1]);
  const Index slot = catalog_.sessions.take();
  if (slot == 0) {
    return error(absl::StatusCode::kResourceExhausted, "there are ", catalog_.sessions.capacity(),
                 " sessions, the limit \"sessions\"");
  }
  SessionRecord& record = catalog_.sessions[slot];
  ++record.generation;
  absl::StatusOr<Segment> page = make_session_page(
      {.slot = static_cast<std::uint16_t>(slot),
       .session = id(slot),
       .pid = static_cast<std::uint32_t>(who.pid),
       .arena = session.arena == 0
                    ? 0
                    : make_id(catalog_.arenas[session.arena].generation, session.arena),
       .manager = memories_.manager()});
  absl::StatusOr<UniqueFd> lent = page.ok() ? reopen(page->fd(), /*writable=*/true) : page.status();
  if (!lent.ok()) {
    catalog_.sessions.free(slot);
    return lent.status();
  }
  fresh.page = *std::move(page);
  opened.page = *std::move(lent);
  fill_random(record.secret);
  record.pid = static_cast<std::uint32_t>(who.pid);
  record.uid = who.uid;
  record.gid = who.gid;
  record.arena = session.arena;
  record.since_ns = session.now_ns;
  record.last = Outcome{};
  struct stat status {};
  record.page_inode = ::fstat(fresh.page.fd(), &status) == 0 ? status.st_ino : 0;
  record.label_bytes =
      static_cast<std::uint8_t>(std::min(session.label.size(), sizeof record.label));
  std::memcpy(record.label, session.label.data(), record.label_bytes);
  catalog_.sessions.publish(slot, static_cast<std::uint32_t>(SessionState::kLive));
  fresh.pidfd = std::move(session.pidfd);
  fresh.connected = true;
  runtime(slot) = std::move(fresh);
  accounts_.add_session(session.arena, who.uid);
  opened.slot = slot;
  log_(Level::kInfo, "session.open",
       {{"session", id(slot)},
        {"slot", slot},
        {"pid", who.pid},
        {"uid", who.uid},
        {"label", label(slot)},
        {"arena", catalog_.arenas[session.arena].name.view()}});
  return opened;
}

Index Sessions::find(const Secret& secret) const {
  const Index slot = index_of(secret.session);
  if (!catalog_.sessions.in_use(slot)) return 0;
  const SessionRecord& record = catalog_.sessions[slot];
  // Not short-circuited: how long it takes says nothing about the secret.
  const std::uint64_t difference = (record.generation ^ generation_of(secret.session)) |
                                   (record.secret[0] ^ secret.words[0]) |
                                   (record.secret[1] ^ secret.words[1]);
  return difference == 0 ? slot : 0;
}

Sessions::Secret Sessions::secret(Index slot) const {
  const SessionRecord& record = catalog_.sessions[slot];
  return {.session = id(slot), .words = {record.secret[0], record.secret[1]}};
}

absl::StatusOr<Index> Sessions::resume(const Secret& secret, const Identity& who) {
  const Index slot = find(secret);
  const bool alive = slot != 0 && record(slot).state.load(std::memory_order_relaxed) ==
                                      static_cast<std::uint32_t>(SessionState::kLive);
  if (!alive || record(slot).uid != who.uid ||
      record(slot).pid != static_cast<std::uint32_t>(who.pid)) {
    return error(absl::StatusCode::kNotFound,
                 "this manager does not know the session: it was started anew, or the session "
                 "ended; connect again and open the objects anew");
  }
  return slot;
}

std::string_view Sessions::label(Index slot) const {
  const SessionRecord& session = record(slot);
  return {session.label, session.label_bytes};
}

std::string_view Sessions::state_name(Index slot) const {
  if (slot >= runtimes_.size()) return "free";
  const Runtime& runtime = runtimes_[slot];
  if (runtime.draining) return "recovering";
  if (runtime.dead) return "dying";
  return runtime.quarantined ? "quarantined" : "live";
}

void Sessions::set_state(Index slot, SessionState state) {
  record(slot).state.store(static_cast<std::uint32_t>(state), std::memory_order_release);
}

void Sessions::died(Index slot) {
  Runtime& session = runtime(slot);
  session.dead = true;
  session.quarantined = false;
  // A session that is being drained already ended before its process did.
  if (!session.draining) set_state(slot, SessionState::kDying);
  log_(Level::kInfo, "session.death", {{"session", id(slot)}, {"pid", record(slot).pid}});
}

bool Sessions::maps_page(Index slot) {
  Segment& page = runtime(slot).page;
  const bool mapped = !page.alone();
  (void)page.take_spare();
  return mapped;
}

bool Sessions::leave_quarantine(Index slot) {
  Runtime& session = runtime(slot);
  if (!session.dead && maps_page(slot)) return false;
  session.quarantined = false;
  return true;
}

Sessions::Step Sessions::next(Index slot) {
  Runtime& session = runtime(slot);
  if (session.recovering || session.draining || session.quarantined) return Step::kNone;
  if (!session.dead) {
    if (!session.life_over || session.connected) return Step::kNone;
    if (!session.recovered && maps_page(slot)) {
      session.quarantined = true;
      return Step::kQuarantine;
    }
  }
  // From here on no instruction of its process touches shared memory under this slot again.
  if (!session.recovered) {
    session.recovering = true;
    // It cannot be resumed any more: what is on the list must not go meanwhile.
    set_state(slot, SessionState::kDying);
    ledger_.for_each_of_session(slot, [&](const AttachmentRecord& attachment) {
      const bool writable =
          attachment.access == static_cast<std::uint32_t>(wire::Access::READ_WRITE);
      if (writable) session.to_recover.push_back(attachment.object);
      return true;
    });
    return Step::kRecover;
  }
  if (!session.life_over) return Step::kNone;  // a forked child may use its references
  session.draining = true;
  set_state(slot, SessionState::kRecovering);
  return Step::kDrain;
}

// What the threads of the dead session were allocating; before the locks that they held, so that
// what those cover stands still. Whether there are more threads to look at.
bool Sessions::recover_intents(Index slot, Turn& turn) {
  Runtime& session = runtime(slot);
  // Who could write no object allocated nothing: a reader's page may say what it likes.
  if (session.to_recover.empty()) return false;
  ArenaMemory* const memory = memories_.find(record(slot).arena);
  const std::uint32_t end = threads_used(session.page.fd());
  if (memory == nullptr) return false;
  const memory::Reaches reaches{
      .reaches =
          [](void* objects, std::uint64_t id, std::uint32_t part, std::uint64_t block) {
            return static_cast<const Objects*>(objects)->reaches(id, part, block);
          },
      .context = &objects_};
  // One thread a step: what it notes may be all of the arena, five times.
  while (session.next_thread < end && turn.step()) {
    const std::uint32_t first = session.next_thread++;
    const absl::Status status = for_each_intent(
        session.page.fd(), first, session.next_thread,
        [&](std::uint32_t thread, memory::ThreadRecord& record) {
          memory->recover_intents(
              record, memory::owner_of(static_cast<std::uint16_t>(slot), thread), reaches);
        });
    if (status.ok()) continue;
    log_(Level::kWarning, "session.recovery", {{"session", id(slot)}, {"why", status.message()}});
  }
  return session.next_thread < end;
}

bool Sessions::allocates(Index arena) const {
  std::uint32_t left = kThreadsLookedAt;
  for (Index slot = 1; slot < catalog_.sessions.end(); ++slot) {
    if (!catalog_.sessions.in_use(slot) || record(slot).arena != arena) continue;
    const int page = runtimes_[slot].page.fd();
    const std::uint32_t end = threads_used(page);
    if (end > left || has_intent(page, end)) return true;
    left -= end;
  }
  return false;
}

void Sessions::recover_object(Index slot, Index object) {
  const absl::StatusOr<bool> freed =
      objects_.recover(object, static_cast<std::uint16_t>(slot), /*died=*/true);
  if (!freed.ok()) {
    log_(Level::kWarning, "object.recovery",
         {{"object", objects_.id(object)}, {"why", freed.status().message()}});
    return;
  }
  watches_.tell_all(object);
  if (!*freed) return;
  const ObjectRecord& what = objects_.record(object);
  log_(Level::kInfo, "object.recovered",
       {{"object", objects_.id(object)},
        {"kind", kind_name(what.kind)},
        {"name", what.named != 0 ? what.name.view() : std::string_view()},
        {"session", id(slot)},
        {"pid", record(slot).pid}});
}

bool Sessions::recover_some(Index slot, Turn turn) {
  Runtime& session = runtime(slot);
  watches_.end_session(slot);
  pins_.end_session(slot);
  if (recover_intents(slot, turn)) return true;
  if (objects_.end_of_creator(slot, turn)) return true;
  while (!session.to_recover.empty() && turn.step()) {
    // The dead session's own reference keeps the object there.
    const Index object = session.to_recover.back();
    session.to_recover.pop_back();
    recover_object(slot, object);
  }
  session.recovering = !session.to_recover.empty();
  session.recovered = !session.recovering;
  return session.recovering;
}

bool Sessions::drain_some(Index slot, Turn turn) {
  while (turn.step()) {
    const Index object = ledger_.any_of(slot);
    if (object == 0) {
      const std::uint64_t session = id(slot);
      accounts_.remove_session(record(slot).arena, record(slot).uid);
      runtime(slot) = Runtime{};
      catalog_.sessions.free(slot);
      log_(Level::kInfo, "session.end", {{"session", session}});
      return false;
    }
    ledger_.lower(slot, object, 0);
    objects_.reference_dropped(object);
  }
  return true;
}

}  // namespace shoal::daemon
