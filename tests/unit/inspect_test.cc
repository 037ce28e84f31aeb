// The inspector over hand-made pages, arenas and processes: whose is what, and bytes that lie.
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "memory/barrier.h"
#include "memory/semaphore.h"
#include "memory/shared_lock.h"
#include "tests/unit/inspect_world.h"

namespace shoal::test {
namespace {

using memory::Acquisition;
using memory::ObjectKind;
using memory::Purpose;
using memory::Result;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

void acquire(const memory::ObjectView& lock, std::uint16_t slot, std::uint32_t thread) {
  memory::Caller caller = World::caller(slot, thread);
  Acquisition acquisition;
  ASSERT_EQ(memory::acquire(lock, caller, 0, &acquisition), Result::kDone);
}

TEST(Inspect, TellsWhoHoldsALockAndWhoWaits) {
  World world;
  World::Program one{.pid = 100, .name = "one", .threads = {{100, 100}, {101, 101, 'T'}}};
  World::Program two{.pid = 200, .name = "two", .threads = {{200, 200}}};
  world.session(7, one);
  auto& waiting = world.session(8, two);
  acquire(world.lay(3, ObjectKind::kLock), 7, 2);
  world.lay(4, ObjectKind::kLock);  // free: nothing to tell
  World::wait(waiting, 1, 3, Purpose::kLock);
  world.write(one);
  world.write(two);
  world.write({.pid = 300});

  const absl::Time before = absl::Now() - absl::Seconds(60);
  const Inspector seen = world.look();
  ASSERT_THAT(seen.locks(), SizeIs(1));
  const LockSeen& lock = seen.locks()[0];
  EXPECT_EQ(lock.object, World::object_id(3));
  EXPECT_EQ(lock.kind, Kind::kLock);
  EXPECT_EQ(lock.manager, kManager);
  EXPECT_EQ(lock.arena, kArena);
  EXPECT_EQ(lock.token, 1U);
  ASSERT_TRUE(lock.holder.has_value());
  EXPECT_EQ(lock.holder->session, World::session_id(7));
  EXPECT_EQ(lock.holder->pid, 100);
  EXPECT_EQ(lock.holder->tid, 101);
  EXPECT_EQ(lock.holder->label, "one");
  EXPECT_TRUE(lock.holder->stopped);
  ASSERT_THAT(lock.waiters, SizeIs(1));
  EXPECT_EQ(lock.waiters[0].thread.pid, 200);
  EXPECT_FALSE(lock.waiters[0].thread.stopped);
  EXPECT_EQ(lock.waiters[0].purpose, WaitPurpose::kLock);
  ASSERT_TRUE(lock.since().has_value());
  EXPECT_GT(*lock.since(), before);
  EXPECT_LE(*lock.since(), absl::Now());
  EXPECT_THAT(seen.sessions(), SizeIs(2));
  EXPECT_THAT(seen.waits(), SizeIs(1));
  EXPECT_EQ(seen.unreadable(), 0U);

  EXPECT_TRUE(seen.object(kManager, World::object_id(4)).has_value());
  EXPECT_FALSE(seen.object(kManager, World::object_id(5)).has_value());
  EXPECT_FALSE(seen.object(kManager + 1, World::object_id(4)).has_value());
  EXPECT_EQ(seen.object_text(kManager, World::object_id(4)), "#12884901892");
}

TEST(Inspect, OtherManagersAreLeftOutWhenOneIsAsked) {
  World world;
  World::Program one{.pid = 100, .threads = {{100, 100}}};
  world.session(7, one);
  acquire(world.lay(3, ObjectKind::kLock), 7, 1);
  world.write(one);
  EXPECT_THAT(Inspector::look({.proc = world.root(), .manager = kManager})->locks(), SizeIs(1));
  EXPECT_THAT(Inspector::look({.proc = world.root(), .manager = 1})->locks(), IsEmpty());
  EXPECT_THAT(Inspector::look({.proc = world.root(), .manager = 1})->sessions(), IsEmpty());
}

TEST(Inspect, AForkedChildIsNotTheOneThatHolds) {
  World world;
  World::Program parent{.pid = 100, .name = "parent", .threads = {{100, 100}}};
  World::Program child{.pid = 90, .parent = 100, .name = "child", .threads = {{90, 90}}};
  world.session(7, parent);
  world.map_page(child, 7);
  acquire(world.lay(3, ObjectKind::kLock), 7, 1);
  world.write(parent);
  world.write(child);
  const Inspector seen = world.look();
  ASSERT_THAT(seen.locks(), SizeIs(1));
  EXPECT_EQ(seen.locks()[0].holder->pid, 100);
  EXPECT_THAT(seen.sessions(), SizeIs(1));
}

TEST(Inspect, APageWhoseProcessIsGoneIsNobodys) {
  World world;
  World::Program parent{.pid = 100, .threads = {{100, 100}}};
  World::Program child{.pid = 101, .parent = 1, .threads = {{101, 101}}};
  auto& page = world.session(7, parent);
  world.map_page(child, 7);
  world.map_arena(child);
  acquire(world.lay(3, ObjectKind::kLock), 7, 1);
  World::wait(page, 1, 3, Purpose::kLock);
  world.write(child);
  const Inspector seen = world.look();
  ASSERT_THAT(seen.locks(), SizeIs(1));
  EXPECT_EQ(seen.locks()[0].holder->pid, 0);
  EXPECT_EQ(seen.locks()[0].holder->slot, 7);
  EXPECT_THAT(seen.locks()[0].waiters, IsEmpty());
  ASSERT_THAT(seen.sessions(), SizeIs(1));
  EXPECT_EQ(seen.sessions()[0].pid, 0);
}

TEST(Inspect, ASlotThatIsUsedAgainIsTheNewSessions) {
  World world;
  World::Program old{.pid = 100, .threads = {{100, 100}}};
  World::Program fork{.pid = 101, .parent = 1, .threads = {{101, 101}}};
  World::Program fresh{.pid = 200, .threads = {{200, 200}}};
  world.session(7, old);
  world.map_page(fork, 7);
  world.session(8, fresh).slot = 7;
  acquire(world.lay(3, ObjectKind::kLock), 7, 1);
  world.write(fork);
  world.write(fresh);
  EXPECT_EQ(world.look().locks().at(0).holder->pid, 200);
}

TEST(Inspect, PidsOfContainersAreToldAsWeCountThem) {
  World world;
  World::Program inside{.pid = 4000, .pids = "4000\t12", .threads = {{4000, 12}, {4001, 13}}};
  auto& page = world.session(7, inside);
  page.pid = 12;  // of a manager in the container
  acquire(world.lay(3, ObjectKind::kRLock), 7, 2);
  world.write(inside);
  const Inspector seen = world.look();
  ASSERT_THAT(seen.locks(), SizeIs(1));
  EXPECT_EQ(seen.locks()[0].holder->pid, 4000);
  EXPECT_EQ(seen.locks()[0].holder->tid, 4001);
}

TEST(Inspect, TellsHoldersOfPermitsReadersAndParties) {
  World world;
  World::Program one{.pid = 100, .threads = {{100, 100}}};
  World::Program two{.pid = 200, .threads = {{200, 200}}};
  world.session(7, one);
  world.session(8, two);
  memory::Caller first = World::caller(7, 1);
  memory::Caller second = World::caller(8, 1);
  const auto permits = world.lay(3, ObjectKind::kSemaphore, 200);  // more than fit a descriptor
  for (int i = 0; i < 3; ++i) ASSERT_EQ(memory::acquire_permit(permits, first, 0), Result::kDone);
  ASSERT_EQ(memory::acquire_permit(permits, second, 0), Result::kDone);
  const auto shared = world.lay(4, ObjectKind::kSharedLock, 32);
  Acquisition acquisition;
  for (int i = 0; i < 2; ++i) {
    ASSERT_EQ(memory::acquire_shared(shared, second, 0, &acquisition), Result::kDone);
  }
  const auto barrier = world.lay(5, ObjectKind::kBarrier, 3);
  memory::Arrival arrival;
  ASSERT_EQ(memory::arrive(barrier, first, 0, &arrival), Result::kDone);
  world.lay(6, ObjectKind::kSemaphore, 2, memory::kFlagPlain);
  world.write(one);
  world.write(two);

  const Inspector seen = world.look();
  ASSERT_THAT(seen.locks(), SizeIs(3));
  const LockSeen& semaphore = seen.locks()[0];
  ASSERT_THAT(semaphore.holders, SizeIs(2));
  EXPECT_EQ(semaphore.holders[0].holder.pid, 100);
  EXPECT_EQ(semaphore.holders[0].count, 3U);
  EXPECT_EQ(semaphore.holders[1].count, 1U);
  EXPECT_EQ(semaphore.value, 196U);
  ASSERT_THAT(seen.locks()[1].holders, SizeIs(1));
  EXPECT_EQ(seen.locks()[1].holders[0].holder.pid, 200);
  EXPECT_EQ(seen.locks()[1].holders[0].count, 2U);
  EXPECT_EQ(seen.locks()[2].arrived, 1U);
  EXPECT_EQ(seen.locks()[2].parameter, 3U);
  const auto plain = seen.object(kManager, World::object_id(6));
  ASSERT_TRUE(plain.has_value());
  EXPECT_TRUE(plain->plain);
  EXPECT_EQ(plain->value, 2U);
}

TEST(Inspect, CountersAreThoseOfAllThreads) {
  World world;
  World::Program one{.pid = 100, .threads = {{100, 100}, {101, 101}}};
  auto& page = world.session(7, one);
  page.records[0].operations.store(5);
  page.records[1].operations.store(6);
  page.records[1].tid.store(0);  // it has ended
  page.records[1].waited_ns.store(2'000'000);
  world.write(one);
  const Inspector seen = world.look();
  ASSERT_THAT(seen.sessions(), SizeIs(1));
  EXPECT_EQ(seen.sessions()[0].counters.operations, 11U);
  EXPECT_EQ(seen.sessions()[0].counters.waited, absl::Milliseconds(2));
  EXPECT_THAT(seen.sessions()[0].threads, SizeIs(1));
}

TEST(Inspect, BytesThatLieAreNotFollowed) {
  World world;
  World::Program one{.pid = 100, .threads = {{100, 100}}};
  auto& page = world.session(7, one);
  page.threads.store(0xffffffff);
  page.records[0].waiting.store(~std::uint64_t{0});
  page.records[0].since_ns.store(~std::uint64_t{0});
  page.records[0].purpose.store(12345);
  page.records[1].tid.store(99);
  page.records[1].waiting.store(World::object_id(4));
  // Cells beyond everything, a kind that is none, an id of another place, a slot that is none.
  for (const std::uint64_t block : {~std::uint64_t{0}, std::uint64_t{1} << 62, std::uint64_t{1}}) {
    const auto index = static_cast<std::uint32_t>(10 + block % 7);
    auto& d = *world.lay(index, ObjectKind::kSharedLock, 40).descriptor;
    d.block.store(block);
    d.lock.store(0xffffffff);
  }
  auto& wide = *world.lay(3, ObjectKind::kSemaphore, 4).descriptor;
  wide.parameter.store(~std::uint64_t{0});
  world.lay(4, ObjectKind::kLock).descriptor->kind.store(999);
  world.lay(5, ObjectKind::kLock).descriptor->id.store(World::object_id(6));
  world.write(one);
  std::filesystem::create_directories(world.root() + "/400");
  std::ofstream(world.root() + "/400/maps")
      << "zz-10 rw-s 0 0 0 /memfd:shoal-arena\n10-5 rw-s 0 0:0 1 /memfd:shoal-session\n\n-\n"
      << "7fffffffffff0000-ffffffffffffffff rw-s 0 0:0 7 /memfd:shoal-arena\n";
  const Inspector seen = world.look();
  ASSERT_THAT(seen.waits(), SizeIs(2));
  for (const WaitSeen& wait : seen.waits()) EXPECT_EQ(wait.since, absl::InfinitePast());
  for (const LockSeen& lock : seen.locks()) EXPECT_FALSE(lock.holder.has_value());
  EXPECT_THAT(seen.deadlocks(), IsEmpty());
}

TEST(Inspect, RandomBytesDoNoHarm) {
  World world;
  World::Program programs[] = {{.pid = 100, .threads = {{100, 100}, {101, 101}}},
                               {.pid = 200, .threads = {{200, 200}, {201, 201}}}};
  memory::SessionPage* pages[2];
  for (std::uint16_t i = 0; i < 2; ++i) {
    pages[i] = &world.session(static_cast<std::uint16_t>(1 + i), programs[i]);
    pages[i]->threads.store(40);
  }
  auto* const table =
      reinterpret_cast<std::uint32_t*>(world.arena() + memory::Geometry::kObjectTable);
  constexpr std::uint32_t kObjects = 32;
  constexpr std::uint32_t kWords = memory::kDescriptorBytes / 4;
  std::fill_n(table, kObjects * kWords, 1U);  // no holes
  for (auto* page : pages) page->records[39].tid.store(1);
  for (const World::Program& program : programs) world.write(program);
  std::mt19937 random(20261121);
  const auto below = [&](std::uint32_t n) { return static_cast<std::uint32_t>(random() % n); };
  std::size_t found = 0;
  for (int round = 0; round < 200; ++round) {
    for (std::uint32_t i = 0; i < kObjects * kWords; ++i)
      table[i] = below(8) == 0 ? random() : below(4);
    for (std::uint32_t i = 1; i < kObjects; ++i) {
      auto& d = *reinterpret_cast<memory::Descriptor*>(table + i * kWords);
      d.id.store(World::object_id(i));
      d.kind.store(static_cast<std::uint16_t>(3 + below(10)));
      d.lock.store(memory::owner_of(static_cast<std::uint16_t>(below(4)), below(40)) << 2);
      if (below(2) == 0) d.parameter.store(below(200));
    }
    for (auto* page : pages) {
      for (std::uint32_t i = 0; i < 39; ++i) {
        memory::ThreadRecord& record = page->records[i];
        record.tid.store(below(300));
        record.waiting.store(World::object_id(below(kObjects)));
        record.since_ns.store(random());
        record.purpose.store(below(10));
      }
    }
    const Inspector seen = world.look();
    EXPECT_THAT(seen.sessions(), SizeIs(2));
    found += seen.deadlocks().size();
  }
  EXPECT_GT(found, 0U);
}

TEST(Inspect, APageOfAnotherReleaseIsLeftAlone) {
  World world;
  World::Program one{.pid = 100, .threads = {{100, 100}}};
  world.session(7, one).layout += 1;
  reinterpret_cast<memory::ArenaHeader*>(world.arena())->layout += 1;
  acquire(world.lay(3, ObjectKind::kLock), 7, 1);
  world.write(one);
  EXPECT_THAT(world.look().sessions(), IsEmpty());
  EXPECT_THAT(world.look().locks(), IsEmpty());
}

// As where Yama keeps the memory of a process from its own uid.
TEST(Inspect, WhatMayNotBeReadAsMemoryIsReadThroughADescriptor) {
  World world;
  const std::string folder = world.root() + "/100";
  const int page = ::memfd_create("page", MFD_CLOEXEC);
  ASSERT_EQ(::ftruncate(page, memory::kSessionPageBytes), 0);
  memory::SessionPage& content = *static_cast<memory::SessionPage*>(
      ::mmap(nullptr, memory::kSessionPageBytes, PROT_READ | PROT_WRITE, MAP_SHARED, page, 0));
  content.magic = memory::kSessionPageMagic;
  content.layout = protocol::kLayoutVersion;
  content.pid = 100;
  content.session = 5;
  struct stat status {};
  ASSERT_EQ(::fstat(page, &status), 0);
  World::Program one{.pid = 100, .threads = {{100, 100}}};
  one.maps.push_back(
      absl::StrFormat("10000000-10200000 rw-s 00000000 %02x:%02x %d /memfd:shoal-session (deleted)",
                      major(status.st_dev), minor(status.st_dev), status.st_ino));
  world.write(one);
  std::filesystem::remove(folder + "/mem");
  EXPECT_THAT(world.look().sessions(), IsEmpty());
  EXPECT_EQ(world.look().unreadable(), 1U);
  // The manager's.
  std::filesystem::create_directories(world.root() + "/200/fd");
  std::filesystem::create_symlink(absl::StrCat("/proc/", ::getpid(), "/fd/", page),
                                  world.root() + "/200/fd/7");
  const Inspector seen = world.look();
  ASSERT_THAT(seen.sessions(), SizeIs(1));
  EXPECT_EQ(seen.sessions()[0].session, 5U);
  EXPECT_EQ(seen.unreadable(), 0U);
  ::munmap(&content, memory::kSessionPageBytes);
  ::close(page);
}

TEST(Inspect, WithoutAProcessFileSystemItSaysSo) {
  EXPECT_EQ(Inspector::look({.proc = "/nonexistent"}).status().code(),
            absl::StatusCode::kUnavailable);
}

TEST(Inspect, ADeadlockOfBytesIsFound) {
  World world;
  World::Program one{.pid = 100, .threads = {{100, 100}}};
  World::Program two{.pid = 200, .threads = {{200, 200}}};
  auto& first = world.session(7, one);
  auto& second = world.session(8, two);
  acquire(world.lay(3, ObjectKind::kLock), 7, 1);
  acquire(world.lay(4, ObjectKind::kLock), 8, 1);
  World::wait(first, 1, 4, Purpose::kLock);
  World::wait(second, 1, 3, Purpose::kLock);
  world.write(one);
  world.write(two);
  const std::vector<Deadlock> found = world.look().deadlocks();
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_TRUE(found[0].certain);
  ASSERT_THAT(found[0].steps, SizeIs(2));
  EXPECT_NE(found[0].steps[0].thread.pid, found[0].steps[1].thread.pid);
}

}  // namespace
}  // namespace shoal::test
