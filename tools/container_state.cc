// See container_state.h.
#include "tools/container_state.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

#include "tools/entries.h"
#include "tools/format.h"

namespace shoal::tools {
namespace {

void add_fields(Json& json, const DictStatistics& dict) {
  json["entries"] = json_integer(dict.entries);
  json["shards"] = json_integer(dict.shards);
  json["block_bytes"] = json_integer(dict.block_bytes);
  json["live_bytes"] = json_integer(dict.live_bytes);
  json["dead_bytes"] = json_integer(dict.dead_bytes);
  json["large_values"] = json_integer(dict.large_values);
  json["large_bytes"] = json_integer(dict.large_bytes);
  json["load"] = dict.load;
  json["probes"] = dict.probes;
  json["splits"] = json_integer(dict.splits);
  json["contended"] = json_integer(dict.contended);
  json["changes"] = json_integer(dict.changes);
}

void add_fields(Json& json, const ListStatistics& list) {
  json["elements"] = json_integer(list.elements);
  json["leaves"] = json_integer(list.leaves);
  json["block_bytes"] = json_integer(list.block_bytes);
  json["live_bytes"] = json_integer(list.live_bytes);
  json["dead_bytes"] = json_integer(list.dead_bytes);
  json["large_values"] = json_integer(list.large_values);
}

template <typename Statistics>
std::string blocks_text(const Statistics& found) {
  return absl::StrCat(exact_size_text(found.block_bytes), ", of it live ",
                      size_text(found.live_bytes), ", dead ", size_text(found.dead_bytes));
}

void add_lines(Table& table, const DictStatistics& dict) {
  table.add({"entries", absl::StrCat(dict.entries)});
  table.add({"blocks", blocks_text(dict)});
  if (dict.large_values > 0) {
    table.add(
        {"large values", absl::StrCat(dict.large_values, ", ", exact_size_text(dict.large_bytes))});
  }
  table.add({"shards", absl::StrCat(dict.shards, ", after ", dict.splits, " splits")});
  table.add({"load", absl::StrFormat("%.2f, probes %.2f", dict.load, dict.probes)});
  table.add({"contended", absl::StrCat(dict.contended)});
  table.add({"changes", absl::StrCat(dict.changes)});
}

void add_lines(Table& table, const ListStatistics& list) {
  table.add({"elements", absl::StrCat(list.elements)});
  table.add({"blocks", blocks_text(list)});
  if (list.large_values > 0) table.add({"large values", absl::StrCat(list.large_values)});
  table.add({"leaves", absl::StrCat(list.leaves)});
}

}  // namespace

bool is_container(Kind kind) { return has_entries(kind) || kind == Kind::kList; }

absl::StatusOr<ContainerStatistics> verify_container(const Client& client,
                                                     const ObjectInfo& object) {
  if (object.kind == Kind::kList) {
    const auto list = client.open<List>(object.name, {.access = Access::kReadOnly});
    if (!list.ok()) return list.status();
    return list->verify();
  }
  if (!is_container(object.kind)) {
    return absl::FailedPreconditionError(
        absl::StrCat(escaped(object.name), " is a ", std::string(kind_name(object.kind)),
                     ", which has no structure to be verified; see: shoalctl help verify"));
  }
  const auto entries = Entries::open(client, object, Access::kReadOnly);
  if (!entries.ok()) return entries.status();
  return (*entries)->verify();
}

void add_json(Json& json, const ContainerStatistics& container) {
  std::visit([&](const auto& found) { add_fields(json, found); }, container);
}

void add_rows(Table& table, const ContainerStatistics& container) {
  std::visit([&](const auto& found) { add_lines(table, found); }, container);
}

Filling filling_of(const ContainerStatistics& container) {
  if (const auto* list = std::get_if<ListStatistics>(&container)) {
    return {list->elements, list->live_bytes, list->dead_bytes};
  }
  const auto& dict = std::get<DictStatistics>(container);
  return {dict.entries, dict.live_bytes, dict.dead_bytes};
}

}  // namespace shoal::tools
