// References: dicts in dicts, between processes, after deaths, and what becomes of those that no
// value refers to any more.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/e2e/sync.h"

namespace shoal::e2e {
namespace {

class References : public Sync {
 protected:
  std::size_t objects() const {
    return test::must(client_.list()).size() + test::must(client_.list_unnamed()).size();
  }
  bool shrinks_to(std::size_t count) const {
    return wait_until([&] { return objects() <= count; });
  }
  // Another process does this and ends, by itself or by SIGKILL.
  void in_another(const std::function<void(const Client&)>& act, bool killed = false) const {
    Child child([&](Channel& parent) {
      const Client client = manager_.client();
      act(client);
      parent.say("done");
      if (killed) (void)parent.hear();
      return std::string();
    });
    ASSERT_EQ(child.hear(), "done");
    if (killed) {
      child.kill();
    } else {
      (void)child.result();
    }
  }
};

TEST_F(References, OutliveWhoMadeTheObject) {
  const Dict root = made<Dict>("root");
  for (const bool killed : {false, true}) {
    in_another(
        [&](const Client& client) {
          const Dict outer = must(client.open<Dict>("root"));
          const Dict inner = must(client.create<Dict>());
          const Lock lock = must(client.create<Lock>());
          must(inner.put("n", 42));
          must(inner.put("self", reference_to(inner)));
          must(outer.put("inner", reference_to(inner)));
          must(outer.put("several", Value::list({1, Value::map({{"lock", reference_to(lock)}})})));
        },
        killed);
    const Dict inner = must(client_.open<Dict>(must(root.get("inner"))));
    EXPECT_EQ(must(inner.get("n")), Value(42));
    EXPECT_EQ(must(client_.open_by_id<Dict>(inner.id(), {.access = Access::kReadOnly})).id(),
              inner.id());
    const Value several = must(root.get("several"));
    Lock lock = must(client_.open<Lock>(several.items()[1].entries()[0].value));
    EXPECT_TRUE(lock.try_lock());
    lock.unlock();
    EXPECT_EQ(code(client_.open<Lock>(reference_to(inner))), "FAILED_PRECONDITION");
    EXPECT_EQ(code(client_.open<Dict>(Value(1))), "INVALID_ARGUMENT");
  }
  EXPECT_TRUE(shrinks_to(3)) << "of the first process's objects nothing is left";
}

TEST_F(References, AreToWhatIsHeldAndOfTheArena) {
  const Dict root = made<Dict>("root");
  Dict inner = must(client_.create<Dict>());
  const std::uint64_t id = inner.id();
  ASSERT_TRUE(inner.close().ok());
  const absl::Status gone = root.put("a", Value::reference(id));
  EXPECT_EQ(code(gone), "FAILED_PRECONDITION");
  EXPECT_THAT(std::string(gone.message()), testing::HasSubstr(std::to_string(id)));
  EXPECT_EQ(code(root.put("a", Value::list({Value::reference(id)}))), "FAILED_PRECONDITION");
  EXPECT_EQ(code(root.get_or_insert("a", Value::reference(id))), "FAILED_PRECONDITION");
  EXPECT_EQ(code(root.compare_and_swap("a", std::nullopt, Value::reference(id))),
            "FAILED_PRECONDITION");
  EXPECT_EQ(code(root.update({{"a", Value::reference(id)}})), "FAILED_PRECONDITION");
  EXPECT_EQ(code(client_.transact(
                [&](Transaction& t) { return t.put(root, "a", Value::reference(id)); })),
            "FAILED_PRECONDITION");
  EXPECT_EQ(must(root.size()), 0U);
  EXPECT_EQ(code(client_.open_by_id<Dict>(id)), "NOT_FOUND");

  const auto segment = must(client_.create<SharedMemory>("memory", {.size = 4096}));
  EXPECT_EQ(code(root.put("a", Value::reference(must(client_.stat("memory")).object.id))),
            "INVALID_ARGUMENT");
  must(client_.arena("other").create({.mode = 0600}));
  const Client other = manager_.client({.arena = "other"});
  const Dict stranger = must(other.create<Dict>("stranger"));
  EXPECT_EQ(code(root.put("a", reference_to(stranger))), "INVALID_ARGUMENT");
  EXPECT_EQ(code(client_.open_by_id<Dict>(stranger.id())), "NOT_FOUND");
  EXPECT_EQ(must(root.size()), 0U);
}

TEST_F(References, ThatAreGoneFreeTheirObjects) {
  const Dict root = made<Dict>("root");
  {
    const Dict a = must(client_.create<Dict>());
    const Dict b = must(client_.create<Dict>());
    const Dict deep = must(client_.create<Dict>());
    must(a.put("b", reference_to(b)));
    must(b.put("a", reference_to(a)));
    must(b.put("deep", reference_to(deep)));
    must(deep.put("text", std::string(100'000, 'x')));
    must(root.put("a", reference_to(a)));
  }
  EXPECT_EQ(objects(), 4U);
  const Value a = must(root.get("a"));
  EXPECT_EQ(must(must(client_.open<Dict>(a)).size()), 1U);
  must(root.put("a", "overwritten"));
  EXPECT_TRUE(shrinks_to(1));
  EXPECT_EQ(code(client_.open<Dict>(a)), "NOT_FOUND");
}

TEST_F(References, LeadFromListsToo) {
  const List root = made<List>("root");
  {
    const List inner = must(client_.create<List>());
    const Dict dict = must(client_.create<Dict>());
    must(inner.extend({1, "two", reference_to(dict)}));
    must(root.append(reference_to(inner)));
    must(root.insert(0, Value::tuple({reference_to(dict), reference_to(inner)})));
    must(root.append(nullptr));
    must(root.set(2, reference_to(root)));
  }
  const List inner = must(client_.open<List>(must(root.get(1))));
  const Value two = must(root.get(0));
  EXPECT_EQ(must(inner.get(2)), two.items()[0]);
  EXPECT_EQ(*must(root.get(2)).as_reference(), root.id());
  EXPECT_EQ(code(root.append(Value::reference(1))), "FAILED_PRECONDITION");
  EXPECT_EQ(code(root.extend({1, Value::reference(1)})), "FAILED_PRECONDITION");
  EXPECT_EQ(must(root.size()), 3U);
  must(root.pop(1).status());
  must(root.pop(0).status());
  must(inner.set(2, 3));
  EXPECT_TRUE(shrinks_to(2)) << "the inner list is held";
}

TEST_F(References, StayWhileTheObjectIsHeld) {
  const Dict root = made<Dict>("root");
  Dict inner = must(client_.create<Dict>());
  must(root.put("inner", reference_to(inner)));
  Child holder([&](Channel& parent) {
    const Client client = manager_.client();
    const Dict dict = must(client.open<Dict>(must(must(client.open<Dict>("root")).get("inner"))));
    parent.say("held");
    (void)parent.hear();
    return outcome(dict.put("still", "there"));
  });
  ASSERT_EQ(holder.hear(), "held");
  const Value reference = must(root.pop("inner"));
  must(inner.close());
  // A cycle passes: what only it could free is gone.
  {
    const Dict other = must(client_.create<Dict>());
    must(root.put("other", reference_to(other)));
    must(root.erase("other"));
  }
  EXPECT_TRUE(shrinks_to(2));
  holder.say("go on");
  EXPECT_EQ(holder.result(), "OK");
  EXPECT_TRUE(shrinks_to(1));
  EXPECT_EQ(code(client_.open<Dict>(reference)), "NOT_FOUND");
}

// The last proxy is closed by another thread as soon as it can be.
TEST_F(References, AreHeldUntilTheyAreStored) {
  const Dict root = made<Dict>("root");
  for (int round = 0; round < 200; ++round) {
    Dict inner = must(client_.create<Dict>());
    absl::Status put;
    must(client_.transact([&](Transaction& t) -> absl::Status {
      put = t.put(root, round % 10, reference_to(inner));
      (void)inner.close();
      return put;
    }));
    EXPECT_EQ(must(client_.open<Dict>(must(root.get(round % 10)))).id() != 0, true);
  }
  EXPECT_TRUE(shrinks_to(11));
}

TEST_F(References, OfAHundredThousandNestedDictsGiveTheirMemoryBack) {
  const Dict root = made<Dict>("root");
  const std::uint64_t before = test::must(client_.arena("default").stat()).committed_bytes;
  constexpr int kNested = 100'000;
  for (int i = 0; i < kNested; ++i) {
    const Dict inner = must(client_.create<Dict>());
    must(root.put(i, reference_to(inner)));
    if (i % 1000 == 0) must(inner.put("i", i));
  }
  EXPECT_EQ(must(client_.arena("default").stat()).objects, kNested + 1U);
  EXPECT_EQ(must(must(client_.open<Dict>(must(root.get(99'000)))).get("i")), Value(99'000));
  for (int i = 0; i < kNested; ++i) must(root.erase(i));
  EXPECT_TRUE(wait_until([&] {
    const ArenaInfo now = must(client_.arena("default").stat());
    return now.objects == 1 && now.committed_bytes == before;
  }));
}

// Each of a few dicts is always referred to from one of two; processes move them from one to the
// other and back, and are killed.
TEST_F(References, AreNeverLostWhileTheyAreMoved) {
  constexpr int kDicts = 24;
  const Dict left = made<Dict>("left");
  const Dict right = made<Dict>("right");
  std::vector<std::uint64_t> ids;
  for (int i = 0; i < kDicts; ++i) {
    const Dict inner = must(client_.create<Dict>());
    const Dict leaf = must(client_.create<Dict>());
    must(inner.put("leaf", reference_to(leaf)));
    must((i % 2 == 0 ? left : right).put(i, reference_to(inner)));
    ids.push_back(inner.id());
  }
  const auto start = [&](unsigned seed) {
    const pid_t child = ::fork();
    if (child != 0) return child;
    const Client client = manager_.client();
    const Dict sides[] = {must(client.open<Dict>("left")), must(client.open<Dict>("right"))};
    const Dict moves = must(client.open<Dict>("moves"));
    for (unsigned i = seed;; i = i * 1103515245 + 12345) {
      const int key = static_cast<int>(i >> 8) % kDicts;
      const absl::Status moved = client.transact([&](Transaction& t) -> absl::Status {
        const int from = t.get(sides[0], key).ok() ? 0 : 1;
        const absl::StatusOr<Value> value = t.get(sides[from], key);
        if (!value.ok()) return value.status();
        const absl::StatusOr<Dict> dict = client.open<Dict>(*value);
        if (!dict.ok()) return dict.status();
        if (absl::Status s = t.erase(sides[from], key); !s.ok()) return s;
        return t.put(sides[1 - from], key, *value);
      });
      if (!moved.ok()) ::_exit(1);
      // Garbage, so that there is always something to trace.
      const Dict rubbish = must(client.create<Dict>());
      must(sides[0].put(1000 + key, reference_to(rubbish)));
      if (!moves.increment("times").ok()) ::_exit(2);
    }
  };
  const Dict moves = made<Dict>("moves");
  std::vector<pid_t> children = {start(1), start(2)};
  constexpr int kKills = 20;
  for (int kill = 0; kill < kKills; ++kill) {
    const std::int64_t before = moves.get_as<std::int64_t>("times").value_or(0);
    EXPECT_TRUE(
        wait_until([&] { return moves.get_as<std::int64_t>("times").value_or(0) > before + 50; }));
    pid_t& child = children[static_cast<std::size_t>(kill) % children.size()];
    ::kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "it ended by itself with " << WEXITSTATUS(status);
    child = start(static_cast<unsigned>(kill) + 3);
  }
  for (const pid_t child : children) {
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
  }
  for (int i = 0; i < kDicts; ++i) {
    const std::uint64_t id = ids[static_cast<std::size_t>(i)];
    EXPECT_NE(left.contains(i).value_or(false), right.contains(i).value_or(false)) << i;
    const Dict inner = must(client_.open_by_id<Dict>(id));
    EXPECT_TRUE(client_.open<Dict>(must(inner.get("leaf"))).ok()) << i;
    (void)left.erase(1000 + i);
  }
  EXPECT_TRUE(shrinks_to(3 + 2 * kDicts));
}

TEST_F(References, WorkInForkedChildren) {
  const Dict root = made<Dict>("root");
  const Dict inner = must(client_.create<Dict>());
  const pid_t child = ::fork();
  if (child == 0) {
    const absl::Status put = root.put("inner", reference_to(inner));
    const absl::StatusOr<Dict> own = client_.create<Dict>();
    ::_exit(put.ok() && own.ok() && root.put("own", reference_to(*own)).ok() ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  EXPECT_EQ(must(client_.open<Dict>(must(root.get("inner")))).id(), inner.id());
  EXPECT_TRUE(client_.open<Dict>(must(root.get("own"))).ok());
  EXPECT_EQ(must(client_.stat_by_id(inner.id())).object.referred, true);
  EXPECT_EQ(must(client_.stat("root")).object.referred, false);
}

}  // namespace
}  // namespace shoal::e2e
