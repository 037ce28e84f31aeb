// Shoal's side of the dict/ and typed_dict/ rows: what a row measures of it, on a private manager.
#pragma once

#include <memory>

#include "reference/dict_pair.h"
#include "reference/dict_walk.h"
#include "reference/growth.h"

namespace bench {

// Values of 64 bytes, and integers. Both of an arena, keys as text.
std::unique_ptr<reference::Side> shoal_dict64(reference::Operation operation, std::size_t entries,
                                              std::uint64_t round);
std::unique_ptr<reference::Side> shoal_dict8(reference::Operation operation, std::size_t entries,
                                             std::uint64_t round);

// A TypedDict of keys of 16 bytes.
std::unique_ptr<reference::Side> shoal_typed64(reference::Operation operation, std::size_t entries,
                                               std::uint64_t round);

// Two clients of one manager.
std::unique_ptr<reference::Side> shoal_pair(reference::Duties duties, std::size_t entries);

// Growing from empty.
reference::Tail shoal_growth(std::size_t entries);

// Of shared memory, whatever for, averaged over the doubling from `entries` on.
double shoal_bytes_per_entry(std::size_t entries);

}  // namespace bench
