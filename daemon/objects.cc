// See objects.h.
#include "daemon/objects.h"

#include <sys/stat.h>
#include <unistd.h>

#include <optional>
#include <utility>

#include "schemas/limits.h"
#include "schemas/names.h"
#include "schemas/text.h"

namespace shoal::daemon {
namespace {

using protocol::error;

const auto kPage = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
constexpr std::uint64_t kHugePage = std::uint64_t{2} << 20;

std::uint64_t whole_pages(std::uint64_t bytes, std::uint64_t page) {
  return (bytes + page - 1) / page * page;
}

absl::Status name_taken(std::string_view arena, std::string_view name) {
  return error(absl::StatusCode::kAlreadyExists, "object \"", name, "\" exists in arena \"", arena,
               "\"; open it, choose another name, or unlink it first (shoalctl rm)");
}

std::uint64_t inode_of(int fd) {
  struct stat status {};
  return ::fstat(fd, &status) == 0 ? status.st_ino : 0;
}

}  // namespace

Objects::State& Objects::state(Index index) {
  if (index >= states_.size()) states_.resize(index + 1);
  return states_[index];
}

Objects::Names& Objects::names(Index arena) {
  if (arena >= names_.size()) names_.resize(arena + 1);
  return names_[arena];
}

Index Objects::find(Index arena, std::string_view name) const {
  if (arena >= names_.size()) return 0;
  const auto found = names_[arena].find(name);
  return found == names_[arena].end() ? 0 : found->second;
}

Index Objects::get(std::uint64_t id) const {
  const Index index = index_of(id);
  const bool there = is_there(index) && catalog_.objects[index].generation == generation_of(id);
  return there ? index : 0;
}

void Objects::drop_warm() {
  if (accounts_.used_bytes() + store_.warm_bytes() > accounts_.memory_max_bytes()) {
    const std::uint64_t before = store_.warm_bytes();
    store_.drop_warm(accounts_.used_bytes() + before - accounts_.memory_max_bytes());
    gauge_.released(before - store_.warm_bytes());
  }
}

absl::Status Objects::admit(std::uint64_t bytes) {
  drop_warm();
  absl::Status status = gauge_.admit(bytes);
  if (!status.ok() && store_.warm_bytes() > 0) {
    gauge_.released(store_.warm_bytes());
    store_.drop_warm(store_.warm_bytes());
    status = gauge_.admit(bytes);
  }
  return status;
}

absl::StatusOr<Segment> Objects::take_segment(const SegmentSpec& spec, std::uint64_t bytes) {
  // What is warm is committed already.
  if (std::optional<Segment> warm = store_.reuse(spec)) return *std::move(warm);
  if (absl::Status status = admit(bytes); !status.ok()) return status;
  absl::StatusOr<Segment> made = make_segment(spec);
  if (!made.ok()) gauge_.released(bytes);
  return made;
}

absl::Status Objects::check_new_name(const New& object) const {
  if (object.name.empty()) return absl::OkStatus();
  if (absl::Status status = protocol::check_name("object", object.name); !status.ok()) {
    return status;
  }
  if (find(object.arena, object.name) == 0) return absl::OkStatus();
  return name_taken(catalog_.arenas[object.arena].name.view(), object.name);
}

absl::Status Objects::check_new_segment(const New& object) const {
  if (object.size_bytes == 0 || object.size_bytes > protocol::kSegmentBytesMax) {
    return error(absl::StatusCode::kInvalidArgument, "object \"", object.name, "\": size ",
                 object.size_bytes, "; give 1 to ", protocol::kSegmentBytesMax, " bytes");
  }
  const uid_t uid = catalog_.sessions[object.creator].uid;
  const std::uint32_t most =
      protocol::most_of_one_uid(protocol::Shared::kSegments, segments_max_, object.may_use_all);
  const std::uint32_t of_uid = accounts_.user(uid).segments;
  if (accounts_.segments() >= segments_max_ || of_uid >= most) {
    return error(absl::StatusCode::kResourceExhausted, "object \"", object.name, "\": there are ",
                 accounts_.segments(), " segments, ", of_uid, " of uid ", uid,
                 "; the limit \"segments\" is ", segments_max_, ", and ", most,
                 " for this uid: unlink some, or raise the manager's limit of descriptors "
                 "(ulimit -n) and restart it");
  }
  return absl::OkStatus();
}

absl::StatusOr<Index> Objects::create(const New& object) {
  if (absl::Status status = check_new_name(object); !status.ok()) return status;
  memories_.settle(object.arena);
  return is_arena_kind(static_cast<std::uint16_t>(object.kind)) ? create_in_arena(object)
                                                                : create_segment(object);
}

absl::StatusOr<Index> Objects::create_segment(const New& object) {
  if (absl::Status status = check_new_segment(object); !status.ok()) return status;
  const uid_t uid = catalog_.sessions[object.creator].uid;
  std::uint64_t bytes = whole_pages(object.size_bytes, object.huge_pages ? kHugePage : kPage);
  absl::Status charged = accounts_.charge_object(object.arena, uid, bytes);
  if (absl::IsResourceExhausted(charged) && memories_.recount(object.arena)) {
    charged = accounts_.charge_object(object.arena, uid, bytes);
  }
  if (!charged.ok()) return charged;
  // Committing takes its time, and meanwhile containers grow.
  memories_.settle(object.arena);
  absl::StatusOr<Segment> segment = take_segment({.size = object.size_bytes,
                                                  .sealable = object.sealable,
                                                  .sparse = object.sparse,
                                                  .huge_pages = object.huge_pages,
                                                  .numa_node = object.numa_node,
                                                  .uid = uid},
                                                 bytes);
  const Index index = segment.ok() ? catalog_.objects.take() : 0;
  if (index == 0) {
    accounts_.release_object(object.arena, uid, bytes);
    memories_.settle(object.arena);
    if (!segment.ok()) return segment.status();
    return error(absl::StatusCode::kResourceExhausted, "the table of objects is full");
  }
  if (segment->map_size() < bytes) {
    // Huge pages were refused, and ordinary ones take less.
    accounts_.shrink_object(object.arena, uid, bytes - segment->map_size());
    bytes = segment->map_size();
    memories_.settle(object.arena);
  }
  ObjectRecord& record = catalog_.objects[index];
  fill(record, object);
  record.committed_bytes = segment->map_size();
  record.inode = inode_of(segment->fd());
  record.page_size_bytes = segment->page_size();
  state(index) = State{};
  state(index).segment = *std::move(segment);
  catalog_.objects.publish(index);
  if (!object.name.empty()) put_name(index, object.name);
  return index;
}

// All of a fresh record but its state and name, and what its memory says.
void Objects::fill(ObjectRecord& record, const New& object) const {
  const SessionRecord& creator = catalog_.sessions[object.creator];
  ++record.generation;
  record.size_bytes = object.size_bytes;
  record.committed_bytes = 0;
  record.created_ns = object.now_ns;
  record.inode = 0;
  record.arena = object.arena;
  record.creator_pid = creator.pid;
  record.creator_uid = creator.uid;
  record.creator_slot = object.creator;
  record.creator_generation = creator.generation;
  record.page_size_bytes = 0;
  record.numa_node = object.numa_node;
  record.kind = static_cast<std::uint16_t>(object.kind);
  record.lifetime = static_cast<std::uint16_t>(object.lifetime);
  record.sealable = object.sealable ? 1 : 0;
  record.sealed = 0;
  record.sparse = object.sparse ? 1 : 0;
  record.named = 0;
  record.element_bytes = 0;
  record.parameter = 0;
  record.block = 0;
  record.block_bytes = 0;
  record.flags = 0;
  record.allocates = memory::is_container_kind(record.kind) ? 1 : 0;
  record.fingerprint_bytes = 0;
}

void Objects::put_name(Index index, std::string_view name) {
  ObjectRecord& record = catalog_.objects[index];
  record.name.set(name);
  record.named = 1;
  names(record.arena)[record.name.view()] = index;
  if (record.lifetime == static_cast<std::uint16_t>(wire::Lifetime::SESSION)) add_to_creator(index);
}

absl::Status Objects::link(Index index, std::string_view name) {
  if (absl::Status status = protocol::check_name("object", name); !status.ok()) return status;
  const ObjectRecord& record = catalog_.objects[index];
  if (record.named != 0) {
    return error(absl::StatusCode::kFailedPrecondition, "the object has the name \"",
                 record.name.view(), "\"");
  }
  if (find(record.arena, name) != 0) {
    return name_taken(catalog_.arenas[record.arena].name.view(), name);
  }
  put_name(index, name);
  return absl::OkStatus();
}

void Objects::unlink(Index index) {
  ObjectRecord& record = catalog_.objects[index];
  if (record.named != 0) {
    if (record.lifetime == static_cast<std::uint16_t>(wire::Lifetime::SESSION)) {
      remove_from_creator(index);
    }
    names(record.arena).erase(record.name.view());
    record.named = 0;
  }
  free_if_unused(index);
}

void Objects::reference_dropped(Index index) {
  const ObjectRecord& record = catalog_.objects[index];
  const bool last = ledger_.of_object(index).references == 0 && tokens(index) == 0;
  if (!last) return;
  if (record.lifetime == static_cast<std::uint16_t>(wire::Lifetime::REFERENCED)) {
    unlink(index);
  } else {
    free_if_unused(index);
  }
}

bool Objects::is_used(Index index) const {
  return record(index).named != 0 || tokens(index) != 0 || ledger_.of_object(index).references != 0;
}

void Objects::free_if_unused(Index index) {
  const ObjectRecord& record = catalog_.objects[index];
  if (is_used(index)) return;
  if (is_referred_to(index)) {
    unrooted_(index);
    return;
  }
  if (in_arena(index)) {
    retire_in_arena(index);
    return;
  }
  catalog_.objects.free(index);
  accounts_.release_object(record.arena, record.creator_uid, record.committed_bytes);
  const std::uint64_t warm_before = store_.warm_bytes();
  store_.retire(std::exchange(state(index).segment, Segment{}));
  const std::uint64_t kept = store_.warm_bytes() - warm_before;
  if (kept < record.committed_bytes) gauge_.released(record.committed_bytes - kept);
  memories_.settle(record.arena);
}

absl::Status Objects::seal(Index index) {
  if (in_arena(index)) {
    return error(absl::StatusCode::kFailedPrecondition, kind_name(record(index).kind), " \"",
                 record(index).name.view(),
                 "\" lives in the memory of its arena and cannot be sealed; a SharedMemory can");
  }
  absl::Status status = store_.seal(state(index).segment);
  if (status.ok()) catalog_.objects[index].sealed = 1;
  return status;
}

void Objects::add_to_creator(Index index) {
  const Index slot = catalog_.objects[index].creator_slot;
  if (slot >= first_of_creator_.size()) first_of_creator_.resize(slot + 1);
  const Index first = first_of_creator_[slot];
  state(index).previous_of_creator = 0;
  state(index).next_of_creator = first;
  if (first != 0) state(first).previous_of_creator = index;
  first_of_creator_[slot] = index;
}

void Objects::remove_from_creator(Index index) {
  const State& mine = state(index);
  if (mine.previous_of_creator != 0) {
    state(mine.previous_of_creator).next_of_creator = mine.next_of_creator;
  } else {
    first_of_creator_[catalog_.objects[index].creator_slot] = mine.next_of_creator;
  }
  if (mine.next_of_creator != 0) {
    state(mine.next_of_creator).previous_of_creator = mine.previous_of_creator;
  }
}

bool Objects::end_of_creator(Index slot, Turn& turn) {
  const auto left = [&] { return slot < first_of_creator_.size() && first_of_creator_[slot] != 0; };
  while (left() && turn.step()) unlink(first_of_creator_[slot]);
  return left();
}

}  // namespace shoal::daemon
