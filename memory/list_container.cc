// Values, indices and readers of a List. See list_container.h.
#include "memory/list_container.h"

#include <algorithm>
#include <cstring>

#include "memory/futex.h"
#include "memory/list_container_tree.h"
#include "memory/wait.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

namespace {

std::uint64_t payload_of(std::span<const std::byte> bytes) {
  std::uint64_t word = 0;
  std::memcpy(&word, bytes.data(), bytes.size());
  return word;
}

}  // namespace

// ---- values ----

ListValue ListValue::of(std::uint8_t kind, bool references, std::span<const std::byte> bytes) {
  ListValue value{.word = kNotInline, .kind = kind, .references = references, .bytes = bytes};
  if (bytes.size() == 8 && kind == kListKindInt) {
    value.word = int_word(static_cast<std::int64_t>(payload_of(bytes)));
  } else if (bytes.size() == 8 && kind == kListKindDouble) {
    value.word = double_word(std::bit_cast<double>(payload_of(bytes)));
  } else if (bytes.size() == 8 && kind == kListKindReference && references) {
    value.word = reference_word(payload_of(bytes));
  } else if (bytes.size() <= kImmediateBytesMax && !references && kind < kImmediateKinds &&
             kind != kListKindDouble) {
    value.word = immediate_word(kind, static_cast<unsigned>(bytes.size()),
                                bytes.empty() ? 0 : payload_of(bytes));
  }
  return value;
}

InlineBytes inline_bytes(std::uint64_t word) {
  InlineBytes value;
  std::uint64_t payload = 0;
  value.size = 8;
  switch (list_tag(word)) {
    case ListTag::kInt:
      value.kind = kListKindInt;
      payload = static_cast<std::uint64_t>(int_in(word));
      break;
    case ListTag::kDouble:
    case ListTag::kDouble2:
      value.kind = kListKindDouble;
      payload = std::bit_cast<std::uint64_t>(double_in(word));
      break;
    case ListTag::kReference:
      value.kind = kListKindReference;
      value.references = true;
      payload = reference_in(word);
      break;
    default:
      value.kind = immediate_kind(word);
      if (value.kind == kListKindDouble) {
        payload = std::bit_cast<std::uint64_t>(double_in(word));
      } else {
        value.size = static_cast<std::uint8_t>(std::min(immediate_bytes(word), kImmediateBytesMax));
        payload = word >> 16;
      }
  }
  std::memcpy(value.bytes, &payload, sizeof payload);
  return value;
}

// ---- indices ----

ListRange ListRange::of(const ListSlice& slice, std::uint64_t count) {
  const auto size = static_cast<std::int64_t>(count);
  const bool down = slice.step < 0;
  const auto place = [&](const std::optional<std::int64_t>& at, std::int64_t otherwise) {
    if (!at) return otherwise;
    const std::int64_t from_start = *at < 0 ? *at + size : *at;
    return std::clamp<std::int64_t>(from_start, down ? -1 : 0, down ? size - 1 : size);
  };
  const std::int64_t start = place(slice.start, down ? size - 1 : 0);
  const std::int64_t stop = place(slice.stop, down ? -1 : size);
  const std::uint64_t step =
      down ? 0 - static_cast<std::uint64_t>(slice.step) : static_cast<std::uint64_t>(slice.step);
  const std::int64_t span = down ? start - stop : stop - start;
  ListRange range{.first = static_cast<std::uint64_t>(std::max<std::int64_t>(start, 0)),
                  .step = step,
                  .backwards = down};
  if (span <= 0) return range;
  range.count = (static_cast<std::uint64_t>(span) - 1) / step + 1;
  if (down) range.first = static_cast<std::uint64_t>(start) - (range.count - 1) * step;
  return range;
}

// ---- records ----

bool ListBytes::load(const ListObject& list, std::uint64_t leaf, std::uint64_t word,
                     ListBytes& value) {
  std::uint64_t head = 0;
  if (list_tag(word) == ListTag::kRecord) {
    const std::uint64_t at = record_offset(word);
    if (at > kLeafBytesMax || !list.holds(leaf + at, kRecordHeadBytes)) return false;
    head = list.at<Word64>(leaf + at).load();
    value.offset = leaf + at + kRecordHeadBytes;
    value.bytes = static_cast<std::uint32_t>(head);
    if (value.bytes > kRecordBytesMax) return false;
    head >>= 32;
  } else if (list_tag(word) == ListTag::kLarge) {
    const LargePlace place = LargePlace::of(word);
    if (!list.has_place(place.place) || place.size == 0 || place.size > kLargeRun) return false;
    const std::uint64_t at = list.offset_of(place.place);
    if (!list.holds(at, kLargeHeadBytes)) return false;
    value.bytes = list.at<Word64>(at).load();
    head = list.at<Word64>(at + 8).load();
    value.offset = at + kLargeHeadBytes;
    const std::uint64_t most =
        place.size == kLargeRun ? kListValueBytesMax : cell_bytes(place.size - 1) - kLargeHeadBytes;
    if (value.bytes > most) return false;
  } else {
    return false;
  }
  value.kind = static_cast<std::uint8_t>(head);
  value.references = (head >> 8 & 1) != 0;
  return list.holds(value.offset, (value.bytes + 7) & ~std::uint64_t{7});
}

// ---- readers ----

