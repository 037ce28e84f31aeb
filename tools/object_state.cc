// See object_state.h.
#include "tools/object_state.h"

#include <utility>

#include "absl/strings/str_cat.h"

#include <shoal/admin.h>

#include "tools/container_state.h"
#include "tools/format.h"
#include "tools/seen.h"

namespace shoal::tools {
namespace {

constexpr std::uint16_t kPlain = 2;  // ObjectInfo::flags
constexpr std::uint16_t kReleaseByAnyone = 1;

bool is_semaphore(Kind kind) { return kind == Kind::kSemaphore || kind == Kind::kBoundedSemaphore; }

bool has_lock(Kind kind) {
  return lives_in_arena(kind) && !is_semaphore(kind) && kind != Kind::kEvent &&
         kind != Kind::kBarrier;
}

std::uint64_t elements(const ObjectInfo& object) {
  return object.element_bytes == 0 ? 0 : object.parameter / object.element_bytes;
}

// In words, what it was created as; empty: there is nothing to say.
std::pair<std::string, std::string> shape(const ObjectInfo& object) {
  const std::uint64_t n = object.parameter;
  switch (object.kind) {
    case Kind::kLock:
      return {"released by", (object.flags & kReleaseByAnyone) != 0 ? "anyone" : "its owner"};
    case Kind::kSemaphore:
    case Kind::kBoundedSemaphore:
      return {"permits",
              absl::StrCat(n, (object.flags & kPlain) != 0 ? " at first, plain" : ", owned")};
    case Kind::kSharedLock:
      return {"readers", absl::StrCat("processes at once: ", n)};
    case Kind::kCondition:
      return {"waiters", absl::StrCat("threads at once: ", n)};
    case Kind::kBarrier:
      return {"parties", absl::StrCat(n)};
    case Kind::kCell:
      return {"type", absl::StrCat(escaped(object.fingerprint), ", ", n, " bytes")};
    case Kind::kArray:
      return {"type", absl::StrCat(elements(object), " of ", escaped(object.fingerprint))};
    case Kind::kTypedDict:
      return {"types", absl::StrCat(escaped(object.fingerprint), "; ", n, " and ",
                                    object.element_bytes, " bytes")};
    default:
      return {};
  }
}

}  // namespace

bool lives_in_arena(Kind kind) { return kind >= Kind::kLock && kind <= Kind::kNamespace; }

std::optional<LockSeen> state_of(const Client& client, const ObjectInfo& object) {
  const auto manager = Admin(client).manager();
  if (!manager.ok()) return std::nullopt;
  auto inspector = Inspector::look({.proc = "/proc", .manager = manager->id});
  if (!inspector.ok()) return std::nullopt;
  (void)inspector->ask(client);  // labels; it is well without
  return inspector->object(manager->id, object.id);
}

void add_shape(Json& json, const ObjectInfo& object) {
  switch (object.kind) {
    case Kind::kLock:
      json["release_by"] = (object.flags & kReleaseByAnyone) != 0 ? "anyone" : "owner";
      break;
    case Kind::kSemaphore:
    case Kind::kBoundedSemaphore:
      json["permits"] = json_integer(object.parameter);
      json["owned"] = (object.flags & kPlain) == 0;
      break;
    case Kind::kSharedLock:
      json["readers_max"] = json_integer(object.parameter);
      break;
    case Kind::kCondition:
      json["waiters_max"] = json_integer(object.parameter);
      break;
    case Kind::kBarrier:
      json["parties"] = json_integer(object.parameter);
      break;
    case Kind::kCell:
      json["type"] = object.fingerprint;
      break;
    case Kind::kArray:
      json["type"] = object.fingerprint;
      json["elements"] = json_integer(elements(object));
      break;
    case Kind::kTypedDict:
      json["type"] = object.fingerprint;
      json["key_size"] = json_integer(object.parameter);
      json["value_size"] = json_integer(std::uint64_t{object.element_bytes});
      break;
    default:
      break;
  }
}

void add_rows(Table& table, const ObjectInfo& object, const std::optional<LockSeen>& state) {
  auto [what, text] = shape(object);
  if (!what.empty()) table.add({std::move(what), std::move(text)});
  if (is_container(object.kind)) return;  // its locks are of its parts
  if (!state) {
    table.add({"state", "not to be seen: no process that has it may be looked into"});
    return;
  }
  if (is_semaphore(object.kind)) table.add({"free", absl::StrCat(state->value)});
  if (object.kind == Kind::kEvent) table.add({"set", state->value != 0 ? "yes" : "no"});
  if (object.kind == Kind::kBarrier) {
    table.add({"arrived", absl::StrCat(state->arrived, state->broken ? ", broken" : "")});
  }
  const bool holds = has_lock(object.kind) || (is_semaphore(object.kind) && !state->plain);
  if (holds) table.add({"holder", holders_text(*state)});
  if (has_lock(object.kind)) {
    table.add({"token", absl::StrCat(state->token)});
    if (state->depth > 1) table.add({"depth", absl::StrCat(state->depth)});
    if (state->abandoned) table.add({"abandoned", "yes: a holder died, and nobody has mended"});
  }
  table.add({"waiting", absl::StrCat(state->waiters.size())});
  table.add({"slept", absl::StrCat(state->contended)});
  table.add({"recovered", absl::StrCat(state->recoveries)});
}

std::string waiters_text(const std::optional<LockSeen>& state) {
  if (!state || state->waiters.empty()) return {};
  Table table({">PID", ">THREAD", "LABEL", "FOR", "SINCE", "STATE"});
  for (const WaitSeen& wait : state->waiters) {
    const ThreadSeen& thread = wait.thread;
    table.add({absl::StrCat(thread.pid), thread.tid == 0 ? "-" : absl::StrCat(thread.tid),
               escaped(thread.label), std::string(purpose_name(wait.purpose)),
               wait.since == absl::InfinitePast() ? "-" : age_text(wait.since),
               thread.stopped ? "stopped" : "-"});
  }
  return "\nwaiting\n" + table.text();
}

}  // namespace shoal::tools
