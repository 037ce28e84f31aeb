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

void signal(Caller& caller, const ObjectView& object, Word32& word, std::uint32_t signals,
            int most) {
  if ((signals & kWaiters) != 0) {
    if (caller.record != nullptr) Caller::count(caller.record->wakes);
    futex_wake(word, most);
  }
  if ((signals & kWatched) != 0 && caller.poke != nullptr) caller.poke(caller.context, object.id);
}

void announce_slow(Caller& caller, const ObjectView& object) {
  Word32& event = object.descriptor->event;
  std::uint32_t seen = event.load(std::memory_order_seq_cst);
  while ((seen & kSignals) != 0) {
    if (!event.change(seen, (seen + kEventStep) & ~kSignals)) continue;
    signal(caller, object, event, seen, kEverybody);
    return;
  }
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
