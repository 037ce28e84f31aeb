// The allocator of an arena: blocks of memory for the objects in it. A block is a cell of a slab
// (256 B, 1, 4, 16 KiB) or a run of whole chunks; bit layouts are in layout.h. Called by any thread
// of any process that may write the arena, and by the manager. Takes no lock, makes no system call
// but through `Commit`, knows no objects: whether a block is in use is asked of the caller.
//
//   allocate  intent -> claim (compare-and-swap) -> commit memory -> zero it       block: claimed
//             the caller fills the block and stores the object's root word
//   own       claimed -> owned by {object, part} -> intent cleared                 block: owned
//   retire    intent, "freeing"; then the caller takes the block out of the root word
//   free      owned -> going (runs) -> claimed by who frees it -> free -> intent cleared  free
//   pin       the manager, for a session that reads a run without a copy: owned -> pinned. Who
//             frees it then only lets go of it, and the manager frees it at the last unpin.
//
// Rules for callers:
//  1. Between allocate and own (or free, if it is not needed after all) store the root word. `own`
//     comes before the lock that covers the root word is let go, and the root word is stored before
//     `own`. Whoever takes a block out of the root word calls `retire` before, under that lock, and
//     `free` afterwards, when nobody needs the lock any more.
//  2. A thread has at most kIntentsMax blocks in flight at once, all for one object. A slab that
//     must be made takes one more while it is made, a `free` one while it runs: two new blocks and
//     one given back always fit.
//  3. The manager recovers a dead thread's intents before it recovers the locks that the thread
//     held, so that the root words they covered stand still. It uses a slot again, and an object's
//     index, only after recover_intents for all threads of the slot, free_all for the object.
//  4. An index of an object is not used again while a block for it is in flight; references see to
//     that: who allocates for an object has it attached.
//
// Invariants:
//  1. Every word changes by compare-and-swap, and one that is not free names who may change it.
//  2. A claimed word lies in the range of one of its claimer's intents, which is written before the
//     claim, and only over words that were seen free or that the claimer may free.
//  3. While an intent says "freeing", the head of its block is still owned by what it was owned by,
//     or claimed by who frees it: nobody else can have got it. Chunks behind the head are freed
//     from the last to the second, so what is left of them follows the head without a gap.
//  4. A cell is claimed for good only if its chunk is seen to be that slab after the claim. A slab
//     is given back only if all cells are seen free after it was marked closing. One of the two
//     sees the other.
//  5. used_chunks is never below the truth: it is raised before the claim, lowered after the free.
//     Quota is checked against it. recount() mends it. highest_chunk and the hints are hints.
//
// What if a process dies here?
//  - Before its claim: the intent names a free range, or one that others have claimed since, whose
//    words do not name the dead thread: nothing to do.
//  - With a claim, or a part of a run: the words name it. Reached from the root word (the callback
//    says): they become owned. Not reached: free.
//  - After own, before the intent is cleared: nothing in the range is claimed any more.
//  - After retire: its intent says "freeing", and the block is reached still: it stays. Or not any
//    more: it is freed.
//  - While it frees: as after retire. What is left of the run is found from the head on,
//    and freed. Once the head is claimed, "freeing" is taken back, so the range is searched for
//    words of the dead thread only; whoever gets the head afterwards is safe.
//  - While it makes a slab: the chunk is claimed, and freed. While it closes one: it is a slab
//    again, whatever became of the cells.
//  - In the middle of recovery, the manager: it did what the dead thread would have done, in its
//    name, so the next manager finds one of the states above.
//  - A run that is going is freed as one after retire; one that is let go waits for its last view.
//  - used_chunks is too high by what was in flight, until recount().
//
// Every byte here is hostile. Ranges come from the caller or are checked against the geometry; all
// loops are bounded by it; what is not as expected is DATA_LOSS, and changes nothing beyond words
// that carry the expected owner.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "memory/caller.h"
#include "memory/layout.h"
#include "memory/session_page.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

