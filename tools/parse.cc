// Text from people: numbers, sizes, modes, users. Declared in format.h.
#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <charconv>
#include <cmath>
#include <limits>
#include <vector>

#include "absl/strings/str_cat.h"

#include "tools/format.h"

namespace shoal::tools {
namespace {

template <typename I>
std::optional<I> parse_whole(std::string_view text, int base = 10) {
  I value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// The factor of "", "B", "K", "KiB", ... "T", "TiB".
std::optional<std::uint64_t> unit_factor(std::string_view unit) {
  if (unit.empty() || unit == "B") return 1;
  if (unit.size() > 1 && unit.substr(1) != "iB") return std::nullopt;
  switch (unit[0]) {
    case 'K':
      return std::uint64_t{1} << 10;
    case 'M':
      return std::uint64_t{1} << 20;
    case 'G':
      return std::uint64_t{1} << 30;
    case 'T':
      return std::uint64_t{1} << 40;
    default:
      return std::nullopt;
  }
}

// An entry of the user or group database, by one of the *_r calls.
template <typename Entry, typename Key, typename Lookup>
std::optional<Entry> look_up(Key key, Lookup lookup, std::vector<char>& buffer) {
  buffer.resize(1 << 16);
  Entry entry{};
  Entry* found = nullptr;
  if (lookup(key, &entry, buffer.data(), buffer.size(), &found) != 0) return std::nullopt;
  if (found == nullptr) return std::nullopt;
  return entry;
}

}  // namespace

std::optional<std::int64_t> parse_integer(const std::string& text) {
  return parse_whole<std::int64_t>(text);
}

std::optional<std::uint64_t> parse_id(const std::string& text) {
  return parse_whole<std::uint64_t>(text);
}

std::optional<std::uint64_t> parse_size(const std::string& text) {
  const std::size_t digits = std::min(text.find_first_not_of("0123456789."), text.size());
  std::size_t unit_at = digits;
  while (unit_at < text.size() && text[unit_at] == ' ') ++unit_at;
  const auto factor = unit_factor(std::string_view(text).substr(unit_at));
  if (!factor || digits == 0) return std::nullopt;
  const std::string_view number = std::string_view(text).substr(0, digits);
  if (const auto whole = parse_whole<std::uint64_t>(number)) {
    if (*whole > std::numeric_limits<std::uint64_t>::max() / *factor) return std::nullopt;
    return *whole * *factor;
  }
  double amount = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), amount);
  if (error != std::errc() || end != number.data() + number.size()) return std::nullopt;
  const double bytes = amount * static_cast<double>(*factor);
  if (*factor == 1 || bytes >= 0x1p63) return std::nullopt;
  return static_cast<std::uint64_t>(std::llround(bytes));
}

std::optional<mode_t> parse_mode(const std::string& text) {
  const auto mode = parse_whole<mode_t>(text, 8);
  if (!mode || *mode > 0777) return std::nullopt;
  return mode;
}

std::optional<uid_t> parse_user(const std::string& text) {
  if (const auto uid = parse_whole<uid_t>(text)) return uid;
  std::vector<char> buffer;
  const auto entry = look_up<passwd>(text.c_str(), getpwnam_r, buffer);
  if (!entry) return std::nullopt;
  return entry->pw_uid;
}

std::optional<gid_t> parse_group(const std::string& text) {
  if (const auto gid = parse_whole<gid_t>(text)) return gid;
  std::vector<char> buffer;
  const auto entry = look_up<group>(text.c_str(), getgrnam_r, buffer);
  if (!entry) return std::nullopt;
  return entry->gr_gid;
}

std::optional<std::string> user_name(uid_t uid) {
  std::vector<char> buffer;
  const auto entry = look_up<passwd>(uid, getpwuid_r, buffer);
  if (!entry) return std::nullopt;
  return entry->pw_name;
}

std::optional<std::string> group_name(gid_t gid) {
  std::vector<char> buffer;
  const auto entry = look_up<group>(gid, getgrgid_r, buffer);
  if (!entry) return std::nullopt;
  return entry->gr_name;
}

std::string user_text(uid_t uid) {
  const auto name = user_name(uid);
  return name ? absl::StrCat(uid, " (", escaped(*name), ")") : absl::StrCat(uid);
}

std::string group_text(gid_t gid) {
  const auto name = group_name(gid);
  return name ? absl::StrCat(gid, " (", escaped(*name), ")") : absl::StrCat(gid);
}

}  // namespace shoal::tools
