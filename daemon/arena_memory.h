// The memory of arenas: one sparse, sealed memfd each, made when the first object or client needs
// it and mapped here until there has been neither for a while. Every byte of it may be garbage; its
// geometry is the manager's own. What lies in it is known to memory/ (arena.h, recover.h); which
// objects there are, to Objects.
//
// Theory: a descriptor that is lent is an open file description of its own, since a reader must not
// get one that writes. SHRINK and GROW are sealed, so no access here can lose its pages.
//
// What if the manager dies here? A memfd without a descriptor or mapping is freed by the kernel.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "daemon/accounts.h"
#include "daemon/catalog.h"
#include "memory/arena.h"
#include "memory/containers.h"
#include "memory/layout.h"
#include "memory/session_page.h"
#include "schemas/unique_fd.h"

namespace shoal::daemon {

// One arena's.
class ArenaMemory {
 public:
  struct Spec {
    std::uint64_t bytes = 0;  // of its chunks
    std::uint64_t id = 0;
    std::uint64_t manager = 0;
    std::uint64_t quota_bytes = 0;
    std::uint64_t warm_bytes = 0;  // of free chunks that keep their memory
  };
  // RESOURCE_EXHAUSTED: no descriptors, or no range of addresses for it.
  static absl::StatusOr<std::unique_ptr<ArenaMemory>> make(std::string_view arena,
                                                           const Spec& spec);
  ArenaMemory(const ArenaMemory&) = delete;
  ArenaMemory& operator=(const ArenaMemory&) = delete;
  ~ArenaMemory();

  [[nodiscard]] std::byte* bytes() const { return bytes_; }
  [[nodiscard]] const memory::Geometry& geometry() const { return geometry_; }
  [[nodiscard]] std::uint64_t arena_bytes() const {
    return std::uint64_t{geometry_.chunk_count} * memory::kChunkBytes;
  }
  [[nodiscard]] std::uint64_t id() const { return id_; }
  // What the manager itself is in lock words: nobody.
  [[nodiscard]] memory::Caller& caller() { return caller_; }

  // To be sent to a client.
  [[nodiscard]] absl::StatusOr<protocol::UniqueFd> descriptor(bool writable) const;

  // A block of zeroed bytes, backed by memory, that belongs to the object: its offset.
  absl::StatusOr<std::uint64_t> allocate(std::uint64_t object, std::uint64_t bytes);
  // DATA_LOSS: the tables do not say so any more; nothing was freed.
  absl::Status free(std::uint64_t object, std::uint64_t block, std::uint64_t bytes);
  // The transaction of the dead thread is finished or forgotten, and so is what it was allocating
  // or giving back; `record` is mapped.
  void recover_intents(memory::ThreadRecord& record, std::uint32_t owner, memory::Reaches reaches);

  // For views, which Pins counts. False: the block is not a run of the object.
  bool pin(std::uint64_t object, std::uint64_t block) {
    return allocator_.pin(block, static_cast<std::uint32_t>(object));
  }
  void unpin(std::uint64_t object, std::uint64_t block);
  [[nodiscard]] memory::ContainerHome home() {
    return {.arena = bytes_, .geometry = geometry_, .allocator = &allocator_};
  }

  // Frees some of the blocks of objects that are gone, from `cursor` on. True: all of them.
  bool free_all(memory::Gone gone, std::uint32_t& cursor);

  // Of an arena that nobody damages.
  [[nodiscard]] memory::ArenaUsage usage() const { return allocator_.usage(); }

  // Writes again what only the manager may change in the header, where a writer has changed it.
  void mend();
  // What the blocks may take in all.
  void set_quota(std::uint64_t bytes);
  // What they take, as the arena says; but not more than there is memory behind it, nor than they
  // ever might, so that who writes what he likes there harms others no more than who fills it.
  [[nodiscard]] std::uint64_t taken_bytes() const;
  // From now on every call on an object of the arena says UNAVAILABLE. The objects themselves are
  // the caller's to retire.
  void close();

