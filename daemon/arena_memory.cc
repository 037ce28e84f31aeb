// See arena_memory.h.
#include "daemon/arena_memory.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "daemon/clock.h"
#include "daemon/segment.h"
#include "memory/transaction.h"
#include "schemas/names.h"
#include "schemas/protocol.h"
#include "schemas/text.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

namespace shoal::daemon {
namespace {

using memory::kChunkBytes;
using protocol::error;
using protocol::UniqueFd;

// Free memory that an arena keeps for the next block, at most.
constexpr std::uint64_t kWarmChunksMax = 64;
// Chunks looked at in one turn of `tidy`.
constexpr std::uint32_t kTidySlice = 4096;
// And in one of `free_all`: each may be a slab of 256 cells.
constexpr std::uint32_t kFreeSlice = 512;
constexpr std::uint64_t kRecountEveryNs = 1'000'000'000;
// Passes over the whole arena that found nothing, until the next free.
constexpr std::uint32_t kIdlePasses = 2;

UniqueFd new_memfd() {
  const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  UniqueFd fd(::memfd_create("shoal-arena", flags | MFD_NOEXEC_SEAL));
  // Kernels before 6.3 do not know the flag.
  if (!fd.valid() && errno == EINVAL) fd.reset(::memfd_create("shoal-arena", flags));
  return fd;
}

absl::Status refused(std::string_view arena, std::uint64_t bytes, const char* call,
                     const char* advice) {
  return error(absl::StatusCode::kResourceExhausted, "arena \"", protocol::printable(arena),
               "\": cannot make its memory of ", bytes, " bytes: ", call, ": ",
               std::strerror(errno), advice);
}

std::uint64_t chunks_of(std::uint64_t quota_bytes) {
  return quota_bytes / kChunkBytes + (quota_bytes % kChunkBytes == 0 ? 0 : 1);
}

}  // namespace

absl::StatusOr<std::unique_ptr<ArenaMemory>> ArenaMemory::make(std::string_view arena,
                                                               const Spec& spec) {
  const std::uint64_t bytes = memory::Geometry::of(spec.bytes).file_bytes;
  UniqueFd fd = new_memfd();
  if (!fd.valid()) {
    return refused(arena, bytes, "memfd_create", "; raise the limit of open files (ulimit -n)");
  }
  if (::fchmod(fd.get(), 0600) != 0 || ::ftruncate(fd.get(), static_cast<off_t>(bytes)) != 0 ||
      ::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    return refused(arena, bytes, "preparing the memfd",
                   "; raise the limit of file sizes (ulimit -f), or give a smaller --arena-size");
  }
  void* const at =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd.get(), 0);
  if (at == MAP_FAILED) {
    return refused(arena, bytes, "mmap",
                   "; raise the limit of address space (ulimit -v), or give a smaller "
                   "--arena-size");
  }
  (void)::madvise(at, bytes, MADV_DONTDUMP);
  return std::unique_ptr<ArenaMemory>(
      new ArenaMemory(std::move(fd), static_cast<std::byte*>(at), spec));
}

ArenaMemory::ArenaMemory(UniqueFd memfd, std::byte* bytes, const Spec& spec)
    : memfd_(std::move(memfd)),
      bytes_(bytes),
      geometry_(memory::Geometry::of(spec.bytes)),
      id_(spec.id),
      warm_chunks_(std::min(kWarmChunksMax, spec.warm_bytes / kChunkBytes)),
      header_{.layout = protocol::kLayoutVersion,
              .bytes = arena_bytes(),
              .id = spec.id,
              .manager = spec.manager,
              .quota_chunks = chunks_of(spec.quota_bytes)},
      allocator_(bytes, geometry_, {.commit = &ArenaMemory::commit, .context = this}) {
  chunks_ever_allowed_ = header_.quota_chunks;
  memory::lay_arena(bytes, header_);
  caller_.owner = memory::owner_of(memory::kManagerSlot, memory::kManagerThread);
  caller_.record = memory::manager_record(bytes);
}

ArenaMemory::~ArenaMemory() { ::munmap(bytes_, geometry_.file_bytes); }

absl::StatusOr<UniqueFd> ArenaMemory::descriptor(bool writable) const {
  return reopen(memfd_.get(), writable);
}

bool ArenaMemory::commit(void* self, std::uint64_t offset, std::uint64_t bytes) {
  const int fd = static_cast<const ArenaMemory*>(self)->memfd_.get();
  int result = 0;
  do {
    result = ::fallocate(fd, 0, static_cast<off_t>(offset), static_cast<off_t>(bytes));
  } while (result != 0 && errno == EINTR);
  return result == 0;
}

