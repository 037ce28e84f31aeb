// ShareableList as its users have it: made and opened by name, shared by processes, killed in.
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <shoal/shoal.h>

#include "memory/list_layout.h"
#include "tests/support/child.h"
#include "tests/support/test_manager.h"
#include "tests/support/watchdog.h"

namespace {

using shoal::Bytes;
using shoal::ShareableList;
using shoal::SharedMemory;
using shoal::Value;
using namespace shoal::test;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

class List : public testing::Test {
 protected:
  ShareableList make(std::vector<Value> values) const {
    return must(client_.create<ShareableList>("list", {.values = std::move(values)}));
  }
  static std::vector<Value> all(const ShareableList& list) {
    std::vector<Value> values;
    for (const absl::StatusOr<Value>& value : list) values.push_back(must(value));
    return values;
  }

  TestManager manager_{{"--warm-bytes=0"}};
  shoal::Client client_ = manager_.client();
};

TEST_F(List, HoldsEveryKindOfValue) {
  const std::vector<Value> values = {nullptr,
                                     true,
                                     false,
                                     0,
                                     std::numeric_limits<std::int64_t>::min(),
                                     -0.5,
                                     std::numeric_limits<double>::infinity(),
                                     "",
                                     "text",
                                     "sn\xc3\xb6",
                                     Bytes(""),
                                     Bytes("\x00\xff\x00", 3)};
  const ShareableList made = make(values);
  EXPECT_EQ(made.size(), values.size());
  EXPECT_EQ(all(made), values);
  const ShareableList opened = must(manager_.client().open<ShareableList>("list"));
  EXPECT_EQ(all(opened), values);
  EXPECT_EQ(opened.name(), "list");
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto index = static_cast<std::ptrdiff_t>(i);
    EXPECT_EQ(must(opened.get(index)).kind(), values[i].kind()) << i;
    const auto from_end = index - static_cast<std::ptrdiff_t>(values.size());
    EXPECT_EQ(must(opened.get(from_end)), values[i]) << i;
  }
  EXPECT_EQ(must(client_.stat("list")).object.kind, shoal::Kind::kShareableList);
}

TEST_F(List, SetsInPlaceAndChangesTypes) {
  const ShareableList list = make({1, 2.5, "some text", nullptr});
  must(list.set(0, 2));
  must(list.set(-1, true));
  must(list.set(1, "short"));
  must(list.set(2, Bytes("\x01\x02\x00", 3)));
  must(list.set_int(0, 3));
  EXPECT_EQ(all(list), (std::vector<Value>{3, "short", Bytes("\x01\x02\x00", 3), true}));
  EXPECT_EQ(must(list.get_int(0)), 3);
  EXPECT_EQ(must(list.format(0)), "q");
  EXPECT_EQ(must(list.format(3)), "xxxxxxx?");
  must(list.set(2, nullptr));
  EXPECT_EQ(must(list.format(2)), "xxxxxx?x");
  must(list.set(1, 0.25));
  EXPECT_EQ(must(list.get_double(1)), 0.25);
  EXPECT_EQ(must(list.format(1)), "d");
  EXPECT_THAT(outcome(list.set(0, "123456789")), StartsWith("OUT_OF_RANGE"));
}

TEST_F(List, FindsAndCounts) {
  const ShareableList list = make({1, "a", 1.0, true, "a", NAN});
  EXPECT_EQ(must(list.index(1)), 0U);
  EXPECT_EQ(must(list.index("a")), 1U);
  EXPECT_EQ(must(list.count(1)), 3U);
  EXPECT_EQ(must(list.count("a")), 2U);
  EXPECT_EQ(must(list.count("b")), 0U);
  EXPECT_EQ(must(list.count(NAN)), 0U);
  EXPECT_THAT(outcome(list.index("b")), StartsWith("NOT_FOUND"));
}

TEST_F(List, CopiesOutWithoutAllocating) {
  const ShareableList list = make({"text", 1});
  std::array<std::byte, 4> room{};
  EXPECT_EQ(must(list.get_into(0, room)), 4U);
  EXPECT_EQ(std::memcmp(room.data(), "text", 4), 0);
  EXPECT_THAT(outcome(list.get_into(0, std::span(room).first(3))), StartsWith("OUT_OF_RANGE"));
  EXPECT_THAT(outcome(list.get_into(1, room)), StartsWith("FAILED_PRECONDITION"));
  EXPECT_THAT(outcome(list.get_double(1)), StartsWith("FAILED_PRECONDITION"));
}

