// What the inspector has seen, in the forms that shoalctl writes: shared by locks, deadlocks, why
// and stat.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"

#include <shoal/inspect.h>

#include "tools/command.h"
#include "tools/json.h"

namespace shoal::tools {

// A look, with what the manager adds to it, if it answers soon.
struct Seen {
  Inspector inspector;
  std::uint64_t manager = 0;  // that was asked for; 0: it does not answer
  absl::Status answer;        // why not
};

// `any_manager`: of all managers, not just of the one that answers.
absl::StatusOr<Seen> look(const Invocation& asked, bool any_manager = false);

// On stderr: processes that could not be looked into.
void note_unreadable(const Seen& seen);
// The same, and that names are missing.
void note_limits(const Seen& seen);

// Lock "a"; Lock #12.
std::string object_text(const Inspector& inspector, std::uint64_t manager, std::uint64_t object,
                        std::optional<Kind> kind);
// pid 12 thread 14 (label), stopped
std::string thread_text(const ThreadSeen& thread);
// The same without label and state: pid 12 thread 14.
std::string thread_name(const ThreadSeen& thread);
// Everybody who holds the object; "nobody".
std::string holders_text(const LockSeen& lock);

Json thread_json(const ThreadSeen& thread);
Json wait_json(const WaitSeen& wait);
// Adds holder, waiters and what else is to be told of its kind.
enum class Waiters { kAll, kLeftOut };
void add_json(Json& json, const LockSeen& lock, Waiters waiters = Waiters::kAll);

}  // namespace shoal::tools
