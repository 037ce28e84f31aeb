// See containers.h.
#include "memory/containers.h"

#include "memory/dict.h"
#include "memory/recover.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

namespace {

template <typename Container>
Container open(const ObjectView& object, const ContainerHome& home) {
  return Container(object, home.arena, home.geometry, home.allocator);
}

}  // namespace

void recover_container(const ObjectView& object, const ContainerHome& home, Caller& manager,
                       std::uint16_t slot) {
  open<Dict>(object, home).recover(manager, slot);
  announce_to_all(object);
}

bool container_reaches(const ObjectView& object, const ContainerHome& home, std::uint32_t part,
                       std::uint64_t block) {
  return open<Dict>(object, home).reaches(part, block);
}

Walked walk_references(const ObjectView& object, const ContainerHome& home, ReferenceWalk& walk,
                       std::uint64_t& left, std::uint32_t steps,
                       absl::FunctionRef<void(std::uint64_t id)> visit) {
  return open<Dict>(object, home).walk_references(walk, left, steps, visit);
}

void note_referred(std::byte* arena, std::uint64_t id) {
  const ObjectView object = view_of(arena, id, ObjectKind::kLock, 0, 0, 0);
  if (!object.is_stale()) object.descriptor->referred.store(1);
}

SHOAL_VARIANT_END

}  // namespace shoal::memory
