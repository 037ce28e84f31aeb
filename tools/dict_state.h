// What a dict says of itself, for stat and verify.
#pragma once

#include <shoal/dict.h>

#include "tools/json.h"
#include "tools/table.h"

namespace shoal::tools {

void add_json(Json& json, const DictStatistics& dict);
void add_rows(Table& table, const DictStatistics& dict);

}  // namespace shoal::tools
