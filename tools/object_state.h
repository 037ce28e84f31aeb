// What stat says of an object that lives in the memory of its arena, beside what it says of all.
#pragma once

#include <optional>
#include <string>

#include <shoal/client.h>
#include <shoal/inspect.h>
#include <shoal/object.h>

#include "tools/json.h"
#include "tools/table.h"

namespace shoal::tools {

bool lives_in_arena(Kind kind);

// What is in it now. None if no process that has it may be looked into.
std::optional<LockSeen> state_of(const Client& client, const ObjectInfo& object);

// What it was created as: permits, parties, type, ...
void add_shape(Json& json, const ObjectInfo& object);

void add_rows(Table& table, const ObjectInfo& object, const std::optional<LockSeen>& state);
// "\nwaiting\n" and a table; empty if nobody waits.
std::string waiters_text(const std::optional<LockSeen>& state);

}  // namespace shoal::tools
