// What lists, tuples, sets, maps and opaque values are made of. Never changed once it is shared.
// And how values are ordered.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
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

// Negative, 0 or positive, where Python has an order: of numbers (NaN behind all others), texts,
// bytes, and lists or tuples of what has one. nullopt: it has none.
std::optional<int> python_order(const Value& a, const Value& b);

}  // namespace shoal::internal
