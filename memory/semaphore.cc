// See semaphore.h.
#include "memory/semaphore.h"

#include "memory/seeded_faults.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

namespace {

// The permits of a process change cells while its other threads acquire and release, and one look
// over all cells may miss each of them. So often it looks before it says that there is none.
constexpr int kLooks = 64;

bool take_cell(const ObjectView& semaphore, std::uint16_t slot) {
  const std::uint32_t count = semaphore.count;
  // Where one was given back last.
  const std::uint32_t start = semaphore.descriptor->hint.load(std::memory_order_relaxed);
  for (std::uint32_t i = 0; i < count; ++i) {
    Word16& cell = semaphore.cells16()[(start + i) % count];
    std::uint16_t free = 0;
    if (cell.load(std::memory_order_seq_cst) == 0 && cell.change(free, slot)) return true;
  }
  return false;
}

bool give_cell(const ObjectView& semaphore, std::uint16_t slot) {
  const std::uint32_t count = semaphore.count;
  const std::uint32_t start = semaphore.descriptor->hint.load(std::memory_order_relaxed);
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint32_t at = (start + i) % count;
    std::uint16_t mine = slot;
    Word16& cell = semaphore.cells16()[at];
    if (cell.load(std::memory_order_relaxed) != slot || !cell.change(mine, 0)) continue;
    if (at != start) semaphore.descriptor->hint.store(at, std::memory_order_relaxed);
    return true;
  }
  return false;
}

bool take_one(const ObjectView& semaphore) {
  Word64& count = semaphore.descriptor->value;
  std::uint64_t seen = count.load(std::memory_order_seq_cst);
  while (seen != 0) {
    if (count.change(seen, seen - 1)) return true;
  }
  return false;
}

Result raise(const ObjectView& semaphore, std::uint32_t permits) {
  const std::uint64_t most =
      semaphore.kind == ObjectKind::kBoundedSemaphore ? semaphore.count : kPermitsMax;
  Word64& count = semaphore.descriptor->value;
  std::uint64_t seen = count.load(std::memory_order_relaxed);
  do {
    if (seen > most || permits > most - seen) return Result::kOverflow;
  } while (!count.change(seen, seen + permits));
  return Result::kDone;
}

}  // namespace

Result acquire_permit(const ObjectView& semaphore, Caller& caller, Deadline deadline) {
  if (semaphore.has(kFlagPlain)) {
    return wait_until(caller, semaphore, Purpose::kPermit, deadline,
                      [&] { return take_one(semaphore); });
  }
  return wait_until(caller, semaphore, Purpose::kPermit, deadline,
                    [&] { return take_cell(semaphore, caller.slot()); });
}

Result release_permits(const ObjectView& semaphore, Caller& caller, std::uint32_t permits) {
  if (semaphore.is_stale()) return Result::kStale;
  if (semaphore.has(kFlagPlain)) {
    const std::uint32_t more = has_fault(Fault::kReleaseTwice) ? permits + 1 : permits;
    const Result result = raise(semaphore, more);
    if (result == Result::kDone) announce(caller, semaphore);
    return result;
  }
  std::uint32_t given = 0;
  for (int look = 0; look < kLooks && given < permits; ++look) {
    const bool all_there =
        permits == 1 || given != 0 || permits_of(semaphore, caller.slot()) >= permits;
    while (all_there && given < permits && give_cell(semaphore, caller.slot())) ++given;
  }
  // Other threads of the process release at the same time: what is still free is taken again.
  while (given != 0 && given != permits && take_cell(semaphore, caller.slot())) --given;
  if (given > 0) announce(caller, semaphore);
  return given == permits ? Result::kDone : Result::kNotOwner;
}

std::uint32_t free_permits(const ObjectView& semaphore) {
  if (semaphore.has(kFlagPlain)) {
    const std::uint64_t count = semaphore.descriptor->value.load();
    return static_cast<std::uint32_t>(count < kPermitsMax ? count : kPermitsMax);
  }
  return permits_of(semaphore, 0);
}

std::uint32_t permits_of(const ObjectView& semaphore, std::uint16_t slot) {
  std::uint32_t count = 0;
  for (std::uint32_t i = 0; i < semaphore.count; ++i) {
    if (semaphore.cells16()[i].load(std::memory_order_relaxed) == slot) ++count;
  }
  return count;
}

void recover_semaphore(const ObjectView& semaphore, std::uint16_t slot) {
  if (semaphore.has(kFlagPlain) || has_fault(Fault::kRecoverForgetsPermits)) return;
  bool had = false;
  for (std::uint32_t i = 0; i < semaphore.count; ++i) {
    std::uint16_t dead = slot;
    if (semaphore.cells16()[i].load(std::memory_order_relaxed) != slot) continue;
    had |= semaphore.cells16()[i].change(dead, 0);
  }
  if (had) semaphore.descriptor->recoveries.add(1);
}

SHOAL_VARIANT_END

}  // namespace shoal::memory
