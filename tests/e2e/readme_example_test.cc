// The example of README.md, taken out of it by the build, compiled and run as it stands there.
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/program.h"
#include "tests/support/child.h"
#include "tests/support/test_manager.h"

namespace shoal::e2e {
namespace {

TEST(ReadmeExample, OneProcessLeavesATextAndAnotherReadsIt) {
  test::TestManager manager({"--warm-bytes=0"});
  const test::LeakMeasure leaks(manager);
  const auto run = [&](std::vector<std::string> words, int status) {
    words.insert(words.begin(), std::string(SHOAL_README_EXAMPLE));
    Program program(words, {"SHOAL_SOCKET=" + manager.socket()});
    EXPECT_EQ(program.wait().status, status) << program.err();
    return status == 0 ? program.out() : program.err();
  };
  EXPECT_EQ(run({"hello from the first process"}, 0), "");
  EXPECT_EQ(run({}, 0), "hello from the first process\n");
  EXPECT_THAT(run({}, 1), testing::HasSubstr("NOT_FOUND"));
  EXPECT_EQ(leaks.what_is_left(), "");
}

TEST(ReadmeExample, SaysHowToStartAManager) {
  Program program({SHOAL_README_EXAMPLE}, {"SHOAL_SOCKET=/nonexistent/shoald.sock"});
  EXPECT_EQ(program.wait().status, 1);
  EXPECT_THAT(program.err(), testing::HasSubstr("/nonexistent/shoald.sock"));
  EXPECT_THAT(program.err(), testing::HasSubstr("shoald"));
}

}  // namespace
}  // namespace shoal::e2e
