// See containers.h.
#include "memory/containers.h"

#include "memory/dict.h"
#include "memory/list_container_recover.h"
#include "memory/recover.h"
#include "memory/value_references.h"

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

bool container_reaches(const ObjectView& object, const ContainerHome& home, std::uint32_t part,
                       std::uint64_t block) {
  return object.kind == ObjectKind::kList ? reaches(list_of(object, home), part, block)
                                          : dict_of(object, home).reaches(part, block);
}

void for_each_reference(const ObjectView& object, const ContainerHome& home,
                        absl::FunctionRef<void(std::uint64_t id)> visit) {
  if (object.kind == ObjectKind::kList) {
    (void)for_each_with_references(list_of(object, home), [&](const ListElement& element) {
      references_in(element.kind, reinterpret_cast<const std::byte*>(element.bytes.data()),
                    element.bytes.size(), visit);
    });
    return;
  }
  dict_of(object, home).for_each_with_references([&](const StoredValue& value) {
    references_in(value.kind, value.data, value.bytes, visit);
  });
}

SHOAL_VARIANT_END

}  // namespace shoal::memory
