// A manager without sockets or an event loop, and clients that hand it whole messages, as bytes.
// Unit tests build small worlds; what their clients may not do is said by the identity.
#pragma once

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include <capnp/message.h>
#include <capnp/serialize.h>
#include <kj/exception.h>

#include "daemon/service.h"
#include "daemon/state.h"
#include "schemas/framing.h"
#include "schemas/protocol.h"

namespace shoal::test {

// Descriptors that this process has open.
inline std::size_t open_descriptors() {
  return static_cast<std::size_t>(
      std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {}));
}

struct Sizes {
  std::uint64_t memory_max = 64 << 20;
  std::uint64_t quota = 64 << 20;
  std::uint64_t warm = 0;
  std::uint64_t arena = 16 << 20;
  std::uint32_t slow_wait_ms = 0;
  int log_fd = -1;  // gets all of the log
  mode_t mode = 0600;
  daemon::DescriptorBudget descriptors{
      .segments = 1024, .sessions = 64, .ungreeted = 64, .watches = 64};
  daemon::CatalogCapacity capacity{
      .arenas = 16, .sessions = 256, .objects = 2048, .attachments = 4096, .tokens = 64};
};

class World {
 public:
  explicit World(const Sizes& sizes = {})
      : log(sizes.log_fd < 0 ? daemon::Level::kError : daemon::Level::kDebug,
            sizes.log_fd < 0 ? 2 : sizes.log_fd),
        state(take(daemon::Catalog::map(sizes.capacity)), options(sizes), sizes.descriptors, log),
        service(state.parts(), {.socket = "/test/shoald.sock",
                                .started_ns = 1,
                                .default_quota_bytes = sizes.quota,
                                .ungreeted_max = sizes.descriptors.ungreeted}) {}

  daemon::Log log;
  daemon::State state;
  daemon::Service service;

 private:
  static daemon::Catalog take(absl::StatusOr<daemon::Catalog> catalog) {
    if (!catalog.ok()) std::abort();
    return *std::move(catalog);
  }
  static daemon::Options options(const Sizes& sizes) {
    daemon::Options options;
    options.memory_max = sizes.memory_max;
    options.warm_bytes = sizes.warm;
    options.default_quota = sizes.quota;
    options.default_mode = sizes.mode;
    options.arena_size = sizes.arena;
    options.slow_wait_ms = sizes.slow_wait_ms;
    return options;
  }
};

// Does for a session whatever its end asks for, as the event loop would, but at once.
inline void advance(daemon::State& state, daemon::Index slot) {
  using Step = daemon::Sessions::Step;
  Step step = state.sessions.next(slot);
  for (; step == Step::kRecover; step = state.sessions.next(slot)) {
    while (state.sessions.recover_some(slot)) {
    }
  }
  if (step != Step::kDrain) return;
  while (state.sessions.drain_some(slot)) {
  }
}

// The manager's answer; the descriptors that came with it are closed with it.
class Reply {
 public:
  explicit Reply(std::unique_ptr<daemon::Answer> answer, bool readable = true)
      : answer_(std::move(answer)), readable_(readable) {}

  [[nodiscard]] wire::Reply::Reader get() const {
    return answer_->message.getRoot<wire::Reply>().asReader();
  }
  [[nodiscard]] bool readable() const { return readable_; }  // false: the request was no message
  [[nodiscard]] bool hang_up() const { return answer_->hang_up; }
  [[nodiscard]] bool has_reply() const { return answer_->has_reply; }
  [[nodiscard]] bool opened_session() const { return answer_->opened_session; }
  [[nodiscard]] int descriptor(std::size_t i) const { return answer_->descriptors[i].get(); }
  [[nodiscard]] absl::StatusCode code() const {
    return get().isError() ? static_cast<absl::StatusCode>(get().getError().getCode())
                           : absl::StatusCode::kOk;
  }
  [[nodiscard]] bool ok() const { return readable_ && code() == absl::StatusCode::kOk; }
  [[nodiscard]] std::string message() const {
    return get().isError() ? get().getError().getMessage().cStr() : "";
  }
  // Of an attachment.
  [[nodiscard]] std::uint64_t object() const {
    return get().isAttached() ? get().getAttached().getObject() : 0;
  }
  [[nodiscard]] std::string token() const { return get().isToken() ? get().getToken().cStr() : ""; }

 private:
  std::unique_ptr<daemon::Answer> answer_;
  bool readable_;
};

