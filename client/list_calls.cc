// See list_calls.h.
#include "client/list_calls.h"

#include <algorithm>
#include <numeric>

#include "memory/futex.h"
#include "memory/value_parts.h"
#include "schemas/text.h"

namespace shoal::internal {

using memory::InlineBytes;
using memory::ListElement;
using memory::ListMark;
using memory::ListRange;
using memory::ListSlice;
using memory::ListWriter;
using memory::Result;
using protocol::error;

namespace {

// In vain so often, a reader takes the lock.
constexpr int kRoundsWithoutLock = 16;

}  // namespace

absl::Status list_failure(Result result, const ArenaReference& object, std::int64_t index,
                          const absl::Status& why) {
  switch (result) {
    case Result::kAbsent: {
      ListMark now;
      const bool known = memory::mark(object.list, now) == Result::kDone;
      return error(absl::StatusCode::kOutOfRange, named(object), " has no element ", index,
                   known ? protocol::text("; it has ", now.count, " of them") : "");
    }
    case Result::kExhausted:
      return error(absl::StatusCode::kResourceExhausted, named(object), ": ",
                   protocol::to_std(why.message()), ". Nothing was changed");
    case Result::kTimedOut:
      return error(absl::StatusCode::kDeadlineExceeded, named(object),
                   ": others have held its lock, or changed it, all the time; nothing was changed. "
                   "`shoalctl locks` shows who holds what");
    default:
      return failure(result, object);
  }
}

// ---- values ----

absl::StatusOr<Value> decode_element(const ListElement& element) {
  switch (memory::list_tag(element.word)) {
    case memory::ListTag::kInt:
      return Value(memory::int_in(element.word));
    case memory::ListTag::kDouble:
    case memory::ListTag::kDouble2:
      return Value(memory::double_in(element.word));
    default:
      break;
  }
  if (!memory::is_inline(element.word)) return decode_value(element.kind, element.bytes);
  const InlineBytes value = memory::inline_bytes(element.word);
  return decode_value(value.kind, {value.bytes, value.size});
}

bool equals(const ListElement& element, const Value& value) {
  const absl::StatusOr<Value> decoded = decode_element(element);
  return decoded.ok() && *decoded == value;
}

absl::Status EncodedElement::from(const Value& from, const ArenaReference* into) {
  EncodedValue encoded;
  absl::Status status = encode_value(from, storage, encoded);
  if (status.ok()) {
    value = memory::ListValue::of(encoded.kind, encoded.has_references,
                                  std::as_bytes(std::span(encoded.bytes)));
    if (into != nullptr) status = held.hold(*into, encoded);
  }
  return status;
}

absl::Status EncodedList::from(std::span<const Value> values, const ArenaReference* into) {
  values_.reserve(values.size());
  auto element = std::make_unique<EncodedElement>();
  for (const Value& value : values) {
    if (absl::Status status = element->from(value, into); !status.ok()) return status;
    values_.push_back(element->value);
    if (element->storage.empty() && !element->value.references) continue;
    kept_.push_back(std::move(element));
    element = std::make_unique<EncodedElement>();
  }
  return absl::OkStatus();
}

// ---- reading many ----

Result Scan::try_once(
    const ListSlice& slice,
    absl::FunctionRef<bool(std::uint64_t index, const ListElement& element)> visit) {
  if (object_->view.is_stale()) return Result::kStale;
  Result result = memory::mark(object_->list, mark_);
  if (result != Result::kDone) return result;
  const ListRange range = ListRange::of(slice, mark_.count);
  if (range.count == 0) return Result::kDone;
  const std::uint64_t last = range.first + (range.count - 1) * range.step;
  std::vector<ListElement> page;
  for (std::uint64_t at = range.first, next = at; at <= last; at += page.size()) {
    result = memory::read_page(object_->list, mark_, at, last + 1, page);
    if (result != Result::kDone) return result;
    if (page.empty()) return Result::kDiffers;
    for (; next < at + page.size() && next <= last; next += range.step) {
      if (!visit(next, page[next - at])) return Result::kDone;
    }
  }
  return Result::kDone;
}

absl::Status Scan::run(
    const ListSlice& slice, absl::FunctionRef<void()> again,
    absl::FunctionRef<bool(std::uint64_t index, const ListElement& element)> visit) {
  if (object_ == nullptr) return is_closed();
  memory::Deadline deadline = 0;
  for (int round = 0;; ++round) {
    again();
    const Result result = try_once(slice, visit);
    if (result == Result::kDone) return absl::OkStatus();
    if (result != Result::kDiffers) return list_failure(result, *object_, 0);
    if (round < kRoundsWithoutLock) continue;
    if (holder_ == nullptr && object_->access == Access::kReadWrite) {
      return run_holding(slice, again, visit);
    }
    if (deadline == 0) {
      deadline = memory::deadline_after(object_->session->options().op_timeout);
    }
    if (memory::is_over(deadline)) return list_failure(Result::kTimedOut, *object_, 0);
  }
}

absl::Status Scan::run_holding(
    const ListSlice& slice, absl::FunctionRef<void()> again,
    absl::FunctionRef<bool(std::uint64_t index, const ListElement& element)> visit) {
  absl::StatusOr<ThreadEntry*> thread = enter(object_);
  if (!thread.ok()) return thread.status();
  memory::Call call{.caller = (*thread)->caller, .timeout_ns = op_timeout_ns(*object_)};
  ListWriter writer(object_->list, call);
  const Result result = writer.hold();
  if (result != Result::kDone) return list_failure(result, *object_, 0);
  holder_ = &writer;
  absl::Status status = run(slice, again, visit);
  holder_ = nullptr;
  return status;
}

// ---- reading, then changing ----

absl::Status decide_and_write(const std::shared_ptr<Reference>& reference,
                              absl::FunctionRef<Decision(Scan& scan, ListWriter& writer)> decide) {
  const ArenaReference* const object = object_of(reference);
  absl::StatusOr<ThreadEntry*> thread = enter(object);
  if (!thread.ok()) return thread.status();
  memory::Caller::count((*thread)->caller.record->operations);
  memory::Call call{.caller = (*thread)->caller, .timeout_ns = op_timeout_ns(*object)};
  for (int round = 0;; ++round) {
    ListWriter writer(object->list, call);
    Scan scan = round < kRoundsWithoutLock ? Scan(object) : Scan(object, writer);
    if (round >= kRoundsWithoutLock) {
      const Result result = writer.hold();
      if (result != Result::kDone) return list_failure(result, *object, 0);
    }
    Decision decision = decide(scan, writer);
    if (!decision.status.ok()) return decision.status;
    if (decision.result == Result::kDone) return absl::OkStatus();
    const bool again = decision.result == Result::kDiffers && round <= kRoundsWithoutLock;
    if (!again) return list_failure(decision.result, *object, 0, call.why);
  }
}

absl::Status sorted_order(const ArenaReference& object, const std::vector<Value>& values,
                          const ListSortOptions& options, std::vector<std::uint64_t>& order) {
  order.resize(values.size());
  std::iota(order.begin(), order.end(), std::uint64_t{0});
  const Value* one = nullptr;  // two that have no order
  const Value* other = nullptr;
  std::stable_sort(order.begin(), order.end(), [&](std::uint64_t a, std::uint64_t b) {
    const Value& left = values[options.reverse ? b : a];
    const Value& right = values[options.reverse ? a : b];
    const std::optional<int> result = python_order(left, right);
    if (!result) {
      one = &left;
      other = &right;
    }
    return result && *result < 0;
  });
  if (one == nullptr) return absl::OkStatus();
  return error(absl::StatusCode::kFailedPrecondition, named(object), ": there is no order between ",
               kind_name(one->kind()), " and ", kind_name(other->kind()), "; nothing was changed");
}

}  // namespace shoal::internal
