// The memory of an arena as the manager keeps it: lent by right, used again, closed, given back to
// the kernel.
#include "daemon/arena_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "memory/lock.h"
#include "memory/recover.h"
#include "tests/harness/invariants.h"
#include "tests/harness/world.h"

namespace shoal::daemon {
namespace {

using test::Invariants;
using test::Reply;
using test::TestClient;
using test::World;
using wire::Access;
using wire::Kind;

class ArenaMemoryTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(client_.hello().ok()); }
  void TearDown() override { EXPECT_EQ(Invariants::broken(world_.state), ""); }
  ArenaMemory& memory() { return *world_.state.memories.find(1); }

  World world_;
  TestClient client_{world_};
};

TEST_F(ArenaMemoryTest, TheArenaIsLentByRight) {
  const Reply writable = client_.arena_map(Access::READ_WRITE);
  ASSERT_TRUE(writable.ok()) << writable.message();
  const auto arena = writable.get().getArenaMemory();
  EXPECT_EQ(arena.getArenaBytes(), std::uint64_t{16} << 20);
  EXPECT_EQ(::fcntl(writable.descriptor(0), F_GETFL) & O_ACCMODE, O_RDWR);
  struct stat status {};
  ASSERT_EQ(::fstat(writable.descriptor(0), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
  EXPECT_EQ(static_cast<std::uint64_t>(status.st_size),
            memory::Geometry::of(arena.getArenaBytes()).file_bytes);
  EXPECT_EQ(::fcntl(writable.descriptor(0), F_GET_SEALS) & (F_SEAL_SHRINK | F_SEAL_GROW),
            F_SEAL_SHRINK | F_SEAL_GROW);
  EXPECT_NE(::ftruncate(writable.descriptor(0), 0), 0);
  const Reply readable = client_.arena_map(Access::READ_ONLY);
  ASSERT_TRUE(readable.ok());
  EXPECT_EQ(::fcntl(readable.descriptor(0), F_GETFL) & O_ACCMODE, O_RDONLY);
  EXPECT_EQ(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, readable.descriptor(0), 0),
            MAP_FAILED);
  memory::ArenaHeader header{};
  ASSERT_EQ(::pread(readable.descriptor(0), &header, sizeof header, 0),
            static_cast<ssize_t>(sizeof header));
  EXPECT_EQ(header.magic, memory::kArenaMagic);
  EXPECT_EQ(header.arena, arena.getArena());
  EXPECT_EQ(header.manager, world_.state.memories.manager());
  EXPECT_EQ(header.closed.load(), 0U);
}

// A block that was used is zeroed before it is given out again.
TEST_F(ArenaMemoryTest, FreedBlocksComeBackZeroed) {
  const Reply first = client_.create_in_arena("", Kind::ARRAY, 1000);
  ASSERT_TRUE(first.ok());
  const std::uint64_t block = first.get().getAttached().getBlock();
  std::memset(memory().bytes() + block, 0xaa, 1000);
  client_.release(first.object());
  EXPECT_EQ(world_.state.objects.count(), 0U);
  bool used_again = false;
  for (int i = 0; i < 300; ++i) {
    const Reply next = client_.create_in_arena("", Kind::ARRAY, 1000);
    ASSERT_TRUE(next.ok()) << next.message();
    EXPECT_NE(next.object(), first.object());
    const std::uint64_t at = next.get().getAttached().getBlock();
    used_again |= at == block;
    for (int n = 0; n < 1000; ++n) ASSERT_EQ(memory().bytes()[at + n], std::byte{0});
  }
  EXPECT_TRUE(used_again);
}

TEST_F(ArenaMemoryTest, AHandleOfADestroyedObjectIsStale) {
  const Reply made = client_.create_in_arena("", Kind::LOCK);
  const memory::ObjectView old = world_.state.objects.view(index_of(made.object()));
  EXPECT_FALSE(old.is_stale());
  client_.release(made.object());
  EXPECT_TRUE(old.is_stale());
  EXPECT_FALSE(old.is_closed());
  // Its place is used again, as something else.
  Reply next = client_.create_in_arena("", Kind::EVENT);
  while (index_of(next.object()) != index_of(made.object())) {
    client_.release(next.object());
    next = client_.create_in_arena("", Kind::EVENT);
  }
  EXPECT_TRUE(old.is_stale());
  memory::Caller caller{.owner = memory::owner_of(1, 1)};
  memory::Acquisition acquired;
  EXPECT_EQ(memory::acquire(old, caller, 0, &acquired), memory::Result::kStale);
}

TEST_F(ArenaMemoryTest, ClosedArenasSayUnavailable) {
  const Reply made = client_.create_in_arena("a", Kind::LOCK);
  const memory::ObjectView view = world_.state.objects.view(index_of(made.object()));
  const Reply watched = client_.watch(made.object());
  ASSERT_TRUE(watched.ok());
  world_.state.close_arenas();
  EXPECT_TRUE(view.is_closed());
  EXPECT_TRUE(view.is_stale());
  std::uint64_t told = 0;
  EXPECT_EQ(::read(watched.descriptor(0), &told, sizeof told), 8);
  // Laid again, so that the test's end finds it as it was.
  memory::lay_object(memory().bytes(),
                     {.index = index_of(made.object()), .id = made.object(), .initial = {}});
}

// The end of a manager with many objects lets others have their turn, and nothing new is made.
TEST_F(ArenaMemoryTest, ArenasAreClosedInTurns) {
  std::vector<std::uint64_t> made;
  for (int i = 0; i < 1000; ++i) made.push_back(client_.create_in_arena("", Kind::LOCK).object());
  int turns = 1;
  while (world_.state.close_some()) {
    EXPECT_FALSE(client_.create_in_arena("", Kind::LOCK).ok());
    ++turns;
  }
  EXPECT_GE(turns, 4);
  for (const std::uint64_t id : made) {
    EXPECT_TRUE(world_.state.objects.view(index_of(id)).is_stale());
  }
  for (const std::uint64_t id : made) client_.release(id);
}

// A name at a time, or a few: others have their turn in between.
TEST_F(ArenaMemoryTest, GoodbyeToManyNamesIsSaidInTurns) {
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(client_
                    .call([&](wire::Request::Builder request) {
                      auto create = request.initCreate();
                      create.setName(("n" + std::to_string(i)).c_str());
                      create.setKind(Kind::LOCK);
                      create.setLifetime(wire::Lifetime::SESSION);
                    })
                    .ok());
  }
  const Reply done = client_.call([](wire::Request::Builder request) { request.setGoodbye(); });
  EXPECT_TRUE(done.ok()) << done.message();
  EXPECT_GE(client_.partly(), 3);
  EXPECT_EQ(world_.state.objects.find(1, "n999"), 0U);
  // Its outcome is remembered once all is done.
  const Reply repeated =
      client_.send(client_.last_id(), [](wire::Request::Builder request) { request.setGoodbye(); });
  EXPECT_TRUE(repeated.ok());
}

