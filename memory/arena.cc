// Allocating, owning, retiring and freeing blocks. Where a free place is found and claimed stands
// in arena_claim.cc and arena_slab.cc, the intents in arena_intent.cc. See arena.h.
#include "memory/arena.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"

#include "memory/seeded_faults.h"
#include "memory/shared_copy.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

namespace {

// kCellSizes: it is a run.
unsigned size_for(std::uint64_t bytes) {
  unsigned size = 0;
  while (size < kCellSizes && cell_bytes(size) < bytes) ++size;
  return size;
}

std::uint64_t chunks_for(std::uint64_t bytes) {
  return bytes / kChunkBytes + (bytes % kChunkBytes != 0 ? 1 : 0);
}

absl::Status not_yours(std::uint64_t block) {
  return absl::DataLossError(absl::StrCat(
      "the block at ", block, " is not as its owner left it: the arena's tables are damaged"));
}

}  // namespace

namespace {

ArenaHeader header_of(const NewArena& fresh) {
  ArenaHeader header;
  std::memset(&header, 0, sizeof header);
  header.magic = kArenaMagic;
  header.layout = fresh.layout;
  header.features_incompat = kFeaturesIncompat;
  header.features_ro_compat = kFeaturesRoCompat;
  header.features_compat = kFeaturesCompat;
  header.arena_bytes = fresh.bytes;
  header.arena = fresh.id;
  header.manager = fresh.manager;
  header.quota_chunks.store(fresh.quota_chunks);
  return header;
}

// Nobody but the manager changes the header's words up to here.
constexpr std::size_t kIdentityBytes = offsetof(ArenaHeader, closed);

}  // namespace

void lay_arena(std::byte* arena, const NewArena& fresh) {
  ArenaHeader laid = header_of(fresh);
  laid.magic = 0;
  std::memcpy(arena, &laid, sizeof laid);
  (void)mend_arena(arena, fresh);
}

bool mend_arena(std::byte* arena, const NewArena& now) {
  ArenaHeader right = header_of(now);
  bool mended = false;
  // From the last to the first: the magic is right when all else is.
  for (std::size_t at = kIdentityBytes; at > 0;) {
    at -= sizeof(std::uint64_t);
    std::uint64_t value = 0;
    std::memcpy(&value, reinterpret_cast<const std::byte*>(&right) + at, sizeof value);
    const std::atomic_ref<std::uint64_t> word(*reinterpret_cast<std::uint64_t*>(arena + at));
    if (word.load(std::memory_order_relaxed) == value) continue;
    word.store(value, std::memory_order_release);
    mended = true;
  }
  auto& header = *reinterpret_cast<ArenaHeader*>(arena);
  if (header.closed.load() != 0) {
    header.closed.store(0);
    mended = true;
  }
  if (header.quota_chunks.load() != now.quota_chunks) {
    header.quota_chunks.store(now.quota_chunks);
    mended = true;
  }
  return mended;
}

ThreadRecord* manager_record(std::byte* arena) {
  return reinterpret_cast<ThreadRecord*>(arena + kManagerRecordOffset);
}

ArenaMemory::ArenaMemory(std::byte* arena, const Geometry& geometry, Commit commit)
    : arena_(arena), geometry_(geometry), commit_(commit) {}

std::uint64_t ArenaMemory::block_size(std::uint64_t bytes) {
  const unsigned size = size_for(bytes);
  if (size < kCellSizes) return cell_bytes(size);
  return bytes > kBlockBytesMax ? 0 : chunks_for(bytes) * kChunkBytes;
}

