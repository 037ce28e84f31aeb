// arena create, ls, stat, chmod, quota, rm.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

#include "tools/arena_text.h"
#include "tools/command_list.h"
#include "tools/connect.h"
#include "tools/format.h"
#include "tools/table.h"

namespace shoal::tools {
namespace {

// Fills `options` from the flags. The error says what is wrong with one.
absl::Status read_options(const Invocation& asked, ArenaOptions& options) {
  const auto bad = [&](const char* flag, const char* what) {
    return absl::InvalidArgumentError(
        absl::StrCat(flag, ": ", what, ": ", escaped(asked.value(flag))));
  };
  if (asked.has("--mode")) {
    const auto mode = parse_mode(asked.value("--mode"));
    if (!mode) return bad("--mode", "not an octal mode");
    options.mode = *mode;
  }
  if (asked.has("--quota")) {
    const auto quota = parse_size(asked.value("--quota"));
    // 0 would ask for the manager's default.
    if (!quota || *quota == 0) return bad("--quota", "not a size");
    options.quota_bytes = *quota;
  }
  if (asked.has("--owner")) {
    options.owner_uid = parse_user(asked.value("--owner"));
    if (!options.owner_uid) return bad("--owner", "no such user");
  }
  if (asked.has("--group")) {
    options.owner_gid = parse_group(asked.value("--group"));
    if (!options.owner_gid) return bad("--group", "no such group");
  }
  return absl::OkStatus();
}

// Does something to the arena that is named by the first operand, and says so.
template <typename Change>
int change(const Invocation& asked, const char* done, Change apply) {
  const auto client = connect_for_administration(asked);
  if (!client.ok()) return fail(client.status());
  const std::string& name = asked.operands[0];
  const absl::Status applied = apply(client->arena(name));
  if (!applied.ok()) return fail(applied);
  if (asked.json()) {
    Json json = json_answer();
    json["arena"] = name;
    json["done"] = done;
    print_json(json);
  }
  return kDone;
}

}  // namespace

void add_json(Json& json, const ArenaInfo& arena) {
  json["name"] = arena.name;
  json["owner_uid"] = arena.owner_uid;
  json["owner"] = json_text(user_name(arena.owner_uid));
  json["owner_gid"] = arena.owner_gid;
  json["group"] = json_text(group_name(arena.owner_gid));
  json["mode"] = mode_text(arena.mode);
  json["quota"] = json_integer(arena.quota_bytes);
  json["committed"] = json_integer(arena.committed_bytes);
  json["containers"] = json_integer(arena.container_bytes);
  json["objects"] = arena.objects;
  json["sessions"] = arena.sessions;
  json["created"] = json_time(arena.created);
}

std::string used_text(const ArenaInfo& arena) {
  return percent_text(arena.committed_bytes + arena.container_bytes, arena.quota_bytes);
}

std::string percent_text(std::uint64_t part, std::uint64_t whole) {
  if (whole == 0) return "-";
  return absl::StrFormat("%.1f%%", 100 * static_cast<double>(part) / static_cast<double>(whole));
}

int create_arena(const Invocation& asked) {
  ArenaOptions options;
  if (const absl::Status read = read_options(asked, options); !read.ok()) {
    return fail_usage(asked, std::string(read.message()));
  }
  return change(asked, "create", [&](const Arena& arena) { return arena.create(options); });
}

int chmod_arena(const Invocation& asked) {
  const auto mode = parse_mode(asked.operands[1]);
  if (!mode) {
    return fail_usage(asked, absl::StrCat("not an octal mode: ", escaped(asked.operands[1])));
  }
  return change(asked, "chmod", [&](const Arena& arena) { return arena.chmod(*mode); });
}

int set_arena_quota(const Invocation& asked) {
  const auto quota = parse_size(asked.operands[1]);
  if (!quota) {
    return fail_usage(asked, absl::StrCat("not a size: ", escaped(asked.operands[1])));
  }
  return change(asked, "quota", [&](const Arena& arena) { return arena.set_quota(*quota); });
}

int remove_arena(const Invocation& asked) {
  return change(asked, "rm", [](const Arena& arena) { return arena.remove(); });
}

int list_arenas(const Invocation& asked) {
  const auto admin = connect_admin(asked);
  if (!admin.ok()) return fail(admin.status());
  auto arenas = admin->arenas();
  if (!arenas.ok()) return fail(arenas.status());
  std::ranges::sort(*arenas, {}, &ArenaInfo::name);

  if (asked.json()) {
    Json json = json_answer();
    Json& list = json["arenas"] = Json::array();
    for (const ArenaInfo& arena : *arenas) {
      Json row;
      add_json(row, arena);
      list.push_back(std::move(row));
    }
    print_json(json);
    return kDone;
  }
  if (arenas->empty()) {
    note("no arenas that you have rights in");
    return kDone;
  }
  Table table({"NAME", "OWNER", "GROUP", "MODE", ">QUOTA", ">COMMITTED", ">CONTAINERS", ">OBJECTS",
               ">SESSIONS", "CREATED"});
  for (const ArenaInfo& arena : *arenas) {
    table.add({escaped(arena.name), user_text(arena.owner_uid), group_text(arena.owner_gid),
               mode_text(arena.mode), size_text(arena.quota_bytes),
               size_text(arena.committed_bytes), size_text(arena.container_bytes),
               absl::StrCat(arena.objects), absl::StrCat(arena.sessions), age_text(arena.created)});
  }
  print(table.text());
  return kDone;
}

int stat_arena(const Invocation& asked) {
  const auto client = connect_for_administration(asked);
  if (!client.ok()) return fail(client.status());
  const auto arena = client->arena(asked.operands[0]).stat();
  if (!arena.ok()) return fail(arena.status());
  if (asked.json()) {
    Json json = json_answer();
    add_json(json, *arena);
    print_json(json);
    return kDone;
  }
  Table table({"", ""});
  table.add({"name", escaped(arena->name)});
  table.add({"owner", user_text(arena->owner_uid)});
  table.add({"group", group_text(arena->owner_gid)});
  table.add({"mode", mode_text(arena->mode)});
  table.add({"quota", exact_size_text(arena->quota_bytes)});
  table.add({"committed", exact_size_text(arena->committed_bytes)});
  table.add({"containers", exact_size_text(arena->container_bytes)});
  table.add({"used", used_text(*arena)});
  table.add({"objects", absl::StrCat(arena->objects)});
  table.add({"sessions", absl::StrCat(arena->sessions)});
  table.add(
      {"created", absl::StrCat(age_text(arena->created), ", at ", time_text(arena->created))});
  print(table.text().substr(1));
  return kDone;
}

}  // namespace shoal::tools
