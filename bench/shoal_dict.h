// Shoal's side of the dict/ and typed_dict/ rows.
#pragma once

#include <memory>

#include "reference/dict.h"

namespace bench {

std::unique_ptr<reference::Side> shoal_dict64(reference::Operation operation, std::size_t entries,
                                              std::uint64_t round);
std::unique_ptr<reference::Side> shoal_dict8(reference::Operation operation, std::size_t entries,
                                             std::uint64_t round);
std::unique_ptr<reference::Side> shoal_typed64(reference::Operation operation, std::size_t entries,
                                               std::uint64_t round);

// Two clients of one manager.
std::unique_ptr<reference::Side> shoal_pair(reference::Duties duties, std::size_t entries);

reference::Tail shoal_growth(std::size_t entries);
double shoal_bytes_per_entry(std::size_t entries);

}  // namespace bench
