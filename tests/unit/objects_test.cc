// Objects, their names and lifetimes, and the tokens that hold them, without the service above.
#include "daemon/objects.h"

#include <algorithm>
#include <limits>
#include <map>
#include <random>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/tokens.h"
#include "tests/harness/invariants.h"
#include "tests/harness/world.h"

namespace shoal::daemon {
namespace {

using test::Invariants;
using ::testing::HasSubstr;
using wire::Access;
using wire::Lifetime;

class ObjectsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(creator_.hello().ok());
    arena_ = state_.arenas.find(kDefaultArena);
  }
  void TearDown() override {
    creator_.die();
    tokens_.expire(std::numeric_limits<std::int64_t>::max());
    for (Index i = 1; i < state_.catalog.objects.end(); ++i) {
      if (state_.catalog.objects.in_use(i)) objects_.unlink(i);
    }
    EXPECT_EQ(Invariants::broken(state_), "");
    EXPECT_EQ(Invariants::leftovers(state_), "");
  }

  absl::StatusOr<Index> create(std::string_view name, Lifetime lifetime = Lifetime::NAMED,
                               std::uint64_t size = 4096) {
    return objects_.create({.name = name,
                            .arena = arena_,
                            .kind = wire::Kind::SHARED_MEMORY,
                            .lifetime = lifetime,
                            .size_bytes = size,
                            .sparse = true,
                            .creator = creator_.slot(),
                            .now_ns = 1});
  }
  Index must(std::string_view name, Lifetime lifetime = Lifetime::NAMED) {
    const absl::StatusOr<Index> made = create(name, lifetime);
    EXPECT_TRUE(made.ok()) << made.status();
    return made.value_or(0);
  }
  void hold(Index object) {
    ASSERT_TRUE(state_.ledger.attach(creator_.slot(), object, Access::READ_WRITE, 1, 1).ok());
  }
  void let_go(Index object) {
    state_.ledger.lower(creator_.slot(), object, 0);
    objects_.reference_dropped(object);
  }
  // Whether there is still more.
  bool end_all(Index slot) {
    Turn turn(1000, 3600LL * 1'000'000'000);
    return objects_.end_of_creator(slot, turn);
  }
  bool lives(Index object) const { return state_.catalog.objects.in_use(object); }

  test::World world_;
  State& state_ = world_.state;
  Objects& objects_ = state_.objects;
  Tokens& tokens_ = state_.tokens;
  test::TestClient creator_{world_};
  Index arena_ = 0;
};

TEST_F(ObjectsTest, ANameOrAReferenceKeepsIt) {
  const Index object = must("a");
  EXPECT_EQ(objects_.find(arena_, "a"), object);
  hold(object);
  objects_.unlink(object);
  EXPECT_EQ(objects_.find(arena_, "a"), 0U);
  EXPECT_TRUE(lives(object));
  const std::uint64_t id = objects_.id(object);
  EXPECT_EQ(objects_.get(id), object);
  let_go(object);
  EXPECT_FALSE(lives(object));
  EXPECT_EQ(objects_.get(id), 0U);
  // The record is another object's now; the old id does not mean it.
  EXPECT_EQ(must("b"), object);
  EXPECT_EQ(objects_.get(id), 0U);
  EXPECT_NE(objects_.id(object), id);
}

TEST_F(ObjectsTest, IdsThatNobodyGaveOutMeanNothing) {
  const Index object = must("a");
  for (const std::uint64_t id :
       {std::uint64_t{0}, std::uint64_t{object}, ~std::uint64_t{0}, make_id(1, 0),
        make_id(1, 0xffffffff), make_id(2, object), make_id(0xffffffff, object)}) {
    EXPECT_EQ(objects_.get(id), 0U) << id;
  }
}

TEST_F(ObjectsTest, SizesOutsideTheLimitsAreRefused) {
  EXPECT_EQ(create("a", Lifetime::NAMED, 0).status().code(), absl::StatusCode::kInvalidArgument);
  for (const std::uint64_t size :
       {protocol::kSegmentBytesMax + 1, ~std::uint64_t{0}, ~std::uint64_t{0} - 4096}) {
    EXPECT_EQ(create("a", Lifetime::NAMED, size).status().code(),
              absl::StatusCode::kInvalidArgument);
  }
  EXPECT_EQ(create("a", Lifetime::NAMED, protocol::kSegmentBytesMax).status().code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(Invariants::broken(state_), "");
}

TEST_F(ObjectsTest, WholePagesAreCharged) {
  const Index object = *create("a", Lifetime::NAMED, 4097);
  EXPECT_EQ(objects_.record(object).size_bytes, 4097U);
  EXPECT_EQ(objects_.record(object).committed_bytes, 8192U);
  EXPECT_EQ(state_.accounts.committed_bytes(), 8192U);
}

TEST_F(ObjectsTest, LinkNamesWhatHasNoName) {
  const Index object = must("");
  hold(object);
  must("taken");
  EXPECT_EQ(objects_.link(object, "taken").code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(objects_.link(object, "").code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(objects_.link(object, "a\n").code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(objects_.link(object, "free").ok());
  const absl::Status again = objects_.link(object, "other");
  EXPECT_EQ(again.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(again.message()), HasSubstr("\"free\""));
  objects_.unlink(object);
  EXPECT_TRUE(objects_.link(object, "free").ok());
}

TEST_F(ObjectsTest, ReferencedOnesLoseTheirNameWithTheLastReference) {
  const Index object = must("a", Lifetime::REFERENCED);
  hold(object);
  const std::string token =
      *tokens_.make({.object = object, .access = Access::READ_WRITE, .expires_ns = 100});
  let_go(object);
  EXPECT_TRUE(lives(object));
  EXPECT_EQ(objects_.find(arena_, "a"), object);
  tokens_.take(tokens_.find(token));
  EXPECT_FALSE(lives(object));
  EXPECT_EQ(objects_.find(arena_, "a"), 0U);
}

// The list of a creator's objects, taken apart in every order.
TEST_F(ObjectsTest, SessionOnesGoWithTheirCreatorInAnyOrder) {
  std::mt19937 random(5);
  for (int round = 0; round < 50; ++round) {
    std::vector<Index> made;
    for (int i = 0; i < 6; ++i) made.push_back(must("s" + std::to_string(i), Lifetime::SESSION));
    const Index other = must("named");
    std::shuffle(made.begin(), made.end(), random);
    const std::size_t unlinked = random() % made.size();
    for (std::size_t i = 0; i < unlinked; ++i) objects_.unlink(made[i]);
    hold(made.back());
    EXPECT_FALSE(end_all(creator_.slot()));
    for (std::size_t i = 0; i + 1 < made.size(); ++i) EXPECT_FALSE(lives(made[i]));
    EXPECT_TRUE(lives(made.back()));  // without its name, while it is held
    EXPECT_EQ(objects_.record(made.back()).named, 0);
    let_go(made.back());
    EXPECT_TRUE(lives(other));
    objects_.unlink(other);
    ASSERT_EQ(state_.objects.count(), 0U);
    EXPECT_FALSE(end_all(creator_.slot()));
  }
  EXPECT_FALSE(end_all(0xffff));  // never created anything
}

TEST_F(ObjectsTest, TheEndOfACreatorComesInSlices) {
  for (int i = 0; i < 10; ++i) must("s" + std::to_string(i), Lifetime::SESSION);
  constexpr std::int64_t kLong = 3600LL * 1'000'000'000;
  for (const std::uint32_t left : {6U, 2U, 0U}) {
    Turn turn(4, kLong);
    EXPECT_EQ(objects_.end_of_creator(creator_.slot(), turn), left != 0);
    EXPECT_EQ(objects_.count(), left);
  }
}

// However many steps there are left: what takes long lets others have their turn.
TEST_F(ObjectsTest, ATurnThatIsOverHasOneStep) {
  for (int i = 0; i < 3; ++i) must("s" + std::to_string(i), Lifetime::SESSION);
  Turn over(100, 0);
  EXPECT_TRUE(objects_.end_of_creator(creator_.slot(), over));
  EXPECT_EQ(objects_.count(), 2U);
  EXPECT_FALSE(end_all(creator_.slot()));
}

TEST_F(ObjectsTest, ListingAgreesWithAModel) {
  std::map<std::string, Index> model;
  std::mt19937 random(7);
  static constexpr std::string_view kLetters[] = {"a", "b", "\xc3\xa9", "/", "\xff"};
  for (int i = 0; i < 400; ++i) {
    std::string name;
    for (std::size_t n = 1 + random() % 4; n > 0; --n) name += kLetters[random() % 4];
    if (model.contains(name)) {
      objects_.unlink(model[name]);
      model.erase(name);
    } else {
      model[name] = must(name);
    }
  }
  ASSERT_GT(model.size(), 50U);
  for (const std::string prefix : {"", "a", "ab", "\xc3", "\xc3\xa9", "zz", "\xff"}) {
    for (const std::string after : {"", "a", "abb", "b", "\xc3\xa9/", "\xff"}) {
      std::vector<std::string> wanted;
      for (const auto& [name, index] : model) {
        if (name.starts_with(prefix) && (after.empty() || name > after)) wanted.push_back(name);
      }
      std::vector<std::string> listed;
      objects_.for_each_named(arena_, prefix, after, [&](Index object) {
        listed.emplace_back(objects_.record(object).name.view());
        return true;
      });
      EXPECT_EQ(listed, wanted) << prefix << " after " << after;
    }
  }
  objects_.for_each_named(99, "", "", [](Index) {
    ADD_FAILURE() << "an arena that is not there has objects";
    return false;
  });
}

TEST_F(ObjectsTest, LimitOfSegmentsIsNamed) {
  test::World small({.descriptors = {.segments = 2, .sessions = 4, .ungreeted = 4}});
  test::TestClient client(small);
  ASSERT_TRUE(client.hello().ok());
  EXPECT_TRUE(client.create("a").ok());
  EXPECT_TRUE(client.create("b").ok());
  const test::Reply over = client.create("c");
  EXPECT_EQ(over.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(over.message(), HasSubstr("the limit \"segments\""));
}

// ---- tokens ----

TEST_F(ObjectsTest, ATokenIsPrintableShortAndItsOwn) {
  const Index object = must("a");
  const std::string first =
      *tokens_.make({.object = object, .access = Access::READ_ONLY, .expires_ns = 100});
  const std::string second =
      *tokens_.make({.object = object, .access = Access::READ_ONLY, .expires_ns = 100});
  EXPECT_NE(first, second);
  EXPECT_LE(first.size(), protocol::kTokenBytesMax);
  for (const char c : first) EXPECT_TRUE(std::isalnum(c) || c == '-') << first;
  EXPECT_NE(tokens_.find(first), tokens_.find(second));
  EXPECT_EQ(Tokens::text(tokens_[tokens_.find(first)]), first);
  EXPECT_EQ(objects_.tokens(object), 2U);
}

TEST_F(ObjectsTest, AnythingElseIsNoToken) {
  const std::string token =
      *tokens_.make({.object = must("a"), .access = Access::READ_ONLY, .expires_ns = 100});
  std::vector<std::string> others = {"",
                                     "shoal-",
                                     token + "0",
                                     token.substr(1),
                                     token.substr(0, token.size() - 1),
                                     "SHOAL-" + token.substr(6),
                                     std::string(token.size(), '\0'),
                                     std::string(100'000, 'a')};
  for (std::size_t i = 6; i < token.size(); ++i) {
    std::string changed = token;
    changed[i] = changed[i] == '0' ? '1' : '0';
    others.push_back(changed);
    changed[i] = 'g';
    others.push_back(changed);
  }
  for (const char* digits :
       {"+123456789abcdef", "-123456789abcdef", " 123456789abcdef", "0x23456789abcdef"}) {
    others.push_back("shoal-" + std::string(digits) + token.substr(22));
  }
  for (const std::string& other : others) EXPECT_EQ(tokens_.find(other), 0U) << other;
  EXPECT_NE(tokens_.find(token), 0U);
}

TEST_F(ObjectsTest, TokensExpireInTheirOrder) {
  const Index object = must("");
  const std::string late =
      *tokens_.make({.object = object, .access = Access::READ_ONLY, .expires_ns = 300});
  const std::string early =
      *tokens_.make({.object = object, .access = Access::READ_ONLY, .expires_ns = 100});
  const std::string twin =
      *tokens_.make({.object = object, .access = Access::READ_ONLY, .expires_ns = 100});
  EXPECT_EQ(tokens_.expire(99), 100);
  EXPECT_EQ(objects_.tokens(object), 3U);
  EXPECT_EQ(tokens_.expire(100), 300);
  EXPECT_EQ(tokens_.find(early), 0U);
  EXPECT_EQ(tokens_.find(twin), 0U);
  EXPECT_NE(tokens_.find(late), 0U);
  EXPECT_TRUE(lives(object));
  EXPECT_EQ(tokens_.expire(1000), 0);
  EXPECT_FALSE(lives(object));  // anonymous, and the last reference was the token's
}

TEST_F(ObjectsTest, LimitOfTokensIsNamedAndSharedByUid) {
  const Tokens::New by_user{
      .object = must("a"), .access = Access::READ_ONLY, .expires_ns = 100, .uid = 1000};
  Tokens::New by_root = by_user;
  by_root.uid = 0;
  by_root.may_use_all = true;
  const std::uint32_t share = state_.catalog.tokens.capacity() / 4;
  for (std::uint32_t i = 0; i < share; ++i) ASSERT_TRUE(tokens_.make(by_user).ok());
  EXPECT_EQ(tokens_.make(by_user).status().code(), absl::StatusCode::kResourceExhausted);
  for (std::uint32_t i = share; i < state_.catalog.tokens.capacity(); ++i) {
    ASSERT_TRUE(tokens_.make(by_root).ok());
  }
  const absl::Status over = tokens_.make(by_root).status();
  EXPECT_EQ(over.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(over.message()), HasSubstr("limit \"tokens\""));
  EXPECT_EQ(tokens_.expire(100), 0);
  EXPECT_TRUE(tokens_.make(by_user).ok()) << "its share is free again";
  EXPECT_EQ(Invariants::broken(state_), "");
}

}  // namespace
}  // namespace shoal::daemon