// For what a block is. Part: which of an object's blocks, as the object numbers them; 0 if it has
// only one.
struct BlockFor {
  std::uint64_t object = 0;  // id
  std::uint32_t part = 0;    // below kPartsMax
  // For what takes away: it may have the last chunks of the arena, and some beyond its quota.
  bool last_resort = false;
};

// Callbacks are plain functions with a context, so that no call allocates.

// Puts memory behind bytes of the arena, as fallocate does. False: there is none.
struct Commit {
  bool (*commit)(void* context, std::uint64_t offset, std::uint64_t bytes) = nullptr;
  void* context = nullptr;
};

// Takes the memory behind bytes away again, so that they read 0. False: it is still there.
struct Punch {
  bool (*punch)(void* context, std::uint64_t offset, std::uint64_t bytes) = nullptr;
  void* context = nullptr;
};

// Whether the block is reached from the root words of the object's part. Also asked about objects
// and parts that do not exist: false.
struct Reaches {
  bool (*reaches)(void* context, std::uint64_t object, std::uint32_t part,
                  std::uint64_t block) = nullptr;
  void* context = nullptr;
};

// Whether the object at this index is no more: its blocks may go. Also asked about indexes that
// were never used.
struct Gone {
  bool (*gone)(void* context, std::uint32_t index) = nullptr;
  void* context = nullptr;
};

// Whether some thread of some session has an intent.
struct Busy {
  bool (*busy)(void* context) = nullptr;
  void* context = nullptr;
};

// What is where, as the tables said while they were read.
struct ArenaUsage {
  struct Cells {
    std::uint64_t slabs = 0;  // chunks cut into cells of this size
    std::uint64_t owned = 0;
    std::uint64_t claimed = 0;
  };
  Cells cells[kCellSizes];
  std::uint64_t runs = 0;            // owned blocks of whole chunks
  std::uint64_t run_chunks = 0;      // in them
  std::uint64_t claimed_chunks = 0;  // in flight
  std::uint64_t warm_chunks = 0;     // free, with memory behind them

  [[nodiscard]] std::uint64_t used_chunks() const;
  [[nodiscard]] std::uint64_t owned_bytes() const;  // in cells and runs
  [[nodiscard]] std::uint64_t backed_bytes() const;
};

// What the manager remembers of an arena between two visits of `collect`.
struct QuietWatch {
  std::uint64_t seen = 0;
  std::uint64_t since_ns = 0;
  std::uint32_t cursor = 0;
  std::uint64_t warm = 0;  // met so far in this pass
};
inline constexpr std::uint64_t kQuietNs = 1'000'000'000;

// Writes the header of a new arena, all of it, the magic last.
struct NewArena {
  std::uint32_t layout = 0;
  std::uint64_t bytes = 0;  // of its chunks
  std::uint64_t id = 0;
  std::uint64_t manager = 0;
  std::uint64_t quota_chunks = 0;
};
void lay_arena(std::byte* arena, const NewArena& fresh);
// Writes again what the manager alone may change there, where somebody else did; not what is
// derived. Whether there was something: recount() then. `now` as it was laid, with the quota of
// now.
bool mend_arena(std::byte* arena, const NewArena& now);

// Where the manager notes its own intents: Caller{.owner = owner_of(kManagerSlot, kManagerThread),
// .record = manager_record(arena)}. A new manager recovers them as a dead thread's.
ThreadRecord* manager_record(std::byte* arena);

class ArenaMemory {
 public:
  // `geometry` as the manager knows it; the whole of it is mapped at `arena`.
  ArenaMemory(std::byte* arena, const Geometry& geometry, Commit commit);

  // What a block for `bytes` takes of the arena; 0: there are no blocks of that size.
  static std::uint64_t block_size(std::uint64_t bytes);

  // The offset of a block of at least `bytes` zeroed bytes, claimed and backed by memory. Aligned
  // to the block's size or, if that is less, 64 KiB. RESOURCE_EXHAUSTED: quota, arena or host full.
  // `caller.record` is the caller's own and not null.
  absl::StatusOr<std::uint64_t> allocate(Caller& caller, std::uint64_t bytes, BlockFor block_for);

