// Text for people. See format.h.
#include "tools/format.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace shoal::tools {
namespace {

struct CodePoint {
  std::uint32_t value = 0;
  std::size_t length = 0;  // in bytes; 0: not UTF-8
};

// The code point that `text`, not empty, begins with.
CodePoint first_code_point(std::string_view text) {
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
  const unsigned lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < length) return {};
  std::uint32_t value = lead & (0x7FU >> length);
  for (std::size_t at = 1; at < length; ++at) {
    if ((byte(at) & 0xC0U) != 0x80U) return {};
    value = (value << 6) | (byte(at) & 0x3FU);
  }
  constexpr std::array<std::uint32_t, 5> kLeast = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = value >= 0xD800 && value <= 0xDFFF;
  if (value < kLeast[length] || value > 0x10FFFF || surrogate) return {};
  return {value, length};
}

bool steers_terminal(std::uint32_t c) {
  return c < 0x20 || (c >= 0x7F && c <= 0x9F) || c == 0x200E || c == 0x200F || c == 0x061C ||
         (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
}

std::string escape(std::uint32_t c) {
  switch (c) {
    case '\n':
      return "\\n";
    case '\r':
      return "\\r";
    case '\t':
      return "\\t";
    default:
      return c < 0x80 ? absl::StrFormat("\\x%02x", c) : absl::StrFormat("\\u%04x", c);
  }
}

}  // namespace

std::string size_text(std::uint64_t bytes) {
  if (bytes < 1024) return absl::StrCat(bytes, " B");
  constexpr std::array<const char*, 6> kUnits = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double amount = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  // 1023.95 would be printed as 1024.0.
  while (amount >= 1023.95 && unit + 1 < kUnits.size()) {
    amount /= 1024;
    ++unit;
  }
  return absl::StrFormat("%.1f %s", amount, kUnits[unit]);
}

std::string exact_size_text(std::uint64_t bytes) {
  if (bytes < 1024) return absl::StrCat(bytes, " bytes");
  return absl::StrCat(size_text(bytes), " (", bytes, " bytes)");
}

std::string age_text(absl::Time then, absl::Time now) {
  const std::int64_t seconds = std::max<std::int64_t>(0, absl::ToInt64Seconds(now - then));
  if (seconds < 60) return absl::StrCat(seconds, "s ago");
  if (seconds < 3600) return absl::StrCat(seconds / 60, "m ago");
  if (seconds < 86'400) return absl::StrCat(seconds / 3600, "h ago");
  return absl::StrCat(seconds / 86'400, "d ago");
}

std::string time_text(absl::Time time) {
  return absl::FormatTime("%Y-%m-%d%ET%H:%M:%E*SZ", time, absl::UTCTimeZone());
}

std::string harmless(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const CodePoint point = first_code_point(text);
    if (point.length == 0) {
      out += absl::StrFormat("\\x%02x", static_cast<unsigned char>(text[0]));
      text.remove_prefix(1);
      continue;
    }
    if (point.value != '\n' && steers_terminal(point.value)) {
      out += escape(point.value);
    } else {
      out += text.substr(0, point.length);
    }
    text.remove_prefix(point.length);
  }
  return out;
}

std::string escaped(std::string_view text) {
  std::string doubled;
  for (const char c : text) doubled += c == '\\' ? "\\\\" : std::string(1, c);
  std::string out;
  for (const char c : harmless(doubled)) out += c == '\n' ? "\\n" : std::string(1, c);
  return out;
}

std::size_t columns(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned>(c) & 0xC0U) != 0x80U; }));
}

std::string mode_text(mode_t mode) { return absl::StrFormat("%04o", mode); }

std::string hex_lines(std::span<const std::byte> bytes, std::uint64_t offset) {
  std::string out;
  for (std::size_t line = 0; line < bytes.size(); line += 16) {
    const auto row = bytes.subspan(line, std::min<std::size_t>(16, bytes.size() - line));
    absl::StrAppendFormat(&out, "%08x ", offset + line);
    std::string letters;
    for (std::size_t at = 0; at < 16; ++at) {
      if (at == 8) out += ' ';
      if (at >= row.size()) {
        out += "   ";
        continue;
      }
      const auto value = std::to_integer<unsigned char>(row[at]);
      absl::StrAppendFormat(&out, " %02x", value);
      letters += value >= 0x20 && value < 0x7F ? static_cast<char>(value) : '.';
    }
    absl::StrAppend(&out, "  |", letters, "|\n");
  }
  return out;
}

}  // namespace shoal::tools
