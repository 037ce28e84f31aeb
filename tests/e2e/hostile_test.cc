// Peers that break the protocol, on purpose or by accident: the manager stays up, names them, keeps
// nothing of theirs, and serves the others meanwhile.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <deque>
#include <functional>
#include <initializer_list>
#include <iostream>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <shoal/shoal.h>

#include "schemas/limits.h"
#include "schemas/protocol.h"
#include "tests/support/child.h"
#include "tests/support/raw_peer.h"
#include "tests/support/test_manager.h"
#include "tests/support/watchdog.h"

namespace {

namespace wire = shoal::wire;
using shoal::SharedMemory;
using shoal::protocol::UniqueFd;
using namespace shoal::test;
using testing::HasSubstr;

std::string words(std::initializer_list<std::uint64_t> values) {
  std::string bytes;
  for (const std::uint64_t value : values) {
    bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  return bytes;
}

// The framing of one segment around its words.
std::string framed(const std::string& segment) {
  return words({std::uint64_t{segment.size() / 8} << 32}) + segment;
}

std::string hello_bytes() {
  return RawPeer::encode([](wire::Request::Builder request) {
    request.setId(1);
    auto hello = request.initHello();
    hello.initOldest().setMajor(shoal::protocol::kProtocolMajor);
    hello.initNewest().setMajor(shoal::protocol::kProtocolMajor);
    hello.setLayout(shoal::protocol::kLayoutVersion);
    hello.setLabel("hostile");
    hello.setArena("default");
  });
}

class Hostile : public testing::Test {
 protected:
  void SetUp() override {
    must(client_.ping());  // whatever the last reply brought along is closed in the manager by now
    baseline_ = manager_.descriptors().count;
  }

  // After whatever a test did: the others are served, and nothing is left of it.
  void TearDown() override {
    expect_served();
    EXPECT_TRUE(wait_until([&] { return manager_.descriptors().count <= baseline_; }))
        << manager_.descriptors().count << " descriptors, " << baseline_ << " before";
    EXPECT_EQ(must(manager_.admin().manager()).objects, 1U);
  }

  void expect_served() const {
    must(must(client_.open<SharedMemory>("witness")).close());
    must(client_.ping());
  }

  void expect_named(const char* what) const {
    EXPECT_TRUE(wait_until([&] {
      const std::string log = manager_.log();
      return log.find("event=peer.refused pid=" + std::to_string(::getpid())) !=
                 std::string::npos &&
             log.find(what) != std::string::npos;
    })) << what
        << " not in\n"
        << manager_.log();
  }

  // Sends the bytes as the first of a connection, which must end.
  void expect_refused(const std::string& bytes) const {
    const RawPeer peer(manager_.socket());
    peer.send(bytes);
    EXPECT_TRUE(peer.wait_for_end());
  }

  // The same within a session.
  void expect_refused_in_session(const std::string& bytes) const {
    const RawPeer peer(manager_.socket());
    const RawReply welcome = peer.hello("default");
    ASSERT_EQ(welcome.outcome(), "OK");
    peer.send(bytes);
    EXPECT_TRUE(peer.wait_for_end());
  }

  TestManager manager_{{"--warm-bytes=0"}};
  shoal::Client client_ = manager_.client();
  SharedMemory witness_ = must(client_.create<SharedMemory>("witness", {.size = 10}));
  std::size_t baseline_ = 0;
};

TEST_F(Hostile, RandomBytes) {
  const auto seed = std::random_device()();
  std::cout << "seed " << seed << '\n';
  std::mt19937 random(seed);
  for (int i = 0; i < 300; ++i) {
    std::string bytes(1 + random() % 3000, '\0');
    std::ranges::generate(bytes, [&] { return static_cast<char>(random()); });
    // Half of them with framing that is right.
    if (i % 2 == 0) bytes = framed(bytes.substr(0, bytes.size() / 8 * 8));
    const RawPeer peer(manager_.socket());
    RawReply welcome;
    if (i % 3 == 0) welcome = peer.hello("default");
    peer.send(bytes);
    if (i % 10 == 0) expect_served();
  }
  expect_named("why=");
}

TEST_F(Hostile, EveryByteOfAHelloChanged) {
  const std::string hello = hello_bytes();
  for (std::size_t at = 0; at < hello.size(); ++at) {
    for (const char bits : {'\x01', '\x80', '\xff'}) {
      std::string changed = hello;
      changed[at] = static_cast<char>(changed[at] ^ bits);
      const RawPeer peer(manager_.socket());
      peer.send(changed);
      ::shutdown(peer.fd(), SHUT_WR);
      EXPECT_TRUE(peer.wait_for_end());
    }
  }
}

TEST_F(Hostile, TruncatedMessages) {
  const std::string hello = hello_bytes();
  for (std::size_t size = 0; size < hello.size(); ++size) {
    const RawPeer peer(manager_.socket());
    peer.send(hello.substr(0, size));
    if (size % 2 == 0) ::shutdown(peer.fd(), SHUT_WR);
  }
}

TEST_F(Hostile, AMessageInManyPieces) {
  const std::string hello = hello_bytes();
  const RawPeer peer(manager_.socket());
  for (const char byte : hello) {
    ASSERT_TRUE(peer.send({&byte, 1}));
    must(client_.ping());
  }
  EXPECT_EQ(peer.receive().outcome(), "OK");
}

TEST_F(Hostile, OversizeCounts) {
  expect_refused(words({0x00000001'ffffffff}));              // segments
  expect_refused(words({0xffffffff'00000000}));              // words of a segment
  expect_refused(words({0x00004000'00000000}));              // just over the limit of a request
  expect_refused(words({0x7fffffff'00000001, 0x7fffffff}));  // of two
  expect_named("segments");
  expect_named("at most");
  // A list of 2^29 elements without size, in a message of a few words.
  std::string inherit = RawPeer::encode([](wire::Request::Builder request) {
    request.setId(2);
    request.initInherit().initReferences(1);
  });
  // The last words are: the pointer to the list, its tag, two words of the one element.
  const auto count = inherit.size() / 8;
  const std::string patch = words({0x00000000'00000007ULL << 32 | 1, 0x1fffffffULL << 2});
  inherit.replace((count - 4) * 8, 16, patch);
  expect_refused_in_session(inherit);
  expect_named("cannot be read");
}

TEST_F(Hostile, PointersThatLeadNowhere) {
  expect_refused(framed(words({0})));                             // null root: a request of kind 0
  expect_refused(framed(words({0x00010000'fffffffcULL})));        // root that points at itself
  expect_refused(framed(words({0x00010000'00100000ULL})));        // beyond the end
  expect_refused(framed(words({0x00000000'00000002ULL})));        // far, to itself
  expect_refused(framed(words({0x00000005'00000002ULL})));        // far, to no segment
  expect_refused(framed(words({0x00000000'00000006ULL, 0, 0})));  // doubly far
  expect_refused(framed(words({0xffffffff'ffffffffULL})));
}

TEST_F(Hostile, DeepNesting) {
  // A request whose hello is a struct that is all pointers, each to the next, to the end.
  std::string chain = words({0x00010002'00000000ULL, 1, 0});
  for (int i = 0; i < 4000; ++i) chain += words({0x00010000'00000000ULL});
  chain += words({0});
  expect_refused(framed(chain));
  // The same in every pointer of a hello.
  std::string hello = hello_bytes();
  for (std::size_t word = 2; word + 1 < hello.size() / 8; ++word) {
    std::string changed = hello;
    const auto offset = static_cast<std::uint64_t>(hello.size() / 8 - 1 - word - 1);
    changed.replace(word * 8, 8, words({0x00010001'00000000ULL | offset << 2}));
    for (int i = 0; i < 1000; ++i) changed += words({0x00010000'00000000ULL});
    changed.replace(0, 8, words({std::uint64_t{changed.size() / 8 - 1} << 32}));
    const RawPeer peer(manager_.socket());
    peer.send(changed);
    ::shutdown(peer.fd(), SHUT_WR);
    EXPECT_TRUE(peer.wait_for_end());
  }
}

TEST_F(Hostile, RequestsBeforeHello) {
  expect_refused(RawPeer::encode([](wire::Request::Builder request) {
    request.setId(1);
    request.initCreate().setName("early");
  }));
  expect_refused_in_session(hello_bytes());
  expect_named("session");
}

TEST_F(Hostile, NumbersOutOfTheirRange) {
  const RawPeer peer(manager_.socket());
  const RawReply welcome = peer.hello("default");
  std::uint64_t id = 1;
  const auto say = [&](const std::function<void(wire::Request::Builder)>& fill) {
    return peer.call([&](wire::Request::Builder request) {
      request.setId(++id);
      fill(request);
    });
  };
  for (const int number : {99, 200, 65'535}) {
    EXPECT_THAT(say([&](auto request) {
                  auto create = request.initCreate();
                  create.setName("new");
                  create.setSize(10);
                  create.setKind(static_cast<wire::Kind>(number));
                }).outcome(),
                HasSubstr("INVALID_ARGUMENT"));
    EXPECT_THAT(say([&](auto request) {
                  auto create = request.initCreate();
                  create.setName("new");
                  create.setSize(10);
                  create.setKind(wire::Kind::SHARED_MEMORY);
                  create.setLifetime(static_cast<wire::Lifetime>(number));
                }).outcome(),
                HasSubstr("INVALID_ARGUMENT"));
  }
  for (const double seconds : {0.0, -1.0, 1e300, std::numeric_limits<double>::quiet_NaN()}) {
    EXPECT_NE(say([&](auto request) { request.initShare().setSeconds(seconds); }).outcome(), "OK");
  }
  EXPECT_NE(say([](auto request) { request.initDescriptor().setObject(UINT64_MAX); }).outcome(),
            "OK");
  EXPECT_NE(say([](auto request) { request.setSeal(UINT64_MAX); }).outcome(), "OK");
  // What it does not hold it cannot give back, nor lift its own count.
  ASSERT_TRUE(peer.send(RawPeer::encode([&](wire::Request::Builder request) {
    auto release = request.initRelease();
    release.setObject(witness_.id());
    release.setCount(UINT32_MAX);
  })));
  EXPECT_EQ(say([](auto request) { request.setPing(); }).outcome(), "OK");
  EXPECT_EQ(must(client_.stat("witness")).object.references, 1U);
}

TEST_F(Hostile, HalfOpenConnections) {
  std::deque<RawPeer> peers;
  for (int i = 0; i < 50; ++i) {
    RawPeer& peer = peers.emplace_back(manager_.socket());
    const RawReply welcome = i % 2 == 0 ? peer.hello("default") : RawReply();
    if (i % 3 == 0) ::shutdown(peer.fd(), SHUT_WR);
    if (i % 3 == 1) peer.send(hello_bytes().substr(0, 20));
    if (i % 3 == 2) ::shutdown(peer.fd(), SHUT_RD);
  }
  expect_served();
}

TEST_F(Hostile, APeerThatNeverReads) {
  const RawPeer peer(manager_.socket());
  const RawReply welcome = peer.hello("default");
  const std::string limits = RawPeer::encode([](wire::Request::Builder request) {
    request.setId(2);
    request.setLimits();
  });
  // Until nothing more is taken from it.
  std::size_t sent = 0;
  while (::send(peer.fd(), limits.data(), limits.size(), MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
    ++sent;
    ASSERT_LT(sent, 1'000'000U);
  }
  expect_served();
}

TEST_F(Hostile, AThousandIdleConnections) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  std::deque<RawPeer> peers;
  for (int i = 0; i < 1000; ++i) {
    peers.emplace_back(manager_.socket());
    if (i % 100 == 0) expect_served();
  }
  expect_served();
  std::uint64_t allowed = 0;
  for (const shoal::LimitInfo& one : must(shoal::Admin(client_).limits())) {
    if (one.name == "connections before hello") allowed = one.limit;
  }
  if (allowed > 1100) {
    must(manager_.client().open<SharedMemory>("witness"));
    // Each of them could still become a session.
    EXPECT_EQ(peers[500].hello("default").outcome(), "OK");
  }
  peers.clear();
}

// From Linux 6.16 on the manager has the kernel refuse them; before, it closes them.
bool send_along(const RawPeer& peer, std::string_view bytes, std::span<const int> descriptors) {
  return peer.send(bytes, descriptors) || (errno == EPERM && peer.send(bytes));
}

TEST_F(Hostile, DescriptorsSentAlong) {
  const UniqueFd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const std::vector<int> many(250, null.get());
  const RawPeer peer(manager_.socket());
  ASSERT_TRUE(send_along(peer, hello_bytes(), many));
  const RawReply welcome = peer.receive();
  ASSERT_EQ(welcome.outcome(), "OK");
  const std::size_t with_session = baseline_ + 4;  // its socket, pidfd, life pipe and page
  const auto nothing_kept = [&](std::size_t others) {
    return wait_until([&] { return manager_.descriptors().count <= with_session + others; });
  };
  EXPECT_TRUE(nothing_kept(0));
  const std::string ping = RawPeer::encode([](wire::Request::Builder request) {
    request.setId(2);
    request.setPing();
  });
  for (const std::size_t count : {1, 2, 3, 16, 17, 100, 250}) {
    for (int i = 0; i < 20; ++i) {
      ASSERT_TRUE(send_along(peer, ping, {many.data(), count}));
      ASSERT_EQ(peer.receive().outcome(), "OK");
    }
    EXPECT_TRUE(nothing_kept(0)) << count;
  }
  // One with every byte of a message that does not end.
  const RawPeer slow(manager_.socket());
  for (const char byte : hello_bytes().substr(0, 100)) {
    ASSERT_TRUE(send_along(slow, {&byte, 1}, {many.data(), 200}));
  }
  must(client_.ping());
  EXPECT_TRUE(nothing_kept(2)) << "its socket, and one that might belong to its hello";
}

TEST_F(Hostile, AnotherUidsFloodLeavesRoomForOthers) {
  SHOAL_NEEDS_ROOT();
  Child flood(
      [&](Channel& parent) -> std::string {
        std::deque<RawPeer> peers;
        std::deque<RawReply> welcomes;
        std::string last;
        for (int i = 0; i < 300; ++i) {
          const RawPeer& peer = peers.emplace_back(manager_.socket());
          last = welcomes.emplace_back(peer.hello("")).outcome();
          if (last != "OK") break;
        }
        parent.say("flooded");
        return parent.hear();
      },
      kOtherUid);
  ASSERT_EQ(flood.hear(), "flooded");
  expect_served();
  must(manager_.client().ping());
}

}  // namespace
