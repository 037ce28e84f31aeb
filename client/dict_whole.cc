// What Dict, TypedDict and Namespace do with more than one key at a time. See dict_calls.h.
#include "client/dict_calls.h"
#include "memory/transaction.h"
#include "schemas/text.h"
#include "shoal/dict.h"

namespace shoal::internal {

using memory::Result;
using protocol::error;

absl::StatusOr<std::size_t> dict_size(const Reference* reference) {
  std::size_t size = 0;
  absl::Status status = look_at(reference, [&](const ArenaReference& object) {
    size = object.dict->size();
    return Result::kDone;
  });
  if (!status.ok()) return status;
  return size;
}

absl::Status take_snapshot(const ArenaReference* object, bool with_values,
                           memory::DictSnapshot& snapshot) {
  if (object == nullptr) return is_closed();
  memory::Caller* caller = nullptr;
  if (object->access == Access::kReadWrite) {
    absl::StatusOr<ThreadEntry*> thread = enter(object);
    if (!thread.ok()) return thread.status();
    caller = &(*thread)->caller;
  }
  const Result result =
      object->dict->snapshot(caller, op_timeout_ns(*object), with_values, snapshot);
  return result == Result::kDone ? absl::OkStatus() : failure(result, *object);
}

absl::Status pop_last(const ArenaReference* object, memory::Dict::Show show) {
  absl::StatusOr<ThreadEntry*> thread = enter(object);
  if (!thread.ok()) return thread.status();
  memory::Call call{.caller = (*thread)->caller, .timeout_ns = op_timeout_ns(*object)};
  const Result result = object->dict->pop_last(call, show);
  if (result == Result::kDone) return absl::OkStatus();
  if (result == Result::kAbsent) {
    return error(absl::StatusCode::kNotFound, named(*object), " is empty");
  }
  return failure(result, *object);
}

absl::Status clear_dict(const Reference* reference) {
  const ArenaReference* const object = object_of(reference);
  absl::StatusOr<ThreadEntry*> thread = enter(object);
  if (!thread.ok()) return thread.status();
  memory::Call call{.caller = (*thread)->caller, .timeout_ns = op_timeout_ns(*object)};
  memory::Transaction transaction(object->home);
  const Result result = transaction.clear(call, *object->dict);
  if (result == Result::kDone) return absl::OkStatus();
  return result == Result::kExhausted ? call.why : failure(result, *object);
}

absl::StatusOr<DictStatistics> verify_dict(const Reference* reference) {
  const ArenaReference* const object = object_of(reference);
  if (object == nullptr) return is_closed();
  memory::DictStat stat;
  std::string wrong;
  const bool sound = object->dict->verify(stat, [&](const std::string& what) {
    if (wrong.empty()) wrong = what;
  });
  if (object->view.is_stale()) return failure(Result::kStale, *object);
  if (!sound) {
    return error(absl::StatusCode::kDataLoss, named(*object), ": ", wrong);
  }
  const auto ratio = [](std::uint64_t a, std::uint64_t b) {
    return b == 0 ? 0.0 : static_cast<double>(a) / static_cast<double>(b);
  };
  return DictStatistics{.entries = stat.entries,
                        .shards = stat.shards,
                        .block_bytes = stat.block_bytes,
                        .live_bytes = stat.live_bytes,
                        .dead_bytes = stat.dead_bytes,
                        .large_values = stat.large_values,
                        .large_bytes = stat.large_bytes,
                        .load = ratio(stat.slots_used, stat.slots),
                        .probes = ratio(stat.probes, stat.entries),
                        .contended = stat.contended,
                        .changes = stat.changes,
                        .splits = stat.splits};
}

}  // namespace shoal::internal
