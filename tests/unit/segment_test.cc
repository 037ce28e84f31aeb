// Segments: seals, rights of what is lent, what is committed, and when memory may be used again.
#include "daemon/segment.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/numa.h"
#include "schemas/limits.h"

namespace shoal::daemon {
namespace {

using protocol::UniqueFd;
using ::testing::HasSubstr;

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
constexpr uid_t kNobody = 65534;

int in_child(const std::function<int()>& body) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body());
  int status = -1;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int in_child_as_nobody(const std::function<int()>& body) {
  return in_child([&] {
    if (::setgroups(0, nullptr) != 0 || ::setgid(kNobody) != 0 || ::setuid(kNobody) != 0) return 99;
    return body();
  });
}

// Tests of other uids need root; without it they fail unless that was asked for.
#define NEED_ROOT()                                                               \
  if (::geteuid() != 0) {                                                         \
    if (std::getenv("SHOAL_TESTS_NO_ROOT") != nullptr) GTEST_SKIP() << "no root"; \
    FAIL() << "needs root, or --no-root";                                         \
  }                                                                               \
  static_assert(true)

class Mapping {
 public:
  Mapping(int fd, std::size_t size, int protection)
      : at_(::mmap(nullptr, size, protection, MAP_SHARED, fd, 0)), size_(size) {}
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() {
    if (valid()) ::munmap(at_, size_);
  }
  [[nodiscard]] bool valid() const { return at_ != MAP_FAILED; }
  [[nodiscard]] char* bytes() const { return static_cast<char*>(at_); }

 private:
  void* at_;
  std::size_t size_;
};

class SegmentTest : public ::testing::Test {
 protected:
  Segment make(const SegmentSpec& spec) {
    auto segment = store_.create(spec);
    EXPECT_TRUE(segment.ok()) << segment.status();
    return segment.ok() ? *std::move(segment) : Segment();
  }
  UniqueFd lend(const Segment& segment, bool writable) {
    auto fd = store_.descriptor(segment, writable);
    EXPECT_TRUE(fd.ok()) << fd.status();
    return fd.ok() ? *std::move(fd) : UniqueFd();
  }
  void wash() {
    while (store_.launder()) {
    }
  }

