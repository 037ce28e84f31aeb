// The client's end of the control socket against a manager that answers anything at all.
#include "client/channel.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "schemas/framing.h"

namespace shoal::internal {
namespace {

using ::testing::HasSubstr;

constexpr std::uint64_t kId = 7;

std::string bytes_of(const std::function<void(wire::Reply::Builder)>& fill) {
  capnp::MallocMessageBuilder message;
  fill(message.initRoot<wire::Reply>());
  const kj::Array<capnp::word> flat = capnp::messageToFlatArray(message);
  return {flat.asChars().begin(), flat.asChars().size()};
}

std::string done(std::uint64_t id = kId) {
  return bytes_of([&](wire::Reply::Builder reply) {
    reply.setId(id);
    reply.setDone();
  });
}

class ChannelTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/shoal-channel-XXXXXX";
    ASSERT_NE(::mkdtemp(folder), nullptr);
    folder_ = folder;
    path_ = folder_ + "/socket";
    listener_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path_.c_str(), path_.size() + 1);
    ASSERT_EQ(::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
              0);
    ASSERT_EQ(::listen(listener_.get(), 8), 0);
  }
  void TearDown() override {
    if (manager_.joinable()) manager_.join();
    std::filesystem::remove_all(folder_);
  }

  // The manager's end of a new connection.
  Channel connect(absl::Duration timeout = absl::Seconds(60)) {
    absl::StatusOr<Channel> channel = Channel::connect(path_, timeout);
    EXPECT_TRUE(channel.ok()) << channel.status();
    theirs_.reset(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    return *std::move(channel);
  }
  void answer(const std::string& bytes, std::vector<int> descriptors = {}) const {
    std::size_t sent = 0;
    while (sent < bytes.size()) {
      const auto n = protocol::send(theirs_.get(), std::as_bytes(std::span(bytes)).subspan(sent),
                                    descriptors, 0);
      ASSERT_GT(n, 0);
      sent += static_cast<std::size_t>(n);
      descriptors.clear();
    }
  }
  // What became of one receive().
  absl::Status receive(Channel& channel) {
    lost_ = false;
    read_ = 0;
    return channel.receive(
        kId,
        [&](wire::Reply::Reader, Descriptors& descriptors) {
          ++read_;
          descriptors_ = std::move(descriptors);
          return absl::OkStatus();
        },
        &lost_);
  }
  void expect_lost(const std::string& bytes, const std::string& why, bool close = false) {
    Channel channel = connect();
    answer(bytes);
    if (close) theirs_.reset();
    const absl::Status status = receive(channel);
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
    EXPECT_THAT(std::string(status.message()), HasSubstr(why));
    EXPECT_TRUE(lost_);
    EXPECT_FALSE(channel.valid());
    EXPECT_EQ(read_, 0);
  }

  std::string folder_;
  std::string path_;
  protocol::UniqueFd listener_;
  protocol::UniqueFd theirs_;
  std::thread manager_;
  bool lost_ = false;
  int read_ = 0;
  Descriptors descriptors_;
};

TEST_F(ChannelTest, NobodyListens) {
  EXPECT_EQ(Channel::connect(folder_ + "/none", absl::Seconds(1)).status().code(),
            absl::StatusCode::kUnavailable);
  listener_.reset();
  EXPECT_EQ(Channel::connect(path_, absl::Seconds(1)).status().code(),
            absl::StatusCode::kUnavailable);
  const absl::Status too_long =
      Channel::connect("/" + std::string(200, 'x'), absl::Seconds(1)).status();
  EXPECT_EQ(too_long.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(too_long.message()), HasSubstr("201 bytes; at most 107"));
}

TEST_F(ChannelTest, AReplyWithDescriptors) {
  Channel channel = connect();
  answer(done(), {theirs_.get(), listener_.get()});
  EXPECT_TRUE(receive(channel).ok());
  EXPECT_EQ(read_, 1);
  EXPECT_TRUE(descriptors_[0].valid());
  EXPECT_TRUE(descriptors_[1].valid());
  EXPECT_TRUE(channel.valid());
}

