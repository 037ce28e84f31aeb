// What the manager does to a List, and what tools read of one. See list_container.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"

#include "memory/arena.h"
#include "memory/list_container.h"
#include "memory/value_references.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

// Nothing of the dead `slot` stays held in the list, and nothing that it replaced stays owned.
// After recover_intents of the slot. May be done any number of times.
void recover_list(const ListObject& list, Caller& manager, std::uint16_t slot);

// For recover_intents: whether the list reaches this block of it.
bool reaches(const ListObject& list, std::uint32_t part, std::uint64_t block);

// For the trace; see containers.h.
Walked walk_references(const ListObject& list, ReferenceWalk& walk, std::uint64_t& left,
                       std::uint32_t steps, absl::FunctionRef<void(std::uint64_t id)> visit);

// As Dict's: a step is one leaf.
Walked walk_references(const ListObject& list, ReferenceWalk& walk, std::uint64_t& left,
                       absl::FunctionRef<void(std::uint64_t id)> visit);

// What a walk over a list finds, while others go on.
struct ListReport {
  // False: it was built anew meanwhile, and nothing else here counts.
  bool stood = true;
  std::uint64_t elements = 0;
  std::uint64_t leaves = 0;
  std::uint64_t large_values = 0;
  std::uint64_t block_bytes = 0;  // of all its blocks
  std::uint64_t live_bytes = 0;   // of elements, records and large values
  std::uint64_t dead_bytes = 0;   // of records that no element names
  std::vector<std::string> wrong;
};
// Takes no lock and writes nothing. What is counted is of several moments if the list changes.
ListReport verify(const ListObject& list);

SHOAL_VARIANT_END

}  // namespace shoal::memory
