// Making, sharing and destroying the values that hold others. See shoal/value.h.
#include "memory/value_parts.h"

#include <cassert>
#include <utility>

#include "memory/bigint.h"

namespace shoal {

using internal::ValueParts;

namespace internal {

void SharedParts::retain(ValueParts* parts) noexcept {
  parts->uses.fetch_add(1, std::memory_order_relaxed);  // whoever copies has one already
}

// Values inside are unhooked before what holds them goes, so that no depth exhausts the stack.
void SharedParts::release(ValueParts* parts) noexcept {
  ValueParts* doomed = nullptr;
  const auto drop = [&doomed](ValueParts* one) {
    // Release: what this owner read is done. Acquire: the last one sees that of all the others.
    if (one == nullptr || one->uses.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    one->next = doomed;
    doomed = one;
  };
  drop(parts);
  while (doomed != nullptr) {
    ValueParts* const one = std::exchange(doomed, doomed->next);
    for (Value& item : one->items) drop(std::exchange(item.parts_.parts_, nullptr));
    for (ValueEntry& entry : one->entries) {
      drop(std::exchange(entry.key.parts_.parts_, nullptr));
      drop(std::exchange(entry.value.parts_.parts_, nullptr));
    }
    delete one;
  }
}

}  // namespace internal

Value Value::list(std::vector<Value> items) {
  auto* parts = new ValueParts;
  parts->items = std::move(items);
  return {ValueKind::kList, parts};
}

Value Value::tuple(std::vector<Value> items) {
  Value value = list(std::move(items));
  value.kind_ = ValueKind::kTuple;
  return value;
}

Value Value::set(std::vector<Value> items) {
  Value value = list(std::move(items));
  value.kind_ = ValueKind::kSet;
  return value;
}

Value Value::map(std::vector<ValueEntry> entries) {
  auto* parts = new ValueParts;
  parts->entries = std::move(entries);
  return {ValueKind::kMap, parts};
}

Value Value::opaque(std::string tag, Bytes bytes) {
  auto* parts = new ValueParts;
  parts->opaque = {.tag = std::move(tag), .bytes = std::move(bytes)};
  return {ValueKind::kOpaque, parts};
}

Value Value::reference(std::uint64_t id) {
  Value value;
  value.kind_ = ValueKind::kReference;
  value.id_ = id;
  return value;
}

Value Value::integer(const Bytes& twos_complement) {
  const std::string_view bytes = twos_complement.view();
  if (const auto small = memory::small_integer(bytes)) return *small;
  Value value = Bytes(memory::canonical_big_int(bytes));
  value.kind_ = ValueKind::kBigInt;
  return value;
}

std::optional<Value> Value::parse_integer(std::string_view text) {
  auto bytes = memory::parse_big_int(text);
  if (!bytes) return std::nullopt;
  return integer(Bytes(*std::move(bytes)));
}

Value Value::unknown(std::uint8_t kind, Bytes bytes) {
  assert(kind > kValueKindMax);
  Value value = std::move(bytes);
  value.kind_ = static_cast<ValueKind>(kind);
  return value;
}

// A value that was moved from keeps its kind and has no parts.
const Opaque* Value::as_opaque() const {
  return is_opaque() && parts_.parts_ != nullptr ? &parts_.parts_->opaque : nullptr;
}

std::span<const Value> Value::items() const {
  if (parts_.parts_ == nullptr) return {};
  return parts_.parts_->items;
}

std::span<const ValueEntry> Value::entries() const {
  if (parts_.parts_ == nullptr) return {};
  return parts_.parts_->entries;
}

}  // namespace shoal