inline daemon::Identity myself() {
  return {.pid = ::getpid(), .uid = ::geteuid(), .gid = ::getegid(), .groups = {}};
}
// Somebody without special rights; the process is this one, so that the kernel has a pidfd.
inline daemon::Identity stranger(uid_t uid = 4711, gid_t gid = 4711,
                                 std::vector<gid_t> groups = {}) {
  return {.pid = ::getpid(), .uid = uid, .gid = gid, .groups = std::move(groups)};
}

using Fill = std::function<void(wire::Request::Builder)>;

inline kj::Array<capnp::word> encode(std::uint64_t id, const Fill& fill) {
  capnp::MallocMessageBuilder message;
  auto request = message.initRoot<wire::Request>();
  request.setId(id);
  fill(request);
  return capnp::messageToFlatArray(message);
}

// The number that says which member of the request's union is set; of a message in one segment.
inline std::uint16_t& discriminant(kj::Array<capnp::word>& message) {
  constexpr std::size_t kFramingRootAndId = 3;
  return *reinterpret_cast<std::uint16_t*>(&message[kFramingRootAndId]);
}

// One client process. Its requests get growing ids by themselves.
class TestClient {
 public:
  explicit TestClient(World& world, daemon::Identity who = myself()) : world_(world) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) std::abort();
    ours_.reset(ends[0]);
    theirs_.reset(ends[1]);
    connection_.who = std::move(who);
    connection_.socket = theirs_.get();
  }

  Reply deliver(kj::ArrayPtr<const capnp::word> message) {
    auto answer = std::make_unique<daemon::Answer>();
    const kj::Maybe<kj::Exception> broken = kj::runCatchingExceptions([&] {
      capnp::FlatArrayMessageReader reader(message,
                                           protocol::reader_options(message.asBytes().size()));
      for (;;) {
        world_.service.handle(connection_, reader.getRoot<wire::Request>(), *answer);
        if (!answer->again) break;
        ++partly_;
        answer = std::make_unique<daemon::Answer>();
      }
    });
    return Reply(std::move(answer), broken == nullptr);
  }
  Reply send(std::uint64_t id, const Fill& fill) { return deliver(encode(id, fill)); }
  Reply call(const Fill& fill) { return send(++last_id_, fill); }

  Reply hello(std::string_view arena = "default",
              const std::optional<daemon::Sessions::Secret>& resume = std::nullopt) {
    Reply reply = send(0, [&](wire::Request::Builder request) {
      fill_hello(request.initHello(), arena);
      if (!resume) return;
      fill_secret(request.getHello().initResume(), *resume);
    });
    if (reply.opened_session()) life_.reset(::fcntl(reply.descriptor(0), F_DUPFD_CLOEXEC, 0));
    return reply;
  }
  static void fill_hello(wire::Hello::Builder hello, std::string_view arena) {
    for (auto version : {hello.initOldest(), hello.initNewest()}) {
      version.setMajor(protocol::kProtocolMajor);
      version.setMinor(protocol::kProtocolMinor);
    }
    hello.setLayout(protocol::kLayoutVersion);
    hello.setLabel("test");
    hello.setArena(std::string(arena).c_str());
  }
  static void fill_secret(wire::Secret::Builder out, const daemon::Sessions::Secret& secret) {
    out.setSession(secret.session);
    out.setHigh(secret.words[0]);
    out.setLow(secret.words[1]);
  }

  Reply create(std::string_view name, std::uint64_t size = 4096,
               wire::Lifetime lifetime = wire::Lifetime::NAMED) {
    return call([&](wire::Request::Builder request) {
      fill_create(request.initCreate(), name, size, lifetime);
    });
  }
  static void fill_create(wire::Create::Builder create, std::string_view name,
                          std::uint64_t size = 4096,
                          wire::Lifetime lifetime = wire::Lifetime::NAMED) {
    create.setName(std::string(name).c_str());
    create.setKind(wire::Kind::SHARED_MEMORY);
    create.setSize(size);
    create.setLifetime(lifetime);
  }
  // An object in the memory of the arena; `change` sees the request before it goes.
  Reply create_in_arena(std::string_view name, wire::Kind kind, std::uint64_t parameter = 0,
                        const std::function<void(wire::Create::Builder)>& change = nullptr) {
    return call([&](wire::Request::Builder request) {
      auto create = request.initCreate();
      create.setName(std::string(name).c_str());
      create.setKind(kind);
      create.setParameter(parameter);
      if (kind == wire::Kind::CELL || kind == wire::Kind::ARRAY) create.setFingerprint("u8");
      if (kind == wire::Kind::ARRAY) create.setElementBytes(1);
      if (change) change(create);
    });
  }
  Reply arena_map(wire::Access access) {
    return call([&](wire::Request::Builder request) { request.setArenaMap(access); });
  }
  Reply watch(std::uint64_t object) {
    return call([&](wire::Request::Builder request) { request.setWatch(object); });
  }
  Reply poke(std::uint64_t object) {
    return send(0, [&](wire::Request::Builder request) { request.setPoke(object); });
  }
  Reply ping() {
    return call([](wire::Request::Builder request) { request.setPing(); });
  }
  Reply waits(std::uint64_t after = 0) {
    return call([&](wire::Request::Builder request) { request.initWaits().setAfter(after); });
  }
  Reply open(std::string_view name, wire::Access access = wire::Access::READ_WRITE) {
    return call([&](wire::Request::Builder request) {
      auto open = request.initOpen();
      open.setName(std::string(name).c_str());
      open.setAccess(access);
    });
  }
  Reply open_token(std::string_view token, wire::Access access = wire::Access::READ_WRITE) {
    return call([&](wire::Request::Builder request) {
      auto open = request.initOpen();
      open.setToken(std::string(token).c_str());
      open.setAccess(access);
    });
  }
  Reply share(std::uint64_t object, double seconds = 60) {
    return call([&](wire::Request::Builder request) {
      auto share = request.initShare();
      share.setObject(object);
      share.setSeconds(seconds);
    });
  }
  Reply unlink(std::string_view name) {
    return call([&](wire::Request::Builder request) {
      request.initUnlink().setName(std::string(name).c_str());
    });
  }
  Reply link(std::uint64_t object, std::string_view name) {
    return call([&](wire::Request::Builder request) {
      auto link = request.initLink();
      link.setObject(object);
      link.setName(std::string(name).c_str());
    });
  }
  Reply seal(std::uint64_t object) {
    return call([&](wire::Request::Builder request) { request.setSeal(object); });
  }
  Reply stat(std::string_view name) {
    return call([&](wire::Request::Builder request) {
      request.initStat().setName(std::string(name).c_str());
    });
  }
  void release(std::uint64_t object, std::uint32_t count = 0,
               wire::Access left = wire::Access::READ_WRITE) {
    (void)send(0, [&](wire::Request::Builder request) {
      auto release = request.initRelease();
      release.setObject(object);
      release.setCount(count);
      release.setAccess(left);
    });
  }

  // The control socket is lost; the process lives on and may resume.
  void lose_connection() {
    daemon::Connection fresh;
    fresh.who = connection_.who;
    fresh.socket = connection_.socket;
    if (const daemon::Index slot = std::exchange(connection_, std::move(fresh)).slot; slot != 0) {
      world_.state.sessions.control_lost(slot);
      advance(world_.state, slot);
    }
  }
  // The process is dead; with `forked`, a child of it lives on with its life pipe.
  void die(bool forked = false) {
    world_.state.sessions.died(connection_.slot);
    if (!forked) {
      end_life();
    } else {
      advance(world_.state, connection_.slot);
    }
  }
  // The last holder of the life pipe is gone.
  void end_life() {
    life_.reset();
    world_.state.sessions.life_hung_up(connection_.slot);
    advance(world_.state, connection_.slot);
  }

  // The session's page: the manager's own descriptor, to be mapped or written.
  [[nodiscard]] int page() const { return world_.state.sessions.page(slot()); }
  [[nodiscard]] daemon::Connection& connection() { return connection_; }
  [[nodiscard]] daemon::Index slot() const { return connection_.slot; }
  [[nodiscard]] daemon::Sessions::Secret secret() const {
    return world_.state.sessions.secret(connection_.slot);
  }
  // How often a request of its was handled in part.
  [[nodiscard]] int partly() const { return partly_; }
  [[nodiscard]] std::uint64_t last_id() const { return last_id_; }
  void set_last_id(std::uint64_t id) { last_id_ = id; }

 private:
  World& world_;
  protocol::UniqueFd ours_;
  protocol::UniqueFd theirs_;
  protocol::UniqueFd life_;
  daemon::Connection connection_;
  std::uint64_t last_id_ = 0;
  int partly_ = 0;
};

}  // namespace shoal::test
