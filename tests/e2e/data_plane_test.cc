// The promise of the data plane (data_plane.h) for segments and lists.
#include "tests/e2e/data_plane.h"

#include <array>
#include <cstddef>

#include <gtest/gtest.h>

#include <shoal/shoal.h>

namespace shoal::e2e {
namespace {

class ListDataPlane : public DataPlane {
 protected:
  ShareableList list_ = *client_.create<ShareableList>(
      "list", {.values = {0, 1.5, "twenty-four bytes of it!", nullptr}});
};

TEST_F(ListDataPlane, TheFilterKills) {
  if (kInstrumented) return;
  EXPECT_EQ(outcome_of([](int i) { return i == 0 || ::syscall(SYS_getppid) > 0; }), -SIGKILL);
}

TEST_F(ListDataPlane, GetInt) {
  EXPECT_EQ(outcome_of([&](int) { return *list_.get_int(0) == 0; }), kDone);
}

TEST_F(ListDataPlane, GetDouble) {
  EXPECT_EQ(outcome_of([&](int) { return *list_.get_double(1) == 1.5; }), kDone);
}

TEST_F(ListDataPlane, GetInto) {
  std::array<std::byte, 32> room;
  EXPECT_EQ(outcome_of([&](int) { return *list_.get_into(2, room) == 24; }), kDone);
}

TEST_F(ListDataPlane, SetInt) {
  EXPECT_EQ(outcome_of([&](int i) { return list_.set_int(0, i).ok(); }), kDone);
  EXPECT_EQ(*list_.get_int(0), kTimes - 1);
}

TEST_F(ListDataPlane, SetOfAText) {
  const Value text("twenty-four bytes of it?");
  EXPECT_EQ(outcome_of([&](int) { return list_.set(2, text).ok(); }), kDone);
}

TEST_F(ListDataPlane, BytesOfASegment) {
  const SharedMemory memory = *client_.create<SharedMemory>("bytes", {.size = 4096});
  EXPECT_EQ(outcome_of([&](int i) {
              memory.data()[i % 4096] = static_cast<std::byte>(i);
              return memory.size() == 4096;
            }),
            kDone);
}

}  // namespace
}  // namespace shoal::e2e
