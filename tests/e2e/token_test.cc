// Tokens: how an object is handed on to a process that knows no name of it.
#include <optional>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <shoal/shoal.h>

#include "tests/support/child.h"
#include "tests/support/test_manager.h"
#include "tests/support/watchdog.h"

namespace {

using shoal::Access;
using shoal::SharedMemory;
using shoal::Token;
using namespace shoal::test;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

class Tokens : public testing::Test {
 protected:
  // The unnamed object there is, if any.
  std::vector<shoal::ObjectInfo> unnamed() const { return must(client_.list_unnamed()); }

  TestManager manager_{{"--warm-bytes=0"}};
  shoal::Client client_ = manager_.client();
};

TEST_F(Tokens, HandsOnAnAnonymousObjectOnce) {
  const SharedMemory memory = must(client_.create<SharedMemory>({.size = 100}));
  EXPECT_EQ(memory.name(), "");
  memory.data()[0] = std::byte{42};
  const Token token = must(client_.share(memory));
  EXPECT_LE(token.text.size(), 64U);
  EXPECT_TRUE(std::ranges::all_of(token.text, [](char c) { return c > ' ' && c < 0x7f; }));
  ASSERT_EQ(unnamed().size(), 1U);
  EXPECT_EQ(unnamed()[0].tokens, 1U);
  EXPECT_EQ(unnamed()[0].references, 2U);
  const auto take = [&]() -> std::string {
    const shoal::Client client = manager_.client();
    const auto taken = client.open<SharedMemory>(token);
    if (!taken.ok()) return outcome(taken);
    return std::to_string(std::to_integer<int>(taken->data()[0]));
  };
  EXPECT_EQ(in_child(take), "42");
  EXPECT_THAT(in_child(take), AllOf(StartsWith("NOT_FOUND"), HasSubstr("share")));
  EXPECT_EQ(unnamed()[0].tokens, 0U);
}

TEST_F(Tokens, HoldsTheObjectAfterTheSharersDeath) {
  Child sharer([this](Channel& parent) -> std::string {
    const shoal::Client client = manager_.client();
    const SharedMemory memory = must(client.create<SharedMemory>({.size = 100}));
    memory.data()[99] = std::byte{7};
    parent.say(must(client.share(memory)).text);
    return parent.hear();
  });
  const Token token{sharer.hear()};
  sharer.kill();
  ASSERT_TRUE(wait_until([&] { return must(manager_.admin().manager()).sessions == 2; }));
  ASSERT_EQ(unnamed().size(), 1U);
  {
    const SharedMemory memory = must(client_.open<SharedMemory>(token));
    EXPECT_EQ(memory.data()[99], std::byte{7});
  }
  EXPECT_TRUE(wait_until([&] { return unnamed().empty(); }));
}

TEST_F(Tokens, ExpireAndLetTheObjectGo) {
  SharedMemory memory = must(client_.create<SharedMemory>({.size = 100}));
  const Token brief = must(client_.share(memory, absl::Milliseconds(1)));
  const Token lasting = must(client_.share(memory));
  EXPECT_TRUE(wait_until([&] { return unnamed().at(0).tokens == 1; }));
  EXPECT_THAT(outcome(client_.open<SharedMemory>(brief)), StartsWith("NOT_FOUND"));
  must(memory.close());
  EXPECT_EQ(unnamed().size(), 1U);
  must(must(client_.open<SharedMemory>(lasting)).close());
  EXPECT_TRUE(wait_until([&] { return unnamed().empty(); }));
}

TEST_F(Tokens, AnUntakenTokensTimeFreesTheMemory) {
  const shoal::Admin admin = manager_.admin();
  const Descriptors before = manager_.descriptors();
  {
    const shoal::Client sharer = manager_.client();
    const SharedMemory memory = must(sharer.create<SharedMemory>({.size = 1 << 20}));
    must(sharer.share(memory, absl::Milliseconds(50)));
  }
  // Nobody asks for anything meanwhile but the observer: the manager sees the time pass by itself.
  EXPECT_TRUE(
      wait_until([&] { return manager_.descriptors().memory_bytes <= before.memory_bytes; }));
  EXPECT_EQ(must(admin.manager()).objects, 0U);
}

TEST_F(Tokens, OfAReadOnlyHolderGiveReadingOnly) {
  const SharedMemory writer = must(client_.create<SharedMemory>("memory", {.size = 100}));
  const shoal::Client other = manager_.client();
  const SharedMemory reader =
      must(other.open<SharedMemory>("memory", {.access = Access::kReadOnly}));
  const Token token = must(other.share(reader));
  EXPECT_THAT(outcome(client_.open<SharedMemory>(token)),
              AllOf(StartsWith("PERMISSION_DENIED"), HasSubstr("read-only")));
  // A refusal does not use it up.
  EXPECT_TRUE(client_.open<SharedMemory>(token, {.access = Access::kReadOnly}).ok());
}

TEST_F(Tokens, AreOfOneArenaAndOneKind) {
  must(client_.arena("other").create());
  const shoal::Client elsewhere = manager_.client({.arena = "other"});
  const auto list = must(client_.create<shoal::ShareableList>({.values = {1, 2}}));
  const Token token = must(client_.share(list));
  EXPECT_THAT(outcome(elsewhere.open<shoal::ShareableList>(token)), StartsWith("NOT_FOUND"));
  EXPECT_THAT(outcome(client_.open<SharedMemory>(token)), StartsWith("FAILED_PRECONDITION"));
  EXPECT_EQ(must(client_.open<shoal::ShareableList>(token)).size(), 2U);
}

TEST_F(Tokens, CannotBeGuessedFromOneAnother) {
  const SharedMemory memory = must(client_.create<SharedMemory>({.size = 1}));
  Token token = must(client_.share(memory));
  EXPECT_NE(must(client_.share(memory)).text, token.text);
  char& last = token.text.back();
  last = last == '0' ? '1' : '0';
  EXPECT_THAT(outcome(client_.open<SharedMemory>(token)), StartsWith("NOT_FOUND"));
  for (const char* text : {"", "shoal-", "shoal-xyz"}) {
    EXPECT_FALSE(client_.open<SharedMemory>(Token{text}).ok()) << text;
  }
}

TEST_F(Tokens, AreOfOneManager) {
  const SharedMemory memory = must(client_.create<SharedMemory>({.size = 1}));
  const Token token = must(client_.share(memory));
  const TestManager another;
  EXPECT_THAT(outcome(another.client().open<SharedMemory>(token)), StartsWith("NOT_FOUND"));
}

}  // namespace
