// See condition.h.
#include "memory/condition.h"

#include "memory/seeded_faults.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

namespace {

constexpr std::uint32_t kCellWaiting = 1;
constexpr std::uint32_t kCellNotified = 2;

bool is_waiting(std::uint32_t cell) { return (cell & 3) == kCellWaiting && owner_in(cell) != 0; }

// One of those who wait, from `hint` on, so that nobody is passed over for ever.
bool notify_one(const ObjectView& condition, Caller& caller) {
  Word32& hint = condition.descriptor->hint;
  const std::uint32_t start = hint.load(std::memory_order_relaxed);
  for (std::uint32_t i = 0; i < condition.count; ++i) {
    const std::uint32_t at = (start + i) % condition.count;
    Word32& cell = condition.cells32()[at];
    std::uint32_t seen = cell.load(std::memory_order_seq_cst);
    while (is_waiting(seen)) {
      if (!cell.change(seen, owner_in(seen) << 2 | kCellNotified)) continue;
      hint.store((at + 1) % condition.count, std::memory_order_relaxed);
      (void)signal(caller, condition, cell, kWaiters, 1);
      return true;
    }
  }
  return false;
}

// The free cell behind all who wait already, as far as the cells go: those are notified first.
std::uint32_t behind_all(const ObjectView& condition) {
  const std::uint32_t start = condition.descriptor->hint.load(std::memory_order_relaxed);
  std::uint32_t behind = start;
  for (std::uint32_t i = 1; i <= condition.count; ++i) {
    const std::uint32_t at = (start % condition.count + condition.count - i) % condition.count;
    if (condition.cells32()[at].load(std::memory_order_relaxed) != 0) break;
    behind = at;
  }
  return behind;
}

}  // namespace

Result enlist(const ObjectView& condition, Caller& caller, std::uint32_t* cell) {
  if (condition.is_stale()) return Result::kStale;
  const std::uint32_t start = behind_all(condition);
  for (std::uint32_t i = 0; i < condition.count; ++i) {
    const std::uint32_t at = (start % condition.count + i) % condition.count;
    std::uint32_t free = 0;
    Word32& word = condition.cells32()[at];
    if (word.load(std::memory_order_relaxed) != 0) continue;
    if (!word.change(free, caller.owner << 2 | kCellWaiting)) continue;
    *cell = at;
    return Result::kDone;
  }
  return Result::kExhausted;
}

Result await_notification(const ObjectView& condition, Caller& caller, std::uint32_t cell,
                          Deadline deadline) {
  Word32& word = condition.cells32()[cell];
  const std::uint32_t waiting = caller.owner << 2 | kCellWaiting;
  const auto is_over_already = [&] { return word.load(std::memory_order_seq_cst) != waiting; };
  if (deadline != 0 && !spin(caller, condition, deadline, is_over_already)) {
    const Waiting noted(caller, condition, Purpose::kNotification);
    while (!is_over_already() && !condition.is_stale()) {
      if (!futex_wait(word, waiting, deadline) || is_over(deadline)) break;
    }
  }
  if (condition.is_stale()) return Result::kStale;
  std::uint32_t seen = waiting;
  return word.change(seen, 0) ? Result::kTimedOut : Result::kDone;
}

void leave(const ObjectView& condition, Caller& caller, std::uint32_t cell) {
  // Whatever else stands there is not ours.
  std::uint32_t notified = caller.owner << 2 | kCellNotified;
  (void)condition.cells32()[cell].change(notified, 0);
}

Result notify(const ObjectView& condition, Caller& caller, std::uint32_t most,
              std::uint32_t* notified) {
  if (condition.is_stale()) return Result::kStale;
  // No more can be waiting now. Who comes meanwhile is not meant, and there may be no end of them.
  most = std::min(most, condition.count);
  std::uint32_t count = 0;
  while (count < most && notify_one(condition, caller)) ++count;
  // For who watches instead of waiting.
  announce(caller, condition);
  if (notified != nullptr) *notified = count;
  return Result::kDone;
}

std::uint32_t waiters(const ObjectView& condition) {
  std::uint32_t count = 0;
  for (std::uint32_t i = 0; i < condition.count; ++i) {
    if (is_waiting(condition.cells32()[i].load(std::memory_order_relaxed))) ++count;
  }
  return count;
}

void recover_condition(const ObjectView& condition, Caller& manager, std::uint16_t slot,
                       bool died) {
  // Asked once in vain it is not asked again: who comes to wait later comes after these deaths.
  bool somebody_waits = !has_fault(Fault::kNotifySwallowed);
  for (std::uint32_t i = 0; i < condition.count; ++i) {
    Word32& cell = condition.cells32()[i];
    std::uint32_t seen = cell.load(std::memory_order_seq_cst);
    if (seen == 0) continue;
    if (slot_in(seen) != slot) {
      // The dead process may have been about to notify it, or to wake it.
      const bool tell = died && !has_fault(Fault::kNotifySwallowed);
      if (tell && is_waiting(seen)) (void)cell.change(seen, owner_in(seen) << 2 | kCellNotified);
      futex_wake(cell, 1);
      continue;
    }
    if (has_fault(Fault::kWaiterKeepsCell)) continue;
    if (is_waiting(seen) && cell.change(seen, 0)) continue;
    somebody_waits = somebody_waits && notify_one(condition, manager);
    cell.store(0);
  }
}

SHOAL_VARIANT_END

}  // namespace shoal::memory
