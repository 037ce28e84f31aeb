// ls, stat, rm: objects from outside. Attaches, for reading, only where stat looks into a
// container.
#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "tools/command_list.h"
#include "tools/connect.h"
#include "tools/container_state.h"
#include "tools/format.h"
#include "tools/json.h"
#include "tools/object_state.h"
#include "tools/seen.h"
#include "tools/table.h"

namespace shoal::tools {
namespace {

const char* access_name(Access access) { return access == Access::kReadOnly ? "read" : "write"; }

void add_json(Json& json, const ObjectInfo& object) {
  json["id"] = json_integer(object.id);
  json["name"] = object.name.empty() ? Json(nullptr) : Json(object.name);
  json["arena"] = object.arena;
  json["kind"] = kind_name(object.kind);
  json["size"] = json_integer(object.size_bytes);
  json["committed"] = json_integer(object.committed_bytes);
  json["lifetime"] = lifetime_name(object.lifetime);
  json["references"] = object.references;
  json["sessions"] = object.sessions;
  json["tokens"] = object.tokens;
  json["referred"] = object.referred;
  json["sealable"] = object.sealable;
  json["sealed"] = object.sealed;
  json["sparse"] = object.sparse;
  json["page_size"] = object.page_size_bytes;
  json["numa_node"] = object.numa_node < 0 ? Json(nullptr) : Json(object.numa_node);
  json["created"] = json_time(object.created);
  json["creator_pid"] = object.creator_pid;
  json["creator_uid"] = object.creator_uid;
  add_shape(json, object);
}

Json holder_json(const Holder& holder) {
  Json json;
  json["session"] = json_integer(holder.session);
  json["pid"] = holder.pid;
  json["uid"] = holder.uid;
  json["user"] = json_text(user_name(holder.uid));
  json["label"] = holder.label;
  json["since"] = json_time(holder.since);
  json["references"] = holder.references;
  json["access"] = access_name(holder.access);
  json["state"] = holder.state;
  return json;
}

std::string objects_table(const std::vector<ObjectInfo>& objects) {
  Table table({">ID", "NAME", "KIND", ">SIZE", ">REFERENCES", ">SESSIONS", "LIFETIME", "CREATED"});
  for (const ObjectInfo& object : objects) {
    table.add({absl::StrCat(object.id), object.name.empty() ? "-" : escaped(object.name),
               std::string(kind_name(object.kind)), size_text(object.size_bytes),
               absl::StrCat(object.references), absl::StrCat(object.sessions),
               std::string(lifetime_name(object.lifetime)), age_text(object.created)});
  }
  return table.text();
}

std::string holders_table(const std::vector<Holder>& holders) {
  Table table({">PID", "UID", "LABEL", "SINCE", ">REFERENCES", "ACCESS", "STATE"});
  for (const Holder& holder : holders) {
    table.add({absl::StrCat(holder.pid), user_text(holder.uid), escaped(holder.label),
               age_text(holder.since), absl::StrCat(holder.references), access_name(holder.access),
               escaped(holder.state)});
  }
  return table.text();
}

// "3, by 2 sessions and 1 token not taken yet".
std::string references_text(const ObjectInfo& object) {
  std::string out = absl::StrCat(object.references, ", by ", object.sessions,
                                 object.sessions == 1 ? " session" : " sessions");
  if (object.tokens > 0) {
    absl::StrAppend(&out, " and ", object.tokens, object.tokens == 1 ? " token" : " tokens",
                    " not taken yet");
  }
  if (object.referred) absl::StrAppend(&out, "; and perhaps values in containers");
  return out;
}

// What is in an object now, as far as its kind has any of it.
struct State {
  std::optional<LockSeen> lock;
  std::optional<ContainerStatistics> container;
};

std::string object_text(const ObjectInfo& object, const State& state) {
  std::vector<std::string> traits;
  if (object.sealed) traits.emplace_back("sealed");
  if (object.sealable && !object.sealed) traits.emplace_back("sealable");
  if (object.sparse) traits.emplace_back("sparse");
  std::string name = object.name.empty() ? "- (anonymous, or unlinked)" : escaped(object.name);
  const bool has_pages = object.page_size_bytes > 0;  // its own
  std::string pages = size_text(object.page_size_bytes);
  if (object.numa_node >= 0) absl::StrAppend(&pages, ", on NUMA node ", object.numa_node);
  // A blank heading of two columns: name and value.
  Table table({"", ""});
  table.add({"name", std::move(name)});
  table.add({"id", absl::StrCat(object.id)});
  table.add({"arena", escaped(object.arena)});
  table.add({"kind", std::string(kind_name(object.kind))});
  table.add({"size", exact_size_text(object.size_bytes)});
  table.add({"committed", exact_size_text(object.committed_bytes)});
  if (has_pages) table.add({"pages", std::move(pages)});
  table.add({"lifetime", std::string(lifetime_name(object.lifetime))});
  if (!traits.empty()) table.add({"memory", absl::StrJoin(traits, ", ")});
  table.add(
      {"created", absl::StrCat(age_text(object.created), " by pid ", object.creator_pid, ", uid ",
                               user_text(object.creator_uid), ", at ", time_text(object.created))});
  table.add({"references", references_text(object)});
  if (lives_in_arena(object.kind)) add_rows(table, object, state.lock);
  if (state.container) add_rows(table, *state.container);
  return table.text().substr(1);
}

}  // namespace

int list_objects(const Invocation& asked) {
  const std::string prefix = asked.operands.empty() ? "" : asked.operands[0];
  const bool unnamed = asked.has("--unnamed");
  if (unnamed && !prefix.empty()) return fail_usage(asked, "--unnamed takes no PREFIX");
  const auto client = connect(asked);
  if (!client.ok()) return fail(client.status());
  auto objects = unnamed ? client->list_unnamed() : client->list(prefix);
  if (!objects.ok()) return fail(objects.status());
  std::ranges::sort(*objects, {}, [](const ObjectInfo& o) { return std::pair(o.name, o.id); });

  if (asked.json()) {
    Json json = json_answer();
    Json& list = json["objects"] = Json::array();
    for (const ObjectInfo& object : *objects) {
      Json row;
      add_json(row, object);
      list.push_back(std::move(row));
    }
    print_json(json);
  } else if (objects->empty()) {
    note(absl::StrCat("no ", unnamed ? "unnamed objects" : "objects", " in arena ",
                      escaped(arena_name(*client)),
                      prefix.empty() ? "" : absl::StrCat(" that begin with ", escaped(prefix))));
  } else {
    print(objects_table(*objects));
  }
  return kDone;
}

int stat_object(const Invocation& asked) {
  if (asked.operands.empty() != asked.has("--id")) {
    return fail_usage(asked, "stat needs either a NAME or --id ID");
  }
  const auto id = parse_id(asked.has("--id") ? asked.value("--id") : "0");
  if (!id) {
    return fail_usage(asked, absl::StrCat("not an id: ", escaped(asked.value("--id"))));
  }
  const auto client = connect(asked);
  if (!client.ok()) return fail(client.status());
  auto stat = asked.has("--id") ? client->stat_by_id(*id) : client->stat(asked.operands[0]);
  if (!stat.ok()) return fail(stat.status());
  std::ranges::sort(stat->holders, {},
                    [](const Holder& h) { return std::pair(h.since, h.session); });

  State state;
  absl::Status looked;
  // What has no name cannot be opened.
  if (is_container(stat->object.kind) && !stat->object.name.empty()) {
    const auto found = verify_container(*client, stat->object);
    if (found.ok()) state.container = *found;
    looked = found.status();
  } else if (lives_in_arena(stat->object.kind) && !is_container(stat->object.kind)) {
    state.lock = state_of(*client, stat->object);
  }
  const int status = looked.ok() ? kDone : fail(looked);
  if (asked.json()) {
    Json json = json_answer();
    add_json(json, stat->object);
    if (state.lock) add_json(json, *state.lock);
    if (state.container) add_json(json, *state.container);
    Json& holders = json["holders"] = Json::array();
    for (const Holder& holder : stat->holders) holders.push_back(holder_json(holder));
    json["holders_left_out"] = stat->holders_left_out;
    print_json(json);
    return status;
  }
  print(object_text(stat->object, state) + waiters_text(state.lock));
  if (stat->holders.empty()) {
    print("\nheld by no process\n");
    return status;
  }
  print("\nheld by\n" + holders_table(stat->holders));
  if (stat->holders_left_out > 0) print(absl::StrCat("and ", stat->holders_left_out, " more\n"));
  return status;
}

int remove_objects(const Invocation& asked) {
  const auto client = connect(asked);
  if (!client.ok()) return fail(client.status());
  Json removed = Json::array();
  int status = kDone;
  for (const std::string& name : asked.operands) {
    const absl::Status done = client->unlink(name);
    if (done.ok()) {
      removed.push_back(name);
      continue;
    }
    const int failed = fail(done);
    // Nobody is there to be asked about the others.
    status = failed == kNoManager ? kNoManager : kRefused;
    if (status == kNoManager) break;
  }
  if (asked.json()) {
    Json json = json_answer();
    json["removed"] = std::move(removed);
    print_json(json);
  }
  return status;
}

}  // namespace shoal::tools
