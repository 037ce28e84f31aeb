// Every example does what its first lines say. Programs only: what they use is tested elsewhere.
#include <cstdlib>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/program.h"
#include "tests/support/test_manager.h"

namespace shoal::e2e {
namespace {

using testing::HasSubstr;

class Examples : public testing::Test {
 protected:
  // Runs an example with these words to its end and expects success; what it said.
  std::string say(std::vector<std::string> words) {
    const int expected = 0;
    return say(std::move(words), expected).first;
  }
  std::pair<std::string, std::string> say(std::vector<std::string> words, int status) {
    words[0] = std::string(std::getenv("SHOAL_BIN_DIR")) + "/../examples/" + words[0];
    Program program(words, {"SHOAL_SOCKET=" + manager_.socket()});
    EXPECT_EQ(program.wait().status, status) << words[0] << '\n' << program.err();
    return {program.out(), program.err()};
  }

  test::TestManager manager_{{"--warm-bytes=0"}};
  test::LeakMeasure leaks_{manager_};
};

TEST_F(Examples, HelloFromOneProcessToAnother) {
  EXPECT_THAT(say({"hello_reader"}, 1).second, HasSubstr("NOT_FOUND"));
  EXPECT_EQ(say({"hello_writer", "good morning"}), "left 12 bytes in \"hello\"\n");
  EXPECT_THAT(say({"hello_writer"}, 1).second, HasSubstr("ALREADY_EXISTS"));
  EXPECT_EQ(say({"hello_reader"}), "good morning\n");
  EXPECT_EQ(leaks_.what_is_left(), "");
}

TEST_F(Examples, BoostMapIsBuiltInOneProcessAndReadInAnother) {
  const std::string tea = "a-kind-of-tea-whose-name-is-too-long-to-stand-in-the-map-itself";
  EXPECT_EQ(say({"boost_map", "write", "salt=0.5", "bread=3.25", tea + "=7"}), "3 prices\n");
  EXPECT_EQ(say({"boost_map", "read", "bread", tea, "saffron"}),
            "bread 3.25\n" + tea + " 7\nsaffron unknown\n");
  EXPECT_EQ(say({"boost_map"}, 2).first, "");
}

TEST_F(Examples, ForkedWorkersFillOneSegment) { EXPECT_EQ(say({"fork_workers"}), "sum 7998000\n"); }

TEST_F(Examples, ALockOutlivesItsOwner) {
  EXPECT_EQ(say({"hello_lock"}), "token 3, abandoned\n70 + 30\n");
}

TEST_F(Examples, ADictLosesNothingWithAProcessInMidChange) {
  EXPECT_EQ(say({"hello_dict"}), "the killed one had taken 20\nleft 780, booked 220\n");
}

TEST_F(Examples, TwoProcessesTakeTurns) {
  EXPECT_EQ(say({"hello_condition"}), "ping 0\npong 1\nping 2\npong 3\nping 4\npong 5\n");
}

TEST_F(Examples, EpollTellsOfAnEvent) { EXPECT_EQ(say({"epoll_event"}), "set 1\nset 2\nset 3\n"); }

TEST_F(Examples, SidecarIsAManagerOfItsOwn) {
  const std::string story = say({"sidecar"});
  EXPECT_THAT(story, HasSubstr("manager "));
  EXPECT_THAT(story, testing::Not(HasSubstr(manager_.socket())));
  EXPECT_THAT(story, HasSubstr("\n42\n0.5\n'text'\nNone\n"));
}

}  // namespace
}  // namespace shoal::e2e
