// The error table: every code that SharedMemory, ShareableList and names can give, and that its
// message names the object and says what to do.
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <shoal/shoal.h>

#include "tests/support/child.h"
#include "tests/support/test_manager.h"
#include "tests/support/watchdog.h"

namespace {

using shoal::ShareableList;
using shoal::SharedMemory;
using namespace shoal::test;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

class Errors : public testing::Test {
 protected:
  TestManager manager_{{"--memory-max=64MiB"}};
  shoal::Client client_ = manager_.client();
};

TEST_F(Errors, NotFoundNamesTheObject) {
  const auto matches = AllOf(StartsWith("NOT_FOUND"), HasSubstr("missing"), HasSubstr("shoalctl"));
  EXPECT_THAT(outcome(client_.open<SharedMemory>("missing")), matches);
  EXPECT_THAT(outcome(client_.open<ShareableList>("missing")), matches);
  EXPECT_THAT(outcome(client_.unlink("missing")), matches);
  EXPECT_THAT(outcome(client_.stat("missing")), matches);
  EXPECT_THAT(outcome(client_.stat_by_id(12'345)),
              AllOf(StartsWith("NOT_FOUND"), HasSubstr("12345")));
  EXPECT_THAT(outcome(client_.arena("missing").stat()), matches);
  EXPECT_THAT(outcome(client_.open<SharedMemory>(shoal::Token{"missing"})),
              StartsWith("NOT_FOUND"));
  const ShareableList list = must(client_.create<ShareableList>("list", {.values = {1}}));
  EXPECT_THAT(outcome(list.index(2)), StartsWith("NOT_FOUND"));
}

TEST_F(Errors, AlreadyExistsNamesTheObject) {
  const SharedMemory memory = must(client_.create<SharedMemory>("taken", {.size = 10}));
  const auto matches = AllOf(StartsWith("ALREADY_EXISTS"), HasSubstr("taken"));
  EXPECT_THAT(outcome(client_.create<SharedMemory>("taken", {.size = 10})), matches);
  EXPECT_THAT(outcome(client_.create<ShareableList>("taken", {.values = {1}})), matches);
  must(client_.arena("taken").create());
  EXPECT_THAT(outcome(client_.arena("taken").create()), matches);
  // Nothing is left of the refused ones.
  EXPECT_EQ(must(client_.list()).size(), 1U);
  EXPECT_EQ(must(client_.list_unnamed()).size(), 0U);
}

TEST_F(Errors, FailedPreconditionForAnotherKind) {
  const SharedMemory memory = must(client_.create<SharedMemory>("memory", {.size = 10}));
  const ShareableList list = must(client_.create<ShareableList>("list", {.values = {1}}));
  const auto as_list = AllOf(StartsWith("FAILED_PRECONDITION"), HasSubstr("memory"),
                             HasSubstr("SharedMemory"), HasSubstr("ShareableList"));
  const auto as_memory = AllOf(StartsWith("FAILED_PRECONDITION"), HasSubstr("list"),
                               HasSubstr("SharedMemory"), HasSubstr("ShareableList"));
  EXPECT_THAT(outcome(client_.open<ShareableList>("memory")), as_list);
  EXPECT_THAT(outcome(client_.open_or_create<ShareableList>("memory", {.values = {1}})), as_list);
  EXPECT_THAT(outcome(client_.open<SharedMemory>("list")), as_memory);
  EXPECT_THAT(outcome(client_.open_or_create<SharedMemory>("list", {.size = 10})), as_memory);
  // A refused attempt holds nothing.
  EXPECT_EQ(must(client_.stat("memory")).object.references, 1U);
  EXPECT_EQ(must(client_.stat("list")).object.references, 1U);
  EXPECT_THAT(outcome(list.get_double(0)), StartsWith("FAILED_PRECONDITION"));
}

TEST_F(Errors, InvalidArgumentForNames) {
  const std::string longest(255, 'n');
  for (const std::string& name :
       {std::string(256, 'n'), std::string("a\0b", 3), std::string("\xff\xfe"), std::string("a\nb"),
        std::string(" a"), std::string("a "), std::string("\xed\xa0\x80")}) {
    EXPECT_THAT(outcome(client_.create<SharedMemory>(name, {.size = 1})),
                StartsWith("INVALID_ARGUMENT"))
        << testing::PrintToString(name);
    EXPECT_THAT(outcome(client_.open<SharedMemory>(name)), StartsWith("INVALID_ARGUMENT"));
    EXPECT_THAT(outcome(client_.unlink(name)), StartsWith("INVALID_ARGUMENT"));
    EXPECT_THAT(outcome(client_.create<ShareableList>(name, {.values = {1}})),
                StartsWith("INVALID_ARGUMENT"));
    EXPECT_THAT(outcome(client_.arena(name).create()), StartsWith("INVALID_ARGUMENT"));
  }
  // Without options there is no name to give; with an empty one it was forgotten.
  EXPECT_THAT(outcome(client_.create<SharedMemory>("", {.size = 1})),
              StartsWith("INVALID_ARGUMENT"));
  EXPECT_THAT(outcome(client_.open<SharedMemory>("")), StartsWith("INVALID_ARGUMENT"));
  EXPECT_THAT(outcome(client_.unlink("")), StartsWith("INVALID_ARGUMENT"));
  for (const std::string& name :
       {longest, std::string("a b"), std::string("../a"), std::string("/"), std::string("."),
        std::string("snö/\xf0\x9f\x90\x9f")}) {
    EXPECT_TRUE(client_.create<SharedMemory>(name, {.size = 1}).ok()) << name;
    EXPECT_TRUE(client_.open<SharedMemory>(name).ok()) << name;
    EXPECT_TRUE(client_.unlink(name).ok()) << name;
  }
  EXPECT_EQ(must(client_.list()).size(), 0U);
}

TEST_F(Errors, InvalidArgumentForSizesAndOptions) {
  EXPECT_THAT(outcome(client_.create<SharedMemory>("zero", {.size = 0})),
              AllOf(StartsWith("INVALID_ARGUMENT"), HasSubstr("zero")));
  EXPECT_THAT(outcome(client_.create<SharedMemory>("huge", {.size = UINT64_MAX})),
              AllOf(StartsWith("INVALID_ARGUMENT"), HasSubstr("huge")));
  const SharedMemory memory = must(client_.create<SharedMemory>("memory", {.size = 10}));
  for (const absl::Duration time :
       {absl::ZeroDuration(), absl::Seconds(-1), absl::Hours(25), absl::InfiniteDuration()}) {
    EXPECT_THAT(outcome(client_.share(memory, time)), StartsWith("INVALID_ARGUMENT"))
        << absl::FormatDuration(time);
  }
  EXPECT_THAT(outcome(client_.arena("a").create({.mode = 0777})), StartsWith("INVALID_ARGUMENT"));
  EXPECT_THAT(outcome(client_.create<ShareableList>("list", {.values = {"\xff"}})),
              StartsWith("INVALID_ARGUMENT"));
  EXPECT_EQ(must(client_.list()).size(), 1U);
}

TEST_F(Errors, OutOfRangeOfAList) {
  const ShareableList list = must(client_.create<ShareableList>("list", {.values = {1, "text"}}));
  const auto matches = StartsWith("OUT_OF_RANGE");
  for (const std::ptrdiff_t index : {std::ptrdiff_t{2}, std::ptrdiff_t{-3}, PTRDIFF_MAX}) {
    EXPECT_THAT(outcome(list.get(index)), matches) << index;
    EXPECT_THAT(outcome(list.set(index, 1)), matches) << index;
    EXPECT_THAT(outcome(list.format(index)), matches) << index;
  }
  EXPECT_THAT(outcome(list.set(1, "more than its slot has room for")), matches);
  EXPECT_EQ(must(list.get(1)), shoal::Value("text")) << "a refused set changes nothing";
}

TEST_F(Errors, ResourceExhaustedNamesWhatIsFull) {
  EXPECT_THAT(outcome(client_.create<SharedMemory>("big", {.size = 128 << 20})),
              AllOf(StartsWith("RESOURCE_EXHAUSTED"), HasSubstr("default"), HasSubstr("quota")));
  EXPECT_EQ(must(client_.list()).size(), 0U);
}

TEST_F(Errors, PermissionDeniedForAReader) {
  const SharedMemory writer = must(client_.create<SharedMemory>("memory", {.size = 10}));
  const SharedMemory reader =
      must(manager_.client().open<SharedMemory>("memory", {.access = shoal::Access::kReadOnly}));
  EXPECT_THAT(outcome(reader.descriptor(shoal::Access::kReadWrite)),
              AllOf(StartsWith("PERMISSION_DENIED"), HasSubstr("memory")));
}

TEST_F(Errors, DataLossForBytesThatAreNoList) {
  const SharedMemory memory = must(client_.create<SharedMemory>("memory", {.size = 100}));
  std::ranges::fill(memory.data(), std::byte{0xab});
  EXPECT_THAT(outcome(ShareableList::over(memory)),
              AllOf(StartsWith("DATA_LOSS"), HasSubstr("memory")));
}

TEST_F(Errors, ClosedObjectsAreFailedPrecondition) {
  ShareableList list = must(client_.create<ShareableList>("list", {.values = {1}}));
  must(list.close());
  must(list.close());
  EXPECT_EQ(list.size(), 0U);
  for (const std::string& said :
       {outcome(list.get(0)), outcome(list.set(0, 1)), outcome(list.get_int(0)),
        outcome(list.set_int(0, 1)), outcome(list.index(1)), outcome(list.count(1)),
        outcome(list.format(0)), outcome(list.unlink()), outcome(client_.share(list))}) {
    EXPECT_THAT(said, StartsWith("FAILED_PRECONDITION"));
  }
  EXPECT_THAT(outcome(ShareableList().get(0)), StartsWith("FAILED_PRECONDITION"));
  EXPECT_THAT(outcome(SharedMemory().unlink()), StartsWith("FAILED_PRECONDITION"));
}

}  // namespace
