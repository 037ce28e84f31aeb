// What is done to an object's bytes when a process that could write them is dead, or has given the
// object back. The bytes are hostile: recovery ends, and at worst says what it found.
#pragma once

#include <cstdint>

#include "absl/status/status.h"

#include "daemon/catalog.h"
#include "daemon/segment.h"
#include "memory/containers.h"
#include "memory/recover.h"

namespace shoal::daemon {

// Of a segment: nothing of the dead `slot` stays claimed in the object. Any number of times.
absl::Status recover_segment(const Segment& segment, const ObjectRecord& object,
                             std::uint16_t slot);

// Of an object in an arena. Whether the slot held something, as far as the object's bytes tell.
bool recover_in_arena(const memory::ObjectView& object, const memory::ContainerHome& home,
                      memory::Caller& manager, std::uint16_t slot, bool died);

}  // namespace shoal::daemon
