// What is common to every object that lives in the memory of its arena: locks, semaphores, events,
// conditions, barriers, cells and arrays. One mapping of the arena serves all of them.
//
// Ownership: a proxy holds one reference to the object; copies share it, and the reference ends
// with the last copy. Who gives a process's last reference back while the process holds the object
// (a lock, a permit) lets go of it too.
//
// Calls that need not wait make no system call, send nothing to the manager and allocate nothing,
// once the thread has used the session before. A thread's first call takes a thread number of the
// session (1..16383, given back when the thread ends; RESOURCE_EXHAUSTED when none is left); the
// first call of a forked child opens the child's session, which is a control call.
//
// Waiting: a timeout is a span of time from now; absl::InfiniteDuration() waits for ever,
// absl::ZeroDuration() looks once. DEADLINE_EXCEEDED when it is over. A wait spins a little, then
// sleeps; a signal handler does not end it.
//
// Errors of every call: FAILED_PRECONDITION: the proxy is closed, or the object was destroyed.
// UNAVAILABLE: the manager shut down, which also ends every wait; or, in a forked child, no manager
// answers. PERMISSION_DENIED: a change through a proxy that is attached read-only; such a one may
// look (is_set, load, get, wait of an event or a cell) and nothing else.
//
// When a process dies, whatever it held is given back by the manager within moments: each header
// says how that shows. A process that is stopped is waited for, never robbed.
//
// Thread safety: all calls of one proxy may run at once, but close() and assignment. Fork: proxies
// go on working in a forked child, which is a session of its own: it holds nothing that its parent
// holds. What a thread holds when it ends stays held until its process dies.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "shoal/client.h"
#include "shoal/export.h"
#include "shoal/object.h"

namespace shoal {

namespace internal {

// What a proxy asks the manager for.
struct ArenaRequest {
  Kind kind = Kind::kUnknown;
  std::uint64_t parameter = 0;
  std::uint16_t flags = 0;
  Lifetime lifetime = Lifetime::kNamed;
  Access access = Access::kReadWrite;
  std::string fingerprint = {};
  std::uint32_t element_bytes = 0;          // of a value or an element; 0: not typed
  std::span<const std::byte> initial = {};  // of a cell
  std::string_view unknown_option = {};     // has a value that there is not; empty: none has
};

template <class Self>
class ArenaKind;

}  // namespace internal

class SHOAL_EXPORT ArenaObject {
 public:
  [[nodiscard]] const std::string& name() const;  // as created or opened; empty: anonymous
  [[nodiscard]] std::uint64_t id() const;         // 0 once closed
  [[nodiscard]] Access access() const;

  // Gives this proxy's share of the reference back. Closing twice is fine. Never waits.
  absl::Status close();

  // Takes the object's name away, if it is still this object's. NOT_FOUND if it has none.
  [[nodiscard]] absl::Status unlink() const;

  // A descriptor for epoll and its like, which becomes readable when the object has changed so that
  // a call that would have had to wait is worth another try. Level-triggered: it stays readable
  // until a call of this process on the object would have to wait (a try that fails, a wait with a
  // timeout of zero; any wait at a barrier but the last to arrive); that call drains it and arms it
  // again. So: try; if that fails, wait for the descriptor; try again. It may become readable
  // without cause.
  // One for each object of a session, made at the first call, which is a control call. It belongs
  // to the library: do not close or read it; it goes with the last reference. A forked child asks
  // again and gets another.
  [[nodiscard]] absl::StatusOr<int> poll_fd() const;

 protected:
  ArenaObject() = default;  // closed
  explicit ArenaObject(std::shared_ptr<internal::Reference> reference)
      : reference_(std::move(reference)) {}
  ~ArenaObject() = default;
  ArenaObject(const ArenaObject&) = default;
  ArenaObject(ArenaObject&&) = default;
  ArenaObject& operator=(const ArenaObject&) = default;
  ArenaObject& operator=(ArenaObject&&) = default;

  std::shared_ptr<internal::Reference> reference_;

 private:
  friend class Client;
  friend class ReadTransaction;
  friend class Transaction;
  template <class Self>
  friend class internal::ArenaKind;

  static absl::StatusOr<std::shared_ptr<internal::Reference>> create_object(
      const Client& client, std::string_view name, const internal::ArenaRequest& wanted,
      bool open_existing);
  static absl::StatusOr<std::shared_ptr<internal::Reference>> open_object(
      const Client& client, std::string_view name, const internal::ArenaRequest& wanted);
  static absl::StatusOr<std::shared_ptr<internal::Reference>> open_object(
      const Client& client, const Token& token, const internal::ArenaRequest& wanted);
  static absl::StatusOr<std::shared_ptr<internal::Reference>> open_object(
      const Client& client, std::uint64_t id, const internal::ArenaRequest& wanted);

  const std::shared_ptr<internal::Reference>& held() const { return reference_; }
};

namespace internal {

// How Client creates and opens a `Self`, which has `Options` and `wanted(Options)`.
template <class Self>
class ArenaKind : public ArenaObject {
 protected:
  using ArenaObject::ArenaObject;

 private:
  friend class shoal::Client;

  static absl::StatusOr<Self> made(absl::StatusOr<std::shared_ptr<Reference>> reference) {
    if (!reference.ok()) return reference.status();
    return Self(*std::move(reference));
  }
  template <class Options>
  static absl::StatusOr<Self> create(const Client& client, std::string_view name,
                                     const Options& options, bool open_existing) {
    return made(create_object(client, name, Self::wanted(options), open_existing));
  }
  template <class Which>
  static absl::StatusOr<Self> open(const Client& client, const Which& which,
                                   const OpenOptions& options) {
    ArenaRequest wanted = Self::wanted({});
    wanted.access = options.access;
    return made(open_object(client, which, wanted));
  }
};

}  // namespace internal

}  // namespace shoal
