// See arena_reference.h.
#include "client/arena_reference.h"

#include <system_error>
#include <utility>

#include "client/arena_commit.h"
#include "client/wire.h"
#include "memory/recover.h"
#include "memory/wait.h"
#include "schemas/parameter_range.h"
#include "schemas/text.h"

namespace shoal::internal {
namespace {

using memory::ObjectKind;
using memory::Result;
using protocol::error;

std::errc errc_of(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kPermissionDenied:
      return std::errc::permission_denied;
    case absl::StatusCode::kFailedPrecondition:
      return std::errc::operation_not_permitted;
    case absl::StatusCode::kResourceExhausted:
      return std::errc::resource_unavailable_try_again;
    case absl::StatusCode::kDeadlineExceeded:
      return std::errc::timed_out;
    default:
      return std::errc::no_such_device_or_address;
  }
}

}  // namespace

absl::Status ArenaReference::bind(std::shared_ptr<ArenaMapping> in) {
  const auto index = static_cast<std::uint32_t>(object);
  const auto number = static_cast<std::uint16_t>(kind);
  const auto arena_kind = static_cast<ObjectKind>(number);
  const memory::Geometry& geometry = in->geometry();
  const protocol::ParameterRange range =
      protocol::parameter_range(to_wire(kind), (flags & memory::kFlagPlain) != 0);
  bool sane = index != 0 && index < memory::kDescriptorsMax && memory::is_arena_kind(number) &&
              (flags & ~memory::kFlagsKnown) == 0 && range.contains(parameter);
  if (sane) {
    const std::uint64_t bytes = memory::block_bytes(arena_kind, flags, parameter);
    sane = bytes == 0 ? block == 0
                      : block >= geometry.chunks && block % memory::kSmallestCellBytes == 0 &&
                            block <= geometry.file_bytes && bytes <= geometry.file_bytes - block;
  }
  if (!sane) {
    return error(absl::StatusCode::kDataLoss, named(*this),
                 ": the manager placed it where it cannot be (object ", object, ", parameter ",
                 parameter, ", block ", block, "); is it of another release?");
  }
  view = memory::view_of(in->at(), object, arena_kind, flags, parameter, block);
  if (access == Access::kReadWrite) writer = session->number();
  arena_ = std::move(in);
  op_timeout_ns = absl::ToInt64Nanoseconds(session->options().op_timeout);
  if (access == Access::kReadWrite) {
    allocator_.emplace(arena_->at(), geometry, commit_for(*arena_));
  }
  home = {.arena = arena_->at(),
          .geometry = geometry,
          .allocator = allocator_ ? &*allocator_ : nullptr};
  if (memory::is_container(arena_kind)) bind_container();
  return absl::OkStatus();
}

void ArenaReference::bind_container() {
  const memory::Geometry& geometry = home.geometry;
  if (view.kind == ObjectKind::kList) {
    list = {.view = view,
            .arena = home.arena,
            .geometry = geometry,
            .allocator = home.allocator,
            .timeout_ns = op_timeout_ns};
  } else {
    dict = std::make_unique<memory::Dict>(view, home.arena, geometry, home.allocator);
  }
}

absl::Status is_closed() {
  return absl::FailedPreconditionError(
      "the proxy is closed, or was never opened; open the object again");
}

absl::Status is_read_only(const ArenaReference& object) {
  return error(absl::StatusCode::kPermissionDenied, named(object),
               " is attached read-only; open it with read-write access. Nothing was changed");
}

absl::StatusOr<ThreadEntry*> enter(const ArenaReference* object) {
  if (object == nullptr) return is_closed();
  if (object->access == Access::kReadOnly) return is_read_only(*object);
  return object->session->enter();
}