  // A little of what quiet moments are for: memory behind free chunks goes back to the kernel.
  // `now_ns` is CLOCK_MONOTONIC. `busy`: whether a client has something in flight in the arena.
  void tidy(std::uint64_t now_ns, memory::Busy busy);
  [[nodiscard]] bool untidy() const { return idle_passes_left_ != 0 || miscounted_; }
  // Counts anew what is used, at most once a second and only while nobody is busy. True: it was
  // wrong, so that an arena that said it was full may have room.
  bool recount(std::uint64_t now_ns, memory::Busy busy);

 private:
  ArenaMemory(protocol::UniqueFd memfd, std::byte* bytes, const Spec& spec);
  static bool commit(void* self, std::uint64_t offset, std::uint64_t bytes);
  static bool punch(void* self, std::uint64_t offset, std::uint64_t bytes);

  protocol::UniqueFd memfd_;
  std::byte* bytes_;
  memory::Geometry geometry_;
  std::uint64_t id_;
  std::uint64_t warm_chunks_;
  memory::NewArena header_;  // as it should be
  std::uint64_t chunks_ever_allowed_ = 0;
  bool closed_ = false;
  bool miscounted_ = false;         // perhaps
  std::uint64_t recounted_ns_ = 0;  // when
  memory::ArenaMemory allocator_;
  memory::Caller caller_;
  memory::QuietWatch quiet_;
  std::uint32_t idle_passes_left_ = 0;  // of `tidy`, until it finds nothing any more
  std::uint64_t activity_seen_ = 0;     // at its last look
};

// Of all arenas that have memory, by their index.
class ArenaMemories {
 public:
  struct Spec {
    std::uint64_t arena_bytes = 0;  // of each
    std::uint64_t warm_bytes = 0;
    std::uint64_t manager = 0;
  };
  // Whether a session has something in flight in the arena.
  using Busy = std::function<bool(Index arena)>;
  ArenaMemories(const Catalog& catalog, Accounts& accounts, const Spec& spec)
      : catalog_(catalog), accounts_(accounts), spec_(spec) {}

  // Who knows the sessions tells; until then every arena is busy.
  void ask_whether_busy(Busy busy) { busy_ = std::move(busy); }

  // Makes it, if this is the first need; else mends what a writer may have done to its header.
  // UNAVAILABLE: they are closed.
  absl::StatusOr<ArenaMemory*> need(Index arena);
  [[nodiscard]] ArenaMemory* find(Index arena) const;  // null: it has none
  // As ArenaMemory's; what a writer wrote over the count of used chunks does not refuse it.
  absl::StatusOr<std::uint64_t> allocate(Index arena, std::uint64_t object, std::uint64_t bytes);
  void remove(Index arena);
  // Counts anew what is used, and settles. True: it was not as it had been counted.
  bool recount(Index arena);
  // The accounts see what the arena's memory has taken, and it learns what it may take: before a
  // charge in the arena, and after one that leaves its memory less or more.
  void settle(Index arena);
  void settle_all();
  // Of all; none is made or used by a create from now on.
  void close();
  // Also ends the memory of arenas without objects and sessions.
  void tidy(std::uint64_t now_ns);
  // Whether there is any memory, which clients may free.
  [[nodiscard]] bool any() const;
  // Whether there may be something to tidy.
  [[nodiscard]] bool untidy() const;
  [[nodiscard]] std::uint64_t arena_bytes() const { return spec_.arena_bytes; }
  [[nodiscard]] std::uint64_t manager() const { return spec_.manager; }

 private:
  struct Entry {
    std::unique_ptr<ArenaMemory> memory;
    std::uint64_t unused_since_ns = 0;  // 0: it is in use, or nobody has looked
  };
  // For a call on one arena.
  struct AskBusy {
    const Busy& busy;
    Index arena;
    [[nodiscard]] memory::Busy callback() {
      return {.busy =
                  [](void* self) {
                    const auto& ask = *static_cast<const AskBusy*>(self);
                    return ask.busy(ask.arena);
                  },
              .context = this};
    }
  };
  [[nodiscard]] bool in_use(Index arena) const;
  // The halves of `settle`.
  void see(Index arena);
  void fit(Index arena);

  const Catalog& catalog_;
  Accounts& accounts_;
  Spec spec_;
  Busy busy_ = [](Index) { return true; };
  bool closed_ = false;
  std::vector<Entry> memories_;
};

}  // namespace shoal::daemon
