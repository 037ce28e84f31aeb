// The control protocol by hand: version negotiation, and a session that goes on after its
// connection to the manager was lost, with no request done twice.
#include <sys/socket.h>

#include <optional>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <shoal/shoal.h>

#include "schemas/protocol.h"
#include "tests/support/child.h"
#include "tests/support/raw_peer.h"
#include "tests/support/test_manager.h"
#include "tests/support/watchdog.h"

namespace {

namespace wire = shoal::wire;
using shoal::SharedMemory;
using namespace shoal::test;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

void create(wire::Request::Builder request, std::uint64_t id, const char* name) {
  request.setId(id);
  auto create = request.initCreate();
  create.setName(name);
  create.setKind(wire::Kind::SHARED_MEMORY);
  create.setSize(4096);
}

class Resume : public testing::Test {
 protected:
  // Hello and create id 2, whose reply is lost or not: then the connection is.
  void SetUp() override {
    peer_.emplace(manager_.socket());
    welcome_ = peer_->hello("default");
    ASSERT_EQ(welcome_.outcome(), "OK");
    secret_ = welcome_.get().getHello().getSecret();
  }

  RawReply create_again(std::uint64_t id, const char* name) const {
    return peer_->call([&](wire::Request::Builder request) { create(request, id, name); });
  }

  RawReply resume() {
    peer_.emplace(manager_.socket());
    return peer_->hello("default", &secret_);
  }