TEST(ArenaMemories, AnArenaThatIsRemovedIsClosedForWhoStillMapsIt) {
  World world;
  TestClient administrator(world);
  ASSERT_TRUE(administrator.hello("").ok());
  ASSERT_TRUE(administrator
                  .call([](wire::Request::Builder request) {
                    auto arena = request.initArenaCreate();
                    arena.setName("other");
                    arena.setMode(0600);
                  })
                  .ok());
  TestClient client(world);
  ASSERT_TRUE(client.hello("other").ok());
  const Reply lent = client.arena_map(Access::READ_ONLY);
  ASSERT_TRUE(lent.ok());
  const Reply changed = administrator.call([](wire::Request::Builder request) {
    auto change = request.initArenaChange();
    change.setName("other");
    change.setQuota(3 * memory::kChunkBytes);
  });
  ASSERT_TRUE(changed.ok());
  memory::ArenaHeader header{};
  ASSERT_GT(::pread(lent.descriptor(0), &header, sizeof header, 0), 0);
  EXPECT_EQ(header.quota_chunks.load(), 3U);
  client.die();
  const Reply removed =
      administrator.call([](wire::Request::Builder request) { request.setArenaRemove("other"); });
  ASSERT_TRUE(removed.ok()) << removed.message();
  ASSERT_GT(::pread(lent.descriptor(0), &header, sizeof header, 0), 0);
  EXPECT_EQ(header.closed.load(), 1U);
  EXPECT_EQ(world.state.memories.find(2), nullptr);
}

TEST_F(ArenaMemoryTest, PongTellsManagersApart) {
  const Reply pong = client_.ping();
  ASSERT_TRUE(pong.ok());
  EXPECT_NE(pong.get().getPong().getManager(), 0U);
  EXPECT_EQ(pong.get().getPong().getManager(), world_.state.memories.manager());
  EXPECT_NE(World().state.memories.manager(), world_.state.memories.manager());
}

