// Shoal's side of the list/ rows.
#pragma once

#include <memory>

#include "reference/list_sides.h"

namespace bench {

std::unique_ptr<reference::Side> shoal_list(reference::ListOperation operation,
                                            std::uint64_t round);

}  // namespace bench
