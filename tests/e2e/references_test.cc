// The ledger as `stat` shows it: every reference is counted, and given back however its holder
// ends.
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <optional>
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

class References : public testing::Test {
 protected:
  // Waits for what the manager says, since closing does not wait for it.
  void expect_references(std::uint32_t references, std::uint32_t sessions) const {
    shoal::ObjectInfo last;
    const bool so = wait_until([&] {
      last = must(client_.stat("memory")).object;
      return last.references == references && last.sessions == sessions;
    });
    EXPECT_TRUE(so) << last.references << " references of " << last.sessions << " sessions, not "
                    << references << " of " << sessions;
  }

  // A child that attaches twice and says so; `end` is what it does when told to.
  Child attached_twice(const std::function<void()>& end) const {
    return Child([this, end](Channel& parent) -> std::string {
      const shoal::Client client = manager_.client();
      const SharedMemory first = must(client.open<SharedMemory>("memory"));
      const SharedMemory second = must(client.open<SharedMemory>("memory"));
      parent.say("attached");
      (void)parent.hear();
      end();
      return "not ended";
    });
  }

  void expect_gone_after(const std::function<void()>& end) const {
    Child child = attached_twice(end);
    ASSERT_EQ(child.hear(), "attached");
    expect_references(3, 2);
    child.say("end");
    child.wait();
    expect_references(1, 1);
  }

  TestManager manager_{{"--warm-bytes=0"}};
  shoal::Client client_ = manager_.client();
  SharedMemory memory_ = must(client_.create<SharedMemory>("memory", {.size = 4096}));
};

TEST_F(References, AfterUnderscoreExit) {
  expect_gone_after([] { ::_exit(3); });
}

TEST_F(References, AfterExit) {
  expect_gone_after([] { std::exit(3); });
}

TEST_F(References, AfterAbortAndKill) {
  expect_gone_after([] { ::raise(SIGKILL); });
}

TEST_F(References, AfterKillInACall) {
  Child child([this](Channel& parent) -> std::string {
    const shoal::Client client = manager_.client();
    parent.say("begun");
    for (;;) must(client.open<SharedMemory>("memory"));
  });
  ASSERT_EQ(child.hear(), "begun");
  ASSERT_TRUE(wait_until([&] { return must(client_.stat("memory")).object.sessions == 2; }));
  child.kill();
  expect_references(1, 1);
}

TEST_F(References, AfterExec) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  Child child = attached_twice([&] {
    ::dup2(ends[0], STDIN_FILENO);
    ::close(ends[0]);
    ::close(ends[1]);
    ::execlp("cat", "cat", nullptr);
  });
  ::close(ends[0]);
  ASSERT_EQ(child.hear(), "attached");
  expect_references(3, 2);
  child.say("end");
  expect_references(1, 1);
  EXPECT_EQ(::kill(child.pid(), 0), 0) << "the process lives on as another program";
  ::close(ends[1]);
  EXPECT_EQ(child.wait(), 0);
}

TEST_F(References, ExecdProgramInheritsNoDescriptor) {
  const auto inheritable = [] {
    std::string open;
    for (int fd = 0; fd < 1024; ++fd) {
      const int flags = ::fcntl(fd, F_GETFD);
      if (flags >= 0 && (flags & FD_CLOEXEC) == 0) open += std::to_string(fd) + " ";
    }
    return open;
  };
  const std::string before = inheritable();
  const shoal::Client client = manager_.client();
  const SharedMemory memory = must(client.open<SharedMemory>("memory"));
  const int descriptor = must(memory.descriptor(shoal::Access::kReadOnly));
  EXPECT_EQ(inheritable(), before);
  ::close(descriptor);
}

TEST_F(References, CopiesAndSecondAttachments) {
  std::optional<SharedMemory> copy = memory_;
  SharedMemory second = must(client_.open<SharedMemory>("memory"));
  expect_references(2, 1);
  EXPECT_EQ(second.id(), memory_.id());
  must(memory_.close());
  expect_references(2, 1);
  EXPECT_FALSE(copy->data().empty()) << "a copy keeps its share";
  copy.reset();
  expect_references(1, 1);
  must(second.close());
  must(second.close());
  expect_references(0, 0);
}

