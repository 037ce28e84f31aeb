// The gauge against made-up /proc and cgroup files.
#include "schemas/memory_gauge.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace shoal::protocol {
namespace {

using ::testing::HasSubstr;

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;

class Gauge : public ::testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/shoal-gauge-XXXXXX";
    ASSERT_NE(::mkdtemp(folder), nullptr);
    root_ = folder;
    host(100 * kGiB, 50 * kGiB);
    write("/proc/self/cgroup", "0::/\n");
    write("/proc/self/mountinfo", "");
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  void write(const std::string& path, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(root_ + path).parent_path());
    std::ofstream(root_ + path) << text;
  }
  void write(const std::string& path, std::uint64_t number) {
    write(path, std::to_string(number) + "\n");
  }
  void host(std::uint64_t total, std::uint64_t available) {
    write("/proc/meminfo",
          "MemTotal:       " + std::to_string(total / 1024) +
              " kB\nMemFree:  1 kB\nMemAvailable:   " + std::to_string(available / 1024) + " kB\n");
  }
  void v2() {
    write("/proc/self/cgroup", "0::/a/b\n");
    write("/proc/self/mountinfo",
          "30 1 0:26 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw,nsdelegate\n");
    write("/sys/fs/cgroup/a/b/memory.max", "max\n");
    write("/sys/fs/cgroup/a/b/memory.current", kGiB);
    write("/sys/fs/cgroup/a/memory.max", 4 * kGiB);
    write("/sys/fs/cgroup/a/memory.current", 3 * kGiB);
    write("/sys/fs/cgroup/a/memory.stat", "file 9\ninactive_file 0\n");
  }
  MemoryGauge gauge() {
    return MemoryGauge(root_, [this] { return now_ns_; });
  }

  std::string root_;
  std::int64_t now_ns_ = 1;
};

TEST_F(Gauge, HostLessReserve) {
  MemoryGauge host_only = gauge();
  EXPECT_EQ(host_only.available(), 50 * kGiB - 2 * kGiB);
  EXPECT_EQ(memory_limit(root_).bytes, 100 * kGiB);
  EXPECT_EQ(memory_limit(root_).of, "host memory");
}

TEST_F(Gauge, SmallCreatesReadNoFile) {
  MemoryGauge g = gauge();
  const std::uint64_t before = g.available();
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(g.admit(4096).ok());
  EXPECT_EQ(g.readings(), 1u);
  EXPECT_EQ(g.available(), before - 1000 * 4096);
  g.released(1000 * 4096);
  EXPECT_EQ(g.available(), before);
}

TEST_F(Gauge, ReadsAgainWhenOldOrLow) {
  MemoryGauge g = gauge();
  now_ns_ += 99'000'000;
  ASSERT_TRUE(g.admit(1).ok());
  EXPECT_EQ(g.readings(), 1u);
  now_ns_ += 1'000'000;
  ASSERT_TRUE(g.admit(1).ok());
  EXPECT_EQ(g.readings(), 2u);
  ASSERT_TRUE(g.admit(30 * kGiB).ok());
  EXPECT_EQ(g.readings(), 3u);
  // In truth memory is short by now.
  host(100 * kGiB, 10 * kGiB);
  const absl::Status status = g.admit(10 * kGiB);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()), HasSubstr(std::to_string(10 * kGiB)));
  EXPECT_THAT(std::string(status.message()), HasSubstr(std::to_string(8 * kGiB)));
  EXPECT_THAT(std::string(status.message()), HasSubstr("host memory"));
  EXPECT_EQ(g.available(), 8 * kGiB);  // a refusal counts nothing
}

TEST_F(Gauge, TightestAncestorOfV2) {
  v2();
  EXPECT_EQ(memory_limit(root_).bytes, 4 * kGiB);
  EXPECT_EQ(memory_limit(root_).of, "cgroup /a");
  MemoryGauge g = gauge();
  const std::uint64_t reserve = 4 * kGiB / 50;
  EXPECT_EQ(g.available(), kGiB - reserve);
  EXPECT_THAT(std::string(g.admit(2 * kGiB).message()), HasSubstr("cgroup /a"));
  write("/sys/fs/cgroup/a/memory.stat", "inactive_file " + std::to_string(kGiB) + "\n");
  EXPECT_TRUE(g.admit(kGiB).ok());
}

TEST_F(Gauge, TinyCgroupKeepsMostOfItself) {
  v2();
  write("/sys/fs/cgroup/a/b/memory.max", 32 * kMiB);
  write("/sys/fs/cgroup/a/b/memory.current", 8 * kMiB);
  EXPECT_EQ(gauge().available(), 20 * kMiB);
}

TEST_F(Gauge, OverItsLimitIsZero) {
  v2();
  write("/sys/fs/cgroup/a/memory.current", 5 * kGiB);
  MemoryGauge g = gauge();
  EXPECT_EQ(g.available(), 0u);
  EXPECT_FALSE(g.admit(1).ok());
}

TEST_F(Gauge, V1InAContainer) {
  // The mount begins at the container's own group.
  write("/proc/self/cgroup", "5:cpu:/x\n4:memory,hugetlb:/docker/c1/in\n0::/\n");
  write("/proc/self/mountinfo",
        "35 31 0:32 /docker/c1 /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n");
  write("/sys/fs/cgroup/memory/in/memory.limit_in_bytes", "9223372036854771712\n");
  write("/sys/fs/cgroup/memory/in/memory.usage_in_bytes", kMiB);
  write("/sys/fs/cgroup/memory/memory.limit_in_bytes", 2 * kGiB);
  write("/sys/fs/cgroup/memory/memory.usage_in_bytes", kGiB);
  write("/sys/fs/cgroup/memory/memory.stat", "inactive_file 5\ntotal_inactive_file 4096\n");
  const auto groups = memory_cgroups(root_);
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_EQ(groups[0].name, "/in");
  EXPECT_EQ(groups[1].name, "/");
  EXPECT_EQ(gauge().available(), kGiB + 4096 - 64 * kMiB);
  EXPECT_EQ(memory_limit(root_).bytes, 2 * kGiB);
}

TEST_F(Gauge, PathOutsideTheMountFallsBackToItsTop) {
  v2();
  write("/proc/self/cgroup", "0::/../elsewhere\n");
  write("/sys/fs/cgroup/memory.max", 2 * kGiB);
  const auto groups = memory_cgroups(root_);
  ASSERT_EQ(groups.size(), 1u);
  EXPECT_EQ(groups[0].name, "/");
}

TEST_F(Gauge, FollowsAMoveToAnotherGroup) {
  v2();
  MemoryGauge g = gauge();
  EXPECT_LT(g.available(), kGiB);
  std::filesystem::remove_all(root_ + "/sys/fs/cgroup/a");
  write("/proc/self/cgroup", "0::/n\n");
  write("/sys/fs/cgroup/n/memory.max", 10 * kGiB);
  write("/sys/fs/cgroup/n/memory.current", 0);
  now_ns_ += 200'000'000;
  (void)g.available();
  now_ns_ += 200'000'000;
  EXPECT_GT(g.available(), 9 * kGiB);
  EXPECT_LT(g.available(), 10 * kGiB);
}

TEST(RealGauge, ThisMachineGivesSomething) {
  MemoryGauge g;
  EXPECT_GT(g.available(), 0u);
  EXPECT_TRUE(g.admit(4096).ok());
  EXPECT_FALSE(g.admit(std::uint64_t{1} << 50).ok());
  EXPECT_GT(memory_limit().bytes, 0u);
}

}  // namespace
}  // namespace shoal::protocol
