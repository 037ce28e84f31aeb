// Requests of two peers, whole messages of any content, against a small manager without sockets.
// After every input the records, lists, totals and accounts must agree, and when its sessions have
// ended nothing may be left, not even a descriptor. The manager lives on from input to input.
//
//   input:  | turns (8 bytes) | message | message | ...
//   turns:  byte 0, bit i % 8: which peer sends message i
//           byte 1, low two bits: who peer 1 is; bit 2: default arena is open to everybody
//           byte 2: before this message (mod 32) peer 0 loses its connection
//           byte 3: before this message (mod 32) the process of peer 1 dies
//
// Secrets, ids and tokens are given out at random or grow, so an input names them by words that are
// replaced before the message is read (see `Words`).
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <capnp/serialize.h>
#include <kj/exception.h>

#include "daemon/service.h"
#include "memory/arena.h"
#include "schemas/framing.h"
#include "tests/harness/invariants.h"
#include "tests/harness/world.h"

namespace shoal::test {
namespace {

constexpr std::size_t kTurnsBytes = 8;
constexpr std::size_t kMessagesMax = 24;

struct Turns {
  std::uint8_t peers = 0;
  std::uint8_t who = 0;
  std::uint8_t lost_before = 0;
  std::uint8_t death_before = 0;
};

// Words of an input that stand for what only the running manager knows.
class Words {
 public:
  static constexpr std::uint64_t kObject = 0x0100'5443'454a'424f;  // + index << 48: "OBJECT"
  static constexpr std::uint64_t kSecret = 0x0100'5445'5243'4553;  // + 3 * peer + word: "SECRET"
  static constexpr std::uint64_t kMask = 0xff00'ffff'ffff'ffff;
  // A token's text from its beginning, of the length of a real one.
  static constexpr std::string_view kToken = "shoal-TOKEN";

  void saw(wire::Reply::Reader reply, std::size_t peer) {
    if (reply.isAttached()) objects_.push_back(reply.getAttached().getObject());
    if (reply.isToken()) token_ = reply.getToken().cStr();
    if (reply.isHello()) {
      const auto secret = reply.getHello().getSecret();
      secrets_[3 * peer] = secret.getSession();
      secrets_[3 * peer + 1] = secret.getHigh();
      secrets_[3 * peer + 2] = secret.getLow();
    }
  }
  void replace(std::span<std::uint64_t> message) const {
    for (std::size_t i = 0; i < message.size(); ++i) {
      std::uint64_t& word = message[i];
      const std::uint64_t which = word >> 48 & 0xff;
      if ((word & kMask) == kObject && which < objects_.size()) {
        word = objects_[which];
      } else if ((word & kMask) == kSecret && which < secrets_.size()) {
        word = secrets_[which];
      } else {
        replace_token(message.subspan(i));
      }
    }
  }

 private:
  void replace_token(std::span<std::uint64_t> rest) const {
    if (token_.empty() || rest.size_bytes() < token_.size()) return;
    if (std::memcmp(rest.data(), kToken.data(), kToken.size()) != 0) return;
    std::memcpy(rest.data(), token_.data(), token_.size());
  }

  std::vector<std::uint64_t> objects_;
  std::array<std::uint64_t, 6> secrets_{};
  std::string token_;
};

[[noreturn]] void fail(const std::string& why) {
  std::fprintf(stderr, "request_fuzz: %s\n", why.c_str());
  std::abort();
}

Sizes small() {
  return {.memory_max = 1 << 20,
          .quota = 512 << 10,
          .warm = 0,
          .mode = 0600,
          .descriptors = {.segments = 24, .sessions = 6, .ungreeted = 8},
          .capacity = {.arenas = 6, .sessions = 8, .objects = 32, .attachments = 48, .tokens = 8}};
}

class Fuzzer {
 public:
  Fuzzer() : world_(small()) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) fail("no socket");
    ours_.reset(ends[0]);
    theirs_.reset(ends[1]);
  }

  void run(std::span<const std::byte> input) {
    if (input.size() < kTurnsBytes) return;
    const std::size_t descriptors_before = open_descriptors();
    begin(input);
    std::span<const std::byte> rest = input.subspan(kTurnsBytes);
    for (std::size_t i = 0; i < kMessagesMax; ++i) {
      if (i == turns_.lost_before % 32) lose(0);
      if (i == turns_.death_before % 32) die(1);
      const std::size_t peer = turns_.peers >> i % 8 & 1;
      const auto size = protocol::message_bytes(rest, protocol::kRequestBytesMax);
      if (!size.ok() || !size->has_value() || **size > rest.size()) break;
      if (!answer(peer, rest.first(**size))) lose(peer);
      rest = rest.subspan(**size);
    }
    expect(Invariants::broken(world_.state), "after the requests");
    end();
    expect(Invariants::broken(world_.state), "after the sessions");
    expect(Invariants::leftovers(world_.state), "left over");
    // The memory of an arena goes after a while without use.
    world_.state.memories.tidy(1);
    world_.state.memories.tidy(1 + memory::kQuietNs);
    const std::size_t descriptors = open_descriptors();
    if (descriptors != descriptors_before) {
      fail(protocol::text("descriptors: ", descriptors, ", before: ", descriptors_before));
    }
  }

