// A shoal::Value in the three forms that shoalctl writes.
#pragma once

#include <string>

#include <shoal/value.h>

#include "tools/json.h"

namespace shoal::tools {

// For programs that want the value: beyond JSON's exact numbers it becomes text, its type is lost.
Json value_json(const Value& value);

// For loading back: the type is kept. `shoalctl help dump` says how.
Json value_dump(const Value& value);

// For people, in a table: text in quotes.
std::string value_text(const Value& value);

}  // namespace shoal::tools
