// A session with a manager: one control call at a time, repeated after a lost connection; what this
// process holds; and what becomes of both in a forked child.
//
// Locking: `call_mutex_` for as long as a call is under way; `state_mutex_` for the local ledger,
// never held while waiting. News for the manager that need no answer (a reference given back, a
// watched object changed) never wait: if a call is under way, whoever makes it passes them on when
// it is done.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "client/arena_mapping.h"
#include "client/channel.h"
#include "client/fork.h"
#include "client/fork_mark.h"
#include "client/guarded_fd.h"
#include "client/mapping.h"
#include "client/threads.h"
#include "memory/word.h"
#include "schemas/control.capnp.h"
#include "shoal/client.h"
#include "shoal/object.h"

namespace shoal::internal {

class ArenaReference;
class Reference;
class Session;

// For replies of another kind than the request's.
absl::Status unexpected();

// The sessions of this process, by number: how a thread that ends finds those that it used. Never
// destroyed.
class LiveSessions : private ForkGuarded {
 public:
  static LiveSessions& get();
  std::uint64_t add(const std::shared_ptr<Session>& session);  // its number; never used again
  void remove(std::uint64_t number);
  std::shared_ptr<Session> find(std::uint64_t number);
  // Whether one of another arena holds an object of this id.
  bool is_held_elsewhere(std::uint64_t object, const std::string& arena);

 private:
  std::uint64_t last_ = 0;
  absl::flat_hash_map<std::uint64_t, std::weak_ptr<Session>> all_;
};

class Session final : private ForkGuarded, public std::enable_shared_from_this<Session> {
 public:
  static absl::StatusOr<std::shared_ptr<Session>> open(ClientOptions options, bool with_arena);
  ~Session();

  // One request and its reply. `fill` may run several times; `read` at most once.
  absl::Status call(FillRequest fill, ReadReply read);

  // A request that attaches to an object that is a segment, or lives in the arena; `name` is what
  // messages and name() say.
  absl::StatusOr<std::shared_ptr<Reference>> attach(std::string_view name, bool prefault,
                                                    FillRequest fill);
  absl::StatusOr<std::shared_ptr<ArenaReference>> attach_in_arena(std::string_view name,
                                                                  FillRequest fill);
  // Takes the name of an object away that was just created, and is of no use here.
  void discard(std::uint64_t object);

  // The memory of the session's arena.
  absl::StatusOr<std::shared_ptr<ArenaMapping>> arena(Access access);

  // Names this process as an owner in shared memory. Opens a forked child's session.
  absl::StatusOr<std::uint16_t> slot() {
    if (epoch_.load(std::memory_order_acquire) == fork_epoch()) return slot_;
    return slot_after_fork();
  }

  // Tells threads' entries of different sessions apart; kept by forked children.
  [[nodiscard]] std::uint64_t number() const { return number_; }

  // The calling thread in this session: finds or makes its entry. Opens a forked child's session.
  // RESOURCE_EXHAUSTED: all thread numbers are used up.
  absl::StatusOr<ThreadEntry*> enter();
  // The thread that has the entry is over.
  void leave(const ThreadEntry& entry);

  // The descriptor that becomes readable when the object changes: the session's own, to be closed
  // by nobody else. Armed.
  absl::StatusOr<int> watch(std::uint64_t object);
  // Whether the object is watched. If so, drains its descriptor; the caller arms it again.
  bool drain_watch(std::uint64_t object);
  // Has the manager arm it, for who may not write.
  absl::Status ask_to_watch(std::uint64_t object, protocol::UniqueFd* fd);

  // Keeps objects held until `unpin`, whoever closes them meanwhile; all of them or none: `missing`
  // is the first that is not held, or is a segment.
  enum class Hold : std::uint8_t { kHeld, kMissing, kSegment };
  Hold pin(std::span<const std::uint64_t> objects, std::uint64_t& missing);
  void unpin(std::span<const std::uint64_t> objects);
  [[nodiscard]] bool holds(std::uint64_t object);

  // Keeps a block of an object as it is, whoever frees it, until `unpin_block`. NOT_FOUND: it is
  // not the object's any more.
  absl::Status pin_block(std::uint64_t object, std::uint64_t block);
  void unpin_block(std::uint64_t object, std::uint64_t block);

  [[nodiscard]] const ClientOptions& options() const { return options_; }

 private:
  friend class Reference;

  struct Held {
    std::uint32_t count[2] = {};        // by access
    std::uint32_t pins = 0;             // values on their way that refer to it
    std::weak_ptr<Mapping> mapping[2];  // by access
    std::shared_ptr<GuardedFd> watch;   // null: nobody has asked for it
    // Of what lives in the arena: fork_count() when it came to be held. Later forks share it.
    std::uint64_t since = UINT64_MAX;
    const memory::Word32* lock = nullptr;  // null: this process cannot hold it

