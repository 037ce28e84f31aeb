// See shared_lock.h.
#include "memory/shared_lock.h"

#include "memory/wait.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

namespace {

constexpr std::uint32_t kCountMax = 0xffff;

constexpr std::uint32_t cell_of(std::uint16_t slot, std::uint32_t count) {
  return count == 0 ? 0 : std::uint32_t{slot} << 16 | count;
}
constexpr std::uint16_t slot_in_cell(std::uint32_t cell) {
  return static_cast<std::uint16_t>(cell >> 16);
}
constexpr std::uint32_t count_in_cell(std::uint32_t cell) { return cell & kCountMax; }

bool nobody_reads(const ObjectView& lock) {
  for (std::uint32_t i = 0; i < lock.count; ++i) {
    if (lock.cells32()[i].load(std::memory_order_seq_cst) != 0) return false;
  }
  return true;
}

// Adds a hold of the slot in its cell, or in a free one; false: there is none. Cells are tried
// from a place that differs by slot, so that processes do not meet.
bool add_hold(const ObjectView& lock, std::uint16_t slot) {
  for (std::uint32_t i = 0; i < lock.count; ++i) {
    Word32& cell = lock.cells32()[(slot + i) % lock.count];
    std::uint32_t seen = cell.load(std::memory_order_relaxed);
    while (seen == 0 || (slot_in_cell(seen) == slot && count_in_cell(seen) < kCountMax)) {
      if (cell.change(seen, cell_of(slot, count_in_cell(seen) + 1))) return true;
    }
  }
  return false;
}

// The holds of a process change cells while its other threads come and go, and one look over all
// cells may miss each of them. So often it looks before it says that there is none.
constexpr std::uint64_t kLooks = 64;

bool remove_hold(const ObjectView& lock, std::uint16_t slot) {
  for (std::uint64_t i = 0; i < kLooks * lock.count; ++i) {
    Word32& cell = lock.cells32()[(slot + i) % lock.count];
    std::uint32_t seen = cell.load(std::memory_order_relaxed);
    while (slot_in_cell(seen) == slot && count_in_cell(seen) > 0) {
      if (cell.change(seen, cell_of(slot, count_in_cell(seen) - 1))) return true;
    }
  }
  return false;
}

// Until no writer has the word. All who wait so are woken by its release, so giving up needs no
// care for others.
Result wait_for_writer(const ObjectView& lock, Caller& caller, Deadline deadline) {
  Word32& word = lock.descriptor->lock;
  const auto is_free = [&] { return owner_in(word.load(std::memory_order_seq_cst)) == 0; };
  if (is_free()) return Result::kDone;
  if (deadline == 0) return Result::kTimedOut;
  if (spin(caller, lock, deadline, is_free)) return Result::kDone;
  const Waiting noted(caller, lock, Purpose::kShared);
  for (bool expired = false;;) {
    std::uint32_t seen = word.load(std::memory_order_seq_cst);
    if (lock.is_stale()) return Result::kStale;
    if (owner_in(seen) == 0) return Result::kDone;
    if (expired) return Result::kTimedOut;
    if ((seen & kWaiters) == 0) {
      if (!word.change(seen, seen | kWaiters)) continue;
      seen |= kWaiters;
    }
    expired = !futex_wait(word, seen, deadline) || is_over(deadline);
  }
}

}  // namespace

Result acquire_exclusive(const ObjectView& lock, Caller& caller, Deadline deadline,
                         Acquisition* acquisition) {
  // A try that is in vain changes nothing: giving the word back would tell whoever watches.
  if (deadline == 0 && !lock.is_stale() && !nobody_reads(lock)) return Result::kTimedOut;
  Result result = acquire_word(lock, caller, Purpose::kLock, deadline);
  if (result != Result::kDone) return result;
  result =
      wait_until(caller, lock, Purpose::kReaders, deadline, [&] { return nobody_reads(lock); });
  if (result != Result::kDone) {
    (void)release_exclusive(lock, caller);
    return result;
  }
  lock.descriptor->depth.store(1, std::memory_order_relaxed);
  *acquisition = begin_holding(*lock.descriptor);
  return Result::kDone;
}

Result release_exclusive(const ObjectView& lock, Caller& caller) {
  Descriptor& d = *lock.descriptor;
  std::uint32_t seen = d.lock.load(std::memory_order_relaxed);
  if (owner_in(seen) == 0 || slot_in(seen) != caller.slot()) {
    return lock.is_stale() ? Result::kStale : Result::kNotOwner;
  }
  d.depth.store(0, std::memory_order_relaxed);
  seen = caller.owner << 2;
  if (d.lock.change(seen, 0)) return Result::kDone;
  return release_slow(lock, lock.descriptor->lock, caller, seen, kEverybody);
}

Result acquire_shared(const ObjectView& lock, Caller& caller, Deadline deadline,
                      Acquisition* acquisition) {
  const Descriptor& d = *lock.descriptor;
  for (;;) {
    if (lock.is_stale()) return Result::kStale;
    // Before the hold, which would have to be taken back, and that is told to whoever watches.
    Result result = has_fault(Fault::kSharedIgnoresWriter)
                        ? Result::kDone
                        : wait_for_writer(lock, caller, deadline);
    if (result != Result::kDone) return result;
    if (!add_hold(lock, caller.slot())) {
      result = wait_until(caller, lock, Purpose::kShared, deadline,
                          [&] { return add_hold(lock, caller.slot()); });
      if (result != Result::kDone) return result;
    }
    const std::uint32_t word = d.lock.load(std::memory_order_seq_cst);
    if (owner_in(word) == 0 || has_fault(Fault::kSharedIgnoresWriter)) break;
    (void)remove_hold(lock, caller.slot());
    announce(caller, lock);
  }
  *acquisition = {.token = d.token.load(std::memory_order_relaxed),
                  .abandoned = d.abandoned.load(std::memory_order_relaxed) != 0};
  return Result::kDone;
}

Result release_shared(const ObjectView& lock, Caller& caller) {
  if (lock.is_stale()) return Result::kStale;
  if (!remove_hold(lock, caller.slot())) return Result::kNotOwner;
  announce(caller, lock);
  return Result::kDone;
}

std::uint32_t sharers(const ObjectView& lock) {
  std::uint32_t all = 0;
  for (std::uint32_t i = 0; i < lock.count; ++i) {
    all += count_in_cell(lock.cells32()[i].load(std::memory_order_relaxed));
  }
  return all;
}

void recover_shared_lock(const ObjectView& lock, std::uint16_t slot) {
  Descriptor& d = *lock.descriptor;
  bool had = false;
  for (std::uint32_t i = 0; i < lock.count && !has_fault(Fault::kRecoverForgetsShared); ++i) {
    Word32& cell = lock.cells32()[i];
    std::uint32_t seen = cell.load(std::memory_order_relaxed);
    bool taken_back = false;
    while (!taken_back && slot_in_cell(seen) == slot) taken_back = cell.change(seen, 0);
    had |= taken_back;
  }
  std::uint32_t seen = d.lock.load(std::memory_order_seq_cst);
  if (slot_in(seen) == slot && d.depth.load(std::memory_order_relaxed) == 0) {
    // It had the word, but was not in yet, or on its way out: nothing was abandoned.
    had |= recover_word(d.lock, slot, kEverybody);
  } else {
    recover_lock(d, slot, kEverybody);
  }
  if (had) d.recoveries.add(1);
}

SHOAL_VARIANT_END

}  // namespace shoal::memory
