// Attaching to a ShareableList and reading it. Writes nothing.
#include "memory/shareable_list.h"

#include <cstring>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"

#include "memory/shareable_list_internal.h"
#include "memory/utf8.h"
#include "memory/wait.h"

namespace shoal::memory {
SHOAL_VARIANT_BEGIN

struct ListView::Parts {
  std::uint64_t format = 0;
  std::uint8_t code = 0;
  std::uint64_t tail = 0;
  const std::byte* value = nullptr;  // null: the offsets are damaged
  std::size_t room = 0;              // bytes that may be read at `value`
};

struct ListView::Taken {
  const char* damaged = nullptr;  // what is, or null
  ValueKind kind = ValueKind::kNone;
  std::uint64_t scalar = 0;
  std::size_t size = 0;  // of a text
  bool fits = true;
};

namespace {

constexpr char kNeverStands[] = "somebody writes there all the time";

absl::Status damaged(std::size_t at, const char* what) {
  return absl::DataLossError(absl::StrCat("element ", at, " of the list is damaged: ", what));
}

// If `after` a copy from the element or the record the copy is whole (see the header).
bool still_holds(std::uint64_t before, std::uint64_t after, bool from_record) {
  if (before == after) return true;
  const bool same_sequence = shadow_sequence(before) == shadow_sequence(after);
  if (from_record) return same_sequence;
  if (shadow_state(before) == ShadowState::kClaimed) return false;
  return same_sequence || (shadow_state(after) == ShadowState::kClaimed &&
                           shadow_sequence(after) == next_sequence(before));
}

std::string word_text(std::uint64_t format) {
  char text[8];
  std::memcpy(text, &format, 8);
  return std::string(text, strnlen(text, 8));
}

}  // namespace

// Finds every part and checks that it lies inside `memory`; costs the same for any length.
absl::StatusOr<ListView> ListView::locate(std::span<std::byte> memory) {
  if (reinterpret_cast<std::uintptr_t>(memory.data()) % 8 != 0) {
    return absl::InvalidArgumentError("a list must be mapped at a multiple of 8");
  }
  if (memory.size() < 16) {
    return absl::DataLossError(
        absl::StrCat("no list: ", memory.size(), " bytes are less than the smallest list's 16"));
  }
  ListView view;
  view.base_ = memory.data();
  view.size_ = memory.size();
  const std::uint64_t count = load_word(view.base_);
  if (count > kListElementsMax || list_plain_bytes(count, count * 8) > memory.size()) {
    return absl::DataLossError(
        absl::StrCat("no list: ", memory.size(), " bytes cannot hold ", count, " elements"));
  }
  const std::uint64_t data_bytes = load_word(view.base_ + 8 + 8 * count);
  if (data_bytes % 8 != 0 || data_bytes < count * 8 || data_bytes > memory.size() ||
      list_plain_bytes(count, data_bytes) > memory.size()) {
    return absl::DataLossError(absl::StrCat("no list: ", memory.size(), " bytes cannot hold ",
                                            data_bytes, " bytes of elements"));
  }
  view.count_ = count;
  view.data_bytes_ = data_bytes;
  view.data_ = view.base_ + list_data_offset(count);
  view.formats_ = view.data_ + data_bytes;
  view.codes_ = view.formats_ + 8 * count;

  const std::uint64_t start = round_up(list_plain_bytes(count, data_bytes), kLineBytes);
  if (start > memory.size() || memory.size() - start < sizeof(ListTrailer)) return view;
  ListTrailer trailer;
  copy_out(&trailer, view.base_ + start, sizeof trailer);
  if (trailer.magic != kListTrailerMagic) return view;
  if (trailer.version != kListTrailerVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat("the list's trailer has version ", trailer.version, ", this library knows ",
                     kListTrailerVersion, ": use the library that made it"));
  }
  if (trailer.count != count || trailer.plain_bytes != list_plain_bytes(count, data_bytes) ||
      trailer.largest_slot % 8 != 0 || trailer.largest_slot < 8 ||
      trailer.largest_slot > kListSlotBytesMax ||
      trailer.trailer_bytes != list_trailer_bytes(count, trailer.largest_slot) ||
      trailer.trailer_bytes > memory.size() - start) {
    return absl::DataLossError("the list's trailer is damaged: its sizes contradict the list");
  }
  view.has_trailer_ = true;
  view.largest_slot_ = trailer.largest_slot;
  view.word_ = view.base_ + start + kShadowWordOffset;
  view.record_ = view.base_ + start + kShadowRecordOffset;
  view.tails_ = view.record_ + sizeof(ShadowRecord) + trailer.largest_slot;
  return view;
}

