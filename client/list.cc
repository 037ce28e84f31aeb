// Implements <shoal/list.h>. The list itself is memory/list_container.h's.
#include "shoal/list.h"

#include <algorithm>
#include <utility>

#include "client/list_calls.h"
#include "memory/list_container_recover.h"
#include "memory/value_parts.h"
#include "schemas/text.h"

namespace shoal {

using internal::ArenaReference;
using internal::decode_element;
using internal::EncodedElement;
using internal::EncodedList;
using internal::list_failure;
using internal::object_of;
using internal::Scan;
using internal::write_list;
using memory::ListElement;
using memory::ListSlice;
using memory::ListValue;
using memory::ListWriter;
using memory::Result;
using protocol::error;

// ---- reading ----

namespace {

// The element itself. `reference` may be null.
absl::Status look(const internal::Reference* reference, std::ptrdiff_t index,
                  ListElement& element) {
  const ArenaReference* const object = object_of(reference);
  if (object == nullptr) [[unlikely]]
    return internal::is_closed();
  const Result result =
      object->view.is_stale() ? Result::kStale : memory::get(object->list, index, element);
  if (result == Result::kDone) [[likely]]
    return absl::OkStatus();
  return list_failure(result, *object, index);
}

absl::Status wrong_kind(const internal::Reference* reference, std::ptrdiff_t index,
                        const ListElement& element, std::string_view wanted) {
  const std::uint8_t kind =
      memory::is_inline(element.word) ? memory::inline_bytes(element.word).kind : element.kind;
  return error(absl::StatusCode::kFailedPrecondition, internal::named(*object_of(reference)),
               ", element ", index, ": the value is ", kind_name(static_cast<ValueKind>(kind)),
               ", not ", wanted);
}

bool is_slice(const Slice& slice) { return slice.step != 0; }

absl::Status no_slice() {
  return absl::InvalidArgumentError("a slice with a step of 0: a step goes up or down");
}

ListSlice slice_of(const Slice& slice) {
  return {.start = slice.start, .stop = slice.stop, .step = slice.step};
}

}  // namespace

absl::StatusOr<Value> List::get(std::ptrdiff_t index) const {
  ListElement element;
  absl::Status status = look(reference_.get(), index, element);
  if (!status.ok()) [[unlikely]]
    return status;
  return decode_element(element);
}

namespace {

template <typename T>
absl::StatusOr<T> get_kind(const internal::Reference* reference, std::ptrdiff_t index,
                           const T* (Value::*as)() const, std::string_view wanted) {
  ListElement element;
  absl::Status status = look(reference, index, element);
  if (!status.ok()) return status;
  const absl::StatusOr<Value> value = decode_element(element);
  if (!value.ok()) return value.status();
  if (const T* held = ((*value).*as)()) return *held;
  return wrong_kind(reference, index, element, wanted);
}

// Not in line: what it needs of the stack, the quick way does not.
[[gnu::noinline]] absl::StatusOr<std::int64_t> get_int_slowly(const internal::Reference* reference,
                                                              std::ptrdiff_t index) {
  return get_kind(reference, index, &Value::as_int, "int64");
}

}  // namespace

template <>
absl::StatusOr<std::int64_t> List::get_as<std::int64_t>(std::ptrdiff_t index) const {
  const ArenaReference* const object = object_of(reference_);
  std::int64_t number = 0;
  if (object != nullptr && memory::get_int(object->list, index, number)) [[likely]]
    return number;
  return get_int_slowly(object, index);
}

template <>
absl::StatusOr<double> List::get_as<double>(std::ptrdiff_t index) const {
  return get_kind(reference_.get(), index, &Value::as_double, "double");
}
template <>
absl::StatusOr<bool> List::get_as<bool>(std::ptrdiff_t index) const {
  return get_kind(reference_.get(), index, &Value::as_bool, "bool");
}
template <>
absl::StatusOr<std::string> List::get_as<std::string>(std::ptrdiff_t index) const {
  return get_kind(reference_.get(), index, &Value::as_string, "string");
}
template <>
absl::StatusOr<Bytes> List::get_as<Bytes>(std::ptrdiff_t index) const {
  return get_kind(reference_.get(), index, &Value::as_bytes, "bytes");
}

absl::StatusOr<std::size_t> List::size() const {
  memory::ListMark now;
  absl::Status status = internal::look_at(
      reference_, [&](const ArenaReference& object) { return memory::mark(object.list, now); });
  if (!status.ok()) return status;
  return now.count;
}

absl::StatusOr<std::vector<Value>> List::slice(const Slice& slice) const {
  if (!is_slice(slice)) return no_slice();
  std::vector<Value> values;
  absl::Status bad;
  absl::Status status = Scan(object_of(reference_))
                            .run(
                                slice_of(slice), [&] { values.clear(); },
                                [&](std::uint64_t, const ListElement& element) {
                                  absl::StatusOr<Value> value = decode_element(element);
                                  bad = value.status();
                                  if (!bad.ok()) return false;
                                  values.push_back(*std::move(value));
                                  return true;
                                });
  if (!status.ok()) return status;
  if (!bad.ok()) return bad;
  if (slice.step < 0) std::reverse(values.begin(), values.end());
  return values;
}

absl::StatusOr<Value> List::copy() const {
  absl::StatusOr<std::vector<Value>> values = items();
  if (!values.ok()) return values.status();
  return Value::list(*std::move(values));
}

namespace {

absl::Status not_found(const ArenaReference& object) {
  return error(absl::StatusCode::kNotFound, internal::named(object),
               ": no element equals the value");
}

}  // namespace

absl::StatusOr<std::size_t> List::index(const Value& value, std::ptrdiff_t start,
                                        std::optional<std::ptrdiff_t> stop) const {
  std::optional<std::uint64_t> found;
  absl::Status status = Scan(object_of(reference_))
                            .run(
                                {.start = start, .stop = stop}, [] {},
                                [&](std::uint64_t index, const ListElement& element) {
                                  if (internal::equals(element, value)) found = index;
                                  return !found;
                                });
  if (!status.ok()) return status;
  if (!found) return not_found(*object_of(reference_));
  return *found;
}

absl::StatusOr<std::size_t> List::count(const Value& value) const {
  std::size_t count = 0;
  absl::Status status = Scan(object_of(reference_))
                            .run(
                                {}, [&] { count = 0; },
                                [&](std::uint64_t, const ListElement& element) {
                                  if (internal::equals(element, value)) ++count;
                                  return true;
                                });
  if (!status.ok()) return status;
  return count;
}

absl::StatusOr<bool> List::contains(const Value& value) const {
  const absl::StatusOr<std::size_t> found = index(value);
  if (found.ok()) return true;
  if (absl::IsNotFound(found.status())) return false;
  return found.status();
}

absl::Status List::for_each(
    absl::FunctionRef<bool(std::size_t index, const Value& value)> visit) const {
  const ArenaReference* const object = object_of(reference_);
  if (object == nullptr) return internal::is_closed();
  std::vector<ListElement> page;
  memory::Retries retries(internal::op_timeout_ns(*object));
  for (std::size_t at = 0;;) {
    memory::ListMark now;
    Result result = object->view.is_stale() ? Result::kStale : memory::mark(object->list, now);
    if (result == Result::kDone) {
      result = memory::read_page(object->list, now, at, now.count, page);
      if (result == Result::kDiffers) {
        result = retries.again(object->view);
        if (result == Result::kDone) continue;
      }
    }
    if (result != Result::kDone) return internal::list_failure(result, *object, 0);
    if (page.empty()) return absl::OkStatus();
    for (const ListElement& element : page) {
      const absl::StatusOr<Value> value = decode_element(element);
      if (!value.ok()) return value.status();
      if (!visit(at++, *value)) return absl::OkStatus();
    }
  }
}

// ---- writing ----

absl::Status List::append_int(std::int64_t number) const {
  const std::uint64_t word = memory::int_word(number);
  const ArenaReference* const object = object_of(reference_);
  internal::ThreadEntry* const thread =
      object == nullptr ? nullptr : internal::thread_in(object->writer);
  if (thread != nullptr && word != memory::kNotInline &&
      memory::append_quickly(object->list, thread->caller, word)) [[likely]] {
    memory::Caller::count(thread->caller.record->operations);
    return absl::OkStatus();
  }
  return append(Value(number));
}

absl::Status List::set_int(std::ptrdiff_t index, std::int64_t number) const {
  const std::uint64_t word = memory::int_word(number);
  const ArenaReference* const object = object_of(reference_);
  internal::ThreadEntry* const thread =
      object == nullptr ? nullptr : internal::thread_in(object->writer);
  if (thread != nullptr && word != memory::kNotInline &&
      memory::set_quickly(object->list, thread->caller, index, word)) [[likely]] {
    memory::Caller::count(thread->caller.record->operations);
    return absl::OkStatus();
  }
  return set(index, Value(number));
}

absl::Status List::append(const Value& value) const {
  EncodedElement encoded;
  if (absl::Status status = encoded.from(value, object_of(reference_)); !status.ok()) return status;
  return write_list(reference_, 0, [&](ListWriter& writer) {
    return writer.append({&encoded.value, 1});
  });
}

absl::Status List::extend(std::span<const Value> values) const {
  EncodedList encoded;
  if (absl::Status status = encoded.from(values, object_of(reference_)); !status.ok())
    return status;
  return write_list(reference_, 0,
                    [&](ListWriter& writer) { return writer.append(encoded.values()); });
}

absl::Status List::set(std::ptrdiff_t index, const Value& value) const {
  EncodedElement encoded;
  if (absl::Status status = encoded.from(value, object_of(reference_)); !status.ok()) return status;
  return write_list(reference_, index,
                    [&](ListWriter& writer) { return writer.set(index, encoded.value); });
}

absl::Status List::insert(std::ptrdiff_t index, const Value& value) const {
  EncodedElement encoded;
  if (absl::Status status = encoded.from(value, object_of(reference_)); !status.ok()) return status;
  return write_list(reference_, index,
                    [&](ListWriter& writer) { return writer.insert(index, encoded.value); });
}

absl::StatusOr<Value> List::pop(std::ptrdiff_t index) const {
  ListElement element;
  absl::Status status =
      write_list(reference_, index, [&](ListWriter& writer) { return writer.pop(index, element); });
  if (!status.ok()) return status;
  return decode_element(element);
}

absl::Status List::assign(const Slice& slice, std::span<const Value> values) const {
  if (!is_slice(slice)) return no_slice();
  EncodedList encoded;
  if (absl::Status status = encoded.from(values, object_of(reference_)); !status.ok())
    return status;
  bool differs = false;
  absl::Status status = write_list(reference_, 0, [&](ListWriter& writer) {
    const Result result = writer.assign(slice_of(slice), encoded.values());
    differs = result == Result::kDiffers;
    return differs ? Result::kDone : result;
  });
  if (!status.ok() || !differs) return status;
  return error(absl::StatusCode::kInvalidArgument, internal::named(*object_of(reference_)), ": ",
               values.size(), " values for a slice with a step of ", slice.step,
               ", which has another number of elements; nothing was changed");
}

absl::Status List::erase_slice(const Slice& slice) const {
  if (!is_slice(slice)) return no_slice();
  return write_list(reference_, 0,
                    [&](ListWriter& writer) { return writer.erase(slice_of(slice)); });
}

absl::Status List::clear() const {
  return write_list(reference_, 0, [](ListWriter& writer) { return writer.clear(); });
}

absl::Status List::reverse() const {
  return write_list(reference_, 0, [](ListWriter& writer) { return writer.reverse(); });
}

// ---- what depends on what is there ----

absl::Status List::erase(const Value& value) const {
  bool found = false;
  absl::Status status = internal::decide_and_write(reference_, [&](Scan& scan, ListWriter& writer) {
    std::uint64_t at = 0;
    found = false;
    absl::Status seen = scan.run(
        {}, [] {},
        [&](std::uint64_t index, const ListElement& element) {
          found = internal::equals(element, value);
          at = index;
          return !found;
        });
    if (!seen.ok() || !found) return internal::Decision{.status = std::move(seen)};
    writer.expect(scan.mark());
    ListElement gone;
    return internal::Decision{.result = writer.pop(static_cast<std::int64_t>(at), gone)};
  });
  if (!status.ok() || found) return status;
  return not_found(*object_of(reference_));
}

absl::Status List::sort(const ListSortOptions& options) const {
  std::vector<Value> values;
  std::vector<std::uint64_t> order;
  return internal::decide_and_write(reference_, [&](Scan& scan, ListWriter& writer) {
    absl::Status bad;
    absl::Status seen = scan.run(
        {}, [&] { values.clear(); },
        [&](std::uint64_t, const ListElement& element) {
          absl::StatusOr<Value> value = decode_element(element);
          bad = value.status();
          if (bad.ok()) values.push_back(*std::move(value));
          return bad.ok();
        });
    if (!seen.ok()) return internal::Decision{.status = std::move(seen)};
    if (bad.ok()) bad = internal::sorted_order(*object_of(reference_), values, options, order);
    if (!bad.ok()) return internal::Decision{.status = std::move(bad)};
    writer.expect(scan.mark());
    return internal::Decision{.result = writer.reorder(order)};
  });
}

// ---- seeing ----

absl::StatusOr<ListStatistics> List::verify() const {
  const ArenaReference* const object = object_of(reference_);
  if (object == nullptr) return internal::is_closed();
  memory::Deadline deadline = 0;
  memory::ListReport report = memory::verify(object->list);
  for (; !report.stood; report = memory::verify(object->list)) {
    if (object->view.is_stale()) break;
    if (deadline == 0) deadline = memory::deadline_after(object->session->options().op_timeout);
    if (memory::is_over(deadline)) return list_failure(Result::kTimedOut, *object, 0);
  }
  if (object->view.is_stale()) return internal::failure(Result::kStale, *object);
  if (!report.wrong.empty()) {
    return error(absl::StatusCode::kDataLoss, internal::named(*object), ": ", report.wrong[0]);
  }
  return ListStatistics{.elements = report.elements,
                        .leaves = report.leaves,
                        .block_bytes = report.block_bytes,
                        .live_bytes = report.live_bytes,
                        .dead_bytes = report.dead_bytes,
                        .large_values = report.large_values};
}

}  // namespace shoal
