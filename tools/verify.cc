// verify: walks over what containers are made of, read-only, while others use them.
#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

#include "tools/command_list.h"
#include "tools/connect.h"
#include "tools/container_state.h"
#include "tools/format.h"
#include "tools/json.h"
#include "tools/table.h"

namespace shoal::tools {
namespace {

// One object, and what was found.
struct Verified {
  ObjectInfo object;
  absl::StatusOr<ContainerStatistics> found;
};

Json verified_json(const Verified& one, Json json) {
  json["name"] = one.object.name;
  json["kind"] = kind_name(one.object.kind);
  json["sound"] = one.found.ok();
  json["problem"] =
      one.found.ok() ? Json(nullptr) : Json(std::string(one.found.status().message()));
  if (one.found.ok()) add_json(json, *one.found);
  return json;
}

void print_verified(const Invocation& asked, const std::vector<Verified>& all) {
  if (asked.json() && !asked.operands.empty()) {
    print_json(verified_json(all[0], json_answer()));
  } else if (asked.json()) {
    Json json = json_answer();
    Json& list = json["objects"] = Json::array();
    for (const Verified& one : all) list.push_back(verified_json(one, Json()));
    print_json(json);
  } else {
    Table table({"NAME", "KIND", ">ENTRIES", ">LIVE", ">DEAD", "FOUND"});
    for (const Verified& one : all) {
      const bool sound = one.found.ok();
      const Filling found = sound ? filling_of(*one.found) : Filling{};
      table.add({escaped(one.object.name), std::string(kind_name(one.object.kind)),
                 sound ? absl::StrCat(found.entries) : "-",
                 sound ? size_text(found.live_bytes) : "-",
                 sound ? size_text(found.dead_bytes) : "-", sound ? "sound" : "damaged"});
    }
    if (!table.empty()) print(table.text());
  }
}

}  // namespace

int verify(const Invocation& asked) {
  const auto client = connect(asked);
  if (!client.ok()) return fail(client.status());
  std::vector<ObjectInfo> objects;
  if (asked.operands.empty()) {
    auto list = client->list();
    if (!list.ok()) return fail(list.status());
    objects = *std::move(list);
    std::erase_if(objects, [](const ObjectInfo& object) { return !is_container(object.kind); });
    std::ranges::sort(objects, {}, &ObjectInfo::name);
    if (objects.empty()) note("there is nothing to be verified in this arena");
  } else {
    auto stat = client->stat(asked.operands[0]);
    if (!stat.ok()) return fail(stat.status());
    objects.push_back(std::move(stat->object));
  }
  std::vector<Verified> all;
  int status = kDone;
  for (const ObjectInfo& object : objects) {
    auto found = verify_container(*client, object);
    const bool was_unlinked = asked.operands.empty() && absl::IsNotFound(found.status());
    if (was_unlinked) continue;
    if (!found.ok()) status = std::max(status, fail(found.status()));
    if (found.ok() || absl::IsDataLoss(found.status())) {
      all.push_back({.object = object, .found = std::move(found)});
    }
  }
  if (!all.empty() || asked.operands.empty()) print_verified(asked, all);
  return status;
}

}  // namespace shoal::tools