 private:
  static void expect(const std::string& wrong, const char* when) {
    if (!wrong.empty()) fail(protocol::text(when, ":\n", wrong));
  }

  void begin(std::span<const std::byte> input) {
    std::memcpy(&turns_, input.data(), sizeof turns_);
    words_ = Words();
    connect(0);
    connect(1);
    (void)world_.state.arenas.change_mode("default", (turns_.who & 4) != 0 ? 0666 : 0600, myself());
    (void)world_.state.arenas.change_quota("default", small().quota, myself());
  }

  void connect(std::size_t peer) {
    constexpr uid_t kOther = 4711;
    static const std::array<daemon::Identity, 4> kWho = {
        myself(), stranger(kOther), stranger(daemon::kOverflowUid, daemon::kOverflowUid),
        stranger(kOther + 1, kOther + 1, {::getegid()})};
    daemon::Connection fresh;
    fresh.who = peer == 0 ? myself() : kWho[turns_.who & 3];
    fresh.socket = theirs_.get();
    peers_[peer] = std::move(fresh);
  }

  // False: the manager hangs up on the peer.
  bool answer(std::size_t peer, std::span<const std::byte> bytes) {
    std::vector<std::uint64_t> message(bytes.size() / sizeof(capnp::word));
    std::memcpy(message.data(), bytes.data(), bytes.size());
    words_.replace(message);
    daemon::Connection& connection = peers_[peer];
    const daemon::Index slot_before = connection.slot;
    auto handled = std::make_unique<daemon::Answer>();
    const kj::Maybe<kj::Exception> broken = kj::runCatchingExceptions([&] {
      capnp::FlatArrayMessageReader reader(
          kj::arrayPtr(reinterpret_cast<const capnp::word*>(message.data()), message.size()),
          protocol::reader_options(bytes.size()));
      world_.service.handle(connection, reader.getRoot<wire::Request>(), *handled);
      while (handled->again) {
        handled = std::make_unique<daemon::Answer>();
        world_.service.handle(connection, reader.getRoot<wire::Request>(), *handled);
      }
    });
    daemon::Answer& answer = *handled;
    // A session that was resumed has one connection: the newest.
    daemon::Connection& other = peers_[1 - peer];
    if (connection.slot != slot_before && other.slot == connection.slot) connect(1 - peer);
    if (broken != nullptr || answer.hang_up) return false;
    if (!answer.has_reply) return true;
    const auto reply = answer.message.getRoot<wire::Reply>().asReader();
    if (capnp::computeSerializedSizeInWords(answer.message) * sizeof(capnp::word) >
        protocol::kReplyBytesMax) {
      fail("a reply over the limit");
    }
    if (reply.isError() && reply.getError().getMessage().size() == 0)
      fail("an error without words");
    words_.saw(reply, peer);
    return true;
  }

  [[nodiscard]] bool has_session(std::size_t peer) {
    const daemon::Index slot = peers_[peer].slot;
    return world_.state.catalog.sessions.in_use(slot) &&
           world_.state.sessions.record(slot).generation == peers_[peer].generation;
  }
  void lose(std::size_t peer) {
    const daemon::Index slot = peers_[peer].slot;
    const bool had = has_session(peer);
    connect(peer);
    if (!had) return;
    world_.state.sessions.control_lost(slot);
    advance(world_.state, slot);
  }
  void die(std::size_t peer) {
    if (has_session(peer)) die_slot(peers_[peer].slot);
  }
  void die_slot(daemon::Index slot) {
    world_.state.sessions.died(slot);
    world_.state.sessions.life_hung_up(slot);
    advance(world_.state, slot);
  }

  // Ends all that an input began.
  void end() {
    daemon::State& state = world_.state;
    for (daemon::Index slot = 1; slot < state.catalog.sessions.end(); ++slot) {
      if (state.catalog.sessions.in_use(slot)) die_slot(slot);
    }
    state.tokens.expire(std::numeric_limits<std::int64_t>::max());
    for (daemon::Index object = 1; object < state.catalog.objects.end(); ++object) {
      if (state.catalog.objects.in_use(object)) state.objects.unlink(object);
    }
    // What containers had in their arena.
    while (state.objects.clear_some()) {
    }
    std::vector<std::string> arenas;
    state.arenas.for_each(
        [&](daemon::Index arena) { arenas.emplace_back(state.catalog.arenas[arena].name.view()); });
    for (const std::string& arena : arenas) {
      if (arena != daemon::kDefaultArena) (void)state.arenas.remove(arena, myself());
    }
    if (state.catalog.arenas.used() != 1) fail("an arena that cannot be removed");
    for (daemon::Connection& peer : peers_) peer = {};
  }

  World world_;
  protocol::UniqueFd ours_;
  protocol::UniqueFd theirs_;
  std::array<daemon::Connection, 2> peers_;
  Turns turns_;
  Words words_;
};

}  // namespace
}  // namespace shoal::test

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static auto* const fuzzer = new shoal::test::Fuzzer;
  fuzzer->run(std::as_bytes(std::span(data, size)));
  return 0;
}
