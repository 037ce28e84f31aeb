// What becomes of the blocks of the dead: of threads that died with an intent, and of destroyed
// objects. See arena.h.
#include "memory/arena.h"
#include "memory/seeded_faults.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

bool ArenaMemory::recover_intents(ThreadRecord& record, std::uint32_t owner, Reaches reaches) {
  if (!has_intent(record)) return false;
  if (has_fault(Fault::kIntentForgotten)) return true;
  for (unsigned i = 0; i < kIntentsMax; ++i) {
    const std::uint64_t noted = record.intent_at(i).load();
    if (noted == 0) continue;
    const std::uint64_t noted_for = record.intent_for.load();
    const BlockFor block_for{.object = noted_for >> 32 << 32 | (noted_for & (kDescriptorsMax - 1)),
                             .part = intent_part(noted)};
    const Intent intent{.record = &record, .at = i, .part = block_for.part};
    const Place place{.chunk = intent_chunk(noted), .extent = intent_extent(noted)};
    if (is_inside(place)) {
      const bool freeing = (noted_for >> (kFreeingShift + i) & 1) != 0;
      const std::uint32_t freed = freeing ? recover_free(place, owner, block_for, intent, reaches)
                                          : recover_claim(place, owner, block_for, reaches);
      // What the manager claims to punch it is not counted as used.
      if (!place.is_cell() && slot_of_owner(owner) != kManagerSlot) give_back(freed);
    }
    intent.end();
  }
  return true;
}

// The size of the cells decides the offset of one; 4: its chunk is no slab, so nothing reaches it.
unsigned ArenaMemory::size_of_cells(Place place) const {
  const std::uint64_t word = chunk_word(place.chunk).load();
  const BlockState state = block_state(word);
  if (state != BlockState::kSlab && state != BlockState::kClosing) return kCellSizes;
  const unsigned size = slab_size(word);
  return size < kCellSizes && place.extent <= cells_in_slab(size) ? size : kCellSizes;
}

bool ArenaMemory::is_reached(Place place, BlockFor block_for, Reaches reaches) const {
  if (has_fault(Fault::kRecoverFreesReached)) return false;
  const unsigned size = place.is_cell() ? size_of_cells(place) : 0;
  return size < kCellSizes && reaches.reaches != nullptr &&
         reaches.reaches(reaches.context, block_for.object, block_for.part, offset_of(place, size));
}

std::uint32_t ArenaMemory::recover_free(Place place, std::uint32_t owner, BlockFor block_for,
                                        const Intent& intent, Reaches reaches) const {
  const BlockState head = block_state(word_of(place, 0).load());
  if (is_kept_state(head) && is_reached(place, block_for, reaches)) return 0;
  return let_go(place, block_for) == LetGo::kFree ? finish_free(place, owner, block_for, intent)
                                                  : 0;
}

std::uint32_t ArenaMemory::recover_claim(Place place, std::uint32_t owner, BlockFor block_for,
                                         Reaches reaches) const {
  const auto index = static_cast<std::uint32_t>(block_for.object);
  bool asked = false;
  bool reached = false;
  std::uint32_t freed = 0;
  for (std::uint32_t i = 0; i < place.count(); ++i) {
    std::uint64_t word = word_of(place, i).load();
    const BlockState state = block_state(word);
    const bool claimed = state == BlockState::kClaimed;
    if ((!claimed && state != BlockState::kClosing) || block_claimer(word) != owner) continue;
    if (!claimed) {
      if (has_fault(Fault::kClosingForgotten)) continue;
      (void)word_of(place, i).change(word, slab_word(word, slab_size(word)));
      continue;
    }
    if (!asked) reached = is_reached(place, block_for, reaches);
    asked = true;
    const std::uint64_t next =
        reached ? owned_word(word, index, block_for.part, i == 0) : free_word(word);
    if (word_of(place, i).change(word, next) && !reached) ++freed;
  }
  return freed;
}

bool ArenaMemory::free_all(Gone gone, std::uint32_t& cursor, std::uint32_t slice) {
  const auto free_owned = [&](Word64& place) {
    std::uint64_t word = place.load();
    return is_owned_state(block_state(word)) && gone.gone(gone.context, block_object(word)) &&
           place.change(word, free_word(word));
  };
  const std::uint32_t ever = chunks_ever_used();
  std::uint64_t freed = 0;
  for (; cursor < ever && slice > 0; ++cursor, --slice) {
    const std::uint64_t word = chunk_word(cursor).load();
    if (free_owned(chunk_word(cursor))) ++freed;
    const BlockState state = block_state(word);
    if (state != BlockState::kSlab && state != BlockState::kClosing) continue;
    const unsigned size = slab_size(word);
    for (std::uint32_t cell = 0; size < kCellSizes && cell < cells_in_slab(size); ++cell) {
      (void)free_owned(cell_word(cursor, cell));
    }
  }
  give_back(freed);
  return cursor >= ever;
}

SHOAL_VARIANT_END

}  // namespace shoal::memory
