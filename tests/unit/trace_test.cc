// The trace of references: what can be reached stays, all else goes, whatever clients do while a
// cycle is under way.
#include "daemon/trace.h"

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "memory/dict.h"
#include "tests/harness/invariants.h"
#include "tests/harness/world.h"
#include "tests/unit/dict_memory.h"

namespace shoal::daemon {
namespace {

using absl::StatusCode;
using test::Invariants;
using test::Process;
using test::Reply;
using test::TestClient;
using test::World;
using wire::Access;
using wire::Kind;

constexpr Index kArena = 1;
constexpr std::uint8_t kReferenceKind = 12;

// Dicts in the arena, and a process that writes into them as libshoal does.
class Dicts {
 public:
  explicit Dicts(World& world) : world_(world) {}

  void put(std::uint64_t container, const std::string& key, std::uint64_t target) {
    memory::note_referred(home().arena, target);
    memory::Call call{.caller = process_.caller};
    memory::Dict dict = open(container);
    const memory::DictValue value{
        .data = &target, .bytes = sizeof target, .kind = kReferenceKind, .references = true};
    EXPECT_EQ(dict.put(call, dict.key(test::kText, key), value), memory::Result::kDone);
  }
  void erase(std::uint64_t container, const std::string& key) {
    memory::Call call{.caller = process_.caller};
    memory::Dict dict = open(container);
    EXPECT_EQ(dict.erase(call, dict.key(test::kText, key)), memory::Result::kDone);
  }
  memory::ObjectView view(std::uint64_t container) {
    return world_.state.objects.view(world_.state.objects.get(container));
  }

 private:
  memory::ContainerHome home() { return world_.state.memories.find(kArena)->home(); }
  memory::Dict open(std::uint64_t container) {
    return memory::Dict(view(container), home().arena, home().geometry, home().allocator);
  }

  World& world_;
  Process process_{9};
};

class TraceTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(client_.hello().ok()); }
  void TearDown() override { EXPECT_EQ(Invariants::broken(world_.state), ""); }

  // Held by the client until `close`.
  std::uint64_t make(const std::string& name = "") {
    const Reply reply = client_.create_in_arena(name, Kind::DICT);
    EXPECT_TRUE(reply.ok()) << reply.message();
    return reply.object();
  }
  void close(std::uint64_t object) { client_.release(object); }
  Reply open(TestClient& client, std::uint64_t object, Kind kind = Kind::DICT) {
    return client.call([&](wire::Request::Builder request) {
      auto open = request.initOpen();
      open.setObject(object);
      open.setKind(kind);
    });
  }
  bool exists(std::uint64_t object) { return world_.state.objects.get(object) != 0; }
  void cycle() {
    const std::uint64_t next = trace_.next_cycle(kArena);
    while (trace_.hurry(kArena, next)) {
    }
    while (world_.state.objects.clear_some()) {
    }
  }

  World world_;
  Trace& trace_ = world_.state.trace;
  TestClient client_{world_};
  Dicts dicts_{world_};
};

TEST_F(TraceTest, KeepsWhatAValueRefersToUntilNoneDoes) {
  const std::uint64_t root = make("root");
  const std::uint64_t inner = make();
  dicts_.put(root, "inner", inner);
  close(inner);
  EXPECT_TRUE(trace_.is_unrooted(world_.state.objects.get(inner)));
  EXPECT_EQ(Invariants::broken(world_.state), "");
  for (int i = 0; i < 3; ++i) {
    cycle();
    EXPECT_TRUE(exists(inner));
  }
  dicts_.erase(root, "inner");
  cycle();
  EXPECT_FALSE(exists(inner));
  EXPECT_TRUE(exists(root));
  EXPECT_FALSE(trace_.rest_ns()) << "nothing is unrooted any more";
}

TEST_F(TraceTest, FreesWhatNobodyEverReferredToAtOnce) {
  const std::uint64_t object = make();
  close(object);
  EXPECT_FALSE(exists(object));
}

TEST_F(TraceTest, FreesCirclesAndChainsInOneCycle) {
  const std::uint64_t self = make();
  dicts_.put(self, "me", self);
  const std::uint64_t a = make();
  const std::uint64_t b = make();
  dicts_.put(a, "b", b);
  dicts_.put(b, "a", a);
  std::vector<std::uint64_t> chain;
  for (int i = 0; i < 500; ++i) {
    chain.push_back(make());
    if (i != 0) dicts_.put(chain[chain.size() - 2], "next", chain.back());
  }
  dicts_.put(b, "chain", chain.front());
  for (const std::uint64_t object : {self, a, b}) close(object);
  for (const std::uint64_t object : chain) close(object);
  cycle();
  EXPECT_EQ(world_.state.objects.count(), 0U);
  EXPECT_EQ(Invariants::leftovers(world_.state).find("bytes of blocks"), std::string::npos);
}

