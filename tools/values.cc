// A shoal::Value, written. See values.h.
#include "tools/values.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

#include "tools/format.h"
#include "tools/value_tags.h"

namespace shoal::tools {
namespace {

// Readers of JSON, ours among them, may look for each member of an object from its first on.
constexpr std::size_t kObjectMembersMax = 1000;

Json tagged(std::string_view tag, Json json) { return Json{{std::string(tag), std::move(json)}}; }

Json bytes_json(const Bytes& bytes) { return base64(bytes.span()); }

const char* not_finite(double number) {
  if (std::isnan(number)) return "nan";
  return number > 0 ? "inf" : "-inf";
}

// A map that becomes a JSON object: of string keys, all different, which nobody takes for a tag.
bool is_plain(const Value& map) {
  std::vector<std::string_view> keys;
  if (map.entries().size() > kObjectMembersMax) return false;
  for (const ValueEntry& entry : map.entries()) {
    const std::string* key = entry.key.as_string();
    if (key == nullptr || is_value_tag(*key)) return false;
    keys.emplace_back(*key);
  }
  std::ranges::sort(keys);
  return std::ranges::adjacent_find(keys) == keys.end();
}

class Writer {
 public:
  // Whether what JSON cannot say is said with its kind.
  explicit Writer(bool keeps_kinds) : keeps_kinds_(keeps_kinds) {}

  [[nodiscard]] Json write(const Value& value) const {
    switch (value.kind()) {
      case ValueKind::kNone:
        return nullptr;
      case ValueKind::kBool:
        return *value.as_bool();
      case ValueKind::kInt:
        return integer(json_integer(*value.as_int()));
      case ValueKind::kBigInt:
        return integer(value.to_string());
      case ValueKind::kDouble:
        return real(*value.as_double());
      case ValueKind::kString:
        return *value.as_string();
      case ValueKind::kBytes:
        return tagged(kBytesTag, bytes_json(*value.as_bytes()));
      case ValueKind::kList:
        return items(value);
      case ValueKind::kTuple:
        return tagged(kTupleTag, items(value));
      case ValueKind::kSet:
        return tagged(kSetTag, items(value));
      case ValueKind::kMap:
        return map(value);
      case ValueKind::kOpaque: {
        const Opaque none;
        const Opaque& opaque = value.as_opaque() != nullptr ? *value.as_opaque() : none;
        Json json = tagged(kOpaqueTag, bytes_json(opaque.bytes));
        json[std::string(kOpaqueNameTag)] = opaque.tag;
        return json;
      }
      case ValueKind::kReference:
        return tagged(kObjectTag, absl::StrCat(*value.as_reference()));
      default: {
        Json json = tagged(kKindTag, static_cast<int>(value.kind()));
        json[std::string(kBytesTag)] = bytes_json(*value.as_unknown());
        return json;
      }
    }
  }

 private:
  [[nodiscard]] Json integer(Json json) const {
    return keeps_kinds_ && json.is_string() ? tagged(kIntTag, std::move(json)) : json;
  }
  [[nodiscard]] Json real(double number) const {
    if (std::isfinite(number)) return number;
    return keeps_kinds_ ? tagged(kDoubleTag, not_finite(number)) : Json(not_finite(number));
  }
  [[nodiscard]] Json items(const Value& value) const {
    Json out = Json::array();
    for (const Value& item : value.items()) out.push_back(write(item));
    return out;
  }
  [[nodiscard]] Json map(const Value& value) const {
    if (is_plain(value)) {
      Json out = Json::object();
      for (const ValueEntry& entry : value.entries()) {
        out[*entry.key.as_string()] = write(entry.value);
      }
      return out;
    }
    Json pairs = Json::array();
    for (const ValueEntry& entry : value.entries()) {
      Json pair = Json::array();
      pair.push_back(write(entry.key));
      pair.push_back(write(entry.value));
      pairs.push_back(std::move(pair));
    }
    return tagged(kMapTag, std::move(pairs));
  }

  bool keeps_kinds_;
};

}  // namespace

Json value_json(const Value& value) { return Writer(false).write(value); }

Json value_dump(const Value& value) { return Writer(true).write(value); }

std::string value_text(const Value& value) {
  if (const std::string* text = value.as_string()) return absl::StrCat("\"", escaped(*text), "\"");
  return harmless(value.to_string());
}

std::string bare_value_text(const Value& value) {
  const std::string* text = value.as_string();
  return text != nullptr ? escaped(*text) : value_text(value);
}

}  // namespace shoal::tools
