// Where a free run of chunks is found and how it is claimed. See arena.h.
#include <algorithm>

#include "absl/strings/str_cat.h"

#include "memory/arena.h"
#include "memory/seeded_faults.h"
#include "memory/shared_copy.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

namespace {

// Words looked at from the hint on, before chunks that were never used are taken instead.
constexpr std::uint32_t kLooks = 1024;

}  // namespace

// What a search for a run was asked for, and how far it came.
struct ArenaMemory::Search {
  Caller& caller;
  std::uint32_t count;
  Intent& intent;
  Place& place;
  bool last_resort = false;
  bool over_quota = false;
};

std::uint64_t ArenaMemory::quota_for(bool last_resort) const {
  const std::uint64_t quota = header().quota_chunks.load();
  const std::uint64_t more = last_resort ? kept_chunks() : 0;
  return quota > ~more ? quota : quota + more;
}

bool ArenaMemory::reserve(std::uint32_t chunks, bool last_resort) const {
  std::uint64_t used = header().used_chunks.load();
  do {
    const std::uint64_t quota = quota_for(last_resort);
    if (used > quota || chunks > quota - used) return false;
  } while (!header().used_chunks.change(used, used + chunks));
  return true;
}

void ArenaMemory::give_back(std::uint64_t chunks) const {
  if (chunks == 0) return;
  std::uint64_t used = header().used_chunks.load();
  while (!header().used_chunks.change(used, used - std::min(used, chunks))) {
  }
}

// Whether so many chunks can be free at all: of a full arena nothing is looked through. used_chunks
// is never below the truth.
bool ArenaMemory::may_have_room(std::uint32_t count, bool last_resort, bool& over_quota) const {
  const std::uint64_t used = header().used_chunks.load();
  const std::uint64_t quota = quota_for(last_resort);
  const std::uint64_t there = geometry_.chunk_count - (last_resort ? 0 : kept_chunks());
  over_quota = used > quota || count > quota - used;
  return !over_quota && used <= there && count <= there - used;
}

// The first free run that begins at `first` or behind it and ends before `last`; sets `first`.
bool ArenaMemory::find_run(std::uint32_t& first, std::uint32_t last, std::uint32_t count) const {
  std::uint32_t begin = first;
  for (std::uint32_t at = first; at < last; ++at) {
    if (block_state(chunk_word(at).load(std::memory_order_relaxed)) != BlockState::kFree) {
      begin = at + 1;
    } else if (at + 1 - begin == count) {
      first = begin;
      return true;
    }
  }
  return false;
}

// All of the run or nothing; `conflict`: which chunk somebody else had got.
bool ArenaMemory::claim_run_at(Caller& caller, Place place, std::uint32_t& conflict) const {
  for (std::uint32_t i = 0; i < place.count(); ++i) {
    std::uint64_t word = chunk_word(place.chunk + i).load();
    if (block_state(word) == BlockState::kFree &&
        chunk_word(place.chunk + i).change(word, claimed_word(word, caller.owner))) {
      continue;
    }
    conflict = place.chunk + i;
    if (i != 0) release_claimed(run_place(place.chunk, i), caller.owner);
    return false;
  }
  return true;
}

bool ArenaMemory::claim_run_in(Search& search, std::uint32_t first, std::uint32_t last) const {
  while (!search.over_quota && find_run(first, last, search.count)) {
    const Place place = run_place(first, search.count);
    if (!has_fault(Fault::kClaimBeforeIntent)) search.intent.move(place);
    if (!search.intent.reserved &&
        !(search.intent.reserved = reserve(search.count, search.last_resort))) {
      search.over_quota = true;
      return false;
    }
    // Before the claim, so that whatever is not free lies below it.
    const std::uint32_t end = first + search.count;
    std::uint32_t highest = header().highest_chunk.load();
    while (highest < end && !header().highest_chunk.change(highest, end)) {
    }
    std::uint32_t conflict = 0;
    if (claim_run_at(search.caller, place, conflict)) {
      if (has_fault(Fault::kClaimBeforeIntent)) search.intent.move(place);
      header().chunk_hint.store(end, std::memory_order_relaxed);
      search.place = place;
      return true;
    }
    first = conflict + 1;
  }
  return false;
}

