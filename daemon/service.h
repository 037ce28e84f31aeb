// What the manager answers: one request in, one reply out. It knows no sockets and no event loop,
// so that tests and fuzzers can call it with any request at all.
//
// Handlers are grouped in service_session.cc (hello, inherit), service_objects.cc (create, open,
// unlink, ...), service_listing.cc (list, stat), service_arena.cc (what has to do with the memory
// of arenas) and service_admin.cc (arenas, clients, usage, limits).
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include <capnp/message.h>

#include "daemon/accounts.h"
#include "daemon/arena_memory.h"
#include "daemon/arenas.h"
#include "daemon/catalog.h"
#include "daemon/identity.h"
#include "daemon/ledger.h"
#include "daemon/log.h"
#include "daemon/objects.h"
#include "daemon/pins.h"
#include "daemon/sessions.h"
#include "daemon/tokens.h"
#include "daemon/trace.h"
#include "daemon/watches.h"
#include "schemas/control.capnp.h"
#include "schemas/limits.h"
#include "schemas/text.h"
#include "schemas/unique_fd.h"

namespace shoal::daemon {

// One peer, as far as the service is concerned.
struct Connection {
  Identity who;
  int socket = -1;  // only to ask the kernel for the peer's pidfd
  Index slot = 0;   // after hello
  std::uint32_t generation = 0;
  protocol::UniqueFd offered;  // what rode along with hello
  std::uint64_t awaited = 0;   // a cycle of the trace that its create waits for; 0: none
};

struct Answer {
  capnp::MallocMessageBuilder message;
  std::array<protocol::UniqueFd, protocol::kMessageDescriptorsMax> descriptors;
  bool has_reply = true;
  bool opened_session = false;  // the connection's slot is new: its end must be watched
  bool hang_up = false;         // the peer broke the protocol
  // Only a part was done, so that others get their turn: the same request is to be handled again.
  bool again = false;
};

struct ServiceInfo {
  std::string socket;
  pid_t pid = 0;
  std::int64_t started_ns = 0;
  std::uint64_t default_quota_bytes = 0;
  std::uint32_t ungreeted_max = 0;
};

// The parts that a request works on.
struct Parts {
  Catalog& catalog;
  Accounts& accounts;
  Arenas& arenas;
  ArenaMemories& memories;
  Ledger& ledger;
  Objects& objects;
  Trace& trace;
  Watches& watches;
  Pins& pins;
  Tokens& tokens;
  Sessions& sessions;
  protocol::MemoryGauge& gauge;
  Log& log;
};

class Service {
 public:
  Service(const Parts& parts, ServiceInfo info) : parts_(parts), info_(std::move(info)) {}

  // With `again` there is no answer yet. A request that its session may not make is answered by
  // `hang_up`. kj::Exception: the message
  // cannot be read; whoever calls catches it.
  void handle(Connection& peer, wire::Request::Reader request, Answer& answer);

 private:
  struct Call;  // one request being handled

  absl::Status dispatch(Call& call);
  absl::Status dispatch_administration(Call& call);
  absl::Status dispatch_change(Call& call);
  bool replay(Call& call);
  static void fail(Call& call, const absl::Status& status);
  static absl::Status unknown_kind(const Call& call);
  absl::Status require_session(const Call& call) const;
  absl::Status require_right(const Call& call, bool write) const;

  absl::Status hello(Call& call, wire::Hello::Reader hello);
  absl::Status welcome(Call& call);
  absl::Status inherit(Call& call, wire::Inherit::Reader inherit);
  absl::Status goodbye(Call& call);
  absl::Status ping(Call& call);

  absl::Status create(Call& call, wire::Create::Reader create);
  bool waits_for_garbage(Call& call, const absl::Status& status);
  absl::Status open(Call& call, wire::Open::Reader open);
  absl::Status open_token(Call& call, wire::Open::Reader open);
  absl::Status open_object(Call& call, wire::Open::Reader open);
  absl::Status link(Call& call, wire::Link::Reader link);
  absl::Status unlink(Call& call, wire::Unlink::Reader unlink);
  absl::Status release(Call& call, wire::Release::Reader release);
  absl::Status share(Call& call, wire::Share::Reader share);
  absl::Status descriptor(Call& call, wire::Descriptor::Reader descriptor);
  absl::Status seal(Call& call, std::uint64_t object);

  absl::Status arena_map(Call& call, wire::Access access);
  absl::Status watch(Call& call, std::uint64_t object);
  absl::Status pin(Call& call, wire::Pin::Reader pin);
  void poke(const Call& call, std::uint64_t object);
  absl::Status waits(Call& call, wire::Page::Reader page);
  void end_use(const Call& call, Index object, bool all);
  absl::Status attach(Call& call, Index object, wire::Access access, bool created);
  absl::Status fill_attached(Call& call, Index object, wire::Access access, bool created);
  // `fingerprint` empty: any.
  absl::Status check_open(const Call& call, Index object, wire::Kind kind, wire::Access access,
                          std::string_view fingerprint) const;
  absl::StatusOr<Index> held(const Call& call, std::uint64_t object, bool writable) const;
  absl::StatusOr<Index> named(const Call& call, std::string_view name) const;

  absl::Status list(Call& call, wire::Listing::Reader listing);
  absl::Status stat(Call& call, wire::Target::Reader target);
  void describe(wire::Object::Builder out, Index object) const;

  absl::Status arena_create(Call& call, wire::ArenaCreate::Reader arena);
  absl::Status arena_list(Call& call);
  absl::Status arena_stat(Call& call, std::string_view name);
  absl::Status arena_change(Call& call, wire::ArenaChange::Reader change);
  absl::Status arena_remove(Call& call, std::string_view name);
  absl::Status clients(Call& call, wire::Page::Reader page);
  absl::Status usage(Call& call);
  absl::Status limits(Call& call);
  void describe(wire::Arena::Builder out, Index arena) const;

  Parts parts_;
  ServiceInfo info_;
};

struct Service::Call {
  Connection& peer;
  wire::Request::Reader request;
  wire::Reply::Builder reply;
  Answer& answer;
  Outcome outcome{};  // of a change, for a repetition
};

// Counts are shown in 32 bits.
inline std::uint32_t shown(std::uint64_t count) {
  constexpr std::uint64_t kMost = 0xffffffff;
  return static_cast<std::uint32_t>(count < kMost ? count : kMost);
}

// A peer may send any number for an enum.
inline wire::Access checked(wire::Access access) {
  return access == wire::Access::READ_WRITE ? access : wire::Access::READ_ONLY;
}

inline bool is_writable(const AttachmentRecord& attachment) {
  return attachment.access == static_cast<std::uint32_t>(wire::Access::READ_WRITE);
}

inline absl::Status object_gone(std::uint64_t id) {
  return protocol::error(absl::StatusCode::kNotFound, "object ", id,
                         " is gone, or was never there");
}

inline std::string_view view(capnp::Text::Reader text) { return {text.begin(), text.size()}; }

}  // namespace shoal::daemon
