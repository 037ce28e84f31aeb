// Implements <shoal/typed_dict.h>. The dict itself is memory/dict.h's; its keys and values have
// kind 0 and are whatever bytes the types have.
#include "shoal/typed_dict.h"

#include <algorithm>

#include "absl/strings/escaping.h"

#include "client/dict_calls.h"
#include "schemas/text.h"

namespace shoal::internal {

using memory::DictDecision;
using memory::DictKey;
using memory::DictValue;
using memory::Result;
using memory::StoredValue;
using protocol::error;

namespace {

constexpr std::uint8_t kRaw = AnyKey::kTyped;

DictKey key_in(const ArenaReference& object, KeyBytes key) { return AnyKey(key).in(*object.dict); }

DictValue stored(const void* value, std::size_t bytes) {
  return {.data = value, .bytes = bytes, .kind = kRaw};
}

// Copies a value out of shared memory, if there is room for one.
struct Taken {
  std::span<std::byte> to;
  bool fits = true;  // false: somebody stored what cannot be a value

  void operator()(const StoredValue& value) {
    fits = value.kind == kRaw && value.bytes == to.size();
    if (fits) [[likely]]
      memory::copy_out(to.data(), value.data, to.size());
  }
};

bool take(const StoredValue& value, std::span<std::byte> to) {
  Taken taken{to};
  taken(value);
  return taken.fits;
}

// With an empty span nothing is copied.
[[gnu::always_inline]] inline Result find(const ArenaReference& object, KeyBytes key,
                                          std::span<std::byte> value) {
  if (value.empty()) {
    return object.dict->find(key_in(object, key), op_timeout_ns(object), [](const StoredValue&) {});
  }
  Taken taken{value};
  const Result result = object.dict->find(key_in(object, key), op_timeout_ns(object), taken);
  return result == Result::kDone && !taken.fits ? Result::kDamaged : result;
}

template <typename Operation>
absl::Status write(const Reference* reference, KeyBytes key, Operation operation) {
  return write_entry(
      object_of(reference),
      [&](const ArenaReference& object) { return typed_key_named(object, key); }, operation);
}

}  // namespace

std::string typed_key_named(const ArenaReference& object, KeyBytes key) {
  constexpr std::size_t kMost = 40;
  const absl::string_view shown(reinterpret_cast<const char*>(key.data()),
                                std::min(key.size(), kMost));
  return protocol::text(named(object), ", key ", absl::BytesToHexString(shown),
                        key.size() > kMost ? "..." : "", " (in hexadecimal)");
}

absl::StatusOr<bool> typed_find(const Reference* reference, KeyBytes key,
                                std::span<std::byte> value) {
  const ArenaReference* const object = object_of(reference);
  if (object == nullptr) [[unlikely]]
    return is_closed();
  const Result result = find(*object, key, value);
  if (result == Result::kDone) return true;
  if (result == Result::kAbsent) return false;
  return entry_failure(result, *object, typed_key_named(*object, key), absl::OkStatus());
}

absl::Status typed_get(const Reference* reference, KeyBytes key, std::span<std::byte> value) {
  const ArenaReference* const object = object_of(reference);
  if (object == nullptr) [[unlikely]]
    return is_closed();
  const Result result = find(*object, key, value);
  if (result == Result::kDone) [[likely]]
    return absl::OkStatus();
  return entry_failure(result, *object, typed_key_named(*object, key), absl::OkStatus());
}

absl::Status typed_put(const Reference* reference, KeyBytes key, std::span<const std::byte> value) {
  return write(reference, key, [&](const ArenaReference& object, memory::Call& call) {
    return object.dict->put(call, key_in(object, key), stored(value.data(), value.size()));
  });
}

absl::Status typed_erase(const Reference* reference, KeyBytes key) {
  return write(reference, key, [&](const ArenaReference& object, memory::Call& call) {
    return object.dict->erase(call, key_in(object, key));
  });
}

absl::Status typed_change(const Reference* reference, KeyBytes key, std::span<std::byte> value,
                          absl::FunctionRef<TypedChange(bool found)> decide) {
  DictValue put = stored(nullptr, value.size());
  const auto decide_stored = [&](const StoredValue* found) -> DictDecision {
    if (found != nullptr && !take(*found, value)) return {.result = Result::kDamaged};
    const TypedChange change = decide(found != nullptr);
    switch (change.what) {
      case TypedChange::What::kPut:
        put.data = change.value;
        return {.what = DictDecision::What::kPut, .value = &put};
      case TypedChange::What::kErase:
        return {.what = DictDecision::What::kErase};
      case TypedChange::What::kAbsent:
        return {.result = Result::kAbsent};
      case TypedChange::What::kDiffers:
        return {.result = Result::kDiffers};
      case TypedChange::What::kLeave:
        break;
    }
    return {};
  };
  return write(reference, key, [&](const ArenaReference& object, memory::Call& call) {
    return object.dict->change(call, key_in(object, key), decide_stored);
  });
}

absl::Status typed_pop_item(const Reference* reference, std::span<std::byte> key,
                            std::span<std::byte> value) {
  bool fits = true;
  absl::Status status = pop_last(
      object_of(reference),
      [&](std::uint8_t kind, const std::byte* bytes, std::uint32_t size, const StoredValue& last) {
        fits = kind == kRaw && size == key.size() && take(last, value);
        if (fits) std::memcpy(key.data(), bytes, size);
      });
  if (!status.ok() || fits) return status;
  return failure(Result::kDamaged, *object_of(reference));
}

absl::Status typed_entries(
    const Reference* reference, std::size_t key_bytes, std::size_t value_bytes,
    absl::FunctionRef<void(const std::byte* key, const std::byte* value)> add) {
  const ArenaReference* const object = object_of(reference);
  memory::DictSnapshot snapshot;
  if (absl::Status status = take_snapshot(object, value_bytes != 0, snapshot); !status.ok()) {
    return status;
  }
  for (const memory::DictItem& item : snapshot.items) {
    const bool fits = item.key_kind == kRaw && item.key_bytes == key_bytes &&
                      item.value_kind == kRaw && item.value_bytes == value_bytes;
    if (!fits) return failure(Result::kDamaged, *object);
    add(snapshot.bytes.data() + item.key, snapshot.bytes.data() + item.value);
  }
  return absl::OkStatus();
}

absl::Status typed_watch(const std::shared_ptr<Reference>& reference, KeyBytes key,
                         const std::byte* seen, std::size_t bytes, absl::Duration timeout) {
  return wait_for_value(
      reference, AnyKey(key), timeout, [&](const CopiedValue* now) -> std::optional<bool> {
        if (now == nullptr) return seen != nullptr;
        if (now->kind() != kRaw || now->bytes().size() != bytes) return std::nullopt;
        return seen == nullptr || std::memcmp(seen, now->bytes().data(), bytes) != 0;
      });
}

absl::Status sum_is_too_large(const Reference* reference, KeyBytes key) {
  return error(absl::StatusCode::kOutOfRange, typed_key_named(*object_of(reference), key),
               ": the sum would not fit into the values' type; nothing was changed");
}

}  // namespace shoal::internal
