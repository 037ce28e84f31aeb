// Values of Cells and Arrays, keys and values of TypedDicts, by the fingerprint of their type:
// numbers and bool, alone or in arrays; of any other type the bytes.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

#include "tools/json.h"

namespace shoal::tools {

// `bytes` are those of one value. For programs, for loading back (values.h), for people.
Json typed_json(std::string_view fingerprint, std::span<const std::byte> bytes);
Json typed_dump(std::string_view fingerprint, std::span<const std::byte> bytes);
std::string typed_text(std::string_view fingerprint, std::span<const std::byte> bytes);

// The `size` bytes of a value that typed_dump() wrote, or a person. INVALID_ARGUMENT.
absl::StatusOr<std::vector<std::byte>> typed_from_json(std::string_view fingerprint,
                                                       std::size_t size, const Json& json);
// The same from what typed_text() wrote, and text for arrays of u8, padded with NULs.
absl::StatusOr<std::vector<std::byte>> typed_from_text(std::string_view fingerprint,
                                                       std::size_t size, const std::string& text);

}  // namespace shoal::tools