TEST_F(References, AMovedProxyIsOneReference) {
  SharedMemory moved = std::move(memory_);
  expect_references(1, 1);
  moved = SharedMemory();
  expect_references(0, 0);
}

TEST_F(References, AnObjectOutlivesItsClient) {
  std::optional<shoal::Client> other = manager_.client();
  SharedMemory memory = must(other->open<SharedMemory>("memory"));
  other.reset();
  expect_references(2, 2);
  memory.data()[0] = std::byte{1};
  must(memory.close());
  expect_references(1, 1);
}

TEST_F(References, ManyThreadsAttachAndLetGo) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([this] {
      for (int round = 0; round < 200; ++round) {
        const auto memory = client_.open<SharedMemory>("memory");
        if (!memory.ok()) ADD_FAILURE() << memory.status();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  expect_references(1, 1);
}

// Attaches once, forks, and says its child's pid. The child runs `in_fork`, says what it returned,
// and ends when the test does.
Child forked_holder(const TestManager& manager,
                    const std::function<std::string(const shoal::Client&)>& in_fork) {
  return Child([&manager, in_fork](Channel& test) -> std::string {
    const shoal::Client client = manager.client();
    const SharedMemory memory = must(client.open<SharedMemory>("memory"));
    const Child child([&](Channel& here) -> std::string {
      here.say(in_fork(client));
      return test.hear();
    });
    test.say(child.hear());
    test.say(std::to_string(child.pid()));
    for (;;) ::pause();
  });
}

TEST_F(References, ForkCountsBothSidesInEitherOrder) {
  for (const bool parent_first : {true, false}) {
    Child parent =
        forked_holder(manager_, [](const shoal::Client& client) { return outcome(client.ping()); });
    ASSERT_EQ(parent.hear(), "OK");
    const pid_t child = std::stoi(parent.hear());
    expect_references(3, 3);
    if (parent_first) {
      parent.kill();
      expect_references(2, 2);
      ::kill(child, SIGKILL);
    } else {
      ::kill(child, SIGKILL);
      expect_references(2, 2);
      parent.kill();
    }
    expect_references(1, 1);
  }
}

TEST_F(References, AForkThatCallsNothingKeepsItsParents) {
  Child parent = forked_holder(manager_, [](const shoal::Client&) { return "silent"; });
  ASSERT_EQ(parent.hear(), "silent");
  const pid_t child = std::stoi(parent.hear());
  expect_references(2, 2);
  parent.kill();
  // It is known to be dead; its reference stays, because its child may use it.
  ASSERT_TRUE(wait_until([&] {
    const std::vector<shoal::Holder> holders = must(client_.stat("memory")).holders;
    return std::ranges::count(holders, "dying", &shoal::Holder::state) == 1;
  }));
  expect_references(2, 2);
  ::kill(child, SIGKILL);
  expect_references(1, 1);
}

TEST_F(References, StatSaysWhoHoldsIt) {
  Child child([this](Channel& parent) -> std::string {
    const shoal::Client client = manager_.client({.label = "worker 7"});
    const SharedMemory memory =
        must(client.open<SharedMemory>("memory", {.access = shoal::Access::kReadOnly}));
    parent.say("attached");
    return parent.hear();
  });
  ASSERT_EQ(child.hear(), "attached");
  const shoal::ObjectStat stat = must(client_.stat("memory"));
  EXPECT_EQ(stat.object.creator_pid, ::getpid());
  const auto holder = std::ranges::find(stat.holders, child.pid(), &shoal::Holder::pid);
  ASSERT_NE(holder, stat.holders.end());
  EXPECT_EQ(holder->label, "worker 7");
  EXPECT_EQ(holder->uid, ::getuid());
  EXPECT_EQ(holder->references, 1U);
  EXPECT_EQ(holder->access, shoal::Access::kReadOnly);
  EXPECT_EQ(holder->state, "live");
}

}  // namespace
