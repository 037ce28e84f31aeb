// What the manager does for objects in arenas when a session dies or gives an object back, and how
// it sees who waits: the session pages, and the log of slow waits.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/session_page.h"
#include "memory/arena.h"
#include "memory/barrier.h"
#include "memory/lock.h"
#include "memory/semaphore.h"
#include "tests/harness/invariants.h"
#include "tests/harness/world.h"

namespace shoal::daemon {
namespace {

using absl::StatusCode;
using test::Invariants;
using test::Reply;
using test::TestClient;
using test::World;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using wire::Access;
using wire::Kind;

// The log, as text.
class LogPipe {
 public:
  LogPipe() {
    if (::pipe2(ends_, O_CLOEXEC | O_NONBLOCK) != 0) std::abort();
  }
  LogPipe(const LogPipe&) = delete;
  LogPipe& operator=(const LogPipe&) = delete;
  ~LogPipe() {
    for (const int end : ends_) ::close(end);
  }
  [[nodiscard]] int fd() const { return ends_[1]; }
  std::string take() {
    std::string text;
    char bytes[4096];
    for (ssize_t got = 0; (got = ::read(ends_[0], bytes, sizeof bytes)) > 0;) {
      text.append(bytes, static_cast<std::size_t>(got));
    }
    return text;
  }

 private:
  int ends_[2];
};

// A thread of a client's session, as the client library maps and uses it.
class Thread {
 public:
  Thread(const TestClient& client, std::uint32_t number) {
    page_ = static_cast<memory::SessionPage*>(::mmap(
        nullptr, memory::kSessionPageBytes, PROT_READ | PROT_WRITE, MAP_SHARED, client.page(), 0));
    if (page_ == MAP_FAILED) std::abort();
    if (page_->threads.load() <= number) page_->threads.store(number + 1);
    caller_.owner = memory::owner_of(static_cast<std::uint16_t>(client.slot()), number);
    caller_.record = &page_->records[number - 1];
    caller_.record->tid.store(number + 1000);
  }
  Thread(const Thread&) = delete;
  Thread& operator=(const Thread&) = delete;
  ~Thread() { ::munmap(page_, memory::kSessionPageBytes); }
  memory::Caller& operator*() { return caller_; }
  memory::SessionPage& page() { return *page_; }
  memory::ThreadRecord& record() { return *caller_.record; }

 private:
  memory::SessionPage* page_;
  memory::Caller caller_;
};

class ArenaRecoveryTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(victim_.hello().ok());
    ASSERT_TRUE(survivor_.hello().ok());
  }
  void TearDown() override { EXPECT_EQ(Invariants::broken(world_.state), ""); }

  // Made by one, opened by the other.
  std::uint64_t shared(Kind kind, std::uint64_t parameter = 0) {
    const std::string name = "o" + std::to_string(++made_);
    const Reply made = survivor_.create_in_arena(name, kind, parameter);
    EXPECT_TRUE(made.ok()) << made.message();
    EXPECT_TRUE(victim_.open(name).ok());
    return made.object();
  }
  memory::ObjectView view(std::uint64_t object) {
    return world_.state.objects.view(index_of(object));
  }

