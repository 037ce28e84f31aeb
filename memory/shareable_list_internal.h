// What the sources of ShareableList share with each other and with nobody else.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"

#include "memory/crc32c.h"
#include "memory/shareable_list.h"

namespace shoal::memory {

// What a tail word vouches for: that this element ended in `nuls` NULs when it held these bytes.
// A stdlib process that rewrites the element leaves the tail word, which then no longer fits.
inline std::uint32_t tail_check(std::uint64_t at, ListCode code, std::uint32_t nuls,
                                std::string_view without_nuls) {
  const std::uint64_t about[] = {at, static_cast<std::uint64_t>(code), nuls};
  Crc32c crc;
  crc.add(about, sizeof about);
  crc.add(without_nuls.data(), without_nuls.size());
  return crc.value();
}

SHOAL_VARIANT_BEGIN

// A value as it will stand in the bytes. A text is the caller's and is not copied.
struct EncodedElement {
  std::uint64_t format = 0;
  ListCode code = ListCode::kScalar;
  std::uint64_t tail = 0;
  std::uint64_t scalar = 0;
  const char* text = nullptr;  // null: the scalar
  std::size_t size = 8;
  std::size_t padded = 8;  // bytes of the element that are written

  const void* bytes() const { return text != nullptr ? static_cast<const void*>(text) : &scalar; }
};

// `value` for a slot of `slot` bytes; errors as in set().
absl::StatusOr<EncodedElement> encode_element(std::size_t at, std::size_t slot, const Value& value);

SHOAL_VARIANT_END
}  // namespace shoal::memory
