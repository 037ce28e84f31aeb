// What lists, tuples, sets, maps and opaque values are made of. Never changed once it is shared.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "shoal/value.h"

namespace shoal::internal {

struct ValueParts {
  std::vector<Value> items;         // of a list, a tuple, a set
  std::vector<ValueEntry> entries;  // of a map
  Opaque opaque;
  std::atomic<std::uint64_t> uses{1};
  ValueParts* next = nullptr;  // of those that are about to be destroyed
};

}  // namespace shoal::internal
