// The hot paths of ShareableList, inline. Part of shareable_list.h, which includes it; each gives
// up on whatever is not the plain case and leaves it, and every error, to the sources.
#pragma once

#include <bit>

#include "memory/shareable_list.h"

namespace shoal::memory {
SHOAL_VARIANT_BEGIN

inline ListView::Slot ListView::slot_of(std::size_t at) const {
  const std::uint64_t start = load_word(base_ + 8 + 8 * at, std::memory_order_relaxed);
  const std::uint64_t end = load_word(base_ + 16 + 8 * at, std::memory_order_relaxed);
  if (start % 8 != 0 || end % 8 != 0 || end > data_bytes_ || start > end || end - start < 8) {
    return {};
  }
  return {.start = data_ + start, .size = end - start};
}

inline bool ListView::read_scalar(std::size_t at, std::uint64_t format,
                                  std::uint64_t* value) const {
  const std::uint64_t before = load_word(word_);
  if (shadow_state(before) == ShadowState::kPublished) return false;
  const std::uint64_t offset = load_word(base_ + 8 + 8 * at, std::memory_order_relaxed);
  // attach made sure of data_bytes_ >= 8 wherever there is an element
  if (offset > data_bytes_ - 8 || offset % 8 != 0) return false;
  if (load_word(formats_ + 8 * at) != format || load_byte(codes_ + at) != 0) return false;
  *value = load_word(data_ + offset);
  fence_loads();
  return load_word(word_, std::memory_order_relaxed) == before;
}

inline bool ListView::read_text(std::size_t at, std::span<std::byte> out,
                                std::size_t* length) const {
  const std::uint64_t before = load_word(word_);
  if (shadow_state(before) == ShadowState::kPublished) return false;
  const Slot slot = slot_of(at);
  if (has_trailer_ && load_word(tails_ + 8 * at) != 0) return false;
  const std::size_t size = text_format_size(load_word(formats_ + 8 * at));
  const auto code = static_cast<ListCode>(load_byte(codes_ + at));
  if (code != ListCode::kString && code != ListCode::kBytes) return false;
  if (size > slot.size || size == 0) return false;  // also where the offsets are damaged
  *length = length_without_nuls(slot.start, size);
  if (*length > out.size()) return false;
  if (*length != 0) copy_out(out.data(), slot.start, *length);
  fence_loads();
  return load_word(word_, std::memory_order_relaxed) == before;
}

inline absl::StatusOr<std::size_t> ListView::get_into(std::ptrdiff_t index,
                                                      std::span<std::byte> out) const {
  const std::size_t at = position(index);
  if (at >= count_) return out_of_range(index);
  std::size_t length = 0;
  if (read_text(at, out, &length)) return length;
  return get_text(at, out);
}

inline absl::StatusOr<std::int64_t> ListView::get_int64(std::ptrdiff_t index) const {
  const std::size_t at = position(index);
  std::uint64_t word = 0;
  if (at < count_ && read_scalar(at, kFormatInt, &word)) return static_cast<std::int64_t>(word);
  const absl::StatusOr<std::uint64_t> slow = get_scalar(index, ValueKind::kInt);
  if (!slow.ok()) return slow.status();
  return static_cast<std::int64_t>(*slow);
}

inline absl::StatusOr<double> ListView::get_double(std::ptrdiff_t index) const {
  const std::size_t at = position(index);
  std::uint64_t word = 0;
  if (at < count_ && read_scalar(at, kFormatDouble, &word)) return std::bit_cast<double>(word);
  const absl::StatusOr<std::uint64_t> slow = get_scalar(index, ValueKind::kDouble);
  if (!slow.ok()) return slow.status();
  return std::bit_cast<double>(*slow);
}

// Looked at while holding the claim, so nobody of ours changes it meanwhile.
inline bool ListView::may_set_in_place(std::size_t at, std::uint64_t format) const {
  return load_word(formats_ + 8 * at) == format && load_byte(codes_ + at) == 0 &&
         load_word(tails_ + 8 * at) == 0;
}

inline bool ListView::set_in_place(std::size_t at, std::uint64_t format, std::uint64_t value,
                                   std::uint16_t owner) {
  if (!writable_ || !has_trailer_ || owner < kOwnerSlotMin || owner > kOwnerSlotMax) return false;
  const std::uint64_t offset = load_word(base_ + 8 + 8 * at, std::memory_order_relaxed);
  if (offset > data_bytes_ - 8 || offset % 8 != 0) return false;
  std::uint64_t before = load_word(word_, std::memory_order_relaxed);
  if (shadow_state(before) != ShadowState::kIdle) return false;
  const std::uint64_t mine = shadow_word(ShadowState::kClaimed, owner, next_sequence(before));
  if (!shared_word(word_).compare_exchange_strong(before, mine, std::memory_order_acq_rel,
                                                  std::memory_order_relaxed)) {
    return false;
  }
  const bool may = may_set_in_place(at, format);
  if (may) store_word(data_ + offset, value);  // kInPlace
  // A plain store: only the owner, or orphan() after its death, leads out of claimed.
  store_word(word_, shadow_word(ShadowState::kIdle, 0, shadow_sequence(mine)));
  return may;
}

inline absl::Status ListView::set_int64(std::ptrdiff_t index, std::int64_t value,
                                        std::uint16_t owner, absl::Duration timeout) {
  const std::size_t at = position(index);
  if (at < count_ && set_in_place(at, kFormatInt, static_cast<std::uint64_t>(value), owner)) {
    return absl::OkStatus();
  }
  return set(index, Value(value), owner, timeout);
}

inline absl::Status ListView::set_double(std::ptrdiff_t index, double value, std::uint16_t owner,
                                         absl::Duration timeout) {
  const std::size_t at = position(index);
  if (at < count_ && set_in_place(at, kFormatDouble, std::bit_cast<std::uint64_t>(value), owner)) {
    return absl::OkStatus();
  }
  return set(index, Value(value), owner, timeout);
}

SHOAL_VARIANT_END
}  // namespace shoal::memory
