// Headers that lie about sizes, and descriptors that nobody asked for.
#include "schemas/framing.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <numeric>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "schemas/control.capnp.h"

namespace shoal::protocol {
namespace {

using Size = std::optional<std::size_t>;

std::vector<std::byte> header(const std::vector<std::uint32_t>& words) {
  std::vector<std::byte> bytes(words.size() * 4);
  std::memcpy(bytes.data(), words.data(), bytes.size());
  return bytes;
}

absl::StatusOr<Size> size_of(const std::vector<std::uint32_t>& words, std::size_t most = 1 << 16) {
  return message_bytes(header(words), most);
}

std::size_t open_descriptors() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
}

TEST(Framing, SizesOfGoodHeaders) {
  EXPECT_EQ(*size_of({0, 0}), Size(8));
  EXPECT_EQ(*size_of({0, 3}), Size(8 + 24));
  EXPECT_EQ(*size_of({1, 3, 5, 0}), Size(16 + 64));
  EXPECT_EQ(*size_of({2, 1, 1, 1}), Size(16 + 24));
  EXPECT_EQ(*size_of({0, 8191}), Size(1 << 16));  // just at the limit
}

TEST(Framing, AgreesWithCapnp) {
  for (const unsigned first_segment : {1U, 2U, 5U, 64U}) {
    capnp::MallocMessageBuilder message(first_segment, capnp::AllocationStrategy::FIXED_SIZE);
    message.initRoot<wire::Request>().initCreate().setName("some name");
    const kj::Array<capnp::word> flat = capnp::messageToFlatArray(message);
    const auto bytes = flat.asBytes();
    const std::span all(reinterpret_cast<const std::byte*>(bytes.begin()), bytes.size());
    if (message.getSegmentsForOutput().size() > 16) {
      EXPECT_FALSE(message_bytes(all, 1 << 16).ok());
      continue;
    }
    EXPECT_EQ(*message_bytes(all, 1 << 16), Size(bytes.size()));
    EXPECT_EQ(capnp::expectedSizeInWordsFromPrefix(flat) * sizeof(capnp::word), bytes.size());
  }
}

TEST(Framing, ATruncatedTableIsNotYetASize) {
  const std::vector<std::byte> whole = header({3, 1, 1, 1, 1, 0});
  for (std::size_t n = 0; n < 20; ++n) {
    const auto size = message_bytes(std::span(whole).first(n), 1 << 16);
    ASSERT_TRUE(size.ok());
    EXPECT_EQ(*size, std::nullopt) << n;
  }
  EXPECT_EQ(**message_bytes(whole, 1 << 16), 24U + 32U);
}

TEST(Framing, HostileHeadersAreRefused) {
  EXPECT_FALSE(size_of({0xffffffff, 0}).ok());  // one more than this is 0
  EXPECT_FALSE(size_of({0xfffffffe, 0}).ok());
  EXPECT_FALSE(size_of({16, 0}).ok());
  EXPECT_TRUE(size_of({15, 0}).ok());
  EXPECT_FALSE(size_of({0, 8192}).ok());  // one word over the limit
  EXPECT_FALSE(size_of({0, 0xffffffff}).ok());
  // Their sum is small in 32 bits.
  EXPECT_FALSE(size_of({1, 0xffffffff, 2, 0}).ok());
  EXPECT_FALSE(size_of({1, 0x20000000, 0, 0}).ok());
  EXPECT_FALSE(size_of({3, 0x80000000, 0x80000000, 0x80000000, 0x80000000, 0}).ok());
  EXPECT_EQ(size_of({0xffffffff, 0}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(size_of({0xffffffff, 0}).status().message().find("4294967296 segments"),
            absl::string_view::npos);
}

TEST(Framing, AnOversizeSegmentIsRefusedBeforeTheTableIsWhole) {
  EXPECT_FALSE(size_of({7, 0x00ffffff}).ok());
}

class Descriptors : public ::testing::Test {
 protected:
  void SetUp() override {
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    ours_.reset(ends[0]);
    theirs_.reset(ends[1]);
    for (UniqueFd& fd : files_) fd.reset(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    before_ = open_descriptors();
  }

  // With as many descriptors as asked for, in one or more control messages' worth.
  void send_with(std::size_t count) {
    std::vector<char> control(CMSG_SPACE(count * sizeof(int)));
    char byte = 'x';
    iovec vector{&byte, 1};
    msghdr message{};
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* c = CMSG_FIRSTHDR(&message);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(count * sizeof(int));
    for (std::size_t i = 0; i < count; ++i) {
      const int fd = files_[i].get();
      std::memcpy(CMSG_DATA(c) + i * sizeof fd, &fd, sizeof fd);
    }
    ASSERT_EQ(::sendmsg(ours_.get(), &message, MSG_NOSIGNAL), 1);
  }
  Received receive_all() {
    std::array<std::byte, 64> buffer;
    int error = 0;
    Received received = receive(theirs_.get(), buffer, MSG_DONTWAIT, &error);
    EXPECT_EQ(error, 0);
    EXPECT_EQ(received.bytes, 1U);
    return received;
  }

  UniqueFd ours_;
  UniqueFd theirs_;
  std::array<UniqueFd, 40> files_;
  std::size_t before_ = 0;
};

TEST_F(Descriptors, ThoseAllowedArriveWithCloexec) {
  send_with(2);
  {
    const Received received = receive_all();
    for (const UniqueFd& fd : received.descriptors) {
      ASSERT_TRUE(fd.valid());
      EXPECT_EQ(::fcntl(fd.get(), F_GETFD), FD_CLOEXEC);
    }
    EXPECT_EQ(open_descriptors(), before_ + 2);
  }
  EXPECT_EQ(open_descriptors(), before_);
}

TEST_F(Descriptors, MoreThanAllowedAreClosed) {
  for (const std::size_t count : {3, 16, 17, 40}) {
    send_with(count);
    {
      const Received received = receive_all();
      EXPECT_TRUE(received.descriptors[0].valid());
      EXPECT_TRUE(received.descriptors[1].valid());
      EXPECT_EQ(open_descriptors(), before_ + 2) << count;
    }
    EXPECT_EQ(open_descriptors(), before_) << count;
  }
}

TEST_F(Descriptors, SendTakesAtMostWhatIsAllowed) {
  std::vector<int> many;
  for (const UniqueFd& fd : files_) many.push_back(fd.get());
  const std::byte byte{1};
  EXPECT_EQ(send(ours_.get(), {&byte, 1}, many, MSG_DONTWAIT), 1);
  const Received received = receive_all();
  EXPECT_EQ(open_descriptors(), before_ + 2);
}

TEST_F(Descriptors, EndsAndErrorsAreTold) {
  std::array<std::byte, 8> buffer;
  int error = 0;
  (void)receive(theirs_.get(), buffer, MSG_DONTWAIT, &error);
  EXPECT_EQ(error, -EAGAIN);
  ours_.reset();
  const Received end = receive(theirs_.get(), buffer, MSG_DONTWAIT, &error);
  EXPECT_EQ(error, 0);
  EXPECT_EQ(end.bytes, 0U);
  EXPECT_EQ(send(theirs_.get(), buffer, {}, 0), -EPIPE);  // and no SIGPIPE
  EXPECT_EQ(send(-1, buffer, {}, 0), -EBADF);
}

TEST(Framing, NestingAndTraversalAreBounded) {
  const capnp::ReaderOptions small = reader_options(64);
  EXPECT_EQ(small.nestingLimit, kMessageNestingMax);
  EXPECT_LT(reader_options(kRequestBytesMax).traversalLimitInWords, kRequestBytesMax);
}

}  // namespace
}  // namespace shoal::protocol