// Memory that was freed goes back to the kernel once nobody has asked for any for a while.
TEST_F(ArenaMemoryTest, FreedMemoryIsPunchedOut) {
  const Reply made = client_.create_in_arena("", Kind::ARRAY, 12 << 20);
  ASSERT_TRUE(made.ok()) << made.message();
  const Reply lent = client_.arena_map(Access::READ_ONLY);
  const auto resident = [&] {
    struct stat status {};
    ::fstat(lent.descriptor(0), &status);
    return status.st_blocks * 512;
  };
  EXPECT_GE(resident(), 12 << 20);
  EXPECT_FALSE(world_.state.memories.untidy());
  client_.release(made.object());
  EXPECT_TRUE(world_.state.memories.untidy());
  std::uint64_t now = 1;
  for (int visits = 0; world_.state.memories.untidy(); ++visits) {
    ASSERT_LT(visits, 1000);
    world_.state.memories.tidy(now += 300'000'000);
  }
  EXPECT_LT(resident(), 8 << 20);
}

// An arena that nobody uses takes nothing; its memory is made anew for the next user.
TEST(ArenaMemories, TheMemoryOfAnUnusedArenaGoes) {
  World world;
  const std::size_t before = test::open_descriptors();
  auto client = std::make_unique<TestClient>(world);
  ASSERT_TRUE(client->hello().ok());
  ASSERT_TRUE(client->create_in_arena("a", Kind::LOCK).ok());
  std::uint64_t now = 1;
  const auto tidy = [&] {
    for (int i = 0; i < 20; ++i) world.state.memories.tidy(now += 300'000'000);
  };
  tidy();
  EXPECT_NE(world.state.memories.find(1), nullptr);
  ASSERT_TRUE(client->unlink("a").ok());
  client->release(1);
  tidy();
  EXPECT_NE(world.state.memories.find(1), nullptr);  // it may have it mapped
  client->die();
  client.reset();
  EXPECT_TRUE(world.state.memories.untidy());
  tidy();
  EXPECT_EQ(world.state.memories.find(1), nullptr);
  EXPECT_FALSE(world.state.memories.untidy());
  EXPECT_EQ(test::open_descriptors(), before);
  TestClient next(world);
  ASSERT_TRUE(next.hello().ok());
  EXPECT_TRUE(next.create_in_arena("a", Kind::LOCK).ok());
  EXPECT_EQ(Invariants::broken(world.state), "");
}

// What its writers took is freed in slices once nobody has the object any more, and only then is
// its index used again.
TEST_F(ArenaMemoryTest, BlocksOfAnObjectThatAllocatesGoBeforeItsIndexIsUsedAgain) {
  const Reply made = client_.create_in_arena("", Kind::ARRAY, 1000);
  const Reply other = client_.create_in_arena("", Kind::ARRAY, 1000);
  ASSERT_TRUE(made.ok() && other.ok());
  const Index index = index_of(made.object());
  world_.state.catalog.objects[index].allocates = 1;  // as of a kind whose writers do
  memory::ArenaMemory writer(memory().bytes(), memory().geometry(), memory::Commit{});
  memory::ThreadRecord record{};
  memory::Caller caller{.owner = memory::owner_of(1, 1), .record = &record};
  for (const std::uint64_t bytes : {std::uint64_t{100}, 3 * memory::kChunkBytes}) {
    for (std::uint32_t part = 0; part < 20; ++part) {
      const memory::BlockFor block_for{.object = made.object(), .part = part};
      const auto block = writer.allocate(caller, bytes, block_for);
      ASSERT_TRUE(block.ok()) << block.status();
      ASSERT_TRUE(writer.own(caller, *block, bytes, block_for).ok());
    }
  }
  const std::uint64_t others = writer.usage(index_of(other.object())).owned_bytes();
  client_.release(made.object());
  EXPECT_EQ(world_.state.objects.get(made.object()), 0U);
  EXPECT_GT(writer.usage(index).owned_bytes(), 0U);
  EXPECT_TRUE(world_.state.catalog.objects.in_use(index));
  EXPECT_EQ(Invariants::broken(world_.state), "");
  while (world_.state.objects.clear_some()) {
  }
  EXPECT_EQ(writer.usage(index).owned_bytes(), 0U);
  EXPECT_EQ(writer.usage(index_of(other.object())).owned_bytes(), others);
  EXPECT_FALSE(world_.state.catalog.objects.in_use(index));
  EXPECT_TRUE(world_.state.memories.untidy());
}

