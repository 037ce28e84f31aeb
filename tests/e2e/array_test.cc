// Array: elements by index and by span, its lock, types, sizes.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <mutex>
#include <numeric>
#include <string>
#include <vector>

#include "tests/e2e/sync.h"

namespace shoal::e2e {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class Arrays : public Sync {};

TEST_F(Arrays, IsZeroAtFirst) {
  const Array<int> array = made<Array<int>>("it", {.size = 100});
  EXPECT_EQ(array.size(), 100U);
  EXPECT_TRUE(std::ranges::all_of(array.data(), [](int i) { return i == 0; }));
}

TEST_F(Arrays, ElementsByIndexFromBothEnds) {
  const Array<int> array = made<Array<int>>("it", {.size = 4});
  for (int i = 0; i < 4; ++i) EXPECT_EQ(code(array.set(i, i * 10)), "OK");
  EXPECT_EQ(*array.get(0), 0);
  EXPECT_EQ(*array.get(3), 30);
  EXPECT_EQ(*array.get(-1), 30);
  EXPECT_EQ(*array.get(-4), 0);
  EXPECT_EQ(code(array.set(-2, 7)), "OK");
  EXPECT_THAT(array.data(), ElementsAre(0, 10, 7, 30));
  for (const std::ptrdiff_t index :
       {std::ptrdiff_t{4}, std::ptrdiff_t{-5}, std::numeric_limits<std::ptrdiff_t>::max(),
        std::numeric_limits<std::ptrdiff_t>::min()}) {
    EXPECT_EQ(code(array.get(index)), "OUT_OF_RANGE") << index;
    EXPECT_EQ(code(array.set(index, 1)), "OUT_OF_RANGE") << index;
  }
  EXPECT_THAT(array.get(4).status().message(), HasSubstr("it"));
}

TEST_F(Arrays, SlicesBySpan) {
  const Array<int> array = made<Array<int>>("it", {.size = 10});
  std::iota(array.data().begin(), array.data().end(), 0);
  EXPECT_THAT(array.data().subspan(2, 3), ElementsAre(2, 3, 4));
  const std::array<int, 4> text = {27, 28, 29, 30};
  std::ranges::copy(text, array.data().subspan(4, 4).begin());
  EXPECT_EQ(in_child([&] {
              const Array<int> other = opened<Array<int>>("it");
              std::string said;
              for (const int i : other.data()) said += std::to_string(i) + " ";
              std::ranges::reverse(other.data());
              return said;
            }),
            "0 1 2 3 27 28 29 30 8 9 ");
  EXPECT_THAT(array.data(), ElementsAre(9, 8, 30, 29, 28, 27, 3, 2, 1, 0));
}

TEST_F(Arrays, ElementsWrapAsTheirType) {
  const Array<std::uint8_t> array = made<Array<std::uint8_t>>("it", {.size = 3});
  must(array.set(0, 255));
  ++array.data()[0];
  EXPECT_EQ(*array.get(0), 0);
  --array.data()[1];
  EXPECT_EQ(*array.get(1), 255);
}

TEST_F(Arrays, ElementsOfSeveralNumbers) {
  using Vector = std::array<double, 3>;
  const Array<Vector> array = made<Array<Vector>>("it", {.size = 1000});
  must(array.set(-1, {1, 2, 3}));
  EXPECT_EQ(*array.get(999), (Vector{1, 2, 3}));
  EXPECT_EQ(code(client_.open<Array<double>>("it")), "FAILED_PRECONDITION");
}

TEST_F(Arrays, AnotherTypeIsRefused) {
  const Array<std::int32_t> array = made<Array<std::int32_t>>("it", {.size = 4});
  EXPECT_EQ(code(client_.open<Array<std::uint32_t>>("it")), "FAILED_PRECONDITION");
  EXPECT_EQ(code(client_.open<Array<float>>("it")), "FAILED_PRECONDITION");
  EXPECT_EQ(code(client_.open<Cell<std::int32_t>>("it")), "FAILED_PRECONDITION");
  EXPECT_EQ(must(client_.open<Array<std::int32_t>>("it")).size(), 4U);
}

TEST_F(Arrays, AnExistingOneKeepsItsSize) {
  const Array<int> array = made<Array<int>>("it", {.size = 4});
  EXPECT_EQ(must(client_.open_or_create<Array<int>>("it", {.size = 9})).size(), 4U);
}

TEST_F(Arrays, SizesThatCannotBe) {
  EXPECT_EQ(code(client_.create<Array<int>>("none")), "INVALID_ARGUMENT");
  for (const std::size_t size : {SIZE_MAX, SIZE_MAX / 8, SIZE_MAX / 8 + 2, std::size_t{1} << 45}) {
    const auto refused = client_.create<Array<std::int64_t>>("huge", {.size = size});
    EXPECT_TRUE(code(refused) == "INVALID_ARGUMENT" || code(refused) == "RESOURCE_EXHAUSTED")
        << size << " " << refused.status();
  }
}

TEST_F(Arrays, ALargeOneAndManySmallOnes) {
  const Array<std::uint64_t> large = made<Array<std::uint64_t>>("large", {.size = 1 << 20});
  large.data().back() = 5;
  EXPECT_EQ(*opened<Array<std::uint64_t>>("large").get(-1), 5U);
  // Each has memory of its own, zero also where another was before.
  for (int round = 0; round < 3; ++round) {
    std::vector<Array<int>> arrays;
    for (int i = 0; i < 100; ++i) {
      const std::size_t size = static_cast<std::size_t>(1 + i * 7);
      arrays.push_back(must(client_.create<Array<int>>({.size = size})));
      ASSERT_TRUE(std::ranges::all_of(arrays.back().data(), [](int n) { return n == 0; }));
      std::ranges::fill(arrays.back().data(), i);
    }
    for (int i = 0; i < 100; ++i) {
      ASSERT_TRUE(std::ranges::all_of(arrays[static_cast<std::size_t>(i)].data(),
                                      [&](int n) { return n == i; }));
    }
  }
}

TEST_F(Arrays, ItsLockGuardsIt) {
  const Array<long> array = made<Array<long>>("it", {.size = 2});
  std::vector<Child> children;
  for (int i = 0; i < 3; ++i) {
    children.emplace_back([&](Channel&) {
      for (int n = 0; n < 2000; ++n) {
        const std::scoped_lock guard(array.lock());
        const std::scoped_lock nested(array.lock());
        ++array.data()[0];
        ++array.data()[1];
      }
      return std::string("done");
    });
  }
  for (Child& child : children) EXPECT_EQ(child.result(), "done");
  EXPECT_THAT(array.data(), ElementsAre(6000, 6000));
}

TEST_F(Arrays, ItsLockIsRecoveredAndTheBytesStay) {
  const Array<int> array = made<Array<int>>("it", {.size = 2});
  holder<Array<int>>("it", [](Array<int>& mine) {
    must(mine.lock().acquire());
    must(mine.set(0, 5));
    return std::string("OK");
  }).kill();
  EXPECT_TRUE(must(array.lock().acquire(kLong)).abandoned);
  EXPECT_EQ(*array.get(0), 5);
  EXPECT_EQ(code(array.lock().mark_consistent()), "OK");
}

TEST_F(Arrays, AReaderReads) {
  const Array<int> array = made<Array<int>>("it", {.size = 2});
  must(array.set(0, 3));
  Child child([&](Channel& parent) {
    const Array<int> mine = opened<Array<int>>("it", {.access = Access::kReadOnly});
    parent.say(std::to_string(*mine.get(0)) + " " + code(mine.set(0, 4)) + " " +
               code(mine.lock().acquire(kNow)));
    mine.data()[0] = 9;  // dies
    return std::string();
  });
  EXPECT_EQ(child.hear(), "3 PERMISSION_DENIED PERMISSION_DENIED");
  const int status = child.wait();
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  EXPECT_NE(status, 0);  // the sanitizer says its own last words
#else
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
#endif
  EXPECT_EQ(*array.get(0), 3);
}

TEST_F(Arrays, TheSpanOutlivesTheNameAndWorksInAChild) {
  Array<int> array = made<Array<int>>("it", {.size = 2});
  const std::span<int> span = array.data();
  must(array.unlink());
  EXPECT_EQ(code(client_.open<Array<int>>("it")), "NOT_FOUND");
  EXPECT_EQ(in_child([&] {
              span[0] = 11;
              return code(array.set(1, 12));
            }),
            "OK");
  EXPECT_THAT(span, ElementsAre(11, 12));
  must(array.close());
  EXPECT_EQ(array.size(), 0U);
  EXPECT_TRUE(array.data().empty());
  EXPECT_EQ(code(array.get(0)), "FAILED_PRECONDITION");
}

}  // namespace
}  // namespace shoal::e2e
