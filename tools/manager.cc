// clients, limits, ping, version: one manager, from outside.
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

#include <shoal/inspect.h>

#include "tools/command_list.h"
#include "tools/connect.h"
#include "tools/format.h"
#include "tools/json.h"
#include "tools/table.h"

namespace shoal::tools {
namespace {

// This command's own session says nothing about who uses the manager.
bool is_us(const ClientInfo& client) { return client.pid == getpid() && client.label == kLabel; }

// What the sessions' pages say, by session. Nothing of those that may not be looked into.
std::map<std::uint64_t, SessionSeen> sessions_seen(const Admin& admin) {
  std::map<std::uint64_t, SessionSeen> seen;
  const auto manager = admin.manager();
  if (!manager.ok()) return seen;
  const auto inspector = Inspector::look({.proc = "/proc", .manager = manager->id});
  if (!inspector.ok()) return seen;
  for (const SessionSeen& session : inspector->sessions()) seen[session.session] = session;
  return seen;
}

void add_counters(Json& json, const SessionSeen& session) {
  const ThreadCounters& counters = session.counters;
  json["threads"] = session.threads.size();
  json["waiting"] = session.waiting;
  json["operations"] = json_integer(counters.operations);
  json["waits"] = json_integer(counters.waits);
  json["waited"] = absl::ToDoubleSeconds(counters.waited);
  json["wakes"] = json_integer(counters.wakes);
  json["bytes"] = json_integer(counters.bytes);
}

Json client_json(const ClientInfo& client) {
  Json json;
  json["session"] = json_integer(client.session);
  json["slot"] = client.slot;
  json["pid"] = client.pid;
  json["uid"] = client.uid;
  json["user"] = json_text(user_name(client.uid));
  json["gid"] = client.gid;
  json["label"] = client.label;
  json["arena"] = client.arena.empty() ? Json(nullptr) : Json(client.arena);
  json["state"] = client.state;
  json["since"] = json_time(client.since);
  json["references"] = client.references;
  json["objects"] = client.objects;
  return json;
}

Json limit_json(const LimitInfo& limit) {
  Json json;
  json["name"] = limit.name;
  json["used"] = limit.counted ? json_integer(limit.used) : Json(nullptr);
  json["limit"] = json_integer(limit.limit);
  json["unit"] = limit.unit;
  return json;
}

std::string amount_text(std::uint64_t amount, const std::string& unit) {
  return unit == "bytes" ? size_text(amount) : absl::StrCat(amount);
}

std::string protocol_text(const ManagerInfo& manager) {
  return absl::StrCat(manager.protocol_major, ".", manager.protocol_minor);
}

}  // namespace

int list_clients(const Invocation& asked) {
  const auto admin = connect_admin(asked);
  if (!admin.ok()) return fail(admin.status());
  auto clients = admin->clients();
  if (!clients.ok()) return fail(clients.status());
  std::erase_if(*clients, is_us);
  std::ranges::sort(*clients, {}, &ClientInfo::session);

  const auto seen = sessions_seen(*admin);
  if (asked.json()) {
    Json json = json_answer();
    Json& list = json["clients"] = Json::array();
    for (const ClientInfo& client : *clients) {
      list.push_back(client_json(client));
      const auto page = seen.find(client.session);
      if (page != seen.end()) add_counters(list.back(), page->second);
    }
    print_json(json);
    return kDone;
  }
  if (clients->empty()) {
    note("no clients");
    return kDone;
  }
  Table table({">SESSION", ">PID", "UID", "LABEL", "ARENA", ">OBJECTS", ">REFERENCES", ">WAITING",
               "STATE", "SINCE"});
  for (const ClientInfo& client : *clients) {
    const auto page = seen.find(client.session);
    table.add({absl::StrCat(client.session), absl::StrCat(client.pid), user_text(client.uid),
               escaped(client.label), client.arena.empty() ? "-" : escaped(client.arena),
               absl::StrCat(client.objects), absl::StrCat(client.references),
               page == seen.end() ? "-" : absl::StrCat(page->second.waiting), escaped(client.state),
               age_text(client.since)});
  }
  print(table.text());
  return kDone;
}

int list_limits(const Invocation& asked) {
  const auto admin = connect_admin(asked);
  if (!admin.ok()) return fail(admin.status());
  auto limits = admin->limits();
  if (!limits.ok()) return fail(limits.status());
  std::ranges::sort(*limits, {}, &LimitInfo::name);

  if (asked.json()) {
    Json json = json_answer();
    Json& list = json["limits"] = Json::array();
    for (const LimitInfo& limit : *limits) list.push_back(limit_json(limit));
    print_json(json);
    return kDone;
  }
  Table table({"NAME", ">USED", ">LIMIT", "UNIT"});
  for (const LimitInfo& limit : *limits) {
    table.add({escaped(limit.name), limit.counted ? amount_text(limit.used, limit.unit) : "-",
               amount_text(limit.limit, limit.unit), escaped(limit.unit)});
  }
  print(table.text());
  return kDone;
}

int ping(const Invocation& asked) {
  const auto client = connect_for_administration(asked);
  if (!client.ok()) return fail(client.status());
  const absl::Time before = absl::Now();
  const absl::Status answered = client->ping();
  const double seconds = absl::ToDoubleSeconds(absl::Now() - before);
  if (!answered.ok()) return fail(answered);
  const auto manager = Admin(*client).manager();
  if (!manager.ok()) return fail(manager.status());
  if (asked.json()) {
    Json json = json_answer();
    json["socket"] = manager->socket;
    json["pid"] = manager->pid;
    json["seconds"] = seconds;
    print_json(json);
  } else {
    print(absl::StrFormat("shoald (pid %d) at %s answers in %.0f us\n", manager->pid,
                          escaped(manager->socket), seconds * 1e6));
  }
  return kDone;
}

int version(const Invocation& asked) {
  // Without a manager the question is answered all the same.
  const auto admin = connect_admin(asked);
  const auto manager = admin.ok() ? admin->manager() : absl::StatusOr<ManagerInfo>(admin.status());
  if (asked.json()) {
    Json json = json_answer();
    json["shoalctl"] = SHOAL_VERSION;
    json["shoald"] = manager.ok() ? Json(manager->release) : Json(nullptr);
    if (manager.ok()) {
      json["pid"] = manager->pid;
      json["socket"] = manager->socket;
      json["protocol"] = protocol_text(*manager);
      json["layout"] = manager->layout_version;
      json["started"] = json_time(manager->started);
    }
    print_json(json);
    return kDone;
  }
  print("shoalctl " SHOAL_VERSION "\n");
  if (manager.ok()) {
    print(absl::StrCat("shoald   ", escaped(manager->release), ", protocol ",
                       protocol_text(*manager), ", layout ", manager->layout_version, ", pid ",
                       manager->pid, " at ", escaped(manager->socket), "\n"));
  } else {
    print("shoald   does not answer\n");
  }
  return kDone;
}

}  // namespace shoal::tools
