// A shoal::Value in the forms that shoalctl writes, and read back. docs/format.md, section "Values
// in JSON", is the form.
#pragma once

#include <string>

#include "absl/status/statusor.h"

#include <shoal/value.h>

#include "tools/json.h"

namespace shoal::tools {

// For programs that want the value: integers and doubles beyond what JSON says become text, so that
// they are no longer told from strings. All else as value_dump() has it.
Json value_json(const Value& value);

// For loading back: no two values look the same.
Json value_dump(const Value& value);

// What value_dump() wrote, or a person. INVALID_ARGUMENT: the message says what is wrong where.
absl::StatusOr<Value> value_from_json(const Json& json);

// For people, in a table: text in quotes.
std::string value_text(const Value& value);
// The one value that was asked for, for scripts: text without quotes.
std::string bare_value_text(const Value& value);

}  // namespace shoal::tools