  // The root word names the block now. `block` and `bytes` as they were for allocate.
  absl::Status own(Caller& caller, std::uint64_t block, std::uint64_t bytes, BlockFor block_for);

  // The caller is about to take the block, owned by `block_for`, out of the root word, and will
  // free it then. Fails if too much is in flight.
  absl::Status retire(Caller& caller, std::uint64_t block, std::uint64_t bytes, BlockFor block_for);

  // Gives back a block that was retired, or is not reached for another reason; or one that the
  // caller has in flight and does not need.
  absl::Status free(Caller& caller, std::uint64_t block, std::uint64_t bytes, BlockFor block_for);

  // Whether the block is there, all of it, and `block_for` owns it.
  [[nodiscard]] bool is_owned(std::uint64_t block, std::uint64_t bytes, BlockFor block_for) const;

  // ---- by the manager, which counts whose pins there are ----

  // The run stays as it is until unpin, even if it is freed. False: it is not a run of the object
  // at this index, or is being freed. Again: no more than once.
  bool pin(std::uint64_t block, std::uint32_t object) const;
  // `object`: its id.
  void unpin(Caller& manager, std::uint64_t block, std::uint64_t object);

  // Whether `record` has something for recover_intents to do.
  static bool has_intent(ThreadRecord& record);
  // For a record whose thread has nothing in flight: whatever stands there is somebody's nonsense.
  static void forget_intents(ThreadRecord& record);

  // What the dead thread `owner` (slot and thread) was allocating or giving back. `record` is its
  // record itself, mapped, not a copy: what is done is noted there. True: there was something, and
  // used_chunks may be too high now, so recount() when it is quiet.
  bool recover_intents(ThreadRecord& record, std::uint32_t owner, Reaches reaches);

  // Frees all blocks of the objects that are gone, looking at no more than `slice` chunks from
  // `cursor` (0 at first) on, which it moves. True: done, for those that were gone at the first
  // call. They are destroyed, nobody uses them.
  bool free_all(Gone gone, std::uint32_t& cursor, std::uint32_t slice);

  // Mends used_chunks. False: somebody allocated meanwhile, nothing was changed.
  bool recount(Busy busy);

  // Another number whenever somebody has claimed or freed a block since: hardly ever the same.
  [[nodiscard]] std::uint64_t activity() const;
  // For the manager, now and then: once nobody has allocated for kQuietNs, gives back empty slabs,
  // and of the free chunks that have memory behind them all but `warm_chunks`, looking at no more
  // than `slice` chunks. Returns how many were punched.
  std::uint64_t collect(Caller& manager, QuietWatch& watch, std::uint64_t now_ns,
                        std::uint64_t warm_chunks, std::uint32_t slice, Punch punch);

  // Reads the tables; of one object, or of all (0). The arena may be mapped read-only.
  [[nodiscard]] ArenaUsage usage(std::uint32_t index = 0) const;

 private:
  // Where a block is: `extent` as in an intent. `count` words of a table belong to it.
  struct Place {
    std::uint32_t chunk = 0;
    std::uint32_t extent = 0;

    [[nodiscard]] bool is_cell() const { return extent <= kCellsPerChunkMax; }
    [[nodiscard]] std::uint32_t count() const { return is_cell() ? 1 : extent - kCellsPerChunkMax; }
  };
  static Place cell_place(std::uint32_t chunk, std::uint32_t cell) { return {chunk, cell + 1}; }
  static Place run_place(std::uint32_t chunk, std::uint32_t count) {
    return {chunk, kCellsPerChunkMax + count};
  }
  // A place inside the arena, or false.
  [[nodiscard]] bool is_inside(Place place) const;
  [[nodiscard]] bool place_of(std::uint64_t block, std::uint64_t bytes, Place& place) const;
  [[nodiscard]] std::uint64_t offset_of(Place place, unsigned size) const;

