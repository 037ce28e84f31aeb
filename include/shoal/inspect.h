// Looks at what processes hold and wait for, without asking anybody: session pages and arenas are
// read through /proc, so it works while the manager runs, is stopped, or is gone.
//
//   auto seen = shoal::Inspector::look();
//   for (const auto& lock : seen->locks()) ...
//   for (const auto& deadlock : seen->deadlocks()) ...
//
// Needs the rights of a debugger over the processes it looks into: their uid, or root. Processes
// that it may not read are counted. Nothing is written, nobody is held up, and what is read was
// written by others: it is shown as found, and may be a lie of who wrote it. A look is no instant:
// what moves meanwhile is seen before or after it moved. deadlocks() alone is sure of itself.
//
// Names and labels are known only to the manager: see ask().
// Thread safety: one thread at a time. Blocking: never on a lock or a manager, but for ask().
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "shoal/client.h"
#include "shoal/export.h"
#include "shoal/object.h"

namespace shoal {

enum class WaitPurpose : std::uint16_t {
  kUnknown = 0,
  kLock = 1,
  kShared = 2,   // to read
  kReaders = 3,  // for readers to leave
  kPermit = 4,
  kEvent = 5,
  kNotification = 6,
  kBarrier = 7,
  kChange = 8,
  kStore = 9,  // another thread's store into a Cell to end
};

// "lock", "shared", "readers", ...
SHOAL_EXPORT std::string_view purpose_name(WaitPurpose purpose);

// A thread; or, with `thread` 0, a process of which it is not known which thread it is.
struct ThreadSeen {
  std::uint64_t manager = 0;  // tells managers apart
  std::uint64_t session = 0;  // 0: nobody has a session page of this slot: its process is gone
  std::uint16_t slot = 0;
  std::uint32_t thread = 0;  // number in its session
  pid_t pid = 0;             // as /proc counts; 0: not known
  pid_t tid = 0;             // as /proc counts; 0: not known
  std::string label = {};    // see ask(); until then the program's name
  bool stopped = false;      // by a signal or a debugger
};

struct HoldSeen {
  ThreadSeen holder = {};
  std::uint32_t count = 1;  // permits, or holds of readers
};

struct WaitSeen {
  ThreadSeen thread = {};
  std::uint64_t object = 0;
  WaitPurpose purpose = WaitPurpose::kUnknown;
  absl::Time since = absl::InfinitePast();  // that: not known
  std::int64_t since_ns = 0;                // CLOCK_MONOTONIC
};

// An object that processes wait for or hold.
struct LockSeen {
  std::uint64_t manager = 0;
  std::uint64_t arena = 0;      // id
  std::uint64_t object = 0;     // id, unique in its manager
  std::string name = {};        // see ask(); empty: not known, or it has none
  std::string arena_name = {};  // see ask()
  Kind kind = Kind::kUnknown;
  bool release_by_anyone = false;  // Lock
  bool plain = false;              // semaphores: permits without an owner
  std::uint64_t parameter = 0;     // as ObjectInfo's

  // The lock: of locks themselves, a SharedLock's writer, and what Condition, Cell and Array have.
  std::optional<ThreadSeen> holder = {};
  std::uint32_t depth = 0;  // of a recursive one that is held
  std::uint64_t token = 0;  // of its last acquisition
  bool abandoned = false;
  std::optional<ThreadSeen> storer = {};  // a Cell: who is just storing a value of several words

  std::vector<HoldSeen> holders = {};  // processes: who reads, or has owned permits
  std::vector<WaitSeen> waiters = {};  // by age
  std::uint64_t value = 0;             // free permits; 1: an event is set; count of a cell's stores
  std::uint32_t arrived = 0;           // at a barrier
  bool broken = false;                 // a barrier
  std::uint32_t recoveries = 0;        // deaths that left something held
  std::uint32_t contended = 0;         // calls that had to sleep

  // The thread that who waits so waits for, if it is known.
  [[nodiscard]] const std::optional<ThreadSeen>& holder_for(WaitPurpose purpose) const {
    return purpose == WaitPurpose::kStore ? storer : holder;
  }
  // When the first of those who wait began to.
  [[nodiscard]] SHOAL_EXPORT std::optional<absl::Time> since() const;
};

struct ThreadCounters {
  std::uint64_t operations = 0;
  std::uint64_t waits = 0;
  absl::Duration waited = {};
  std::uint64_t wakes = 0;  // of others
  std::uint64_t bytes = 0;  // allocated
};

struct SessionSeen {
  std::uint64_t manager = 0;
  std::uint64_t arena = 0;
  std::uint64_t session = 0;
  std::uint16_t slot = 0;
  pid_t pid = 0;  // 0: its process is gone, and one that it forked is not
  std::string label = {};
  bool stopped = false;
  std::uint32_t waiting = 0;             // threads
  std::vector<ThreadSeen> threads = {};  // those that have used the session
  ThreadCounters counters = {};          // of all threads that ever did
};

// A circle: each thread waits for the object, which the next one holds; the last one's is held by
// the first.
struct DeadlockStep {
  ThreadSeen thread = {};
  std::uint64_t object = 0;
  WaitPurpose purpose = WaitPurpose::kUnknown;
  std::int64_t since_ns = 0;
  std::uint64_t token = 0;  // of the acquisition waited for
};
struct Deadlock {
  std::vector<DeadlockStep> steps = {};
  // False: a hold in it belongs to a process, not a thread (a Lock, a SharedLock, permits), or
  // anyone may release it; and a thread that is not stuck might.
  bool certain = true;
};

struct InspectOptions {
  std::string proc = "/proc";  // where the process file system is
  std::uint64_t manager = 0;   // of this manager only; 0: of any
};

class SHOAL_EXPORT Inspector {
 public:
  // UNAVAILABLE: there is no process file system.
  [[nodiscard]] static absl::StatusOr<Inspector> look(const InspectOptions& options = {});

  Inspector(Inspector&&) noexcept;
  Inspector& operator=(Inspector&&) noexcept;
  Inspector(const Inspector&) = delete;
  Inspector& operator=(const Inspector&) = delete;
  ~Inspector();

  // Asks the client's manager for labels, and for the names of the objects in the client's arena,
  // and fills them in. May be repeated for more arenas. Takes as long as the client's timeout.
  absl::Status ask(const Client& client);

  // Every object that is held or waited for, by manager and id.
  [[nodiscard]] const std::vector<LockSeen>& locks() const;
  [[nodiscard]] const std::vector<WaitSeen>& waits() const;
  [[nodiscard]] const std::vector<SessionSeen>& sessions() const;

  // The one of `locks()` with this id; null: it is neither held nor waited for.
  [[nodiscard]] const LockSeen* find(std::uint64_t manager, std::uint64_t object) const;

  // One object, held or not; none if no process that may be read maps it.
  [[nodiscard]] std::optional<LockSeen> object(std::uint64_t manager, std::uint64_t id) const;

  // Circles of threads that wait for each other: one for each group of threads that can never go
  // on. Looks twice: all of them were there at one instant.
  [[nodiscard]] std::vector<Deadlock> deadlocks() const;

  // What a person calls the object: its name in quotes, else "#12".
  [[nodiscard]] std::string object_text(std::uint64_t manager, std::uint64_t object) const;

  // Processes that may not be read.
  [[nodiscard]] std::size_t unreadable() const;

 private:
  struct State;
  explicit Inspector(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace shoal