absl::Status ListView::check_trailer() const {
  ListTrailer trailer;
  copy_out(&trailer, word_ - kShadowWordOffset, sizeof trailer);
  Crc32c crc;
  crc.add(&trailer, offsetof(ListTrailer, check));
  for (std::size_t at = 0; at < list_data_offset(count_); at += 8) {
    const std::uint64_t word = load_word(base_ + at, std::memory_order_relaxed);
    crc.add(&word, 8);
  }
  if (crc.value() == trailer.check) return absl::OkStatus();
  return absl::DataLossError("the list is damaged: its offsets do not match the trailer's check");
}

absl::StatusOr<ListView> ListView::attach(std::span<std::byte> memory) {
  absl::StatusOr<ListView> view = locate(memory);
  if (!view.ok()) return view;
  if (view->has_trailer_) {
    if (absl::Status status = view->check_trailer(); !status.ok()) return status;
  }
  view->writable_ = true;
  return view;
}

absl::StatusOr<ListView> ListView::attach_read_only(std::span<const std::byte> memory) {
  absl::StatusOr<ListView> view = attach({const_cast<std::byte*>(memory.data()), memory.size()});
  if (view.ok()) view->writable_ = false;
  return view;
}

absl::Status ListView::out_of_range(std::ptrdiff_t index) const {
  return absl::OutOfRangeError(
      absl::StrCat("index ", index, " is outside a list of ", count_, " elements"));
}

ListView::Parts ListView::element_parts(std::size_t at) const {
  const Slot slot = slot_of(at);
  return {.format = load_word(formats_ + 8 * at),
          .code = load_byte(codes_ + at),
          .tail = has_trailer_ ? load_word(tails_ + 8 * at) : 0,
          .value = slot.start,
          .room = slot.size};
}

ListView::Parts ListView::record_parts() const {
  return {.format = load_word(record_ + offsetof(ShadowRecord, format)),
          .code = static_cast<std::uint8_t>(load_word(record_ + offsetof(ShadowRecord, code))),
          .tail = load_word(record_ + offsetof(ShadowRecord, tail)),
          .value = record_ + sizeof(ShadowRecord),
          .room = largest_slot_};
}

// `room(size)` gives private memory for that many bytes, keeping those given before, or null.
template <typename Room>
ListView::Taken ListView::take(const Parts& parts, std::size_t at, Room room) {
  if (parts.value == nullptr) return {.damaged = "its offsets"};
  const std::size_t text = text_format_size(parts.format);
  if (text > parts.room) return {.damaged = "its format is larger than its slot"};
  const bool scalar =
      parts.format == kFormatInt || parts.format == kFormatDouble || parts.format == kFormatBool;
  if (text == 0 && !scalar && parts.format != kFormatNone) {
    return {.damaged = "its format is none that a list has"};
  }
  const auto code = static_cast<ListCode>(parts.code);
  if (code == ListCode::kNone) return {.kind = ValueKind::kNone};
  if (code == ListCode::kScalar && scalar) {
    const std::uint64_t word = load_word(parts.value);
    if (parts.format == kFormatInt) return {.kind = ValueKind::kInt, .scalar = word};
    if (parts.format == kFormatDouble) return {.kind = ValueKind::kDouble, .scalar = word};
    return {.kind = ValueKind::kBool, .scalar = (word & ~(kBoolTrue - 1)) != 0};
  }
  if ((code != ListCode::kString && code != ListCode::kBytes) || text == 0) {
    return {.damaged = "its transform code does not go with its format"};
  }
  Taken taken = {.kind = code == ListCode::kString ? ValueKind::kString : ValueKind::kBytes};
  const std::size_t length = length_without_nuls(parts.value, text);
  char* to = room(length);
  taken.size = length;
  taken.fits = to != nullptr;
  if (!taken.fits) return taken;
  copy_out(to, parts.value, length);
  const auto nuls = static_cast<std::uint32_t>(parts.tail);
  if (nuls == 0 || nuls > text - length) return taken;
  if (tail_check(at, code, nuls, {to, length}) != parts.tail >> 32) return taken;
  taken.size = length + nuls;
  to = room(taken.size);
  taken.fits = to != nullptr;
  if (taken.fits) std::memset(to + length, 0, nuls);
  return taken;
}

template <typename Room>
ListView::Taken ListView::read(std::size_t at, Room room) const {
  for (Retries retries(kReadPatienceNs);;) {
    const std::uint64_t before = load_word(word_);
    const bool from_record =
        shadow_state(before) == ShadowState::kPublished && load_word(record_) == at;
    const Taken taken = take(from_record ? record_parts() : element_parts(at), at, room);
    fence_loads();
    const std::uint64_t after = load_word(word_, std::memory_order_relaxed);
    if (still_holds(before, after, from_record)) return taken;
    if (retries.again() != Result::kDone) return {.damaged = kNeverStands};
  }
}

