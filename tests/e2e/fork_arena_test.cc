// What forked children may go on using of the objects in an arena when their parent lets go first:
// everything, until they have a session of their own or are gone; and no longer.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "tests/e2e/sync.h"

namespace shoal::e2e {
namespace {

class ForkInArena : public Sync {
 protected:
  // Memory that was given back is had again and written over.
  void write_over() {
    for (int i = 0; i < 8; ++i) {
      others_.push_back(must(client_.create<Array<int>>({.size = kSize})));
      std::ranges::fill(others_.back().data(), 9);
    }
  }
  [[nodiscard]] bool is_there(const std::string& name) const {
    return !absl::IsNotFound(client_.stat(name).status());
  }
  // Objects with lifetime `referenced` have their name as long as anybody has them.
  template <class T>
  T referenced(typename T::Options options = {}) const {
    options.lifetime = Lifetime::kReferenced;
    return made<T>("it", options);
  }

  // Whoever has it, it was 7 all over.
  static std::string content(const Array<int>& array) {
    return std::ranges::all_of(array.data(), [](int i) { return i == 7; }) ? "OK" : "written over";
  }

  static constexpr std::size_t kSize = 5000;
  std::vector<Array<int>> others_;
};

TEST_F(ForkInArena, AChildsSpanStaysWhatItIsWhenItsParentCloses) {
  auto array = must(client_.create<Array<int>>({.size = kSize}));
  std::ranges::fill(array.data(), 7);
  Child child([&](Channel& parent) {
    (void)parent.hear();
    const std::string found = content(array);
    if (found != "OK") return found;
    must(array.lock().acquire());
    parent.say("has a session");
    (void)parent.hear();
    return content(array);
  });
  must(array.close());
  write_over();
  child.say("look");
  EXPECT_EQ(child.hear(), "has a session");
  write_over();
  child.say("look");
  EXPECT_EQ(child.result(), "OK");
  EXPECT_TRUE(wait_until([&] { return must(client_.list_unnamed()).size() == others_.size(); }));
}

TEST_F(ForkInArena, SoDoesAGrandchilds) {
  auto array = must(client_.create<Array<int>>({.size = kSize}));
  std::ranges::fill(array.data(), 7);
  Child child([&](Channel& test) -> std::string {
    if (::fork() != 0) ::_exit(0);
    test.say("ready");
    (void)test.hear();
    return content(array);
  });
  EXPECT_EQ(child.hear(), "ready");
  child.wait();
  must(array.close());
  write_over();
  child.say("look");
  EXPECT_EQ(child.hear(), "OK");
}

TEST_F(ForkInArena, ADaemonsWithoutDescriptorsToo) {
  auto array = must(client_.create<Array<int>>({.size = kSize}));
  std::ranges::fill(array.data(), 7);
  Child child([&](Channel& parent) {
    for (int fd = 3; fd < 1024; ++fd) {
      if (fd != parent.fd()) ::close(fd);
    }
    parent.say("ready");
    (void)parent.hear();
    return content(array);
  });
  EXPECT_EQ(child.hear(), "ready");
  must(array.close());
  write_over();
  child.say("look");
  EXPECT_EQ(child.result(), "OK");
}

TEST_F(ForkInArena, AProxyWorksInTheChildAfterItsParentClosed) {
  auto lock = referenced<Lock>();
  Child child([&](Channel& parent) {
    (void)parent.hear();
    const std::string got = code(lock.acquire(kNow));
    parent.say(got);
    return parent.hear();
  });
  must(lock.close());
  EXPECT_TRUE(is_there("it"));
  child.say("go on");
  EXPECT_EQ(child.hear(), "OK");
  // The child's own reference keeps it now, and for writing: its death lets go of the lock.
  EXPECT_EQ(must(client_.stat("it")).object.sessions, 1U);
  const Lock again = opened<Lock>("it");
  EXPECT_EQ(code(again.acquire(kNow)), "DEADLINE_EXCEEDED");
  child.kill();
  EXPECT_TRUE(must(again.acquire(kLong)).abandoned);
}

TEST_F(ForkInArena, WhatTheParentHoldsGoesWithItsLastProxyAllTheSame) {
  auto lock = referenced<Lock>();
  must(lock.acquire());
  const Child child([&](Channel& parent) { return parent.hear(); });
  const Lock other = opened<Lock>("it");
  must(lock.close());
  EXPECT_EQ(code(other.acquire(kLong)), "OK");
}

// Else the manager took it for a reader, from whom there is nothing to take back.
TEST_F(ForkInArena, AChildIsAWriterThoughItsParentOnlyReadsByNow) {
  auto writer = referenced<Lock>();
  const auto reader = must(client_.open<Lock>("it", {.access = Access::kReadOnly}));
  Child child([&](Channel& parent) {
    (void)parent.hear();
    parent.say(code(writer.acquire(kNow)));
    return parent.hear();
  });
  must(writer.close());
  child.say("go on");
  EXPECT_EQ(child.hear(), "OK");
  child.kill();
  EXPECT_EQ(code(opened<Lock>("it").acquire(kLong)), "OK");
}

TEST_F(ForkInArena, NothingIsKeptForAChildThatEnded) {
  auto event = referenced<Event>();
  EXPECT_EQ(in_child([] { return std::string("OK"); }), "OK");
  must(event.close());
  EXPECT_FALSE(is_there("it"));
}

TEST_F(ForkInArena, NothingIsKeptOnceTheChildEnds) {
  auto event = referenced<Event>();
  Child child([&](Channel& parent) { return parent.hear(); });
  must(event.close());
  EXPECT_TRUE(is_there("it"));
  child.kill();
  EXPECT_FALSE(is_there("it"));
}

TEST_F(ForkInArena, NothingIsKeptForAChildThatHasItsOwnSession) {
  auto event = referenced<Event>();
  Child child([&](Channel& parent) {
    must(event.set());
    must(event.close());
    must(client_.ping());
    parent.say("ready");
    return parent.hear();
  });
  EXPECT_EQ(child.hear(), "ready");
  must(event.close());
  EXPECT_FALSE(is_there("it"));
}

TEST_F(ForkInArena, NothingIsKeptForAnotherProgram) {
  auto event = referenced<Event>();
  const Child child([&](Channel&) -> std::string {
    ::execlp("sleep", "sleep", "1000", nullptr);
    return "no such program";
  });
  ASSERT_TRUE(wait_until([&] {
    std::ifstream file("/proc/" + std::to_string(child.pid()) + "/comm");
    std::string name;
    return (file >> name) && name == "sleep";
  }));
  must(event.close());
  EXPECT_FALSE(is_there("it"));
}

TEST_F(ForkInArena, NothingIsKeptThatCameAfterTheFork) {
  const auto before = made<Event>("before");
  const Child child([&](Channel& parent) { return parent.hear(); });
  auto event = referenced<Event>();
  must(event.close());
  EXPECT_FALSE(is_there("it"));
}

// Its session is being opened, and so busy, when another thread closes a proxy.
TEST_F(ForkInArena, WhatAChildGivesBackMeanwhileIsPassedOn) {
  std::vector<Event> many;
  for (int i = 0; i < 8000; ++i) many.push_back(must(client_.create<Event>()));
  auto event = referenced<Event>();
  const Child child([&](Channel& parent) {
    Thread closer([&] {
      const Admin admin = manager_.admin();
      const auto has_some = [](const ClientInfo& client) {
        return client.pid == ::getpid() && client.references > 0;
      };
      // No moment is lost by sleeping.
      while (std::ranges::none_of(must(admin.clients()), has_some)) {
      }
      ::kill(manager_.pid(), SIGSTOP);
      std::string closed = code(event.close());
      ::kill(manager_.pid(), SIGCONT);
      return closed;
    });
    must(many[0].set());
    parent.say(closer.result());
    return parent.hear();
  });
  EXPECT_EQ(child.hear(), "OK");
  EXPECT_TRUE(wait_until([&] { return must(client_.stat("it")).object.sessions == 1; }));
}

TEST_F(ForkInArena, WhatIsKeptGoesWhenTheParentEndsAndTheChildToo) {
  Child parent([&](Channel& test) -> std::string {
    const Client client = manager_.client();
    auto event = must(client.create<Event>("it", {.lifetime = Lifetime::kReferenced}));
    const Child child([&](Channel&) {
      test.say("ready");
      std::string said = test.hear();
      const std::string set = code(event.set());
      test.say(set);
      return said;
    });
    must(event.close());
    must(client.ping());
    ::_exit(0);
  });
  EXPECT_EQ(parent.hear(), "ready");
  EXPECT_TRUE(is_there("it"));
  parent.wait();
  parent.say("go on");
  EXPECT_EQ(parent.hear(), "OK");
  EXPECT_TRUE(wait_until([&] { return !is_there("it"); }));
}

}  // namespace
}  // namespace shoal::e2e
