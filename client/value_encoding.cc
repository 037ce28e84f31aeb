// Encoding of values: first a walk that checks and measures, then one that writes into a message of
// exactly that size. See value_encoding.h.
#include "client/value_encoding.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <vector>

#include <capnp/serialize.h>

#include "memory/utf8.h"
#include "memory/value_references.h"
#include "schemas/limits.h"
#include "schemas/text.h"
#include "schemas/value.capnp.h"

namespace shoal::internal {
namespace {

static_assert(protocol::kValueDepthMax == Value::kDepthMax);

// Sizes in a message, in words. schemas/value.capnp fixes them.
constexpr std::size_t kValueWords = 3;
constexpr std::size_t kEntryWords = 2;
constexpr std::size_t kOpaqueWords = 2;
constexpr std::size_t kListTagWords = 1;
constexpr std::size_t kRootWords = 1 + kValueWords;
constexpr std::size_t kFramingWords = 1;

std::size_t blob_words(std::size_t bytes) { return (bytes + 7) / 8; }

absl::Status check_text(std::string_view text) {
  if (memory::is_utf8(text)) return absl::OkStatus();
  return absl::InvalidArgumentError("a string is not UTF-8: pass it as Bytes");
}

absl::Status over(std::string_view what, std::size_t size, std::size_t limit,
                  std::string_view name) {
  return protocol::error(absl::StatusCode::kInvalidArgument, what, " of ", size, ": at most ",
                         limit, " are stored (", name, ")");
}

const Opaque& opaque_of(const Value& value) {
  static const Opaque kNone;
  return value.as_opaque() != nullptr ? *value.as_opaque() : kNone;
}

absl::StatusOr<memory::ReferenceTable> table_of_unknown(const Value& value) {
  const std::string_view bytes = value.as_unknown()->view();
  const auto table =
      memory::reference_table(static_cast<std::uint8_t>(value.kind()),
                              reinterpret_cast<const std::byte*>(bytes.data()), bytes.size());
  if (table) return *table;
  return protocol::error(absl::StatusCode::kInvalidArgument, "a value of the unknown kind ",
                         static_cast<int>(value.kind()),
                         " does not begin with a table of references");
}

// What a value takes in a message, beside its own struct, and what it refers to.
class Measure {
 public:
  absl::Status add(const Value& value, int depth_left) {
    if (depth_left == 0) {
      return protocol::error(absl::StatusCode::kInvalidArgument, "a value is nested deeper than ",
                             protocol::kValueDepthMax, " levels (kValueDepthMax)");
    }
    if (++elements_ > protocol::kValueElementsMax) {
      return over("a value with elements", elements_, protocol::kValueElementsMax,
                  "kValueElementsMax");
    }
    switch (value.kind()) {
      case ValueKind::kString:
        return text(*value.as_string());
      case ValueKind::kBytes:
        return blob(value.as_bytes()->size());
      case ValueKind::kBigInt:
        return blob(value.as_big_int()->size());
      case ValueKind::kList:
      case ValueKind::kTuple:
      case ValueKind::kSet:
        words_ += kListTagWords + kValueWords * value.items().size();
        for (const Value& item : value.items()) {
          if (absl::Status status = add(item, depth_left - 1); !status.ok()) return status;
        }
        return room();
      case ValueKind::kMap:
        return map(value, depth_left);
      case ValueKind::kOpaque:
        words_ += kOpaqueWords;
        if (absl::Status status = text(opaque_of(value).tag); !status.ok()) return status;
        return blob(opaque_of(value).bytes.size());
      case ValueKind::kReference:
        ids_.push_back(*value.as_reference());
        return absl::OkStatus();
      default:
        return value.is_unknown() ? unknown(value) : absl::OkStatus();
    }
  }

  [[nodiscard]] std::size_t words() const { return words_; }
  // In order, each once.
  std::vector<std::uint64_t> take_ids() {
    std::ranges::sort(ids_);
    ids_.erase(std::unique(ids_.begin(), ids_.end()), ids_.end());
    return std::move(ids_);
  }

 private:
  absl::Status map(const Value& value, int depth_left) {
    words_ += kListTagWords + (kEntryWords + 2 * kValueWords) * value.entries().size();
    for (const ValueEntry& entry : value.entries()) {
      absl::Status status = add(entry.key, depth_left - 1);
      if (status.ok()) status = add(entry.value, depth_left - 1);
      if (!status.ok()) return status;
    }
    return room();
  }
  absl::Status unknown(const Value& value) {
    const auto table = table_of_unknown(value);
    if (!table.ok()) return table.status();
    for (std::size_t i = 0; i < table->count; ++i) ids_.push_back((*table)[i]);
    return blob(value.as_unknown()->size());
  }
  absl::Status text(std::string_view text) {
    if (absl::Status status = check_text(text); !status.ok()) return status;
    return blob(text.size() + 1);  // with its NUL
  }
  absl::Status blob(std::size_t bytes) {
    if (bytes > protocol::kNestedTextBytesMax) {
      return over("a text in another value, in bytes,", bytes, protocol::kNestedTextBytesMax,
                  "kNestedTextBytesMax");
    }
    words_ += blob_words(bytes);
    return room();
  }
  [[nodiscard]] absl::Status room() const {
    if (words_ <= protocol::kValueBytesMax / 8) return absl::OkStatus();
    return over("a value in bytes", words_ * 8, protocol::kValueBytesMax, "kValueBytesMax");
  }

