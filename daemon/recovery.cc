// See recovery.h.
#include "daemon/recovery.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <span>

#include "memory/shareable_list.h"
#include "schemas/control.capnp.h"
#include "schemas/text.h"

namespace shoal::daemon {

absl::Status recover_segment(const Segment& segment, const ObjectRecord& object,
                             std::uint16_t slot) {
  // A plain span of bytes has no owner words.
  if (object.kind != static_cast<std::uint16_t>(wire::Kind::SHAREABLE_LIST)) {
    return absl::OkStatus();
  }
  void* at = ::mmap(nullptr, segment.size(), PROT_READ | PROT_WRITE, MAP_SHARED, segment.fd(), 0);
  if (at == MAP_FAILED) {
    return protocol::error(absl::StatusCode::kResourceExhausted, "cannot map object \"",
                           object.name.view(), "\" for recovery: ", std::strerror(errno));
  }
  absl::Status status =
      memory::orphan(std::span(static_cast<std::byte*>(at), segment.size()), slot);
  ::munmap(at, segment.size());
  return status;
}

bool recover_in_arena(const memory::ObjectView& object, const memory::ContainerHome& home,
                      memory::Caller& manager, std::uint16_t slot, bool died) {
  const std::uint32_t before = object.descriptor->recoveries.load();
  if (memory::is_container(object.kind)) {
    memory::recover_container(object, home, manager, slot);
  } else {
    memory::recover_object(object, manager, slot, died);
  }
  return object.descriptor->recoveries.load() != before;
}

}  // namespace shoal::daemon
