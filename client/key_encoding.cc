// Encoding and decoding of keys. See key_encoding.h.
#include "client/key_encoding.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <utility>
#include <vector>

#include "client/value_encoding.h"
#include "memory/bigint.h"
#include "memory/utf8.h"
#include "schemas/limits.h"
#include "schemas/text.h"

namespace shoal::internal {
namespace {

// Of the kind and size before each part of a tuple, and of the size of a tag.
constexpr std::size_t kSizeBytes = sizeof(std::uint32_t);

template <typename... Pieces>
absl::Status refused(const Pieces&... pieces) {
  return protocol::error(absl::StatusCode::kInvalidArgument, pieces...);
}

absl::Status too_long(std::size_t size) {
  return refused("a key of ", size, " bytes: at most ", protocol::kKeyBytesMax,
                 " are stored (kKeyBytesMax)");
}

void append_size(std::string& out, std::size_t size) {
  const auto word = static_cast<std::uint32_t>(size);
  out.append(reinterpret_cast<const char*>(&word), kSizeBytes);
}

EncodedKey of_kind(ValueKind kind, std::string_view bytes) {
  return {.kind = static_cast<std::uint8_t>(kind), .bytes = bytes};
}

EncodedKey of_word(ValueKind kind, std::uint64_t word, std::string& storage) {
  storage.assign(reinterpret_cast<const char*>(&word), sizeof word);
  return of_kind(kind, storage);
}

EncodedKey of_integer(std::int64_t number, std::string& storage) {
  return of_word(ValueKind::kInt, static_cast<std::uint64_t>(number), storage);
}

// A whole number becomes an integer: Python finds d[1.0] under 1, and d[2.0**70] under 2**70.
absl::StatusOr<EncodedKey> of_double(double number, std::string& storage) {
  constexpr double kLimit = 0x1p63;
  if (std::isnan(number)) {
    return refused("NaN is no key: it equals nothing, so nobody could find it again");
  }
  if (std::isinf(number) || std::trunc(number) != number) {
    return of_word(ValueKind::kDouble, std::bit_cast<std::uint64_t>(number), storage);
  }
  if (number >= -kLimit && number < kLimit) {
    return of_integer(static_cast<std::int64_t>(number), storage);
  }
  storage = memory::big_int_of(number);
  return of_kind(ValueKind::kBigInt, storage);
}

absl::StatusOr<EncodedKey> of_opaque(const Opaque& opaque, std::string& storage) {
  if (!memory::is_utf8(opaque.tag)) return refused("the tag of an opaque key is not UTF-8");
  storage.clear();
  append_size(storage, opaque.tag.size());
  storage.append(opaque.tag).append(opaque.bytes.view());
  return of_kind(ValueKind::kOpaque, storage);
}

absl::StatusOr<EncodedKey> encode(const Value& key, std::string& storage, int depth_left);

absl::StatusOr<EncodedKey> of_tuple(const Value& tuple, std::string& storage, int depth_left) {
  std::string parts;
  std::string part_storage;
  for (const Value& part : tuple.items()) {
    const auto encoded = encode(part, part_storage, depth_left - 1);
    if (!encoded.ok()) return encoded.status();
    parts += static_cast<char>(encoded->kind);
    append_size(parts, encoded->bytes.size());
    parts += encoded->bytes;
    if (parts.size() > protocol::kKeyBytesMax) return too_long(parts.size());
  }
  storage = std::move(parts);
  return of_kind(ValueKind::kTuple, storage);
}

absl::StatusOr<EncodedKey> encode(const Value& key, std::string& storage, int depth_left) {
  if (depth_left == 0) {
    return refused("a key is nested deeper than ", protocol::kValueDepthMax,
                   " levels (kValueDepthMax)");
  }
  switch (key.kind()) {
    case ValueKind::kNone:
      return of_kind(ValueKind::kNone, {});
    case ValueKind::kBool:
      return of_integer(*key.as_bool() ? 1 : 0, storage);
    case ValueKind::kInt:
      return of_integer(*key.as_int(), storage);
    case ValueKind::kBigInt:
      return of_kind(ValueKind::kBigInt, key.as_big_int()->view());
    case ValueKind::kDouble:
      return of_double(*key.as_double(), storage);
    case ValueKind::kString:
      if (absl::Status status = check_key(*key.as_string()); !status.ok()) return status;
      return encode_key(*key.as_string());
    case ValueKind::kBytes:
      return of_kind(ValueKind::kBytes, key.as_bytes()->view());
    case ValueKind::kTuple:
      return of_tuple(key, storage, depth_left);
    case ValueKind::kOpaque:
      if (key.as_opaque() != nullptr) return of_opaque(*key.as_opaque(), storage);
      return refused("a value that was moved from is no key");
    default:
      return refused("a ", kind_name(key.kind()),
                     " is no key (unhashable): use none, a number, a string, bytes, or a tuple "
                     "of these");
  }
}

// ---- decoding ----

absl::Status damaged(std::string_view why) {
  return protocol::error(absl::StatusCode::kDataLoss, "a stored key is damaged: ", why);
}

// Cuts a uint32 and so many bytes off the front; false if they are not there.
bool take_sized(std::string_view& from, std::string_view& piece) {
  std::uint32_t size = 0;
  if (from.size() < kSizeBytes) return false;
  std::memcpy(&size, from.data(), kSizeBytes);
  from.remove_prefix(kSizeBytes);
  if (from.size() < size) return false;
  piece = from.substr(0, size);
  from.remove_prefix(size);
  return true;
}

absl::StatusOr<Value> decode(std::uint8_t kind, std::string_view bytes, int depth_left);

absl::StatusOr<Value> decode_tuple(std::string_view bytes, int depth_left) {
  std::vector<Value> parts;
  while (!bytes.empty()) {
    const auto kind = static_cast<std::uint8_t>(bytes[0]);
    bytes.remove_prefix(1);
    std::string_view piece;
    if (!take_sized(bytes, piece)) return damaged("a tuple is cut off");
    auto part = decode(kind, piece, depth_left - 1);
    if (!part.ok()) return part.status();
    parts.push_back(*std::move(part));
  }
  return Value::tuple(std::move(parts));
}

absl::StatusOr<Value> decode_opaque(std::string_view bytes) {
  std::string_view tag;
  if (!take_sized(bytes, tag)) return damaged("an opaque key is cut off");
  if (!memory::is_utf8(tag)) return damaged("a tag is not UTF-8");
  return Value::opaque(std::string(tag), Bytes(bytes));
}

absl::StatusOr<Value> decode(std::uint8_t kind, std::string_view bytes, int depth_left) {
  if (depth_left == 0) return damaged("it is nested too deep");
  switch (static_cast<ValueKind>(kind)) {
    case ValueKind::kTuple:
      return decode_tuple(bytes, depth_left);
    case ValueKind::kOpaque:
      return decode_opaque(bytes);
    case ValueKind::kDouble: {
      const auto number = decode_value(kind, bytes);
      if (!number.ok()) return number.status();
      std::string storage;
      const auto canonical = of_double(*number->as_double(), storage);
      if (!canonical.ok() || canonical->kind != kind) return damaged("a double should be none");
      return number;
    }
    case ValueKind::kNone:
    case ValueKind::kInt:
    case ValueKind::kBigInt:
    case ValueKind::kString:
    case ValueKind::kBytes:
      return decode_value(kind, bytes);  // the same bytes as of a value
    default:
      return damaged("it is of a kind that keys never have");
  }
}

}  // namespace

absl::Status why_no_key(std::string_view text) {
  if (text.size() > protocol::kKeyBytesMax) return too_long(text.size());
  return refused("a key is not UTF-8: pass it as Bytes");
}

absl::StatusOr<EncodedKey> encode_key(const Value& key, std::string& storage) {
  auto encoded = encode(key, storage, protocol::kValueDepthMax);
  if (encoded.ok() && encoded->bytes.size() > protocol::kKeyBytesMax) {
    return too_long(encoded->bytes.size());
  }
  return encoded;
}

absl::StatusOr<Value> decode_key(std::uint8_t kind, std::string_view bytes) {
  if (bytes.size() > protocol::kKeyBytesMax) return damaged("it is over kKeyBytesMax");
  return decode(kind, bytes, protocol::kValueDepthMax);
}

}  // namespace shoal::internal
