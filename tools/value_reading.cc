// A shoal::Value from JSON. See values.h.
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

#include "tools/format.h"
#include "tools/value_tags.h"
#include "tools/values.h"

namespace shoal::tools {
namespace {

// Enough of what is wrong to find it by.
absl::Status wrong(const char* what, const Json& json) {
  constexpr std::size_t kShown = 80;
  std::string text = json_line(json);
  text.pop_back();
  if (text.size() > kShown) text = text.substr(0, kShown) + "...";
  return absl::InvalidArgumentError(absl::StrCat(what, ": ", escaped(text)));
}

const Json* member(const Json& json, std::string_view tag) {
  const auto found = json.find(std::string(tag));
  return found == json.end() ? nullptr : &*found;
}

std::optional<Bytes> bytes_of(const Json* json) {
  std::string bytes;
  if (json == nullptr || !json->is_string()) return std::nullopt;
  if (!absl::Base64Unescape(json->get_ref<const std::string&>(), &bytes)) return std::nullopt;
  return Bytes(std::move(bytes));
}

absl::StatusOr<Value> read(const Json& json, int depth_left);

absl::StatusOr<std::vector<Value>> read_items(const Json& json, int depth_left) {
  if (!json.is_array()) return wrong("here belongs an array", json);
  std::vector<Value> items;
  items.reserve(json.size());
  for (const Json& item : json) {
    auto value = read(item, depth_left - 1);
    if (!value.ok()) return value.status();
    items.push_back(*std::move(value));
  }
  return items;
}

template <typename Make>
absl::StatusOr<Value> read_holder(const Json& json, int depth_left, Make make) {
  auto items = read_items(json, depth_left);
  if (!items.ok()) return items.status();
  return make(*std::move(items));
}

absl::StatusOr<Value> read_pairs(const Json& json, int depth_left) {
  if (!json.is_array()) return wrong("a map is an array of pairs", json);
  std::vector<ValueEntry> entries;
  for (const Json& pair : json) {
    if (!pair.is_array() || pair.size() != 2) return wrong("here belongs [key, value]", pair);
    auto both = read_items(pair, depth_left);
    if (!both.ok()) return both.status();
    entries.push_back({.key = std::move((*both)[0]), .value = std::move((*both)[1])});
  }
  return Value::map(std::move(entries));
}

absl::StatusOr<Value> read_object(const Json& json, int depth_left) {
  std::vector<ValueEntry> entries;
  for (const auto& [key, inside] : json.items()) {
    auto value = read(inside, depth_left - 1);
    if (!value.ok()) return value.status();
    entries.push_back({.key = key, .value = *std::move(value)});
  }
  return Value::map(std::move(entries));
}

absl::StatusOr<Value> read_double(const Json& json) {
  if (json == "nan") return std::numeric_limits<double>::quiet_NaN();
  if (json == "inf") return std::numeric_limits<double>::infinity();
  if (json == "-inf") return -std::numeric_limits<double>::infinity();
  return wrong("a double in quotes is nan, inf or -inf", json);
}

absl::StatusOr<Value> read_integer(const Json& json) {
  auto value = json.is_string() ? Value::parse_integer(json.get_ref<const std::string&>())
                                : std::optional<Value>();
  if (!value) return wrong("no integer", json);
  return *std::move(value);
}

absl::StatusOr<Value> read_reference(const Json& json) {
  const auto id = json.is_string() ? parse_id(json.get_ref<const std::string&>()) : std::nullopt;
  if (!id) return wrong("no id of an object", json);
  return Value::reference(*id);
}

absl::StatusOr<Value> read_opaque(const Json& json) {
  const Json* tag = member(json, kOpaqueNameTag);
  auto bytes = bytes_of(member(json, kOpaqueTag));
  if (!bytes || tag == nullptr || !tag->is_string() || json.size() != 2) {
    return wrong("an opaque value has \"opaque\" in base64 and \"tag\"", json);
  }
  return Value::opaque(tag->get<std::string>(), *std::move(bytes));
}

absl::StatusOr<Value> read_unknown(const Json& json) {
  const Json& kind = *member(json, kKindTag);
  auto bytes = bytes_of(member(json, kBytesTag));
  const bool fits = kind.is_number_unsigned() && kind.get<std::uint64_t>() > kValueKindMax &&
                    kind.get<std::uint64_t>() <= 255;
  if (!fits || !bytes || json.size() != 2) {
    return wrong("a value of a later release has \"kind\" and \"bytes\" in base64", json);
  }
  return Value::unknown(static_cast<std::uint8_t>(kind.get<std::uint64_t>()), *std::move(bytes));
}

// An object of which one member is a tag.
absl::StatusOr<Value> read_tagged(const Json& json, int depth_left) {
  if (member(json, kKindTag) != nullptr) return read_unknown(json);
  if (member(json, kOpaqueTag) != nullptr) return read_opaque(json);
  if (json.size() != 1) {
    return wrong("names of kinds are no keys (a map with such keys is {\"map\":[[key,value],...]})",
                 json);
  }
  const std::string& tag = json.begin().key();
  const Json& inside = json.front();
  if (tag == kIntTag) return read_integer(inside);
  if (tag == kDoubleTag) return read_double(inside);
  if (tag == kObjectTag) return read_reference(inside);
  if (tag == kTupleTag) return read_holder(inside, depth_left, &Value::tuple);
  if (tag == kSetTag) return read_holder(inside, depth_left, &Value::set);
  if (tag == kMapTag) return read_pairs(inside, depth_left);
  auto bytes = bytes_of(&inside);
  if (!bytes) return wrong("no base64", inside);
  return *std::move(bytes);
}

bool has_tag(const Json& json) {
  for (const auto& [key, value] : json.items()) {
    if (is_value_tag(key)) return true;
  }
  return false;
}

absl::StatusOr<Value> read(const Json& json, int depth_left) {
  if (depth_left == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("a value is nested deeper than ", Value::kDepthMax, " levels"));
  }
  if (json.is_null()) return nullptr;
  if (json.is_boolean()) return json.get<bool>();
  if (json.is_number_float()) return json.get<double>();
  if (json.is_number_unsigned()) return *Value::parse_integer(json.dump());
  if (json.is_number_integer()) return json.get<std::int64_t>();
  if (json.is_string()) return json.get<std::string>();
  if (json.is_array()) return read_holder(json, depth_left, &Value::list);
  if (json.is_object())
    return has_tag(json) ? read_tagged(json, depth_left) : read_object(json, depth_left);
  return wrong("no value", json);
}

}  // namespace

absl::StatusOr<Value> value_from_json(const Json& json) { return read(json, Value::kDepthMax); }

}  // namespace shoal::tools
