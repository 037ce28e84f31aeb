// The sd_notify protocol against a socket of our own, and the line to --ready-fd.
#include "daemon/notify.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string>

#include <gtest/gtest.h>

namespace shoal::daemon {
namespace {

int listen_at(const std::string& name) {
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, name.data(), name.size());
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
  EXPECT_EQ(::bind(fd, reinterpret_cast<const sockaddr*>(&address), length), 0);
  return fd;
}

std::string received(int fd) {
  char bytes[256];
  const ssize_t got = ::recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
  return got < 0 ? "nothing" : std::string(bytes, static_cast<std::size_t>(got));
}

TEST(Notify, Path) {
  char folder[] = "/tmp/shoal-notify-XXXXXX";
  ASSERT_NE(::mkdtemp(folder), nullptr);
  const std::string path = std::string(folder) + "/notify";
  const int fd = listen_at(path);
  ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
  notify("READY=1\nSTATUS=serving");
  EXPECT_EQ(received(fd), "READY=1\nSTATUS=serving");
  ::close(fd);
  notify("STOPPING=1");  // nobody listens any more
  ::unlink(path.c_str());
  notify("STOPPING=1");
  ::rmdir(folder);
}

TEST(Notify, Abstract) {
  const std::string name = "shoal-notify-test-" + std::to_string(::getpid());
  const int fd = listen_at(std::string(1, '\0') + name);
  ::setenv("NOTIFY_SOCKET", ("@" + name).c_str(), 1);
  notify("READY=1");
  EXPECT_EQ(received(fd), "READY=1");
  ::close(fd);
}

TEST(Notify, NonsenseIsIgnored) {
  for (const std::string& value : {std::string(), std::string("x"), std::string("relative"),
                                   "/" + std::string(300, 'a'), std::string("@")}) {
    ::setenv("NOTIFY_SOCKET", value.c_str(), 1);
    notify("READY=1");
  }
  ::unsetenv("NOTIFY_SOCKET");
  notify("READY=1");
}

TEST(TellReady, WritesOneLineAndCloses) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  tell_ready(ends[1], "/tmp/x.sock");
  EXPECT_EQ(::fcntl(ends[1], F_GETFD), -1);
  char bytes[64];
  const ssize_t got = ::read(ends[0], bytes, sizeof bytes);
  ASSERT_GT(got, 0);
  EXPECT_EQ(std::string(bytes, static_cast<std::size_t>(got)), "/tmp/x.sock\n");
  EXPECT_EQ(::read(ends[0], bytes, sizeof bytes), 0);
  ::close(ends[0]);
  tell_ready(-1, "nobody asked");
}

TEST(TellReady, SurvivesAReaderThatIsGone) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  ::close(ends[0]);
  tell_ready(ends[1], "late");
  EXPECT_EQ(::fcntl(ends[1], F_GETFD), -1);
}

}  // namespace
}  // namespace shoal::daemon