bool ArenaMemory::punch(void* self, std::uint64_t offset, std::uint64_t bytes) {
  return ::fallocate(static_cast<const ArenaMemory*>(self)->memfd_.get(),
                     FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
                     static_cast<off_t>(bytes)) == 0;
}

absl::StatusOr<std::uint64_t> ArenaMemory::allocate(std::uint64_t object, std::uint64_t bytes) {
  const memory::BlockFor whom{.object = object, .part = 0};
  absl::StatusOr<std::uint64_t> block = allocator_.allocate(caller_, bytes, whom);
  if (!block.ok()) return block;
  // The catalog is the root word of these objects, and is written by one thread: nobody looks
  // for the block in between.
  if (absl::Status status = allocator_.own(caller_, *block, bytes, whom); !status.ok()) {
    (void)allocator_.free(caller_, *block, bytes, whom);
    return status;
  }
  const bool inside = *block >= geometry_.chunks && *block <= geometry_.file_bytes &&
                      bytes <= geometry_.file_bytes - *block;
  if (!inside) return absl::DataLossError("the tables of the arena are damaged");
  return block;
}

absl::Status ArenaMemory::free(std::uint64_t object, std::uint64_t block, std::uint64_t bytes) {
  idle_passes_left_ = kIdlePasses;
  return allocator_.free(caller_, block, bytes, {.object = object, .part = 0});
}

void ArenaMemory::unpin(std::uint64_t object, std::uint64_t block) {
  idle_passes_left_ = kIdlePasses;
  allocator_.unpin(caller_, block, object);
}

void ArenaMemory::recover_intents(memory::ThreadRecord& record, std::uint32_t owner,
                                  memory::Reaches reaches) {
  memory::recover_transaction(record, home(), caller_);
  if (allocator_.recover_intents(record, owner, reaches)) miscounted_ = true;
}

bool ArenaMemory::free_all(memory::Gone gone, std::uint32_t& cursor) {
  idle_passes_left_ = kIdlePasses;
  return allocator_.free_all(gone, cursor, kFreeSlice);
}

void ArenaMemory::mend() {
  if (!closed_ && memory::mend_arena(bytes_, header_)) miscounted_ = true;
  // Between two calls the manager has nothing in flight.
  memory::ArenaMemory::forget_intents(*caller_.record);
}

void ArenaMemory::set_quota(std::uint64_t bytes) {
  if (closed_) return;
  // What is not as it was left is not of our making.
  if (memory::mend_arena(bytes_, header_)) miscounted_ = true;
  header_.quota_chunks = chunks_of(bytes);
  chunks_ever_allowed_ = std::max(chunks_ever_allowed_, header_.quota_chunks);
  (void)memory::mend_arena(bytes_, header_);
}

std::uint64_t ArenaMemory::taken_bytes() const {
  constexpr std::uint64_t kBlockBytes = 512;
  const std::uint64_t chunks =
      reinterpret_cast<const memory::ArenaHeader*>(bytes_)->used_chunks.load();
  struct stat status {};
  if (chunks == 0 || ::fstat(memfd_.get(), &status) != 0) return 0;
  const std::uint64_t there = static_cast<std::uint64_t>(status.st_blocks) * kBlockBytes;
  return std::min({chunks, there / kChunkBytes, chunks_ever_allowed_}) * kChunkBytes;
}

bool ArenaMemory::recount(std::uint64_t now_ns, memory::Busy busy) {
  if (recounted_ns_ != 0 && now_ns - recounted_ns_ < kRecountEveryNs) return false;
  recounted_ns_ = now_ns;
  const memory::Word64& used = reinterpret_cast<memory::ArenaHeader*>(bytes_)->used_chunks;
  const std::uint64_t before = used.load();
  if (!allocator_.recount(busy)) return false;
  miscounted_ = false;
  return used.load() != before;
}

void ArenaMemory::close() {
  closed_ = true;
  (void)reinterpret_cast<memory::ArenaHeader*>(bytes_)->closed.exchange(1);
}

void ArenaMemory::tidy(std::uint64_t now_ns, memory::Busy busy) {
  if (miscounted_) (void)recount(now_ns, busy);
  // Clients free blocks of containers by themselves.
  if (activity_seen_ != allocator_.activity()) idle_passes_left_ = kIdlePasses;
  activity_seen_ = allocator_.activity();
  if (idle_passes_left_ == 0) return;
  const std::uint64_t since_ns = quiet_.since_ns;
  const std::uint64_t punched =
      allocator_.collect(caller_, quiet_, now_ns, warm_chunks_, kTidySlice,
                         {.punch = &ArenaMemory::punch, .context = this});
  if (punched != 0) {
    idle_passes_left_ = kIdlePasses;
    return;
  }
  // A pass begins when nobody has allocated for a while, and its end looks like a beginning.
  const bool over =
      quiet_.since_ns != since_ns && now_ns >= since_ns && now_ns - since_ns >= memory::kQuietNs;
  if (over && since_ns != 0) --idle_passes_left_;
}

