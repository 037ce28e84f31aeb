// See session.h. Here: calls and the connection. What the process holds: session_objects.cc; its
// threads: session_threads.cc; forks: session_fork.cc.
#include "client/session.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <thread>
#include <utility>

#include "absl/time/clock.h"

#include "memory/caller.h"
#include "memory/session_page.h"
#include "schemas/limits.h"
#include "schemas/names.h"
#include "schemas/protocol.h"
#include "schemas/socket_path.h"
#include "schemas/text.h"

namespace shoal::internal {
namespace {

using protocol::error;

constexpr absl::Duration kReconnectEvery = absl::Milliseconds(20);

constexpr char kHowToStart[] = "start one with shoald, or shoal::Manager::start()";

absl::Status descriptors_closed() {
  return error(absl::StatusCode::kUnavailable,
               "this process closed the descriptors of its connection to the manager; mapped "
               "memory stays usable, for anything else connect again (shoal::Client::connect)");
}

// The manager would hang up on it.
absl::Status check_size(kj::ArrayPtr<const capnp::word> message) {
  const std::size_t bytes = message.asBytes().size();
  if (bytes <= protocol::kRequestBytesMax) return absl::OkStatus();
  return error(absl::StatusCode::kInvalidArgument, "a request of ", bytes, " bytes; at most ",
               protocol::kRequestBytesMax,
               " are allowed (the limit \"request size\"): is a name too long?");
}

}  // namespace

Session::Session(ClientOptions options, bool with_arena)
    : options_(std::move(options)), with_arena_(with_arena), epoch_(fork_epoch()) {}

// With the last proxy gone nobody else uses this. The page goes before the descriptors: the manager
// looks at it when they hang up.
Session::~Session() {
  LiveSessions::get().remove(number_);
  page_.reset();
  channel_.close();
  life_.close();
}

absl::StatusOr<std::shared_ptr<Session>> Session::open(ClientOptions options, bool with_arena) {
  if (options.label.empty()) options.label = program_invocation_short_name;
  if (options.label.size() > protocol::kLabelBytesMax) {
    options.label.resize(protocol::kLabelBytesMax);
  }
  if (options.arena.empty()) {
    const char* arena = ::getenv("SHOAL_ARENA");
    options.arena = arena == nullptr || *arena == '\0' ? "default" : arena;
  }
  if (options.control_timeout <= absl::ZeroDuration() ||
      options.op_timeout < absl::ZeroDuration()) {
    return error(absl::StatusCode::kInvalidArgument,
                 "ClientOptions: control_timeout must be positive and op_timeout not negative");
  }
  options.spins = std::min(options.spins, memory::kSpinsMax);
  if (absl::Status status = protocol::check_name("arena", options.arena); !status.ok()) {
    return status;
  }
  std::shared_ptr<Session> session(new Session(std::move(options), with_arena));
  session->number_ = LiveSessions::get().add(session);
  const std::lock_guard lock(session->call_mutex_);
  absl::Status status = session->connect_anywhere(session->options_.control_timeout);
  if (status.ok()) status = session->hello(/*resume=*/false);
  if (!status.ok()) return status;
  return session;
}

absl::Status Session::connect_anywhere(absl::Duration within) {
  std::string tried;
  const std::vector<std::string> paths = socket_path_.empty()
                                             ? protocol::candidate_sockets(options_.socket)
                                             : std::vector<std::string>{socket_path_};
  absl::StatusCode code = absl::StatusCode::kUnavailable;
  for (const std::string& path : paths) {
    absl::StatusOr<Channel> channel = Channel::connect(path, within);
    if (channel.ok()) {
      channel_ = *std::move(channel);
      socket_path_ = path;
      return absl::OkStatus();
    }
    if (!absl::IsUnavailable(channel.status())) code = channel.status().code();
    protocol::append(tried, tried.empty() ? "" : "; ");
    protocol::append(tried, protocol::to_std(channel.status().message()));
  }
  return error(code, "no manager answers (", tried, "): ", kHowToStart);
}

void Session::fill_secret(wire::Secret::Builder out, const Secret& secret) {
  out.setSession(secret.session);
  out.setHigh(secret.high);
  out.setLow(secret.low);
}

absl::Status Session::hello(bool resume) {
  const auto fill = [&](wire::Request::Builder request) {
    auto hello = request.initHello();
    for (auto version : {hello.initOldest(), hello.initNewest()}) {
      version.setMajor(protocol::kProtocolMajor);
      version.setMinor(protocol::kProtocolMinor);
    }
    hello.setLayout(protocol::kLayoutVersion);
    hello.setLabel(options_.label.c_str());
    if (with_arena_) hello.setArena(options_.arena.c_str());
    if (resume) fill_secret(hello.initResume(), secret_);
  };
  const auto read = [&](wire::Reply::Reader reply, Descriptors& descriptors) -> absl::Status {
    if (!reply.isHello()) return absl::InternalError("the manager did not answer hello");
    const auto welcome = reply.getHello();
    if (resume) {
      settle_abandoned(welcome);
      return absl::OkStatus();
    }
    absl::StatusOr<std::shared_ptr<Mapping>> page =
        Mapping::map(descriptors[1].get(), memory::kSessionPageBytes, memory::kSessionPageBytes,
                     Access::kReadWrite, Mapping::Pages::kAtFirstTouch);
    if (!page.ok()) return page.status();
    page_ = *std::move(page);
    life_ = GuardedFd(std::move(descriptors[0]));
    secret_ = {.session = welcome.getSecret().getSession(),
               .high = welcome.getSecret().getHigh(),
               .low = welcome.getSecret().getLow()};
    slot_ = welcome.getSlot();
    if (slot_ == 0 || slot_ > memory::kSlotsMax) {
      return absl::InternalError("the manager gave this session a slot that there is not");
    }
    return absl::OkStatus();
  };
  // Only a manager that cannot see our pid looks at this.
  const protocol::UniqueFd self(static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0)));
  const int offered[] = {self.get()};
  constexpr std::uint64_t kHelloId = 0;
  const kj::Array<capnp::word> message = encode(kHelloId, fill);
  absl::Status status =
      channel_.send(message, self.valid() ? std::span<const int>(offered) : std::span<const int>());
  bool lost = false;
  if (status.ok()) status = channel_.receive(kHelloId, read, &lost);
  if (!status.ok()) channel_.close();
  return status;
}