  LogPipe log_;
  World world_{{.slow_wait_ms = 10'000, .log_fd = log_.fd()}};
  TestClient victim_{world_};
  TestClient survivor_{world_};
  int made_ = 0;
};

TEST_F(ArenaRecoveryTest, LocksAndPermitsOfTheDeadComeBack) {
  const std::uint64_t lock = shared(Kind::LOCK);
  const std::uint64_t permits = shared(Kind::SEMAPHORE, 3);
  const std::uint64_t free_lock = shared(Kind::LOCK);
  {
    Thread thread(victim_, 1);
    memory::Acquisition acquired;
    ASSERT_EQ(memory::acquire(view(lock), *thread, 0, &acquired), memory::Result::kDone);
    ASSERT_EQ(memory::acquire_permit(view(permits), *thread, 0), memory::Result::kDone);
    ASSERT_EQ(memory::free_permits(view(permits)), 2U);
  }
  EXPECT_TRUE(memory::is_held(*view(lock).descriptor));
  (void)log_.take();
  victim_.die();
  EXPECT_FALSE(memory::is_held(*view(lock).descriptor));
  EXPECT_NE(view(lock).descriptor->abandoned.load(), 0U);
  EXPECT_EQ(memory::free_permits(view(permits)), 3U);
  EXPECT_EQ(view(free_lock).descriptor->abandoned.load(), 0U);
  const std::string log = log_.take();
  EXPECT_THAT(log, AllOf(HasSubstr("event=object.recovered"), HasSubstr("kind=Lock name=o1"),
                         HasSubstr("kind=Semaphore name=o2"), Not(HasSubstr("o3"))));
}

TEST_F(ArenaRecoveryTest, WhatAReaderNamesIsNotTouched) {
  const std::uint64_t lock = survivor_.create_in_arena("r", Kind::LOCK).object();
  ASSERT_TRUE(victim_.open("r", Access::READ_ONLY).ok());
  Thread thread(victim_, 1);
  memory::Acquisition acquired;
  ASSERT_EQ(memory::acquire(view(lock), *thread, 0, &acquired), memory::Result::kDone);
  victim_.die();
  EXPECT_TRUE(memory::is_held(*view(lock).descriptor));
}

TEST_F(ArenaRecoveryTest, GivingAnObjectBackGivesUpWhatIsHeld) {
  const std::uint64_t closed = shared(Kind::LOCK);
  const std::uint64_t kept = shared(Kind::LOCK);
  const std::uint64_t only_read = shared(Kind::LOCK);
  Thread thread(victim_, 1);
  memory::Acquisition acquired;
  for (const std::uint64_t lock : {closed, kept, only_read}) {
    ASSERT_EQ(memory::acquire(view(lock), *thread, 0, &acquired), memory::Result::kDone);
  }
  ASSERT_TRUE(victim_.open("o2").ok());
  victim_.release(kept, 1);
  EXPECT_TRUE(memory::is_held(*view(kept).descriptor));
  victim_.release(only_read, 1, Access::READ_ONLY);
  EXPECT_FALSE(memory::is_held(*view(only_read).descriptor));
  (void)log_.take();
  victim_.release(closed, 0);
  EXPECT_FALSE(memory::is_held(*view(closed).descriptor));
  EXPECT_THAT(log_.take(), HasSubstr("event=object.recovered"));
}

TEST_F(ArenaRecoveryTest, ABarrierBreaksByDeath) {
  const std::uint64_t barrier = shared(Kind::BARRIER, 2);
  {
    Thread thread(victim_, 1);
    // Killed in its sleep.
    memory::Arrival arrival;
    ASSERT_EQ(memory::arrive(view(barrier), *thread, memory::kForever, &arrival),
              memory::Result::kDone);
    EXPECT_FALSE(arrival.is_last);
  }
  EXPECT_FALSE(memory::is_broken(view(barrier)));
  victim_.die();
  EXPECT_TRUE(memory::is_broken(view(barrier)));
}

// A killed allocation: the block comes back, and what an object's record names stays.
TEST_F(ArenaRecoveryTest, IntentsOfTheDeadAreTakenBack) {
  const Reply array = survivor_.create_in_arena("a", Kind::ARRAY, 3 * memory::kChunkBytes);
  ASSERT_TRUE(array.ok());
  ArenaMemory& arena = *world_.state.memories.find(1);
  const std::uint64_t owned = arena.usage().owned_bytes();
  memory::ArenaMemory theirs(arena.bytes(), arena.geometry(),
                             {.commit = [](void*, std::uint64_t, std::uint64_t) { return true; }});
  {
    Thread thread(victim_, 700);  // not in the first slice
    ASSERT_TRUE(
        theirs.allocate(*thread, memory::kChunkBytes, {.object = array.object(), .part = 1}).ok());
    EXPECT_TRUE(memory::ArenaMemory::has_intent(thread.record()));
  }
  EXPECT_EQ(arena.usage().claimed_chunks, 1U);
  // Who allocates for an object has it attached for writing.
  ASSERT_TRUE(victim_.open("a").ok());
  victim_.die();
  EXPECT_EQ(arena.usage().claimed_chunks, 0U);
  EXPECT_EQ(arena.usage().owned_bytes(), owned);
}

// Its page says that it was giving back a block, in truth somebody else's.
TEST_F(ArenaRecoveryTest, WhatAReaderSaysItFreedStays) {
  const Reply array = survivor_.create_in_arena("a", Kind::ARRAY, 3 * memory::kChunkBytes);
  ASSERT_TRUE(array.ok());
  ArenaMemory& arena = *world_.state.memories.find(1);
  const std::uint64_t owned = arena.usage().owned_bytes();
  {
    Thread thread(victim_, 1);
    const std::uint64_t other = array.object() + (std::uint64_t{1} << 32);
    for (std::uint32_t chunk = 0; chunk < 4; ++chunk) {
      thread.record().intent.store(memory::intent_word(chunk, memory::kCellsPerChunkMax + 3, 0));
      thread.record().intent_for.store(other | std::uint64_t{1} << memory::kFreeingShift);
    }
  }
  victim_.die();
  EXPECT_EQ(arena.usage().owned_bytes(), owned);
}

TEST_F(ArenaRecoveryTest, APageOfGarbageIsSurvived) {
  const std::uint64_t lock = shared(Kind::LOCK);
  {
    Thread thread(victim_, 1);
    std::memset(&thread.page(), 0xff, memory::kSessionPageBytes);
  }
  EXPECT_EQ(threads_used(world_.state.sessions.page(victim_.slot())), memory::kThreadsMax + 1);
  while (world_.state.slow_waits.look_at_some(memory::monotonic_ns())) {
  }
  victim_.die();
  EXPECT_FALSE(memory::is_held(*view(lock).descriptor));
  EXPECT_EQ(world_.state.catalog.sessions.used(), 1U);
}

TEST_F(ArenaRecoveryTest, AnArenaOfGarbageIsSurvived) {
  for (const Kind kind : {Kind::LOCK, Kind::R_LOCK, Kind::EVENT}) (void)shared(kind);
  for (const Kind kind : {Kind::SHARED_LOCK, Kind::SEMAPHORE, Kind::CONDITION, Kind::BARRIER,
                          Kind::CELL, Kind::ARRAY}) {
    (void)shared(kind, 300);
  }
  const ArenaMemory& arena = *world_.state.memories.find(1);
  const memory::Geometry& geometry = arena.geometry();
  std::memset(arena.bytes(), 0xff, memory::kPageBytes);
  std::memset(arena.bytes() + geometry.kObjectTable, 0xff, 64 * memory::kDescriptorBytes);
  std::memset(arena.bytes() + geometry.chunk_table, 0xff,
              geometry.file_bytes - geometry.chunk_table);
  EXPECT_FALSE(survivor_.create_in_arena("more", Kind::ARRAY, 5 << 20).ok());
  victim_.die();
  for (int i = 1; i <= made_; ++i) EXPECT_TRUE(survivor_.unlink("o" + std::to_string(i)).ok());
  survivor_.die();
  // Garbage says that others may refer to them: until the trace has looked.
  const std::uint64_t next = world_.state.trace.next_cycle(1);
  while (world_.state.trace.hurry(1, next)) {
  }
  EXPECT_EQ(world_.state.objects.count(), 0U);
  EXPECT_EQ(world_.state.accounts.committed_bytes(), 0U);
}

// ---- session pages ----

TEST_F(ArenaRecoveryTest, ThePageSaysWhoseItIs) {
  Thread thread(victim_, 3);
  const memory::SessionPage& page = thread.page();
  EXPECT_EQ(page.magic, memory::kSessionPageMagic);
  EXPECT_EQ(page.layout, protocol::kLayoutVersion);
  EXPECT_EQ(page.slot, victim_.slot());
  EXPECT_EQ(page.session, victim_.secret().session);
  EXPECT_EQ(page.pid, static_cast<std::uint32_t>(::getpid()));
  EXPECT_EQ(page.arena, make_id(world_.state.catalog.arenas[1].generation, 1));
  EXPECT_EQ(page.manager, world_.state.memories.manager());
  struct stat status {};
  ASSERT_EQ(::fstat(victim_.page(), &status), 0);
  EXPECT_EQ(static_cast<std::size_t>(status.st_size), memory::kSessionPageBytes);
  EXPECT_LE(status.st_blocks * 512, 4 * 4096);  // sparse
  const auto threads = read_threads(victim_.page(), 1, 100);
  ASSERT_EQ(threads.size(), 3U);
  EXPECT_EQ(threads[2].thread, 3U);
  EXPECT_EQ(threads[2].tid, 1003U);
  EXPECT_TRUE(read_threads(victim_.page(), 4, 100).empty());
  EXPECT_TRUE(read_threads(victim_.page(), 0, 100).empty());
}

TEST_F(ArenaRecoveryTest, WaitsShowsPagesOneByOne) {
  const Reply first = survivor_.waits();
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(first.get().getWaits().getSession(), victim_.secret().session);
  EXPECT_EQ(first.get().getWaits().getPid(), static_cast<std::uint32_t>(::getpid()));
  EXPECT_STREQ(first.get().getWaits().getArena().cStr(), "default");
  EXPECT_STREQ(first.get().getWaits().getLabel().cStr(), "test");
  EXPECT_EQ(::fcntl(first.descriptor(0), F_GETFL) & O_ACCMODE, O_RDONLY);
  const Reply second = survivor_.waits(first.get().getWaits().getSession());
  EXPECT_EQ(second.get().getWaits().getSession(), survivor_.secret().session);
  const Reply end = survivor_.waits(second.get().getWaits().getSession());
  ASSERT_TRUE(end.ok());
  EXPECT_EQ(end.get().getWaits().getSession(), 0U);
  EXPECT_LT(end.descriptor(0), 0);
}

TEST(Waits, OthersSeeOnlyTheirOwn) {
  World world({.mode = 0666});
  TestClient own(world);
  TestClient one(world, test::stranger(4711));
  TestClient other(world, test::stranger(4712));
  for (TestClient* client : {&own, &one, &other}) ASSERT_TRUE(client->hello().ok());
  const Reply seen = one.waits();
  EXPECT_EQ(seen.get().getWaits().getSession(), one.secret().session);
  EXPECT_EQ(one.waits(one.secret().session).get().getWaits().getSession(), 0U);
}

// ---- slow waits ----

class SlowWaitsTest : public ArenaRecoveryTest {
 protected:
  static constexpr std::int64_t kSecond = 1'000'000'000;

  std::string look(std::int64_t now_ns) {
    (void)log_.take();
    while (world_.state.slow_waits.look_at_some(now_ns)) {
    }
    return log_.take();
  }
  static void wait(Thread& thread, std::uint64_t object, std::int64_t since_ns) {
    thread.record().since_ns.store(static_cast<std::uint64_t>(since_ns));
    thread.record().purpose.store(static_cast<std::uint32_t>(memory::Purpose::kLock));
    thread.record().waiting.store(object);
  }
};

TEST_F(SlowWaitsTest, AreToldOnce) {
  const std::uint64_t lock = shared(Kind::LOCK);
  Thread holder(survivor_, 1);
  Thread waiter(victim_, 600);
  memory::Acquisition acquired;
  ASSERT_EQ(memory::acquire(view(lock), *holder, 0, &acquired), memory::Result::kDone);
  wait(waiter, lock, 100 * kSecond);
  EXPECT_EQ(look(109 * kSecond), "");
  const std::string told = look(112 * kSecond);
  EXPECT_THAT(told, AllOf(HasSubstr("event=wait.slow"), HasSubstr("thread=600 tid=1600"),
                          HasSubstr("name=o1 kind=Lock for=lock seconds=12"),
                          HasSubstr("object=" + std::to_string(lock)),
                          HasSubstr("session=" + std::to_string(victim_.secret().session)),
                          HasSubstr("holder=" + std::to_string(survivor_.secret().session)),
                          HasSubstr("holder_pid=" + std::to_string(::getpid()))));
  EXPECT_EQ(look(113 * kSecond), "");
  // The next wait of the same thread is told of again; one that is over, never.
  wait(waiter, lock, 120 * kSecond);
  EXPECT_EQ(look(121 * kSecond), "");
  EXPECT_THAT(look(131 * kSecond), HasSubstr("wait.slow"));
  wait(waiter, 0, 0);
  EXPECT_EQ(look(200 * kSecond), "");
}

TEST_F(SlowWaitsTest, NoPageMakesMoreThanSomeLines) {
  const std::uint64_t lock = shared(Kind::LOCK);
  Thread last(victim_, 400);
  for (int i = 0; i < 400; ++i) {
    memory::ThreadRecord& record = last.page().records[i];
    record.since_ns.store(1);
    record.waiting.store(lock);
  }
  const std::string told = look(100 * kSecond);
  std::size_t lines = 0;
  for (std::size_t at = 0; (at = told.find("wait.slow", at)) != std::string::npos; ++at) ++lines;
  EXPECT_EQ(lines, 16U);
}

TEST_F(SlowWaitsTest, AWaitThatMakesNoSenseIsPassedOver) {
  const std::uint64_t segment = victim_.create("m").object();
  const std::uint64_t lock = shared(Kind::LOCK);
  Thread waiter(victim_, 1);
  wait(waiter, segment, kSecond);
  EXPECT_EQ(look(100 * kSecond), "");
  wait(waiter, lock + (std::uint64_t{1} << 32), kSecond);  // another generation
  EXPECT_EQ(look(100 * kSecond), "");
  wait(waiter, lock, 200 * kSecond);  // in the future
  EXPECT_EQ(look(100 * kSecond), "");
}

TEST(SlowWaits, NothingIsLookedAtWhenOff) {
  World world;
  EXPECT_FALSE(world.state.slow_waits.wanted());
  EXPECT_FALSE(world.state.slow_waits.look_at_some(1));
}

}  // namespace
}  // namespace shoal::daemon