    [[nodiscard]] std::uint32_t total() const { return count[0] + count[1]; }
    // As many as the manager is to know of.
    [[nodiscard]] std::uint32_t told() const { return total() == 0 && pins != 0 ? 1 : total(); }
    [[nodiscard]] bool in_arena() const { return since != UINT64_MAX; }
    [[nodiscard]] Access access() const {
      return count[static_cast<int>(Access::kReadWrite)] > 0 ? Access::kReadWrite
                                                             : Access::kReadOnly;
    }
  };
  struct Secret {
    std::uint64_t session = 0;
    std::uint64_t high = 0;
    std::uint64_t low = 0;
  };

  Session(ClientOptions options, bool with_arena);

  // All of these with call_mutex_ held.
  absl::Status begin_call();
  absl::Status exchange(std::uint64_t id, kj::ArrayPtr<const capnp::word> message, ReadReply read);
  absl::Status connect_anywhere(absl::Duration within);
  absl::Status hello(bool resume);
  absl::Status reconnect(absl::Time deadline, absl::Status status);
  void settle_abandoned(wire::Welcome::Reader welcome);
  absl::Status begin_in_child();
  absl::Status inherit(const Secret& parent);
  absl::StatusOr<std::uint16_t> slot_after_fork();
  void send_news();
  void look_at_kept();
  bool send_releases();
  void forget_releases();
  bool send_pokes();
  bool send_unpins();

  using Take = absl::FunctionRef<absl::Status(wire::Attached::Reader, Descriptors&)>;
  absl::Status attach_with(FillRequest fill, Take take);
  absl::StatusOr<std::shared_ptr<Mapping>> map_segment(bool prefault,
                                                       wire::Attached::Reader attached,
                                                       Descriptors& descriptors);
  static void describe(Reference& reference, std::string_view name,
                       wire::Attached::Reader attached);
  void note_in_arena(std::uint64_t object);
  [[nodiscard]] bool is_owner(std::uint32_t thread) const;
  void release(std::uint64_t object, Access access);
  static void poke(void* session, std::uint64_t object);
  void pass_on_news();

  static void fill_secret(wire::Secret::Builder out, const Secret& secret);

  ClientOptions options_;
  bool with_arena_;
  std::uint64_t number_ = 0;
  std::string socket_path_;  // where the manager was found
  Channel channel_;
  GuardedFd life_;  // the write end of the life pipe, in which nothing is ever written
  std::shared_ptr<Mapping> page_;
  Secret secret_;
  std::uint16_t slot_ = 0;
  std::uint64_t last_id_ = 0;
  std::uint64_t abandoned_ = 0;  // id of a request that was given up; 0: none
  absl::Status lost_;            // not OK: for good
  std::atomic<std::uint64_t> epoch_;

  bool has_kept_ = false;  // kept_ is not empty; with call_mutex_ held

  // With state_mutex_ held.
  absl::flat_hash_map<std::uint64_t, Held> held_;  // and what the manager was not told of yet
  absl::flat_hash_set<std::uint64_t> to_release_;
  absl::flat_hash_set<std::uint64_t> kept_;  // given back, but forked children may use it
  ForkMark fork_mark_;
  absl::flat_hash_set<std::uint64_t> to_poke_;
  using Block = std::pair<std::uint64_t, std::uint64_t>;  // object, offset
  absl::flat_hash_map<Block, std::uint32_t> pinned_;      // how many views show it
  absl::flat_hash_set<Block> to_unpin_;
  std::atomic<bool> has_news_{false};
  std::atomic<bool> has_watches_{false};
  ThreadNumbers threads_;
  std::vector<std::uint32_t> ended_;        // numbers of threads that ended while they held a lock
  std::shared_ptr<ArenaMapping> arena_[2];  // by access
};

// One request whose reply is to be of one kind: `is` and `get` are the reader's, for that member,
// and `unpack` makes of it what the caller wants.
template <typename Member, typename Unpack>
auto ask(Session& session, FillRequest fill, bool (wire::Reply::Reader::*is)() const,
         Member (wire::Reply::Reader::*get)() const, Unpack unpack)
    -> absl::StatusOr<decltype(unpack(std::declval<Member>()))> {
  decltype(unpack(std::declval<Member>())) result{};
  absl::Status status =
      session.call(fill, [&](wire::Reply::Reader reply, Descriptors&) -> absl::Status {
        if (!(reply.*is)()) return unexpected();
        result = unpack((reply.*get)());
        return absl::OkStatus();
      });
  if (!status.ok()) return status;
  return result;
}

}  // namespace shoal::internal
