// Attach by name: the same bytes in processes that know nothing of each other but a name.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <shoal/shoal.h>

#include "tests/support/child.h"
#include "tests/support/test_manager.h"
#include "tests/support/watchdog.h"

namespace {

using shoal::SharedMemory;
using namespace shoal::test;
using testing::HasSubstr;
using testing::StartsWith;

void write(const SharedMemory& memory, std::string_view text, std::size_t at = 0) {
  std::memcpy(memory.data().data() + at, text.data(), text.size());
}

std::string read(const SharedMemory& memory, std::size_t at, std::size_t size) {
  return {reinterpret_cast<const char*>(memory.data().data()) + at, size};
}

TEST(Attach, AnUnrelatedProgramFindsItByName) {
  const TestManager manager;
  const shoal::Client client = manager.client();
  const SharedMemory memory = must(client.create<SharedMemory>("frame/0", {.size = 12'345}));
  write(memory, "ping");
  EXPECT_EQ(run_detached({helper_program("shoal_test_attacher"), manager.socket(), "frame/0"}),
            "12345 ping");
  EXPECT_EQ(read(memory, 4, 4), "pong");
  EXPECT_THAT(run_detached({helper_program("shoal_test_attacher"), manager.socket(), "other"}),
              StartsWith("NOT_FOUND"));
}

TEST(Attach, SizesAreExactAndTheBytesZero) {
  const TestManager manager;
  const shoal::Client client = manager.client();
  for (const std::uint64_t size : {1, 7, 4095, 4096, 4097, 1 << 20, (1 << 20) + 1}) {
    const std::string name = "of " + std::to_string(size);
    const SharedMemory memory = must(client.create<SharedMemory>(name, {.size = size}));
    EXPECT_EQ(memory.size(), size);
    EXPECT_EQ(memory.data().size(), size);
    EXPECT_EQ(memory.name(), name);
    EXPECT_TRUE(std::ranges::all_of(memory.data(), [](std::byte b) { return b == std::byte{}; }));
    const SharedMemory again = must(client.open<SharedMemory>(name));
    EXPECT_EQ(again.size(), size);
    EXPECT_EQ(again.id(), memory.id());
    EXPECT_EQ(must(client.stat(name)).object.size_bytes, size);
  }
}

TEST(Attach, OtherProcessesSeeEachOthersBytes) {
  const TestManager manager;
  const auto add = [&](Channel&) -> std::string {
    const shoal::Client client = manager.client();
    const SharedMemory memory = must(client.open_or_create<SharedMemory>("sum", {.size = 8}));
    auto* sum = reinterpret_cast<std::uint64_t*>(memory.data().data());
    for (int i = 0; i < 10'000; ++i) __atomic_fetch_add(sum, 1, __ATOMIC_RELAXED);
    return "done";
  };
  Child first(add);
  Child second(add);
  EXPECT_EQ(first.result(), "done");
  EXPECT_EQ(second.result(), "done");
  const SharedMemory memory = must(manager.client().open<SharedMemory>("sum"));
  EXPECT_EQ(*reinterpret_cast<std::uint64_t*>(memory.data().data()), 20'000);
}

TEST(Attach, UnlinkTakesTheNameAtOnceAndTheMemoryWithTheLast) {
  const TestManager manager({"--warm-bytes=0"});
  const LeakMeasure leaks(manager);
  {
    const shoal::Client client = manager.client();
    SharedMemory first = must(client.create<SharedMemory>("frame", {.size = 1 << 20}));
    Child other([&](Channel& parent) -> std::string {
      const shoal::Client theirs = manager.client();
      const SharedMemory memory = must(theirs.open<SharedMemory>("frame"));
      parent.say("attached");
      (void)parent.hear();
      return read(memory, 0, 5);
    });
    ASSERT_EQ(other.hear(), "attached");
    must(client.unlink("frame"));
    EXPECT_THAT(outcome(client.open<SharedMemory>("frame")), StartsWith("NOT_FOUND"));
    EXPECT_THAT(outcome(client.unlink("frame")), StartsWith("NOT_FOUND"));
    EXPECT_THAT(outcome(first.unlink()), StartsWith("NOT_FOUND"));
    // The name is free for another object; the old one is still whole.
    const SharedMemory another = must(client.create<SharedMemory>("frame", {.size = 10}));
    EXPECT_NE(another.id(), first.id());
    write(first, "still");
    must(first.close());
    EXPECT_EQ(must(client.list_unnamed()).size(), 1U);
    other.say("go on");
    EXPECT_EQ(other.result(), "still");
    must(another.unlink());
  }
  EXPECT_EQ(leaks.what_is_left(), "");
}

TEST(Attach, ACloseIsFinal) {
  const TestManager manager;
  const shoal::Client client = manager.client();
  SharedMemory memory = must(client.create<SharedMemory>("frame", {.size = 100}));
  must(memory.close());
  EXPECT_EQ(memory.size(), 0U);
  EXPECT_TRUE(memory.data().empty());
  EXPECT_EQ(memory.id(), 0U);
  must(memory.close());
  EXPECT_THAT(outcome(memory.seal()), StartsWith("FAILED_PRECONDITION"));
  EXPECT_THAT(outcome(memory.unlink()), StartsWith("FAILED_PRECONDITION"));
  EXPECT_THAT(outcome(memory.descriptor(shoal::Access::kReadOnly)),
              StartsWith("FAILED_PRECONDITION"));
  EXPECT_THAT(outcome(client.share(memory)), StartsWith("FAILED_PRECONDITION"));
  EXPECT_TRUE(client.open<SharedMemory>("frame").ok()) << "the name stays";
}

TEST(Attach, ListsByPrefixInOrderOverManyPages) {
  const TestManager manager;
  const shoal::Client client = manager.client();
  for (int i = 999; i >= 700; --i) {
    must(client.create<SharedMemory>("item/" + std::to_string(i), {.size = 1, .sparse = true}));
  }
  must(client.create<SharedMemory>("other", {.size = 1}));
  const std::vector<shoal::ObjectInfo> items = must(client.list("item/"));
  ASSERT_EQ(items.size(), 300U);
  EXPECT_TRUE(std::ranges::is_sorted(items, {}, &shoal::ObjectInfo::name));
  EXPECT_EQ(items.front().name, "item/700");
  EXPECT_EQ(must(client.list()).size(), 301U);
  EXPECT_EQ(must(client.list("nothing")).size(), 0U);
}

TEST(Attach, AnEmptyFolderOfSocketsIsUnavailableWithAdvice) {
  const Folder folder;
  const std::string socket = folder.path() + "/none.sock";
  const auto client =
      shoal::Client::connect({.socket = socket, .control_timeout = absl::Milliseconds(1)});
  EXPECT_THAT(outcome(client),
              AllOf(StartsWith("UNAVAILABLE"), HasSubstr(socket), HasSubstr("shoald")));
}

}  // namespace