TEST_F(TraceTest, OpensByIdWhatAValueRefersTo) {
  const std::uint64_t root = make("root");
  const std::uint64_t inner = make();
  const std::uint64_t secret = make();
  TestClient other(world_);
  ASSERT_TRUE(other.hello().ok());
  EXPECT_EQ(open(other, inner).code(), StatusCode::kNotFound) << "no value refers to it yet";
  dicts_.put(root, "inner", inner);
  close(inner);
  EXPECT_EQ(open(other, inner, Kind::LOCK).code(), StatusCode::kFailedPrecondition);
  EXPECT_TRUE(trace_.is_unrooted(world_.state.objects.get(inner)));
  const Reply opened = open(other, inner);
  ASSERT_TRUE(opened.ok()) << opened.message();
  EXPECT_EQ(opened.object(), inner);
  EXPECT_FALSE(trace_.is_unrooted(world_.state.objects.get(inner)));
  EXPECT_EQ(open(other, root).object(), root) << "named";
  EXPECT_EQ(open(other, secret).code(), StatusCode::kNotFound);
  for (const std::uint64_t id : {std::uint64_t{0}, ~std::uint64_t{0},
                                 inner + (std::uint64_t{1} << 32), inner & 0xffffffff}) {
    const Reply gone = open(other, id);
    EXPECT_EQ(gone.code(), StatusCode::kNotFound);
    EXPECT_THAT(gone.message(), testing::HasSubstr("object " + std::to_string(id)));
  }
  dicts_.erase(root, "inner");
  cycle();
  EXPECT_TRUE(exists(inner)) << "held";
  other.die();
  cycle();
  EXPECT_FALSE(exists(inner));
}

TEST_F(TraceTest, LeadsNowhereFromOtherArenas) {
  ASSERT_TRUE(
      world_.state.arenas.create({.name = "other", .mode = 0600, .quota_bytes = 1 << 20}, 1).ok());
  const std::uint64_t root = make("root");
  const std::uint64_t inner = make();
  dicts_.put(root, "inner", inner);
  TestClient stranger(world_);
  ASSERT_TRUE(stranger.hello("other").ok());
  EXPECT_EQ(open(stranger, inner).code(), StatusCode::kNotFound);
  EXPECT_EQ(open(stranger, root).code(), StatusCode::kNotFound);
}

TEST_F(TraceTest, KeepsWhatIsOpenedWhileACycleIsUnderWay) {
  const std::uint64_t root = make("root");
  const std::uint64_t inner = make();
  const std::uint64_t leaf = make();
  dicts_.put(inner, "leaf", leaf);
  dicts_.put(root, "inner", inner);
  close(leaf);
  close(inner);
  // Read, then erased: only the reader's number is left of it.
  dicts_.erase(root, "inner");
  const std::uint64_t next = trace_.next_cycle(kArena);
  ASSERT_TRUE(trace_.hurry(kArena, next, Turn(1)));
  ASSERT_TRUE(open(client_, inner).ok());
  cycle();
  EXPECT_TRUE(exists(inner));
  EXPECT_TRUE(exists(leaf)) << "what it refers to stays, too";
  close(inner);
  cycle();
  EXPECT_FALSE(exists(inner));
  EXPECT_FALSE(exists(leaf));
}

// Half of a circle is never found: once the first of it is freed, nobody opens the rest.
TEST_F(TraceTest, FindsNoHalfOfWhatIsGarbage) {
  const std::uint64_t a = make();
  const std::uint64_t b = make();
  dicts_.put(a, "b", b);
  dicts_.put(b, "a", a);
  close(a);
  close(b);
  const std::uint64_t next = trace_.next_cycle(kArena);
  while (exists(a) && exists(b)) ASSERT_TRUE(trace_.hurry(kArena, next, Turn(1)));
  EXPECT_EQ(open(client_, exists(a) ? a : b).code(), StatusCode::kNotFound);
  cycle();
  EXPECT_EQ(world_.state.objects.count(), 0U);
}

