// Between a Value and a key of a dict: one canonical form, so that keys are equal in Python exactly
// if {kind, bytes} are the same. docs/format.md, section "Keys", is the format.
//
// 1, 1.0 and True are one key, which comes back as 1. NaN is no key, because it equals nothing and
// could never be found; lists, sets, maps and references are none, because they cannot be hashed in
// Python either (or, references, because what they name may change).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "memory/utf8.h"
#include "schemas/limits.h"
#include "shoal/value.h"

namespace shoal::internal {

struct EncodedKey {
  std::uint8_t kind = 0;
  std::string_view bytes;  // in the key or in the storage: valid while neither is changed

  friend bool operator==(const EncodedKey&, const EncodedKey&) = default;
};

// Of text, without a look at it: enough for reading, where text that is no key is simply not there.
// Who writes asks check_key() first.
inline EncodedKey encode_key(std::string_view text) {
  return {.kind = static_cast<std::uint8_t>(ValueKind::kString), .bytes = text};
}

// INVALID_ARGUMENT: not UTF-8, or longer than kKeyBytesMax.
absl::Status why_no_key(std::string_view text);
inline absl::Status check_key(std::string_view text) {
  const bool good = text.size() <= protocol::kKeyBytesMax && memory::is_utf8(text);
  return good ? absl::OkStatus() : why_no_key(text);
}

// INVALID_ARGUMENT: no key; the message says why. Numbers, strings and bytes cost no allocation.
absl::StatusOr<EncodedKey> encode_key(const Value& key, std::string& storage);

// `bytes` are private to the caller and hostile: DATA_LOSS if they are not what encode_key() makes.
absl::StatusOr<Value> decode_key(std::uint8_t kind, std::string_view bytes);

}  // namespace shoal::internal