absl::StatusOr<std::uint64_t> ArenaMemory::allocate(Caller& caller, std::uint64_t bytes,
                                                    BlockFor block_for) {
  if (caller.record == nullptr || block_for.part >= kPartsMax || block_for.object == 0 ||
      static_cast<std::uint32_t>(block_for.object) >= kDescriptorsMax) {
    return absl::InvalidArgumentError("a block needs an object, a part of it, a thread's record");
  }
  if (block_size(bytes) == 0) {
    return absl::ResourceExhaustedError(
        absl::StrCat("a block of ", bytes, " bytes: the most is ", kBlockBytesMax));
  }
  absl::StatusOr<Intent> intent = begin(caller, block_for, Place{}, false);
  if (!intent.ok()) return intent.status();
  const unsigned size = size_for(bytes);
  Place place;
  if (size < kCellSizes) {
    if (absl::Status status = claim_cell(caller, size, block_for, *intent, place); !status.ok()) {
      intent->end();
      return status;
    }
    const std::uint64_t cell = word_of(place, 0).load();
    const bool dirty = ((cell | chunk_word(place.chunk).load()) & kWordDirty) != 0;
    if (dirty) zero(offset_of(place, size), cell_bytes(size));
  } else {
    const auto count = static_cast<std::uint32_t>(chunks_for(bytes));
    absl::Status status = claim_run(caller, count, block_for, *intent, place);
    if (status.ok() && !back_run(place)) {
      release_claimed(place, caller.owner);
      status = absl::ResourceExhaustedError(
          absl::StrCat("the host has no memory for a block of ", bytes, " bytes"));
    }
    if (!status.ok()) {
      if (intent->reserved) give_back(count);
      intent->end();
      return status;
    }
    for (std::uint32_t i = 0; i < count; ++i) {
      if ((word_of(place, i).load() & kWordDirty) == 0) continue;
      zero(offset_of(place, 0) + i * kChunkBytes, kChunkBytes);
    }
  }
  Caller::count(caller.record->bytes, block_size(bytes));
  return offset_of(place, size);
}

absl::Status ArenaMemory::own(Caller& caller, std::uint64_t block, std::uint64_t bytes,
                              BlockFor block_for) {
  Place place;
  if (!place_of(block, bytes, place)) return not_yours(block);
  const unsigned at = intent_of(caller, place, block_for.part);
  const auto end_intent = [&] {
    if (at < kIntentsMax) caller.record->intent_at(at).store(0);
  };
  if (has_fault(Fault::kIntentEndsEarly)) end_intent();
  const auto index = static_cast<std::uint32_t>(block_for.object);
  bool whole = true;
  for (std::uint32_t i = 0; i < place.count(); ++i) {
    std::uint64_t word = word_of(place, i).load();
    whole = block_state(word) == BlockState::kClaimed && block_claimer(word) == caller.owner &&
            word_of(place, i).change(word, owned_word(word, index, block_for.part, i == 0)) &&
            whole;
  }
  end_intent();
  return whole ? absl::OkStatus() : not_yours(block);
}

absl::Status ArenaMemory::retire(Caller& caller, std::uint64_t block, std::uint64_t bytes,
                                 BlockFor block_for) {
  Place place;
  if (!place_of(block, bytes, place)) return not_yours(block);
  return begin(caller, block_for, place, true).status();
}

absl::Status ArenaMemory::free(Caller& caller, std::uint64_t block, std::uint64_t bytes,
                               BlockFor block_for) {
  Place place;
  if (!place_of(block, bytes, place)) return not_yours(block);
  const std::uint64_t head = word_of(place, 0).load();
  const bool in_flight =
      block_state(head) == BlockState::kClaimed && block_claimer(head) == caller.owner;
  Intent intent{.record = caller.record,
                .at = intent_of(caller, place, block_for.part),
                .part = block_for.part};
  if (intent.at == kIntentsMax) {
    const absl::StatusOr<Intent> begun = begin(caller, block_for, place, !in_flight);
    if (!begun.ok()) return begun.status();
    intent = *begun;
  }
  const LetGo let_go = in_flight ? LetGo::kFree : this->let_go(place, block_for);
  std::uint32_t freed = 0;
  if (in_flight) {
    freed = release_claimed(place, caller.owner);
  } else if (let_go == LetGo::kFree) {
    freed = finish_free(place, caller.owner, block_for, intent);
  }
  if (!place.is_cell()) give_back(freed);
  intent.end();
  return let_go == LetGo::kShown || freed == place.count() ? absl::OkStatus() : not_yours(block);
}

// ---- pins ----

bool ArenaMemory::pin(std::uint64_t block, std::uint32_t object) const {
  Place place;
  if (!place_of(block, kChunkBytes, place)) return false;
  std::uint64_t head = word_of(place, 0).load();
  while (is_kept_state(block_state(head)) && (head & kWordHead) != 0 &&
         block_object(head) == object) {
    if (word_of(place, 0).change(head, with_state(head, BlockState::kPinned))) return true;
  }
  return false;
}

