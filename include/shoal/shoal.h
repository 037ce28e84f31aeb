// All of shoal. Each type also has a header of its own.
//
// Caveats a user should know: docs/concepts.md.
#pragma once

#include "shoal/admin.h"
#include "shoal/arena.h"
#include "shoal/arena_object.h"
#include "shoal/array.h"
#include "shoal/barrier.h"
#include "shoal/cell.h"
#include "shoal/client.h"
#include "shoal/condition.h"
#include "shoal/dict.h"
#include "shoal/event.h"
#include "shoal/fingerprint.h"
#include "shoal/inspect.h"
#include "shoal/list.h"
#include "shoal/lock.h"
#include "shoal/manager.h"
#include "shoal/namespace.h"
#include "shoal/object.h"
#include "shoal/semaphore.h"
#include "shoal/shareable_list.h"
#include "shoal/shared_memory.h"
#include "shoal/shared_memory_manager.h"
#include "shoal/transaction.h"
#include "shoal/typed_dict.h"
#include "shoal/value.h"
