// What the manager does now and then: gives memory back to the kernel, counts anew. And the usage
// figures that tools show. See arena.h.
#include <algorithm>

#include "memory/arena.h"
#include "memory/seeded_faults.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

namespace {

// Chunks that the manager holds at once while they are punched: nobody else can have them then.
constexpr std::uint32_t kPunchedAtOnce = 64;

bool may_have_memory(std::uint64_t word) { return (word & (kWordDirty | kWordBacked)) != 0; }

std::uint64_t mixed(std::uint64_t value) {
  value ^= value >> 32;
  value *= 0xd6e8feb86659fd93;
  return value ^ value >> 32;
}

}  // namespace

// A sum over the chunk table; two equal ones on end saw the same table, since a word that was free
// in between has another sequence.
struct ArenaMemory::Tally {
  std::uint64_t used = 0;
  std::uint64_t sum = 0;
  bool operator==(const Tally&) const = default;
};

ArenaMemory::Tally ArenaMemory::tally() const {
  Tally tally;
  const std::uint32_t ever = chunks_ever_used();
  for (std::uint32_t chunk = 0; chunk < ever; ++chunk) {
    const std::uint64_t word = chunk_word(chunk).load();
    if (block_state(word) != BlockState::kFree) ++tally.used;
    tally.sum += mixed(word + chunk);
  }
  return tally;
}

bool ArenaMemory::recount(Busy busy) {
  std::uint64_t before = header().used_chunks.load(std::memory_order_seq_cst);
  if (busy.busy == nullptr || busy.busy(busy.context)) return false;
  const Tally first = tally();
  if (!(first == tally()) || busy.busy(busy.context)) return false;
  return header().used_chunks.change(before, first.used);
}

std::uint64_t ArenaMemory::activity() const {
  const ArenaHeader& h = header();
  std::uint64_t sum = mixed(h.used_chunks.load()) + mixed(h.chunk_hint.load() + (1ULL << 40)) + 1;
  for (const Word32& hint : h.cell_hints) sum = mixed(sum + hint.load());
  return sum;
}

std::uint64_t ArenaMemory::collect(Caller& manager, QuietWatch& watch, std::uint64_t now_ns,
                                   std::uint64_t warm_chunks, std::uint32_t slice, Punch punch) {
  if (watch.seen != activity()) {
    watch = {.seen = activity(), .since_ns = now_ns};
    return 0;
  }
  if (now_ns < watch.since_ns || now_ns - watch.since_ns < kQuietNs) return 0;
  const std::uint32_t ever = chunks_ever_used();
  std::uint64_t punched = 0;
  while (watch.cursor < ever && slice > 0) {
    const std::uint32_t chunk = watch.cursor;
    (void)close_slab(manager, chunk, BlockFor{});
    const std::uint64_t word = chunk_word(chunk).load();
    std::uint32_t looked = 1;
    if (block_state(word) == BlockState::kFree && may_have_memory(word)) {
      if (watch.warm < warm_chunks) {
        ++watch.warm;
      } else {
        const std::uint32_t count =
            punch_from(manager, chunk, std::min(slice, ever - chunk), punch);
        punched += count;
        looked = std::max(looked, count);
      }
    }
    watch.cursor += looked;
    slice -= looked;
  }
  // Cells that become free show nowhere: another pass follows after another second.
  if (watch.cursor >= ever) watch = {.since_ns = now_ns};
  watch.seen = activity();
  return punched;
}

// Punches the free chunks from `first` on that have memory, claimed meanwhile. Returns how many.
std::uint32_t ArenaMemory::punch_from(Caller& manager, std::uint32_t first, std::uint32_t most,
                                      Punch punch) const {
  const auto is_cold = [&](std::uint64_t word) {
    return block_state(word) == BlockState::kFree && may_have_memory(word);
  };
  most = std::min(most, kPunchedAtOnce);
  std::uint32_t end = 0;
  while (end < most && is_cold(chunk_word(first + end).load())) ++end;
  if (end == 0) return 0;
  const absl::StatusOr<Intent> intent = begin(manager, BlockFor{}, run_place(first, end), false);
  if (!intent.ok()) return 0;
  std::uint32_t count = 0;
  for (; count < end; ++count) {
    std::uint64_t word = chunk_word(first + count).load();
    if (!is_cold(word)) break;
    if (!chunk_word(first + count).change(word, claimed_word(word, manager.owner))) break;
  }
  const bool done =
      count > 0 && punch.punch != nullptr &&
      punch.punch(punch.context, geometry_.chunks + first * kChunkBytes, count * kChunkBytes);
  for (std::uint32_t i = 0; i < count; ++i) {
    std::uint64_t word = chunk_word(first + i).load();
    const std::uint64_t next = free_word(word);
    (void)chunk_word(first + i).change(word, done ? next & ~(kWordDirty | kWordBacked) : next);
  }
  intent->end();
  return done ? count : 0;
}

// ---- usage ----

ArenaUsage ArenaMemory::usage(std::uint32_t index) const {
  ArenaUsage usage;
  const auto counts = [&](std::uint64_t word) {
    return is_owned_state(block_state(word)) && (index == 0 || block_object(word) == index);
  };
  const std::uint32_t ever = chunks_ever_used();
  for (std::uint32_t chunk = 0; chunk < ever; ++chunk) {
    const std::uint64_t word = chunk_word(chunk).load();
    const BlockState state = block_state(word);
    if (counts(word)) {
      ++usage.run_chunks;
      if ((word & kWordHead) != 0) ++usage.runs;
    } else if (state == BlockState::kFree && may_have_memory(word)) {
      ++usage.warm_chunks;
    } else if (state == BlockState::kClaimed) {
      ++usage.claimed_chunks;
    }
    if (state != BlockState::kSlab && state != BlockState::kClosing) continue;
    const unsigned size = slab_size(word);
    if (size >= kCellSizes) continue;
    ++usage.cells[size].slabs;
    for (std::uint32_t cell = 0; cell < cells_in_slab(size); ++cell) {
      const std::uint64_t seen = cell_word(chunk, cell).load();
      if (counts(seen)) ++usage.cells[size].owned;
      if (block_state(seen) == BlockState::kClaimed) ++usage.cells[size].claimed;
    }
  }
  return usage;
}

std::uint64_t ArenaUsage::used_chunks() const {
  std::uint64_t chunks = run_chunks + claimed_chunks;
  for (const Cells& size : cells) chunks += size.slabs;
  return chunks;
}

std::uint64_t ArenaUsage::owned_bytes() const {
  std::uint64_t bytes = run_chunks * kChunkBytes;
  for (unsigned size = 0; size < kCellSizes; ++size) bytes += cells[size].owned * cell_bytes(size);
  return bytes;
}

std::uint64_t ArenaUsage::backed_bytes() const {
  return (used_chunks() + warm_chunks) * kChunkBytes;
}

SHOAL_VARIANT_END

}  // namespace shoal::memory