TEST_F(ChannelTest, AReplyInPieces) {
  Channel channel = connect();
  manager_ = std::thread([this] {
    for (const char byte : done()) answer(std::string(1, byte));
  });
  EXPECT_TRUE(receive(channel).ok());
  EXPECT_FALSE(lost_);
}

TEST_F(ChannelTest, AReplyLargerThanTheFirstRead) {
  const std::string big = bytes_of([](wire::Reply::Builder reply) {
    reply.setId(kId);
    auto gone = reply.initGone(100'000);
    gone.set(99'999, 1);
  });
  Channel channel = connect();
  manager_ = std::thread([this, big] { answer(big); });
  EXPECT_TRUE(receive(channel).ok());
  EXPECT_EQ(read_, 1);
}

TEST_F(ChannelTest, RefusalsBecomeStatuses) {
  const auto refused = [&](std::uint16_t code) {
    Channel channel = connect();
    answer(bytes_of([&](wire::Reply::Builder reply) {
      reply.setId(kId);
      auto failure = reply.initError();
      failure.setCode(code);
      failure.setMessage("why");
    }));
    absl::Status status = receive(channel);
    EXPECT_EQ(status.message(), "why");
    EXPECT_FALSE(lost_);
    EXPECT_EQ(read_, 0);
    return status.code();
  };
  EXPECT_EQ(refused(5), absl::StatusCode::kNotFound);
  EXPECT_EQ(refused(16), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(refused(17), absl::StatusCode::kUnknown);
  EXPECT_EQ(refused(65'535), absl::StatusCode::kUnknown);
  EXPECT_EQ(refused(0), absl::StatusCode::kUnknown);  // an error that says "OK" is still one
}

TEST_F(ChannelTest, WhatCannotBeAReplyLosesTheConnection) {
  expect_lost("", "closed the connection", /*close=*/true);
  expect_lost(done().substr(0, 12), "closed the connection", /*close=*/true);
  expect_lost(done(kId + 1), "cannot be read");
  expect_lost(done() + done(), "more than one reply");
  expect_lost(std::string(8, '\xff'), "segments");
  expect_lost(std::string({0, 0, 0, 0, 0, 0, 0, 1}), "at most 4194304");
  std::string wild = done();  // its root points far outside
  wild[8] = '\xfc';
  wild[9] = wild[10] = '\x7f';
  expect_lost(wild, "cannot be read");
}

TEST_F(ChannelTest, AManagerThatDoesNotAnswerIsGivenUp) {
  Channel channel = connect(absl::Milliseconds(20));
  const absl::Status status = receive(channel);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("does not answer"));
  EXPECT_TRUE(lost_);
}

TEST_F(ChannelTest, AManagerThatDoesNotReadIsGivenUp) {
  Channel channel = connect(absl::Milliseconds(20));
  const kj::Array<capnp::word> request =
      encode(1, [](wire::Request::Builder request) { request.initCreate().initName(60'000); });
  absl::Status status;
  while (status.ok()) status = channel.send(request);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("takes no requests"));
  EXPECT_FALSE(channel.valid());
}

TEST_F(ChannelTest, SendNowNeverWaits) {
  Channel channel = connect();
  const kj::Array<capnp::word> request =
      encode(0, [](wire::Request::Builder request) { request.initRelease().setObject(1); });
  std::size_t taken = 0;
  while (channel.send_now(request)) ++taken;
  EXPECT_GT(taken, 0U);
  // What was taken is whole messages.
  std::size_t bytes = 0;
  std::array<std::byte, 65'536> buffer;
  for (int error = 0; error == 0;) {
    bytes += protocol::receive(theirs_.get(), buffer, MSG_DONTWAIT, &error).bytes;
  }
  if (channel.valid()) {
    EXPECT_EQ(bytes, taken * request.asBytes().size());
  }
  theirs_.reset();
  EXPECT_FALSE(channel.send_now(request));
  EXPECT_FALSE(channel.valid());
}

}  // namespace
}  // namespace shoal::internal