  std::size_t elements_ = 0;
  std::size_t words_ = 0;
  std::vector<std::uint64_t> ids_;
};

capnp::Data::Reader data(std::string_view bytes) {
  return {reinterpret_cast<const kj::byte*>(bytes.data()), bytes.size()};
}

// Texts may hold NULs: copied by size.
template <typename Init>
void put_text(Init&& init, std::string_view text) {
  auto out = init(static_cast<unsigned>(text.size()));
  if (!text.empty()) std::memcpy(out.begin(), text.data(), text.size());
}

void put(wire::Value::Builder out, const Value& value);

void put_items(capnp::List<wire::Value>::Builder out, const Value& value) {
  unsigned at = 0;
  for (const Value& item : value.items()) put(out[at++], item);
}

void put_entries(capnp::List<wire::Value::Entry>::Builder out, const Value& value) {
  unsigned at = 0;
  for (const ValueEntry& entry : value.entries()) {
    put(out[at].initKey(), entry.key);
    put(out[at].initValue(), entry.value);
    ++at;
  }
}

void put(wire::Value::Builder out, const Value& value) {
  const auto count = static_cast<unsigned>(value.items().size());
  switch (value.kind()) {
    case ValueKind::kNone:
      return out.setNone();
    case ValueKind::kBool:
      return out.setBool(*value.as_bool());
    case ValueKind::kInt:
      return out.setInt64(*value.as_int());
    case ValueKind::kBigInt:
      return out.setBigint(data(value.as_big_int()->view()));
    case ValueKind::kDouble:
      return out.setDouble(*value.as_double());
    case ValueKind::kString:
      return put_text([&](unsigned size) { return out.initString(size); }, *value.as_string());
    case ValueKind::kBytes:
      return out.setBytes(data(value.as_bytes()->view()));
    case ValueKind::kList:
      return put_items(out.initList(count), value);
    case ValueKind::kTuple:
      return put_items(out.initTuple(count), value);
    case ValueKind::kSet:
      return put_items(out.initSet(count), value);
    case ValueKind::kMap:
      return put_entries(out.initMap(static_cast<unsigned>(value.entries().size())), value);
    case ValueKind::kOpaque: {
      auto opaque = out.initOpaque();
      put_text([&](unsigned size) { return opaque.initTag(size); }, opaque_of(value).tag);
      return opaque.setBytes(data(opaque_of(value).bytes.view()));
    }
    case ValueKind::kReference:
      return out.setReference(*value.as_reference());
    default:
      out.setBytes(data(value.as_unknown()->view()));
      out.setLater(static_cast<std::uint8_t>(value.kind()));
  }
}

absl::Status encode_structured(const Value& value, std::string& storage, EncodedValue& out) {
  Measure measure;
  absl::Status status = measure.add(value, protocol::kValueDepthMax);
  if (!status.ok()) return status;
  const std::vector<std::uint64_t> ids = measure.take_ids();
  const std::size_t message_words = kRootWords + measure.words();
  const std::size_t before = 1 + ids.size() + kFramingWords;
  const std::size_t bytes = 8 * (before + message_words);
  if (bytes > protocol::kValueBytesMax) {
    return over("a value in bytes", bytes, protocol::kValueBytesMax, "kValueBytesMax");
  }
  storage.assign(bytes, '\0');
  const std::uint64_t count = ids.size();
  const std::uint64_t framing = std::uint64_t{message_words} << 32;  // one segment
  std::memcpy(storage.data(), &count, 8);
  if (count != 0) std::memcpy(storage.data() + 8, ids.data(), 8 * ids.size());
  std::memcpy(storage.data() + 8 * (before - 1), &framing, 8);
  auto* const words = reinterpret_cast<capnp::word*>(storage.data()) + before;
  capnp::FlatMessageBuilder message(kj::arrayPtr(words, message_words));
  put(message.initRoot<wire::Value>(), value);
  message.requireFilled();
  out.has_references = count != 0;
  out.bytes = storage;
  return absl::OkStatus();
}

void encode_word(std::uint64_t word, std::string& storage, EncodedValue& out) {
  storage.assign(reinterpret_cast<const char*>(&word), sizeof word);
  out.bytes = storage;
}

absl::Status check_size(std::string_view bytes) {
  if (bytes.size() <= protocol::kValueBytesMax) return absl::OkStatus();
  return over("a value in bytes", bytes.size(), protocol::kValueBytesMax, "kValueBytesMax");
}

}  // namespace

absl::Status encode_value(const Value& value, std::string& storage, EncodedValue& out) {
  out = {.kind = static_cast<std::uint8_t>(value.kind()), .has_references = false, .bytes = {}};
  switch (value.kind()) {
    case ValueKind::kNone:
      return absl::OkStatus();
    case ValueKind::kBool:
      encode_word(*value.as_bool() ? 1 : 0, storage, out);
      return absl::OkStatus();
    case ValueKind::kInt:
      encode_word(static_cast<std::uint64_t>(*value.as_int()), storage, out);
      return absl::OkStatus();
    case ValueKind::kDouble:
      encode_word(std::bit_cast<std::uint64_t>(*value.as_double()), storage, out);
      return absl::OkStatus();
    case ValueKind::kReference:
      encode_word(*value.as_reference(), storage, out);
      out.has_references = true;
      return absl::OkStatus();
    case ValueKind::kString:
      out.bytes = *value.as_string();
      if (absl::Status status = check_text(out.bytes); !status.ok()) return status;
      return check_size(out.bytes);
    case ValueKind::kBytes:
      out.bytes = value.as_bytes()->view();
      return check_size(out.bytes);
    case ValueKind::kBigInt:
      out.bytes = value.as_big_int()->view();
      return check_size(out.bytes);
    default:
      break;
  }
  if (!value.is_unknown()) return encode_structured(value, storage, out);
  const auto table = table_of_unknown(value);
  if (!table.ok()) return table.status();
  out.has_references = table->count != 0;
  out.bytes = value.as_unknown()->view();
  return check_size(out.bytes);
}

}  // namespace shoal::internal
