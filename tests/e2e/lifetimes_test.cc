// Lifetimes: named, session and referenced objects; and SharedMemoryManager, whose objects end with
// it, by destructor or by death.
#include <unistd.h>

#include <optional>
#include <string>
#include <string_view>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <shoal/shoal.h>

#include "tests/support/child.h"
#include "tests/support/test_manager.h"
#include "tests/support/watchdog.h"

namespace {

using shoal::Lifetime;
using shoal::SharedMemory;
using shoal::SharedMemoryManager;
using namespace shoal::test;
using testing::StartsWith;

class Lifetimes : public testing::Test {
 protected:
  bool exists(std::string_view name) const { return client_.stat(name).ok(); }
  bool goes(std::string_view name) const {
    return wait_until([&] { return !exists(name); });
  }
  // A child with an object of each lifetime, which waits to be ended.
  Child maker() const {
    return Child([this](Channel& parent) -> std::string {
      const shoal::Client client = manager_.client();
      const auto make = [&](const char* name, Lifetime lifetime) {
        return must(client.create<SharedMemory>(name, {.size = 100, .lifetime = lifetime}));
      };
      const SharedMemory named = make("named", Lifetime::kNamed);
      const SharedMemory session = make("session", Lifetime::kSession);
      const SharedMemory referenced = make("referenced", Lifetime::kReferenced);
      parent.say("made");
      (void)parent.hear();
      return "done";
    });
  }

