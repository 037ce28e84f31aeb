// References: values that stand for other objects, so that a dict may hold dicts, lists, locks.
//
//   auto users = client->create<shoal::Dict>("users");
//   auto alice = client->create<shoal::Dict>();                     // without a name
//   users->put("alice", shoal::reference_to(*alice));               // any process from now on:
//   auto same = client->open<shoal::Dict>(*users->get("alice"));    // the same dict, not a copy
//
// A reference is the object's id: a value like any other, also inside lists, tuples and maps. It
// leads to an object in the memory of the same arena, never to another arena or a SharedMemory.
//
// Who stores a reference must have the object open, by the client that opened the container, until
// the call returns; in a transaction, when it puts it (FAILED_PRECONDITION; INVALID_ARGUMENT: the
// object is of another arena). So who moves a reference from one container to another opens the
// object first: what was merely read is a number.
//
// A stored reference keeps its object alive as a name does. References are not counted: an object
// without a name that nobody has open is looked for by the manager, now and then, in all containers
// that can be reached; if no value refers to it any more it is freed within seconds, with what only
// it referred to, in circles too. A reference to an object that is gone stays what it was; opening
// it is NOT_FOUND, and never another object.
// A process that is killed while it stores a reference leaves it stored, or not.
#pragma once

#include "shoal/arena_object.h"
#include "shoal/value.h"

namespace shoal {

// To be stored while the object is open. Of a closed proxy: to nothing.
inline Value reference_to(const ArenaObject& object) { return Value::reference(object.id()); }

}  // namespace shoal