TEST_F(List, MayBeEmptyAnonymousAndHandedOn) {
  const ShareableList empty = must(client_.create<ShareableList>("empty", {}));
  EXPECT_EQ(must(manager_.client().open<ShareableList>("empty")).size(), 0U);
  const ShareableList unnamed = must(client_.create<ShareableList>({.values = {7}}));
  const shoal::Token token = must(client_.share(unnamed));
  EXPECT_EQ(must(must(manager_.client().open<ShareableList>(token)).get(0)), Value(7));
}

TEST_F(List, LiesOverAnyMemory) {
  const ShareableList list = make({1, "text"});
  // The bytes alone make the list, wherever they were copied to.
  const SharedMemory copy =
      must(client_.create<SharedMemory>("copy", {.size = list.memory().size()}));
  std::ranges::copy(list.memory().data(), copy.data().begin());
  const ShareableList over = must(ShareableList::over(copy));
  EXPECT_EQ(all(over), (std::vector<Value>{1, "text"}));
  must(over.set(1, "other"));
  EXPECT_EQ(must(must(ShareableList::over(copy)).get(1)), Value("other"));
  EXPECT_EQ(must(list.get(1)), Value("text"));
}

TEST_F(List, IsReadOnlyWhereAskedFor) {
  const ShareableList list = make({1, "text"});
  const ShareableList reader =
      must(manager_.client().open<ShareableList>("list", {.access = shoal::Access::kReadOnly}));
  EXPECT_EQ(all(reader), (std::vector<Value>{1, "text"}));
  EXPECT_THAT(outcome(reader.set(0, 2)), StartsWith("PERMISSION_DENIED"));
  EXPECT_THAT(outcome(reader.set_int(0, 2)), StartsWith("PERMISSION_DENIED"));
  must(list.set(0, 2));
  EXPECT_EQ(must(reader.get(0)), Value(2));
}

TEST_F(List, ReadersInOtherProcessesNeverSeeATornElement) {
  const std::string left(1000, 'l');
  const std::string right(500, 'r');
  const ShareableList list = make({left, 0});
  Child writer([&](Channel& parent) -> std::string {
    const shoal::Client client = manager_.client();
    const ShareableList theirs = must(client.open<ShareableList>("list"));
    for (int i = 1; i <= 5000; ++i) {
      must(theirs.set(0, i % 2 == 0 ? left : right));
      must(theirs.set(1, i));
    }
    (void)parent;
    return "done";
  });
  std::int64_t last = 0;
  while (last < 5000) {
    const Value value = must(list.get(0));
    ASSERT_TRUE(value == Value(left) || value == Value(right)) << value;
    const std::int64_t now = must(list.get_int(1));
    ASSERT_GE(now, last);
    last = now;
    if (::testing::Test::HasFailure()) return;
  }
  EXPECT_EQ(writer.result(), "done");
}

TEST_F(List, ManyWritersTakeTurns) {
  const ShareableList list = make({std::string(100, 'x'), 1});
  std::vector<Child> writers;
  for (int i = 0; i < 4; ++i) {
    writers.emplace_back([&, i](Channel&) -> std::string {
      const shoal::Client client = manager_.client();
      const ShareableList theirs = must(client.open<ShareableList>("list"));
      for (int n = 0; n < 500; ++n)
        must(theirs.set(0, std::string(100, static_cast<char>('a' + i))));
      return "done";
    });
  }
  for (Child& writer : writers) EXPECT_EQ(writer.result(), "done");
  const std::string text = *must(list.get(0)).as_string();
  EXPECT_EQ(text, std::string(100, text[0]));
}

// The word that writers claim, found by the trailer's magic.
std::atomic_ref<std::uint64_t> shadow_word(const SharedMemory& memory) {
  const std::span<std::byte> data = memory.data();
  for (std::size_t at = 0; at + 128 < data.size(); at += shoal::memory::kLineBytes) {
    std::uint64_t magic = 0;
    std::memcpy(&magic, &data[at], sizeof magic);
    if (magic != shoal::memory::kListTrailerMagic) continue;
    return std::atomic_ref(
        *reinterpret_cast<std::uint64_t*>(&data[at + shoal::memory::kShadowWordOffset]));
  }
  throw std::runtime_error("the list has no trailer");
}