absl::StatusOr<Value> ListView::get(std::ptrdiff_t index) const {
  const std::size_t at = position(index);
  if (at >= count_) return out_of_range(index);
  std::string text;
  const Taken taken = read(at, [&text](std::size_t size) {
    text.resize(size);
    return text.data();
  });
  if (taken.damaged != nullptr) return damaged(at, taken.damaged);
  text.resize(taken.size);
  switch (taken.kind) {
    case ValueKind::kBool:
      return Value(taken.scalar != 0);
    case ValueKind::kInt:
      return Value(static_cast<std::int64_t>(taken.scalar));
    case ValueKind::kDouble:
      return Value(std::bit_cast<double>(taken.scalar));
    case ValueKind::kString:
      if (!is_utf8(text)) return damaged(at, "its string is not UTF-8");
      return Value(std::move(text));
    case ValueKind::kBytes:
      return Value(Bytes(std::move(text)));
    default:
      return Value();
  }
}

absl::StatusOr<std::size_t> ListView::get_text(std::size_t at, std::span<std::byte> out) const {
  const Taken taken = read(at, [out](std::size_t size) {
    static char none;  // an empty span may have no address, an empty text fits all the same
    if (size > out.size()) return static_cast<char*>(nullptr);
    return out.empty() ? &none : reinterpret_cast<char*>(out.data());
  });
  if (taken.damaged != nullptr) return damaged(at, taken.damaged);
  if (taken.kind != ValueKind::kString && taken.kind != ValueKind::kBytes) {
    const std::string_view kind = kind_name(taken.kind);
    return absl::FailedPreconditionError(absl::StrCat(
        "element ", at, " holds ", absl::string_view(kind.data(), kind.size()), ", not a text"));
  }
  if (!taken.fits) {
    return absl::OutOfRangeError(
        absl::StrCat("element ", at, " has ", taken.size, " bytes, the buffer ", out.size()));
  }
  return taken.size;
}

absl::StatusOr<std::uint64_t> ListView::get_scalar(std::ptrdiff_t index, ValueKind kind) const {
  const std::size_t at = position(index);
  if (at >= count_) return out_of_range(index);
  const Taken taken = read(at, [](std::size_t) { return static_cast<char*>(nullptr); });
  if (taken.damaged != nullptr) return damaged(at, taken.damaged);
  if (taken.kind == kind) return taken.scalar;
  const std::string_view held = kind_name(taken.kind);
  const std::string_view asked = kind_name(kind);
  return absl::FailedPreconditionError(
      absl::StrCat("element ", at, " holds ", absl::string_view(held.data(), held.size()), ", not ",
                   absl::string_view(asked.data(), asked.size())));
}

absl::StatusOr<bool> ListView::get_bool(std::ptrdiff_t index) const {
  const absl::StatusOr<std::uint64_t> word = get_scalar(index, ValueKind::kBool);
  if (!word.ok()) return word.status();
  return *word != 0;
}

absl::StatusOr<std::string> ListView::format_of(std::ptrdiff_t index) const {
  const std::size_t at = position(index);
  if (at >= count_) return out_of_range(index);
  for (Retries retries(kReadPatienceNs);;) {
    const std::uint64_t before = load_word(word_);
    const bool from_record =
        shadow_state(before) == ShadowState::kPublished && load_word(record_) == at;
    const Parts parts = from_record ? record_parts() : element_parts(at);
    fence_loads();
    const std::uint64_t after = load_word(word_, std::memory_order_relaxed);
    if (!still_holds(before, after, from_record)) {
      if (retries.again() != Result::kDone) return damaged(at, kNeverStands);
      continue;
    }
    const std::string text = word_text(parts.format);
    if (!is_utf8(text)) return damaged(at, "its format is no text");
    return text;
  }
}

absl::StatusOr<std::size_t> ListView::index(const Value& value) const {
  for (std::size_t at = 0; at < count_; ++at) {
    const absl::StatusOr<Value> element = get(static_cast<std::ptrdiff_t>(at));
    if (!element.ok()) return element.status();
    if (*element == value) return at;
  }
  return absl::NotFoundError("no element of the list equals the value");
}

absl::StatusOr<std::size_t> ListView::count(const Value& value) const {
  std::size_t equal = 0;
  for (std::size_t at = 0; at < count_; ++at) {
    const absl::StatusOr<Value> element = get(static_cast<std::ptrdiff_t>(at));
    if (!element.ok()) return element.status();
    if (*element == value) ++equal;
  }
  return equal;
}

SHOAL_VARIANT_END
}  // namespace shoal::memory
