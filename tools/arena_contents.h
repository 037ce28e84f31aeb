// get and dump of objects that live in the memory of their arena. Attaches for reading only.
#pragma once

#include <cstdint>
#include <optional>

#include <shoal/client.h>
#include <shoal/object.h>

#include "tools/command.h"

namespace shoal::tools {

// The exit status. `index`: of an array's element.
int get_in_arena(const Invocation& asked, const Client& client, const ObjectInfo& object,
                 std::optional<std::int64_t> index);
int dump_in_arena(const Client& client, const ObjectInfo& object);

}  // namespace shoal::tools
