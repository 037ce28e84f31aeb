// Laying out a new ShareableList, and how one value becomes bytes. Nothing here is shared yet.
#include <algorithm>
#include <bit>
#include <cstring>

#include "absl/strings/str_cat.h"

#include "memory/shareable_list_internal.h"
#include "memory/utf8.h"

namespace shoal::memory {
SHOAL_VARIANT_BEGIN
namespace {

absl::Status check_text(std::size_t at, const Value& value) {
  if (const std::string* text = value.as_string(); text != nullptr && !is_utf8(*text)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the string for element ", at, " is not UTF-8: pass it as Bytes"));
  }
  return absl::OkStatus();
}

std::string_view text_of(const Value& value) {
  if (const std::string* text = value.as_string()) return *text;
  if (const Bytes* bytes = value.as_bytes()) return bytes->view();
  return {};
}

bool is_text(const Value& value) { return value.is_string() || value.is_bytes(); }

std::size_t slot_for(const Value& value) {
  return is_text(value) ? text_slot(text_of(value).size()) : 8;
}

// Sizes of a list before it exists.
struct Extent {
  std::uint64_t data_bytes = 0;
  std::uint64_t largest_slot = 8;

  std::uint64_t trailer(std::size_t count) const {
    return round_up(list_plain_bytes(count, data_bytes), kLineBytes);
  }
};

absl::StatusOr<Extent> measure(std::span<const Value> values) {
  if (values.size() > kListElementsMax) {
    return absl::OutOfRangeError(absl::StrCat(values.size(), " elements: a list has at most ",
                                              kListElementsMax, " (kListElementsMax)"));
  }
  Extent extent;
  for (std::size_t at = 0; at < values.size(); ++at) {
    const std::size_t size = text_of(values[at]).size();
    if (size > kListTextBytesMax) {
      return absl::OutOfRangeError(absl::StrCat("element ", at, " has ", size,
                                                " bytes: a text has at most ", kListTextBytesMax,
                                                " (kListTextBytesMax)"));
    }
    if (absl::Status status = check_text(at, values[at]); !status.ok()) return status;
    const std::size_t slot = slot_for(values[at]);
    extent.data_bytes += slot;
    extent.largest_slot = std::max<std::uint64_t>(extent.largest_slot, slot);
  }
  return extent;
}

void put(std::byte* at, const void* from, std::size_t size) {
  if (size != 0) std::memcpy(at, from, size);
}

void put_trailer(std::byte* base, std::size_t count, const Extent& extent) {
  ListTrailer trailer = {};
  trailer.magic = kListTrailerMagic;
  trailer.version = kListTrailerVersion;
  trailer.count = count;
  trailer.plain_bytes = list_plain_bytes(count, extent.data_bytes);
  trailer.trailer_bytes = list_trailer_bytes(count, extent.largest_slot);
  trailer.largest_slot = extent.largest_slot;
  Crc32c crc;
  crc.add(&trailer, offsetof(ListTrailer, check));
  crc.add(base, list_data_offset(count));
  trailer.check = crc.value();
  put(base + extent.trailer(count), &trailer, sizeof trailer);
}

}  // namespace

absl::StatusOr<EncodedElement> encode_element(std::size_t at, std::size_t slot,
                                              const Value& value) {
  EncodedElement element;
  if (const bool* truth = value.as_bool()) {
    element.format = kFormatBool;
    element.scalar = *truth ? kBoolTrue : 0;
  } else if (const std::int64_t* number = value.as_int()) {
    element.format = kFormatInt;
    element.scalar = static_cast<std::uint64_t>(*number);
  } else if (const double* real = value.as_double()) {
    element.format = kFormatDouble;
    element.scalar = std::bit_cast<std::uint64_t>(*real);
  } else if (value.is_none()) {
    element.format = kFormatNone;
    element.code = ListCode::kNone;
  } else if (is_text(value)) {
    const std::string_view text = text_of(value);
    if (text.size() > slot) {
      return absl::OutOfRangeError(absl::StrCat("a value of ", text.size(), " bytes for element ",
                                                at, " is larger than its slot of ", slot));
    }
    if (absl::Status status = check_text(at, value); !status.ok()) return status;
    const std::size_t last = text.find_last_not_of('\0');
    element.text = text.data();
    element.size = last == std::string_view::npos ? 0 : last + 1;
    element.padded = slot;
    element.format = text_format(slot);
    element.code = value.is_string() ? ListCode::kString : ListCode::kBytes;
    const auto nuls = static_cast<std::uint32_t>(text.size() - element.size);
    if (nuls != 0) {
      const std::string_view without = text.substr(0, element.size);
      element.tail = std::uint64_t{tail_check(at, element.code, nuls, without)} << 32 | nuls;
    }
  } else {
    return absl::InvalidArgumentError(absl::StrCat(
        "element ", at, ": a list holds none, bool, int64, double, string and bytes only"));
  }
  return element;
}

absl::StatusOr<std::size_t> bytes_needed(std::span<const Value> values) {
  const absl::StatusOr<Extent> extent = measure(values);
  if (!extent.ok()) return extent.status();
  return extent->trailer(values.size()) + list_trailer_bytes(values.size(), extent->largest_slot);
}

absl::Status format(std::span<std::byte> memory, std::span<const Value> values) {
  const absl::StatusOr<Extent> extent = measure(values);
  if (!extent.ok()) return extent.status();
  const std::size_t count = values.size();
  const std::uint64_t trailer = extent->trailer(count);
  const std::uint64_t needed = trailer + list_trailer_bytes(count, extent->largest_slot);
  if (memory.size() < needed) {
    return absl::InvalidArgumentError(
        absl::StrCat("the list needs ", needed, " bytes, the memory has ", memory.size()));
  }
  std::byte* const base = memory.data();
  std::memset(base, 0, needed);
  put(base, &count, 8);
  std::byte* const data = base + list_data_offset(count);
  std::byte* const formats = data + extent->data_bytes;
  std::byte* const codes = formats + 8 * count;
  std::byte* const tails =
      base + trailer + kShadowRecordOffset + sizeof(ShadowRecord) + extent->largest_slot;
  std::uint64_t offset = 0;
  for (std::size_t at = 0; at < count; ++at) {
    const std::size_t slot = slot_for(values[at]);
    const absl::StatusOr<EncodedElement> element = encode_element(at, slot, values[at]);
    if (!element.ok()) return element.status();
    put(data + offset, element->bytes(), element->size);
    put(formats + 8 * at, &element->format, 8);
    codes[at] = static_cast<std::byte>(element->code);
    put(tails + 8 * at, &element->tail, 8);
    offset += slot;
    put(base + 16 + 8 * at, &offset, 8);
  }
  put_trailer(base, count, *extent);
  return absl::OkStatus();
}

SHOAL_VARIANT_END
}  // namespace shoal::memory
