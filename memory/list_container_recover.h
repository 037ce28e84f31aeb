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
void recover_list(const ListObject& list, ArenaMemory& memory, Caller& manager, std::uint16_t slot);

// For recover_intents: whether the list reaches this block of it.
bool reaches(const ListObject& list, std::uint32_t part, std::uint64_t block);

// Each value of the list that is a reference or has some, for the trace. False: it changed
// meanwhile, or cannot be; those visited were in it.
bool for_each_reference(
    const ListObject& list,
    absl::FunctionRef<void(std::uint8_t kind, std::span<const std::byte> bytes)> visit);

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
ListReport verify(const ListObject& list, const ArenaMemory& memory);

SHOAL_VARIANT_END

}  // namespace shoal::memory
