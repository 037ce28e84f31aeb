// Implements the calls of <shoal/dict.h> that change a value. The dict itself is memory/dict.h's.
#include "client/dict_calls.h"
#include "memory/utf8.h"
#include "schemas/limits.h"
#include "schemas/text.h"
#include "shoal/dict.h"

namespace shoal {

using internal::ArenaReference;
using internal::CopiedValue;
using internal::EncodedForStore;
using internal::key_named;
using internal::number_of;
using internal::object_of;
using internal::write_dict;
using internal::wrong_kind;
using memory::DictDecision;
using memory::DictValue;
using memory::Result;
using memory::StoredValue;
using protocol::error;
using What = DictDecision::What;

namespace {

[[gnu::always_inline]] inline absl::Status put_raw(
    const std::shared_ptr<internal::Reference>& reference, const Key& key, const DictValue& value) {
  return write_dict(reference, key, [&](const ArenaReference& object, memory::Call& call) {
    return object.dict->put(call, object.dict->key(key.kind(), key.bytes()), value);
  });
}

}  // namespace

absl::Status Dict::put(const Key& key, const Value& value) const {
  EncodedForStore encoded;
  if (absl::Status status = encoded.from(value, object_of(reference_)); !status.ok()) return status;
  return put_raw(reference_, key, encoded.stored);
}

absl::Status Dict::put_bytes(const Key& key, std::span<const std::byte> bytes) const {
  if (bytes.size() > protocol::kValueBytesMax) [[unlikely]]
    return put(key, Bytes(bytes));  // which says why not
  return put_raw(
      reference_, key,
      {.data = bytes.data(), .bytes = bytes.size(), .kind = number_of(ValueKind::kBytes)});
}

absl::Status Dict::put_text(const Key& key, std::string_view text) const {
  if (text.size() > protocol::kValueBytesMax || !memory::is_utf8(text)) [[unlikely]]
    return put(key, Value(text));  // which says why not
  return put_raw(
      reference_, key,
      {.data = text.data(), .bytes = text.size(), .kind = number_of(ValueKind::kString)});
}

absl::Status Dict::erase(const Key& key) const {
  return write_dict(reference_, key, [&](const ArenaReference& object, memory::Call& call) {
    return object.dict->erase(call, object.dict->key(key.kind(), key.bytes()));
  });
}

namespace {

template <typename Decide>
absl::Status change(const std::shared_ptr<internal::Reference>& reference, const Key& key,
                    Decide decide) {
  return write_dict(reference, key, [&](const ArenaReference& object, memory::Call& call) {
    return object.dict->change(call, object.dict->key(key.kind(), key.bytes()), decide);
  });
}

}  // namespace

absl::StatusOr<Value> Dict::get_or_insert(const Key& key, const Value& value) const {
  EncodedForStore encoded;
  if (absl::Status status = encoded.from(value, object_of(reference_)); !status.ok()) return status;
  CopiedValue there;
  bool found = false;
  absl::Status status = change(reference_, key, [&](const StoredValue* stored) {
    found = stored != nullptr;
    if (!found) return DictDecision{.what = What::kPut, .value = &encoded.stored};
    there.take(*stored);
    return DictDecision{};
  });
  if (!status.ok()) return status;
  if (!found) return value;
  return there.decode();
}

absl::StatusOr<Value> Dict::pop(const Key& key) const {
  CopiedValue there;
  absl::Status status = change(reference_, key, [&](const StoredValue* stored) {
    if (stored == nullptr) return DictDecision{.result = Result::kAbsent};
    there.take(*stored);
    return DictDecision{.what = What::kErase};
  });
  if (!status.ok()) return status;
  return there.decode();
}

absl::StatusOr<DictEntry> Dict::pop_item() const {
  std::string key;
  std::uint8_t key_kind = 0;
  CopiedValue there;
  absl::Status status = internal::pop_last(
      object_of(reference_),
      [&](std::uint8_t kind, const std::byte* bytes, std::uint32_t size, const StoredValue& value) {
        key_kind = kind;
        key.assign(reinterpret_cast<const char*>(bytes), size);
        there.take(value);
      });
  if (!status.ok()) return status;
  absl::StatusOr<Value> decoded = internal::decode_key(key_kind, key);
  if (!decoded.ok()) return decoded.status();
  absl::StatusOr<Value> value = there.decode();
  if (!value.ok()) return value.status();
  return DictEntry{.key = *std::move(decoded), .value = *std::move(value)};
}

absl::Status Dict::compare_and_swap(const Key& key, const std::optional<Value>& expected,
                                    const std::optional<Value>& desired) const {
  EncodedForStore encoded;
  if (desired) {
    if (absl::Status status = encoded.from(*desired, object_of(reference_)); !status.ok())
      return status;
  }
  return change(reference_, key, [&](const StoredValue* stored) {
    bool equal = (stored != nullptr) == expected.has_value();
    if (stored != nullptr && equal) {
      CopiedValue there;
      there.take(*stored);
      const absl::StatusOr<Value> value = there.decode();
      equal = value.ok() && *value == *expected;
    }
    if (!equal) return DictDecision{.result = Result::kDiffers};
    if (desired) return DictDecision{.what = What::kPut, .value = &encoded.stored};
    return DictDecision{.what = stored == nullptr ? What::kLeave : What::kErase};
  });
}

absl::StatusOr<std::int64_t> Dict::add(const Key& key, std::int64_t by) const {
  std::int64_t sum = 0;
  const DictValue value{.data = &sum, .bytes = 8, .kind = number_of(ValueKind::kInt)};
  bool overflow = false;
  std::uint8_t strange = number_of(ValueKind::kInt);
  absl::Status status = change(reference_, key, [&](const StoredValue* stored) {
    std::int64_t now = 0;
    strange = stored == nullptr ? number_of(ValueKind::kInt) : stored->kind;
    if (stored != nullptr && stored->bytes == 8) now = static_cast<std::int64_t>(stored->word());
    overflow = __builtin_add_overflow(now, by, &sum);
    if (strange != number_of(ValueKind::kInt) || overflow) return DictDecision{};
    return DictDecision{.what = What::kPut, .value = &value};
  });
  if (!status.ok()) [[unlikely]]
    return status;
  if (strange != number_of(ValueKind::kInt)) [[unlikely]] {
    return wrong_kind(*object_of(reference_), key, strange, "int64");
  }
  if (overflow) [[unlikely]] {
    return error(absl::StatusCode::kOutOfRange, key_named(*object_of(reference_), key),
                 ": the sum would not fit into 64 bits; nothing was changed");
  }
  return sum;
}

absl::StatusOr<double> Dict::add(const Key& key, double by) const {
  double sum = 0;
  const DictValue value{.data = &sum, .bytes = 8, .kind = number_of(ValueKind::kDouble)};
  std::uint8_t strange = 0;
  absl::Status status = change(reference_, key, [&](const StoredValue* stored) {
    double now = 0;
    strange = 0;
    if (stored != nullptr && stored->bytes == 8 && stored->kind == number_of(ValueKind::kDouble)) {
      now = std::bit_cast<double>(stored->word());
    } else if (stored != nullptr && stored->bytes == 8 &&
               stored->kind == number_of(ValueKind::kInt)) {
      now = static_cast<double>(static_cast<std::int64_t>(stored->word()));
    } else if (stored != nullptr) {
      strange = stored->kind;
      return DictDecision{.result = Result::kDone};
    }
    sum = now + by;
    return DictDecision{.what = What::kPut, .value = &value};
  });
  if (!status.ok()) return status;
  if (strange != 0) return wrong_kind(*object_of(reference_), key, strange, "a number");
  return sum;
}

absl::Status Dict::clear() const { return internal::clear_dict(reference_.get()); }

}  // namespace shoal