// From the hint on first, then where nobody was yet, then everywhere.
bool ArenaMemory::claim_run_anywhere(Search& search) const {
  const std::uint32_t ever = chunks_ever_used();
  if (header().used_chunks.load() < ever) {
    const std::uint32_t hint = std::min(header().chunk_hint.load(), ever);
    const std::uint32_t looks = std::max(kLooks, 2 * std::min(search.count, ever));
    const std::uint32_t ahead = std::min(looks, ever - hint);
    if (claim_run_in(search, hint, hint + ahead)) return true;
    if (claim_run_in(search, 0, std::min(hint, looks - ahead))) return true;
  }
  return claim_run_in(search, ever, geometry_.chunk_count) ||
         claim_run_in(search, 0, geometry_.chunk_count);
}

absl::Status ArenaMemory::claim_run(Caller& caller, std::uint32_t count, BlockFor block_for,
                                    Intent& intent, Place& place) const {
  Search search{.caller = caller,
                .count = count,
                .intent = intent,
                .place = place,
                .last_resort = block_for.last_resort};
  // Twice: empty slabs are given back before the arena counts as full.
  for (int attempt = 0; attempt < 2; ++attempt) {
    search.over_quota = false;
    // What was reserved at the first attempt is in the count already.
    if ((intent.reserved || may_have_room(count, search.last_resort, search.over_quota)) &&
        claim_run_anywhere(search)) {
      return absl::OkStatus();
    }
    if (!close_empty_slabs(caller, block_for)) break;
  }
  if (search.over_quota) {
    // Whoever may write the arena may have written these.
    const auto bytes = [&](std::uint64_t chunks) {
      return std::min<std::uint64_t>(chunks, geometry_.chunk_count) * kChunkBytes;
    };
    return absl::ResourceExhaustedError(
        absl::StrCat("the arena's quota and the manager's memory-max leave its own memory ",
                     bytes(header().quota_chunks.load()), " bytes, ",
                     bytes(header().used_chunks.load()), " are taken, ", bytes(count),
                     " more asked for: remove objects, or raise what is full (shoalctl df)"));
  }
  return absl::ResourceExhaustedError(
      absl::StrCat("the arena has no ", count * kChunkBytes,
                   " bytes in one piece: remove objects or make a larger arena"));
}

// Memory behind every chunk of a claimed run that has none; the claimed words say so then.
bool ArenaMemory::back_run(Place place) const {
  const auto is_backed = [&](std::uint32_t i) {
    return (word_of(place, i).load() & kWordBacked) != 0;
  };
  for (std::uint32_t i = 0; i < place.count();) {
    const std::uint32_t first = i;
    while (i < place.count() && !is_backed(i)) ++i;
    if (i > first && commit_.commit != nullptr) {
      const std::uint64_t offset = geometry_.chunks + (place.chunk + first) * kChunkBytes;
      if (!commit_.commit(commit_.context, offset, (i - first) * kChunkBytes)) return false;
    }
    for (std::uint32_t j = first; j < i; ++j) {
      std::uint64_t word = word_of(place, j).load();
      (void)word_of(place, j).change(word, word | kWordBacked);
    }
    while (i < place.count() && is_backed(i)) ++i;
  }
  return true;
}

// Stale readers may still look at the bytes: who claimed the block comes before what it writes.
void ArenaMemory::zero(std::uint64_t offset, std::uint64_t bytes) const {
  if (has_fault(Fault::kDirtyBlockGiven)) return;
  fence_stores();
  copy_in(arena_ + offset, nullptr, 0, bytes);
}

SHOAL_VARIANT_END

}  // namespace shoal::memory
