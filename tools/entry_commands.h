// get and dump of what has keys: Dict, Namespace, TypedDict. Attaches for reading only.
#pragma once

#include <shoal/client.h>
#include <shoal/object.h>

#include "tools/command.h"

namespace shoal::tools {

int get_entries(const Invocation& asked, const Client& client, const ObjectInfo& object);
int dump_entries(const Client& client, const ObjectInfo& object);

}  // namespace shoal::tools
