// Implements <shoal/dict.h>. The dict itself is memory/dict.h's.
#include "shoal/dict.h"

#include "client/dict_calls.h"
#include "client/key_encoding.h"
#include "schemas/limits.h"
#include "schemas/names.h"
#include "schemas/text.h"

namespace shoal {

using internal::ArenaReference;
using internal::CopiedValue;
using internal::EncodedForStore;
using internal::key_failure;
using internal::key_named;
using internal::number_of;
using internal::object_of;
using internal::read_dict;
using internal::wrong_kind;
using memory::Result;
using memory::StoredValue;
using protocol::error;

namespace {

// Reads, and says what became of it. `reference` may be null.
template <typename Use>
[[gnu::always_inline]] inline absl::Status look(const internal::Reference* reference,
                                                const Key& key, Use&& use) {
  const ArenaReference* const object = object_of(reference);
  if (object == nullptr) [[unlikely]]
    return internal::is_closed();
  if (!key.status().ok()) [[unlikely]]
    return key.status();
  const Result result = read_dict(*object, key, use);
  if (result == Result::kDone) [[likely]]
    return absl::OkStatus();
  return key_failure(result, *object, key, absl::OkStatus());
}

// Takes numbers by value: what is referred to must be in memory, also where all goes well.
[[gnu::noinline, gnu::cold]] absl::Status does_not_fit(const ArenaReference& object, const Key& key,
                                                       std::size_t bytes, std::size_t room) {
  return error(absl::StatusCode::kOutOfRange, key_named(object, key), ": the value has ", bytes,
               " bytes, and there is room for ", room);
}

// Whether the bytes of a value of this kind are what they look like to a user.
bool is_plain(std::uint8_t kind) {
  return kind == number_of(ValueKind::kBytes) || kind == number_of(ValueKind::kString) ||
         kind == number_of(ValueKind::kInt) || kind == number_of(ValueKind::kDouble);
}

}  // namespace

namespace internal {

std::string key_named(const ArenaReference& object, const Key& key) {
  const absl::StatusOr<Value> decoded = decode_key(key.kind(), key.bytes());
  std::string text = decoded.ok() ? decoded->to_string() : "a key that is none";
  // What cannot be printed is escaped in it already.
  constexpr std::size_t kMost = 80;
  if (text.size() > kMost) {
    std::size_t end = kMost;
    while (end != 0 && (text[end] & 0xc0) == 0x80) --end;  // not in the middle of a character
    text.replace(end, std::string::npos, "...");
  }
  return protocol::text(named(object), ", key ", text);
}

absl::Status wrong_kind(const ArenaReference& object, const Key& key, std::uint8_t kind,
                        std::string_view wanted) {
  return error(absl::StatusCode::kFailedPrecondition, key_named(object, key), ": the value is ",
               kind_name(static_cast<ValueKind>(kind)), ", not ", wanted);
}

absl::Status entry_failure(Result result, const ArenaReference& object, std::string_view named,
                           const absl::Status& why) {
  switch (result) {
    case Result::kAbsent:
      return error(absl::StatusCode::kNotFound, named, ": there is none");
    case Result::kPresent:
      return error(absl::StatusCode::kAlreadyExists, named, ": it is there already");
    case Result::kDiffers:
      return error(absl::StatusCode::kAborted, named,
                   ": the value is another one; nothing was changed");
    case Result::kExhausted:
      return error(absl::StatusCode::kResourceExhausted, named, ": ",
                   protocol::to_std(why.message()), ". Nothing was changed");
    case Result::kTimedOut:
      return error(absl::StatusCode::kDeadlineExceeded, named,
                   ": another process has held its lock all the time; nothing was changed. "
                   "`shoalctl locks` shows who holds what");
    default:
      return failure(result, object);
  }
}

}  // namespace internal

Key::Key(const Value& value) {
  auto storage = std::make_unique<std::string>();
  absl::StatusOr<internal::EncodedKey> encoded = internal::encode_key(value, *storage);
  if (!encoded.ok()) {
    status_ = encoded.status();
    return;
  }
  storage_ = std::move(storage);
  bytes_ = encoded->bytes;
  kind_ = encoded->kind;
}

// ---- reading ----

absl::StatusOr<Value> Dict::get(const Key& key) const {
  CopiedValue found;
  absl::Status status =
      look(reference_.get(), key, [&](const StoredValue& value) { found.take(value); });
  if (!status.ok()) [[unlikely]]
    return status;
  return found.decode();
}

absl::StatusOr<std::optional<std::size_t>> Dict::find_into(const Key& key,
                                                           std::span<std::byte> out) const {
  const ArenaReference* const object = object_of(reference_);
  if (object == nullptr) [[unlikely]]
    return internal::is_closed();
  if (!key.status().ok()) [[unlikely]]
    return key.status();
  struct IntoSpan {
    std::byte* to;
    std::size_t room;
    std::size_t bytes = 0;
    std::uint8_t kind = 0;
    void operator()(const StoredValue& value) {
      kind = value.kind;
      bytes = value.bytes;
      if (bytes <= room) memory::copy_out(to, value.data, bytes);
    }
  } found{out.data(), out.size()};
  const Result result = read_dict(*object, key, found);
  if (result == Result::kAbsent) return std::optional<std::size_t>();
  if (result != Result::kDone) [[unlikely]]
    return key_failure(result, *object, key, absl::OkStatus());
  if (!is_plain(found.kind)) [[unlikely]]
    return wrong_kind(*object, key, found.kind, "bytes, text or a number");
  if (found.bytes > out.size()) [[unlikely]]
    return does_not_fit(*object, key, found.bytes, out.size());
  return std::optional<std::size_t>(found.bytes);
}

absl::StatusOr<std::size_t> Dict::get_into(const Key& key, std::span<std::byte> out) const {
  absl::StatusOr<std::optional<std::size_t>> bytes = find_into(key, out);
  if (!bytes.ok()) [[unlikely]]
    return bytes.status();
  if (!*bytes) [[unlikely]]
    return key_failure(Result::kAbsent, *object_of(reference_), key, absl::OkStatus());
  return **bytes;
}

namespace {

// A scalar of 8 bytes.
absl::StatusOr<std::uint64_t> get_word(const std::shared_ptr<internal::Reference>& reference,
                                       const Key& key, ValueKind wanted) {
  struct Word {
    std::uint64_t word = 0;
    std::uint8_t kind = 0;
    bool fits = false;
    void operator()(const StoredValue& value) {
      kind = value.kind;
      fits = value.bytes == sizeof word;
      if (fits) word = value.word();
    }
  } found;
  absl::Status status = look(reference.get(), key, found);
  if (!status.ok()) [[unlikely]]
    return status;
  if (found.kind != number_of(wanted) || !found.fits) [[unlikely]]
    return wrong_kind(*object_of(reference), key, found.kind, kind_name(wanted));
  return found.word;
}

}  // namespace

template <>
absl::StatusOr<std::int64_t> Dict::get_as<std::int64_t>(const Key& key) const {
  const absl::StatusOr<std::uint64_t> word = get_word(reference_, key, ValueKind::kInt);
  if (!word.ok()) [[unlikely]]
    return word.status();
  return static_cast<std::int64_t>(*word);
}

template <>
absl::StatusOr<double> Dict::get_as<double>(const Key& key) const {
  const absl::StatusOr<std::uint64_t> word = get_word(reference_, key, ValueKind::kDouble);
  if (!word.ok()) [[unlikely]]
    return word.status();
  return std::bit_cast<double>(*word);
}

template <>
absl::StatusOr<bool> Dict::get_as<bool>(const Key& key) const {
  const absl::StatusOr<Value> value = get(key);
  if (!value.ok()) return value.status();
  if (const bool* truth = value->as_bool()) return *truth;
  return wrong_kind(*object_of(reference_), key, number_of(value->kind()), "bool");
}

namespace {

absl::StatusOr<std::string> get_bytes(const std::shared_ptr<internal::Reference>& reference,
                                      const Key& key, ValueKind wanted) {
  std::string bytes;
  std::uint8_t kind = 0;
  absl::Status status = look(reference.get(), key, [&](const StoredValue& value) {
    kind = value.kind;
    if (kind != number_of(wanted)) return;
    bytes.resize(value.bytes);
    memory::copy_out(bytes.data(), value.data, value.bytes);
  });
  if (!status.ok()) [[unlikely]]
    return status;
  if (kind != number_of(wanted)) [[unlikely]] {
    return wrong_kind(*object_of(reference), key, kind, kind_name(wanted));
  }
  return bytes;
}

}  // namespace

template <>
absl::StatusOr<std::string> Dict::get_as<std::string>(const Key& key) const {
  return get_bytes(reference_, key, ValueKind::kString);
}

template <>
absl::StatusOr<Bytes> Dict::get_as<Bytes>(const Key& key) const {
  absl::StatusOr<std::string> bytes = get_bytes(reference_, key, ValueKind::kBytes);
  if (!bytes.ok()) return bytes.status();
  return Bytes(*std::move(bytes));
}

absl::Status Dict::visit(
    const Key& key, absl::FunctionRef<void(ValueKind, std::span<const std::byte>)> look_at) const {
  CopiedValue found;
  absl::Status status =
      look(reference_.get(), key, [&](const StoredValue& value) { found.take(value); });
  if (!status.ok()) return status;
  look_at(static_cast<ValueKind>(found.kind()), std::as_bytes(std::span(found.bytes())));
  return absl::OkStatus();
}

absl::StatusOr<bool> Dict::contains(const Key& key) const {
  const ArenaReference* const object = object_of(reference_);
  if (object == nullptr) [[unlikely]]
    return internal::is_closed();
  if (!key.status().ok()) [[unlikely]]
    return key.status();
  const Result result = read_dict(*object, key, [](const StoredValue&) {});
  if (result == Result::kAbsent) return false;
  if (result == Result::kDone) return true;
  return key_failure(result, *object, key, absl::OkStatus());
}

absl::StatusOr<std::size_t> Dict::size() const { return internal::dict_size(reference_.get()); }

namespace {

// All entries, keys decoded; `with_values`: values too.
absl::StatusOr<std::vector<DictEntry>> all_of(const std::shared_ptr<internal::Reference>& reference,
                                              bool with_values) {
  memory::DictSnapshot snapshot;
  absl::Status status = internal::take_snapshot(object_of(reference), with_values, snapshot);
  if (!status.ok()) return status;
  const auto* const bytes = reinterpret_cast<const char*>(snapshot.bytes.data());
  std::vector<DictEntry> entries;
  entries.reserve(snapshot.items.size());
  for (const memory::DictItem& item : snapshot.items) {
    absl::StatusOr<Value> key =
        internal::decode_key(item.key_kind, {bytes + item.key, item.key_bytes});
    if (!key.ok()) return key.status();
    DictEntry& entry = entries.emplace_back(DictEntry{.key = *std::move(key), .value = {}});
    if (!with_values) continue;
    absl::StatusOr<Value> value =
        internal::decode_value(item.value_kind, {bytes + item.value, item.value_bytes});
    if (!value.ok()) return value.status();
    entry.value = *std::move(value);
  }
  return entries;
}

absl::StatusOr<std::vector<Value>> column(absl::StatusOr<std::vector<DictEntry>> entries,
                                          Value DictEntry::*which) {
  if (!entries.ok()) return entries.status();
  std::vector<Value> values;
  values.reserve(entries->size());
  for (DictEntry& entry : *entries) values.push_back(std::move(entry.*which));
  return values;
}

}  // namespace

absl::StatusOr<std::vector<Value>> Dict::keys() const {
  return column(all_of(reference_, false), &DictEntry::key);
}

absl::StatusOr<std::vector<Value>> Dict::values() const {
  return column(all_of(reference_, true), &DictEntry::value);
}

absl::StatusOr<std::vector<DictEntry>> Dict::items() const { return all_of(reference_, true); }

absl::StatusOr<Value> Dict::copy() const {
  absl::StatusOr<std::vector<DictEntry>> entries = items();
  if (!entries.ok()) return entries.status();
  std::vector<ValueEntry> copied;
  copied.reserve(entries->size());
  for (DictEntry& entry : *entries) {
    copied.push_back({std::move(entry.key), std::move(entry.value)});
  }
  return Value::map(std::move(copied));
}

// ---- seeing ----

absl::StatusOr<DictStatistics> Dict::verify() const {
  return internal::verify_dict(reference_.get());
}

}  // namespace shoal
