// What the manager does to a container's bytes, whichever kind it is: after a death, when it
// recovers allocations, when it traces references. The bytes are hostile; all of this ends, and
// never leaves the arena. The kinds' own files say why each is right.
#pragma once

#include <cstdint>

#include "absl/functional/function_ref.h"

#include "memory/arena.h"
#include "memory/caller.h"
#include "memory/object.h"
#include "memory/value_references.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

// Where containers live: the whole mapping, its geometry as the manager knows it, its allocator.
struct ContainerHome {
  std::byte* arena = nullptr;
  Geometry geometry{};
  ArenaMemory* allocator = nullptr;
};

// Nothing of the dead `slot` stays held, what it had begun is forgotten or finished, and whoever
// waits looks again. After recover_intents of all its threads.
void recover_container(const ObjectView& object, const ContainerHome& home, Caller& manager,
                       std::uint16_t slot);

// After retire_object: whoever waits for a lock inside it wakes, and nobody falls asleep any more.
void retire_container(const ObjectView& object, const ContainerHome& home);

// Whether the object's root words name the block, of this part: for recover_intents.
bool container_reaches(const ObjectView& object, const ContainerHome& home, std::uint32_t part,
                       std::uint64_t block);

// Goes on with a walk over the ids of the objects that its values refer to, for at least one and
// about `steps` slots and ids. Each reference that is there all the time is met, whatever else
// changes meanwhile; some ids may be nonsense. `left`: how many bytes may be looked at in all.
Walked walk_references(const ObjectView& object, const ContainerHome& home, ReferenceWalk& walk,
                       std::uint64_t& left, std::uint32_t steps,
                       absl::FunctionRef<void(std::uint64_t id)> visit);

// The object of this id may be referred to from now on: said before any value that does is seen.
// `arena` is the whole mapping.
void note_referred(std::byte* arena, std::uint64_t id);

SHOAL_VARIANT_END

}  // namespace shoal::memory
