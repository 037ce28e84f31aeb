// See watches.h.
#include "daemon/watches.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <iterator>
#include <vector>

#include "memory/layout.h"
#include "memory/wait.h"
#include "schemas/limits.h"
#include "schemas/text.h"

namespace shoal::daemon {
namespace {

using protocol::error;
using protocol::UniqueFd;

// Objects checked before others get their turn.
constexpr int kAtOnce = 64;

// While there is one, a system call of this thread that waits is interrupted within a millisecond.
class Interrupter {
 public:
  Interrupter() {
    sigevent event{};
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = kSignal;
    event._sigev_un._tid = ::gettid();
    if (::timer_create(CLOCK_MONOTONIC, &event, &timer_) != 0) return;
    constexpr timespec kEvery{.tv_sec = 0, .tv_nsec = 1'000'000};
    const itimerspec times{.it_interval = kEvery, .it_value = kEvery};
    valid_ = ::timer_settime(timer_, 0, &times, nullptr) == 0;
    if (!valid_) ::timer_delete(timer_);
  }
  Interrupter(const Interrupter&) = delete;
  Interrupter& operator=(const Interrupter&) = delete;
  ~Interrupter() {
    if (valid_) ::timer_delete(timer_);
  }
  [[nodiscard]] bool valid() const { return valid_; }

  static void install() {
    struct sigaction action {};
    action.sa_handler = [](int) {};  // without SA_RESTART: the call ends with EINTR
    ::sigaction(kSignal, &action, nullptr);
  }