// What every call begins with: the right process, its own descriptors.
absl::Status Session::begin_call() {
  if (epoch_.load(std::memory_order_relaxed) != fork_epoch()) {
    if (absl::Status status = begin_in_child(); !status.ok()) return status;
  }
  if (!lost_.ok()) return lost_;
  // Who closes all descriptors closes both: one look is enough.
  const bool closed = channel_.valid() ? !channel_.ours() : !life_.ours();
  if (closed) {
    lost_ = descriptors_closed();
    return lost_;
  }
  return absl::OkStatus();
}

absl::Status Session::call(FillRequest fill, ReadReply read) {
  absl::Status status;
  {
    const std::lock_guard lock(call_mutex_);
    status = begin_call();
    if (status.ok()) {
      send_news();
      const std::uint64_t id = ++last_id_;
      const kj::Array<capnp::word> message = encode(id, fill);
      status = check_size(message);
      if (status.ok()) status = exchange(id, message, read);
      send_news();
    }
  }
  pass_on_news();
  return status;
}

absl::Status Session::exchange(std::uint64_t id, kj::ArrayPtr<const capnp::word> message,
                               ReadReply read) {
  const absl::Time deadline = absl::Now() + options_.control_timeout;
  channel_.set_deadline(deadline);
  bool lost = true;
  absl::Status status = absl::UnavailableError("");
  for (bool first = true;; first = false) {
    if (channel_.valid()) {
      status = channel_.send(message);
      if (status.ok()) status = channel_.receive(id, read, &lost);
      if (!lost) return status;
    }
    // It can be that the connection is had again each time, and lost over this request.
    if (!first) absl::SleepFor(kReconnectEvery);
    status = reconnect(deadline, status);
    if (!status.ok()) break;
  }
  // The manager may have done it. Only the first of a row can have been sent.
  if (abandoned_ == 0) abandoned_ = id;
  return status;
}

absl::Status Session::reconnect(absl::Time deadline, absl::Status status) {
  while (absl::Now() < deadline) {
    status = connect_anywhere(deadline - absl::Now());
    channel_.set_deadline(deadline);
    if (status.ok()) status = hello(/*resume=*/true);
    if (status.ok()) {
      channel_.set_timeout(options_.control_timeout);
      return status;
    }
    if (absl::IsNotFound(status)) {  // another manager, or the session was ended
      lost_ = error(absl::StatusCode::kUnavailable, protocol::to_std(status.message()));
      return lost_;
    }
    absl::SleepFor(kReconnectEvery);
  }
  return error(absl::StatusCode::kUnavailable, "the manager at ", socket_path_,
               " is away: ", protocol::to_std(status.message()), "; ", kHowToStart,
               ", or let it go on. Mapped memory stays usable");
}

// What was given up as UNAVAILABLE may have been done, and then the manager counts a reference
// that nobody here has. It is not asked for again: nobody waits for it any more.
void Session::settle_abandoned(wire::Welcome::Reader welcome) {
  const bool done = abandoned_ != 0 && welcome.getLastRequest() == abandoned_;
  abandoned_ = 0;
  if (!done || welcome.getLastObject() == 0) return;
  const std::lock_guard lock(state_mutex_);
  to_release_.insert(welcome.getLastObject());
  has_news_.store(true, std::memory_order_relaxed);
}

}  // namespace shoal::internal
