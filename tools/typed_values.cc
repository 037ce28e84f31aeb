// See typed_values.h.
#include "tools/typed_values.h"

#include <charconv>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

#include <shoal/value.h>

#include "tools/values.h"

namespace shoal::tools {
namespace {

// "f64[2][3]": f64, {2, 3}.
struct Type {
  std::string_view element;
  std::vector<std::size_t> lengths;
};

std::optional<Type> parse_type(std::string_view fingerprint) {
  Type type{.element = fingerprint.substr(0, fingerprint.find('[')), .lengths = {}};
  fingerprint.remove_prefix(type.element.size());
  while (!fingerprint.empty()) {
    const std::size_t end = fingerprint.find(']');
    if (!fingerprint.starts_with('[') || end == std::string_view::npos) return std::nullopt;
    std::size_t length = 0;
    const auto [at, error] =
        std::from_chars(fingerprint.data() + 1, fingerprint.data() + end, length);
    if (error != std::errc() || at != fingerprint.data() + end) return std::nullopt;
    type.lengths.push_back(length);
    fingerprint.remove_prefix(end + 1);
  }
  return type;
}

// A number with its bounds kept: a u64 may be more than a Value holds.
struct Number {
  Value value;
  std::optional<std::uint64_t> large;
};

template <typename T>
Number read(std::span<const std::byte> bytes) {
  T number{};
  std::memcpy(&number, bytes.data(), sizeof number);
  if constexpr (std::same_as<T, std::uint64_t>) {
    if (number > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
      return {.value = {}, .large = number};
    }
    return {.value = Value(static_cast<std::int64_t>(number)), .large = {}};
  } else {
    return {.value = Value(number), .large = {}};
  }
}

struct Reader {
  std::string_view name;
  std::size_t bytes;
  Number (*read)(std::span<const std::byte>);
};

Number read_bool(std::span<const std::byte> bytes) {
  return {.value = Value(bytes[0] != std::byte{0}), .large = {}};
}

constexpr Reader kReaders[] = {
    {"i8", 1, read<std::int8_t>},    {"i16", 2, read<std::int16_t>},
    {"i32", 4, read<std::int32_t>},  {"i64", 8, read<std::int64_t>},
    {"u8", 1, read<std::uint8_t>},   {"u16", 2, read<std::uint16_t>},
    {"u32", 4, read<std::uint32_t>}, {"u64", 8, read<std::uint64_t>},
    {"f32", 4, read<float>},         {"f64", 8, read<double>},
    {"bool", 1, read_bool},
};

const Reader* reader_of(const Type& type) {
  for (const Reader& reader : kReaders) {
    if (reader.name == type.element) return &reader;
  }
  return nullptr;
}

// Nested arrays of what `write` makes of each number; none if the type says something else of the
// bytes than their size.
template <typename Write>
std::optional<Json> nested(const Reader& reader, std::span<const std::size_t> lengths,
                           std::span<const std::byte> bytes, Write write) {
  if (lengths.empty()) {
    if (bytes.size() != reader.bytes) return std::nullopt;
    return write(reader.read(bytes));
  }
  const std::size_t length = lengths.front();
  if (length == 0 || bytes.size() % length != 0) return std::nullopt;
  const std::size_t each = bytes.size() / length;
  Json out = Json::array();
  for (std::size_t at = 0; at < length; ++at) {
    auto element = nested(reader, lengths.subspan(1), bytes.subspan(at * each, each), write);
    if (!element) return std::nullopt;
    out.push_back(*std::move(element));
  }
  return out;
}

template <typename Write>
std::optional<Json> written(std::string_view fingerprint, std::span<const std::byte> bytes,
                            Write write) {
  const auto type = parse_type(fingerprint);
  const Reader* reader = type ? reader_of(*type) : nullptr;
  if (reader == nullptr) return std::nullopt;
  return nested(*reader, type->lengths, bytes, write);
}

Json bytes_json(std::span<const std::byte> bytes) { return Json{{"bytes", base64(bytes)}}; }

}  // namespace

Json typed_json(std::string_view fingerprint, std::span<const std::byte> bytes) {
  auto json = written(fingerprint, bytes, [](const Number& number) {
    return number.large ? json_integer(*number.large) : value_json(number.value);
  });
  return json ? *std::move(json) : bytes_json(bytes);
}

Json typed_dump(std::string_view fingerprint, std::span<const std::byte> bytes) {
  auto json = written(fingerprint, bytes, [](const Number& number) {
    return number.large ? Json{{"int", absl::StrCat(*number.large)}} : value_dump(number.value);
  });
  return json ? *std::move(json) : bytes_json(bytes);
}

std::string typed_text(std::string_view fingerprint, std::span<const std::byte> bytes) {
  const Json json = typed_json(fingerprint, bytes);
  if (json.is_string()) return json.get<std::string>();
  if (!json.is_object()) return json.dump();
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

}  // namespace shoal::tools
