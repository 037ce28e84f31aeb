// See recover.h.
#include "memory/recover.h"

#include <algorithm>
#include <cstring>

#include "memory/barrier.h"
#include "memory/cell.h"
#include "memory/condition.h"
#include "memory/dict_layout.h"
#include "memory/lock.h"
#include "memory/semaphore.h"
#include "memory/shared_copy.h"
#include "memory/shared_lock.h"
#include "memory/wait.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

namespace {

std::uint64_t memory_of(ObjectKind kind, std::uint16_t flags, std::uint64_t parameter) {
  switch (kind) {
    case ObjectKind::kSemaphore:
    case ObjectKind::kBoundedSemaphore:
      return (flags & kFlagPlain) != 0 ? 0 : parameter * sizeof(Word16);
    case ObjectKind::kBarrier:
      return std::max<std::uint64_t>(parameter * sizeof(Word16), kInlineCellBytes);
    case ObjectKind::kSharedLock:
    case ObjectKind::kCondition:
      return parameter * sizeof(Word32);
    case ObjectKind::kCell:
      return is_one_word(parameter) ? 0 : 2 * cell_buffer_bytes(parameter);
    case ObjectKind::kArray:
      return parameter;
    default:
      return 0;
  }
}

}  // namespace

// The dead process may have cleared the bit and not woken anybody yet.
void announce_to_all(const ObjectView& object) {
  (void)advance(object.descriptor->event);
  futex_wake(object.descriptor->event, kEverybody);
}

std::uint64_t block_bytes(ObjectKind kind, std::uint16_t flags, std::uint64_t parameter) {
  const std::uint64_t bytes = memory_of(kind, flags, parameter);
  return bytes <= kInlineCellBytes ? 0 : bytes;
}

ObjectView view_of(std::byte* arena, std::uint64_t id, ObjectKind kind, std::uint16_t flags,
                   std::uint64_t parameter, std::uint64_t block) {
  ObjectView view;
  const auto index = static_cast<std::uint32_t>(id) % kDescriptorsMax;
  view.descriptor = reinterpret_cast<Descriptor*>(arena + Geometry::kObjectTable +
                                                  std::uint64_t{index} * kDescriptorBytes);
  view.header = reinterpret_cast<const ArenaHeader*>(arena);
  view.id = id;
  view.kind = kind;
  view.flags = flags;
  view.count = static_cast<std::uint32_t>(std::min<std::uint64_t>(parameter, UINT32_MAX));
  view.size = memory_of(kind, flags, parameter);
  view.bytes = block != 0
                   ? arena + block
                   : reinterpret_cast<std::byte*>(view.descriptor) + offsetof(Descriptor, cells16);
  return view;
}

namespace {

// A container is laid empty: no block until somebody puts something.
void lay_container(Descriptor& descriptor, const NewObject& object) {
  if (object.kind == ObjectKind::kList) return;  // all of it is 0 already
  auto& dict = reinterpret_cast<DictDescriptor&>(descriptor);
  std::memset(reinterpret_cast<std::byte*>(&descriptor) + offsetof(DictDescriptor, seed), 0,
              kDescriptorBytes - offsetof(DictDescriptor, seed));
  dict.seed = object.seed;
  dict.first.depth.store(1);
}

}  // namespace

void lay_object(std::byte* arena, const NewObject& object) {
  const ObjectView view =
      view_of(arena, object.id, object.kind, object.flags, object.parameter, object.block);
  Descriptor& d = *view.descriptor;
  d.id.store(0);
  d.lock.store(0);
  d.depth.store(0);
  d.token.store(0);
  d.abandoned.store(0);
  // The sequence goes on over all lives of the place, so that nobody sleeps on for the next one.
  (void)d.event.exchange((d.event.load() + kEventStep) & ~kSignals);
  d.parameter.store(object.parameter);
  d.block.store(object.block);
  d.recoveries.store(0);
  d.contended.store(0);
  d.kind.store(static_cast<std::uint16_t>(object.kind));
  d.flags.store(object.flags);
  d.referred.store(0);
  d.value.store(0);
  d.hint.store(0);
  for (Word64& word : d.words) word.store(0);
  if (is_container(object.kind)) lay_container(d, object);
  const bool counts =
      object.kind == ObjectKind::kSemaphore || object.kind == ObjectKind::kBoundedSemaphore;
  if (counts && view.has(kFlagPlain)) d.value.store(object.parameter);
  if (object.kind == ObjectKind::kCell && !object.initial.empty()) {
    if (is_one_word(object.parameter)) {
      std::uint64_t word = 0;
      std::memcpy(&word, object.initial.data(), std::min<std::size_t>(object.initial.size(), 8));
      d.value.store(word);
    } else {
      const std::size_t bytes = std::min<std::size_t>(object.initial.size(), object.parameter);
      copy_in(view.bytes, object.initial.data(), bytes, cell_buffer_bytes(bytes));
    }
  }
  (void)d.id.exchange(object.id);
}

void recover_object(const ObjectView& object, Caller& manager, std::uint16_t slot, bool died) {
  Descriptor& d = *object.descriptor;
  switch (object.kind) {
    case ObjectKind::kSharedLock:
      recover_shared_lock(object, slot);
      break;
    case ObjectKind::kSemaphore:
    case ObjectKind::kBoundedSemaphore:
      recover_semaphore(object, slot);
      break;
    case ObjectKind::kBarrier:
      recover_barrier(object, slot, died);
      break;
    case ObjectKind::kCondition:
      recover_lock(d, slot, 1);
      recover_condition(object, manager, slot, died);
      break;
    case ObjectKind::kCell:
      recover_cell(object, slot);
      // A transaction has it without a depth, and leaves nothing half done.
      if (d.depth.load(std::memory_order_relaxed) == 0) {
        if (recover_word(d.lock, slot, 1)) d.recoveries.add(1);
      } else {
        recover_lock(d, slot, 1);
      }
      break;
    case ObjectKind::kEvent:
      break;
    default:
      recover_lock(d, slot, 1);
  }
  announce_to_all(object);
}

void retire_object(const ObjectView& object) {
  Descriptor& d = *object.descriptor;
  (void)d.id.exchange(0);
  // Every word that somebody may sleep on changes, so that nobody falls asleep on it afterwards.
  (void)d.lock.exchange(std::uint32_t{kSlotGone} << (kThreadBits + 2));
  futex_wake(d.lock, kEverybody);
  announce_to_all(object);
  if (object.kind != ObjectKind::kCondition) return;
  for (std::uint32_t i = 0; i < object.count; ++i) {
    // Empty or not: a manager that died here may have emptied it and not woken anybody.
    (void)object.cells32()[i].exchange(0);
    futex_wake(object.cells32()[i], 1);
  }
}

SHOAL_VARIANT_END

}  // namespace shoal::memory
