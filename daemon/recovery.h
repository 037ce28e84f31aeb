// What is done to an object's bytes when a process that could write them is dead. The bytes are
// hostile: recovery ends, and at worst says what it found.
#pragma once

#include <cstdint>

#include "absl/status/status.h"

#include "daemon/catalog.h"
#include "daemon/segment.h"

namespace shoal::daemon {

// Nothing of the dead `slot` stays claimed in the object. Any number of times.
absl::Status recover_object(const Segment& segment, const ObjectRecord& object, std::uint16_t slot);

}  // namespace shoal::daemon