void ArenaMemory::unpin(Caller& manager, std::uint64_t block, std::uint64_t object) {
  Place place;
  if (!place_of(block, kChunkBytes, place)) return;
  // All of the run, whatever whoever pinned it said: it ends before the next head.
  place = run_place(place.chunk, std::min(geometry_.chunk_count - place.chunk, kRunChunksMax));
  std::uint64_t head = word_of(place, 0).load();
  const auto is_its = [&](BlockState state) {
    return block_state(head) == state && block_object(head) == static_cast<std::uint32_t>(object);
  };
  while (is_its(BlockState::kPinned)) {
    if (word_of(place, 0).change(head, with_state(head, BlockState::kOwned))) return;
  }
  if (!is_its(BlockState::kLetGo)) return;
  const BlockFor block_for{.object = object, .part = block_part(head)};
  const absl::StatusOr<Intent> intent = begin(manager, block_for, place, true);
  if (!intent.ok()) return;
  if (word_of(place, 0).change(head, with_state(head, BlockState::kGoing))) {
    give_back(finish_free(place, manager.owner, block_for, *intent));
  }
  intent->end();
}

// Before an owned block is freed. From here on no view of a run begins.
ArenaMemory::LetGo ArenaMemory::let_go(Place place, BlockFor block_for) const {
  if (place.is_cell()) return LetGo::kFree;
  std::uint64_t head = word_of(place, 0).load();
  while (is_kept_state(block_state(head)) && (head & kWordHead) != 0 &&
         block_object(head) == static_cast<std::uint32_t>(block_for.object) &&
         block_part(head) == block_for.part) {
    const bool pinned = block_state(head) == BlockState::kPinned;
    const BlockState next = pinned ? BlockState::kLetGo : BlockState::kGoing;
    if (word_of(place, 0).change(head, with_state(head, next))) {
      return pinned ? LetGo::kShown : LetGo::kFree;
    }
  }
  return block_state(head) == BlockState::kLetGo ? LetGo::kBefore : LetGo::kFree;
}

bool ArenaMemory::is_owned(std::uint64_t block, std::uint64_t bytes, BlockFor block_for) const {
  Place place;
  if (!place_of(block, bytes, place)) return false;
  for (std::uint32_t i = 0; i < place.count(); ++i) {
    const std::uint64_t word = word_of(place, i).load();
    const BlockState state = block_state(word);
    const bool good = i == 0 ? is_kept_state(state) : state == BlockState::kOwned;
    if (!good || ((word & kWordHead) != 0) != (i == 0) ||
        block_object(word) != static_cast<std::uint32_t>(block_for.object) ||
        block_part(word) != block_for.part) {
      return false;
    }
  }
  return true;
}

// All words of the place that `owner` has claimed. Returns how many.
std::uint32_t ArenaMemory::release_claimed(Place place, std::uint32_t owner) const {
  std::uint32_t freed = 0;
  for (std::uint32_t i = place.count(); i-- > 0;) {
    std::uint64_t word = word_of(place, i).load();
    if (block_state(word) != BlockState::kClaimed || block_claimer(word) != owner) continue;
    if (word_of(place, i).change(word, free_word(word))) ++freed;
  }
  return freed;
}

// Frees an owned block whose intent says "freeing", from its last chunk to its first; may be begun
// again by recovery wherever it was left. Returns how many words became free.
std::uint32_t ArenaMemory::finish_free(Place place, std::uint32_t owner, BlockFor block_for,
                                       const Intent& intent) const {
  const auto index = static_cast<std::uint32_t>(block_for.object);
  const auto is_owned = [&](std::uint64_t word, bool head) {
    const BlockState state = block_state(word);
    const bool good =
        head ? state == BlockState::kGoing || is_kept_state(state) : state == BlockState::kOwned;
    return good && block_object(word) == index && block_part(word) == block_for.part &&
           ((word & kWordHead) != 0) == head;
  };
  std::uint32_t freed = 0;
  const auto free_owned = [&](std::uint32_t i) {
    std::uint64_t word = word_of(place, i).load();
    if (is_owned(word, i == 0) && word_of(place, i).change(word, free_word(word))) ++freed;
  };
  std::uint64_t head = word_of(place, 0).load();
  if (is_owned(head, true)) {
    std::uint32_t end = 1;
    while (end < place.count() && is_owned(word_of(place, end).load(), false)) ++end;
    if (has_fault(Fault::kRunFreedFromHead)) free_owned(0);
    for (std::uint32_t i = end; i-- > 1;) free_owned(i);
    (void)word_of(place, 0).change(head, claimed_word(head, owner));
  }
  if (!has_fault(Fault::kFreeKeepsFreeing)) intent.take_back_freeing();
  return freed + release_claimed(place.is_cell() ? place : run_place(place.chunk, 1), owner);
}

SHOAL_VARIANT_END

}  // namespace shoal::memory