TEST(ArenaMemories, WhatAnArenaThatWentHadIsNotWaitedFor) {
  World world;
  auto client = std::make_unique<TestClient>(world);
  ASSERT_TRUE(client->hello().ok());
  const Reply made = client->create_in_arena("", Kind::LOCK);
  world.state.catalog.objects[index_of(made.object())].allocates = 1;
  client->die();
  client.reset();
  EXPECT_TRUE(world.state.objects.has_to_clear());
  world.state.memories.remove(1);
  while (world.state.objects.clear_some()) {
  }
  EXPECT_EQ(world.state.catalog.objects.used(), 0U);
}

// Who may write the arena may write into its header; the manager's own words there are written
// again at the next attach or create.
TEST_F(ArenaMemoryTest, TheManagersWordsInTheHeaderAreMended) {
  ASSERT_TRUE(client_.arena_map(Access::READ_WRITE).ok());
  auto& header = *reinterpret_cast<memory::ArenaHeader*>(memory().bytes());
  const std::vector<std::byte> laid(memory().bytes(), memory().bytes() + 136);
  std::memset(memory().bytes(), 0xaa, 136);
  ASSERT_TRUE(client_.arena_map(Access::READ_WRITE).ok());
  EXPECT_EQ(std::memcmp(laid.data(), memory().bytes(), 64), 0);
  EXPECT_EQ(header.closed.load(), 0U);
  EXPECT_EQ(std::memcmp(laid.data() + 128, memory().bytes() + 128, 8), 0);
}

TEST_F(ArenaMemoryTest, AScribbledCountOrQuotaRefusesNothing) {
  ASSERT_TRUE(client_.create_in_arena("", Kind::ARRAY, 1 << 20).ok());
  auto& header = *reinterpret_cast<memory::ArenaHeader*>(memory().bytes());
  header.quota_chunks.store(0);
  const Reply second = client_.create_in_arena("", Kind::ARRAY, 1 << 20);
  EXPECT_TRUE(second.ok()) << second.message();
  header.used_chunks.store(UINT64_MAX / 2);
  const Reply third = client_.create_in_arena("", Kind::ARRAY, 1 << 20);
  EXPECT_TRUE(third.ok()) << third.message();
  EXPECT_EQ(header.used_chunks.load(), memory().usage().used_chunks());
}

// Counted again once the threads that could disturb it have nothing in flight any more.
TEST_F(ArenaMemoryTest, TheUsedChunksAreCountedAnewWhenItIsQuiet) {
  ASSERT_TRUE(client_.create_in_arena("", Kind::ARRAY, 1 << 20).ok());
  auto& header = *reinterpret_cast<memory::ArenaHeader*>(memory().bytes());
  TestClient other(world_);
  ASSERT_TRUE(other.hello().ok());
  auto* const page = static_cast<memory::SessionPage*>(::mmap(
      nullptr, memory::kSessionPageBytes, PROT_READ | PROT_WRITE, MAP_SHARED, other.page(), 0));
  ASSERT_NE(static_cast<void*>(page), MAP_FAILED);
  page->threads.store(2);
  page->records[0].intent_at(0).store(1);
  header.used_chunks.store(100);
  header.magic = 0;
  ASSERT_TRUE(client_.arena_map(Access::READ_ONLY).ok());
  ASSERT_TRUE(world_.state.memories.untidy());
  std::uint64_t now = 1;
  world_.state.memories.tidy(now += 2 * memory::kQuietNs);
  EXPECT_EQ(header.used_chunks.load(), 100U);
  page->records[0].intent_at(0).store(0);
  world_.state.memories.tidy(now += 2 * memory::kQuietNs);
  EXPECT_EQ(header.used_chunks.load(), memory().usage().used_chunks());
  ::munmap(page, memory::kSessionPageBytes);
}

// A name without a session keeps the memory.
TEST(ArenaMemories, AnObjectKeepsTheMemory) {
  World world;
  TestClient client(world);
  ASSERT_TRUE(client.hello().ok());
  ASSERT_TRUE(client.create_in_arena("a", Kind::LOCK).ok());
  client.die();
  std::uint64_t now = 1;
  for (int i = 0; i < 20; ++i) world.state.memories.tidy(now += 300'000'000);
  EXPECT_NE(world.state.memories.find(1), nullptr);
  EXPECT_EQ(Invariants::broken(world.state), "");
}

}  // namespace
}  // namespace shoal::daemon
