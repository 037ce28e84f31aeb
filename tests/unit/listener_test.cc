// The manager's socket: where it is made, what it replaces, what it leaves behind.
#include "daemon/listener.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "schemas/socket_path.h"

namespace shoal::daemon {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

bool can_connect(const std::string& path) {
  const sockaddr_un address = address_of(path);
  const protocol::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

// A socket file that nobody listens on, as a killed manager leaves it.
void leave_socket(const std::string& path) {
  const sockaddr_un address = address_of(path);
  const protocol::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
}

// Runs `body` in a child; its result is the child's exit status.
int in_child(const std::function<int()>& body) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body());
  int status = -1;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

class ListenerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/shoal-listener-XXXXXX";
    ASSERT_NE(::mkdtemp(folder), nullptr);
    folder_ = folder;
    options_.socket = folder_ + "/s";
  }
  void TearDown() override { fs::remove_all(folder_); }

  absl::StatusOr<Listener> open() { return Listener::open(options_, nullptr); }
  [[nodiscard]] mode_t mode(const std::string& path) const {
    struct stat status {};
    EXPECT_EQ(::lstat(path.c_str(), &status), 0);
    return status.st_mode & 0777;
  }

  std::string folder_;
  Options options_;
};

TEST_F(ListenerTest, ListensAndLeavesNothing) {
  {
    auto listener = open();
    ASSERT_TRUE(listener.ok()) << listener.status();
    EXPECT_EQ(listener->path(), options_.socket);
    EXPECT_FALSE(listener->activated());
    EXPECT_TRUE(can_connect(options_.socket));
    EXPECT_NE(::fcntl(listener->fd(), F_GETFD) & FD_CLOEXEC, 0);
    EXPECT_NE(::fcntl(listener->fd(), F_GETFL) & O_NONBLOCK, 0);
    EXPECT_EQ(mode(options_.socket), 0600u);
    // A copy of the process takes nothing away.
    EXPECT_EQ(in_child([&] {
                Listener moved = *std::move(listener);
                return 0;
              }),
              0);
    EXPECT_TRUE(can_connect(options_.socket));
    Listener moved = *std::move(listener);
    EXPECT_TRUE(can_connect(options_.socket));
  }
  EXPECT_TRUE(fs::is_empty(folder_));
}

TEST_F(ListenerTest, ModeIsAsAskedWhateverTheUmask) {
  const mode_t before = ::umask(0077);
  options_.socket_mode = 0666;
  auto listener = open();
  ::umask(before);
  ASSERT_TRUE(listener.ok());
  EXPECT_EQ(mode(options_.socket), 0666u);
}

TEST_F(ListenerTest, StaleSocketIsReplaced) {
  leave_socket(options_.socket);
  std::ofstream(options_.socket + ".lock") << "1\n";
  auto listener = open();
  ASSERT_TRUE(listener.ok()) << listener.status();
  EXPECT_TRUE(can_connect(options_.socket));
}

