// The manager as a process: how it starts, who finds it, how it ends, and what its clients see
// then.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <optional>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <shoal/shoal.h>

#include "schemas/unique_fd.h"
#include "tests/support/child.h"
#include "tests/support/test_manager.h"
#include "tests/support/watchdog.h"

namespace {

using shoal::SharedMemory;
using shoal::protocol::UniqueFd;
using namespace shoal::test;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

bool exists(const std::string& path) { return std::filesystem::exists(path); }

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  return address;
}

UniqueFd bound_socket(const std::string& path, int type) {
  UniqueFd fd(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
  const sockaddr_un address = address_of(path);
  EXPECT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  return fd;
}

// A descriptor that becomes readable when the process has ended, whoever's child it is.
UniqueFd pidfd_of(pid_t pid) {
  return UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
}

bool ends(const UniqueFd& pidfd) {
  pollfd process{.fd = pidfd.get(), .events = POLLIN, .revents = 0};
  return ::poll(&process, 1, kWatchdogSeconds * 1000) == 1;
}

TEST(Manager, EndsCleanlyBySignal) {
  for (const int signal : {SIGTERM, SIGINT}) {
    TestManager manager;
    struct stat status {};
    ASSERT_EQ(::stat(manager.socket().c_str(), &status), 0);
    EXPECT_TRUE(S_ISSOCK(status.st_mode));
    const shoal::Client client = manager.client();
    const SharedMemory memory = must(client.create<SharedMemory>("memory", {.size = 10}));
    EXPECT_EQ(manager.stop(signal), 0) << manager.log();
    EXPECT_FALSE(exists(manager.socket()));
    EXPECT_FALSE(exists(manager.socket() + ".lock"));
    EXPECT_THAT(manager.log(), HasSubstr("event=manager.end"));
  }
}

TEST(Manager, ReplacesAStaleSocket) {
  TestManager killed;
  EXPECT_EQ(killed.stop(SIGKILL), SIGKILL);
  ASSERT_TRUE(exists(killed.socket()));
  const TestManager next({}, killed.socket());
  must(next.client().ping());
}

TEST(Manager, RefusesALiveOnesSocketAndNamesIt) {
  const TestManager manager;
  const Output second = run_program({built_program("shoald"), "--socket=" + manager.socket()});
  EXPECT_EQ(second.status, 1);
  EXPECT_THAT(second.text,
              AllOf(HasSubstr(std::to_string(manager.pid())), HasSubstr(manager.socket())));
  must(manager.client().ping());
}

TEST(Manager, LeavesAFileThatIsNoSocketAlone) {
  const Folder folder;
  const std::string path = folder.path() + "/file";
  ::close(::open(path.c_str(), O_CREAT | O_WRONLY, 0600));
  EXPECT_EQ(run_program({built_program("shoald"), "--socket=" + path}).status, 1);
  EXPECT_TRUE(std::filesystem::is_regular_file(path));
}

TEST(Manager, TellsHelpAndBadFlags) {
  const Output help = run_program({built_program("shoald"), "--help"});
  EXPECT_EQ(help.status, 0);
  EXPECT_THAT(help.text, AllOf(HasSubstr("--warm-bytes"), HasSubstr("SHOAL_WARM_BYTES")));
  const Output bad = run_program({built_program("shoald"), "--warm-byte=1"});
  EXPECT_EQ(bad.status, 2);
  EXPECT_THAT(bad.text, HasSubstr("--warm-bytes"));
}

TEST(Manager, LostIsUnavailableWithAdviceAndTheMemoryStays) {
  TestManager manager;
  const shoal::Client client = manager.client({.control_timeout = absl::Milliseconds(50)});
  SharedMemory memory = must(client.create<SharedMemory>("memory", {.size = 4096}));
  manager.stop(SIGKILL);
  const auto advice =
      AllOf(StartsWith("UNAVAILABLE"), HasSubstr(manager.socket()), HasSubstr("shoald"));
  EXPECT_THAT(outcome(client.ping()), advice);
  EXPECT_THAT(outcome(client.open<SharedMemory>("memory")), advice);
  EXPECT_THAT(outcome(client.create<SharedMemory>("other", {.size = 1})), advice);
  EXPECT_THAT(outcome(memory.unlink()), advice);
  memory.data()[4095] = std::byte{1};
  EXPECT_EQ(memory.data()[4095], std::byte{1});
  must(memory.close());
}

TEST(Manager, StartedAnewDoesNotKnowOldSessions) {
  TestManager first;
  const shoal::Client client = first.client({.control_timeout = absl::Seconds(1)});
  const SharedMemory memory = must(client.create<SharedMemory>("memory", {.size = 10}));
  first.stop(SIGKILL);
  const TestManager second({}, first.socket());
  memory.data()[0] = std::byte{1};
  EXPECT_THAT(outcome(client.open<SharedMemory>("memory")),
              AllOf(StartsWith("UNAVAILABLE"), HasSubstr("connect")));
  EXPECT_THAT(outcome(second.client().open<SharedMemory>("memory")), StartsWith("NOT_FOUND"));
}

TEST(Manager, ListensAtAnActivatedSocket) {
  const Folder folder;
  const std::string path = folder.path() + "/activated.sock";
  const UniqueFd listening = bound_socket(path, SOCK_STREAM);
  ASSERT_EQ(::listen(listening.get(), 16), 0);
  const std::string program = built_program("shoald");
  Child activated([&](Channel&) -> std::string {
    ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
    ::setenv("LISTEN_FDS", "1", 1);
    const int null = ::open("/dev/null", O_WRONLY);
    ::dup2(null, STDERR_FILENO);
    if (listening.get() == 3) {
      ::fcntl(3, F_SETFD, 0);
    } else {
      ::dup2(listening.get(), 3);
    }
    ::execl(program.c_str(), "shoald", nullptr);
    return "not started";
  });
  // The socket queues whoever comes before the manager is up.
  const shoal::Client client = must(shoal::Client::connect({.socket = path}));
  must(client.create<SharedMemory>("memory", {.size = 10}));
  EXPECT_EQ(must(shoal::Admin(client).manager()).socket, path);
  ::kill(activated.pid(), SIGTERM);
  EXPECT_EQ(activated.wait(), 0);
  EXPECT_TRUE(exists(path)) << "it belongs to who made it";
}

TEST(Manager, TellsWhenItIsReady) {
  const Folder folder;
  const std::string path = folder.path() + "/notify";
  const UniqueFd notified = bound_socket(path, SOCK_DGRAM);
  ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
  TestManager manager;
  ::unsetenv("NOTIFY_SOCKET");
  const auto hear = [&] {
    pollfd ready{.fd = notified.get(), .events = POLLIN, .revents = 0};
    char text[256] = {};
    if (::poll(&ready, 1, kWatchdogSeconds * 1000) != 1) return std::string("nothing");
    const ssize_t got = ::recv(notified.get(), text, sizeof text, 0);
    return std::string(text, got > 0 ? static_cast<std::size_t>(got) : 0);
  };
  EXPECT_THAT(hear(), HasSubstr("READY=1"));
  manager.stop();
  EXPECT_THAT(hear(), HasSubstr("STOPPING=1"));
}

TEST(PrivateManager, ServesUntilItIsDestroyed) {
  std::string socket;
  UniqueFd process;
  {
    const shoal::Manager manager = must(shoal::Manager::start({.flags = {"--quota=1MiB"}}));
    socket = manager.socket();
    process = pidfd_of(manager.pid());
    const shoal::Client client = must(manager.connect());
    EXPECT_EQ(must(shoal::Admin(client).manager()).pid, manager.pid());
    EXPECT_EQ(must(client.arena("default").stat()).quota_bytes, 1U << 20);
  }
  EXPECT_TRUE(ends(process));
  EXPECT_FALSE(exists(socket));
  EXPECT_FALSE(exists(std::filesystem::path(socket).parent_path())) << "its folder goes too";
}

TEST(PrivateManager, DiesWithItsParent) {
  Child parent([](Channel& test) -> std::string {
    const shoal::Manager manager = must(shoal::Manager::start());
    test.say(std::to_string(manager.pid()));
    return test.hear();
  });
  const UniqueFd manager = pidfd_of(std::stoi(parent.hear()));
  ASSERT_TRUE(manager.valid());
  parent.kill();
  EXPECT_TRUE(ends(manager));
}

TEST(PrivateManager, IsInertInAForkedChild) {
  std::optional<shoal::Manager> manager = must(shoal::Manager::start());
  EXPECT_EQ(in_child([&]() -> std::string {
              manager.reset();
              return "destroyed";
            }),
            "destroyed");
  must(must(manager->connect()).ping());
  must(manager->stop());
  must(manager->stop());
}

TEST(PrivateManager, SaysWhyItDidNotStart) {
  EXPECT_THAT(outcome(shoal::Manager::start({.program = "/no/such/shoald"})),
              AllOf(StartsWith("NOT_FOUND"), HasSubstr("/no/such/shoald")));
  EXPECT_THAT(outcome(shoal::Manager::start({.flags = {"--nonsense"}})),
              AllOf(StartsWith("UNAVAILABLE"), HasSubstr("nonsense")));
  const TestManager taken;
  EXPECT_THAT(outcome(shoal::Manager::start({.socket = taken.socket()})),
              AllOf(StartsWith("UNAVAILABLE"), HasSubstr(std::to_string(taken.pid()))));
}

}  // namespace