 private:
  static constexpr int kSignal = SIGVTALRM;
  timer_t timer_{};
  bool valid_ = false;
};

bool is_armed(const memory::ObjectView& object) {
  return (object.descriptor->event.load() & memory::kWatched) != 0 &&
         (object.descriptor->lock.load() & memory::kWatched) != 0;
}

}  // namespace

Watches::Change Watches::change_of(Index object) const {
  const memory::Descriptor& d = *objects_.view(object).descriptor;
  return {.event = d.event.load() & ~memory::kSignals, .token = d.token.load()};
}

// Whether a change of it may not have been told to all who watch. The bit tells of the last one;
// but where several watch, another may have set it again since. Whoever does so has found the event
// moved on, or the lock taken anew.
bool Watches::has_news(Index object) const {
  if (!is_armed(objects_.view(object))) return true;
  const auto first = events_.lower_bound({object, 0});
  const bool several = first != events_.end() && std::next(first) != events_.end() &&
                       std::next(first)->first.first == object;
  const auto told = told_.find(object);
  return several && told != told_.end() && told->second != change_of(object);
}

Watches::Watches(const Catalog& catalog, Objects& objects, Log& log, std::uint32_t watches_max)
    : catalog_(catalog), objects_(objects), log_(log), watches_max_(watches_max) {
  Interrupter::install();
}

std::uint32_t Watches::of_session(Index slot) const {
  const auto found = count_of_session_.find(slot);
  return found == count_of_session_.end() ? 0 : found->second;
}

absl::Status Watches::check_limits(Index slot, bool may_use_all) const {
  const std::uint32_t of_this = of_session(slot);
  if (of_this >= protocol::kWatchesPerSessionMax) {
    return error(absl::StatusCode::kResourceExhausted, "this session watches ", of_this,
                 " objects, the limit \"watches per session\"; close some of their descriptors' "
                 "objects");
  }
  const std::uint32_t uid = catalog_.sessions[slot].uid;
  const auto found = count_of_uid_.find(uid);
  const std::uint32_t of_uid = found == count_of_uid_.end() ? 0 : found->second;
  const std::uint32_t most =
      protocol::most_of_one_uid(protocol::Shared::kWatches, watches_max_, may_use_all);
  if (count() >= watches_max_ || of_uid >= most) {
    return error(absl::StatusCode::kResourceExhausted, "there are ", count(), " watches, ", of_uid,
                 " of uid ", uid, "; the limit \"watches\" is ", watches_max_, ", and ", most,
                 " for this uid: close watched objects, or raise the manager's limit of "
                 "descriptors (ulimit -n) and restart it");
  }
  return absl::OkStatus();
}

absl::StatusOr<UniqueFd> Watches::add(Index slot, Index object, bool may_use_all) {
  const Key key{object, slot};
  auto found = events_.find(key);
  if (found == events_.end()) {
    if (absl::Status status = check_limits(slot, may_use_all); !status.ok()) return status;
    UniqueFd event(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    if (!event.valid()) {
      return error(absl::StatusCode::kResourceExhausted,
                   "the manager cannot make an eventfd: ", std::strerror(errno),
                   "; raise its limit of descriptors (ulimit -n)");
    }
    // Those who watch it already must not miss a change because it is armed for one more.
    const bool first = !told_.contains(object);
    if (!first && has_news(object)) tell_all(object);
    if (first) told_[object] = change_of(object);
    found = events_.emplace(key, std::move(event)).first;
    by_session_.insert({slot, object});
    ++count_of_session_[slot];
    ++count_of_uid_[catalog_.sessions[slot].uid];
  }
  UniqueFd lent(::fcntl(found->second.get(), F_DUPFD_CLOEXEC, 0));
  if (!lent.valid()) {
    return error(absl::StatusCode::kResourceExhausted,
                 "the manager has no descriptor left for this one: ", std::strerror(errno),
                 "; raise its limit of descriptors (ulimit -n)");
  }
  (void)memory::arm_watch(objects_.view(object));
  return lent;
}

void Watches::forget(Key object_and_slot) {
  const auto [object, slot] = object_and_slot;
  if (events_.erase(object_and_slot) == 0) return;
  by_session_.erase({slot, object});
  const auto left = events_.lower_bound({object, 0});
  if (left == events_.end() || left->first.first != object) told_.erase(object);
  const auto session = count_of_session_.find(slot);
  if (--session->second == 0) count_of_session_.erase(session);
  const auto uid = count_of_uid_.find(catalog_.sessions[slot].uid);
  if (--uid->second == 0) count_of_uid_.erase(uid);
}

void Watches::end(Index slot, Index object) { forget({object, slot}); }

void Watches::end_session(Index slot) {
  for (;;) {
    const auto first = by_session_.lower_bound({slot, 0});
    if (first == by_session_.end() || first->first != slot) return;
    forget({first->second, slot});
  }
}

// False: whoever has the other end made it wait. Its holders share one description with us, and may
// have taken O_NONBLOCK off it and filled its count.
bool Watches::tell(const UniqueFd& event) const {
  const Interrupter interrupter;
  if (!interrupter.valid()) return true;  // the next look at all watches tries again
  return ::eventfd_write(event.get(), 1) == 0 || errno == EAGAIN;
}

// All of them, whoever has armed the object again meanwhile: the others have not heard of the
// change yet.
void Watches::tell_all(Index object) {
  auto at = events_.lower_bound({object, 0});
  if (at == events_.end() || at->first.first != object) return;
  told_[object] = change_of(object);
  std::vector<Key> blocked;
  for (; at != events_.end() && at->first.first == object; ++at) {
    if (!tell(at->second)) blocked.push_back(at->first);
  }
  for (const Key& key : blocked) {
    log_(Level::kWarning, "watch.blocked",
         {{"session", make_id(catalog_.sessions[key.second].generation, key.second)},
          {"pid", catalog_.sessions[key.second].pid},
          {"object", objects_.id(object)}});
    forget(key);
  }
}

bool Watches::check_some() {
  for (int i = 0; i < kAtOnce; ++i) {
    const auto at = events_.lower_bound({next_, 0});
    if (at == events_.end()) {
      next_ = 0;
      return false;
    }
    const Index object = at->first.first;
    next_ = object + 1;
    if (has_news(object)) tell_all(object);
  }
  return true;
}

}  // namespace shoal::daemon