  TestManager manager_{{"--warm-bytes=0"}};
  shoal::Client client_ = manager_.client();
};

TEST_F(Lifetimes, NamedStaysWhenItsMakerIsKilled) {
  Child child = maker();
  ASSERT_EQ(child.hear(), "made");
  EXPECT_EQ(must(client_.stat("named")).object.lifetime, Lifetime::kNamed);
  EXPECT_EQ(must(client_.stat("session")).object.lifetime, Lifetime::kSession);
  EXPECT_EQ(must(client_.stat("referenced")).object.lifetime, Lifetime::kReferenced);
  child.kill();
  EXPECT_TRUE(goes("session"));
  EXPECT_TRUE(goes("referenced"));
  EXPECT_EQ(must(client_.stat("named")).object.references, 0U);
  must(client_.unlink("named"));
}

TEST_F(Lifetimes, OthersKeepWhatASessionMade) {
  Child child = maker();
  ASSERT_EQ(child.hear(), "made");
  SharedMemory session = must(client_.open<SharedMemory>("session"));
  SharedMemory referenced = must(client_.open<SharedMemory>("referenced"));
  child.kill();
  // Its name goes with its maker, its memory with the last who has it.
  EXPECT_TRUE(goes("session"));
  session.data()[99] = std::byte{9};
  EXPECT_TRUE(exists("referenced"));
  must(referenced.close());
  EXPECT_TRUE(goes("referenced"));
}

TEST_F(Lifetimes, ReferencedGoesWithTheLastOfMany) {
  SharedMemory first =
      must(client_.create<SharedMemory>("shared", {.size = 10, .lifetime = Lifetime::kReferenced}));
  SharedMemory second = must(client_.open<SharedMemory>("shared"));
  const shoal::Token token = must(client_.share(second));
  must(first.close());
  must(second.close());
  EXPECT_TRUE(exists("shared")) << "the token holds it";
  SharedMemory third = must(client_.open<SharedMemory>(token));
  must(third.close());
  EXPECT_TRUE(goes("shared"));
}

TEST_F(Lifetimes, SessionGoesWithACleanEndToo) {
  std::optional<shoal::Client> client = manager_.client();
  std::optional<SharedMemory> memory =
      must(client->create<SharedMemory>("session", {.size = 10, .lifetime = Lifetime::kSession}));
  memory.reset();
  EXPECT_TRUE(exists("session")) << "the session has not ended";
  client.reset();
  EXPECT_TRUE(goes("session"));
}

TEST_F(Lifetimes, EndSessionUnlinksNow) {
  const auto session =
      must(client_.create<SharedMemory>("session", {.size = 10, .lifetime = Lifetime::kSession}));
  const auto named = must(client_.create<SharedMemory>("named", {.size = 10}));
  must(client_.end_session());
  EXPECT_FALSE(exists("session"));
  EXPECT_TRUE(exists("named"));
  EXPECT_EQ(session.data().size(), 10U);
}

TEST_F(Lifetimes, AForkedChildsEndTakesNothingOfItsParent) {
  const auto memory =
      must(client_.create<SharedMemory>("session", {.size = 10, .lifetime = Lifetime::kSession}));
  EXPECT_EQ(in_child([&] { return outcome(client_.ping()); }), "OK");
  Child killed([&](Channel&) -> std::string {
    must(client_.ping());
    ::kill(::getpid(), SIGKILL);
    return "not killed";
  });
  killed.wait();
  must(client_.ping());
  EXPECT_TRUE(exists("session"));
}

class Blocks : public Lifetimes {
 protected:
  SharedMemoryManager start() const {
    return must(SharedMemoryManager::start({.socket = manager_.socket()}));
  }
};

TEST_F(Blocks, EndWithTheDestructor) {
  std::string memory_name;
  std::string list_name;
  std::optional<SharedMemory> kept;
  {
    const SharedMemoryManager blocks = start();
    const SharedMemory memory = must(blocks.SharedMemory(4096));
    const shoal::ShareableList list = must(blocks.ShareableList({1, 2.5, "three"}));
    memory_name = memory.name();
    list_name = list.name();
    ASSERT_NE(memory_name, "");
    ASSERT_NE(list_name, memory_name);
    kept = must(client_.open<SharedMemory>(memory_name));
    EXPECT_EQ(must(must(client_.open<shoal::ShareableList>(list_name)).get(2)),
              shoal::Value("three"));
  }
  EXPECT_TRUE(goes(memory_name));
  EXPECT_TRUE(goes(list_name));
  kept->data()[4095] = std::byte{1};
}

TEST_F(Blocks, EndWithShutdownOnce) {
  SharedMemoryManager blocks = start();
  const SharedMemory memory = must(blocks.SharedMemory(10));
  must(blocks.shutdown());
  must(blocks.shutdown());
  EXPECT_FALSE(exists(memory.name()));
  EXPECT_EQ(memory.data().size(), 10U);
  EXPECT_THAT(outcome(blocks.SharedMemory(10)), StartsWith("FAILED_PRECONDITION"));
  EXPECT_THAT(outcome(blocks.ShareableList({1})), StartsWith("FAILED_PRECONDITION"));
}

TEST_F(Blocks, EndWithTheDeathOfTheirProcess) {
  Child child([this](Channel& parent) -> std::string {
    const SharedMemoryManager blocks = start();
    const SharedMemory memory = must(blocks.SharedMemory(10));
    parent.say(memory.name());
    return parent.hear();
  });
  const std::string name = child.hear();
  EXPECT_TRUE(exists(name));
  child.kill();
  EXPECT_TRUE(goes(name));
}

TEST_F(Blocks, AForkedCopyIsInert) {
  std::optional<SharedMemoryManager> blocks = start();
  const SharedMemory memory = must(blocks->SharedMemory(10));
  EXPECT_EQ(in_child([&]() -> std::string {
              blocks.reset();
              return "destroyed";
            }),
            "destroyed");
  must(client_.ping());
  EXPECT_TRUE(exists(memory.name()));
}

TEST_F(Blocks, AMovedOneOwnsThem) {
  SharedMemoryManager first = start();
  const SharedMemory memory = must(first.SharedMemory(10));
  std::optional<SharedMemoryManager> second = std::move(first);
  EXPECT_TRUE(exists(memory.name()));
  second.reset();
  EXPECT_TRUE(goes(memory.name()));
}

}  // namespace
