// locks, deadlocks, why: who holds what, and who waits for whom. Works without a manager.
#include <sys/stat.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "tools/command_list.h"
#include "tools/format.h"
#include "tools/json.h"
#include "tools/seen.h"
#include "tools/table.h"

namespace shoal::tools {
namespace {

// What each thread waits for.
using ThreadKey = std::tuple<std::uint64_t, std::uint64_t, std::uint32_t>;
using Waits = std::map<ThreadKey, const WaitSeen*>;

ThreadKey key_of(const ThreadSeen& thread) {
  return {thread.manager, thread.session, thread.thread};
}

Waits waits_of(const Inspector& seen) {
  Waits waits;
  for (const WaitSeen& wait : seen.waits()) waits.try_emplace(key_of(wait.thread), &wait);
  return waits;
}

const WaitSeen* find_wait(const Waits& waits, const ThreadSeen& thread) {
  const auto at = waits.find(key_of(thread));
  return at == waits.end() ? nullptr : at->second;
}

std::string text_of(const Inspector& seen, std::uint64_t manager, std::uint64_t object) {
  const LockSeen* lock = seen.find(manager, object);
  return object_text(seen, manager, object, lock ? std::optional(lock->kind) : std::nullopt);
}

// What else is to be said of a lock in its line of the table.
std::string state_text(const LockSeen& lock) {
  std::vector<std::string> words;
  if (lock.kind == Kind::kBarrier) {
    words.push_back(absl::StrCat(lock.arrived, " of ", lock.parameter, " arrived"));
  }
  if (lock.broken) words.emplace_back("broken");
  if (lock.abandoned) words.emplace_back("abandoned");
  if (lock.depth > 1) words.push_back(absl::StrCat("depth ", lock.depth));
  const bool owned = lock.kind == Kind::kSemaphore || lock.kind == Kind::kBoundedSemaphore;
  if (owned) words.push_back(absl::StrCat(lock.value, " free"));
  return words.empty() ? "-" : absl::StrJoin(words, ", ");
}

bool is_held(const LockSeen& lock) { return lock.holder || lock.storer || !lock.holders.empty(); }

std::string locks_table(const Inspector& seen, const std::vector<LockSeen>& locks) {
  const bool many = std::ranges::any_of(
      locks, [&](const LockSeen& lock) { return lock.manager != locks.front().manager; });
  std::vector<std::string> headings = {"OBJECT", "KIND",   ">TOKEN", ">WAITERS",
                                       "SINCE",  "HOLDER", "STATE"};
  if (many) headings.emplace_back("MANAGER");
  Table table(std::move(headings));
  for (const LockSeen& lock : locks) {
    const auto since = lock.since();
    std::vector<std::string> row = {lock.name.empty()
                                        ? escaped(seen.object_text(lock.manager, lock.object))
                                        : escaped(lock.name),
                                    std::string(kind_name(lock.kind)),
                                    lock.token == 0 ? "-" : absl::StrCat(lock.token),
                                    absl::StrCat(lock.waiters.size()),
                                    since ? age_text(*since) : "-",
                                    is_held(lock) ? holders_text(lock) : "-",
                                    state_text(lock)};
    if (many) row.push_back(absl::StrCat(absl::Hex(lock.manager)));
    table.add(std::move(row));
  }
  return table.text();
}

Json lock_json(const LockSeen& lock, Waiters waiters) {
  Json json;
  json["id"] = json_integer(lock.object);
  json["name"] = lock.name.empty() ? Json(nullptr) : Json(lock.name);
  json["arena"] = lock.arena_name.empty() ? Json(nullptr) : Json(lock.arena_name);
  json["kind"] = kind_name(lock.kind);
  add_json(json, lock, waiters);
  json["manager"] = json_integer(lock.manager);
  return json;
}

Json deadlock_json(const Inspector& seen, const Deadlock& deadlock) {
  Json json;
  json["certain"] = deadlock.certain;
  Json& path = json["path"] = Json::array();
  for (const DeadlockStep& step : deadlock.steps) {
    Json row = thread_json(step.thread);
    const LockSeen* lock = seen.find(step.thread.manager, step.object);
    row["purpose"] = purpose_name(step.purpose);
    Json& object = row["waits_for"];
    object["id"] = json_integer(step.object);
    object["name"] = lock == nullptr || lock->name.empty() ? Json(nullptr) : Json(lock->name);
    object["kind"] = lock == nullptr ? Json(nullptr) : Json(kind_name(lock->kind));
    path.push_back(std::move(row));
  }
  return json;
}

// pid 12 thread 12 waits for Lock "a" held by pid 13 thread 14 waits for ... held by pid 12 ...
std::string deadlock_text(const Inspector& seen, const Deadlock& deadlock) {
  std::string out = thread_name(deadlock.steps.front().thread);
  for (std::size_t at = 0; at < deadlock.steps.size(); ++at) {
    const DeadlockStep& step = deadlock.steps[at];
    const DeadlockStep& holder = deadlock.steps[(at + 1) % deadlock.steps.size()];
    absl::StrAppend(&out, " waits for ", text_of(seen, step.thread.manager, step.object),
                    " held by ", thread_name(holder.thread));
  }
  if (!deadlock.certain) out += " (unless a thread that does not wait releases one of these)";
  return out + '\n';
}

// ", which waits for Lock "b"": one more step of the way.
std::string next_step(const Inspector& seen, const Waits& waits, const LockSeen& lock,
                      WaitPurpose purpose) {
  const std::optional<ThreadSeen>& holder = lock.holder_for(purpose);
  const WaitSeen* const wait = holder ? find_wait(waits, *holder) : nullptr;
  if (wait == nullptr) return {};
  return absl::StrCat(", which waits for ", text_of(seen, lock.manager, wait->object));
}

std::string wait_text(const Inspector& seen, const Waits& waits, const WaitSeen& wait) {
  const std::uint64_t manager = wait.thread.manager;
  std::string out = absl::StrCat(" waits for ", text_of(seen, manager, wait.object), " (",
                                 std::string(purpose_name(wait.purpose)), ")");
  if (wait.since != absl::InfinitePast()) absl::StrAppend(&out, ", since ", age_text(wait.since));
  const LockSeen* lock = seen.find(manager, wait.object);
  if (lock == nullptr) return out + ", which is not to be seen";
  if (lock->kind == Kind::kBarrier) {
    absl::StrAppend(&out, ", ", lock->arrived, " of ", lock->parameter, " arrived");
  } else if (is_held(*lock)) {
    absl::StrAppend(&out, ", held by ", holders_text(*lock),
                    next_step(seen, waits, *lock, wait.purpose));
  }
  return out;
}

// Without those who wait beside it, whom `locks` tells: it is told for each of them.
Json why_json(const Inspector& seen, const ThreadSeen& thread, const WaitSeen* wait) {
  Json json = thread_json(thread);
  Json& waits_for = json["waits_for"] = nullptr;
  if (wait == nullptr) return json;
  const LockSeen* lock = seen.find(thread.manager, wait->object);
  Json object;
  if (lock != nullptr) {
    object = lock_json(*lock, Waiters::kLeftOut);
  } else {
    object["id"] = json_integer(wait->object);
  }
  waits_for = std::move(object);
  json["purpose"] = purpose_name(wait->purpose);
  json["since"] = wait->since == absl::InfinitePast() ? Json(nullptr) : json_time(wait->since);
  return json;
}

// Why nothing can be said of a process.
absl::Status no_session(pid_t pid, const Inspector& seen) {
  struct stat status {};
  const std::string folder = absl::StrCat("/proc/", pid);
  if (stat(folder.c_str(), &status) != 0) {
    return absl::NotFoundError(absl::StrCat("there is no process ", pid));
  }
  return absl::NotFoundError(
      absl::StrCat("pid ", pid, " has no session with any manager",
                   seen.unreadable() > 0 ? ", or may not be looked into" : ""));
}

// No manager, and nobody who ever had one: there was nothing to look at.
bool sees_nobody(const Seen& seen) {
  return seen.manager == 0 && seen.inspector.sessions().empty();
}

int fail_blind(const Seen& seen) {
  note_unreadable(seen);
  return fail(seen.answer);
}

}  // namespace

int list_locks(const Invocation& asked) {
  const auto seen = look(asked);
  if (!seen.ok()) return fail(seen.status());
  if (sees_nobody(*seen)) return fail_blind(*seen);
  // Only the manager knows which arena has that name.
  if (asked.has("--arena") && !seen->answer.ok()) return fail(seen->answer);
  std::vector<LockSeen> locks = seen->inspector.locks();
  if (asked.has("--arena")) {
    std::erase_if(locks, [&](const LockSeen& l) { return l.arena_name != asked.value("--arena"); });
  }
  note_limits(*seen);
  if (asked.json()) {
    Json json = json_answer();
    Json& list = json["locks"] = Json::array();
    for (const LockSeen& lock : locks) list.push_back(lock_json(lock, Waiters::kAll));
    print_json(json);
  } else if (locks.empty()) {
    note("nothing is held, and nobody waits");
  } else {
    print(locks_table(seen->inspector, locks));
  }
  return kDone;
}

int list_deadlocks(const Invocation& asked) {
  const auto seen = look(asked);
  if (!seen.ok()) return fail(seen.status());
  if (sees_nobody(*seen)) return fail_blind(*seen);
  const std::vector<Deadlock> deadlocks = seen->inspector.deadlocks();
  note_limits(*seen);
  if (asked.json()) {
    Json json = json_answer();
    Json& list = json["deadlocks"] = Json::array();
    for (const Deadlock& deadlock : deadlocks) {
      list.push_back(deadlock_json(seen->inspector, deadlock));
    }
    print_json(json);
  } else if (deadlocks.empty()) {
    note("no deadlocks");
  }
  for (const Deadlock& deadlock : deadlocks) {
    if (!asked.json()) print(deadlock_text(seen->inspector, deadlock));
  }
  return deadlocks.empty() ? kDone : kRefused;
}

int why(const Invocation& asked) {
  const auto number = parse_integer(asked.operands[0]);
  if (!number || *number <= 0 || *number > INT32_MAX) {
    return fail_usage(asked, absl::StrCat("not a pid: ", escaped(asked.operands[0])));
  }
  const auto pid = static_cast<pid_t>(*number);
  const auto looked = look(asked, /*any_manager=*/true);
  if (!looked.ok()) return fail(looked.status());
  const Inspector& seen = looked->inspector;
  const Waits waits = waits_of(seen);
  Json threads = Json::array();
  std::string lines;
  bool found = false;
  for (const SessionSeen& session : seen.sessions()) {
    if (session.pid != pid) continue;
    found = true;
    for (const ThreadSeen& thread : session.threads) {
      const WaitSeen* const wait = find_wait(waits, thread);
      threads.push_back(why_json(seen, thread, wait));
      absl::StrAppend(&lines, thread_text(thread),
                      wait != nullptr ? wait_text(seen, waits, *wait) : " waits for nothing", "\n");
    }
  }
  if (!found) return fail(no_session(pid, seen));
  if (!looked->answer.ok()) {
    note(absl::StrCat("names are missing: ", std::string(looked->answer.message())));
  }
  if (asked.json()) {
    Json json = json_answer();
    json["pid"] = pid;
    json["threads"] = std::move(threads);
    print_json(json);
  } else {
    print(lines.empty() ? absl::StrCat("pid ", pid, " waits for nothing\n") : lines);
  }
  return kDone;
}

}  // namespace shoal::tools
