// Semaphores. With owned permits (the default) each permit is a cell that names the process that
// has it, 0 while nobody does: a death gives its permits back. With plain permits (kFlagPlain) it
// is a count that anybody raises: a signal, not a resource.
//
//   owned   acquire: one compare-and-swap 0 -> slot       release: slot -> 0
//   plain   acquire: count -> count - 1                   release(n): count -> count + n
//
// A BoundedSemaphore with plain permits refuses to be raised above what it began with.
//
// What if a process dies here? Owned: whatever it had, recovery gives back. Plain: a permit it took
// is gone, as with any signal that was received. In the middle of release(n) of owned permits: the
// rest comes back all the same.
#pragma once

#include "memory/wait.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

inline constexpr std::uint32_t kPermitsMax = 0x7fffffff;

Result acquire_permit(const ObjectView& semaphore, Caller& caller, Deadline deadline);
// All of them or none. kNotOwner: owned, and this process has fewer. kOverflow: plain, and there
// would be too many.
Result release_permits(const ObjectView& semaphore, Caller& caller, std::uint32_t permits);

// Permits that are free.
std::uint32_t free_permits(const ObjectView& semaphore);
// Owned permits that the process has.
std::uint32_t permits_of(const ObjectView& semaphore, std::uint16_t slot);

void recover_semaphore(const ObjectView& semaphore, std::uint16_t slot);

SHOAL_VARIANT_END

}  // namespace shoal::memory
