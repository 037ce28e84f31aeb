// See wait.h.
#include "memory/wait.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

Waiting::Waiting(Caller& caller, const ObjectView& object, Purpose purpose)
    : record_(caller.record) {
  object.descriptor->contended.add(1);
  if (record_ == nullptr) return;
  since_ns_ = monotonic_ns();
  record_->since_ns.store(static_cast<std::uint64_t>(since_ns_), std::memory_order_relaxed);
  record_->purpose.store(static_cast<std::uint32_t>(purpose), std::memory_order_relaxed);
  record_->waiting.store(object.id, std::memory_order_release);
}

Waiting::~Waiting() {
  if (record_ == nullptr) return;
  record_->waiting.store(0, std::memory_order_release);
  Caller::count(record_->waits);
  Caller::count(record_->waited_ns, static_cast<std::uint64_t>(monotonic_ns() - since_ns_));
}

int signal(Caller& caller, const ObjectView& object, Word32& word, std::uint32_t signals,
           int most) {
  int woken = 0;
  if ((signals & kWaiters) != 0) {
    if (caller.record != nullptr) Caller::count(caller.record->wakes);
    woken = futex_wake(word, most);
  }
  if ((signals & kWatched) != 0 && caller.poke != nullptr) caller.poke(caller.context, object.id);
  return woken;
}

Result Retries::again() {
  constexpr std::uint32_t kWithoutClock = 256;
  relax();
  if (++count_ % kWithoutClock != 0) return Result::kDone;
  const std::int64_t now = monotonic_ns();
  if (deadline_ == 0) deadline_ = timeout_ns_ < kForever - now ? now + timeout_ns_ : kForever;
  return now >= deadline_ ? Result::kTimedOut : Result::kDone;
}

bool EventSleep::step() {
  if (expired_) return false;
  if (!armed_) {
    seen_ = event_.load(std::memory_order_seq_cst);
    armed_ = (seen_ & kWaiters) != 0 || event_.change(seen_, seen_ | kWaiters);
    seen_ |= kWaiters;
    return true;
  }
  armed_ = false;
  // The clock is asked even after a wake: bytes that somebody rewrites all the time wake always.
  expired_ = !futex_wait(event_, seen_, deadline_) || is_over(deadline_);
  return true;
}

std::uint32_t advance(Word32& event) {
  std::uint32_t seen = event.load(std::memory_order_seq_cst);
  while (!event.change(seen, (seen + kEventStep) & ~kSignals)) {
  }
  return seen;
}

void announce(Word32& event) {
  if ((event.load(std::memory_order_seq_cst) & kSignals) == 0) return;
  if ((advance(event) & kWaiters) != 0) futex_wake(event, kEverybody);
}

void announce_slow(Caller& caller, const ObjectView& object) {
  Word32& event = object.descriptor->event;
  (void)signal(caller, object, event, advance(event), kEverybody);
}

bool arm_watch(const ObjectView& object) {
  for (Word32* word : {&object.descriptor->event, &object.descriptor->lock}) {
    std::uint32_t seen = word->load(std::memory_order_seq_cst);
    while ((seen & kWatched) == 0 && !word->change(seen, seen | kWatched)) {
    }
  }
  return !object.is_stale();
}

SHOAL_VARIANT_END

}  // namespace shoal::memory
