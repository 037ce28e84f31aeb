// The manager's side of a session page (memory/session_page.h): it writes the identity once, and
// reads the records of threads. By pread and pwrite, since a page that is mapped tells that its
// session lives on. What is read is hostile; each call reads a bounded part.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "daemon/segment.h"
#include "memory/session_page.h"

namespace shoal::daemon {

struct PageIdentity {
  std::uint16_t slot = 0;
  std::uint64_t session = 0;
  std::uint32_t pid = 0;
  std::uint64_t arena = 0;
  std::uint64_t manager = 0;
};

// A sparse page with its identity written; its records cost nothing until threads use them.
absl::StatusOr<Segment> make_session_page(const PageIdentity& identity);

// A thread's record, as it was found.
struct ThreadSeen {
  std::uint32_t thread = 0;  // number
  std::uint32_t tid = 0;     // as the process sees it
  std::uint32_t purpose = 0;
  std::uint64_t waiting = 0;  // object id; 0: it does not wait
  std::uint64_t since_ns = 0;
};

// One past the highest thread number the page says was used, at most kThreadsMax + 1; 0: none.
std::uint32_t threads_used(int page);
// Records of threads `first` to `first + most - 1` that were ever used; fewer at the end.
std::vector<ThreadSeen> read_threads(int page, std::uint32_t first, std::uint32_t most);

// Whether one of the threads below `end` has something in flight.
bool has_intent(int page, std::uint32_t end);

// `visit(thread, record)` of the threads `first` to `end - 1` that have something in flight; the
// record itself, mapped. The session must be over: while this runs, its page looks mapped.
template <typename Visit>
absl::Status for_each_intent(int page, std::uint32_t first, std::uint32_t end, Visit visit);

namespace internal {

// Of the threads `first` to `end - 1`, those whose record has an intent.
std::vector<std::uint32_t> threads_with_intent(int page, std::uint32_t first, std::uint32_t end);

class MappedPage {
 public:
  explicit MappedPage(int page);
  MappedPage(const MappedPage&) = delete;
  MappedPage& operator=(const MappedPage&) = delete;
  ~MappedPage();
  [[nodiscard]] memory::SessionPage* get() const { return page_; }  // null: no room for it

 private:
  memory::SessionPage* page_ = nullptr;
};

}  // namespace internal

template <typename Visit>
absl::Status for_each_intent(int page, std::uint32_t first, std::uint32_t end, Visit visit) {
  const std::vector<std::uint32_t> threads = internal::threads_with_intent(page, first, end);
  if (threads.empty()) return absl::OkStatus();
  const internal::MappedPage mapped(page);
  if (mapped.get() == nullptr) {
    return absl::ResourceExhaustedError(
        "cannot map a session's page: what it was allocating stays allocated");
  }
  for (const std::uint32_t thread : threads) visit(thread, mapped.get()->records[thread - 1]);
  return absl::OkStatus();
}

}  // namespace shoal::daemon
