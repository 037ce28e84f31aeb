// What the manager does to an object's bytes: lays a new object, takes back what a dead process
// held, ends an object. The bytes are hostile; all of this ends, and never leaves the view.
//
// Recovery may be done any number of times, and begun again after the manager itself has died in
// the middle of it: each step leaves what names the dead process in place until its work is done.
#pragma once

#include <cstdint>
#include <span>

#include "memory/caller.h"
#include "memory/object.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

// What a new object is made of.
struct NewObject {
  std::uint32_t index = 0;
  std::uint64_t id = 0;
  ObjectKind kind = ObjectKind::kLock;
  std::uint16_t flags = 0;
  std::uint64_t parameter = 0;
  std::uint64_t block = 0;             // offset in the arena, of zeroed bytes; 0: none needed
  std::span<const std::byte> initial;  // a Cell's value
  std::uint64_t seed = 0;              // of a container's hash
};

// Bytes that an object needs beside its descriptor; 0: it fits there.
std::uint64_t block_bytes(ObjectKind kind, std::uint16_t flags, std::uint64_t parameter);

// The view of an object of which everything is known from the manager. `arena` is the whole
// mapping.
ObjectView view_of(std::byte* arena, std::uint64_t id, ObjectKind kind, std::uint16_t flags,
                   std::uint64_t parameter, std::uint64_t block);

// Visible with its last store, the id.
void lay_object(std::byte* arena, const NewObject& object);

// Nothing of `slot` stays held in the object, and whoever it was about to wake is woken. `died`:
// it did not merely give its last reference back.
void recover_object(const ObjectView& object, Caller& manager, std::uint16_t slot, bool died);

// Everybody who waits for a change looks again, whether or not the waiters bit stands.
void announce_to_all(const ObjectView& object);

// The object is no more: every call on it says so, and who sleeps in one wakes.
void retire_object(const ObjectView& object);

SHOAL_VARIANT_END

}  // namespace shoal::memory
