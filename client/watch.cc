// See session.h. Here: descriptors that tell of changes, and telling the manager of a change that
// somebody watches for.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "client/session.h"
#include "schemas/text.h"

namespace shoal::internal {

absl::Status Session::ask_to_watch(std::uint64_t object, protocol::UniqueFd* fd) {
  return call([&](wire::Request::Builder request) { request.setWatch(object); },
              [&](wire::Reply::Reader, Descriptors& descriptors) {
                *fd = std::move(descriptors[0]);
                return absl::OkStatus();
              });
}

absl::StatusOr<int> Session::watch(std::uint64_t object) {
  // A forked child lets go of its parent's descriptors first.
  if (const absl::StatusOr<std::uint16_t> own_slot = slot(); !own_slot.ok()) {
    return own_slot.status();
  }
  {
    const std::lock_guard lock(state_mutex_);
    const std::shared_ptr<GuardedFd>& known = held_[object].watch;
    if (known != nullptr && known->ours()) return known->get();
  }
  protocol::UniqueFd fd;
  if (absl::Status status = ask_to_watch(object, &fd); !status.ok()) return status;
  if (!fd.valid()) return no_descriptor_came();
  // It is drained by whoever finds it readable, and never waited for here.
  ::fcntl(fd.get(), F_SETFL, O_RDWR | O_NONBLOCK);
  auto fresh = std::make_shared<GuardedFd>(std::move(fd));
  const std::lock_guard lock(state_mutex_);
  std::shared_ptr<GuardedFd>& kept = held_[object].watch;
  // Another thread may have been faster; a descriptor that the host closed is replaced.
  if (kept == nullptr || !kept->ours()) kept.swap(fresh);
  has_watches_.store(true, std::memory_order_release);
  return kept->get();
}

bool Session::drain_watch(std::uint64_t object) {
  if (!has_watches_.load(std::memory_order_acquire)) return false;
  std::shared_ptr<GuardedFd> watch;
  {
    const std::lock_guard lock(state_mutex_);
    const auto held = held_.find(object);
    if (held != held_.end()) watch = held->second.watch;
  }
  if (watch == nullptr || !watch->ours()) return false;
  std::uint64_t count = 0;
  while (::read(watch->get(), &count, sizeof count) < 0 && errno == EINTR) {
  }
  return true;
}

// Called from the data plane, so it never waits.
void Session::poke(void* session, std::uint64_t object) {
  auto& self = *static_cast<Session*>(session);
  {
    const std::lock_guard lock(self.state_mutex_);
    self.to_poke_.insert(object);
    self.has_news_.store(true, std::memory_order_seq_cst);
  }
  self.pass_on_news();
}

}  // namespace shoal::internal