TEST_F(ListenerTest, LiveManagerIsRefusedWithItsPid) {
  auto listener = open();
  ASSERT_TRUE(listener.ok());
  const auto second = open();
  EXPECT_EQ(second.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(std::string(second.status().message()),
              HasSubstr("pid " + std::to_string(::getpid())));
  EXPECT_TRUE(can_connect(options_.socket));
}

TEST_F(ListenerTest, LiveListenerWithoutALockIsRefusedToo) {
  const sockaddr_un address = address_of(options_.socket);
  const protocol::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(fd.get(), 1), 0);
  const auto second = open();
  EXPECT_EQ(second.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(std::string(second.status().message()),
              HasSubstr("pid " + std::to_string(::getpid())));
  EXPECT_FALSE(fs::exists(options_.socket + ".lock"));
  EXPECT_TRUE(fs::exists(options_.socket));
}

TEST_F(ListenerTest, ManagerThatIsStartingIsNamedByItsLock) {
  const std::string lock = options_.socket + ".lock";
  std::ofstream(lock) << "4711\n";
  const protocol::UniqueFd held(::open(lock.c_str(), O_RDWR | O_CLOEXEC));
  ASSERT_EQ(::flock(held.get(), LOCK_EX | LOCK_NB), 0);
  const auto second = open();
  EXPECT_EQ(second.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(std::string(second.status().message()), HasSubstr("pid 4711"));
  EXPECT_TRUE(fs::exists(lock));
}

TEST_F(ListenerTest, OtherThingsAreNeverRemoved) {
  std::ofstream(options_.socket) << "precious";
  EXPECT_EQ(open().status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(fs::file_size(options_.socket), 8u);
  fs::remove(options_.socket);
  leave_socket(folder_ + "/other");
  fs::create_symlink(folder_ + "/other", options_.socket);
  EXPECT_EQ(open().status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(fs::is_symlink(options_.socket));
  EXPECT_FALSE(fs::exists(options_.socket + ".lock"));
}

TEST_F(ListenerTest, AnotherFileInItsPlaceStays) {
  {
    auto listener = open();
    ASSERT_TRUE(listener.ok());
    ASSERT_EQ(::unlink(options_.socket.c_str()), 0);
    leave_socket(options_.socket);
  }
  EXPECT_TRUE(fs::exists(options_.socket));
  EXPECT_FALSE(fs::exists(options_.socket + ".lock"));
}

TEST_F(ListenerTest, PathTooLong) {
  options_.socket = folder_ + "/" + std::string(protocol::kSocketPathBytesMax, 'x');
  const auto listener = open();
  EXPECT_EQ(listener.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(listener.status().message()), HasSubstr("107"));
  options_.socket = folder_ + "/";
  options_.socket.resize(protocol::kSocketPathBytesMax, 'x');
  EXPECT_TRUE(open().ok());
}

TEST_F(ListenerTest, MissingFolderOfAGivenPathIsAnError) {
  options_.socket = folder_ + "/no/such/s";
  EXPECT_EQ(open().status().code(), absl::StatusCode::kNotFound);
}

TEST_F(ListenerTest, DefaultPlaceIsMade) {
  options_.socket.clear();
  const std::string variable = "XDG_RUNTIME_DIR=" + folder_;
  const char* env[] = {variable.c_str(), nullptr};
  auto listener = Listener::open(options_, env);
  ASSERT_TRUE(listener.ok()) << listener.status();
  EXPECT_EQ(listener->path(), folder_ + "/shoal/shoald.sock");
  EXPECT_EQ(mode(folder_ + "/shoal"), 0700u);
  // A live manager there is an error, not a reason to go elsewhere.
  EXPECT_EQ(Listener::open(options_, env).status().code(), absl::StatusCode::kAlreadyExists);
}

// Many starts and ends at once: at no time do two own the socket, and nothing is left.
TEST_F(ListenerTest, StartsAndEndsDoNotRace) {
  const std::string owner = folder_ + "/owner";
  std::vector<pid_t> children;
  for (int i = 0; i < 6; ++i) {
    const pid_t child = ::fork();
    if (child == 0) {
      int opened = 0;
      for (int k = 0; k < 300; ++k) {
        auto listener = open();
        if (!listener.ok()) {
          if (listener.status().code() != absl::StatusCode::kAlreadyExists) ::_exit(2);
          continue;
        }
        ++opened;
        // Whoever is inside makes this file; it must not be there.
        const int fd = ::open(owner.c_str(), O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd < 0) ::_exit(3);
        ::close(fd);
        if (!can_connect(options_.socket)) ::_exit(4);
        ::unlink(owner.c_str());
        // Some die instead of ending: what they leave must be taken over.
        if (k % 50 == 49) {
          auto* leaked = new Listener(*std::move(listener));
          ::close(leaked->fd());
          ::_exit(opened > 0 ? 0 : 5);
        }
      }
      ::_exit(0);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = -1;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0) << "exit status " << WEXITSTATUS(status);
  }
  EXPECT_TRUE(open().ok());
  EXPECT_TRUE(fs::is_empty(folder_));
}

// The child has the listening socket as descriptor 3, as a service manager passes it.
int activated_child(int listening, int count) {
  if (::dup2(listening, 3) != 3) return 10;
  const std::string pid = "LISTEN_PID=" + std::to_string(::getpid());
  const std::string fds = "LISTEN_FDS=" + std::to_string(count);
  ::setenv("LISTEN_FDS", "1", 1);
  const char* env[] = {pid.c_str(), fds.c_str(), nullptr};
  auto listener = Listener::open({}, env);
  if (!listener.ok()) {
    return listener.status().code() == absl::StatusCode::kFailedPrecondition ? 1 : 11;
  }
  if (listener->fd() != 3 || !listener->activated()) return 12;
  if (std::getenv("LISTEN_FDS") != nullptr) return 13;
  if ((::fcntl(3, F_GETFD) & FD_CLOEXEC) == 0 || (::fcntl(3, F_GETFL) & O_NONBLOCK) == 0) return 14;
  return listener->path().ends_with("/s") ? 0 : 15;
}

TEST_F(ListenerTest, SocketActivation) {
  const sockaddr_un address = address_of(options_.socket);
  const protocol::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM, 0));
  ASSERT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  EXPECT_EQ(in_child([&] { return activated_child(fd.get(), 1); }), 1) << "not listening";
  ASSERT_EQ(::listen(fd.get(), 1), 0);
  EXPECT_EQ(in_child([&] { return activated_child(fd.get(), 1); }), 0);
  EXPECT_EQ(in_child([&] { return activated_child(fd.get(), 2); }), 1) << "two descriptors";
  EXPECT_TRUE(fs::exists(options_.socket));
  const protocol::UniqueFd datagram(::socket(AF_UNIX, SOCK_DGRAM, 0));
  EXPECT_EQ(in_child([&] { return activated_child(datagram.get(), 1); }), 1) << "datagram";
}

TEST_F(ListenerTest, ActivationMeantForAnotherProcessIsIgnored) {
  const char* env[] = {"LISTEN_PID=1", "LISTEN_FDS=1", nullptr};
  auto listener = Listener::open(options_, env);
  ASSERT_TRUE(listener.ok());
  EXPECT_EQ(listener->path(), options_.socket);
}

TEST(SocketPath, Candidates) {
  using protocol::candidate_sockets;
  EXPECT_THAT(candidate_sockets("/x", "/y", "/run/user/1"), ElementsAre("/x"));
  EXPECT_THAT(candidate_sockets("", "/y", "/run/user/1"), ElementsAre("/y"));
  EXPECT_THAT(candidate_sockets("", "", "/run/user/1/"),
              ElementsAre("/run/user/1/shoal/shoald.sock", "/run/shoal/shoald.sock"));
  EXPECT_THAT(candidate_sockets("", nullptr, "relative"), ElementsAre("/run/shoal/shoald.sock"));
  EXPECT_THAT(candidate_sockets("", nullptr, nullptr), ElementsAre("/run/shoal/shoald.sock"));
}

}  // namespace
}  // namespace shoal::daemon