namespace {

// Of an element that is not inline. False: it cannot be, if it is still there.
bool read_bytes(const ListObject& list, std::uint64_t leaf, std::uint64_t word,
                ListElement& element) {
  ListBytes value;
  if (!ListBytes::load(list, leaf, word, value)) return false;
  element.word = kNotInline;
  element.kind = value.kind;
  element.references = value.references;
  element.bytes.resize(value.bytes);
  copy_out(element.bytes.data(), list.arena + value.offset, value.bytes);
  return true;
}

// The block of a large value goes when its word goes.
template <typename Words>
bool is_same_large(const ListObject& list, std::uint64_t at, std::uint64_t word,
                   const Words& words) {
  if (list_tag(word) != ListTag::kLarge) return true;
  fence_loads();
  return words.word(list.at<Word64>(at)) == word;
}

}  // namespace

namespace {

// `look(words)` with the words as they are, or as the transaction that the list is marked with
// says.
template <typename Look>
Result with_words(const ListObject& list, Look look) {
  const Word64& mark = list.descriptor().transaction;
  if (mark.load() == 0) [[likely]]
    return look(PlainWords{});
  return look(RecordWords(mark, list.arena, list.geometry));
}

// One try. kDiffers: what was seen did not stand.
template <typename Words>
Result get_once(const ListObject& list, std::int64_t index, ListElement& element,
                const Words& words) {
  ListSpot spot;
  Result result = look_up(list, index, spot, words);
  if (result != Result::kDone) {
    fence_loads();
    const bool stood = list.descriptor().root.load(std::memory_order_relaxed) == spot.root;
    return stood && words.stand() ? result : Result::kDiffers;
  }
  element.word = spot.word;
  if (!is_inline(spot.word) && !read_bytes(list, spot.leaf_offset, spot.word, element)) {
    result = Result::kDamaged;
  }
  // The count first: an element that was taken away, and another one appended in its place, shows
  // in one or the other.
  const bool stood =
      is_still_there(list, spot, words) && is_same_large(list, spot.at, spot.word, words);
  return stood ? result : Result::kDiffers;
}

}  // namespace

Result get_slow(const ListObject& list, std::int64_t index, ListElement& element) {
  if (list.view.is_stale()) return Result::kStale;
  for (Retries retries(list.timeout_ns);;) {
    const Result result =
        with_words(list, [&](const auto& words) { return get_once(list, index, element, words); });
    if (result != Result::kDiffers) return result;
    if (const Result again = retries.again(list.view); again != Result::kDone) return again;
  }
}

Result mark(const ListObject& list, ListMark& mark) {
  if (list.view.is_stale()) return Result::kStale;
  for (Retries retries(list.timeout_ns);;) {
    const Result result = with_words(list, [&](const auto& words) {
      mark = {.changes = list.descriptor().changes.load(), .root = list.descriptor().root.load()};
      const ListPlace spine = ListPlace::of(mark.root);
      if (spine.place == 0) return Result::kDone;
      const bool can_be = list.has_place(spine.place);
      if (can_be) {
        mark.count = words.word(list.at<ListSpine>(list.offset_of(spine.place)).count);
      }
      fence_loads();
      const bool stood = list.descriptor().root.load(std::memory_order_relaxed) == mark.root;
      if (!stood || !words.stand()) return Result::kDiffers;
      return can_be && list.can_hold(mark.count) ? Result::kDone : Result::kDamaged;
    });
    if (result != Result::kDiffers) return result;
    if (const Result again = retries.again(list.view); again != Result::kDone) return again;
  }
}

Result read_page(const ListObject& list, const ListMark& mark, std::uint64_t first,
                 std::uint64_t last, std::vector<ListElement>& page) {
  const std::uint64_t leaf_end = (first / kLeafElements + 1) * kLeafElements;
  last = std::min({last, leaf_end, mark.count});
  page.resize(last - std::min(first, last));
  if (list.view.is_stale()) return Result::kStale;
  Retries retries(list.timeout_ns);
  for (std::size_t i = 0; i < page.size();) {
    // kOverflow: it may be another list by now.
    const Result result = with_words(list, [&](const auto& words) {
      ListSpot spot;
      const Result found = look_up(list, static_cast<std::int64_t>(first + i), spot, words);
      if (spot.root != mark.root) return Result::kOverflow;
      if (found != Result::kDone) {
        fence_loads();
        const bool stood = list.descriptor().root.load(std::memory_order_relaxed) == mark.root;
        if (stood && !words.stand()) return Result::kDiffers;
        return stood && found != Result::kAbsent ? Result::kDamaged : Result::kOverflow;
      }
      const bool can_be =
          is_inline(spot.word) || read_bytes(list, spot.leaf_offset, spot.word, page[i]);
      if (!is_still_there(list, spot, words) || !is_same_large(list, spot.at, spot.word, words)) {
        return Result::kDiffers;
      }
      if (can_be && is_inline(spot.word)) page[i].word = spot.word;
      return can_be ? Result::kDone : Result::kDamaged;
    });
    if (result == Result::kDone) {
      ++i;
      continue;
    }
    if (result == Result::kOverflow) return Result::kDiffers;
    if (result != Result::kDiffers) return result;
    if (const Result again = retries.again(list.view); again != Result::kDone) return again;
  }
  return Result::kDone;
}

SHOAL_VARIANT_END

}  // namespace shoal::memory
