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

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

// Nothing of the dead `slot` stays held in the list, and nothing that it replaced stays owned.
// After recover_intents of the slot. May be done any number of times.
void recover_list(const ListObject& list, Caller& manager, std::uint16_t slot);

// For recover_intents: whether the list reaches this block of it.
bool reaches(const ListObject& list, std::uint32_t part, std::uint64_t block);

// Each element that is a reference or has some, for the trace; its bytes are aligned to 8 and were
// copied. False: the list changed meanwhile, or cannot be; those visited were in it.
bool for_each_with_references(const ListObject& list,
                              absl::FunctionRef<void(const ListElement& element)> visit);

// What a walk over a list finds that nobody changes meanwhile.
struct ListReport {
  std::uint64_t elements = 0;
  std::uint64_t leaves = 0;
  std::uint64_t large_values = 0;
  std::uint64_t block_bytes = 0;  // of all its blocks
  std::uint64_t live_bytes = 0;   // of elements, records and large values
  std::uint64_t dead_bytes = 0;   // of records that no element names
  std::vector<std::string> wrong;
};
ListReport verify(const ListObject& list);

SHOAL_VARIANT_END

}  // namespace shoal::memory
