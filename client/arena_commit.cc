// See arena_commit.h.
#include "client/arena_commit.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <mutex>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

namespace shoal::internal {

HeadRoom& HeadRoom::of_this_process() {
  static auto* const room = new HeadRoom;  // never destroyed
  return *room;
}

bool HeadRoom::take(std::uint64_t bytes) {
  const std::lock_guard lock(state_mutex_);
  return gauge_.admit(bytes).ok();
}

void HeadRoom::give_back(std::uint64_t bytes) {
  const std::lock_guard lock(state_mutex_);
  gauge_.released(bytes);
}

Populated populate_by_madvise(std::byte* at, std::uint64_t bytes) {
  int result = 0;
  do {
    result = ::madvise(at, bytes, MADV_POPULATE_WRITE);
  } while (result != 0 && errno == EINTR);
  if (result == 0) return Populated::kDone;
  return errno == EINVAL ? Populated::kUnknown : Populated::kRefused;
}

// The kernel writes a word into each page for us: where a store of ours would be a SIGBUS, its call
// says EFAULT. Which call is nobody's concern; this one writes 8 bytes and changes nothing else.
bool populate_by_touch(std::byte* at, std::uint64_t bytes) {
  static const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  for (std::uint64_t offset = 0; offset < bytes; offset += page) {
    auto* const word = reinterpret_cast<std::uint64_t*>(at + offset);
    if (::syscall(SYS_rt_sigprocmask, SIG_BLOCK, nullptr, word, sizeof *word) != 0) return false;
    std::atomic_ref<std::uint64_t>(*word).store(0, std::memory_order_relaxed);
  }
  return true;
}

bool put_memory_behind(std::byte* at, std::uint64_t bytes, HeadRoom& room) {
  if (!room.take(bytes)) return false;
  const Populated populated = populate_by_madvise(at, bytes);
  if (populated == Populated::kDone) return true;
  if (populated == Populated::kUnknown && populate_by_touch(at, bytes)) return true;
  // Some of it may be there: nobody would find it, since the chunks' words do not say so.
  (void)::madvise(at, bytes, MADV_REMOVE);
  room.give_back(bytes);
  return false;
}

memory::Commit commit_for(ArenaMapping& mapping) {
  return {.commit =
              [](void* context, std::uint64_t offset, std::uint64_t bytes) {
                return put_memory_behind(static_cast<ArenaMapping*>(context)->at() + offset, bytes,
                                         HeadRoom::of_this_process());
              },
          .context = &mapping};
}

}  // namespace shoal::internal
