// Sealed and read-only memory cannot be written. Every way in is tried; what went through is named.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <shoal/shoal.h>

#include "tests/support/child.h"
#include "tests/support/test_manager.h"
#include "tests/support/watchdog.h"

namespace {

using shoal::Access;
using shoal::SharedMemory;
using namespace shoal::test;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

constexpr std::size_t kSize = 8192;

// Tries to change the memory behind `fd`; appends what worked.
void try_descriptor(int fd, const std::string& how, std::string& worked) {
  if (::pwrite(fd, "!", 1, 0) > 0) worked += how + " pwrite, ";
  void* const mapped = ::mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (mapped != MAP_FAILED) worked += how + " mmap for writing, ";
  void* const read_only = ::mmap(nullptr, kSize, PROT_READ, MAP_SHARED, fd, 0);
  if (read_only == MAP_FAILED) {
    worked += how + " cannot even be read, ";
  } else if (::mprotect(read_only, kSize, PROT_READ | PROT_WRITE) == 0) {
    worked += how + " mprotect, ";
  }
  if (::ftruncate(fd, 0) == 0) worked += how + " truncate, ";
  if (::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096) == 0) {
    worked += how + " punch a hole, ";
  }
}

// Every way that the holder of `memory` has.
std::string try_all(const SharedMemory& memory) {
  std::string worked;
  if (::mprotect(memory.data().data(), kSize, PROT_READ | PROT_WRITE) == 0) {
    worked += "mprotect of the mapping, ";
  }
  if (memory.descriptor(Access::kReadWrite).ok()) worked += "a descriptor for writing, ";
  const int fd = must(memory.descriptor(Access::kReadOnly));
  try_descriptor(fd, "the descriptor:", worked);
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  for (const int flags : {O_RDWR, O_WRONLY, O_RDWR | O_TRUNC}) {
    const int again = ::open(path.c_str(), flags | O_CLOEXEC);
    if (again < 0) continue;
    std::string through;
    try_descriptor(again, "reopened through /proc:", through);
    // One that is open for writing only cannot be mapped at all.
    if (flags != O_WRONLY || through.find("pwrite") != std::string::npos) worked += through;
    ::close(again);
  }
  ::close(fd);
  return worked.empty() ? "nothing" : worked;
}

class Seal : public testing::Test {
 protected:
  SharedMemory make(const char* name, bool sealable = true) const {
    SharedMemory memory =
        must(client_.create<SharedMemory>(name, {.size = kSize, .sealable = sealable}));
    std::memcpy(memory.data().data(), "final", 5);
    return memory;
  }
  static std::string text(const SharedMemory& memory) {
    return {reinterpret_cast<const char*>(memory.data().data()), 5};
  }

  TestManager manager_{{"--mode=0666"}};
  shoal::Client client_ = manager_.client();
};

TEST_F(Seal, NobodyWritesSealedMemory) {
  const SharedMemory memory = make("memory");
  const std::byte* const before = memory.data().data();
  must(memory.seal());
  EXPECT_EQ(memory.data().data(), before) << "the mapping stays where it is";
  EXPECT_EQ(try_all(memory), "nothing");
  EXPECT_EQ(text(memory), "final");
  const shoal::ObjectInfo info = must(client_.stat("memory")).object;
  EXPECT_TRUE(info.sealable);
  EXPECT_TRUE(info.sealed);
  const auto theirs = [&]() -> std::string {
    const shoal::Client client = manager_.client();
    if (client.open<SharedMemory>("memory").ok()) return "opened for writing";
    return try_all(must(client.open<SharedMemory>("memory", {.access = Access::kReadOnly})));
  };
  EXPECT_EQ(in_child(theirs), "nothing");
  EXPECT_THAT(outcome(manager_.client().open<SharedMemory>("memory")),
              AllOf(StartsWith("FAILED_PRECONDITION"), HasSubstr("memory"), HasSubstr("sealed")));
  if (::geteuid() == 0) {
    EXPECT_EQ(in_child(theirs, kOtherUid), "nothing");
  }
  EXPECT_EQ(text(memory), "final");
}

TEST_F(Seal, NorThroughADescriptorFromBefore) {
  const SharedMemory memory = make("memory");
  const int fd = must(memory.descriptor(Access::kReadWrite));
  must(memory.seal());
  std::string worked;
  try_descriptor(fd, "from before:", worked);
  EXPECT_EQ(worked, "");
  ::close(fd);
}

TEST_F(Seal, TwiceIsFine) {
  const SharedMemory memory = make("memory");
  must(memory.seal());
  must(memory.seal());
}

TEST_F(Seal, OfCopiesAndSecondAttachments) {
  const SharedMemory memory = make("memory");
  const SharedMemory copy = memory;
  const SharedMemory second = must(client_.open<SharedMemory>("memory"));
  must(memory.seal());
  EXPECT_EQ(try_all(copy), "nothing");
  EXPECT_EQ(try_all(second), "nothing");
  EXPECT_EQ(text(second), "final");
}

