// Whether bytes are UTF-8 as Python's strict decoder has it: no surrogates, nothing overlong.
#pragma once

#include <string_view>

namespace shoal::memory {

bool is_utf8(std::string_view text);

}  // namespace shoal::memory
