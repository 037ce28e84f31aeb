// The connection of this process to a manager, and the way to every object.
//
//   auto client = shoal::Client::connect();
//   auto frame  = client->create<shoal::SharedMemory>("frame0", {.size = 8 << 20});
//   auto again  = client->open<shoal::SharedMemory>("frame0");
//   client->unlink("frame0");
//
// Thread safety: every method may be called from any thread; control calls of one client take
// turns. Blocking: each control call is one round trip to the manager; while the manager is away,
// or stopped, a call waits up to `control_timeout`, then returns UNAVAILABLE: it may have been
// done. fork() waits for a call that is under way in another thread.
//
// Fork: a client and every object made by it go on working in a forked child: mappings are
// inherited, and the child's first control call opens a session of its own and takes over the
// parent's references. Until then the child counts through its parent. A child that closed its
// descriptors gets UNAVAILABLE from control calls; mapped memory stays usable.
//
// The library starts no thread, installs no signal handler and prints nothing. No call is
// async-signal-safe.
#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "shoal/arena.h"
#include "shoal/export.h"
#include "shoal/object.h"

namespace shoal {

class ReadTransaction;
class Transaction;
class Value;

namespace internal {
class Session;
class Reference;
SHOAL_EXPORT absl::Status empty_name();  // what a name that was forgotten is answered with
// What the value refers to. INVALID_ARGUMENT: it is no reference.
SHOAL_EXPORT absl::StatusOr<std::uint64_t> referred_id(const Value& value);
}  // namespace internal

struct ClientOptions {
  std::string socket = {};  // empty: $SHOAL_SOCKET, else the default sockets in turn
  std::string arena = {};   // empty: $SHOAL_ARENA, else "default"
  std::string label = {};   // what tools show, at most 63 bytes; empty: the program's name
  absl::Duration control_timeout = absl::Seconds(10);  // for a manager that is away
  absl::Duration op_timeout = absl::Seconds(30);       // for another process's lock
  // Most turns that a call spins before it sleeps; it spins less where spinning has not helped. A
  // large number: a waiter that all but never sleeps, for who has a core to spare. More than 2^30
  // is 2^30.
  std::uint32_t spins = 100;
};

// Copies share one session; it ends with the last copy and the last object made by it.
class SHOAL_EXPORT Client {
 public:
  // UNAVAILABLE: no manager answers (the message lists the sockets tried and how to start one).
  // NOT_FOUND, PERMISSION_DENIED: the arena. FAILED_PRECONDITION: another protocol version.
  [[nodiscard]] static absl::StatusOr<Client> connect(const ClientOptions& options = {});

  // A session for administration only: no arena is looked at. See admin.h.
  [[nodiscard]] static absl::StatusOr<Client> connect_for_administration(
      const ClientOptions& options = {});

  // Creates an object. `Name` is any text: {} is not, but the options of an object without a name.
  // ALREADY_EXISTS, INVALID_ARGUMENT, PERMISSION_DENIED, RESOURCE_EXHAUSTED.
  template <class T, std::convertible_to<std::string_view> Name>
  [[nodiscard]] absl::StatusOr<T> create(const Name& name,
                                         const typename T::Options& options = {}) const {
    if (std::string_view(name).empty()) return internal::empty_name();
    return T::create(*this, name, options, /*open_existing=*/false);
  }

  // Creates an object without a name: handed on by `share`, gone with its last reference.
  template <class T>
  [[nodiscard]] absl::StatusOr<T> create(const typename T::Options& options = {}) const {
    return T::create(*this, {}, options, /*open_existing=*/false);
  }

  // Attaches to an object. NOT_FOUND; FAILED_PRECONDITION for another kind, or for writing to a
  // sealed object; PERMISSION_DENIED.
  template <class T>
  [[nodiscard]] absl::StatusOr<T> open(std::string_view name,
                                       const OpenOptions& options = {}) const {
    return T::open(*this, name, options);
  }

  // Attaches to what `share` handed on, and uses the token up. NOT_FOUND once it was taken or its
  // time is over.
  template <class T>
  [[nodiscard]] absl::StatusOr<T> open(const Token& token, const OpenOptions& options = {}) const {
    return T::open(*this, token, options);
  }

  // Attaches to what a value refers to (reference.h): to an object in the memory of this client's
  // arena that some value has ever referred to. NOT_FOUND once it is gone; INVALID_ARGUMENT: the
  // value is no reference.
  template <class T, std::same_as<Value> V>
  [[nodiscard]] absl::StatusOr<T> open(const V& reference, const OpenOptions& options = {}) const {
    const absl::StatusOr<std::uint64_t> id = internal::referred_id(reference);
    if (!id.ok()) return id.status();
    return open_by_id<T>(*id, options);
  }
  template <class T>
  [[nodiscard]] absl::StatusOr<T> open_by_id(std::uint64_t id,
                                             const OpenOptions& options = {}) const {
    return T::open(*this, id, options);
  }

  // The existing object if there is one (its options stay as they are), else a new one.
  template <class T>
  [[nodiscard]] absl::StatusOr<T> open_or_create(std::string_view name,
                                                 const typename T::Options& options = {}) const {
    if (name.empty()) return internal::empty_name();
    return T::create(*this, name, options, /*open_existing=*/true);
  }

  // Takes the name away now; the memory goes with the last attachment. NOT_FOUND.
  [[nodiscard]] absl::Status unlink(std::string_view name) const;

  // Every named object whose name begins with `prefix`, in byte order of the names.
  [[nodiscard]] absl::StatusOr<std::vector<ObjectInfo>> list(std::string_view prefix = {}) const;

  // The objects without a name: anonymous, or unlinked while in use.
  [[nodiscard]] absl::StatusOr<std::vector<ObjectInfo>> list_unnamed() const;

  // Who holds this?
  [[nodiscard]] absl::StatusOr<ObjectStat> stat(std::string_view name) const;
  [[nodiscard]] absl::StatusOr<ObjectStat> stat_by_id(std::uint64_t id) const;

  // Hands an object on: see Token. INVALID_ARGUMENT for a time that is not positive or over a day.
  template <class T>
  [[nodiscard]] absl::StatusOr<Token> share(const T& object,
                                            absl::Duration valid_for = absl::Seconds(60)) const {
    return share_reference(object.held(), valid_for);
  }

  // Runs `body`, and then makes all the changes that it asked for, at once, or none. transaction.h.
  absl::Status transact(absl::FunctionRef<absl::Status(Transaction&)> body) const;
  // Runs `body`, all of whose reads are of one instant. transaction.h.
  absl::Status read_transaction(absl::FunctionRef<absl::Status(ReadTransaction&)> body) const;

  // Whether the manager answers.
  [[nodiscard]] absl::Status ping() const;

  // Administration of one arena. The name is not looked at until a method is called.
  [[nodiscard]] Arena arena(std::string_view name) const;

  [[nodiscard]] const ClientOptions& options() const;

  // Unlinks at once what this client created with Lifetime::kSession.
  [[nodiscard]] absl::Status end_session() const;

 private:
  friend class Admin;
  friend class ArenaObject;
  friend class SharedMemory;
  friend class ShareableList;

  explicit Client(std::shared_ptr<internal::Session> session);
  [[nodiscard]] absl::StatusOr<Token> share_reference(
      const std::shared_ptr<internal::Reference>& reference, absl::Duration valid_for) const;

  std::shared_ptr<internal::Session> session_;
};

}  // namespace shoal
