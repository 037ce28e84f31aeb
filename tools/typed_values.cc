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

#include "tools/format.h"
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

// False: the value is none of the type.
template <typename T>
bool write(const Value& value, std::byte* to) {
  T number{};
  if constexpr (std::floating_point<T>) {
    if (const double* real = value.as_double()) {
      number = static_cast<T>(*real);
    } else if (const std::int64_t* whole = value.as_int()) {
      number = static_cast<T>(*whole);
    } else {
      return false;
    }
  } else if (const std::int64_t* whole = value.as_int()) {
    if (!std::in_range<T>(*whole)) return false;
    number = static_cast<T>(*whole);
  } else {
    // Of a u64 that is more than an int64: nine bytes, the last of them 0.
    const Bytes* large = value.as_big_int();
    if (large == nullptr || !std::same_as<T, std::uint64_t> || large->size() != 9 ||
        large->data()[8] != 0) {
      return false;
    }
    std::memcpy(&number, large->data(), sizeof number);
  }
  std::memcpy(to, &number, sizeof number);
  return true;
}

bool write_bool(const Value& value, std::byte* to) {
  const bool* truth = value.as_bool();
  if (truth != nullptr) *to = std::byte{*truth};
  return truth != nullptr;
}

struct Reader {
  std::string_view name;
  std::size_t bytes;
  Number (*read)(std::span<const std::byte>);
  bool (*write)(const Value&, std::byte*);
};

template <typename T>
constexpr Reader number_reader(std::string_view name) {
  return {name, sizeof(T), read<T>, write<T>};
}

Number read_bool(std::span<const std::byte> bytes) {
  return {.value = Value(bytes[0] != std::byte{0}), .large = {}};
}

constexpr Reader kReaders[] = {
    number_reader<std::int8_t>("i8"),    number_reader<std::int16_t>("i16"),
    number_reader<std::int32_t>("i32"),  number_reader<std::int64_t>("i64"),
    number_reader<std::uint8_t>("u8"),   number_reader<std::uint16_t>("u16"),
    number_reader<std::uint32_t>("u32"), number_reader<std::uint64_t>("u64"),
    number_reader<float>("f32"),         number_reader<double>("f64"),
    {"bool", 1, read_bool, write_bool},
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

// The other way round. False: it is not of the type.
bool read_nested(const Reader& reader, std::span<const std::size_t> lengths, const Json& json,
                 std::span<std::byte> to) {
  if (lengths.empty()) {
    const auto value = value_from_json(json);
    return to.size() == reader.bytes && value.ok() && reader.write(*value, to.data());
  }
  const std::size_t length = lengths.front();
  if (length == 0 || to.size() % length != 0) return false;
  if (!json.is_array() || json.size() != length) return false;
  const std::size_t each = to.size() / length;
  for (std::size_t at = 0; at < length; ++at) {
    if (!read_nested(reader, lengths.subspan(1), json[at], to.subspan(at * each, each))) {
      return false;
    }
  }
  return true;
}

// Text, in an array of bytes, padded with NULs. False: it is too long.
bool read_padded(std::string_view text, std::span<std::byte> to) {
  if (text.size() > to.size()) return false;
  std::memcpy(to.data(), text.data(), text.size());
  return true;
}

bool is_bytes(const std::optional<Type>& type) {
  return type && type->element == "u8" && type->lengths.size() == 1;
}

absl::Status not_of_type(std::string_view fingerprint, std::size_t size, std::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("not of type ", escaped(fingerprint), " (", size,
                                                 " bytes): ", escaped(what),
                                                 "; see: shoalctl help dump"));
}

}  // namespace

absl::StatusOr<std::vector<std::byte>> typed_from_json(std::string_view fingerprint,
                                                       std::size_t size, const Json& json) {
  std::vector<std::byte> out(size);
  const auto type = parse_type(fingerprint);
  const Reader* reader = type ? reader_of(*type) : nullptr;
  bool done = false;
  if (json.is_object() && json.contains("bytes")) {
    const auto value = value_from_json(json);
    const Bytes* bytes = value.ok() ? value->as_bytes() : nullptr;
    done = bytes != nullptr && bytes->size() == size;
    if (done) std::memcpy(out.data(), bytes->data(), size);
  } else if (json.is_string() && is_bytes(type)) {
    done = read_padded(json.get_ref<const std::string&>(), out);
  } else if (reader != nullptr) {
    done = read_nested(*reader, type->lengths, json, out);
  }
  if (!done) return not_of_type(fingerprint, size, json.dump());
  return out;
}

absl::StatusOr<std::vector<std::byte>> typed_from_text(std::string_view fingerprint,
                                                       std::size_t size, const std::string& text) {
  std::vector<std::byte> out(size);
  const auto type = parse_type(fingerprint);
  if (is_bytes(type) && read_padded(text, out)) return out;
  if (type && reader_of(*type) != nullptr) {
    const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (!json.is_discarded()) return typed_from_json(fingerprint, size, json);
  } else if (text.size() == 2 * size &&
             text.find_first_not_of("0123456789abcdefABCDEF") == std::string::npos) {
    std::memcpy(out.data(), absl::HexStringToBytes(text).data(), size);
    return out;
  }
  return not_of_type(fingerprint, size, text);
}

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
