// An object of an arena as the inspector finds it. The bytes are copied first, then read by the
// algorithms of memory/, and nothing in them is followed but into the same memfd.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/functional/function_ref.h"

#include "client/inspect_proc.h"
#include "memory/layout.h"
#include "shoal/inspect.h"

namespace shoal::internal {

struct ArenaSeen {
  std::uint64_t manager = 0;
  std::uint64_t arena = 0;
  SharedFile file;
  // What may still be read of memory outside the object table: bytes that lie about their size
  // must not hold the inspector up.
  mutable std::uint64_t budget = std::uint64_t{64} << 20;
};

// Who has a slot of the arena's manager.
using Resolve = absl::FunctionRef<ThreadSeen(std::uint16_t slot, std::uint32_t thread)>;

// None: no arena, or not one of this release.
std::optional<memory::ArenaHeader> read_header(const SharedFile& file);

// Every object that is laid out.
void for_each_object(const ArenaSeen& arena,
                     absl::FunctionRef<void(const memory::Descriptor&)> visit);
std::optional<memory::Descriptor> read_descriptor(const ArenaSeen& arena, std::uint64_t id);

// Cheap, from the descriptor alone: whether anybody may hold it.
bool may_be_held(const memory::Descriptor& descriptor);

LockSeen read_object(const ArenaSeen& arena, const memory::Descriptor& descriptor, Resolve resolve);
bool is_held(const LockSeen& object);

}  // namespace shoal::internal
