// See session.h. Here: what a forked child does at its first control call.
#include <algorithm>
#include <utility>
#include <vector>

#include "client/session.h"
#include "schemas/text.h"

namespace shoal::internal {
namespace {

// So many references fit one request.
constexpr std::size_t kInheritAtOnce = 1000;

}  // namespace

absl::StatusOr<std::uint16_t> Session::slot_after_fork() {
  absl::Status status;
  std::uint16_t slot = 0;
  {
    const std::lock_guard lock(call_mutex_);
    status = begin_call();
    slot = slot_;
  }
  pass_on_news();  // of other threads, which found it locked
  if (!status.ok()) return status;
  return slot;
}

// The child has the parent's mappings, but neither its slot nor its socket: it opens a session of
// its own, takes over the references, and only then lets go of what it inherited.
absl::Status Session::begin_in_child() {
  const std::uint64_t epoch = fork_epoch();
  if (!lost_.ok()) return lost_;
  if (!life_.ours()) {
    return protocol::error(absl::StatusCode::kUnavailable,
                           "this forked process closed the descriptors that it inherited; mapped "
                           "memory stays usable, for anything else connect again "
                           "(shoal::Client::connect)");
  }
  // `hello` puts the child's own in place of these.
  Channel parent_channel = std::exchange(channel_, Channel());
  GuardedFd parent_life = std::exchange(life_, GuardedFd());
  std::shared_ptr<Mapping> parent_page = page_;
  const Secret parent = secret_;
  const std::uint16_t parent_slot = slot_;
  absl::Status status = connect_anywhere(options_.control_timeout);
  if (status.ok()) status = hello(/*resume=*/false);
  if (status.ok()) {
    last_id_ = 0;
    abandoned_ = 0;
    status = inherit(parent);
  }
  if (status.ok()) {
    {
      const std::lock_guard lock(state_mutex_);
      threads_ = ThreadNumbers();  // the parent's threads are not here
      ended_.clear();
      fork_mark_.forget();
      fork_mark_.begin();
    }
    epoch_.store(epoch, std::memory_order_release);
    return status;
  }
  // The page goes first, as in the destructor.
  page_ = std::move(parent_page);
  channel_ = std::move(parent_channel);
  life_ = std::move(parent_life);
  secret_ = parent;
  slot_ = parent_slot;
  return status;
}

absl::Status Session::inherit(const Secret& parent) {
  std::vector<std::pair<std::uint64_t, Held>> references;
  {
    const std::lock_guard lock(state_mutex_);
    // What was to be given back was the parent's.
    forget_releases();
    has_kept_ = false;
    absl::erase_if(held_, [](const auto& entry) { return entry.second.total() == 0; });
    to_poke_.clear();
    // Views are the parent's, too.
    pinned_.clear();
    to_unpin_.clear();
    has_news_.store(false, std::memory_order_relaxed);
    // So are the descriptors by which it watches.
    has_watches_.store(false, std::memory_order_relaxed);
    for (auto& [object, held] : held_) {
      held.watch.reset();
      held.pins = 0;
    }
    references.assign(held_.begin(), held_.end());
  }
  for (std::size_t done = 0; done < references.size(); done += kInheritAtOnce) {
    const std::size_t count = std::min(kInheritAtOnce, references.size() - done);
    const auto fill = [&](wire::Request::Builder request) {
      auto inherit = request.initInherit();
      fill_secret(inherit.initParent(), parent);
      auto counts = inherit.initReferences(static_cast<unsigned>(count));
      for (std::size_t i = 0; i < count; ++i) {
        const auto& [object, held] = references[done + i];
        auto out = counts[static_cast<unsigned>(i)];
        out.setObject(object);
        out.setCount(held.total());
        out.setAccess(static_cast<wire::Access>(held.access()));
      }
    };
    bool lost = false;
    const std::uint64_t id = ++last_id_;
    absl::Status status = channel_.send(encode(id, fill));
    // What is gone stays mapped; control calls on it will say NOT_FOUND.
    if (status.ok()) {
      status = channel_.receive(
          id, [](wire::Reply::Reader, Descriptors&) { return absl::OkStatus(); }, &lost);
    }
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace shoal::internal