  TestManager manager_{{"--warm-bytes=0"}};
  shoal::Client client_ = manager_.client();
  std::optional<RawPeer> peer_;
  RawReply welcome_;  // has the session's life pipe and page
  wire::Secret::Reader secret_;
};

TEST_F(Resume, ARepeatedRequestIsNotDoneTwice) {
  const RawReply first = create_again(2, "memory");
  ASSERT_EQ(first.outcome(), "OK");
  peer_->close();
  // Nothing is lost while nobody is connected.
  EXPECT_EQ(must(client_.stat("memory")).object.references, 1U);
  const RawReply welcome = resume();
  ASSERT_EQ(welcome.outcome(), "OK");
  EXPECT_EQ(welcome.get().getHello().getSlot(), welcome_.get().getHello().getSlot());
  const RawReply second = create_again(2, "memory");
  ASSERT_EQ(second.outcome(), "OK");
  EXPECT_EQ(second.get().getId(), 2U);
  ASSERT_TRUE(second.get().isAttached());
  EXPECT_EQ(second.get().getAttached().getObject(), first.get().getAttached().getObject());
  EXPECT_TRUE(second.get().getAttached().getCreated());
  EXPECT_EQ(second.descriptors().size(), 1U) << "the memory comes again";
  EXPECT_EQ(must(client_.stat("memory")).object.references, 1U);
  // The next one is done.
  EXPECT_THAT(create_again(3, "memory").outcome(), StartsWith("ALREADY_EXISTS"));
  EXPECT_EQ(create_again(4, "other").outcome(), "OK");
}

TEST_F(Resume, ALostReplyIsFoundAgain) {
  ASSERT_TRUE(peer_->send(RawPeer::encode([](auto request) { create(request, 2, "memory"); })));
  ASSERT_TRUE(wait_until([&] { return client_.stat("memory").ok(); }));
  peer_->close();
  ASSERT_EQ(resume().outcome(), "OK");
  EXPECT_EQ(create_again(2, "memory").outcome(), "OK");
  EXPECT_EQ(must(client_.stat("memory")).object.references, 1U);
}

TEST_F(Resume, ARefusalIsRepeatedToo) {
  const SharedMemory taken = must(client_.create<SharedMemory>("memory", {.size = 1}));
  EXPECT_THAT(create_again(2, "memory").outcome(), StartsWith("ALREADY_EXISTS"));
  must(taken.unlink());
  ASSERT_EQ(resume().outcome(), "OK");
  EXPECT_THAT(create_again(2, "memory").outcome(), StartsWith("ALREADY_EXISTS"));
  EXPECT_EQ(create_again(3, "memory").outcome(), "OK");
}

TEST_F(Resume, TokensAndUnlinksAreNotDoneTwice) {
  const RawReply made = create_again(2, "memory");
  const std::uint64_t object = made.get().getAttached().getObject();
  const auto share = [&] {
    return peer_->call([&](wire::Request::Builder request) {
      request.setId(3);
      auto share = request.initShare();
      share.setObject(object);
      share.setSeconds(60);
    });
  };
  const auto unlink = [&] {
    return peer_->call([](wire::Request::Builder request) {
      request.setId(4);
      request.initUnlink().setName("memory");
    });
  };
  const std::string token = share().get().getToken().cStr();
  ASSERT_EQ(resume().outcome(), "OK");
  EXPECT_EQ(std::string(share().get().getToken().cStr()), token);
  EXPECT_EQ(must(client_.stat("memory")).object.tokens, 1U);
  EXPECT_EQ(unlink().outcome(), "OK");
  ASSERT_EQ(resume().outcome(), "OK");
  EXPECT_EQ(unlink().outcome(), "OK");
}

TEST_F(Resume, TheNewestConnectionCounts) {
  ASSERT_EQ(create_again(2, "memory").outcome(), "OK");
  const RawPeer old = *std::move(peer_);
  ASSERT_EQ(resume().outcome(), "OK");
  EXPECT_TRUE(old.wait_for_end());
  EXPECT_EQ(create_again(2, "memory").outcome(), "OK");
  EXPECT_EQ(must(client_.stat("memory")).object.references, 1U);
}

TEST_F(Resume, NeedsTheSecretAndTheProcess) {
  capnp::MallocMessageBuilder wrong;
  wrong.setRoot(secret_);
  auto forged = wrong.getRoot<wire::Secret>();
  forged.setLow(forged.getLow() ^ 1);
  const wire::Secret::Reader reader = forged.asReader();
  EXPECT_THAT(RawPeer(manager_.socket()).hello("default", &reader).outcome(),
              StartsWith("NOT_FOUND"));
  EXPECT_THAT(
      in_child([&] { return RawPeer(manager_.socket()).hello("default", &secret_).outcome(); }),
      StartsWith("NOT_FOUND"));
  EXPECT_EQ(create_again(2, "memory").outcome(), "OK") << "the session is untouched";
}

TEST_F(Resume, IdsMustGrow) {
  ASSERT_EQ(create_again(5, "memory").outcome(), "OK");
  EXPECT_THAT(create_again(4, "other").outcome(), StartsWith("INVALID_ARGUMENT"));
  EXPECT_TRUE(peer_->wait_for_end());
  EXPECT_THAT(outcome(client_.stat("other")), StartsWith("NOT_FOUND"));
}

TEST_F(Resume, OnceTheLifePipeIsGoneTheSessionEnds) {
  ASSERT_EQ(create_again(2, "memory").outcome(), "OK");
  welcome_ = RawReply();
  secret_ = {};
  peer_->close();
  EXPECT_TRUE(wait_until([&] { return must(client_.stat("memory")).object.references == 0; }));
}

TEST(Versions, ARefusalNamesBothSides) {
  const TestManager manager;
  const auto hello = [&](int oldest, int newest, int layout) {
    return RawPeer(manager.socket())
        .call([&](wire::Request::Builder request) {
          request.setId(1);
          auto hello = request.initHello();
          hello.initOldest().setMajor(static_cast<std::uint16_t>(oldest));
          hello.initNewest().setMajor(static_cast<std::uint16_t>(newest));
          hello.getNewest().setMinor(3);
          hello.setLayout(static_cast<std::uint32_t>(layout));
          hello.setArena("default");
        })
        .outcome();
  };
  const int major = shoal::protocol::kProtocolMajor;
  const int layout = shoal::protocol::kLayoutVersion;
  const std::string ours = "protocol " + std::to_string(major) + ".";
  EXPECT_THAT(hello(7, 9, layout), AllOf(StartsWith("FAILED_PRECONDITION"), HasSubstr("7.0"),
                                         HasSubstr("9.3"), HasSubstr(ours)));
  EXPECT_THAT(hello(major, major, 77),
              AllOf(StartsWith("FAILED_PRECONDITION"), HasSubstr("layout 77"),
                    HasSubstr("layout " + std::to_string(layout))));
  // A range that has our major in it, and a later minor, will do.
  EXPECT_EQ(hello(0, major + 5, layout), "OK");
}

}  // namespace
