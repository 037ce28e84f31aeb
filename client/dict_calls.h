// What Dict, Namespace and transactions have in common: how a proxy's call becomes one of
// memory::Dict, and how bytes that lie in shared memory become a Value.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "client/arena_reference.h"
#include "client/held_references.h"
#include "client/key_encoding.h"
#include "client/value_encoding.h"
#include "memory/dict.h"
#include "shoal/key.h"
#include "shoal/value.h"

namespace shoal::internal {

// The value's bytes, out of shared memory. Those of most values fit into the object itself.
class CopiedValue {
 public:
  void take(const memory::StoredValue& value) {
    kind_ = value.kind;
    bytes_ = value.bytes;
    std::byte* to = small_;
    if (value.bytes > sizeof small_) {
      large_.resize(value.bytes);
      to = reinterpret_cast<std::byte*>(large_.data());
    }
    memory::copy_out(to, value.data, value.bytes);
  }
  [[nodiscard]] std::uint8_t kind() const { return kind_; }
  [[nodiscard]] std::string_view bytes() const {
    return {bytes_ > sizeof small_ ? large_.data() : reinterpret_cast<const char*>(small_), bytes_};
  }
  [[nodiscard]] absl::StatusOr<Value> decode() const { return decode_value(kind_, bytes()); }

 private:
  alignas(8) std::byte small_[256];
  std::string large_;
  std::size_t bytes_ = 0;
  std::uint8_t kind_ = 0;
};

// A Value's bytes, ready to be stored; refers to the Value, and holds what that refers to.
struct EncodedForStore {
  // `into` null: only to be compared.
  absl::Status from(const Value& value, const ArenaReference* into) {
    EncodedValue encoded;
    absl::Status status = encode_value(value, storage, encoded);
    stored = {.data = encoded.bytes.data(),
              .bytes = encoded.bytes.size(),
              .kind = encoded.kind,
              .references = encoded.has_references};
    if (into != nullptr && status.ok()) status = held.hold(*into, encoded);
    return status;
  }
  std::string storage;
  memory::DictValue stored;
  HeldReferences held;
};

// A failed call on one key, as the caller is told: `named` is object and key. `why` is of
// kExhausted.
absl::Status entry_failure(memory::Result result, const ArenaReference& object,
                           std::string_view named, const absl::Status& why);
// A key's bytes, of a Dict or of a TypedDict; refers to them.
struct AnyKey {
  std::uint8_t kind = 0;
  std::string_view bytes;

  AnyKey(const Key& key) : kind(key.kind()), bytes(key.bytes()) {}
  // Of a TypedDict, whose keys and values are all of this kind.
  static constexpr std::uint8_t kTyped = 0;
  explicit AnyKey(std::span<const std::byte> typed)
      : kind(kTyped), bytes(reinterpret_cast<const char*>(typed.data()), typed.size()) {}

  [[nodiscard]] memory::DictKey in(const memory::Dict& dict) const { return dict.key(kind, bytes); }
};
// As key_named(), of a TypedDict.
std::string typed_key_named(const ArenaReference& object, std::span<const std::byte> key);

// Waits until `is_so(object)`, which looks at what writers publish before they look for who waits.
absl::Status wait_for_dict(const std::shared_ptr<Reference>& reference, absl::Duration timeout,
                           absl::FunctionRef<bool(const ArenaReference&)> is_so);

// Until `is_other(value)`, null if there is none. DATA_LOSS: it gave std::nullopt, which says that
// this cannot be a value of this dict, or the bytes are damaged.
absl::Status wait_for_value(
    const std::shared_ptr<Reference>& reference, AnyKey key, absl::Duration timeout,
    absl::FunctionRef<std::optional<bool>(const CopiedValue* now)> is_other);

// The value is of this kind, and another was wanted.
absl::Status wrong_kind(const ArenaReference& object, const Key& key, std::uint8_t kind,
                        std::string_view wanted);
constexpr std::uint8_t number_of(ValueKind kind) { return static_cast<std::uint8_t>(kind); }
// "Dict "name", key 'alice'".
std::string key_named(const ArenaReference& object, const Key& key);
inline absl::Status key_failure(memory::Result result, const ArenaReference& object, const Key& key,
                                const absl::Status& why) {
  return entry_failure(result, object, key_named(object, key), why);
}

// All entries, or only their keys. Null: the proxy is closed.
absl::Status take_snapshot(const ArenaReference* object, bool with_values,
                           memory::DictSnapshot& snapshot);
// Erases the entry inserted last, and shows it first. NOT_FOUND: there is none.
absl::Status pop_last(const ArenaReference* object, memory::Dict::Show show);

// Whether what a writer stores under the key can be found again. Most keys are short and ASCII.
inline absl::Status check_to_write(const Key& key) {
  if (!key.status().ok()) [[unlikely]]
    return key.status();
  const std::string_view bytes = key.bytes();
  if (key.kind() == static_cast<std::uint8_t>(ValueKind::kString)) return check_key(bytes);
  if (bytes.size() > memory::kDictKeyBytesMax) [[unlikely]]
    return check_key(bytes);
  return absl::OkStatus();
}

// `operation(object, call)` gives a memory::Result; `name(object)` names object and key, if need
// be.
template <typename Name, typename Operation>
[[gnu::always_inline]] inline absl::Status write_entry(const ArenaReference* object, Name name,
                                                       Operation operation) {
  ThreadEntry* thread = object == nullptr ? nullptr : thread_in(object->writer);
  if (thread == nullptr) [[unlikely]] {
    absl::StatusOr<ThreadEntry*> entered = enter(object);
    if (!entered.ok()) return entered.status();
    thread = *entered;
  }
  memory::Caller::count(thread->caller.record->operations);
  memory::Call call{.caller = thread->caller, .timeout_ns = op_timeout_ns(*object)};
  const memory::Result result = operation(*object, call);
  if (result == memory::Result::kDone) [[likely]]
    return absl::OkStatus();
  return entry_failure(result, *object, name(*object), call.why);
}

template <typename Operation>
[[gnu::always_inline]] inline absl::Status write_dict(const std::shared_ptr<Reference>& reference,
                                                      const Key& key, Operation operation) {
  if (absl::Status status = check_to_write(key); !status.ok()) [[unlikely]]
    return status;
  return write_entry(
      object_of(reference), [&](const ArenaReference& object) { return key_named(object, key); },
      operation);
}

// The same for who only reads.
template <typename Use>
[[gnu::always_inline]] inline memory::Result read_dict(const ArenaReference& object, const Key& key,
                                                       Use&& use) {
  return object.dict->find(object.dict->key(key.kind(), key.bytes()), op_timeout_ns(object), use);
}

}  // namespace shoal::internal
