// See pins.h.
#include "daemon/pins.h"

#include "daemon/kinds.h"
#include "schemas/limits.h"
#include "schemas/text.h"

namespace shoal::daemon {

using protocol::error;

ArenaMemory* Pins::memory_of(Index object) const {
  return memories_.find(catalog_.objects[object].arena);
}

std::uint32_t Pins::of_session(Index slot) const {
  const auto found = count_of_session_.find(slot);
  return found == count_of_session_.end() ? 0 : found->second;
}

absl::Status Pins::add(Index slot, Index object, std::uint64_t block) {
  if (by_session_.contains(Pin{slot, object, block})) return absl::OkStatus();
  const ObjectRecord& record = objects_.record(object);
  if (of_session(slot) >= protocol::kPinsPerSessionMax) {
    return error(absl::StatusCode::kResourceExhausted, kind_name(record.kind), " \"",
                 record.name.view(), "\": a process can have ", protocol::kPinsPerSessionMax,
                 " large values in view at once; let go of some, or copy them");
  }
  std::uint32_t& sessions = blocks_[Block{object, block}];
  if (sessions == 0) {
    ArenaMemory* const memory = memory_of(object);
    if (memory == nullptr || !memory->pin(objects_.id(object), block)) {
      blocks_.erase(Block{object, block});
      return error(absl::StatusCode::kNotFound, kind_name(record.kind), " \"", record.name.view(),
                   "\" has no such block any more; look the value up again");
    }
  }
  ++sessions;
  by_session_.insert(Pin{slot, object, block});
  ++count_of_session_[slot];
  return absl::OkStatus();
}

void Pins::end(absl::btree_set<Pin>::iterator pin) {
  const auto [slot, object, block] = *pin;
  by_session_.erase(pin);
  const auto count = count_of_session_.find(slot);
  if (--count->second == 0) count_of_session_.erase(count);
  const auto pinned = blocks_.find(Block{object, block});
  if (--pinned->second != 0) return;
  ArenaMemory* const memory = memory_of(object);
  if (memory != nullptr) memory->unpin(objects_.id(object), block);
  blocks_.erase(pinned);
}

void Pins::end(Index slot, Index object, std::uint64_t block) {
  const auto pin = by_session_.find(Pin{slot, object, block});
  if (pin != by_session_.end()) end(pin);
}

void Pins::end_object(Index slot, Index object) {
  for (;;) {
    const auto pin = by_session_.lower_bound(Pin{slot, object, 0});
    if (pin == by_session_.end() || std::get<0>(*pin) != slot || std::get<1>(*pin) != object)
      return;
    end(pin);
  }
}

void Pins::end_session(Index slot) {
  for (;;) {
    const auto pin = by_session_.lower_bound(Pin{slot, 0, 0});
    if (pin == by_session_.end() || std::get<0>(*pin) != slot) return;
    end(pin);
  }
}

}  // namespace shoal::daemon
