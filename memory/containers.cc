// See containers.h.
#include "memory/containers.h"

#include "memory/dict.h"
#include "memory/recover.h"
#include "memory/value_references.h"

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

void for_each_reference(const ObjectView& object, const ContainerHome& home,
                        absl::FunctionRef<void(std::uint64_t id)> visit) {
  open<Dict>(object, home).for_each_with_references([&](const StoredValue& value) {
    references_in(value.kind, value.data, value.bytes, visit);
  });
}

SHOAL_VARIANT_END

}  // namespace shoal::memory
