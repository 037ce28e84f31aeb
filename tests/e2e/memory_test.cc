// Memory: limits that refuse before anything is changed, memory that is kept warm, and the options
// that ask the kernel for pages of a kind.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <shoal/shoal.h>

#include "tests/support/child.h"
#include "tests/support/test_manager.h"
#include "tests/support/watchdog.h"

namespace {

using shoal::SharedMemory;
using namespace shoal::test;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

constexpr std::uint64_t kMiB = 1 << 20;

bool is_zero(std::span<const std::byte> bytes) {
  return std::ranges::all_of(bytes, [](std::byte b) { return b == std::byte{}; });
}

// Bytes of this process's memory that are in RAM, of those that are mapped at `data`.
std::size_t resident_pages(std::span<std::byte> data) {
  std::vector<unsigned char> pages((data.size() + 4095) / 4096);
  if (::mincore(data.data(), data.size(), pages.data()) != 0) return 0;
  return static_cast<std::size_t>(
      std::ranges::count_if(pages, [](unsigned char page) { return (page & 1) != 0; }));
}

TEST(Memory, OverMemoryMaxNothingChanges) {
  const TestManager manager({"--memory-max=8MiB", "--warm-bytes=0"});
  const shoal::Client client = manager.client();
  must(client.arena("one").create({.quota_bytes = 6 * kMiB}));
  must(client.arena("two").create({.quota_bytes = 6 * kMiB}));
  const shoal::Client one = manager.client({.arena = "one"});
  const shoal::Client two = manager.client({.arena = "two"});
  const SharedMemory first = must(one.create<SharedMemory>("first", {.size = 5 * kMiB}));
  const shoal::Admin admin = manager.admin();
  const Descriptors before = manager.descriptors();
  EXPECT_THAT(outcome(one.create<SharedMemory>("second", {.size = 2 * kMiB})),
              AllOf(StartsWith("RESOURCE_EXHAUSTED"), HasSubstr("\"one\""), HasSubstr("quota"),
                    HasSubstr("shoalctl df")));
  EXPECT_THAT(
      outcome(two.create<SharedMemory>("second", {.size = 4 * kMiB})),
      AllOf(StartsWith("RESOURCE_EXHAUSTED"), HasSubstr("memory-max"), HasSubstr("shoalctl df")));
  const shoal::Usage usage = must(admin.usage());
  EXPECT_EQ(usage.committed_bytes, 5 * kMiB);
  EXPECT_EQ(usage.memory_max_bytes, 8 * kMiB);
  ASSERT_EQ(usage.users.size(), 1U);
  EXPECT_EQ(usage.users[0].committed_bytes, 5 * kMiB);
  EXPECT_EQ(must(one.list()).size(), 1U);
  EXPECT_EQ(must(two.list()).size(), 0U);
  EXPECT_EQ(manager.descriptors().memory_bytes, before.memory_bytes);
  EXPECT_EQ(manager.descriptors().memfds, before.memfds);
  EXPECT_TRUE(two.create<SharedMemory>("second", {.size = 3 * kMiB}).ok()) << "what is left";
}

// ---- with what dicts and lists hold ----

// How many values of 100 kB more the dict takes.
int fill(const shoal::Dict& dict, int first) {
  const std::string value(100'000, 'x');
  int next = first;
  for (absl::Status put; (put = dict.put(next, value)).ok(); ++next) {
    if (next - first > 1000) return -1;
  }
  return next - first;
}

TEST(Memory, SegmentsAndContainersShareTheQuota) {
  const TestManager manager({"--warm-bytes=0"});
  must(manager.client().arena("both").create({.quota_bytes = 16 * kMiB}));
  const shoal::Client client = manager.client({.arena = "both"});
  const auto usage = [&] { return must(client.arena("both").stat()); };
  const shoal::Dict dict = must(client.create<shoal::Dict>("dict"));
  const std::string value(100'000, 'x');
  for (int i = 0; i < 80; ++i) must(dict.put(i, value));
  EXPECT_GT(usage().container_bytes, 8'000'000U);
  EXPECT_LT(usage().container_bytes, 12 * kMiB);
  EXPECT_LT(usage().committed_bytes, 4096U) << "of the dict itself";
  EXPECT_EQ(must(manager.admin().usage()).container_bytes, usage().container_bytes);

  const auto full =
      AllOf(StartsWith("RESOURCE_EXHAUSTED"), HasSubstr("quota"), HasSubstr("in containers"));
  EXPECT_THAT(outcome(client.create<SharedMemory>("memory", {.size = 9 * kMiB})), full);
  SharedMemory memory = must(client.create<SharedMemory>("memory", {.size = 3 * kMiB}));
  // Now the dict has less to take from, and with the segment gone, more: both at once.
  const int little = fill(dict, 80);
  EXPECT_LE(usage().container_bytes + usage().committed_bytes, 16 * kMiB + (64U << 10));
  must(memory.unlink());
  must(memory.close());
  ASSERT_TRUE(wait_until([&] { return usage().objects == 1; }));
  const int more = fill(dict, 80 + little);
  EXPECT_GT(more, 15) << "after " << little;
  EXPECT_THAT(outcome(client.create<SharedMemory>("memory", {.size = 3 * kMiB})), full);
  must(dict.clear());
  EXPECT_TRUE(client.create<SharedMemory>("memory", {.size = 14 * kMiB}).ok());
  must(dict.unlink());
}

TEST(Memory, ContainersOfAllArenasCountInMemoryMax) {
  const TestManager manager({"--memory-max=16MiB", "--quota=16MiB", "--warm-bytes=0"});
  const shoal::Client client = manager.client();
  must(client.arena("other").create({.quota_bytes = 16 * kMiB}));
  const shoal::Client other = manager.client({.arena = "other"});
  const shoal::Admin admin = manager.admin();
  const shoal::Dict first = must(client.create<shoal::Dict>("dict"));
  const shoal::Dict second = must(other.create<shoal::Dict>("dict"));
  const std::string value(100'000, 'x');
  for (int i = 0; i < 100; ++i) must(first.put(i, value));
  EXPECT_GT(must(admin.usage()).container_bytes, 12'000'000U);  // and the other arena learns of it
  EXPECT_THAT(
      outcome(other.create<SharedMemory>("memory", {.size = 5 * kMiB})),
      AllOf(StartsWith("RESOURCE_EXHAUSTED"), HasSubstr("memory-max"), HasSubstr("in containers")));
  EXPECT_LT(fill(second, 0), 40);
  EXPECT_LE(must(admin.usage()).container_bytes, 16 * kMiB + (128U << 10));
  must(first.clear());
  ASSERT_LT(must(admin.usage()).container_bytes, 10 * kMiB);
  EXPECT_GT(fill(second, 1000), 20) << "there is room again";
  must(first.unlink());
  must(second.unlink());
}

TEST(Memory, ObjectsInAnArenaCountBesideItsContainers) {
  const TestManager manager({"--memory-max=16MiB", "--quota=16MiB", "--warm-bytes=0"});
  const shoal::Client client = manager.client();
  must(client.arena("other").create({.quota_bytes = 16 * kMiB}));
  const shoal::Client other = manager.client({.arena = "other"});
  const shoal::Dict dict = must(client.create<shoal::Dict>("dict"));
  const std::string value(100'000, 'x');
  for (int i = 0; i < 60; ++i) must(dict.put(i, value));
  const auto array = must(client.create<shoal::Array<std::uint64_t>>("array", {.size = 512 << 10}));
  EXPECT_GT(must(manager.admin().usage()).committed_bytes, 4 * kMiB);
  EXPECT_THAT(outcome(other.create<SharedMemory>("memory", {.size = 5 * kMiB})),
              StartsWith("RESOURCE_EXHAUSTED"));
  EXPECT_EQ(outcome(other.create<SharedMemory>("memory", {.size = 2 * kMiB})), "OK");
  // A Lock has no block, only a descriptor.
  (void)fill(dict, 60);
  int locks = 0;
  const auto lock = [&] { return client.create<shoal::Lock>("lock" + std::to_string(locks)); };
  while (locks < 10'000 && lock().ok()) ++locks;
  EXPECT_LT(locks, 10'000) << "2.5 MiB of them, where less than 200 kB are left";
  must(dict.clear());
  EXPECT_TRUE(lock().ok());
}

// Of what others took since: it is above its quota, and can be emptied all the same.
TEST(Memory, ContainersAboveTheirQuotaCanBeEmptied) {
  const TestManager manager({"--warm-bytes=0"});
  must(manager.client().arena("shrunk").create({.quota_bytes = 16 * kMiB}));
  const shoal::Client client = manager.client({.arena = "shrunk"});
  const shoal::Dict dict = must(client.create<shoal::Dict>("dict"));
  const std::string value(100'000, 'x');
  for (int i = 0; i < 100; ++i) must(dict.put(i, value));
  must(client.arena("shrunk").set_quota(kMiB));
  EXPECT_LT(fill(dict, 1000), 10) << "what is taken may be used, and no more";
  EXPECT_THAT(outcome(dict.put("more", value)),
              AllOf(StartsWith("RESOURCE_EXHAUSTED"), HasSubstr("quota")));
  must(client.transact([&](shoal::Transaction& t) { return t.erase(dict, 3); }));
  must(dict.clear());
  EXPECT_EQ(must(dict.size()), 0U);
  must(dict.put("again", value));
}

TEST(Memory, MoreThanTheMachineHasIsRefused) {
  const TestManager manager({"--memory-max=1024TiB"});
  const shoal::Client client = manager.client();
  const shoal::Admin admin = manager.admin();
  const Descriptors before = manager.descriptors();
  EXPECT_THAT(outcome(client.create<SharedMemory>("big", {.size = std::uint64_t{1} << 45})),
              StartsWith("RESOURCE_EXHAUSTED"));
  EXPECT_EQ(must(admin.usage()).committed_bytes, 0U);
  EXPECT_EQ(manager.descriptors().memory_bytes, before.memory_bytes);
}

TEST(Memory, IsCommittedAtCreationUnlessSparse) {
  const TestManager manager({"--warm-bytes=0"});
  const shoal::Client client = manager.client();
  const shoal::Admin admin = manager.admin();
  const std::uint64_t before = manager.descriptors().memory_bytes;
  const auto taken = [&] { return manager.descriptors().memory_bytes - before; };
  const SharedMemory whole = must(client.create<SharedMemory>("whole", {.size = 4 * kMiB}));
  EXPECT_EQ(taken(), 4 * kMiB);
  const SharedMemory sparse =
      must(client.create<SharedMemory>("sparse", {.size = 8 * kMiB, .sparse = true}));
  EXPECT_EQ(taken(), 4 * kMiB);
  EXPECT_EQ(must(admin.usage()).committed_bytes, 12 * kMiB) << "all of it counts";
  sparse.data()[5 * kMiB] = std::byte{1};
  EXPECT_EQ(taken(), 4 * kMiB + 4096);
  EXPECT_TRUE(must(client.stat("sparse")).object.sparse);
}

TEST(Memory, WarmMemoryIsUsedAgainZeroed) {
  const TestManager manager({"--warm-bytes=16MiB", "--memory-max=64MiB"});
  const shoal::Client client = manager.client();
  const shoal::Admin admin = manager.admin();
  for (int round = 0; round < 5; ++round) {
    SharedMemory memory = must(client.create<SharedMemory>("memory", {.size = 4 * kMiB}));
    EXPECT_TRUE(is_zero(memory.data())) << "round " << round;
    // Either taken, or left to be washed while a second one is made.
    EXPECT_LE(must(admin.usage()).warm_bytes, 4 * kMiB) << "in round " << round;
    std::ranges::fill(memory.data(), std::byte{0xee});
    must(memory.unlink());
    must(memory.close());
    ASSERT_TRUE(wait_until([&] { return must(admin.usage()).warm_bytes >= 4 * kMiB; }));
    EXPECT_EQ(must(admin.usage()).committed_bytes, 0U);
  }
  // Another size is other memory, and what is warm gives way to what is needed.
  const SharedMemory big = must(client.create<SharedMemory>("big", {.size = 62 * kMiB}));
  EXPECT_LE(must(admin.usage()).warm_bytes, 2 * kMiB);
}

TEST(Memory, WarmMemoryHasABound) {
  const TestManager manager({"--warm-bytes=2MiB"});
  const shoal::Client client = manager.client();
  const shoal::Admin admin = manager.admin();
  const std::uint64_t before = manager.descriptors().memory_bytes;
  for (int i = 0; i < 8; ++i) {
    must(must(client.create<SharedMemory>("memory", {.size = kMiB})).unlink());
    EXPECT_LE(must(admin.usage()).warm_bytes, 2 * kMiB);
  }
  EXPECT_TRUE(wait_until([&] { return must(admin.manager()).objects == 0; }));
  EXPECT_LE(manager.descriptors().memory_bytes - before, 2 * kMiB);
}

TEST(Memory, AnOldHoldersMappingNeverAliasesANewObject) {
  const TestManager manager({"--warm-bytes=64MiB"});
  const shoal::Client client = manager.client();
  for (const bool with_descriptor : {false, true}) {
    SharedMemory memory = must(client.create<SharedMemory>("memory", {.size = kMiB}));
    const int fd = must(memory.descriptor(shoal::Access::kReadWrite));
    void* mapped = MAP_FAILED;
    if (!with_descriptor) {
      mapped = ::mmap(nullptr, kMiB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
      ASSERT_NE(mapped, MAP_FAILED);
      ::close(fd);
    }
    must(memory.unlink());
    must(memory.close());
    ASSERT_TRUE(wait_until([&] { return must(manager.admin().manager()).objects == 0; }));
    const auto write_old = [&](char byte) {
      if (with_descriptor) {
        EXPECT_EQ(::pwrite(fd, &byte, 1, 0), 1);
      } else {
        *static_cast<char*>(mapped) = byte;
      }
    };
    for (int i = 0; i < 4; ++i) {
      SharedMemory fresh = must(client.create<SharedMemory>("memory", {.size = kMiB}));
      write_old('o');
      EXPECT_TRUE(is_zero(fresh.data()));
      must(fresh.unlink());
    }
    if (with_descriptor) {
      ::close(fd);
    } else {
      ::munmap(mapped, kMiB);
    }
  }
}

TEST(Memory, WarmMemoryOfOneUidIsNotGivenToAnother) {
  SHOAL_NEEDS_ROOT();
  const TestManager manager({"--warm-bytes=64MiB", "--mode=0666"});
  const shoal::Client client = manager.client();
  const shoal::Admin admin = manager.admin();
  must(must(client.create<SharedMemory>("memory", {.size = kMiB})).unlink());
  ASSERT_TRUE(wait_until([&] { return must(admin.usage()).warm_bytes == kMiB; }));
  Child other(
      [&](Channel& parent) -> std::string {
        const shoal::Client theirs = manager.client();
        const SharedMemory memory = must(theirs.create<SharedMemory>("theirs", {.size = kMiB}));
        parent.say("made");
        return parent.hear();
      },
      kOtherUid);
  ASSERT_EQ(other.hear(), "made");
  EXPECT_EQ(must(admin.usage()).warm_bytes, kMiB);
}

TEST(Memory, HugePagesFallBackWithAReport) {
  const TestManager manager;
  const shoal::Client client = manager.client();
  const SharedMemory memory =
      must(client.create<SharedMemory>("huge", {.size = 3 * kMiB, .huge_pages = true}));
  EXPECT_EQ(memory.size(), 3 * kMiB);
  memory.data()[3 * kMiB - 1] = std::byte{1};
  const bool given = memory.pages().page_size_bytes == 2 * kMiB;
  EXPECT_EQ(given, memory.pages().huge_pages_refused.empty()) << memory.pages().huge_pages_refused;
  EXPECT_EQ(must(client.stat("huge")).object.page_size_bytes, memory.pages().page_size_bytes);
  const SharedMemory plain = must(client.create<SharedMemory>("plain", {.size = 100}));
  EXPECT_EQ(plain.pages().page_size_bytes, static_cast<std::uint32_t>(::sysconf(_SC_PAGESIZE)));
  EXPECT_EQ(plain.pages().huge_pages_refused, "");
}

TEST(Memory, OfANumaNode) {
  const TestManager manager;
  const shoal::Client client = manager.client();
  const SharedMemory memory =
      must(client.create<SharedMemory>("memory", {.size = kMiB, .numa_node = 0}));
  EXPECT_EQ(must(client.stat("memory")).object.numa_node, 0);
  EXPECT_TRUE(is_zero(memory.data()));
  EXPECT_THAT(outcome(client.create<SharedMemory>("far", {.size = kMiB, .numa_node = 63})),
              AllOf(StartsWith("INVALID_ARGUMENT"), HasSubstr("63")));
  EXPECT_THAT(outcome(client.create<SharedMemory>("far", {.size = kMiB, .numa_node = -7})),
              StartsWith("INVALID_ARGUMENT"));
  EXPECT_EQ(must(client.list()).size(), 1U);
}

TEST(Memory, PrefaultMapsEveryPage) {
  const TestManager manager;
  const shoal::Client client = manager.client();
  const SharedMemory memory =
      must(client.create<SharedMemory>("memory", {.size = kMiB, .sparse = true, .prefault = true}));
  EXPECT_EQ(resident_pages(memory.data()), 256U);
  EXPECT_TRUE(is_zero(memory.data()));
  const shoal::Client other = manager.client();
  const SharedMemory reader = must(
      other.open<SharedMemory>("memory", {.access = shoal::Access::kReadOnly, .prefault = true}));
  EXPECT_EQ(resident_pages(reader.data()), 256U);
}

}  // namespace
