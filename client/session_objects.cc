// See session.h. Here: attaching to objects, giving them back, and news of both that never wait.
#include <algorithm>
#include <utility>

#include "client/arena_reference.h"
#include "client/reference.h"
#include "client/session.h"
#include "schemas/text.h"

namespace shoal::internal {
namespace {

// Segments up to this size are mapped whole at once when their pages are there: cheaper than a
// page fault for each.
constexpr std::uint64_t kMapWholeBytesMax = 4 << 20;

Access access_of(wire::Attached::Reader attached) {
  return attached.getAccess() == wire::Access::READ_WRITE ? Access::kReadWrite : Access::kReadOnly;
}

absl::Status ignore(wire::Reply::Reader, Descriptors&) { return absl::OkStatus(); }

}  // namespace

// Counts the reference before `take` makes something of it. What `take` refuses is given back.
absl::Status Session::attach_with(FillRequest fill, Take take) {
  absl::Status taken;
  std::uint64_t refused = 0;
  Access access = Access::kReadOnly;
  bool created = false;
  absl::Status status =
      call(fill, [&](wire::Reply::Reader reply, Descriptors& descriptors) -> absl::Status {
        if (!reply.isAttached()) return absl::InternalError("the manager did not attach");
        const auto attached = reply.getAttached();
        access = access_of(attached);
        {
          const std::lock_guard lock(state_mutex_);
          ++held_[attached.getObject()].count[static_cast<int>(access)];
        }
        taken = take(attached, descriptors);
        refused = taken.ok() ? 0 : attached.getObject();
        created = attached.getCreated();
        return absl::OkStatus();
      });
  if (!status.ok()) return status;
  if (refused != 0 && created) discard(refused);
  if (refused != 0) release(refused, access);
  return taken;
}

// What cannot be used here was not asked for by anybody else.
void Session::discard(std::uint64_t object) {
  (void)call([&](wire::Request::Builder request) { request.initUnlink().setObject(object); },
             ignore);
}

void Session::describe(Reference& reference, std::string_view name,
                       wire::Attached::Reader attached) {
  reference.object = attached.getObject();
  reference.kind = static_cast<Kind>(attached.getKind());
  reference.access = access_of(attached);
  reference.created = attached.getCreated();
  reference.name = name;
}

absl::StatusOr<std::shared_ptr<Reference>> Session::attach(std::string_view name, bool prefault,
                                                           FillRequest fill) {
  std::shared_ptr<Reference> reference;
  absl::Status status = attach_with(
      fill, [&](wire::Attached::Reader attached, Descriptors& descriptors) -> absl::Status {
        absl::StatusOr<std::shared_ptr<Mapping>> mapping =
            map_segment(prefault, attached, descriptors);
        if (!mapping.ok()) return mapping.status();
        reference = std::make_shared<Reference>(shared_from_this(), *std::move(mapping));
        describe(*reference, name, attached);
        reference->pages.page_size_bytes = attached.getPageSize();
        const auto refused = attached.getHugePagesRefused();
        reference->pages.huge_pages_refused.assign(refused.begin(), refused.size());
        return absl::OkStatus();
      });
  if (!status.ok()) return status;
  return reference;
}

absl::StatusOr<std::shared_ptr<Mapping>> Session::map_segment(bool prefault,
                                                              wire::Attached::Reader attached,
                                                              Descriptors& descriptors) {
  const std::uint64_t object = attached.getObject();
  const Access access = access_of(attached);
  {
    const std::lock_guard lock(state_mutex_);
    if (auto mapping = held_[object].mapping[static_cast<int>(access)].lock()) return mapping;
  }
  const bool now =
      prefault || (attached.getResident() && attached.getMapSize() <= kMapWholeBytesMax);
  absl::StatusOr<std::shared_ptr<Mapping>> fresh =
      Mapping::map(descriptors[0].get(), attached.getSize(), attached.getMapSize(), access,
                   now ? Mapping::Pages::kNow : Mapping::Pages::kAtFirstTouch);
  if (!fresh.ok()) return fresh;
  const std::lock_guard lock(state_mutex_);
  held_[object].mapping[static_cast<int>(access)] = *fresh;
  return fresh;
}

// Children that are forked from now on may use it.
void Session::note_in_arena(std::uint64_t object) {
  const std::lock_guard lock(state_mutex_);
  std::uint64_t& since = held_[object].since;
  since = std::min(since, fork_count());
  fork_mark_.begin();
}

absl::StatusOr<std::shared_ptr<ArenaReference>> Session::attach_in_arena(std::string_view name,
                                                                         FillRequest fill) {
  std::shared_ptr<ArenaReference> reference;
  absl::Status status =
      attach_with(fill, [&](wire::Attached::Reader attached, Descriptors&) -> absl::Status {
        note_in_arena(attached.getObject());
        reference = std::make_shared<ArenaReference>(shared_from_this(), nullptr);
        describe(*reference, name, attached);
        reference->parameter = attached.getParameter();
        reference->block = attached.getBlock();
        reference->flags = attached.getFlags();
        reference->element_bytes = attached.getElementBytes();
        return absl::OkStatus();
      });
  if (!status.ok()) return status;
  absl::StatusOr<std::shared_ptr<ArenaMapping>> mapping = arena(reference->access);
  status = mapping.ok() ? reference->bind(*std::move(mapping)) : mapping.status();
  if (status.ok() && reference->access == Access::kReadWrite) {
    const std::lock_guard lock(state_mutex_);
    held_[reference->object].lock = &reference->view.descriptor->lock;
  }
  if (status.ok()) return reference;
  if (reference->created) discard(reference->object);
  return status;
}

absl::StatusOr<std::shared_ptr<ArenaMapping>> Session::arena(Access access) {
  std::shared_ptr<ArenaMapping>& kept = arena_[static_cast<int>(access)];
  {
    const std::lock_guard lock(state_mutex_);
    if (kept != nullptr) return kept;
  }
  protocol::UniqueFd fd;
  std::uint64_t arena_bytes = 0;
  absl::Status status = call(
      [&](wire::Request::Builder request) {
        request.setArenaMap(static_cast<wire::Access>(access));
      },
      [&](wire::Reply::Reader reply, Descriptors& descriptors) -> absl::Status {
        if (!reply.isArenaMemory()) return absl::InternalError("the manager sent no arena");
        arena_bytes = reply.getArenaMemory().getArenaBytes();
        fd = std::move(descriptors[0]);
        return absl::OkStatus();
      });
  if (!status.ok()) return status;
  absl::StatusOr<std::shared_ptr<ArenaMapping>> mapping =
      ArenaMapping::map(fd.get(), arena_bytes, access);
  if (!mapping.ok()) return mapping;
  const std::lock_guard lock(state_mutex_);
  if (kept == nullptr) kept = *mapping;
  return kept;
}

void Session::release(std::uint64_t object, Access access) {
  std::shared_ptr<GuardedFd> watch;  // closed without the mutex
  {
    const std::lock_guard lock(state_mutex_);
    const auto held = held_.find(object);
    if (held != held_.end()) {
      --held->second.count[static_cast<int>(access)];
      if (held->second.total() == 0) watch = std::move(held->second.watch);
    }
    to_release_.insert(object);
    has_news_.store(true, std::memory_order_seq_cst);
  }
  pass_on_news();
}

Session::Hold Session::pin(std::span<const std::uint64_t> objects, std::uint64_t& missing) {
  const std::lock_guard lock(state_mutex_);
  for (const std::uint64_t object : objects) {
    const auto held = held_.find(object);
    missing = object;
    if (held == held_.end() || held->second.total() == 0) return Hold::kMissing;
    if (!held->second.in_arena()) return Hold::kSegment;
  }
  for (const std::uint64_t object : objects) ++held_[object].pins;
  return Hold::kHeld;
}

void Session::unpin(std::span<const std::uint64_t> objects) {
  bool news = false;
  {
    const std::lock_guard lock(state_mutex_);
    for (const std::uint64_t object : objects) {
      const auto held = held_.find(object);
      if (held == held_.end() || held->second.pins == 0) continue;
      if (--held->second.pins != 0 || held->second.total() != 0) continue;
      to_release_.insert(object);
      has_news_.store(true, std::memory_order_seq_cst);
      news = true;
    }
  }
  if (news) pass_on_news();
}

bool Session::holds(std::uint64_t object) {
  const std::lock_guard lock(state_mutex_);
  const auto held = held_.find(object);
  return held != held_.end() && held->second.total() != 0;
}

// Never waits. Whoever holds call_mutex_ looks again after giving it back, so one of the two sends.
void Session::pass_on_news() {
  while (has_news_.load(std::memory_order_seq_cst) && call_mutex_.try_lock()) {
    const std::lock_guard lock(call_mutex_, std::adopt_lock);
    send_news();
    // What could not be sent waits for the next call.
    if (has_news_.load(std::memory_order_relaxed)) return;
  }
}

void Session::send_news() {
  if (!has_news_.load(std::memory_order_relaxed) && !has_kept_) return;
  const std::lock_guard lock(state_mutex_);
  // A child that has no session of its own yet holds nothing that the manager knows of.
  const bool in_child = epoch_.load(std::memory_order_relaxed) != fork_epoch();
  const bool nobody_cares = in_child || !lost_.ok();
  if (!nobody_cares) look_at_kept();
  const bool all =
      nobody_cares || (channel_.ours() && send_releases() && send_pokes() && send_unpins());
  if (nobody_cares) forget_releases();
  has_kept_ = !kept_.empty();
  if (!all) return;
  to_poke_.clear();
  to_unpin_.clear();
  has_news_.store(false, std::memory_order_seq_cst);
}

// What no child can be using any more is given back after all.
void Session::look_at_kept() {
  if (kept_.empty()) return;
  const std::uint64_t in_use = fork_mark_.last_in_use();
  absl::erase_if(kept_, [&](std::uint64_t object) {
    const auto held = held_.find(object);
    const bool over = held == held_.end() || held->second.since >= in_use;
    if (over) to_release_.insert(object);
    return over;
  });
  if (!to_release_.empty()) has_news_.store(true, std::memory_order_relaxed);
}

// The count is absolute, so that a repetition after a lost connection does no harm.
bool Session::send_releases() {
  while (!to_release_.empty()) {
    const std::uint64_t object = *to_release_.begin();
    const auto held = held_.find(object);
    const Held nothing;
    const Held& left = held == held_.end() ? nothing : held->second;
    const bool keep = left.since < fork_count() && left.since < fork_mark_.last_in_use();
    const bool sent = channel_.send_now(encode(0, [&](wire::Request::Builder request) {
      auto release = request.initRelease();
      release.setObject(object);
      release.setCount(left.told());
      release.setAccess(static_cast<wire::Access>(left.access()));
      release.setKeep(keep);
    }));
    if (!sent) return false;
    to_release_.erase(object);
    if (keep) {
      kept_.insert(object);
    } else if (held != held_.end() && left.told() == 0) {
      held_.erase(held);
    }
  }
  return true;
}

// There is nobody to be told.
void Session::forget_releases() {
  for (const std::uint64_t object : to_release_) {
    const auto held = held_.find(object);
    if (held != held_.end() && held->second.told() == 0) held_.erase(held);
  }
  to_release_.clear();
  kept_.clear();
}

bool Session::send_pokes() {
  while (!to_poke_.empty()) {
    const std::uint64_t object = *to_poke_.begin();
    if (!channel_.send_now(
            encode(0, [&](wire::Request::Builder request) { request.setPoke(object); }))) {
      return false;
    }
    to_poke_.erase(object);
  }
  return true;
}

}  // namespace shoal::internal
