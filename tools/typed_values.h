// Values of Cells and Arrays, by the fingerprint of their type: numbers and bool, alone or in
// arrays; of any other type the bytes.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "tools/json.h"

namespace shoal::tools {

// `bytes` are those of one value. For programs, for loading back (values.h), for people.
Json typed_json(std::string_view fingerprint, std::span<const std::byte> bytes);
Json typed_dump(std::string_view fingerprint, std::span<const std::byte> bytes);
std::string typed_text(std::string_view fingerprint, std::span<const std::byte> bytes);

}  // namespace shoal::tools