TEST_F(List, AWriterThatHoldsItIsWaitedForAndRecoveredWhenKilled) {
  namespace memory = shoal::memory;
  const ShareableList list = make({"text", 1});
  Child writer([&](Channel& parent) -> std::string {
    const shoal::Client client = manager_.client();
    const ShareableList theirs = must(client.open<ShareableList>("list"));
    std::uint16_t slot = 0;
    for (const shoal::ClientInfo& info : must(shoal::Admin(client).clients())) {
      if (info.pid == ::getpid()) slot = info.slot;
    }
    const auto word = shadow_word(theirs.memory());
    const std::uint64_t idle = word.load();
    word.store(
        memory::shadow_word(memory::ShadowState::kClaimed, slot, memory::next_sequence(idle)));
    parent.say("claimed");
    return parent.hear();
  });
  ASSERT_EQ(writer.hear(), "claimed");
  const shoal::Client impatient = manager_.client({.op_timeout = absl::Milliseconds(10)});
  const ShareableList theirs = must(impatient.open<ShareableList>("list"));
  EXPECT_THAT(outcome(theirs.set(0, "new")), StartsWith("DEADLINE_EXCEEDED"));
  EXPECT_THAT(outcome(theirs.set_int(1, 2)), StartsWith("DEADLINE_EXCEEDED"));
  EXPECT_EQ(all(list), (std::vector<Value>{"text", 1})) << "readers do not wait";
  writer.kill();
  must(list.set(0, "new"));
  must(list.set_int(1, 2));
  EXPECT_EQ(all(theirs), (std::vector<Value>{"new", 2}));
}

TEST_F(List, KilledWritersLeaveTheOldOrTheNewValue) {
  const std::string even(3000, 'e');
  const std::string odd(1500, 'o');
  const ShareableList list = make({even, "last"});
  for (int round = 0; round < 40; ++round) {
    Child writer([&](Channel& parent) -> std::string {
      const shoal::Client client = manager_.client();
      const ShareableList theirs = must(client.open<ShareableList>("list"));
      parent.say("begun");
      for (int i = 0;; ++i) must(theirs.set(0, i % 2 == 0 ? odd : even));
    });
    ASSERT_EQ(writer.hear(), "begun");
    const Value seen = must(list.get(0));
    EXPECT_TRUE(seen == Value(even) || seen == Value(odd));
    writer.kill();
    const Value left = must(list.get(0));
    EXPECT_TRUE(left == Value(even) || left == Value(odd)) << "round " << round;
    must(list.set(1, "r" + std::to_string(round % 10)));
    must(list.set(0, even));
    EXPECT_EQ(all(list), (std::vector<Value>{even, "r" + std::to_string(round % 10)}));
  }
}

TEST_F(List, OpenOrCreateByManyMakesOne) {
  std::vector<Child> children;
  for (int i = 0; i < 8; ++i) {
    children.emplace_back([&, i](Channel& parent) -> std::string {
      const shoal::Client client = manager_.client();
      parent.say("ready");
      (void)parent.hear();
      std::string seen;
      for (int n = 0; n < 30; ++n) {
        const ShareableList list = must(client.open_or_create<ShareableList>(
            "race " + std::to_string(n), {.values = {i, "the values of " + std::to_string(i)}}));
        if (list.size() != 2) return "not whole";
        const std::int64_t maker = must(list.get_int(0));
        const Value text("the values of " + std::to_string(maker));
        if (must(list.get(1)) != text) return "torn";
        seen += std::to_string(maker) + " ";
      }
      return seen;
    });
  }
  for (const Child& child : children) ASSERT_EQ(child.hear(), "ready");
  for (const Child& child : children) child.say("go");
  const std::string first = children[0].result();
  for (std::size_t i = 1; i < children.size(); ++i) EXPECT_EQ(children[i].result(), first);
  EXPECT_EQ(must(client_.list("race ")).size(), 30U);
  EXPECT_TRUE(wait_until([&] { return must(client_.list_unnamed()).empty(); }));
}

TEST_F(List, ItsSizeIsChecked) {
  EXPECT_THAT(
      outcome(client_.create<ShareableList>("list", {.values = {std::string(1 << 24, 'x')}})),
      AllOf(StartsWith("OUT_OF_RANGE"), HasSubstr("list")));
  EXPECT_EQ(must(client_.list()).size(), 0U);
  EXPECT_EQ(must(client_.list_unnamed()).size(), 0U);
}

}  // namespace
