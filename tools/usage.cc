// df: where the memory is.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

#include "tools/arena_text.h"
#include "tools/command_list.h"
#include "tools/connect.h"
#include "tools/format.h"
#include "tools/table.h"

namespace shoal::tools {
namespace {

Json usage_json(const Usage& usage) {
  Json json = json_answer();
  json["memory_max"] = json_integer(usage.memory_max_bytes);
  json["committed"] = json_integer(usage.committed_bytes);
  json["containers"] = json_integer(usage.container_bytes);
  json["warm"] = json_integer(usage.warm_bytes);
  json["warm_max"] = json_integer(usage.warm_max_bytes);
  json["available"] = json_integer(usage.available_bytes);
  Json& arenas = json["arenas"] = Json::array();
  for (const ArenaInfo& arena : usage.arenas) {
    Json row;
    add_json(row, arena);
    arenas.push_back(std::move(row));
  }
  Json& users = json["users"] = Json::array();
  for (const UserUsage& user : usage.users) {
    Json row;
    row["uid"] = user.uid;
    row["user"] = json_text(user_name(user.uid));
    row["committed"] = json_integer(user.committed_bytes);
    row["objects"] = user.objects;
    row["sessions"] = user.sessions;
    users.push_back(std::move(row));
  }
  return json;
}

std::string usage_text(const Usage& usage) {
  Table all(
      {">MEMORY MAX", ">COMMITTED", ">CONTAINERS", ">USED", ">WARM", ">WARM MAX", ">AVAILABLE"});
  all.add({size_text(usage.memory_max_bytes), size_text(usage.committed_bytes),
           size_text(usage.container_bytes),
           percent_text(usage.committed_bytes + usage.container_bytes, usage.memory_max_bytes),
           size_text(usage.warm_bytes), size_text(usage.warm_max_bytes),
           size_text(usage.available_bytes)});
  Table arenas({"ARENA", ">QUOTA", ">COMMITTED", ">CONTAINERS", ">USED", ">OBJECTS", ">SESSIONS"});
  for (const ArenaInfo& arena : usage.arenas) {
    arenas.add({escaped(arena.name), size_text(arena.quota_bytes), size_text(arena.committed_bytes),
                size_text(arena.container_bytes), used_text(arena), absl::StrCat(arena.objects),
                absl::StrCat(arena.sessions)});
  }
  Table users({"UID", ">COMMITTED", ">OBJECTS", ">SESSIONS"});
  for (const UserUsage& user : usage.users) {
    users.add({user_text(user.uid), size_text(user.committed_bytes), absl::StrCat(user.objects),
               absl::StrCat(user.sessions)});
  }
  std::string out = all.text();
  if (!arenas.empty()) absl::StrAppend(&out, "\n", arenas.text());
  if (!users.empty()) absl::StrAppend(&out, "\n", users.text());
  return out;
}

}  // namespace

int show_usage(const Invocation& asked) {
  const auto admin = connect_admin(asked);
  if (!admin.ok()) return fail(admin.status());
  auto usage = admin->usage();
  if (!usage.ok()) return fail(usage.status());
  std::ranges::sort(usage->arenas, {}, &ArenaInfo::name);
  std::ranges::sort(usage->users, {}, &UserUsage::uid);
  if (asked.json()) {
    print_json(usage_json(*usage));
  } else {
    print(usage_text(*usage));
  }
  return kDone;
}

}  // namespace shoal::tools
