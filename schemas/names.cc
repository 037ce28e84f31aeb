// See names.h.
#include "schemas/names.h"

#include <cstdint>

#include "schemas/limits.h"
#include "schemas/text.h"

namespace shoal::protocol {
namespace {

// The length of the UTF-8 sequence at the start of `s`, 0 if it is none (overlong forms,
// surrogates and values past U+10FFFF are none).
std::size_t sequence_length(std::string_view s) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(s[i]); };
  const std::uint8_t first = byte(0);
  if (first < 0x80) return 1;
  std::size_t length = 0;
  std::uint32_t value = 0;
  std::uint32_t least = 0;
  if ((first & 0xe0) == 0xc0) {
    length = 2, value = first & 0x1fU, least = 0x80;
  } else if ((first & 0xf0) == 0xe0) {
    length = 3, value = first & 0x0fU, least = 0x800;
  } else if ((first & 0xf8) == 0xf0) {
    length = 4, value = first & 0x07U, least = 0x10000;
  } else {
    return 0;
  }
  if (s.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
    value = value << 6 | (byte(i) & 0x3fU);
  }
  const bool surrogate = value >= 0xd800 && value <= 0xdfff;
  return value < least || value > 0x10ffff || surrogate ? 0 : length;
}

bool has_control_character(std::string_view s) {
  for (std::size_t i = 0; i < s.size(); ++i) {
    const auto c = static_cast<std::uint8_t>(s[i]);
    if (c < 0x20 || c == 0x7f) return true;
    // U+0080..U+009F
    if (c == 0xc2 && i + 1 < s.size() && static_cast<std::uint8_t>(s[i + 1]) < 0xa0) return true;
  }
  return false;
}

absl::Status check_bytes(std::string_view what, std::string_view name) {
  if (name.size() > kNameBytesMax) {
    return error(absl::StatusCode::kInvalidArgument, what, " name \"", printable(name), "\" has ",
                 name.size(), " bytes; at most ", kNameBytesMax, " are allowed");
  }
  if (!is_utf8(name)) {
    return error(absl::StatusCode::kInvalidArgument, what, " name \"", printable(name),
                 "\" is not UTF-8");
  }
  if (has_control_character(name)) {
    return error(absl::StatusCode::kInvalidArgument, what, " name \"", printable(name),
                 "\" has a NUL or another control character");
  }
  return absl::OkStatus();
}

}  // namespace

bool is_utf8(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::size_t length = sequence_length(bytes);
    if (length == 0) return false;
    bytes.remove_prefix(length);
  }
  return true;
}

absl::Status check_name(std::string_view what, std::string_view name) {
  if (name.empty()) {
    return error(absl::StatusCode::kInvalidArgument, what, " name is empty; give 1 to ",
                 kNameBytesMax, " bytes of UTF-8");
  }
  if (name.front() == ' ' || name.back() == ' ') {
    return error(absl::StatusCode::kInvalidArgument, what, " name \"", printable(name),
                 "\" begins or ends with a space");
  }
  return check_bytes(what, name);
}

absl::Status check_prefix(std::string_view prefix) {
  // A prefix may end in the middle of a character; only its size matters.
  if (prefix.size() > kNameBytesMax) return check_bytes("prefix of an object", prefix);
  return absl::OkStatus();
}

std::string printable(std::string_view bytes) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  while (!bytes.empty() && out.size() < kNameBytesMax) {
    const std::size_t length = sequence_length(bytes);
    const auto c = static_cast<std::uint8_t>(bytes[0]);
    if (length == 0 || has_control_character(bytes.substr(0, length)) || c == '"' || c == '\\') {
      out.append("\\x");
      out.push_back(kHex[c >> 4]);
      out.push_back(kHex[c & 15]);
      bytes.remove_prefix(1);
    } else {
      out.append(bytes.substr(0, length));
      bytes.remove_prefix(length);
    }
  }
  if (!bytes.empty()) out.append("...");
  return out;
}

}  // namespace shoal::protocol
