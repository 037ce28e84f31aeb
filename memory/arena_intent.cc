// Where blocks and their words are, and the intents that cover them. See arena.h.
#include <algorithm>

#include "absl/strings/str_cat.h"

#include "memory/arena.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

bool ArenaMemory::is_inside(Place place) const {
  return place.extent != 0 && place.chunk < geometry_.chunk_count &&
         place.count() <= geometry_.chunk_count - place.chunk;
}

bool ArenaMemory::place_of(std::uint64_t block, std::uint64_t bytes, Place& place) const {
  const std::uint64_t aligned = std::min(block_size(bytes), kChunkBytes);
  if (aligned == 0 || block < geometry_.chunks || block >= geometry_.file_bytes) return false;
  const std::uint64_t at = block - geometry_.chunks;
  if (at % aligned != 0) return false;
  const auto chunk = static_cast<std::uint32_t>(at / kChunkBytes);
  place = aligned < kChunkBytes || bytes <= cell_bytes(kCellSizes - 1)
              ? cell_place(chunk, static_cast<std::uint32_t>(at % kChunkBytes / aligned))
              : run_place(chunk, static_cast<std::uint32_t>(block_size(bytes) / kChunkBytes));
  return is_inside(place);
}

std::uint64_t ArenaMemory::offset_of(Place place, unsigned size) const {
  const std::uint64_t chunk = geometry_.chunks + place.chunk * kChunkBytes;
  return place.is_cell() ? chunk + (place.extent - 1) * cell_bytes(size) : chunk;
}

Word64& ArenaMemory::chunk_word(std::uint32_t chunk) const {
  return reinterpret_cast<Word64*>(arena_ + geometry_.chunk_table)[chunk];
}

Word64& ArenaMemory::cell_word(std::uint32_t chunk, std::uint32_t cell) const {
  return reinterpret_cast<Word64*>(
      arena_ + geometry_.cell_table)[std::uint64_t{chunk} * kCellsPerChunkMax + cell];
}

Word64& ArenaMemory::word_of(Place place, std::uint32_t i) const {
  return place.is_cell() ? cell_word(place.chunk, place.extent - 1) : chunk_word(place.chunk + i);
}

std::uint32_t ArenaMemory::chunks_ever_used() const {
  return std::min(header().highest_chunk.load(), geometry_.chunk_count);
}

// ---- intents ----

bool ArenaMemory::has_intent(ThreadRecord& record) {
  for (unsigned i = 0; i < kIntentsMax; ++i) {
    if (record.intent_at(i).load() != 0) return true;
  }
  return false;
}

void ArenaMemory::forget_intents(ThreadRecord& record) {
  for (unsigned i = 0; i < kIntentsMax; ++i) {
    if (record.intent_at(i).load() != 0) record.intent_at(i).store(0);
  }
}

// Which of the caller's intents is for this place; kIntentsMax: none.
unsigned ArenaMemory::intent_of(const Caller& caller, Place place, std::uint32_t part) {
  const std::uint64_t noted = intent_word(place.chunk, place.extent, part);
  unsigned i = 0;
  while (i < kIntentsMax && caller.record->intent_at(i).load() != noted) ++i;
  return i;
}

absl::StatusOr<ArenaMemory::Intent> ArenaMemory::begin(Caller& caller, BlockFor block_for,
                                                       Place place, bool freeing) const {
  ThreadRecord& record = *caller.record;
  unsigned at = kIntentsMax;
  std::uint64_t noted = 0;
  for (unsigned i = 0; i < kIntentsMax; ++i) {
    if (record.intent_at(i).load() == 0) {
      at = std::min(at, i);
    } else {
      noted = record.intent_for.load();
    }
  }
  if (at == kIntentsMax) {
    return absl::FailedPreconditionError(absl::StrCat(
        "a thread can have ", kIntentsMax, " blocks in flight: own or free one of them first"));
  }
  const std::uint64_t bits = ((std::uint64_t{1} << kIntentsMax) - 1) << kFreeingShift;
  if (noted == 0) noted = block_for.object;
  if (block_for.object != 0 && (noted & ~bits) != block_for.object) {
    return absl::FailedPreconditionError(
        "a thread has blocks in flight for another object: own or free them first");
  }
  const std::uint64_t bit = std::uint64_t{1} << (kFreeingShift + at);
  record.intent_for.store(freeing ? noted | bit : noted & ~bit);
  const Intent intent{.record = &record, .at = at, .part = block_for.part};
  if (place.extent != 0) intent.move(place);
  return intent;
}

void ArenaMemory::Intent::move(Place place) const {
  record->intent_at(at).store(intent_word(place.chunk, place.extent, part));
}

void ArenaMemory::Intent::take_back_freeing() const {
  const std::uint64_t bit = std::uint64_t{1} << (kFreeingShift + at);
  record->intent_for.store(record->intent_for.load() & ~bit);
}

void ArenaMemory::Intent::end() const { record->intent_at(at).store(0); }

SHOAL_VARIANT_END

}  // namespace shoal::memory
