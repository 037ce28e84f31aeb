// Implements the waiting of <shoal/dict.h>, and what a TypedDict's is made of.
#include "client/dict_calls.h"
#include "memory/wait.h"
#include "shoal/dict.h"

namespace shoal {

using internal::ArenaReference;
using internal::CopiedValue;
using internal::EncodedForStore;
using memory::Result;
using memory::StoredValue;

namespace internal {

absl::Status wait_for_dict(const std::shared_ptr<Reference>& reference, absl::Duration timeout,
                           absl::FunctionRef<bool(const ArenaReference&)> is_so) {
  const ArenaReference* const dict = object_of(reference);
  if (dict != nullptr && dict->access == Access::kReadOnly) {
    return look_at(reference, [&](const ArenaReference& object) {
      const auto wait = [&](memory::Deadline deadline) {
        return memory::poll_until(object.view, deadline, [&] { return is_so(object); });
      };
      const Result result = wait(0);
      return result == Result::kTimedOut ? wait_longer(object, timeout, wait) : result;
    });
  }
  return wait_on(reference, timeout,
                 [&](const ArenaReference& object, ThreadEntry& thread, memory::Deadline deadline) {
                   return memory::wait_until(thread.caller, object.view, memory::Purpose::kChange,
                                             deadline, [&] { return is_so(object); });
                 });
}

absl::StatusOr<std::uint64_t> dict_changes(const std::shared_ptr<Reference>& reference) {
  std::uint64_t changes = 0;
  absl::Status status = look_at(reference, [&](const ArenaReference& object) {
    changes = object.dict->changes();
    return Result::kDone;
  });
  if (!status.ok()) return status;
  return changes;
}

absl::Status watch_dict(const std::shared_ptr<Reference>& reference, std::uint64_t seen,
                        absl::Duration timeout) {
  return wait_for_dict(reference, timeout, [&](const ArenaReference& object) {
    return object.dict->changes() != seen;
  });
}

absl::Status wait_for_value(
    const std::shared_ptr<Reference>& reference, AnyKey key, absl::Duration timeout,
    absl::FunctionRef<std::optional<bool>(const CopiedValue* now)> is_other) {
  CopiedValue now;
  Result result = Result::kDone;
  absl::Status status = wait_for_dict(reference, timeout, [&](const ArenaReference& object) {
    result = object.dict->find(key.in(*object.dict), op_timeout_ns(object),
                               [&](const StoredValue& value) { now.take(value); });
    if (result == Result::kTimedOut) return false;
    if (result != Result::kDone && result != Result::kAbsent) return true;
    const std::optional<bool> other = is_other(result == Result::kDone ? &now : nullptr);
    result = other ? Result::kDone : Result::kDamaged;
    return !other || *other;
  });
  if (!status.ok() || result == Result::kDone) return status;
  return failure(result, *object_of(reference));
}

}  // namespace internal

absl::Status Dict::watch(const Key& key, const std::optional<Value>& seen,
                         absl::Duration timeout) const {
  if (!key.status().ok()) return key.status();
  EncodedForStore encoded;
  if (seen) {
    if (absl::Status status = encoded.from(*seen, nullptr); !status.ok()) return status;
  }
  const std::string_view bytes(static_cast<const char*>(encoded.stored.data), encoded.stored.bytes);
  return internal::wait_for_value(
      reference_, key, timeout, [&](const CopiedValue* now) -> std::optional<bool> {
        if (now == nullptr || !seen) return (now != nullptr) != seen.has_value();
        return now->kind() != encoded.stored.kind || now->bytes() != bytes;
      });
}

absl::StatusOr<std::uint64_t> Dict::changes() const { return internal::dict_changes(reference_); }

}  // namespace shoal
