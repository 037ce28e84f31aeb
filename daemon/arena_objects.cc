// Objects in the memory of their arena, see objects.h: laid, recovered and retired here, all by
// what the catalog says of them.
#include <algorithm>
#include <cstring>
#include <optional>

#include "daemon/arena_memory.h"
#include "daemon/objects.h"
#include "daemon/random.h"
#include "daemon/recovery.h"
#include "memory/containers.h"
#include "memory/recover.h"
#include "schemas/limits.h"
#include "schemas/text.h"

namespace shoal::daemon {
namespace {

using memory::ObjectKind;
using protocol::error;

std::string what(const Objects::New& object) {
  return protocol::text(kind_name(static_cast<std::uint16_t>(object.kind)), " \"", object.name,
                        "\"");
}

// A value and an array have a size that users know; what the rest is as large as is nobody's
// concern but the quota's.
std::uint64_t size_of(const Objects::New& object) {
  const bool sized = object.kind == wire::Kind::CELL || object.kind == wire::Kind::ARRAY;
  return sized ? object.traits.parameter : memory::kDescriptorBytes;
}

}  // namespace

absl::Status Objects::check_new_in_arena(const New& object) const {
  const auto kind = static_cast<std::uint16_t>(object.kind);
  if (absl::Status status = check_traits(object.name, kind, object.traits); !status.ok()) {
    return status;
  }
  if (object.sealable || object.sparse || object.huge_pages || object.numa_node >= 0) {
    return error(absl::StatusCode::kInvalidArgument, what(object),
                 ": it lives in the memory of its arena; sealable, sparse, huge pages and NUMA "
                 "node are options of a SharedMemory");
  }
  const uid_t uid = catalog_.sessions[object.creator].uid;
  const std::uint32_t most = protocol::most_of_one_uid(
      protocol::Shared::kObjects, catalog_.objects.capacity(), object.may_use_all);
  const std::uint32_t of_uid = accounts_.user(uid).objects;
  if (of_uid < most) return absl::OkStatus();
  return error(absl::StatusCode::kResourceExhausted, what(object), ": uid ", uid, " has ", of_uid,
               " objects; the limit \"objects\" is ", catalog_.objects.capacity(), ", and ", most,
               " for this uid: unlink some");
}

absl::StatusOr<Index> Objects::create_in_arena(const New& object) {
  if (absl::Status status = check_new_in_arena(object); !status.ok()) return status;
  absl::StatusOr<ArenaMemory*> memory = memories_.need(object.arena);
  if (!memory.ok()) return memory.status();
  const std::uint64_t wanted = memory::block_bytes(static_cast<ObjectKind>(object.kind),
                                                   object.traits.flags, object.traits.parameter);
  const std::uint64_t taken = wanted == 0 ? 0 : memory::ArenaMemory::block_size(wanted);
  if (wanted > (*memory)->arena_bytes() || taken > (*memory)->arena_bytes() ||
      (taken == 0 && wanted != 0)) {
    return error(absl::StatusCode::kResourceExhausted, what(object), ": it takes ", wanted,
                 " bytes, and all memory of an arena is ", (*memory)->arena_bytes(),
                 "; start the manager with a larger --arena-size");
  }
  const uid_t uid = catalog_.sessions[object.creator].uid;
  const std::uint64_t bytes = taken + memory::kDescriptorBytes;
  constexpr auto kHome = Accounts::Home::kArena;
  absl::Status status = accounts_.charge_object(object.arena, uid, bytes, kHome);
  if (!status.ok()) return status;
  status = admit(bytes);
  if (!status.ok()) {
    accounts_.release_object(object.arena, uid, bytes, kHome);
    return status;
  }
  const Index index = catalog_.objects.take();
  if (index == 0 || index >= memory::kDescriptorsMax) {
    status = error(absl::StatusCode::kResourceExhausted, what(object), ": there are ",
                   catalog_.objects.used(), " objects, the limit \"objects\"; unlink some");
  } else {
    status = lay_in_arena(index, object, (*memory)->bytes());
  }
  if (!status.ok()) {
    if (index != 0) catalog_.objects.free(index);
    gauge_.released(bytes);
    accounts_.release_object(object.arena, uid, bytes, kHome);
    memories_.settle(object.arena);
    return status;
  }
  memories_.settle(object.arena);
  catalog_.objects[index].committed_bytes = bytes;
  catalog_.objects.publish(index);
  if (!object.name.empty()) put_name(index, object.name);
  return index;
}

// Its record, block and bytes; visible to nobody yet.
absl::Status Objects::lay_in_arena(Index index, const New& object, std::byte* arena) {
  ObjectRecord& record = catalog_.objects[index];
  const Traits& traits = object.traits;
  const auto kind = static_cast<ObjectKind>(object.kind);
  fill(record, object);
  state(index) = State{};
  record.size_bytes = size_of(object);
  record.parameter = traits.parameter;
  record.flags = traits.flags;
  const bool has_elements =
      object.kind == wire::Kind::ARRAY || object.kind == wire::Kind::TYPED_DICT;
  record.element_bytes = has_elements ? traits.element_bytes : 0;
  record.fingerprint_bytes = static_cast<std::uint8_t>(
      std::min(traits.fingerprint.size(), protocol::kFingerprintBytesMax));
  std::memcpy(record.fingerprint, traits.fingerprint.data(), record.fingerprint_bytes);
  record.block_bytes = memory::block_bytes(kind, traits.flags, traits.parameter);
  if (record.block_bytes != 0) {
    const absl::StatusOr<std::uint64_t> block =
        memories_.allocate(object.arena, id(index), record.block_bytes);
    if (!block.ok()) {
      return error(block.status().code(), what(object), ": ",
                   protocol::to_std(block.status().message()));
    }
    record.block = *block;
  }
  memory::NewObject made{.index = index,
                         .id = id(index),
                         .kind = kind,
                         .flags = traits.flags,
                         .parameter = traits.parameter,
                         .block = record.block,
                         .initial = traits.initial,
                         .seed = random_word()};
  memory::lay_object(arena, made);
  return absl::OkStatus();
}

memory::ObjectView Objects::view(Index index) const {
  const ObjectRecord& object = record(index);
  // Whoever has an object in an arena has the arena's memory.
  return memory::view_of(memories_.find(object.arena)->bytes(), id(index),
                         static_cast<ObjectKind>(object.kind), object.flags, object.parameter,
                         object.block);
}

absl::StatusOr<bool> Objects::recover(Index index, std::uint16_t slot, bool died) {
  if (in_arena(index)) {
    ArenaMemory& memory = *memories_.find(record(index).arena);
    return recover_in_arena(view(index), memory.home(), memory.caller(), slot, died);
  }
  // A live session's calls on a segment end before its last reference goes.
  if (!died) return false;
  if (absl::Status status = recover_segment(segment(index), record(index), slot); !status.ok()) {
    return status;
  }
  return false;
}

void Objects::retire_in_arena(Index index) {
  const ObjectRecord& object = record(index);
  memory::retire_object(view(index));
  // What a writer has damaged stays in use until the arena goes: it can only harm itself.
  if (object.block_bytes != 0) {
    (void)memories_.find(object.arena)->free(id(index), object.block, object.block_bytes);
  }
  gauge_.released(object.committed_bytes);
  accounts_.release_object(object.arena, object.creator_uid, object.committed_bytes,
                           Accounts::Home::kArena);
  if (object.allocates == 0) {
    catalog_.objects.free(index);
    return;
  }
  catalog_.objects.publish(index, static_cast<std::uint32_t>(ObjectState::kEnding));
  clearing_[object.arena].waiting.push_back(index);
}

void Objects::free_unreached(Index index) {
  if (is_there(index) && in_arena(index) && !is_used(index)) retire_in_arena(index);
}

bool Objects::reaches(std::uint64_t id, std::uint32_t part, std::uint64_t block) const {
  const Index index = get(id);
  if (index == 0 || !in_arena(index)) return false;
  if (record(index).allocates == 0) return part == 0 && record(index).block == block;
  return memory::container_reaches(view(index), memories_.find(record(index).arena)->home(), part,
                                   block);
}

// One arena at a time, each in its turn.
bool Objects::clear_some() {
  if (clearing_.empty()) return false;
  auto at = clearing_.upper_bound(cleared_last_);
  if (at == clearing_.end()) at = clearing_.begin();
  cleared_last_ = at->first;
  Clearing& clearing = at->second;
  if (clearing.passing.empty()) {
    clearing.cursor = 0;
    clearing.passing.swap(clearing.waiting);
  }
  ArenaMemory* const memory = memories_.find(at->first);
  const memory::Gone gone{.gone =
                              [](void* objects, std::uint32_t index) {
                                return static_cast<const Table<ObjectRecord>*>(objects)->is(
                                    index, ObjectState::kEnding);
                              },
                          .context = &catalog_.objects};
  // An arena without memory has no blocks.
  if (memory != nullptr && !memory->free_all(gone, clearing.cursor)) return true;
  for (const Index index : clearing.passing) catalog_.objects.free(index);
  clearing.passing.clear();
  if (clearing.waiting.empty()) clearing_.erase(at);
  return !clearing_.empty();
}

bool Objects::close_some(Turn& turn) {
  for (; close_next_ < catalog_.objects.end(); ++close_next_) {
    if (!is_there(close_next_) || !in_arena(close_next_)) continue;
    if (!turn.step()) return true;
    const memory::ObjectView object = view(close_next_);
    memory::retire_object(object);
    ArenaMemory* const memory = memories_.find(record(close_next_).arena);
    if (memory != nullptr && memory::is_container(object.kind)) {
      memory::retire_container(object, memory->home());
    }
  }
  close_next_ = 1;
  return false;
}

}  // namespace shoal::daemon
