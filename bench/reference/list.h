// References of the list/ rows. Knows nothing of shoal.
#pragma once

#include <memory>

#include "reference/list_sides.h"
#include "reference/side.h"

namespace reference {

// A std::vector of this process, under a std::mutex.
std::unique_ptr<Side> vector_list(ListOperation operation, std::uint64_t round);

// multiprocessing.Manager().list(), used and timed by Python; see have_python() of dict.h.
std::unique_ptr<Side> python_list(ListOperation operation, std::uint64_t round);

}  // namespace reference
