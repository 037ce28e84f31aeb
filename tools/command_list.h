// Every command of shoalctl: each takes a command line that fits its row of the table, and returns
// the exit status.
#pragma once

#include "tools/command.h"

namespace shoal::tools {

// objects.cc
int list_objects(const Invocation& asked);
int stat_object(const Invocation& asked);
int remove_objects(const Invocation& asked);

// contents.cc
int get(const Invocation& asked);
int dump(const Invocation& asked);

// entry_commands.cc
int set_entry(const Invocation& asked);

// load.cc
int load_object(const Invocation& asked);

// verify.cc
int verify(const Invocation& asked);

// manager.cc
int list_clients(const Invocation& asked);
int list_limits(const Invocation& asked);
int ping(const Invocation& asked);
int version(const Invocation& asked);

// locks.cc
int list_locks(const Invocation& asked);
int list_deadlocks(const Invocation& asked);
int why(const Invocation& asked);

// usage.cc
int show_usage(const Invocation& asked);

// managers.cc
int list_managers(const Invocation& asked);

// arenas.cc
int create_arena(const Invocation& asked);
int list_arenas(const Invocation& asked);
int stat_arena(const Invocation& asked);
int chmod_arena(const Invocation& asked);
int set_arena_quota(const Invocation& asked);
int remove_arena(const Invocation& asked);

// help.cc
int help(const Invocation& asked);

}  // namespace shoal::tools
