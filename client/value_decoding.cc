// Decoding of values: from bytes that whoever may write the object made up. See value_encoding.h.
//
// Work and memory follow the size of the bytes: the message is walked once, each word counts
// against Cap'n Proto's limit of traversal once (so that pointers to one place cannot multiply it),
// and there are at most as many values as there is room for in the message.
#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>
#include <vector>

#include <capnp/serialize.h>
#include <kj/exception.h>

#include "client/value_encoding.h"
#include "memory/bigint.h"
#include "memory/utf8.h"
#include "memory/value_references.h"
#include "schemas/limits.h"
#include "schemas/text.h"
#include "schemas/value.capnp.h"

namespace shoal::internal {
namespace {

constexpr std::size_t kWordsPerValue = 3;  // schemas/value.capnp
// For one level: the list, its element, and an entry's key or value.
constexpr int kPointersPerLevel = 3;

absl::Status damaged(std::uint8_t kind, std::string_view why) {
  return protocol::error(absl::StatusCode::kDataLoss, "a stored value of kind ",
                         kind_name(static_cast<ValueKind>(kind)), " (", int{kind},
                         ") is damaged: ", why);
}

std::string_view view(capnp::Text::Reader text) { return {text.begin(), text.size()}; }
std::string_view view(capnp::Data::Reader data) {
  return {reinterpret_cast<const char*>(data.begin()), data.size()};
}

bool is_big_int(std::string_view bytes) {
  return memory::canonical_big_int(bytes).size() == bytes.size() && !memory::small_integer(bytes);
}

std::optional<memory::ReferenceTable> table_of(std::uint8_t kind, std::string_view aligned) {
  return memory::reference_table(kind, reinterpret_cast<const std::byte*>(aligned.data()),
                                 aligned.size());
}

// One message. After a failure the values that it gives mean nothing.
class Decoder {
 public:
  Decoder(std::vector<std::uint64_t> ids, std::size_t values_max)
      : ids_(std::move(ids)), values_left_(std::min(values_max, protocol::kValueElementsMax)) {}

  [[nodiscard]] const char* failure() const { return failure_; }

  Value decode(wire::Value::Reader in, int depth_left) {
    if (depth_left == 0) return fail("it is nested too deep");
    if (values_left_ == 0) return fail("it has more elements than bytes for them");
    --values_left_;
    if (const std::uint8_t later = in.getLater(); later != 0) return decode_later(in, later);
    switch (in.which()) {
      case wire::Value::NONE:
        return nullptr;
      case wire::Value::BOOL:
        return bool{in.getBool()};
      case wire::Value::INT64:
        return std::int64_t{in.getInt64()};
      case wire::Value::BIGINT:
        return decode_big_int(view(in.getBigint()));
      case wire::Value::DOUBLE:
        return double{in.getDouble()};
      case wire::Value::STRING:
        return decode_text(view(in.getString()));
      case wire::Value::BYTES:
        return Bytes(view(in.getBytes()));
      case wire::Value::LIST:
        return Value::list(decode_items(in.getList(), depth_left));
      case wire::Value::TUPLE:
        return Value::tuple(decode_items(in.getTuple(), depth_left));
      case wire::Value::SET:
        return Value::set(decode_items(in.getSet(), depth_left));
      case wire::Value::MAP:
        return Value::map(decode_entries(in.getMap(), depth_left));
      case wire::Value::OPAQUE:
        return decode_opaque(in.getOpaque());
      case wire::Value::REFERENCE:
        return decode_reference(in.getReference());
    }
    return fail("it has a member of no known kind");
  }

 private:
  Value fail(const char* why) {
    if (failure_ == nullptr) failure_ = why;
    return nullptr;
  }
  // False: give up. Before memory is taken for so many.
  bool has_room(std::size_t values) {
    if (failure_ == nullptr && values <= values_left_) return true;
    fail("it has more elements than bytes for them");
    return false;
  }
  std::vector<Value> decode_items(capnp::List<wire::Value>::Reader in, int depth_left) {
    std::vector<Value> items;
    if (!has_room(in.size())) return items;
    items.reserve(in.size());
    for (const auto item : in) {
      items.push_back(decode(item, depth_left - 1));
      if (failure_ != nullptr) break;
    }
    return items;
  }
  std::vector<ValueEntry> decode_entries(capnp::List<wire::Value::Entry>::Reader in,
                                         int depth_left) {
    std::vector<ValueEntry> entries;
    if (!has_room(std::size_t{2} * in.size())) return entries;
    entries.reserve(in.size());
    for (const auto entry : in) {
      Value key = decode(entry.getKey(), depth_left - 1);
      Value value = decode(entry.getValue(), depth_left - 1);
      if (failure_ != nullptr) break;
      entries.push_back({.key = std::move(key), .value = std::move(value)});
    }
    return entries;
  }
  Value decode_big_int(std::string_view bytes) {
    if (!is_big_int(bytes)) return fail("an integer is not in its shortest form");
    return Value::integer(Bytes(bytes));
  }
  Value decode_text(std::string_view text) {
    if (!memory::is_utf8(text)) return fail("a string is not UTF-8");
    return text;
  }
  Value decode_opaque(wire::Value::Opaque::Reader in) {
    const std::string_view tag = view(in.getTag());
    if (!memory::is_utf8(tag)) return fail("a tag is not UTF-8");
    return Value::opaque(std::string(tag), Bytes(view(in.getBytes())));
  }
  Value decode_reference(std::uint64_t id) {
    // Else the manager would free the object under it.
    if (!std::ranges::binary_search(ids_, id)) return fail("a reference is not in its table");
    return Value::reference(id);
  }
  Value decode_later(wire::Value::Reader in, std::uint8_t later) {
    if (later <= kValueKindMax || !in.isBytes()) return fail("a later kind is none");
    const std::string_view bytes = view(in.getBytes());  // aligned, as all in a message
    const auto table = table_of(later, bytes);
    if (!table) return fail("a later kind has no table of references");
    for (std::size_t i = 0; i < table->count; ++i) {
      if (!std::ranges::binary_search(ids_, (*table)[i])) {
        return fail("a reference is not in its table");
      }
    }
    return Value::unknown(later, Bytes(bytes));
  }

