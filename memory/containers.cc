// See containers.h.
#include "memory/containers.h"

#include "memory/dict.h"
#include "memory/list_container_recover.h"
#include "memory/recover.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

namespace {

Dict dict_of(const ObjectView& object, const ContainerHome& home) {
  return Dict(object, home.arena, home.geometry, home.allocator);
}

ListObject list_of(const ObjectView& object, const ContainerHome& home) {
  return {
      .view = object, .arena = home.arena, .geometry = home.geometry, .allocator = home.allocator};
}

}  // namespace

void recover_container(const ObjectView& object, const ContainerHome& home, Caller& manager,
                       std::uint16_t slot) {
  if (object.kind == ObjectKind::kList) {
    recover_list(list_of(object, home), manager, slot);
  } else {
    dict_of(object, home).recover(manager, slot);
  }
  announce_to_all(object);
}

void retire_container(const ObjectView& object, const ContainerHome& home) {
  if (object.kind != ObjectKind::kList) dict_of(object, home).retire();
}

bool container_reaches(const ObjectView& object, const ContainerHome& home, std::uint32_t part,
                       std::uint64_t block) {
  return object.kind == ObjectKind::kList ? reaches(list_of(object, home), part, block)
                                          : dict_of(object, home).reaches(part, block);
}

Walked walk_references(const ObjectView& object, const ContainerHome& home, ReferenceWalk& walk,
                       std::uint64_t& left, std::uint32_t steps,
                       absl::FunctionRef<void(std::uint64_t id)> visit) {
  return object.kind == ObjectKind::kList
             ? walk_references(list_of(object, home), walk, left, steps, visit)
             : dict_of(object, home).walk_references(walk, left, steps, visit);
}

void note_referred(std::byte* arena, std::uint64_t id) {
  const ObjectView object = view_of(arena, id, ObjectKind::kLock, 0, 0, 0);
  if (!object.is_stale()) object.descriptor->referred.store(1);
}

SHOAL_VARIANT_END

}  // namespace shoal::memory