  [[nodiscard]] ArenaHeader& header() const { return *reinterpret_cast<ArenaHeader*>(arena_); }
  [[nodiscard]] Word64& chunk_word(std::uint32_t chunk) const;
  [[nodiscard]] Word64& cell_word(std::uint32_t chunk, std::uint32_t cell) const;
  [[nodiscard]] Word64& word_of(Place place, std::uint32_t i) const;
  [[nodiscard]] std::uint32_t chunks_ever_used() const;

  // One of the caller's intents: begun before the claim it is for, moved while a place is sought,
  // ended when nothing in its range is the caller's any more.
  struct Intent {
    ThreadRecord* record = nullptr;
    unsigned at = 0;
    std::uint32_t part = 0;
    bool reserved = false;  // quota was taken

    void move(Place place) const;
    void take_back_freeing() const;
    void end() const;
  };
  [[nodiscard]] static unsigned intent_of(const Caller& caller, Place place, std::uint32_t part);
  absl::StatusOr<Intent> begin(Caller& caller, BlockFor block_for, Place place, bool freeing) const;

  [[nodiscard]] std::uint64_t quota_for(bool last_resort) const;
  [[nodiscard]] bool reserve(std::uint32_t chunks, bool last_resort) const;  // of the quota
  // How many are kept for that; none where there are few.
  [[nodiscard]] std::uint32_t kept_chunks() const {
    return std::min(geometry_.chunk_count / 64, std::uint32_t{4});
  }
  void give_back(std::uint64_t chunks) const;
  [[nodiscard]] bool may_have_room(std::uint32_t count, bool last_resort, bool& over_quota) const;
  bool find_run(std::uint32_t& first, std::uint32_t last, std::uint32_t count) const;
  bool claim_run_at(Caller& caller, Place place, std::uint32_t& conflict) const;
  struct Search;
  bool claim_run_in(Search& search, std::uint32_t first, std::uint32_t last) const;
  bool claim_run_anywhere(Search& search) const;
  absl::Status claim_run(Caller& caller, std::uint32_t count, BlockFor block_for, Intent& intent,
                         Place& place) const;
  [[nodiscard]] bool back_run(Place place) const;
  void zero(std::uint64_t offset, std::uint64_t bytes) const;

  absl::Status claim_cell(Caller& caller, unsigned size, BlockFor block_for, const Intent& intent,
                          Place& place) const;
  bool claim_cell_in(Caller& caller, std::uint32_t chunk, std::uint32_t start, unsigned size,
                     const Intent& intent, Place& place) const;
  bool claim_cell_among(Caller& caller, std::uint32_t first, std::uint32_t looks, unsigned size,
                        const Intent& intent, Place& place) const;
  absl::Status make_slab(Caller& caller, unsigned size, BlockFor block_for,
                         std::uint32_t& chunk) const;
  [[nodiscard]] bool has_empty_slab(std::uint32_t chunk) const;
  bool close_slab(Caller& caller, std::uint32_t chunk, BlockFor block_for) const;
  bool close_empty_slabs(Caller& caller, BlockFor block_for) const;

  std::uint32_t release_claimed(Place place, std::uint32_t owner) const;
  // kShown: by a view, so the manager frees it once that has ended. kBefore: so it was already.
  enum class LetGo : std::uint8_t { kFree, kShown, kBefore };
  LetGo let_go(Place place, BlockFor block_for) const;
  std::uint32_t finish_free(Place place, std::uint32_t owner, BlockFor block_for,
                            const Intent& intent) const;
  [[nodiscard]] unsigned size_of_cells(Place place) const;
  [[nodiscard]] bool is_reached(Place place, BlockFor block_for, Reaches reaches) const;
  std::uint32_t recover_free(Place place, std::uint32_t owner, BlockFor block_for,
                             const Intent& intent, Reaches reaches) const;
  std::uint32_t recover_claim(Place place, std::uint32_t owner, BlockFor block_for,
                              Reaches reaches) const;
  struct Tally;
  [[nodiscard]] Tally tally() const;
  std::uint32_t punch_from(Caller& manager, std::uint32_t first, std::uint32_t most,
                           Punch punch) const;

  std::byte* arena_;
  Geometry geometry_;
  Commit commit_;
};

SHOAL_VARIANT_END

}  // namespace shoal::memory