TEST_F(Seal, OnlyWhatWasMadeSealable) {
  const SharedMemory memory = make("memory", false);
  EXPECT_THAT(outcome(memory.seal()),
              AllOf(StartsWith("FAILED_PRECONDITION"), HasSubstr("memory"), HasSubstr("sealable")));
  // Nor by the holder's own hand; and a refusal leaves the mapping as it was.
  const int fd = must(memory.descriptor(Access::kReadWrite));
  EXPECT_NE(::fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
  ::close(fd);
  memory.data()[0] = std::byte{'F'};
  EXPECT_EQ(text(memory), "Final");
}

TEST_F(Seal, NeitherShrinksNorGrows) {
  const SharedMemory memory = make("memory", false);
  const int fd = must(memory.descriptor(Access::kReadWrite));
  EXPECT_NE(::ftruncate(fd, 0), 0);
  EXPECT_NE(::ftruncate(fd, kSize * 2), 0);
  EXPECT_EQ(::lseek(fd, 0, SEEK_END), static_cast<off_t>(kSize));
  ::close(fd);
}

TEST_F(Seal, IsRefusedWhileAnotherWrites) {
  // Forked before the memory is made, so that it inherits no mapping of it.
  Child other([&](Channel& parent) -> std::string {
    (void)parent.hear();
    const shoal::Client client = manager_.client();
    SharedMemory theirs = must(client.open<SharedMemory>("memory"));
    parent.say("attached");
    (void)parent.hear();
    must(theirs.close());
    theirs = must(client.open<SharedMemory>("memory", {.access = Access::kReadOnly}));
    parent.say("reads");
    return parent.hear();
  });
  const SharedMemory memory = make("memory");
  other.say("attach");
  ASSERT_EQ(other.hear(), "attached");
  EXPECT_THAT(outcome(memory.seal()), AllOf(StartsWith("FAILED_PRECONDITION"), HasSubstr("memory"),
                                            HasSubstr("pid " + std::to_string(other.pid())),
                                            HasSubstr("uid " + std::to_string(::getuid()))));
  memory.data()[0] = std::byte{'F'};
  EXPECT_FALSE(must(client_.stat("memory")).object.sealed);
  other.say("close");
  ASSERT_EQ(other.hear(), "reads");
  EXPECT_EQ(outcome(memory.seal()), "OK");
  EXPECT_EQ(text(memory), "Final");
}

TEST_F(Seal, IsRefusedWhileAWritableMappingOfOursIsOutsideShoal) {
  const SharedMemory memory = make("memory");
  const int fd = must(memory.descriptor(Access::kReadWrite));
  void* const mapped = ::mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  ASSERT_NE(mapped, MAP_FAILED);
  ::close(fd);
  EXPECT_THAT(outcome(memory.seal()), StartsWith("FAILED_PRECONDITION"));
  memory.data()[0] = std::byte{'F'};
  ::munmap(mapped, kSize);
  EXPECT_EQ(outcome(memory.seal()), "OK");
  EXPECT_EQ(text(memory), "Final");
}

TEST_F(Seal, AReaderMayNotSeal) {
  const SharedMemory memory = make("memory");
  const SharedMemory reader =
      must(manager_.client().open<SharedMemory>("memory", {.access = Access::kReadOnly}));
  EXPECT_THAT(outcome(reader.seal()), StartsWith("PERMISSION_DENIED"));
}

TEST_F(Seal, ReadOnlyAttachmentsOfAnotherUidCannotBeWritten) {
  SHOAL_NEEDS_ROOT();
  const SharedMemory memory = make("memory", false);
  must(client_.arena("default").chmod(0604));
  EXPECT_EQ(in_child(
                [&]() -> std::string {
                  const shoal::Client client = manager_.client();
                  return try_all(
                      must(client.open<SharedMemory>("memory", {.access = Access::kReadOnly})));
                },
                kOtherUid),
            "nothing");
  // Nor by way of the manager's own descriptors.
  EXPECT_EQ(in_child(
                [&]() -> std::string {
                  const std::string folder = "/proc/" + std::to_string(manager_.pid()) + "/fd/";
                  for (int fd = 0; fd < 256; ++fd) {
                    if (::open((folder + std::to_string(fd)).c_str(), O_RDONLY) >= 0) return "open";
                  }
                  return "nothing";
                },
                kOtherUid),
            "nothing");
  EXPECT_EQ(text(memory), "final");
}

TEST_F(Seal, AReadOnlyMappingIsReadOnly) {
  const SharedMemory memory = make("memory", false);
  const SharedMemory reader =
      must(manager_.client().open<SharedMemory>("memory", {.access = Access::kReadOnly}));
  EXPECT_EQ(reader.access(), Access::kReadOnly);
  EXPECT_EQ(text(reader), "final");
  memory.data()[0] = std::byte{'F'};
  EXPECT_EQ(text(reader), "Final") << "it is the same memory";
  EXPECT_NE(::mprotect(reader.data().data(), kSize, PROT_READ | PROT_WRITE), 0);
}

}  // namespace