TEST_F(TraceTest, LooksLessOftenWhereThereIsNothing) {
  const std::uint64_t root = make("root");
  const std::uint64_t inner = make();
  dicts_.put(root, "inner", inner);
  close(inner);
  cycle();
  std::int64_t before = 0;
  for (int i = 0; i < 8; ++i) {
    cycle();
    const std::optional<std::int64_t> rest = trace_.rest_ns();
    ASSERT_TRUE(rest);
    before = std::max(before, *rest);
  }
  EXPECT_GT(before, 1'000'000'000);
}

// As large as a table of objects may be, here a small one, and all of it garbage.
TEST(TraceOfAFullArena, IsWaitedForByWhoNeedsRoom) {
  World world({.capacity = {.arenas = 4, .sessions = 8, .objects = 48, .attachments = 128}});
  TestClient client(world);
  ASSERT_TRUE(client.hello().ok());
  Dicts dicts(world);
  std::vector<std::uint64_t> made;
  for (int round = 0; round < 3; ++round) {
    for (const std::uint64_t object : std::exchange(made, {})) client.release(object);
    const int partly = client.partly();
    for (int i = 0; i < 47; ++i) {
      const Reply reply = client.create_in_arena("", Kind::DICT);
      ASSERT_TRUE(reply.ok()) << round << ", " << i << ": " << reply.message();
      made.push_back(reply.object());
      dicts.put(made.back(), "next", made[made.size() / 2]);
      dicts.put(made.back(), "me", made.back());
    }
    EXPECT_TRUE(round == 0 || client.partly() > partly);
  }
  ASSERT_TRUE(client.create_in_arena("", Kind::DICT).ok());
  EXPECT_EQ(client.create_in_arena("", Kind::DICT).code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(Invariants::broken(world.state), "");
}

// ---- everything at once ----

// A program that puts, moves and drops references at random, and keeps the rules; between its
// steps, steps of the trace.
class Mutator : public TraceTest {
 protected:
  using Values = std::map<std::string, std::uint64_t>;

  std::set<std::uint64_t> reachable() const {
    std::set<std::uint64_t> found = held_;
    found.insert(root_);
    std::vector<std::uint64_t> left(found.begin(), found.end());
    while (!left.empty()) {
      const std::uint64_t at = left.back();
      left.pop_back();
      const auto values = values_.find(at);
      if (values == values_.end()) continue;
      for (const auto& [key, target] : values->second) {
        if (found.insert(target).second) left.push_back(target);
      }
    }
    return found;
  }
  std::size_t below(std::size_t n) {
    return std::uniform_int_distribution<std::size_t>(0, n - 1)(random_);
  }
  template <typename Set>
  auto any(const Set& set) {
    return *std::next(set.begin(), static_cast<std::ptrdiff_t>(below(set.size())));
  }

  void act() {
    const std::size_t what = below(10);
    if (what == 0 && held_.size() < 12) {
      held_.insert(make());
      return;
    }
    if (what <= 2 && held_.size() > 2) {
      const std::uint64_t gone = any(held_);
      if (gone == root_) return;
      held_.erase(gone);
      close(gone);
      return;
    }
    const std::uint64_t container = any(held_);
    Values& values = values_[container];
    const std::string key(1, static_cast<char>('a' + below(5)));
    if (what <= 4) {
      if (values.erase(key) != 0) dicts_.erase(container, key);
    } else if (what <= 7) {
      const std::uint64_t target = any(held_);
      dicts_.put(container, key, target);
      values[key] = target;
    } else if (const auto found = values.find(key); found != values.end()) {
      const std::uint64_t target = found->second;
      if (!held_.contains(target)) {
        const Reply opened = open(client_, target);
        ASSERT_TRUE(opened.ok()) << opened.message();
        held_.insert(target);
      }
      // Moved: it is in no container for a moment.
      const std::uint64_t to = any(held_);
      dicts_.erase(container, key);
      values.erase(found);
      dicts_.put(to, key, target);
      values_[to][key] = target;
      if (target != root_ && below(2) == 0) {
        held_.erase(target);
        close(target);
      }
    }
  }

  std::mt19937 random_;
  std::uint64_t root_ = 0;
  std::set<std::uint64_t> held_;
  std::map<std::uint64_t, Values> values_;
};

TEST_F(Mutator, NeverLosesWhatCanBeReached) {
  root_ = make("root");
  held_.insert(root_);
  std::size_t freed = 0;
  for (std::uint32_t i = 0; i < 30'000; ++i) {
    if (i % 1000 == 0) random_.seed(i);
    act();
    if (HasFatalFailure()) return;
    const std::uint64_t next = trace_.next_cycle(kArena);
    const std::size_t before = world_.state.objects.count();
    for (std::size_t steps = below(4); steps > 0 && next != 0; --steps) {
      (void)trace_.hurry(kArena, next, Turn(1));
    }
    while (world_.state.objects.clear_some()) {
    }
    freed += before - world_.state.objects.count();
    if (i % 16 != 0) continue;
    for (const std::uint64_t object : reachable()) ASSERT_TRUE(exists(object)) << "step " << i;
  }
  EXPECT_GT(freed, 100U);
  cycle();
  cycle();
  EXPECT_EQ(world_.state.objects.count(), reachable().size());
}

TEST_F(TraceTest, EndsWhateverTheBytesAre) {
  std::mt19937_64 random(1);
  const std::uint64_t root = make("root");
  std::vector<std::uint64_t> made;
  for (int i = 0; i < 20; ++i) {
    made.push_back(make());
    dicts_.put(root, std::to_string(i), made.back());
    dicts_.put(made.back(), "root", root);
  }
  for (const std::uint64_t object : made) close(object);
  for (int round = 0; round < 300; ++round) {
    auto* const words = reinterpret_cast<memory::Word64*>(dicts_.view(root).descriptor);
    const std::size_t at = 8 + random() % 24;
    const std::uint64_t kept = words[at].load();
    words[at].store(round % 3 == 0 ? random() : kept ^ std::uint64_t{1} << random() % 64);
    cycle();
    if (round % 2 == 0) words[at].store(kept);
  }
  EXPECT_TRUE(exists(root));
}

// ---- the walk over one dict ----

TEST(ReferenceWalkOfADict, MeetsWhatIsThereAllTheTime) {
  test::DictMemory memory;
  Process process(1);
  memory::Dict& dict = memory.dict();
  memory::Call call{.caller = process.caller, .timeout_ns = test::kPatienceNs};
  const auto put = [&](const std::string& key, std::uint64_t id) {
    const memory::DictValue value{
        .data = &id, .bytes = sizeof id, .kind = kReferenceKind, .references = true};
    ASSERT_EQ(dict.put(call, dict.key(test::kText, key), value), memory::Result::kDone);
  };
  constexpr std::uint64_t kStaying = 500;
  for (std::uint64_t i = 1; i <= kStaying; ++i) put("stays " + std::to_string(i), i);
  // A value with many references, met in several turns.
  std::vector<std::uint64_t> table{2000};
  for (std::uint64_t i = 0; i < 2000; ++i) table.push_back(100'000 + i);
  const memory::DictValue list{
      .data = table.data(), .bytes = 8 * table.size(), .kind = 7, .references = true};
  ASSERT_EQ(dict.put(call, dict.key(test::kText, "list"), list), memory::Result::kDone);
  std::mt19937 random(1);
  const std::string filler(1000, 'x');
  for (int walks = 0; walks < 6; ++walks) {
    std::set<std::uint64_t> met;
    memory::ReferenceWalk walk;
    std::uint64_t left = std::uint64_t{1} << 32;
    memory::Walked walked = memory::Walked::kMore;
    int others = 0;
    // Shards are split, rebuilt and merged in the middle of it.
    for (int turn = 0; walked == memory::Walked::kMore; ++turn) {
      walked = dict.walk_references(walk, left, 1 + random() % 60,
                                    [&](std::uint64_t id) { met.insert(id); });
      const bool grows = turn / 40 % 2 == 0;
      for (int i = 0; i < 30; ++i) {
        const std::string key = "other " + std::to_string(grows ? others++ : --others);
        if (others <= 0) break;
        if (grows) {
          const memory::DictValue value{.data = filler.data(), .bytes = filler.size(), .kind = 5};
          ASSERT_EQ(dict.put(call, dict.key(test::kText, key), value), memory::Result::kDone);
        } else {
          (void)dict.erase(call, dict.key(test::kText, key));
        }
      }
      others = std::max(others, 0);
    }
    EXPECT_EQ(walked, memory::Walked::kOver);
    for (std::uint64_t i = 1; i <= kStaying; ++i) ASSERT_TRUE(met.contains(i)) << i;
    for (std::size_t i = 1; i < table.size(); ++i) ASSERT_TRUE(met.contains(table[i])) << i;
  }
}

TEST(ReferenceWalkOfADict, GivesUpWhereThereIsMoreThanCanBe) {
  test::DictMemory memory;
  Process process(1);
  memory::Dict& dict = memory.dict();
  memory::Call call{.caller = process.caller, .timeout_ns = test::kPatienceNs};
  const std::uint64_t id = 1;
  const memory::DictValue value{
      .data = &id, .bytes = sizeof id, .kind = kReferenceKind, .references = true};
  ASSERT_EQ(dict.put(call, dict.key(test::kText, "a"), value), memory::Result::kDone);
  memory::ReferenceWalk walk;
  std::uint64_t left = 1000;
  EXPECT_EQ(dict.walk_references(walk, left, 1 << 20, [](std::uint64_t) {}), memory::Walked::kLost);
}

}  // namespace
}  // namespace shoal::daemon
