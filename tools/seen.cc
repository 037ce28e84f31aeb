// See seen.h.
#include "tools/seen.h"

#include <unistd.h>

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "tools/connect.h"
#include "tools/format.h"

namespace shoal::tools {
namespace {

// For a manager that is stopped: it accepts connections and never answers.
constexpr absl::Duration kPatience = absl::Seconds(1);

// Labels, and the names in each arena that the caller may look into.
absl::Status ask(const Invocation& asked, Inspector& inspector, const Admin& admin) {
  std::vector<std::string> arenas;
  if (asked.has("--arena")) {
    arenas.push_back(asked.value("--arena"));
  } else {
    const auto all = admin.arenas();
    if (!all.ok()) return all.status();
    for (const ArenaInfo& arena : *all) arenas.push_back(arena.name);
  }
  for (const std::string& arena : arenas) {
    ClientOptions options = connect_options(asked);
    options.arena = arena;
    options.control_timeout = kPatience;
    const auto client = Client::connect(options);
    const absl::Status status = client.ok() ? inspector.ask(*client) : client.status();
    if (!status.ok() && asked.has("--arena")) return status;
  }
  return absl::OkStatus();
}

Json hold_json(const HoldSeen& hold) {
  Json json = thread_json(hold.holder);
  json["count"] = hold.count;
  return json;
}

// By kind; what an object is made of (ObjectInfo::parameter) and what is in it.
void add_kind(Json& json, const LockSeen& lock) {
  switch (lock.kind) {
    case Kind::kSemaphore:
    case Kind::kBoundedSemaphore:
      json["permits"] = json_integer(lock.parameter);
      json["owned"] = !lock.plain;
      json["value"] = json_integer(lock.value);
      break;
    case Kind::kEvent:
      json["set"] = lock.value != 0;
      break;
    case Kind::kBarrier:
      json["parties"] = json_integer(lock.parameter);
      json["arrived"] = lock.arrived;
      json["broken"] = lock.broken;
      break;
    case Kind::kLock:
      json["release_by"] = lock.release_by_anyone ? "anyone" : "owner";
      break;
    default:
      break;
  }
}

}  // namespace

absl::StatusOr<Seen> look(const Invocation& asked, bool any_manager) {
  ClientOptions options = connect_options(asked);
  options.control_timeout = kPatience;
  const auto client = Client::connect_for_administration(options);
  const auto manager =
      client.ok() ? Admin(*client).manager() : absl::StatusOr<ManagerInfo>(client.status());
  const std::uint64_t id = manager.ok() ? manager->id : 0;
  auto inspector = Inspector::look({.proc = "/proc", .manager = any_manager ? 0 : id});
  if (!inspector.ok()) return inspector.status();
  absl::Status answer = manager.status();
  if (manager.ok()) answer = ask(asked, *inspector, Admin(*client));
  return Seen{.inspector = *std::move(inspector), .manager = id, .answer = std::move(answer)};
}

void note_unreadable(const Seen& seen) {
  const std::size_t unreadable = seen.inspector.unreadable();
  if (unreadable > 0) {
    note(absl::StrCat(unreadable, unreadable == 1 ? " process" : " processes",
                      " may not be looked into, and what they do is left out",
                      geteuid() == 0 ? "" : "; root may look into all"));
  }
}

void note_limits(const Seen& seen) {
  if (!seen.answer.ok()) {
    note(absl::StrCat(seen.manager == 0
                          ? "this is of every manager here, without names and labels: "
                          : "names are missing: ",
                      std::string(seen.answer.message())));
  }
  note_unreadable(seen);
}

std::string object_text(const Inspector& inspector, std::uint64_t manager, std::uint64_t object,
                        std::optional<Kind> kind) {
  return absl::StrCat(kind ? std::string(kind_name(*kind)) : "object", " ",
                      escaped(inspector.object_text(manager, object)));
}

std::string thread_name(const ThreadSeen& thread) {
  if (thread.pid == 0) return absl::StrCat("slot ", thread.slot);
  if (thread.tid == 0) return absl::StrCat("pid ", thread.pid);
  return absl::StrCat("pid ", thread.pid, " thread ", thread.tid);
}

std::string thread_text(const ThreadSeen& thread) {
  if (thread.pid == 0) return absl::StrCat(thread_name(thread), ", whose process is not there");
  std::string out = thread_name(thread);
  if (!thread.label.empty()) absl::StrAppend(&out, " (", escaped(thread.label), ")");
  if (thread.stopped) out += ", stopped";
  return out;
}

std::string holders_text(const LockSeen& lock) {
  std::vector<std::string> all;
  if (lock.holder) all.push_back(thread_text(*lock.holder));
  if (lock.storer) all.push_back(thread_text(*lock.storer) + ", storing");
  for (const HoldSeen& hold : lock.holders) {
    const std::string count = hold.count == 1 ? "" : absl::StrCat(" with ", hold.count);
    all.push_back(thread_text(hold.holder) + count);
  }
  return all.empty() ? "nobody" : absl::StrJoin(all, "; ");
}

Json thread_json(const ThreadSeen& thread) {
  Json json;
  json["session"] = thread.session == 0 ? Json(nullptr) : json_integer(thread.session);
  json["slot"] = thread.slot;
  json["pid"] = thread.pid == 0 ? Json(nullptr) : Json(thread.pid);
  json["tid"] = thread.tid == 0 ? Json(nullptr) : Json(thread.tid);
  json["label"] = thread.label.empty() ? Json(nullptr) : Json(thread.label);
  json["stopped"] = thread.stopped;
  return json;
}

Json wait_json(const WaitSeen& wait) {
  Json json = thread_json(wait.thread);
  json["purpose"] = purpose_name(wait.purpose);
  json["since"] = wait.since == absl::InfinitePast() ? Json(nullptr) : json_time(wait.since);
  return json;
}

void add_json(Json& json, const LockSeen& lock, Waiters waiters) {
  json["holder"] = lock.holder ? thread_json(*lock.holder) : Json(nullptr);
  json["token"] = json_integer(lock.token);
  json["abandoned"] = lock.abandoned;
  json["depth"] = lock.depth;
  Json& holders = json["held_by"] = Json::array();
  for (const HoldSeen& hold : lock.holders) holders.push_back(hold_json(hold));
  if (waiters == Waiters::kAll) {
    Json& all = json["waiters"] = Json::array();
    for (const WaitSeen& wait : lock.waiters) all.push_back(wait_json(wait));
  }
  const auto since = lock.since();
  json["since"] = since ? json_time(*since) : Json(nullptr);
  add_kind(json, lock);
  json["recoveries"] = lock.recoveries;
  json["contended"] = lock.contended;
}

}  // namespace shoal::tools
