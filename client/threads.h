// The threads of this process as shared memory knows them: for each thread and session a number,
// a record in the session page, and the Caller that algorithms are given.
//
// The way that every call takes is one access to thread-local memory and one comparison, which is
// also right after a fork: what it looks at lies in pages that the kernel wipes in a child. There,
// and at a thread's first call in a session, Session::enter does the rest.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "memory/caller.h"
#include "memory/layout.h"

namespace shoal::internal {

// One thread in one session.
struct alignas(64) ThreadEntry {
  std::uint64_t session;  // Session::number(); 0: the entry is free
  memory::Caller caller;
  std::uint32_t number;
  std::uint32_t held;  // recursive locks that it took; more than name it, if a last proxy went
};
static_assert(sizeof(ThreadEntry) == 64);

// By a session's number, so that a few sessions do not disturb each other.
inline constexpr std::size_t kThreadEntriesCached = 4;
extern constinit thread_local ThreadEntry* thread_entries[kThreadEntriesCached]
    __attribute__((tls_model("initial-exec")));

// The calling thread in the session, or null: it has no number there yet.
inline ThreadEntry* thread_in(std::uint64_t session) {
  ThreadEntry* const entry = thread_entries[session % kThreadEntriesCached];
  return entry->session == session ? entry : nullptr;
}

// The same, beyond the cache: what a thread had is found again.
ThreadEntry* find_thread_entry(std::uint64_t session);

// A free entry of the calling thread, to be filled; null: there is no memory, or the thread uses as
// many sessions as it can.
ThreadEntry* new_thread_entry();
// Makes it what `thread_in` finds.
void show_thread_entry(ThreadEntry* entry);

// Which numbers of a session are taken. The lowest is given out first, so that the records in use
// lie close together.
class ThreadNumbers {
 public:
  // 0: all are taken.
  std::uint32_t take();
  void give_back(std::uint32_t number);

 private:
  static constexpr std::size_t kWords = (memory::kThreadsMax + 1) / 64;
  std::array<std::uint64_t, kWords> taken_ = {1};  // 0 is nobody's
  std::size_t from_ = 0;                           // no word before it has room
};

}  // namespace shoal::internal
