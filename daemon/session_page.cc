// See session_page.h.
#include "daemon/session_page.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "memory/arena.h"
#include "schemas/protocol.h"
#include "schemas/text.h"

namespace shoal::daemon {
namespace {

using memory::SessionPage;
using memory::ThreadRecord;

// All before the records. The page itself is megabytes, so there is never one on the stack.
using Head = std::array<std::byte, offsetof(SessionPage, records)>;

template <typename T>
void put(Head& head, std::size_t offset, T value) {
  std::memcpy(head.data() + offset, &value, sizeof value);
}

// Copies of the records of threads `first` to `first + most - 1` that were ever used.
std::vector<ThreadRecord> read_records(int page, std::uint32_t first, std::uint32_t most) {
  const std::uint32_t end = threads_used(page);
  if (first == 0 || first >= end || most == 0) return {};
  std::vector<ThreadRecord> records(std::min(most, end - first));
  const auto at = static_cast<off_t>(offsetof(SessionPage, records) +
                                     std::size_t{first - 1} * sizeof(ThreadRecord));
  const ssize_t got = ::pread(page, records.data(), records.size() * sizeof(ThreadRecord), at);
  records.resize(got <= 0 ? 0 : static_cast<std::size_t>(got) / sizeof(ThreadRecord));
  return records;
}

}  // namespace

absl::StatusOr<Segment> make_session_page(const PageIdentity& identity) {
  absl::StatusOr<Segment> page =
      make_segment({.size = memory::kSessionPageBytes, .sparse = true, .name = "shoal-session"});
  if (!page.ok()) return page;
  Head head{};
  put(head, offsetof(SessionPage, magic), memory::kSessionPageMagic);
  put(head, offsetof(SessionPage, layout), protocol::kLayoutVersion);
  put(head, offsetof(SessionPage, slot), identity.slot);
  put(head, offsetof(SessionPage, session), identity.session);
  put(head, offsetof(SessionPage, pid), identity.pid);
  put(head, offsetof(SessionPage, arena), identity.arena);
  put(head, offsetof(SessionPage, manager), identity.manager);
  if (::pwrite(page->fd(), head.data(), head.size(), 0) != static_cast<ssize_t>(head.size())) {
    return protocol::error(absl::StatusCode::kResourceExhausted,
                           "the manager cannot write a session page: ", std::strerror(errno));
  }
  return page;
}

std::uint32_t threads_used(int page) {
  std::uint32_t threads = 0;
  if (::pread(page, &threads, sizeof threads, offsetof(SessionPage, threads)) !=
      static_cast<ssize_t>(sizeof threads)) {
    return 0;
  }
  return std::min(threads, memory::kThreadsMax + 1);
}

std::vector<ThreadSeen> read_threads(int page, std::uint32_t first, std::uint32_t most) {
  std::vector<ThreadSeen> seen;
  for (const ThreadRecord& record : read_records(page, first, most)) {
    const auto thread = first + static_cast<std::uint32_t>(seen.size());
    seen.push_back({.thread = thread,
                    .tid = record.tid.load(),
                    .purpose = record.purpose.load(),
                    .waiting = record.waiting.load(),
                    .since_ns = record.since_ns.load()});
  }
  return seen;
}

bool has_intent(int page, std::uint32_t end) {
  return !internal::threads_with_intent(page, 1, end).empty();
}

namespace internal {

std::vector<std::uint32_t> threads_with_intent(int page, std::uint32_t first, std::uint32_t end) {
  std::vector<std::uint32_t> threads;
  std::uint32_t thread = first;
  for (ThreadRecord& record : read_records(page, first, end > first ? end - first : 0)) {
    const bool transacts = record.transaction.load() != 0;
    if (transacts || memory::ArenaMemory::has_intent(record)) threads.push_back(thread);
    ++thread;
  }
  return threads;
}

MappedPage::MappedPage(int page) {
  void* const at =
      ::mmap(nullptr, memory::kSessionPageBytes, PROT_READ | PROT_WRITE, MAP_SHARED, page, 0);
  if (at != MAP_FAILED) page_ = static_cast<SessionPage*>(at);
}

MappedPage::~MappedPage() {
  if (page_ != nullptr) ::munmap(page_, memory::kSessionPageBytes);
}

}  // namespace internal

}  // namespace shoal::daemon