namespace {

absl::Status stale(const ArenaReference& object) {
  if (object.view.is_closed()) {
    return error(absl::StatusCode::kUnavailable, named(object),
                 " is gone: its manager shut down; connect to a new one");
  }
  return error(absl::StatusCode::kFailedPrecondition, named(object),
               " was destroyed; open or create it again");
}

absl::Status not_owner(const ArenaReference& object) {
  switch (object.view.kind) {
    case ObjectKind::kSemaphore:
    case ObjectKind::kBoundedSemaphore:
      return error(absl::StatusCode::kFailedPrecondition, named(object),
                   ": this process has fewer permits than it releases. "
                   "Who releases what others acquired wants plain permits");
    case ObjectKind::kLock:
    case ObjectKind::kSharedLock:
      return error(absl::StatusCode::kFailedPrecondition, named(object),
                   " is not held by this process; only its holder may do that");
    default:
      return error(absl::StatusCode::kFailedPrecondition, named(object),
                   ": its lock is not held by this thread; only its holder may do that");
  }
}

absl::Status no_room(const ArenaReference& object) {
  if (object.view.kind == ObjectKind::kBarrier) {
    return error(absl::StatusCode::kResourceExhausted, named(object),
                 ": more processes take part than its ", object.parameter,
                 " parties; close it where it is not needed, or create one with more parties");
  }
  return error(absl::StatusCode::kResourceExhausted, named(object), ": ", object.parameter,
               " threads wait already; create it for more (ConditionOptions::waiters)");
}

absl::Status too_many(const ArenaReference& object) {
  switch (object.view.kind) {
    case ObjectKind::kBoundedSemaphore:
      return error(absl::StatusCode::kFailedPrecondition, named(object),
                   ": released more often than acquired; it began with ", object.parameter,
                   " permits. Nothing was released");
    case ObjectKind::kSemaphore:
      return error(absl::StatusCode::kResourceExhausted, named(object),
                   ": it would have more than 2147483647 permits; nothing was released");
    default:
      return error(absl::StatusCode::kResourceExhausted, named(object),
                   ": this thread has locked it 2147483647 times; release it first");
  }
}

}  // namespace

absl::Status failure(Result result, const ArenaReference& object) {
  switch (result) {
    case Result::kTimedOut:
      return error(absl::StatusCode::kDeadlineExceeded, named(object),
                   ": the timeout is over; `shoalctl locks` shows who holds what");
    case Result::kStale:
      return stale(object);
    case Result::kNotOwner:
      return not_owner(object);
    case Result::kBroken:
      return error(
          absl::StatusCode::kAborted, named(object),
          " is broken or was reset: a party died, timed out, or called abort() or reset(); "
          "call reset() to use it again");
    case Result::kExhausted:
      return no_room(object);
    case Result::kOverflow:
      return too_many(object);
    case Result::kDamaged:
      return error(absl::StatusCode::kDataLoss, named(object),
                   ": its bytes are damaged; `shoalctl verify` says where. Nothing was changed");
    case Result::kAbsent:
      return error(absl::StatusCode::kNotFound, named(object), ": it has no such key or element");
    case Result::kPresent:
      return error(absl::StatusCode::kAlreadyExists, named(object), ": it has such a key already");
    case Result::kDone:
    case Result::kDiffers:
      break;
  }
  return absl::InternalError("no failure");
}

void throw_status(const absl::Status& status) {
  throw std::system_error(std::make_error_code(errc_of(status)),
                          std::string(protocol::to_std(status.message())));
}

bool rearm_watch(const ArenaReference& object) {
  if (!object.session->drain_watch(object.object)) return false;
  if (object.access == Access::kReadWrite) {
    (void)memory::arm_watch(object.view);
  } else {
    protocol::UniqueFd another;
    (void)object.session->ask_to_watch(object.object, &another);
  }
  return true;
}

Result wait_longer(const ArenaReference& object, absl::Duration timeout,
                   absl::FunctionRef<Result(memory::Deadline)> operation) {
  const memory::Deadline deadline = memory::deadline_after(timeout);
  const Result result = deadline == 0 ? Result::kTimedOut : operation(deadline);
  if (result != Result::kTimedOut || !rearm_watch(object)) return result;
  // What happened before it was armed is seen now; what happens later makes it readable.
  return operation(0);
}

}  // namespace shoal::internal
