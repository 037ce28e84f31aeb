// Building messages from pieces. Debian's absl::string_view is a type of its own, so absl::StrCat
// does not take std::string_view: this is the one place that bridges the two.
#pragma once

#include <charconv>
#include <concepts>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"

namespace shoal::protocol {

inline void append(std::string& out, std::string_view piece) { out.append(piece); }

template <std::integral I>
void append(std::string& out, I number) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
  out.append(digits, end);
}

// Concatenates strings and integers.
template <typename... Pieces>
std::string text(const Pieces&... pieces) {
  std::string out;
  (append(out, pieces), ...);
  return out;
}

template <typename... Pieces>
absl::Status error(absl::StatusCode code, const Pieces&... pieces) {
  return absl::Status(code, text(pieces...));
}

inline absl::string_view to_absl(std::string_view s) { return {s.data(), s.size()}; }
inline std::string_view to_std(absl::string_view s) { return {s.data(), s.size()}; }

}  // namespace shoal::protocol
