// An object of an arena whose bytes may be anything: every call on it, its recovery and its end.
// All of them end, and none touches a byte outside the object: everything around it is not mapped.
//
//   input:  | kind | flags | parameter (2) | slot (2) | calls (10) | descriptor (256) | block ... |
//   calls:  one byte each: which call; recovery and retirement are among them
#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "memory/barrier.h"
#include "memory/cell.h"
#include "memory/condition.h"
#include "memory/event.h"
#include "memory/lock.h"
#include "memory/recover.h"
#include "memory/semaphore.h"
#include "memory/shared_lock.h"

namespace shoal::memory {
namespace {

constexpr std::size_t kHeadBytes = 16;
constexpr std::size_t kCalls = 10;
constexpr std::uint64_t kBlockMost = kChunkBytes;

// An arena of which only the header's page, one page of descriptors and one chunk are there.
class Arena {
 public:
  Arena() {
    void* at = mmap(nullptr, kGeometry.file_bytes, PROT_NONE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) abort();
    base_ = static_cast<std::byte*>(at);
    allow(0);
    allow(Geometry::kObjectTable);
    if (mprotect(base_ + kGeometry.chunks, kBlockMost, PROT_READ | PROT_WRITE) != 0) abort();
  }

  std::byte* base() const { return base_; }
  std::byte* descriptor() const { return base_ + Geometry::kObjectTable + kDescriptorBytes; }
  // At the very end of what is mapped, so that one byte too many is seen.
  std::uint64_t block(std::uint64_t bytes) const {
    return kGeometry.chunks + kBlockMost - (bytes + 63) / 64 * 64;
  }

 private:
  static constexpr Geometry kGeometry = Geometry::of(kArenaBytesMin);
  void allow(std::uint64_t offset) {
    if (mprotect(base_ + offset, kPageBytes, PROT_READ | PROT_WRITE) != 0) abort();
  }
  std::byte* base_ = nullptr;
};

void call(const ObjectView& object, Caller& caller, std::uint8_t which, std::uint16_t slot) {
  constexpr Deadline kOneTry = 0;
  Acquisition acquisition;
  Arrival arrival;
  std::uint32_t cell = 0;
  std::vector<std::byte> value(object.kind == ObjectKind::kCell ? object.count : 0);
  const bool cells32 = object.kind == ObjectKind::kSharedLock;
  const bool waits = object.kind == ObjectKind::kCondition;
  const bool permits =
      object.kind == ObjectKind::kSemaphore || object.kind == ObjectKind::kBoundedSemaphore;
  const bool large = object.kind == ObjectKind::kCell && !is_one_word(object.count);
  const bool barrier = object.kind == ObjectKind::kBarrier;
  switch (which % 20) {
    case 0:
      (void)acquire(object, caller, kOneTry, &acquisition);
      break;
    case 1:
      (void)release(object, caller);
      break;
    case 2:
      (void)acquire_recursive(object, caller, kOneTry, &acquisition);
      break;
    case 3:
      (void)release_recursive(object, caller);
      break;
    case 4:
      (void)mark_consistent(object, caller);
      break;
    case 5:
      if (cells32) (void)acquire_exclusive(object, caller, kOneTry, &acquisition);
      break;
    case 6:
      if (cells32) (void)acquire_shared(object, caller, kOneTry, &acquisition);
      break;
    case 7:
      if (cells32) (void)release_shared(object, caller);
      break;
    case 8:
      if (permits) (void)acquire_permit(object, caller, kOneTry);
      break;
    case 9:
      if (permits) (void)release_permits(object, caller, slot % 4);
      break;
    case 10:
      (void)set_event(object, caller);
      break;
    case 11:
      (void)wait_for_event(object, caller, kOneTry);
      break;
    case 12:
      (void)clear_event(object);
      break;
    case 13:
      if (waits && enlist(object, caller, &cell) == Result::kDone) {
        if (await_notification(object, caller, cell, kOneTry) == Result::kDone) {
          leave(object, caller, cell);
        }
      }
      break;
    case 14:
      if (waits) (void)notify(object, caller, slot);
      break;
    case 15:
      if (barrier && arrive(object, caller, kOneTry, &arrival) == Result::kDone) {
        if (arrival.is_last)
          (void)end_phase(object, caller, arrival);
        else
          (void)wait_for_phase(object, caller, arrival, kOneTry);
      }
      break;
    case 16:
      if (large) (void)store_cell(object, caller, kOneTry, value);
      break;
    case 17:
      if (large) (void)exchange_cell(object, caller, kOneTry, value, value);
      break;
    case 18:
      recover_object(object, caller, slot, (slot & 1) != 0);
      break;
    default:
      retire_object(object);
  }
}

void run(const std::uint8_t* data, std::size_t size) {
  static const Arena arena;
  if (size < kHeadBytes) return;
  const auto first = static_cast<std::uint16_t>(ObjectKind::kLock);
  const auto last = static_cast<std::uint16_t>(ObjectKind::kArray);
  const auto kind = static_cast<ObjectKind>(first + data[0] % (last - first + 1));
  const auto flags = static_cast<std::uint16_t>(data[1] & kFlagsKnown);
  std::uint16_t words[2];
  std::memcpy(words, data + 2, sizeof words);
  // What the manager has checked at creation.
  const std::uint64_t parameter = std::max<std::uint64_t>(words[0] % 4096, 1);
  const std::uint64_t bytes = block_bytes(kind, flags, parameter);
  const std::uint64_t block = bytes == 0 ? 0 : arena.block(bytes);
  constexpr std::uint64_t kId = std::uint64_t{7} << 32 | 1;
  const ObjectView object = view_of(arena.base(), kId, kind, flags, parameter, block);
  std::memset(arena.base(), 0, sizeof(ArenaHeader));
  std::memset(arena.descriptor(), 0, kDescriptorBytes);
  if (bytes != 0) std::memset(object.bytes, 0, bytes);
  const std::uint8_t* at = data + kHeadBytes;
  const std::uint8_t* const end = data + size;
  const auto take = [&](std::byte* to, std::size_t most) {
    const std::size_t count = std::min<std::size_t>(most, end - at);
    std::memcpy(to, at, count);
    at += count;
  };
  take(arena.descriptor(), kDescriptorBytes);
  if (bytes != 0) take(object.bytes, bytes);
  // Mostly the object is there: else every call ends at once.
  if ((words[1] & 0x8000) == 0) object.descriptor->id.store(kId);
  Caller caller;
  caller.owner = owner_of(static_cast<std::uint16_t>(words[1] & 0x7fff), 1);
  for (std::size_t i = 0; i < kCalls; ++i) {
    call(object, caller, data[6 + i], static_cast<std::uint16_t>(words[1] & 0x7fff));
  }
}

}  // namespace
}  // namespace shoal::memory

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  shoal::memory::run(data, size);
  return 0;
}
