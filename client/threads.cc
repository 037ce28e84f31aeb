// See threads.h.
#include "client/threads.h"

#include <pthread.h>
#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <memory>
#include <new>

#include "client/session.h"

namespace shoal::internal {
namespace {

// So many sessions may one thread use. Pages that are not touched cost nothing.
constexpr std::size_t kEntriesMax = 1023;

// What a thread has: all of it in pages that a forked child finds wiped, so it has no pointers to
// ordinary memory and nothing in it needs to be destroyed.
struct ThreadPages {
  std::uint64_t used;  // entries that were ever used
  ThreadEntry entries[kEntriesMax];
};

constinit ThreadEntry nobody = {};

constinit thread_local ThreadPages* own_pages = nullptr;

void forget_all() {
  for (ThreadEntry*& entry : thread_entries) entry = &nobody;
}

// Where the kernel cannot wipe: only the forking thread goes on in the child.
void wipe_in_child() {
  if (own_pages == nullptr) return;
  for (std::uint64_t i = 0; i < own_pages->used; ++i) own_pages->entries[i].session = 0;
}

void end_thread(void* pages) {
  auto* const mine = static_cast<ThreadPages*>(pages);
  for (std::uint64_t i = 0; i < mine->used; ++i) {
    ThreadEntry& entry = mine->entries[i];
    if (entry.session == 0) continue;
    if (const auto session = LiveSessions::get().find(entry.session)) session->leave(entry);
  }
  forget_all();
  own_pages = nullptr;
  ::munmap(pages, sizeof(ThreadPages));
}

// Its destructor runs after those of thread_local objects, and again if they come back to life.
// Nothing: the process has no key left.
std::optional<pthread_key_t> end_key() {
  static const std::optional<pthread_key_t> kKey = [] {
    pthread_key_t made{};
    const bool done = ::pthread_key_create(&made, end_thread) == 0;
    return done ? std::optional(made) : std::nullopt;
  }();
  return kKey;
}

ThreadPages* make_pages() {
  void* at = ::mmap(nullptr, sizeof(ThreadPages), PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) return nullptr;
  if (::madvise(at, sizeof(ThreadPages), MADV_WIPEONFORK) != 0) {
    [[maybe_unused]] static const int kRegistered =
        ::pthread_atfork(nullptr, nullptr, wipe_in_child);
  }
  const std::optional<pthread_key_t> key = end_key();
  if (!key || ::pthread_setspecific(*key, at) != 0) {
    ::munmap(at, sizeof(ThreadPages));
    return nullptr;
  }
  return new (at) ThreadPages;
}

}  // namespace

constinit thread_local ThreadEntry* thread_entries[kThreadEntriesCached] = {&nobody, &nobody,
                                                                            &nobody, &nobody};

ThreadEntry* find_thread_entry(std::uint64_t session) {
  if (own_pages == nullptr) return nullptr;
  for (std::uint64_t i = 0; i < own_pages->used; ++i) {
    if (own_pages->entries[i].session == session) return &own_pages->entries[i];
  }
  return nullptr;
}

ThreadEntry* new_thread_entry() {
  if (own_pages == nullptr) own_pages = make_pages();
  if (own_pages == nullptr) return nullptr;
  for (std::uint64_t i = 0; i < own_pages->used; ++i) {
    ThreadEntry& entry = own_pages->entries[i];
    if (entry.session == 0 || LiveSessions::get().find(entry.session) == nullptr) return &entry;
  }
  return own_pages->used < kEntriesMax ? &own_pages->entries[own_pages->used++] : nullptr;
}

void show_thread_entry(ThreadEntry* entry) {
  thread_entries[entry->session % kThreadEntriesCached] = entry;
}

std::uint32_t ThreadNumbers::take() {
  for (; from_ < kWords; ++from_) {
    std::uint64_t& word = taken_[from_];
    if (word == UINT64_MAX) continue;
    const int bit = std::countr_one(word);
    word |= std::uint64_t{1} << bit;
    return static_cast<std::uint32_t>(from_ * 64 + static_cast<unsigned>(bit));
  }
  return 0;
}

void ThreadNumbers::give_back(std::uint32_t number) {
  taken_[number / 64] &= ~(std::uint64_t{1} << (number % 64));
  from_ = std::min<std::size_t>(from_, number / 64);
}

}  // namespace shoal::internal