  std::vector<std::uint64_t> ids_;
  std::size_t values_left_;
  const char* failure_ = nullptr;
};

// `bytes` are aligned to 8.
absl::StatusOr<Value> decode_structured(std::uint8_t kind, std::string_view bytes) {
  const auto table = table_of(kind, bytes);
  if (!table) return damaged(kind, "its table of references does not fit");
  std::vector<std::uint64_t> ids(table->count);
  for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = (*table)[i];
  const std::string_view message = bytes.substr(table->bytes_before_value);
  if (message.size() % 8 != 0) return damaged(kind, "its size is no multiple of 8");
  const std::size_t words = message.size() / 8;
  Decoder decoder(std::move(ids), words / kWordsPerValue);
  Value value;
  const auto broken = kj::runCatchingExceptions([&] {
    capnp::FlatArrayMessageReader reader(
        kj::arrayPtr(reinterpret_cast<const capnp::word*>(message.data()), words),
        {.traversalLimitInWords = words,
         .nestingLimit = kPointersPerLevel * (protocol::kValueDepthMax + 1)});
    const auto root = reader.getRoot<wire::Value>();
    if (root.getLater() == 0 && static_cast<unsigned>(root.which()) == kind) {
      value = decoder.decode(root, protocol::kValueDepthMax);
    }
  });
  if (broken != nullptr) return damaged(kind, "its message is not whole");
  if (decoder.failure() != nullptr) return damaged(kind, decoder.failure());
  if (static_cast<std::uint8_t>(value.kind()) != kind)
    return damaged(kind, "it is of another kind");
  return value;
}

absl::StatusOr<Value> decode_word(std::uint8_t kind, std::string_view bytes) {
  std::uint64_t word = 0;
  if (bytes.size() != sizeof word) return damaged(kind, "it does not have 8 bytes");
  std::memcpy(&word, bytes.data(), sizeof word);
  switch (static_cast<ValueKind>(kind)) {
    case ValueKind::kBool:
      if (word > 1) return damaged(kind, "it is neither true nor false");
      return word == 1;
    case ValueKind::kInt:
      return static_cast<std::int64_t>(word);
    case ValueKind::kDouble:
      return std::bit_cast<double>(word);
    default:
      return Value::reference(word);
  }
}

// With a table in front: its words are loaded as words.
absl::StatusOr<Value> decode_aligned(std::uint8_t kind, std::string_view bytes) {
  if (kind <= kValueKindMax) return decode_structured(kind, bytes);
  if (!table_of(kind, bytes)) return damaged(kind, "its table of references does not fit");
  return Value::unknown(kind, Bytes(bytes));
}

}  // namespace

absl::StatusOr<Value> decode_value(std::uint8_t kind, std::string_view bytes) {
  if (bytes.size() > protocol::kValueBytesMax) return damaged(kind, "it is over kValueBytesMax");
  switch (static_cast<ValueKind>(kind)) {
    case ValueKind::kNone:
      if (!bytes.empty()) return damaged(kind, "it has bytes");
      return nullptr;
    case ValueKind::kBool:
    case ValueKind::kInt:
    case ValueKind::kDouble:
    case ValueKind::kReference:
      return decode_word(kind, bytes);
    case ValueKind::kString:
      if (!memory::is_utf8(bytes)) return damaged(kind, "it is not UTF-8");
      return Value(bytes);
    case ValueKind::kBytes:
      return Value(Bytes(bytes));
    case ValueKind::kBigInt:
      if (!is_big_int(bytes)) return damaged(kind, "it is not in its shortest form");
      return Value::integer(Bytes(bytes));
    default:
      break;
  }
  if (std::bit_cast<std::uintptr_t>(bytes.data()) % 8 == 0) return decode_aligned(kind, bytes);
  std::vector<std::uint64_t> aligned((bytes.size() + 7) / 8);
  if (!bytes.empty()) std::memcpy(aligned.data(), bytes.data(), bytes.size());
  return decode_aligned(kind, {reinterpret_cast<const char*>(aligned.data()), bytes.size()});
}

}  // namespace shoal::internal
