// Integers of any size: two's complement, least byte first, as Python's int.to_bytes(n, "little",
// signed=True) writes them. The canonical form has not a byte more than needed, so that equal
// numbers have equal bytes. There is no arithmetic here: only what storing, comparing and writing
// need.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace shoal::memory {

// Between decimal text and bytes takes time with the square of the length: beyond these, integers
// are written in hexadecimal, and decimal text is refused.
inline constexpr std::size_t kDecimalBytesMax = 8192;
inline constexpr std::size_t kDecimalDigitsMax = 20'000;

// The same number without needless bytes. Empty bytes are 0, which is one byte.
std::string_view canonical_big_int(std::string_view bytes);

// The number, if 64 bits hold it.
std::optional<std::int64_t> small_integer(std::string_view bytes);

// A whole double that is finite, in canonical form.
std::string big_int_of(double whole);
std::string big_int_of(std::int64_t number);

// Negative, 0 or positive, as the first is below, equal to or above the second. Both canonical.
int compare_big_ints(std::string_view a, std::string_view b);

// Decimal, or 0x and hexadecimal digits where it would be long; '-' before a negative number.
std::string big_int_text(std::string_view bytes);

// The canonical form of what such a text says, also with '+'; nullopt if it is no number.
std::optional<std::string> parse_big_int(std::string_view text);

}  // namespace shoal::memory