  SegmentStore store_{16 * kMiB};
};

ino_t inode(const Segment& segment) {
  struct stat status {};
  EXPECT_EQ(::fstat(segment.fd(), &status), 0);
  return status.st_ino;
}

TEST_F(SegmentTest, SizeIsExactAndMemoryIsThere) {
  const Segment segment = make({.size = 5000});
  EXPECT_EQ(segment.size(), 5000u);
  EXPECT_EQ(segment.map_size(), 8192u);
  EXPECT_EQ(segment.page_size(), 4096u);
  EXPECT_EQ(segment.committed(), 8192u);
  EXPECT_TRUE(segment.resident());
  struct stat status {};
  ASSERT_EQ(::fstat(segment.fd(), &status), 0);
  EXPECT_EQ(status.st_size, 5000);
  EXPECT_EQ(status.st_mode & 07777, 0600u);
  EXPECT_NE(::fcntl(segment.fd(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST_F(SegmentTest, SparseCommitsNothing) {
  const Segment segment = make({.size = 64 * kMiB, .sparse = true});
  EXPECT_EQ(segment.committed(), 0u);
  EXPECT_FALSE(segment.resident());
}

TEST_F(SegmentTest, BadSizes) {
  EXPECT_EQ(store_.create({.size = 0}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(store_.create({.size = protocol::kSegmentBytesMax + 1}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(SegmentTest, NoDescriptorsIsResourceExhausted) {
  EXPECT_EQ(in_child([&] {
              while (::open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0) {
              }
              return store_.create({.size = 4096}).status().code() ==
                             absl::StatusCode::kResourceExhausted
                         ? 0
                         : 1;
            }),
            0);
}

TEST_F(SegmentTest, SizeIsSealed) {
  const Segment segment = make({.size = 8192});
  const UniqueFd fd = lend(segment, true);
  EXPECT_EQ(::ftruncate(fd.get(), 4096), -1);
  EXPECT_EQ(errno, EPERM);
  EXPECT_EQ(::ftruncate(fd.get(), 16384), -1);
  EXPECT_EQ(errno, EPERM);
  EXPECT_EQ(::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_WRITE), -1) << "a holder must not freeze it";
}

TEST_F(SegmentTest, LentDescriptors) {
  const Segment segment = make({.size = 4096});
  const UniqueFd writer = lend(segment, true);
  const UniqueFd reader = lend(segment, false);
  EXPECT_EQ(::pwrite(writer.get(), "x", 1, 0), 1);
  char byte = 0;
  EXPECT_EQ(::pread(reader.get(), &byte, 1, 0), 1);
  EXPECT_EQ(byte, 'x');
  EXPECT_EQ(::pwrite(reader.get(), "y", 1, 0), -1);
  EXPECT_FALSE(Mapping(reader.get(), 4096, PROT_READ | PROT_WRITE).valid());
  // An open file description of its own has its own position.
  EXPECT_EQ(::lseek(writer.get(), 7, SEEK_SET), 7);
  EXPECT_EQ(::lseek(lend(segment, true).get(), 0, SEEK_CUR), 0);
}

TEST_F(SegmentTest, AnotherUidCannotReopenForWriting) {
  NEED_ROOT();
  const Segment segment = make({.size = 4096, .uid = kNobody});
  const UniqueFd reader = lend(segment, false);
  EXPECT_EQ(in_child_as_nobody([&] {
              const std::string path = "/proc/self/fd/" + std::to_string(reader.get());
              if (::open(path.c_str(), O_RDWR) >= 0 || errno != EACCES) return 1;
              if (::open(path.c_str(), O_RDONLY) >= 0 || errno != EACCES) return 2;
              if (::fchmod(reader.get(), 0666) == 0 || errno != EPERM) return 3;
              if (Mapping(reader.get(), 4096, PROT_READ | PROT_WRITE).valid()) return 4;
              const Mapping mapping(reader.get(), 4096, PROT_READ);
              if (!mapping.valid()) return 5;
              if (::mprotect(mapping.bytes(), 4096, PROT_READ | PROT_WRITE) == 0) return 6;
              return 0;
            }),
            0);
}

TEST_F(SegmentTest, SealIsForEverybody) {
  Segment segment = make({.size = 4096, .sealable = true});
  EXPECT_FALSE(segment.sealed());
  const UniqueFd writer = lend(segment, true);
  {
    const Mapping mapping(writer.get(), 4096, PROT_READ | PROT_WRITE);
    mapping.bytes()[0] = 'a';
    EXPECT_EQ(store_.seal(segment).code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_FALSE(segment.sealed());
    mapping.bytes()[0] = 'b';
  }
  EXPECT_TRUE(store_.seal(segment).ok());
  EXPECT_TRUE(segment.sealed());
  EXPECT_TRUE(store_.seal(segment).ok()) << "again is no error";
  EXPECT_EQ(::pwrite(writer.get(), "x", 1, 0), -1);
  EXPECT_EQ(errno, EPERM);
  EXPECT_FALSE(Mapping(writer.get(), 4096, PROT_READ | PROT_WRITE).valid());
  EXPECT_EQ(::pwrite(segment.fd(), "x", 1, 0), -1) << "the manager is bound too";
  const std::string path = "/proc/self/fd/" + std::to_string(writer.get());
  const UniqueFd again(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  EXPECT_EQ(::pwrite(again.get(), "x", 1, 0), -1);
  EXPECT_EQ(store_.descriptor(segment, true).status().code(),
            absl::StatusCode::kFailedPrecondition);
  const UniqueFd reader = lend(segment, false);
  const Mapping mapping(reader.get(), 4096, PROT_READ);
  ASSERT_TRUE(mapping.valid());
  EXPECT_EQ(mapping.bytes()[0], 'b');
}

TEST_F(SegmentTest, OrdinarySegmentsCannotBeSealed) {
  Segment segment = make({.size = 4096});
  EXPECT_EQ(store_.seal(segment).code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(SegmentTest, HugePagesOrAReason) {
  const Segment segment = make({.size = 3 * kMiB, .huge_pages = true});
  EXPECT_EQ(segment.size(), 3 * kMiB);
  if (segment.huge_pages_refused().empty()) {
    EXPECT_EQ(segment.page_size(), 2 * kMiB);
    EXPECT_EQ(segment.map_size(), 4 * kMiB);
  } else {
    EXPECT_THAT(segment.huge_pages_refused(), HasSubstr("huge pages"));
    EXPECT_EQ(segment.page_size(), 4096u);
    EXPECT_EQ(segment.map_size(), 3 * kMiB);
  }
  EXPECT_EQ(segment.committed(), segment.map_size());
  const UniqueFd writer = lend(segment, true);
  const Mapping mapping(writer.get(), segment.map_size(), PROT_READ | PROT_WRITE);
  ASSERT_TRUE(mapping.valid());
  mapping.bytes()[3 * kMiB - 1] = 'x';
  EXPECT_EQ(::ftruncate(writer.get(), 0), -1);
}

TEST_F(SegmentTest, NumaNodes) {
  const auto node0 = store_.create({.size = kMiB, .numa_node = 0});
  if (!node0.ok()) {
    // A container may filter mbind, a kernel may lack it.
    EXPECT_EQ(node0.status().code(), absl::StatusCode::kFailedPrecondition) << node0.status();
  } else {
    EXPECT_EQ(node0->committed(), kMiB);
  }
  for (const int node : {999, 1 << 20}) {
    const auto refused = store_.create({.size = kMiB, .numa_node = node});
    EXPECT_EQ(refused.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(refused.status().message()), HasSubstr("there is 0"));
  }
  EXPECT_TRUE(list_has("0-3,8", 3));
  EXPECT_TRUE(list_has("0-3,8", 8));
  EXPECT_FALSE(list_has("0-3,8", 4));
  EXPECT_FALSE(list_has("", 0));
}

// ---- who still has it ----

TEST_F(SegmentTest, AloneSeesDescriptorsAndMappings) {
  ASSERT_TRUE(leases_tell_holders());
  Segment segment = make({.size = 4096});
  EXPECT_TRUE(segment.alone());
  EXPECT_TRUE(segment.alone()) << "what the test keeps does not count";
  segment.take_spare().reset();
  for (const bool writable : {true, false}) {
    UniqueFd fd = lend(segment, writable);
    EXPECT_FALSE(segment.alone());
    {
      const Mapping mapping(fd.get(), 4096, writable ? PROT_READ | PROT_WRITE : PROT_READ);
      fd.reset();
      EXPECT_FALSE(segment.alone()) << "mapped, writable " << writable;
    }
    EXPECT_TRUE(segment.alone());
    segment.take_spare().reset();
  }
}

TEST_F(SegmentTest, AloneSeesAForkedChild) {
  Segment segment = make({.size = 4096});
  UniqueFd fd = lend(segment, true);
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    char byte = 0;
    ::close(ends[1]);
    ::_exit(::read(ends[0], &byte, 1) == 0 ? 0 : 1);
  }
  fd.reset();
  EXPECT_FALSE(segment.alone());
  ::close(ends[1]);
  ::close(ends[0]);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_TRUE(segment.alone());
}

TEST_F(SegmentTest, AloneWorksWithoutRights) {
  NEED_ROOT();
  EXPECT_EQ(in_child_as_nobody([] { return leases_tell_holders() ? 0 : 1; }), 0);
}

// Opening the memory in the moment of the test makes the kernel send a signal to the tester.
TEST_F(SegmentTest, AloneSurvivesBeingLookedAt) {
  Segment segment = make({.size = 4096});
  const std::string path =
      "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(segment.fd());
  const pid_t child = ::fork();
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) {
      const int fd = ::open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
      if (fd >= 0) ::close(fd);
    }
  }
  int alone = 0;
  for (int i = 0; i < 100'000; ++i) alone += segment.alone() ? 1 : 0;
  ::kill(child, SIGKILL);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_GT(alone, 0);
}

// ---- the warm pool ----

// Smaller ones are made anew.
constexpr std::uint64_t kWarm = 256 * 1024;

TEST_F(SegmentTest, WarmSegmentIsTheSameMemoryZeroed) {
  const SegmentSpec spec{.size = 3 * kMiB + 5};
  for (const bool laundered : {true, false}) {
    // Unwashed, it is given out at once only where another is left to the washing.
    Segment other;
    if (!laundered) other = make(spec);
    Segment segment = make(spec);
    const ino_t before = inode(segment);
    {
      const UniqueFd fd = lend(segment, true);
      const Mapping mapping(fd.get(), segment.map_size(), PROT_READ | PROT_WRITE);
      std::memset(mapping.bytes(), 0xab, segment.map_size());
    }
    if (!laundered) store_.retire(std::move(other));
    const std::uint64_t kept = store_.warm_bytes();
    store_.retire(std::move(segment));
    EXPECT_EQ(store_.warm_bytes(), kept + 3 * kMiB + 4096);
    if (laundered) {
      EXPECT_TRUE(store_.launder()) << "more than one slice";
      wash();
    }
    const Segment again = make(spec);
    EXPECT_EQ(inode(again), before);
    EXPECT_EQ(store_.warm_bytes(), kept);
    const UniqueFd fd = lend(again, false);
    const Mapping mapping(fd.get(), again.size(), PROT_READ);
    const std::string_view bytes(mapping.bytes(), again.size());
    EXPECT_EQ(bytes.find_first_not_of('\0'), std::string_view::npos) << laundered;
  }
}

TEST_F(SegmentTest, ASingleDirtySegmentIsLeftToTheWashing) {
  const SegmentSpec spec{.size = kMiB};
  Segment segment = make(spec);
  const ino_t before = inode(segment);
  store_.retire(std::move(segment));
  const Segment meanwhile = make(spec);
  EXPECT_NE(inode(meanwhile), before);
  wash();
  EXPECT_EQ(inode(make(spec)), before);
}

// The bytes of the last page past the size are out of read's and write's reach, but not of a
// mapping's: a former user must not speak through them to the next one.
TEST_F(SegmentTest, TheTailOfTheLastPageIsZeroedToo) {
  Segment segment = make({.size = kWarm + 100});
  {
    const UniqueFd fd = lend(segment, true);
    const Mapping mapping(fd.get(), segment.map_size(), PROT_READ | PROT_WRITE);
    std::memset(mapping.bytes(), 0xab, segment.map_size());
  }
  const ino_t before = inode(segment);
  store_.retire(std::move(segment));
  wash();
  const Segment again = make({.size = kWarm + 100});
  ASSERT_EQ(inode(again), before);
  const UniqueFd fd = lend(again, false);
  const Mapping mapping(fd.get(), again.map_size(), PROT_READ);
  EXPECT_EQ(std::string_view(mapping.bytes(), again.map_size()).find_first_not_of('\0'),
            std::string_view::npos);
}

// The heart of the matter: a former holder can never write into a new object.
TEST_F(SegmentTest, HeldMemoryIsNeverUsedAgain) {
  for (const bool laundered : {true, false}) {
    Segment segment = make({.size = kWarm});
    const ino_t before = inode(segment);
    UniqueFd fd = lend(segment, true);
    const Mapping mapping(fd.get(), 4096, PROT_READ | PROT_WRITE);
    fd.reset();
    mapping.bytes()[0] = 'a';
    store_.retire(std::move(segment));
    if (laundered) wash();
    const Segment next = make({.size = kWarm});
    EXPECT_NE(inode(next), before);
    EXPECT_EQ(mapping.bytes()[0], 'a') << "the holder keeps his bytes";
    wash();
    EXPECT_EQ(store_.warm_bytes(), 0u) << "closed, not kept";
  }
}

TEST_F(SegmentTest, OpenedAgainAfterWashingIsNotUsed) {
  Segment segment = make({.size = kWarm});
  const ino_t before = inode(segment);
  const std::string path = "/proc/self/fd/" + std::to_string(segment.fd());
  store_.retire(std::move(segment));
  wash();
  const UniqueFd sneaked(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  ASSERT_TRUE(sneaked.valid());
  EXPECT_NE(inode(make({.size = kWarm})), before);
}

TEST_F(SegmentTest, OnlySameSizeAndUidAndKind) {
  Segment segment = make({.size = kWarm, .uid = 1});
  const ino_t before = inode(segment);
  store_.retire(std::move(segment));
  wash();
  EXPECT_NE(inode(make({.size = kWarm, .uid = 2})), before);
  EXPECT_NE(inode(make({.size = kWarm - 1, .uid = 1})), before);
  EXPECT_NE(inode(make({.size = kWarm, .sealable = true, .uid = 1})), before);
  EXPECT_NE(inode(make({.size = kWarm, .sparse = true, .uid = 1})), before);
  EXPECT_EQ(inode(make({.size = kWarm, .uid = 1})), before);
}

TEST_F(SegmentTest, UnusualSegmentsAreNotKept) {
  store_.retire(make({.size = kWarm, .sealable = true}));
  store_.retire(make({.size = kWarm, .sparse = true}));
  store_.retire(make({.size = 17 * kMiB, .sparse = false}));  // over what may be warm
  EXPECT_EQ(store_.warm_bytes(), 0u);
}

TEST_F(SegmentTest, PunchedHolesAreNoticed) {
  Segment segment = make({.size = 4 * kMiB});
  const ino_t before = inode(segment);
  {
    const UniqueFd fd = lend(segment, true);
    ASSERT_EQ(::fallocate(fd.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 4096), 0);
  }
  store_.retire(std::move(segment));
  wash();
  EXPECT_EQ(store_.warm_bytes(), 0u);
  EXPECT_NE(inode(make({.size = 4 * kMiB})), before);
}

TEST_F(SegmentTest, OldestGoesFirst) {
  Segment first = make({.size = 6 * kMiB});
  Segment second = make({.size = 6 * kMiB + 1});
  Segment third = make({.size = 6 * kMiB + 2});
  const ino_t oldest = inode(first);
  const ino_t middle = inode(second);
  store_.retire(std::move(first));
  store_.retire(std::move(second));
  wash();
  store_.retire(std::move(third));
  EXPECT_LE(store_.warm_bytes(), 16 * kMiB);
  EXPECT_NE(inode(make({.size = 6 * kMiB})), oldest);
  EXPECT_EQ(inode(make({.size = 6 * kMiB + 1})), middle);
}

TEST_F(SegmentTest, DropWarm) {
  for (int i = 0; i < 4; ++i) store_.retire(make({.size = kMiB, .uid = static_cast<uid_t>(i)}));
  (void)store_.launder();
  (void)store_.launder();
  EXPECT_EQ(store_.warm_bytes(), 4 * kMiB);
  EXPECT_TRUE(store_.drop_warm(kMiB + 1));
  EXPECT_EQ(store_.warm_bytes(), 2 * kMiB);
  EXPECT_TRUE(store_.drop_warm(UINT64_MAX));
  EXPECT_EQ(store_.warm_bytes(), 0u);
  EXPECT_FALSE(store_.drop_warm(1));
  EXPECT_FALSE(store_.launder());
}

TEST(SegmentStore, SmallSegmentsAreBoundedInNumber) {
  constexpr std::uint64_t kSmall = 68 * 1024;
  SegmentStore store(std::uint64_t{1} << 30);
  for (int i = 0; i < 1100; ++i) {
    auto segment = make_segment({.size = kSmall});
    ASSERT_TRUE(segment.ok());
    store.retire(*std::move(segment));
  }
  EXPECT_EQ(store.warm_bytes(), 1024 * kSmall);
}

TEST(SegmentStore, NoWarmBytesKeepsNone) {
  SegmentStore store(0);
  store.retire(*store.create({.size = kWarm}));
  EXPECT_EQ(store.warm_bytes(), 0u);
  EXPECT_FALSE(store.launder());
}

}  // namespace
}  // namespace shoal::daemon
