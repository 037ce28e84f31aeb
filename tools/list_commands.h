// get, set and dump of what has elements that are values: List, ShareableList.
#pragma once

#include <shoal/client.h>
#include <shoal/object.h>

#include "tools/command.h"
#include "tools/json.h"

namespace shoal::tools {

bool has_elements(Kind kind);

// The exit status. All but set attach for reading only.
int get_elements(const Invocation& asked, const Client& client, const ObjectInfo& object);
int dump_elements(const Client& client, const ObjectInfo& object);
int set_element(const Invocation& asked, const Client& client, const ObjectInfo& object,
                const Json& json);

}  // namespace shoal::tools