absl::StatusOr<ArenaMemory*> ArenaMemories::need(Index arena) {
  if (closed_) return absl::UnavailableError("the manager is shutting down; connect to a new one");
  if (ArenaMemory* const there = find(arena); there != nullptr) {
    there->mend();
    return there;
  }
  const ArenaRecord& record = catalog_.arenas[arena];
  absl::StatusOr<std::unique_ptr<ArenaMemory>> made =
      ArenaMemory::make(record.name.view(), {.bytes = spec_.arena_bytes,
                                             .id = make_id(record.generation, arena),
                                             .manager = spec_.manager,
                                             .quota_bytes = accounts_.room_in_arena(arena),
                                             .warm_bytes = spec_.warm_bytes});
  if (!made.ok()) return made.status();
  if (arena >= memories_.size()) memories_.resize(arena + 1);
  memories_[arena] = {.memory = *std::move(made)};
  return memories_[arena].memory.get();
}

ArenaMemory* ArenaMemories::find(Index arena) const {
  return arena < memories_.size() ? memories_[arena].memory.get() : nullptr;
}

absl::StatusOr<std::uint64_t> ArenaMemories::allocate(Index arena, std::uint64_t object,
                                                      std::uint64_t bytes) {
  ArenaMemory& memory = *find(arena);
  absl::StatusOr<std::uint64_t> block = memory.allocate(object, bytes);
  if (!absl::IsResourceExhausted(block.status())) return block;
  return recount(arena) ? memory.allocate(object, bytes) : block;
}

bool ArenaMemories::recount(Index arena) {
  ArenaMemory* const memory = find(arena);
  if (memory == nullptr) return false;
  AskBusy ask{.busy = busy_, .arena = arena};
  if (!memory->recount(static_cast<std::uint64_t>(clock_ns(CLOCK_MONOTONIC)), ask.callback())) {
    return false;
  }
  settle(arena);
  return true;
}

bool ArenaMemories::in_use(Index arena) const {
  const Accounts::ArenaUse use = accounts_.arena(arena);
  return use.objects != 0 || use.sessions != 0;
}

void ArenaMemories::remove(Index arena) {
  if (ArenaMemory* const memory = find(arena); memory != nullptr) {
    memory->close();
    memories_[arena] = {};
  }
  accounts_.see_taken(arena, 0);
}

void ArenaMemories::see(Index arena) {
  const ArenaMemory* const memory = find(arena);
  if (memory != nullptr) accounts_.see_taken(arena, memory->taken_bytes());
}

void ArenaMemories::settle(Index arena) {
  see(arena);
  fit(arena);
}

void ArenaMemories::fit(Index arena) {
  ArenaMemory* const memory = find(arena);
  if (memory == nullptr) return;
  // Not below what is taken: a little beyond the quota is always left to who takes away.
  memory->set_quota(std::max(accounts_.room_in_arena(arena), accounts_.arena(arena).taken_bytes));
}

// What one may take depends on what all have taken.
void ArenaMemories::settle_all() {
  for (Index arena = 0; arena < memories_.size(); ++arena) see(arena);
  for (Index arena = 0; arena < memories_.size(); ++arena) fit(arena);
}

void ArenaMemories::close() {
  if (std::exchange(closed_, true)) return;
  for (const Entry& entry : memories_) {
    if (entry.memory != nullptr) entry.memory->close();
  }
}

void ArenaMemories::tidy(std::uint64_t now_ns) {
  for (Index arena = 0; arena < memories_.size(); ++arena) {
    Entry& entry = memories_[arena];
    if (entry.memory == nullptr) continue;
    AskBusy ask{.busy = busy_, .arena = arena};
    entry.memory->tidy(now_ns, ask.callback());
    if (in_use(arena)) {
      entry.unused_since_ns = 0;
    } else if (entry.unused_since_ns == 0) {
      entry.unused_since_ns = now_ns;
    } else if (now_ns - entry.unused_since_ns >= memory::kQuietNs) {
      remove(arena);
    }
  }
  settle_all();
}

bool ArenaMemories::any() const {
  return std::any_of(memories_.begin(), memories_.end(),
                     [](const Entry& entry) { return entry.memory != nullptr; });
}

bool ArenaMemories::untidy() const {
  for (Index arena = 0; arena < memories_.size(); ++arena) {
    const ArenaMemory* const memory = memories_[arena].memory.get();
    if (memory != nullptr && (memory->untidy() || !in_use(arena))) return true;
  }
  return false;
}

}  // namespace shoal::daemon
