// See manager.h.
#include "daemon/manager.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include <capnp/serialize.h>

#include "daemon/clock.h"
#include "schemas/framing.h"
#include "schemas/limits.h"
#include "schemas/text.h"

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

namespace shoal::daemon {
namespace {

using FdObserver = kj::UnixEventPort::FdObserver;

// After running out of descriptors; the kernel does not say when there are some again.
constexpr auto kAcceptAgainAfter = 100 * kj::MILLISECONDS;
// Connections accepted before other events get their turn.
constexpr int kAcceptedAtOnce = 64;
constexpr std::int64_t kTurnedAwayToldEveryNs = 1'000'000'000;
constexpr auto kTokensLookedAtEvery = 1 * kj::SECONDS;
// At most; what has just become unrooted is looked at sooner than was thought before.
constexpr auto kTraceRestsFor = 500 * kj::MILLISECONDS;
constexpr auto kWatchesLookedAtEvery = 1 * kj::SECONDS;
constexpr auto kTidiedEvery = 250 * kj::MILLISECONDS;
constexpr auto kFreedLookedForEvery = 1 * kj::SECONDS;
constexpr auto kFirstLookAfter = 1 * kj::MILLISECONDS;
constexpr auto kLastLookAfter = 10 * kj::SECONDS;
// By then an exec is long over: whoever still maps the page has closed its descriptors.
constexpr auto kQuarantineToldAfter = 128 * kFirstLookAfter;

}  // namespace

struct Manager::Watch {
  Watch(kj::UnixEventPort& port, int pidfd, int life)
      : process(port, pidfd, FdObserver::OBSERVE_READ),
        life(port, life, FdObserver::OBSERVE_READ) {}
  FdObserver process;
  FdObserver life;
};

Manager::Manager(kj::UnixEventPort& port, State& state, Listener& listener, Service& service,
                 Log& log, std::uint32_t ungreeted_max)
    : port_(port),
      state_(state),
      listener_(listener),
      service_(service),
      log_(log),
      ungreeted_max_(ungreeted_max),
      listening_(port, listener.fd(), FdObserver::OBSERVE_READ),
      scratch_(kj::heapArray<capnp::word>(protocol::kRequestBytesMax / sizeof(capnp::word))),
      tasks_(*this) {
  events_.greeted = [this](Peer& peer, bool is_new) {
    greeted_or_gone(peer.connection().who.uid);
    const Index slot = peer.connection().slot;
    // A session that was resumed has one connection: the newest.
    Peer*& current = peer_of_session_[slot];
    if (current != nullptr) current->hang_up();
    current = &peer;
    if (is_new) watch(slot);
  };
  events_.worked = [this] {
    schedule_laundry();
    schedule_clearing();
    schedule_tracing();
    schedule_expiry();
    schedule_watches();
    schedule_slow_waits();
    schedule_tidying();
  };
}

Manager::~Manager() noexcept(false) = default;

kj::Promise<void> Manager::run(kj::Promise<void> stop) {
  refuse_descriptors();
  tasks_.add(accept_all());
  return stop.then([this] { return close_arenas(); });
}

kj::Promise<void> Manager::close_arenas() {
  if (!state_.close_some()) return kj::READY_NOW;
  return kj::evalLast([this] { return close_arenas(); });
}

void Manager::taskFailed(kj::Exception&& exception) {
  log_(Level::kError, "manager.error", {{"what", exception.getDescription().cStr()}});
}

// Closing what a peer sends along may wait for as long as the peer likes (a TCP socket that
// lingers), so where the kernel can (Linux 6.16) nothing is let in. The one descriptor that is ever
// looked at, a pidfd, is only needed by kernels that are too old for this.
void Manager::refuse_descriptors() {
  const int no = 0;
  ::setsockopt(listener_.fd(), SOL_SOCKET, SO_PASSRIGHTS, &no, sizeof no);
}

kj::Promise<void> Manager::accept_all() {
  for (int i = 0; i < kAcceptedAtOnce; ++i) {
    protocol::UniqueFd socket(
        ::accept4(listener_.fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (socket.valid()) {
      accept_one(std::move(socket));
      continue;
    }
    if (errno == EINTR || errno == ECONNABORTED) continue;
    if (errno == EAGAIN) {
      return listening_.whenBecomesReadable().then([this] { return accept_all(); });
    }
    log_(Level::kError, "accept.error",
         {{"why", std::strerror(errno)}, {"advice", "raise the limit of descriptors (ulimit -n)"}});
    return port_.getTimer().afterDelay(kAcceptAgainAfter).then([this] { return accept_all(); });
  }
  return kj::evalLast([this] { return accept_all(); });
}

// Nobody may keep others out by connecting and saying nothing.
bool Manager::may_connect(const Identity& who) const {
  const bool all = state_.arenas.is_administrator(who);
  const auto found = ungreeted_of_uid_.find(who.uid);
  const std::uint32_t of_uid = found == ungreeted_of_uid_.end() ? 0 : found->second;
  return ungreeted_ < ungreeted_max_ &&
         of_uid < protocol::most_of_one_uid(protocol::Shared::kUngreeted, ungreeted_max_, all);
}

void Manager::accept_one(protocol::UniqueFd socket) {
  absl::StatusOr<Identity> who = Identity::of_peer(socket.get());
  if (!who.ok() || !may_connect(*who)) {
    turn_away(socket.get(), who.ok() ? *who : Identity{});
    return;
  }
  // What the kernel refuses for one connection must not end the accepting of others.
  const uid_t uid = who->uid;
  kj::Maybe<kj::Exception> failure =
      kj::runCatchingExceptions([&] { serve(std::move(socket), *std::move(who)); });
  KJ_IF_MAYBE (exception, failure) {
    log_(Level::kError, "accept.error",
         {{"uid", uid}, {"why", exception->getDescription().cStr()}});
  }
}

// The peer is told why; the log gets a line a second, since a flood may be meant for it.
void Manager::turn_away(int socket, const Identity& who) {
  static constexpr char kWhy[] =
      "the manager has too many connections that have not said hello yet; try again later "
      "(shoalctl limits)";
  capnp::MallocMessageBuilder message;
  auto failure = message.initRoot<wire::Reply>().initError();
  failure.setCode(static_cast<std::uint16_t>(absl::StatusCode::kResourceExhausted));
  failure.setMessage(kWhy);
  const kj::Array<capnp::word> words = capnp::messageToFlatArray(message);
  (void)protocol::send(socket, std::as_bytes(std::span(words.begin(), words.size())), {},
                       MSG_DONTWAIT);
  ++turned_away_;
  const std::int64_t now = boot_ns();
  if (now - turned_away_told_ns_ < kTurnedAwayToldEveryNs) return;
  turned_away_told_ns_ = now;
  log_(Level::kWarning, "peer.refused",
       {{"pid", who.pid}, {"uid", who.uid}, {"turned_away", turned_away_}, {"why", kWhy}});
}

void Manager::serve(protocol::UniqueFd socket, Identity who) {
  const uid_t uid = who.uid;
  auto peer = kj::heap<Peer>(port_, std::move(socket), std::move(who), service_, log_,
                             std::span(scratch_.begin(), scratch_.size()), events_);
  Peer& serving = *peer;
  ++ungreeted_;
  ++ungreeted_of_uid_[uid];
  // Who says nothing for too long is hung up on; the timer goes with the peer.
  auto deadline = port_.getTimer()
                      .afterDelay(protocol::kHelloSecondsMax * kj::SECONDS)
                      .then([&serving] {
                        if (!serving.greeted()) serving.hang_up();
                      })
                      .eagerlyEvaluate(nullptr);
  // The first look at the socket is left to the loop: the peer may not have written yet.
  tasks_.add(kj::evalLater([&serving] { return serving.serve(); })
                 .then([this, &serving] { peer_over(&serving); },
                       [this, &serving](kj::Exception&& exception) {
                         peer_over(&serving);
                         kj::throwFatalException(kj::mv(exception));
                       })
                 .attach(kj::mv(deadline), kj::mv(peer)));
}

void Manager::greeted_or_gone(uid_t uid) {
  --ungreeted_;
  const auto found = ungreeted_of_uid_.find(uid);
  if (--found->second == 0) ungreeted_of_uid_.erase(found);
}

void Manager::peer_over(Peer* peer) {
  if (!peer->greeted()) {
    greeted_or_gone(peer->connection().who.uid);
    return;
  }
  const Index slot = peer->connection().slot;
  const auto current = peer_of_session_.find(slot);
  if (current == peer_of_session_.end() || current->second != peer) return;
  peer_of_session_.erase(current);
  if (!same_session(slot, peer->connection().generation)) return;
  state_.sessions.control_lost(slot);
  advance(slot);
}

bool Manager::same_session(Index slot, std::uint32_t generation) const {
  return state_.catalog.sessions.in_use(slot) &&
         state_.sessions.record(slot).generation == generation;
}

void Manager::watch(Index slot) {
  watches_[slot] =
      std::make_unique<Watch>(port_, state_.sessions.pidfd(slot), state_.sessions.life(slot));
  const std::uint32_t generation = state_.sessions.record(slot).generation;
  tasks_.add(watch_death(slot, generation));
  tasks_.add(watch_life(slot, generation));
}

kj::Promise<void> Manager::watch_death(Index slot, std::uint32_t generation) {
  return watches_[slot]->process.whenBecomesReadable().then(
      [this, slot, generation] {
        if (!same_session(slot, generation)) return;
        state_.sessions.died(slot);
        advance(slot);
      },
      // The session ended while its process goes on: the watch is gone.
      [](kj::Exception&&) {});
}

kj::Promise<void> Manager::watch_life(Index slot, std::uint32_t generation) {
  return watches_[slot]->life.whenBecomesReadable().then(
      [this, slot, generation] { return read_life(slot, generation); });
}

// Nothing is ever written; what a peer writes all the same is thrown away, some at a time. All of
// it, because the loop tells of changes only, and the end may lie behind those bytes already.
kj::Promise<void> Manager::read_life(Index slot, std::uint32_t generation) {
  if (!same_session(slot, generation)) return kj::READY_NOW;
  char ignored[4096];
  const ssize_t got = ::read(state_.sessions.life(slot), ignored, sizeof ignored);
  if (got > 0) {
    return kj::evalLast([this, slot, generation] { return read_life(slot, generation); });
  }
  if (got < 0) return watch_life(slot, generation);
  state_.sessions.life_hung_up(slot);
  advance(slot);
  return kj::READY_NOW;
}

void Manager::advance(Index slot) {
  switch (state_.sessions.next(slot)) {
    case Sessions::Step::kNone:
      return;
    case Sessions::Step::kQuarantine:
      tasks_.add(look_again(slot, state_.sessions.record(slot).generation, kFirstLookAfter));
      return;
    case Sessions::Step::kRecover:
      tasks_.add(kj::evalLater([this, slot] { return recover(slot); }));
      return;
    case Sessions::Step::kDrain:
      break;
  }
  const auto current = peer_of_session_.find(slot);
  if (current != peer_of_session_.end()) {
    current->second->hang_up();
    peer_of_session_.erase(current);
  }
  // Later, because the watches outlive the event that is being handled.
  tasks_.add(kj::evalLater([this, slot] { return drain(slot); }));
}

// The kernel releases a mapping of an exec'd process a little after its descriptors, and says
// nothing; whoever really closed all its descriptors is looked at ever more rarely.
kj::Promise<void> Manager::look_again(Index slot, std::uint32_t generation, kj::Duration after) {
  return port_.getTimer().afterDelay(after).then([=, this]() -> kj::Promise<void> {
    if (!same_session(slot, generation)) return kj::READY_NOW;
    if (!state_.sessions.is_quarantined(slot)) return kj::READY_NOW;
    if (!state_.sessions.leave_quarantine(slot)) {
      if (after == kQuarantineToldAfter) {
        log_(Level::kWarning, "session.quarantine",
             {{"session", state_.sessions.id(slot)}, {"pid", state_.sessions.record(slot).pid}});
      }
      return look_again(slot, generation, std::min(2 * after, kLastLookAfter));
    }
    advance(slot);
    return kj::READY_NOW;
  });
}

kj::Promise<void> Manager::recover(Index slot) {
  if (state_.sessions.recover_some(slot)) {
    return kj::evalLast([this, slot] { return recover(slot); });
  }
  advance(slot);
  schedule_laundry();
  schedule_clearing();
  schedule_tracing();
  schedule_tidying();
  return kj::READY_NOW;
}

kj::Promise<void> Manager::drain(Index slot) {
  watches_.erase(slot);
  const bool more = state_.sessions.drain_some(slot);
  schedule_laundry();
  schedule_clearing();
  schedule_tracing();
  schedule_tidying();
  if (!more) return kj::READY_NOW;
  return kj::evalLast([this, slot] { return drain(slot); });
}

void Manager::schedule_laundry() {
  if (laundry_scheduled_ || state_.store.warm_bytes() == 0) return;
  laundry_scheduled_ = true;
  tasks_.add(kj::evalLast([this] { return launder(); }));
}

kj::Promise<void> Manager::launder() {
  if (state_.store.launder()) return kj::evalLast([this] { return launder(); });
  laundry_scheduled_ = false;
  return kj::READY_NOW;
}

// What destroyed objects had in the memory of arenas.
void Manager::schedule_clearing() {
  if (clearing_scheduled_ || !state_.objects.has_to_clear()) return;
  clearing_scheduled_ = true;
  tasks_.add(kj::evalLast([this] { return clear(); }));
}

kj::Promise<void> Manager::clear() {
  if (state_.objects.clear_some()) return kj::evalLast([this] { return clear(); });
  clearing_scheduled_ = false;
  schedule_tidying();
  return kj::READY_NOW;
}

// While there are objects that only values refer to, those are looked for that none does.
void Manager::schedule_tracing() {
  if (tracing_scheduled_) return;
  const std::optional<std::int64_t> rest = state_.trace.rest_ns();
  if (!rest) return;
  tracing_scheduled_ = true;
  tasks_.add(
      port_.getTimer().afterDelay(std::min(*rest * kj::NANOSECONDS, kTraceRestsFor)).then([this] {
        return trace();
      }));
}

kj::Promise<void> Manager::trace() {
  const bool more = state_.trace.trace_some();
  schedule_clearing();
  if (more) return kj::evalLast([this] { return trace(); });
  tracing_scheduled_ = false;
  schedule_tracing();
  return kj::READY_NOW;
}

// While there are tokens they are looked at; without any, nothing wakes an idle manager.
void Manager::schedule_expiry() {
  if (expiry_scheduled_ || state_.catalog.tokens.used() == 0) return;
  expiry_scheduled_ = true;
  tasks_.add(port_.getTimer().afterDelay(kTokensLookedAtEvery).then([this] {
    expiry_scheduled_ = false;
    state_.tokens.expire(boot_ns());
    schedule_laundry();
    schedule_clearing();
    schedule_tracing();
    schedule_expiry();
  }));
}

// Whoever changes a watched object tells us at once, unless it is killed first or means ill.
void Manager::schedule_watches() {
  if (watches_scheduled_ || state_.watches.empty()) return;
  watches_scheduled_ = true;
  tasks_.add(
      port_.getTimer().afterDelay(kWatchesLookedAtEvery).then([this] { return check_watches(); }));
}

kj::Promise<void> Manager::check_watches() {
  if (state_.watches.check_some()) return kj::evalLast([this] { return check_watches(); });
  watches_scheduled_ = false;
  schedule_watches();
  return kj::READY_NOW;
}

void Manager::schedule_slow_waits() {
  if (slow_waits_scheduled_ || !state_.slow_waits.wanted()) return;
  if (state_.catalog.sessions.used() == 0) return;
  slow_waits_scheduled_ = true;
  tasks_.add(port_.getTimer()
                 .afterDelay(state_.slow_waits.look_every_ms() * kj::MILLISECONDS)
                 .then([this] { return look_for_slow_waits(); }));
}

kj::Promise<void> Manager::look_for_slow_waits() {
  if (state_.slow_waits.look_at_some(clock_ns(CLOCK_MONOTONIC))) {
    return kj::evalLast([this] { return look_for_slow_waits(); });
  }
  slow_waits_scheduled_ = false;
  schedule_slow_waits();
  return kj::READY_NOW;
}

// Memory of arenas that was freed goes back to the kernel when nobody has asked for any for a
// while.
void Manager::schedule_tidying() {
  if (tidying_scheduled_ || !state_.memories.any()) return;
  tidying_scheduled_ = true;
  // Of what clients free by themselves nobody tells.
  const kj::Duration delay = state_.memories.untidy() ? kTidiedEvery : kFreedLookedForEvery;
  tasks_.add(port_.getTimer().afterDelay(delay).then([this] {
    tidying_scheduled_ = false;
    state_.memories.tidy(static_cast<std::uint64_t>(clock_ns(CLOCK_MONOTONIC)));
    state_.objects.drop_warm();
    schedule_tidying();
  }));
}

}  // namespace shoal::daemon
