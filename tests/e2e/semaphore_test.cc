// Semaphore and BoundedSemaphore, with owned and with plain permits.
#include <string>
#include <vector>

#include "tests/e2e/sync.h"

namespace shoal::e2e {
namespace {

using testing::HasSubstr;

constexpr Permits kPlain = Permits::kPlain;

// ---- what holds for both types and both sorts of permits ----

template <class T, Permits ownership>
struct Sort {
  using Type = T;
  static constexpr Permits kOwnership = ownership;
};

template <class S>
class AnySemaphore : public Sync {
 protected:
  using T = typename S::Type;
  T semaphore_ = made<T>("it", {.permits = 2, .ownership = S::kOwnership});
};

using Sorts = testing::Types<Sort<Semaphore, Permits::kOwned>, Sort<Semaphore, Permits::kPlain>,
                             Sort<BoundedSemaphore, Permits::kOwned>,
                             Sort<BoundedSemaphore, Permits::kPlain>>;
TYPED_TEST_SUITE(AnySemaphore, Sorts);

TYPED_TEST(AnySemaphore, CountsDownAndUp) {
  const auto& s = this->semaphore_;
  EXPECT_EQ(*s.value(), 2U);
  EXPECT_EQ(outcome(s.acquire()), "OK");
  EXPECT_EQ(*s.value(), 1U);
  EXPECT_EQ(outcome(s.acquire(kNow)), "OK");
  EXPECT_EQ(*s.value(), 0U);
  EXPECT_FALSE(s.try_acquire());
  EXPECT_EQ(code(s.acquire(kNow)), "DEADLINE_EXCEEDED");
  EXPECT_EQ(code(s.acquire(kShort)), "DEADLINE_EXCEEDED");
  EXPECT_EQ(code(s.acquire(-absl::Seconds(1))), "DEADLINE_EXCEEDED");
  EXPECT_EQ(*s.value(), 0U);
  EXPECT_EQ(outcome(s.release()), "OK");
  EXPECT_EQ(*s.value(), 1U);
  EXPECT_TRUE(s.try_acquire());
  EXPECT_EQ(outcome(s.release(2)), "OK");
  EXPECT_EQ(*s.value(), 2U);
}

TYPED_TEST(AnySemaphore, AReleaseWakesOneWhoWaits) {
  using T = typename TypeParam::Type;
  const auto& s = this->semaphore_;
  must(s.acquire());
  must(s.acquire());
  const auto take = [](T& semaphore) {
    std::string got = code(semaphore.acquire(kLong));
    return got;
  };
  Child one = this->template sleeper<T>("it", take);
  Child two = this->template sleeper<T>("it", take);
  must(s.release());
  must(s.release());
  EXPECT_EQ(one.result(), "OK");
  EXPECT_EQ(two.result(), "OK");
}

TYPED_TEST(AnySemaphore, ManyReleasedAtOnceWakeMany) {
  const auto& s = this->semaphore_;
  must(s.acquire());
  must(s.acquire());
  Thread one([&] { return code(s.acquire(kLong)); });
  Thread two([&] { return code(s.acquire()); });
  EXPECT_TRUE(one.falls_asleep());
  EXPECT_TRUE(two.falls_asleep());
  must(s.release(2));
  EXPECT_EQ(one.result(), "OK");
  EXPECT_EQ(two.result(), "OK");
  EXPECT_EQ(*s.value(), 0U);
}

TYPED_TEST(AnySemaphore, ADeadWaiterSwallowsNoPermit) {
  using T = typename TypeParam::Type;
  const auto& s = this->semaphore_;
  must(s.acquire());
  must(s.acquire());
  Child doomed = this->template sleeper<T>("it", [](T& x) { return code(x.acquire(kLong)); });
  Child waiter = this->template sleeper<T>("it", [](T& x) { return code(x.acquire(kLong)); });
  doomed.kill();
  must(s.release());
  EXPECT_EQ(waiter.result(), "OK");
}

TYPED_TEST(AnySemaphore, NoMoreAreInThanThereArePermits) {
  using T = typename TypeParam::Type;
  const SharedMemory memory = this->template made<SharedMemory>("count", {.size = 8});
  auto& inside = *reinterpret_cast<std::atomic<int>*>(memory.data().data());
  std::vector<Child> children;
  for (int i = 0; i < 4; ++i) {
    children.emplace_back([&](Channel&) {
      const T semaphore = this->semaphore_;
      for (int round = 0; round < 3000; ++round) {
        must(semaphore.acquire());
        if (++inside > 2) return std::string("too many");
        --inside;
        must(semaphore.release());
      }
      return std::string("done");
    });
  }
  for (Child& child : children) EXPECT_EQ(child.result(), "done");
  EXPECT_EQ(*this->semaphore_.value(), 2U);
}

TYPED_TEST(AnySemaphore, AReadOnlyAttachmentMayChangeNothing) {
  using T = typename TypeParam::Type;
  const T s = must(this->manager_.client().template open<T>("it", {.access = Access::kReadOnly}));
  EXPECT_EQ(code(s.acquire(kNow)), "PERMISSION_DENIED");
  EXPECT_EQ(code(s.release()), "PERMISSION_DENIED");
  EXPECT_FALSE(s.try_acquire());
}

TYPED_TEST(AnySemaphore, AnAnonymousOneIsHandedOnByToken) {
  using T = typename TypeParam::Type;
  const T mine = must(this->client_.template create<T>({.ownership = TypeParam::kOwnership}));
  must(mine.acquire());
  const Token token = must(this->client_.share(mine));
  Child child([&](Channel& parent) {
    const T theirs = must(this->manager_.client().template open<T>(token));
    parent.say(std::to_string(*theirs.value()));
    return code(theirs.acquire(kLong));
  });
  EXPECT_EQ(child.hear(), "0");
  must(mine.release());
  EXPECT_EQ(child.result(), "OK");
}

TYPED_TEST(AnySemaphore, AForkedChildUsesItsParents) {
  const auto& s = this->semaphore_;
  must(s.acquire());
  EXPECT_EQ(in_child([&] {
              std::string said = std::to_string(*s.value());
              must(s.acquire(kNow));
              said += std::to_string(*s.value());
              must(s.release());
              return said;
            }),
            "10");
  EXPECT_EQ(*s.value(), 1U);
}

TYPED_TEST(AnySemaphore, ClosedItRefuses) {
  auto closed = this->semaphore_;
  must(closed.close());
  EXPECT_EQ(code(closed.acquire(kNow)), "FAILED_PRECONDITION");
  EXPECT_EQ(code(closed.release()), "FAILED_PRECONDITION");
  EXPECT_EQ(code(closed.value()), "FAILED_PRECONDITION");
}

// ---- owned permits ----

class Owned : public Sync {};

TEST_F(Owned, ComeBackWhenTheirHolderIsKilled) {
  const Semaphore s = made<Semaphore>("it", {.permits = 5});
  must(s.acquire());
  Child other = holder<Semaphore>("it", [](Semaphore& semaphore) {
    for (int i = 0; i < 4; ++i) must(semaphore.acquire(kNow));
    return std::string("OK");
  });
  EXPECT_EQ(*s.value(), 0U);
  Thread waiter([&] { return code(s.acquire(kLong)); });
  EXPECT_TRUE(waiter.falls_asleep());
  other.kill();
  EXPECT_EQ(waiter.result(), "OK");
  EXPECT_TRUE(wait_until([&] { return *s.value() == 3; }));
}

TEST_F(Owned, ComeBackWithTheLastReference) {
  const Semaphore s = made<Semaphore>("it");
  Child other([&](Channel& parent) {
    Semaphore semaphore = opened<Semaphore>("it");
    must(semaphore.acquire());
    must(semaphore.close());
    parent.say("closed");
    (void)parent.hear();
    return std::string();
  });
  EXPECT_EQ(other.hear(), "closed");
  EXPECT_EQ(code(s.acquire(kLong)), "OK");
}

TEST_F(Owned, OfAStoppedHolderStayItsOwn) {
  const Semaphore s = made<Semaphore>("it");
  Child other =
      holder<Semaphore>("it", [](Semaphore& semaphore) { return code(semaphore.acquire(kNow)); });
  stop(other);
  EXPECT_EQ(code(s.acquire(absl::Milliseconds(300))), "DEADLINE_EXCEEDED");
  resume(other);
}

TEST_F(Owned, AreReleasedByWhoHasThem) {
  const Semaphore s = made<Semaphore>("it", {.permits = 3});
  EXPECT_EQ(code(s.release()), "FAILED_PRECONDITION");
  must(s.acquire());
  must(s.acquire());
  EXPECT_EQ(in_child([&] { return code(opened<Semaphore>("it").release()); }),
            "FAILED_PRECONDITION");
  // All or none.
  const absl::Status all = s.release(3);
  EXPECT_EQ(code(all), "FAILED_PRECONDITION");
  EXPECT_THAT(all.message(), HasSubstr("it"));
  EXPECT_EQ(*s.value(), 1U);
  // Another thread of the same process.
  Thread other([&] { return code(s.release(2)); });
  EXPECT_EQ(other.result(), "OK");
  EXPECT_EQ(*s.value(), 3U);
}

TEST_F(Owned, AForkedChildDoesNotReleaseItsParents) {
  const Semaphore s = made<Semaphore>("it", {.permits = 2});
  must(s.acquire());
  EXPECT_EQ(in_child([&] { return code(s.release()); }), "FAILED_PRECONDITION");
  EXPECT_EQ(*s.value(), 1U);
}

TEST_F(Owned, MoreThanFitBesideTheDescriptor) {
  const Semaphore s = made<Semaphore>("many", {.permits = 1000});
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(code(s.acquire(kNow)), "OK") << i;
  EXPECT_EQ(code(s.acquire(kNow)), "DEADLINE_EXCEEDED");
  EXPECT_EQ(code(s.release(1000)), "OK");
  EXPECT_EQ(*s.value(), 1000U);
  holder<Semaphore>("many", [](Semaphore& semaphore) {
    for (int i = 0; i < 700; ++i) must(semaphore.acquire(kNow));
    return std::string("OK");
  }).kill();
  EXPECT_TRUE(wait_until([&] { return *s.value() == 1000; }));
}

TEST_F(Owned, BadOptionsAreRefused) {
  EXPECT_EQ(code(client_.create<Semaphore>("none", {.permits = 0})), "INVALID_ARGUMENT");
  EXPECT_EQ(code(client_.create<Semaphore>("many", {.permits = (1U << 20) + 1})),
            "INVALID_ARGUMENT");
}

// ---- plain permits ----

class Plain : public Sync {};

TEST_F(Plain, ReleasedByAnybodyAndBeyondTheBeginning) {
  const Semaphore s = made<Semaphore>("it", {.permits = 0, .ownership = kPlain});
  EXPECT_EQ(*s.value(), 0U);
  EXPECT_FALSE(s.try_acquire());
  EXPECT_EQ(in_child([&] { return code(opened<Semaphore>("it").release(3)); }), "OK");
  EXPECT_EQ(*s.value(), 3U);
  must(s.acquire());
  EXPECT_EQ(*s.value(), 2U);
}

TEST_F(Plain, ABoundedOneDoesNotGrowBeyondItsBeginning) {
  const BoundedSemaphore s = made<BoundedSemaphore>("it", {.permits = 2, .ownership = kPlain});
  EXPECT_EQ(code(s.release()), "FAILED_PRECONDITION");
  must(s.acquire());
  EXPECT_EQ(code(s.release(2)), "FAILED_PRECONDITION");
  EXPECT_EQ(*s.value(), 1U);
  EXPECT_EQ(code(s.release()), "OK");
  EXPECT_EQ(code(s.release()), "FAILED_PRECONDITION");
  EXPECT_EQ(*s.value(), 2U);
}

TEST_F(Plain, ThereIsALimit) {
  const Semaphore s = made<Semaphore>("it", {.permits = 0, .ownership = kPlain});
  must(s.release(0x7fffffff));
  EXPECT_EQ(code(s.release()), "RESOURCE_EXHAUSTED");
  EXPECT_EQ(*s.value(), 0x7fffffffU);
}

TEST_F(Plain, OneReceivedByTheDeadIsGone) {
  const Semaphore s = made<Semaphore>("it", {.permits = 2, .ownership = kPlain});
  holder<Semaphore>("it", [](Semaphore& x) { return code(x.acquire(kNow)); }).kill();
  // Another death is recovered after it, and shows that it is over.
  const Lock later = made<Lock>("later");
  holder<Lock>("later", [](Lock& lock) { return code(lock.acquire(kNow)); }).kill();
  must(later.acquire(kLong));
  EXPECT_EQ(*s.value(), 1U);
}

TEST_F(Plain, PingPong) {
  const Semaphore ping = made<Semaphore>("ping", {.permits = 0, .ownership = kPlain});
  const Semaphore pong = made<Semaphore>("pong", {.permits = 0, .ownership = kPlain});
  Child other([&](Channel&) {
    for (int i = 0; i < 2000; ++i) {
      must(ping.acquire(kLong));
      must(pong.release());
    }
    return std::string("done");
  });
  for (int i = 0; i < 2000; ++i) {
    ASSERT_EQ(code(ping.release()), "OK");
    ASSERT_EQ(code(pong.acquire(kLong)), "OK");
  }
  EXPECT_EQ(other.result(), "done");
  EXPECT_EQ(*ping.value() + *pong.value(), 0U);
}

}  // namespace
}  // namespace shoal::e2e
