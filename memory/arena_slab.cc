// Slabs: chunks cut into cells. Claiming a cell, making a slab, giving an empty one back. Claimer
// and giver each write their word and then read the other's, both sequentially consistent, so one
// of them sees the other. See arena.h.
#include <algorithm>

#include "memory/arena.h"
#include "memory/seeded_faults.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

namespace {

// Chunks looked at for a slab with room, behind the one of the hint, before a new one is made.
constexpr std::uint32_t kSlabLooks = 64;
constexpr int kNewSlabs = 8;

bool is_slab_of(std::uint64_t word, unsigned size) {
  return block_state(word) == BlockState::kSlab && slab_size(word) == size;
}

}  // namespace

absl::Status ArenaMemory::claim_cell(Caller& caller, unsigned size, BlockFor block_for,
                                     const Intent& intent, Place& place) const {
  const std::uint32_t hint = header().cell_hints[size].load();
  const std::uint32_t chunk = hint / kCellsPerChunkMax;
  const std::uint32_t start = hint % kCellsPerChunkMax;
  if (chunk < geometry_.chunk_count && claim_cell_in(caller, chunk, start, size, intent, place)) {
    return absl::OkStatus();
  }
  if (claim_cell_among(caller, chunk + 1, kSlabLooks, size, intent, place)) return absl::OkStatus();
  std::uint32_t made = 0;
  absl::Status status = absl::OkStatus();
  // A new slab may be full, or gone, before its maker has a cell of it.
  for (int attempt = 0; status.ok() && attempt < kNewSlabs; ++attempt) {
    status = make_slab(caller, size, block_for, made);
    if (status.ok() && claim_cell_in(caller, made, 0, size, intent, place)) return status;
  }
  if (claim_cell_among(caller, chunk, chunks_ever_used(), size, intent, place)) {
    return absl::OkStatus();
  }
  if (!status.ok()) return status;
  return absl::ResourceExhaustedError("new slabs are full before they can be used: try again");
}

bool ArenaMemory::claim_cell_among(Caller& caller, std::uint32_t first, std::uint32_t looks,
                                   unsigned size, const Intent& intent, Place& place) const {
  const std::uint32_t ever = chunks_ever_used();
  for (std::uint32_t i = 0; i < std::min(looks, ever); ++i) {
    const auto chunk = static_cast<std::uint32_t>((std::uint64_t{first} + i) % ever);
    if (claim_cell_in(caller, chunk, 0, size, intent, place)) return true;
  }
  return false;
}

bool ArenaMemory::claim_cell_in(Caller& caller, std::uint32_t chunk, std::uint32_t start,
                                unsigned size, const Intent& intent, Place& place) const {
  if (!is_slab_of(chunk_word(chunk).load(), size)) return false;
  const std::uint32_t cells = cells_in_slab(size);
  for (std::uint32_t i = 0; i < cells; ++i) {
    const std::uint32_t cell = (start + i) % cells;
    std::uint64_t word = cell_word(chunk, cell).load(std::memory_order_relaxed);
    if (block_state(word) != BlockState::kFree) continue;
    const Place claimed = cell_place(chunk, cell);
    if (!has_fault(Fault::kClaimBeforeIntent)) intent.move(claimed);
    if (!cell_word(chunk, cell).change(word, claimed_word(word, caller.owner))) continue;
    if (has_fault(Fault::kClaimBeforeIntent)) intent.move(claimed);
    const std::uint64_t seen = chunk_word(chunk).load(std::memory_order_seq_cst);
    if (!is_slab_of(seen, size) && !has_fault(Fault::kClaimIgnoresClosing)) {
      release_claimed(claimed, caller.owner);
      return false;
    }
    header().cell_hints[size].store(chunk * kCellsPerChunkMax + (cell + 1) % cells,
                                    std::memory_order_relaxed);
    place = claimed;
    return true;
  }
  return false;
}

absl::Status ArenaMemory::make_slab(Caller& caller, unsigned size, BlockFor block_for,
                                    std::uint32_t& chunk) const {
  absl::StatusOr<Intent> intent = begin(caller, block_for, Place{}, false);
  if (!intent.ok()) return intent.status();
  Place place;
  absl::Status status = claim_run(caller, 1, block_for, *intent, place);
  if (status.ok() && !back_run(place)) {
    release_claimed(place, caller.owner);
    status = absl::ResourceExhaustedError("the host has no memory for another 65536 bytes");
  }
  if (status.ok()) {
    std::uint64_t word = chunk_word(place.chunk).load();
    (void)chunk_word(place.chunk).change(word, slab_word(word, size));
    chunk = place.chunk;
  } else if (intent->reserved) {
    give_back(1);
  }
  intent->end();
  return status;
}

bool ArenaMemory::has_empty_slab(std::uint32_t chunk) const {
  const std::uint64_t word = chunk_word(chunk).load(std::memory_order_seq_cst);
  const BlockState state = block_state(word);
  if (state != BlockState::kSlab && state != BlockState::kClosing) return false;
  if (slab_size(word) >= kCellSizes) return false;
  for (std::uint32_t cell = 0; cell < cells_in_slab(slab_size(word)); ++cell) {
    const std::uint64_t seen = cell_word(chunk, cell).load(std::memory_order_seq_cst);
    if (block_state(seen) != BlockState::kFree) return false;
  }
  return true;
}

bool ArenaMemory::close_slab(Caller& caller, std::uint32_t chunk, BlockFor block_for) const {
  std::uint64_t word = chunk_word(chunk).load();
  if (block_state(word) != BlockState::kSlab || !has_empty_slab(chunk)) return false;
  const absl::StatusOr<Intent> intent = begin(caller, block_for, run_place(chunk, 1), false);
  if (!intent.ok()) return false;
  bool closed = false;
  const std::uint64_t closing = closing_word(word, caller.owner);
  if (chunk_word(chunk).change(word, closing)) {
    std::uint64_t expected = closing;
    closed = has_empty_slab(chunk) || has_fault(Fault::kSlabIgnoresClaims);
    closed = chunk_word(chunk).change(
                 expected, closed ? free_word(closing) : slab_word(closing, slab_size(closing))) &&
             closed;
    if (closed) give_back(1);
  }
  intent->end();
  return closed;
}

bool ArenaMemory::close_empty_slabs(Caller& caller, BlockFor block_for) const {
  bool any = false;
  const std::uint32_t ever = chunks_ever_used();
  for (std::uint32_t chunk = 0; chunk < ever; ++chunk) {
    any = close_slab(caller, chunk, block_for) || any;
  }
  return any;
}

SHOAL_VARIANT_END

}  // namespace shoal::memory
