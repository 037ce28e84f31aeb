// The shapes of --json. See json.h.
#include "tools/json.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

#include "tools/command.h"
#include "tools/format.h"

namespace shoal::tools {
namespace {

// Finds integers that the parser has no type for.
class LargeIntegers : public nlohmann::json_sax<Json> {
 public:
  std::string first;

  bool number_float(double /*rounded*/, const std::string& written) override {
    if (written.find_first_of(".eE") == std::string::npos && first.empty()) first = written;
    return true;
  }
  bool null() override { return true; }
  bool boolean(bool /*value*/) override { return true; }
  bool number_integer(std::int64_t /*value*/) override { return true; }
  bool number_unsigned(std::uint64_t /*value*/) override { return true; }
  bool string(std::string& /*value*/) override { return true; }
  bool binary(Json::binary_t& /*value*/) override { return true; }
  bool start_object(std::size_t /*size*/) override { return true; }
  bool key(std::string& /*name*/) override { return true; }
  bool end_object() override { return true; }
  bool start_array(std::size_t /*size*/) override { return true; }
  bool end_array() override { return true; }
  bool parse_error(std::size_t /*at*/, const std::string& /*token*/,
                   const nlohmann::detail::exception& /*why*/) override {
    return false;
  }
};

}  // namespace

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

absl::StatusOr<Json> parse_json(std::string_view text) {
  LargeIntegers large;
  if (!Json::sax_parse(text, &large)) return absl::InvalidArgumentError("not JSON");
  if (large.first.empty()) return Json::parse(text);
  return absl::InvalidArgumentError(
      absl::StrCat("an integer of more than 64 bits is written {\"int\":\"", large.first, "\"}"));
}

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
