// Barrier: wait, action, abort, reset, timeouts, deaths.
#include <algorithm>
#include <numeric>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/e2e/sync.h"

namespace shoal::e2e {
namespace {

constexpr std::uint32_t kParties = 5;

class Barriers : public Sync {
 protected:
  // All parties but this one, each in a process of its own.
  std::vector<Child> others(const std::function<std::string(Barrier&)>& call) const {
    std::vector<Child> children;
    for (std::uint32_t i = 1; i < kParties; ++i) {
      children.emplace_back([this, call](Channel&) {
        Barrier barrier = opened<Barrier>("it");
        return call(barrier);
      });
    }
    return children;
  }
  static std::string await(Barrier& barrier) { return code(barrier.wait(kLong)); }
  [[nodiscard]] bool there_wait(std::uint32_t count) const {
    return wait_until([&] { return barrier_.n_waiting() == count; });
  }

  Barrier barrier_ = made<Barrier>("it", {.parties = kParties});
};

TEST_F(Barriers, IsEmptyAndWholeAtFirst) {
  EXPECT_EQ(barrier_.parties(), kParties);
  EXPECT_EQ(barrier_.n_waiting(), 0U);
  EXPECT_FALSE(barrier_.broken());
}

TEST_F(Barriers, LetsNobodyThroughBeforeAllAreThere) {
  std::vector<Child> children = others(await);
  EXPECT_TRUE(there_wait(kParties - 1));
  for (const Child& child : children) EXPECT_TRUE(falls_asleep(child));
  EXPECT_EQ(*barrier_.wait(kLong), kParties - 1);  // the last
  for (Child& child : children) EXPECT_EQ(child.result(), "OK");
  EXPECT_EQ(barrier_.n_waiting(), 0U);
  EXPECT_FALSE(barrier_.broken());
}

TEST_F(Barriers, ManyPhasesKeepStep) {
  constexpr int kPhases = 200;
  const Array<int> at = made<Array<int>>("at", {.size = kParties});
  const auto walk = [&](Barrier& barrier, std::size_t me) {
    for (int phase = 0; phase < kPhases; ++phase) {
      must(at.set(static_cast<std::ptrdiff_t>(me), phase));
      if (!barrier.wait(kLong).ok()) return std::string("no way through");
      for (const int place : at.data()) {
        if (std::atomic_ref(const_cast<int&>(place)).load() != phase)
          return std::string("out of step");
      }
      if (!barrier.wait(kLong).ok()) return std::string("no way back");
    }
    return std::string("done");
  };
  std::vector<Child> children;
  for (std::size_t me = 1; me < kParties; ++me) {
    children.emplace_back([&, me](Channel&) { return walk(barrier_, me); });
  }
  EXPECT_EQ(walk(barrier_, 0), "done");
  for (Child& child : children) EXPECT_EQ(child.result(), "done");
}

TEST_F(Barriers, EveryPartyGetsAnotherIndex) {
  for (int phase = 0; phase < 10; ++phase) {
    std::vector<Child> children =
        others([](Barrier& barrier) { return std::to_string(must(barrier.wait(kLong))); });
    std::multiset<std::size_t> indices = {must(barrier_.wait(kLong))};
    for (Child& child : children) indices.insert(std::stoul(child.result()));
    std::multiset<std::size_t> all;
    for (std::size_t i = 0; i < kParties; ++i) all.insert(i);
    EXPECT_EQ(indices, all);
  }
}

TEST_F(Barriers, OneRunsTheActionBeforeOthersGoOn) {
  const Cell<int> ran = made<Cell<int>>("ran");
  const auto pass = [&](Barrier& barrier) {
    must(barrier.wait(kLong, [&] { must(ran.fetch_add(1)); }));
    return std::to_string(*ran.load());
  };
  std::vector<Child> children = others(pass);
  EXPECT_EQ(pass(barrier_), "1");
  for (Child& child : children) EXPECT_EQ(child.result(), "1");
}

TEST_F(Barriers, AnActionThatThrowsBreaksIt) {
  std::vector<Child> children = others([](Barrier& barrier) { return code(barrier.wait(kLong)); });
  EXPECT_TRUE(there_wait(kParties - 1));
  EXPECT_THROW((void)barrier_.wait(kLong, [] { throw std::runtime_error("no"); }),
               std::runtime_error);
  for (Child& child : children) EXPECT_EQ(child.result(), "ABORTED");
  EXPECT_TRUE(barrier_.broken());
}

TEST_F(Barriers, AbortWakesAllAndKeepsItBroken) {
  std::vector<Child> children = others(await);
  EXPECT_TRUE(there_wait(kParties - 1));
  EXPECT_EQ(code(barrier_.abort()), "OK");
  for (Child& child : children) EXPECT_EQ(child.result(), "ABORTED");
  EXPECT_TRUE(barrier_.broken());
  EXPECT_EQ(barrier_.n_waiting(), 0U);
  EXPECT_EQ(code(barrier_.wait(kLong)), "ABORTED");
  EXPECT_EQ(code(barrier_.wait()), "ABORTED");
}

TEST_F(Barriers, ResetSendsAwayWhoWaitsAndLeavesItWhole) {
  std::vector<Child> children = others(await);
  EXPECT_TRUE(there_wait(kParties - 1));
  EXPECT_EQ(code(barrier_.reset()), "OK");
  for (Child& child : children) EXPECT_EQ(child.result(), "ABORTED");
  EXPECT_FALSE(barrier_.broken());
  EXPECT_EQ(barrier_.n_waiting(), 0U);
  children = others(await);
  EXPECT_EQ(code(barrier_.wait(kLong)), "OK");
  for (Child& child : children) EXPECT_EQ(child.result(), "OK");
}

TEST_F(Barriers, ResetAfterAbortMakesItWhole) {
  must(barrier_.abort());
  EXPECT_TRUE(barrier_.broken());
  must(barrier_.reset());
  EXPECT_FALSE(barrier_.broken());
  std::vector<Child> children = others(await);
  EXPECT_EQ(code(barrier_.wait(kLong)), "OK");
  for (Child& child : children) EXPECT_EQ(child.result(), "OK");
}

TEST_F(Barriers, ResetOfAnEmptyOneChangesNothing) {
  EXPECT_EQ(code(barrier_.reset()), "OK");
  EXPECT_FALSE(barrier_.broken());
}

TEST_F(Barriers, ATimeoutBreaksItForAll) {
  std::vector<Child> children;
  for (int i = 0; i < 2; ++i) {
    children.emplace_back([&](Channel&) {
      Barrier barrier = opened<Barrier>("it");
      return await(barrier);
    });
  }
  EXPECT_TRUE(there_wait(2));
  EXPECT_EQ(code(barrier_.wait(kShort)), "DEADLINE_EXCEEDED");
  for (Child& child : children) EXPECT_EQ(child.result(), "ABORTED");
  EXPECT_TRUE(barrier_.broken());
  EXPECT_EQ(code(barrier_.wait(kShort)), "ABORTED");
}

TEST_F(Barriers, OfOnePartyIsNoBarrier) {
  const Barrier single = made<Barrier>("single", {.parties = 1});
  int ran = 0;
  for (int i = 0; i < 3; ++i) EXPECT_EQ(*single.wait(kNow, [&] { ++ran; }), 0U);
  EXPECT_EQ(*single.wait(), 0U);
  EXPECT_EQ(ran, 3);
}

TEST_F(Barriers, ThreadsAreParties) {
  const Barrier pair = made<Barrier>("pair", {.parties = 2});
  Thread other([&] {
    for (int i = 0; i < 1000; ++i) must(pair.wait(kLong));
    return std::string("done");
  });
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(code(pair.wait(kLong)), "OK");
  EXPECT_EQ(other.result(), "done");
}

// ---- deaths ----

TEST_F(Barriers, BreaksWhenAWaitingPartyDies) {
  std::vector<Child> children = others(await);
  EXPECT_TRUE(there_wait(kParties - 1));
  children.back().kill();
  children.pop_back();
  for (Child& child : children) EXPECT_EQ(child.result(), "ABORTED");
  EXPECT_TRUE(barrier_.broken());
  EXPECT_EQ(code(barrier_.wait(kLong)), "ABORTED");
  // And can be mended.
  must(barrier_.reset());
  children = others(await);
  EXPECT_EQ(code(barrier_.wait(kLong)), "OK");
  for (Child& child : children) EXPECT_EQ(child.result(), "OK");
}

TEST_F(Barriers, BreaksWhenAPartyDiesBetweenTwoPhases) {
  const Barrier pair = made<Barrier>("pair", {.parties = 2});
  Child other([&](Channel& parent) {
    const Barrier barrier = opened<Barrier>("pair");
    parent.say(code(barrier.wait(kLong)));
    (void)parent.hear();
    return std::string();
  });
  EXPECT_EQ(code(pair.wait(kLong)), "OK");
  EXPECT_EQ(other.hear(), "OK");
  Thread waiter([&] { return code(pair.wait(kLong)); });
  EXPECT_TRUE(waiter.falls_asleep());
  other.kill();
  EXPECT_EQ(waiter.result(), "ABORTED");
}

TEST_F(Barriers, BreaksWhenAPartyDiesInItsAction) {
  const Barrier pair = made<Barrier>("pair", {.parties = 2});
  Thread waiter([&] { return code(pair.wait(kLong)); });
  EXPECT_TRUE(waiter.falls_asleep());
  Child other([&](Channel&) {
    (void)opened<Barrier>("pair").wait(kLong, [] { ::raise(SIGKILL); });
    return std::string("lived");
  });
  other.wait();
  EXPECT_EQ(waiter.result(), "ABORTED");
}

TEST_F(Barriers, AStoppedPartyIsWaitedFor) {
  const Barrier pair = made<Barrier>("pair", {.parties = 2});
  Child other([&](Channel& parent) {
    const Barrier barrier = opened<Barrier>("pair");
    parent.say("ready");
    (void)parent.hear();
    return code(barrier.wait(kLong));
  });
  EXPECT_EQ(other.hear(), "ready");
  stop(other);
  other.say("go");
  Thread waiter([&] { return code(pair.wait(kLong)); });
  EXPECT_TRUE(waiter.falls_asleep());
  resume(other);
  EXPECT_EQ(waiter.result(), "OK");
  EXPECT_EQ(other.result(), "OK");
}

TEST_F(Barriers, WhoLeavesInOrderBreaksNothing) {
  const Barrier pair = made<Barrier>("pair", {.parties = 2});
  for (int i = 0; i < 3; ++i) {
    Child other([&](Channel& parent) {
      Barrier barrier = opened<Barrier>("pair");
      std::string got = code(barrier.wait(kLong));
      must(barrier.close());
      parent.say(got);
      (void)parent.hear();
      return std::string();
    });
    EXPECT_EQ(code(pair.wait(kLong)), "OK");
    EXPECT_EQ(other.hear(), "OK");
    other.say("end");
    other.wait();
  }
  EXPECT_FALSE(pair.broken());
}

// ---- options, access ----

TEST_F(Barriers, PartiesMustBeGiven) {
  EXPECT_EQ(code(client_.create<Barrier>("none")), "INVALID_ARGUMENT");
  EXPECT_EQ(code(client_.create<Barrier>("many", {.parties = 65'536})), "INVALID_ARGUMENT");
  EXPECT_EQ(must(client_.create<Barrier>("most", {.parties = 65'535})).parties(), 65'535U);
}

TEST_F(Barriers, AReadOnlyAttachmentMayChangeNothing) {
  const Barrier barrier =
      must(manager_.client().open<Barrier>("it", {.access = Access::kReadOnly}));
  EXPECT_EQ(code(barrier.wait(kNow)), "PERMISSION_DENIED");
  EXPECT_EQ(code(barrier.abort()), "PERMISSION_DENIED");
  EXPECT_EQ(code(barrier.reset()), "PERMISSION_DENIED");
  EXPECT_EQ(barrier.parties(), kParties);
}

TEST_F(Barriers, ClosedItRefuses) {
  Barrier closed = barrier_;
  must(closed.close());
  EXPECT_EQ(code(closed.wait(kNow)), "FAILED_PRECONDITION");
  EXPECT_EQ(code(closed.abort()), "FAILED_PRECONDITION");
  EXPECT_EQ(closed.parties(), 0U);
}

}  // namespace
}  // namespace shoal::e2e
