// A shoal::Value, written. See values.h.
#include "tools/values.h"

#include <cmath>

#include "absl/strings/str_cat.h"

#include "tools/format.h"

namespace shoal::tools {
namespace {

Json bytes_json(const Bytes& bytes) { return Json{{"bytes", base64(bytes.span())}}; }

const char* not_finite(double number) {
  if (std::isnan(number)) return "nan";
  return number > 0 ? "inf" : "-inf";
}

}  // namespace

Json value_json(const Value& value) {
  if (const bool* truth = value.as_bool()) return *truth;
  if (const std::int64_t* number = value.as_int()) return json_integer(*number);
  if (const double* number = value.as_double()) {
    return std::isfinite(*number) ? Json(*number) : Json(not_finite(*number));
  }
  if (const std::string* text = value.as_string()) return *text;
  if (const Bytes* bytes = value.as_bytes()) return bytes_json(*bytes);
  return nullptr;
}

Json value_dump(const Value& value) {
  if (const std::int64_t* number = value.as_int()) {
    Json json = json_integer(*number);
    return json.is_string() ? Json{{"int", std::move(json)}} : json;
  }
  if (const double* number = value.as_double(); number != nullptr && !std::isfinite(*number)) {
    return Json{{"double", not_finite(*number)}};
  }
  return value_json(value);
}

std::string value_text(const Value& value) {
  if (const std::string* text = value.as_string()) return absl::StrCat("\"", escaped(*text), "\"");
  return value.to_string();
}

}  // namespace shoal::tools
