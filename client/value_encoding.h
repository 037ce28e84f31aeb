// Between a Value and the bytes that lie in shared memory. docs/format.md, section "Values", is the
// format; `memory/` stores {kind, has references, bytes} and knows no more.
//
// Scalars, strings and bytes are their own bytes and cost no allocation. Lists, tuples, sets, maps
// and opaque values are a table of the objects that they refer to (memory/value_references.h) and a
// Cap'n Proto message (schemas/value.capnp).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "shoal/value.h"

namespace shoal::internal {

struct EncodedValue {
  std::uint8_t kind = 0;
  bool has_references = false;
  std::string_view bytes;  // in the Value or in the storage: valid while neither is changed
};

// INVALID_ARGUMENT: a string that is not UTF-8, or over a limit (depth, elements, bytes), which the
// message names. `storage` is used where the Value's own bytes do not do; reused from call to call
// it stops growing.
absl::Status encode_value(const Value& value, std::string& storage, EncodedValue& out);

// `bytes` are private to the caller, who copied them out, and otherwise hostile: DATA_LOSS if they
// are no value. What is made of them takes at most a few times their size.
absl::StatusOr<Value> decode_value(std::uint8_t kind, std::string_view bytes);

}  // namespace shoal::internal
