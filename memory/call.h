// One call that changes a container: who makes it, how long it waits for another's lock, and what
// there was too little of.
#pragma once

#include <cstdint>

#include "absl/status/status.h"

#include "memory/caller.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

struct Call {
  Caller& caller;
  std::int64_t timeout_ns = 0;
  absl::Status why = {};  // of kExhausted
};

SHOAL_VARIANT_END

}  // namespace shoal::memory
