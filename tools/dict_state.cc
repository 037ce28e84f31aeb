// See dict_state.h.
#include "tools/dict_state.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

#include "tools/format.h"

namespace shoal::tools {

void add_json(Json& json, const DictStatistics& dict) {
  json["entries"] = json_integer(dict.entries);
  json["shards"] = json_integer(dict.shards);
  json["block_bytes"] = json_integer(dict.block_bytes);
  json["live_bytes"] = json_integer(dict.live_bytes);
  json["dead_bytes"] = json_integer(dict.dead_bytes);
  json["large_values"] = json_integer(dict.large_values);
  json["large_bytes"] = json_integer(dict.large_bytes);
  json["load"] = dict.load;
  json["probes"] = dict.probes;
  json["contended"] = json_integer(dict.contended);
  json["changes"] = json_integer(dict.changes);
}

void add_rows(Table& table, const DictStatistics& dict) {
  table.add({"entries", absl::StrCat(dict.entries)});
  table.add(
      {"blocks", absl::StrCat(exact_size_text(dict.block_bytes), ", of it live ",
                              size_text(dict.live_bytes), ", dead ", size_text(dict.dead_bytes))});
  if (dict.large_values > 0) {
    table.add(
        {"large values", absl::StrCat(dict.large_values, ", ", exact_size_text(dict.large_bytes))});
  }
  table.add({"shards", absl::StrCat(dict.shards)});
  table.add({"load", absl::StrFormat("%.2f, probes %.2f", dict.load, dict.probes)});
  table.add({"contended", absl::StrCat(dict.contended)});
  table.add({"changes", absl::StrCat(dict.changes)});
}

}  // namespace shoal::tools
