// The shapes of --json. See json.h.
#include "tools/json.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

#include "tools/command.h"
#include "tools/format.h"

namespace shoal::tools {

Json json_integer(std::int64_t value) {
  const auto magnitude =
      value < 0 ? 0 - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value);
  if (magnitude > kExactIntegerMax) return absl::StrCat(value);
  return value;
}

Json json_integer(std::uint64_t value) {
  if (value > kExactIntegerMax) return absl::StrCat(value);
  return value;
}

Json json_time(absl::Time time) { return time_text(time); }

Json json_text(const std::optional<std::string>& text) {
  return text ? Json(*text) : Json(nullptr);
}

std::string base64(std::span<const std::byte> bytes) {
  return absl::Base64Escape({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

Json json_answer() { return Json{{"version", 1}}; }

std::optional<std::uint64_t> count_in(const Json& json, const char* member) {
  const auto found = json.find(member);
  if (found == json.end() || !found->is_number_unsigned()) return std::nullopt;
  return found->get<std::uint64_t>();
}

std::string json_line(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n';
}

void print_json(const Json& json) { print(json_line(json)); }

}  // namespace shoal::tools
