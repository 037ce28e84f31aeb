// SharedLock: many readers or one writer. What its writer has in common with other locks is tested
// in lock_behaviour_test.cc.
#include <chrono>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <system_error>
#include <vector>

#include "tests/e2e/sync.h"

namespace shoal::e2e {
namespace {

std::string read(SharedLock& lock) { return outcome(lock.acquire_shared(kLong)); }
std::string write(SharedLock& lock) { return outcome(lock.acquire(kLong)); }

class SharedLocks : public Sync {
 protected:
  std::string read_elsewhere(absl::Duration timeout = kNow) const {
    return in_child([&] {
      const SharedLock lock = opened<SharedLock>("it");
      std::string got = code(lock.acquire_shared(timeout));
      if (got == "OK") must(lock.release_shared());
      return got;
    });
  }
  SharedLock lock_ = made<SharedLock>("it");
};

TEST_F(SharedLocks, ReadersReadTogether) {
  Child one = holder<SharedLock>("it", read);
  Child two = holder<SharedLock>("it", read);
  EXPECT_EQ(outcome(lock_.acquire_shared(kNow)), "OK");
  Thread third([&] {
    std::string got = outcome(lock_.acquire_shared(kNow));
    EXPECT_EQ(lock_.readers(), 4U);
    must(lock_.release_shared());
    return got;
  });
  EXPECT_EQ(third.result(), "OK");
  EXPECT_EQ(lock_.readers(), 3U);
  EXPECT_FALSE(lock_.locked());
  EXPECT_EQ(outcome(lock_.release_shared()), "OK");
  EXPECT_EQ(code(lock_.release_shared()), "FAILED_PRECONDITION");
  EXPECT_EQ(lock_.readers(), 2U);
}

TEST_F(SharedLocks, AWriterKeepsReadersOut) {
  must(lock_.acquire());
  EXPECT_EQ(read_elsewhere(), "DEADLINE_EXCEEDED");
  EXPECT_EQ(read_elsewhere(kShort), "DEADLINE_EXCEEDED");
  Child reader = sleeper<SharedLock>("it", read);
  Child another = sleeper<SharedLock>("it", read);
  must(lock_.release());
  EXPECT_EQ(reader.result(), "OK");
  EXPECT_EQ(another.result(), "OK");
}

TEST_F(SharedLocks, ReadersKeepAWriterOutUntilTheLastHasLeft) {
  Child one = holder<SharedLock>("it", read);
  must(lock_.acquire_shared());
  Child writer = sleeper<SharedLock>("it", write);
  one.say("go");
  EXPECT_EQ(one.result(), "let go");
  EXPECT_TRUE(falls_asleep(writer));
  must(lock_.release_shared());
  EXPECT_EQ(writer.result(), "OK");
}

TEST_F(SharedLocks, AWriterThatWaitsDoesNotStarve) {
  must(lock_.acquire_shared());
  Child writer = sleeper<SharedLock>("it", write);
  EXPECT_EQ(read_elsewhere(), "DEADLINE_EXCEEDED");
  EXPECT_EQ(lock_.readers(), 1U);
  must(lock_.release_shared());
  EXPECT_EQ(writer.result(), "OK");
  EXPECT_EQ(code(lock_.acquire_shared(kLong)), "OK");
}

TEST_F(SharedLocks, AWriterThatGivesUpLetsTheReadersInAgain) {
  must(lock_.acquire_shared());
  EXPECT_EQ(in_child([&] { return code(opened<SharedLock>("it").acquire(kShort)); }),
            "DEADLINE_EXCEEDED");
  EXPECT_EQ(read_elsewhere(), "OK");
  EXPECT_FALSE(*lock_.abandoned());
}

TEST_F(SharedLocks, AWriterThatDiesWaitingLetsTheReadersInAgain) {
  must(lock_.acquire_shared());
  Child writer = sleeper<SharedLock>("it", write);
  Child reader = sleeper<SharedLock>("it", read);
  writer.kill();
  EXPECT_EQ(reader.result(), "OK");
  // It had changed nothing.
  EXPECT_FALSE(*lock_.abandoned());
}

TEST_F(SharedLocks, ADeadReaderOnlyLeaves) {
  Child reader = holder<SharedLock>("it", [](SharedLock& lock) {
    must(lock.acquire_shared());
    must(lock.acquire_shared());
    return std::string("OK");
  });
  Child writer = sleeper<SharedLock>("it", [](SharedLock& lock) {
    const auto acquired = lock.acquire(kLong);
    if (!acquired.ok()) return outcome(acquired);
    return std::string(acquired->abandoned ? "abandoned" : "whole");
  });
  reader.kill();
  EXPECT_EQ(writer.result(), "whole");
}

TEST_F(SharedLocks, AStoppedReaderIsWaitedFor) {
  Child reader = holder<SharedLock>("it", read);
  stop(reader);
  EXPECT_EQ(code(lock_.acquire(absl::Milliseconds(300))), "DEADLINE_EXCEEDED");
  EXPECT_EQ(lock_.readers(), 1U);
  resume(reader);
}

TEST_F(SharedLocks, ADeadWriterIsToldToReadersToo) {
  holder<SharedLock>("it", write).kill();
  EXPECT_TRUE(must(lock_.acquire_shared(kLong)).abandoned);
  EXPECT_EQ(code(lock_.mark_consistent()), "FAILED_PRECONDITION");
  must(lock_.release_shared());
  must(lock_.acquire());
  EXPECT_EQ(outcome(lock_.mark_consistent()), "OK");
  must(lock_.release());
  EXPECT_FALSE(must(lock_.acquire_shared()).abandoned);
}

TEST_F(SharedLocks, AReadersTokenIsThatOfTheLastWriter) {
  const std::uint64_t token = must(lock_.acquire()).token;
  must(lock_.release());
  EXPECT_EQ(must(lock_.acquire_shared()).token, token);
  must(lock_.release_shared());
  EXPECT_EQ(must(lock_.acquire()).token, token + 1);
}

TEST_F(SharedLocks, MoreReadersThanPlacesWaitForOneToLeave) {
  const SharedLock narrow = made<SharedLock>("narrow", {.readers = 2});
  Child one = holder<SharedLock>("narrow", read);
  Child two = holder<SharedLock>("narrow", read);
  EXPECT_EQ(code(narrow.acquire_shared(kShort)), "DEADLINE_EXCEEDED");
  Child third = sleeper<SharedLock>("narrow", read);
  one.kill();
  EXPECT_EQ(third.result(), "OK");
  two.say("go");
  EXPECT_EQ(two.result(), "let go");
  // They ended with their holds in hand.
  EXPECT_EQ(code(narrow.acquire(kLong)), "OK");
}

TEST_F(SharedLocks, ManyHoldsOfOneProcessTakeOnePlace) {
  const SharedLock narrow = made<SharedLock>("narrow", {.readers = 1});
  for (int i = 0; i < 10; ++i) must(narrow.acquire_shared(kNow));
  EXPECT_EQ(narrow.readers(), 10U);
  for (int i = 0; i < 10; ++i) must(narrow.release_shared());
  EXPECT_EQ(narrow.readers(), 0U);
}

TEST_F(SharedLocks, StandardSharedLock) {
  {
    const std::shared_lock guard(lock_);
    EXPECT_EQ(lock_.readers(), 1U);
    EXPECT_FALSE(std::unique_lock(lock_, std::chrono::milliseconds(5)).owns_lock());
    EXPECT_FALSE(std::unique_lock(lock_, std::try_to_lock).owns_lock());
  }
  EXPECT_EQ(lock_.readers(), 0U);
  const std::scoped_lock guard(lock_);
  EXPECT_FALSE(std::shared_lock(lock_, std::try_to_lock).owns_lock());
  EXPECT_FALSE(std::shared_lock(lock_, std::chrono::milliseconds(5)).owns_lock());
  const auto soon = std::chrono::steady_clock::now() + std::chrono::milliseconds(5);
  EXPECT_FALSE(std::shared_lock(lock_, soon).owns_lock());
}

TEST_F(SharedLocks, UnlockSharedOfNothingDoesNotThrow) {
  EXPECT_NO_THROW(lock_.unlock_shared());
  EXPECT_EQ(lock_.release_shared().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(SharedLocks, BadOptionsAreRefused) {
  EXPECT_EQ(code(client_.create<SharedLock>("none", {.readers = 0})), "INVALID_ARGUMENT");
  EXPECT_EQ(code(client_.create<SharedLock>("many", {.readers = 65'535})), "INVALID_ARGUMENT");
}

TEST_F(SharedLocks, ReadersNeverSeeAWriterAtWork) {
  const SharedMemory memory = made<SharedMemory>("pair", {.size = 16});
  auto* pair = reinterpret_cast<volatile long*>(memory.data().data());
  const auto work = [&](int seed) {
    for (int i = 0; i < 3000; ++i) {
      if ((i + seed) % 4 == 0) {
        const std::scoped_lock guard(lock_);
        pair[0] = pair[0] + 1;
        pair[1] = pair[1] + 1;
      } else {
        const std::shared_lock guard(lock_);
        if (pair[0] != pair[1]) return std::string("torn");
      }
    }
    return std::string("done");
  };
  std::vector<Child> children;
  for (int seed = 0; seed < 4; ++seed) {
    children.emplace_back([&, seed](Channel&) { return work(seed); });
  }
  for (Child& child : children) EXPECT_EQ(child.result(), "done");
  EXPECT_EQ(pair[0], 3000);
}

}  // namespace
}  // namespace shoal::e2e
