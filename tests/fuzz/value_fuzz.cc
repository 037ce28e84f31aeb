// A stored value or key of any bytes: it is refused as damaged, or it is one that can be stored
// again, means the same then, and is written for people.
//
//   input:  | kind | 0: a value, else: a key | bytes ... |
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "client/key_encoding.h"
#include "client/value_encoding.h"
#include "memory/value_references.h"

namespace shoal::internal {
namespace {

[[noreturn]] void fail(const char* why) {
  std::fprintf(stderr, "value_fuzz: %s\n", why);
  std::abort();
}

// What cannot be read has been refused as such.
bool readable(const absl::StatusOr<Value>& value) {
  if (value.ok()) return true;
  if (value.status().code() != absl::StatusCode::kDataLoss) fail("refused, but not as damaged");
  return false;
}

std::size_t references(std::uint8_t kind, std::string_view bytes) {
  // Aligned, as in an arena.
  const std::string copy(bytes);
  std::size_t count = 0;
  const bool whole = memory::references_in(kind, reinterpret_cast<const std::byte*>(copy.data()),
                                           copy.size(), [&](std::uint64_t) { ++count; });
  if (!whole) fail("a value that can be read has no table of references");
  return count;
}

void try_value(std::uint8_t kind, std::string_view bytes) {
  const auto value = decode_value(kind, bytes);
  if (!readable(value)) return;
  std::string storage;
  EncodedValue encoded;
  if (!encode_value(*value, storage, encoded).ok()) fail("a value that cannot be stored again");
  if (encoded.kind != kind) fail("a value of another kind");
  if (encoded.has_references != (references(kind, encoded.bytes) != 0)) fail("a wrong flag");
  const auto again = decode_value(kind, encoded.bytes);
  if (!again.ok() || again->to_string() != value->to_string()) fail("a value that changed");
  // NaN equals nothing, and so nothing that holds it.
  if (*value == *value && value->to_string().find("nan") == std::string::npos && *again != *value) {
    fail("a value that is not equal to itself, stored");
  }
}

void try_key(std::uint8_t kind, std::string_view bytes) {
  const auto key = decode_key(kind, bytes);
  if (!readable(key)) return;
  std::string storage;
  const auto encoded = encode_key(*key, storage);
  if (!encoded.ok()) fail("a key that cannot be stored again");
  if (*encoded != EncodedKey{.kind = kind, .bytes = bytes}) fail("a key of two forms");
}

}  // namespace
}  // namespace shoal::internal

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  if (data[1] == 0) {
    shoal::internal::try_value(data[0], bytes);
  } else {
    shoal::internal::try_key(data[0], bytes);
  }
  return 0;
}
