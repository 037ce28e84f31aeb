// Clients and objects in forked processes, on both sides, whoever dies first.
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <shoal/shoal.h>

#include "tests/support/child.h"
#include "tests/support/test_manager.h"
#include "tests/support/watchdog.h"

namespace {

using shoal::SharedMemory;
using namespace shoal::test;
using testing::HasSubstr;
using testing::StartsWith;

class Fork : public testing::Test {
 protected:
  std::byte& first_byte() const { return memory_.data()[0]; }

  TestManager manager_{{"--warm-bytes=0"}};
  shoal::Client client_ = manager_.client();
  SharedMemory memory_ = must(client_.create<SharedMemory>("memory", {.size = 4096}));
};

TEST_F(Fork, TheChildUsesWhatItInherited) {
  first_byte() = std::byte{1};
  EXPECT_EQ(in_child([&]() -> std::string {
              if (first_byte() != std::byte{1}) return "other bytes";
              first_byte() = std::byte{2};
              must(memory_.close());
              return "OK";
            }),
            "OK");
  EXPECT_EQ(first_byte(), std::byte{2});
  EXPECT_EQ(must(client_.stat("memory")).object.references, 1U);
}

TEST_F(Fork, TheChildMakesCallsOfItsOwn) {
  EXPECT_EQ(in_child([&]() -> std::string {
              const SharedMemory made = must(client_.create<SharedMemory>("theirs", {.size = 10}));
              made.data()[0] = std::byte{3};
              const shoal::ObjectStat stat = must(client_.stat("memory"));
              if (stat.object.sessions != 2) return "counts through its parent still";
              must(memory_.unlink());
              return "OK";
            }),
            "OK");
  EXPECT_EQ(must(client_.open<SharedMemory>("theirs")).data()[0], std::byte{3});
  EXPECT_THAT(outcome(client_.stat("memory")), StartsWith("NOT_FOUND"));
  first_byte() = std::byte{1};
}

TEST_F(Fork, AGrandchildToo) {
  EXPECT_EQ(in_child([&]() -> std::string {
              return in_child([&]() -> std::string {
                first_byte() = std::byte{4};
                return outcome(client_.open<SharedMemory>("memory"));
              });
            }),
            "OK");
  EXPECT_EQ(in_child([&]() -> std::string {
              must(client_.ping());
              const SharedMemory mine = must(client_.create<SharedMemory>("mine", {.size = 1}));
              return in_child([&]() -> std::string {
                mine.data()[0] = std::byte{5};
                return outcome(mine.unlink());
              });
            }),
            "OK");
  EXPECT_EQ(first_byte(), std::byte{4});
}

TEST_F(Fork, TheChildGoesOnAfterItsParentsDeath) {
  for (const bool has_session : {false, true}) {
    Child parent([&](Channel& test) -> std::string {
      const shoal::Client client = manager_.client();
      const SharedMemory memory = must(client.open<SharedMemory>("memory"));
      const Child child([&](Channel& here) -> std::string {
        if (has_session) must(client.ping());
        here.say("ready");
        (void)test.hear();
        memory.data()[1] = std::byte{6};
        const auto again = client.open<SharedMemory>("memory");
        const std::string said = outcome(again);
        test.say(said);
        return said;
      });
      test.say(child.hear());
      for (;;) ::pause();
    });
    ASSERT_EQ(parent.hear(), "ready");
    parent.kill();
    ASSERT_TRUE(wait_until([&] {
      const auto holders = must(client_.stat("memory")).holders;
      return std::ranges::none_of(holders, [&](const shoal::Holder& holder) {
        return holder.pid == parent.pid() && holder.state == "live";
      });
    }));
    parent.say("go on");
    EXPECT_EQ(parent.hear(), "OK");
    EXPECT_EQ(memory_.data()[1], std::byte{6});
    EXPECT_TRUE(wait_until([&] { return must(client_.stat("memory")).object.references == 1; }));
  }
}

TEST_F(Fork, WhileAnotherThreadMakesCalls) {
  std::atomic<bool> over = false;
  std::thread caller([&] {
    while (!over) {
      const auto memory = client_.open<SharedMemory>("memory");
      if (!memory.ok()) ADD_FAILURE() << memory.status();
    }
  });
  for (int i = 0; i < 25; ++i) {
    EXPECT_EQ(in_child([&] {
                const auto memory = client_.open<SharedMemory>("memory");
                return outcome(memory.ok() ? client_.ping() : memory.status());
              }),
              "OK");
  }
  over = true;
  caller.join();
  EXPECT_TRUE(wait_until([&] { return must(client_.stat("memory")).object.references == 1; }));
}

TEST_F(Fork, ManyChildrenAtOnce) {
  std::vector<Child> children;
  for (int i = 0; i < 12; ++i) {
    children.emplace_back([&](Channel&) -> std::string {
      for (int round = 0; round < 20; ++round)
        must(must(client_.open<SharedMemory>("memory")).close());
      return "OK";
    });
  }
  for (Child& child : children) EXPECT_EQ(child.result(), "OK");
  EXPECT_TRUE(wait_until([&] { return must(client_.stat("memory")).object.references == 1; }));
}

// Closes all descriptors but the channel's and the standard ones, and puts a file in every number
// that became free, as a daemon's own files would be.
std::string lose_descriptors(int kept, const std::string& file) {
  for (int fd = 3; fd < 1024; ++fd) {
    if (fd != kept) ::close(fd);
  }
  for (int i = 0; i < 64; ++i) {
    if (::open(file.c_str(), O_RDWR | O_CREAT | O_APPEND, 0600) < 0) return "no file";
  }
  return "";
}

// Whether the 64 files are all open and empty still.
std::string look_at_files(const std::string& file) {
  struct stat status {};
  if (::stat(file.c_str(), &status) != 0 || status.st_size != 0) return "the file was written to";
  int open = 0;
  for (int fd = 3; fd < 1024; ++fd) {
    struct stat one {};
    open += ::fstat(fd, &one) == 0 && one.st_ino == status.st_ino ? 1 : 0;
  }
  return open == 64 ? "" : std::to_string(64 - open) + " of the files were closed";
}

// What a host that lost its descriptors sees. `client` and `memory` are from before.
std::string use_without_descriptors(const shoal::Client& client, SharedMemory memory,
                                    const std::string& file) {
  memory.data()[2] = std::byte{8};
  const std::string ping = outcome(client.ping());
  const std::string open = outcome(client.open<SharedMemory>("memory"));
  const std::string share = outcome(client.share(memory));
  memory.data()[3] = std::byte{9};
  must(memory.close());
  const std::string files = look_at_files(file);
  return files.empty() ? ping + "\n" + open + "\n" + share : files;
}

TEST_F(Fork, AChildWithoutDescriptorsGetsUnavailableAndNeverAnotherFile) {
  const std::string file = manager_.folder() + "/file";
  Child child([&](Channel& parent) -> std::string {
    const std::string lost = lose_descriptors(parent.fd(), file);
    return lost.empty() ? use_without_descriptors(client_, memory_, file) : lost;
  });
  EXPECT_THAT(child.result(),
              AllOf(StartsWith("UNAVAILABLE"), HasSubstr("\nUNAVAILABLE"), HasSubstr("connect")));
  EXPECT_EQ(memory_.data()[2], std::byte{8});
  EXPECT_EQ(memory_.data()[3], std::byte{9});
}

TEST_F(Fork, AHostThatClosedItsDescriptorsGetsUnavailableAndNeverAnotherFile) {
  const std::string file = manager_.folder() + "/file";
  Child child([&](Channel& parent) -> std::string {
    const shoal::Client client = manager_.client();
    const SharedMemory memory = must(client.open<SharedMemory>("memory"));
    const std::string lost = lose_descriptors(parent.fd(), file);
    if (!lost.empty()) return lost;
    const std::string said = use_without_descriptors(client, memory, file);
    parent.say(said);
    // The memory is still mapped here: its reference may not go while this process lives.
    return parent.hear();
  });
  EXPECT_THAT(child.hear(), StartsWith("UNAVAILABLE"));
  EXPECT_EQ(memory_.data()[3], std::byte{9});
  EXPECT_EQ(must(client_.stat("memory")).object.references, 2U);
  child.kill();
  EXPECT_TRUE(wait_until([&] { return must(client_.stat("memory")).object.references == 1; }));
}

TEST_F(Fork, ADaemonKeepsItsMapping) {
  const std::string file = manager_.folder() + "/file";
  Child starter([&](Channel& test) -> std::string {
    const shoal::Client client = manager_.client();
    const SharedMemory memory = must(client.open<SharedMemory>("memory"));
    if (::setsid() < 0) return "no session";
    if (::fork() != 0) ::_exit(0);
    const std::string lost = lose_descriptors(test.fd(), file);
    if (!lost.empty()) return lost;
    test.say(use_without_descriptors(client, memory, file));
    return test.hear();
  });
  starter.wait();
  EXPECT_THAT(starter.hear(), StartsWith("UNAVAILABLE"));
  EXPECT_EQ(memory_.data()[3], std::byte{9});
}

TEST_F(Fork, ADaemonConnectsAnewAfterClosingAll) {
  const std::string file = manager_.folder() + "/file";
  Child child([&](Channel& parent) -> std::string {
    const std::string lost = lose_descriptors(parent.fd(), file);
    if (!lost.empty()) return lost;
    const shoal::Client fresh = manager_.client();
    const std::string said = outcome(fresh.open<SharedMemory>("memory"));
    const std::string files = look_at_files(file);
    return files.empty() ? said : files;
  });
  EXPECT_EQ(child.result(), "OK");
}

}  // namespace
