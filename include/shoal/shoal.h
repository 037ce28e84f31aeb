// All of shoal. Each type also has a header of its own.
//
// Caveats a user should know: docs/concepts.md.
#pragma once

#include "shoal/admin.h"
#include "shoal/arena.h"
#include "shoal/client.h"
#include "shoal/manager.h"
#include "shoal/object.h"
#include "shoal/shareable_list.h"
#include "shoal/shared_memory.h"
#include "shoal/shared_memory_manager.h"
#include "shoal/value.h"
