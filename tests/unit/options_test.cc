// Flags, their variables, sizes and defaults; and the log's quoting, as both face what people type.
#include "daemon/options.h"

#include <fcntl.h>
#include <unistd.h>

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/log.h"
#include "schemas/limits.h"

namespace shoal::daemon {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;
constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

struct Result {
  absl::StatusOr<Options> options;
  std::vector<std::string> warnings;
};

Result parse(std::vector<const char*> flags, std::vector<const char*> env = {}) {
  flags.insert(flags.begin(), "shoald");
  env.push_back(nullptr);
  Result result;
  result.options = parse_options(flags, env.data(), &result.warnings, 16 * kGiB);
  return result;
}

std::string refusal(std::vector<const char*> flags, std::vector<const char*> env = {}) {
  const Result result = parse(std::move(flags), std::move(env));
  EXPECT_EQ(result.options.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(result.options.status().message());
}

TEST(Options, Defaults) {
  const Result result = parse({});
  ASSERT_TRUE(result.options.ok()) << result.options.status();
  EXPECT_EQ(result.options->socket, "");
  EXPECT_EQ(result.options->memory_max, 8 * kGiB);
  EXPECT_EQ(result.options->warm_bytes, 256 * kMiB);
  EXPECT_EQ(result.options->default_quota, 8 * kGiB);
  EXPECT_EQ(result.options->default_mode, 0600u);
  EXPECT_EQ(result.options->socket_mode, kSocketModeByFolder);
  EXPECT_EQ(result.options->sessions_max, protocol::kSessionsMax);
  EXPECT_EQ(result.options->arena_size, 8 * kGiB);
  EXPECT_EQ(result.options->slow_wait_ms, 10'000u);
  EXPECT_EQ(result.options->parent_fd, -1);
  EXPECT_EQ(result.options->ready_fd, -1);
  EXPECT_THAT(result.warnings, IsEmpty());
}

TEST(Options, DefaultsFollowMemoryMax) {
  const Result result = parse({"--memory-max", "1GiB"});
  ASSERT_TRUE(result.options.ok());
  EXPECT_EQ(result.options->warm_bytes, 128 * kMiB);
  EXPECT_EQ(result.options->default_quota, kGiB);
}

TEST(Options, MemoryOfTheMachineIsFound) {
  std::vector<const char*> argv{"shoald"};
  const auto options = parse_options(argv, nullptr, nullptr);
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_GT(options->memory_max, 0u);
}

TEST(Options, BothForms) {
  for (const auto& flags : {std::vector<const char*>{"--socket", "/a b", "--mode", "660"},
                            std::vector<const char*>{"--socket=/a b", "--mode=0660"}}) {
    const Result result = parse(flags);
    ASSERT_TRUE(result.options.ok()) << result.options.status();
    EXPECT_EQ(result.options->socket, "/a b");
    EXPECT_EQ(result.options->default_mode, 0660u);
  }
}

TEST(Options, Sizes) {
  const auto memory_max = [](const char* size) {
    return parse({"--memory-max", size, "--warm-bytes", "0"}).options->memory_max;
  };
  EXPECT_EQ(memory_max("4096"), 4096u);
  EXPECT_EQ(memory_max("64KiB"), 65536u);
  EXPECT_EQ(memory_max("3MiB"), 3 * kMiB);
  EXPECT_EQ(memory_max("2TiB"), 2048 * kGiB);
  EXPECT_EQ(memory_max("25%"), 4 * kGiB);
  for (const char* bad : {"", "x", "1GB", "1.5GiB", "-1", "101%", "99999999999999999999", " 1",
                          "18446744073709551615KiB", "1GiB "}) {
    EXPECT_THAT(refusal({"--memory-max", bad}), HasSubstr("--memory-max")) << bad;
  }
}

TEST(Options, SizesOfArenas) {
  const auto size = [](const char* value) {
    return parse({"--arena-size", value}).options->arena_size;
  };
  EXPECT_EQ(size("1MiB"), kMiB);
  EXPECT_EQ(size("64GiB"), 64 * kGiB);
  EXPECT_EQ(size("1048577"), kMiB);  // whole chunks
  for (const char* bad : {"0", "1048575", "68719476737", "x"}) {
    EXPECT_THAT(refusal({"--arena-size", bad}), HasSubstr("--arena-size")) << bad;
  }
  std::vector<const char*> argv{"shoald"};
  const char* const none[] = {nullptr};
  EXPECT_EQ(parse_options(argv, none, nullptr, 1024 * kGiB)->arena_size, 64 * kGiB);
  EXPECT_EQ(parse_options(argv, none, nullptr, kMiB)->arena_size, kMiB);
}

TEST(Options, Durations) {
  const auto slow = [](const char* value) {
    return parse({"--slow-wait", value}).options->slow_wait_ms;
  };
  EXPECT_EQ(slow("0"), 0u);
  EXPECT_EQ(slow("0s"), 0u);
  EXPECT_EQ(slow("250ms"), 250u);
  EXPECT_EQ(slow("7s"), 7'000u);
  EXPECT_EQ(slow("2min"), 120'000u);
  EXPECT_EQ(slow("1h"), 3'600'000u);
  for (const char* bad :
       {"", "x", "5", "1.5s", "-1s", "3 s", "2d", "99999h", "99999999999999999999s"}) {
    EXPECT_THAT(refusal({"--slow-wait", bad}), HasSubstr("--slow-wait")) << bad;
  }
}

TEST(Options, FlagBeatsVariable) {
  const Result result = parse({"--quota=1GiB"}, {"SHOAL_QUOTA=2GiB", "SHOAL_LOG_LEVEL=debug"});
  ASSERT_TRUE(result.options.ok());
  EXPECT_EQ(result.options->default_quota, kGiB);
  EXPECT_EQ(result.options->log_level, Level::kDebug);
}

TEST(Options, EveryFlagHasItsVariable) {
  const Result result =
      parse({}, {"SHOAL_SOCKET=/s", "SHOAL_MEMORY_MAX=1GiB", "SHOAL_WARM_BYTES=1MiB",
                 "SHOAL_QUOTA=2MiB", "SHOAL_MODE=0640", "SHOAL_SOCKET_MODE=0666",
                 "SHOAL_SESSIONS_MAX=7", "SHOAL_ARENA_SIZE=3MiB", "SHOAL_SLOW_WAIT=2s",
                 "SHOAL_PARENT_FD=5", "SHOAL_READY_FD=6", "PATH=/bin"});
  ASSERT_TRUE(result.options.ok()) << result.options.status();
  EXPECT_EQ(result.options->socket, "/s");
  EXPECT_EQ(result.options->memory_max, kGiB);
  EXPECT_EQ(result.options->warm_bytes, kMiB);
  EXPECT_EQ(result.options->default_quota, 2 * kMiB);
  EXPECT_EQ(result.options->default_mode, 0640u);
  EXPECT_EQ(result.options->socket_mode, 0666u);
  EXPECT_EQ(result.options->sessions_max, 7u);
  EXPECT_EQ(result.options->arena_size, 3 * kMiB);
  EXPECT_EQ(result.options->slow_wait_ms, 2'000u);
  EXPECT_EQ(result.options->parent_fd, 5);
  EXPECT_EQ(result.options->ready_fd, 6);
  EXPECT_THAT(result.warnings, IsEmpty());
}

TEST(Options, UnknownFlagNamesTheClosest) {
  EXPECT_THAT(refusal({"--sokcet", "/a"}), HasSubstr("--socket?"));
  EXPECT_THAT(refusal({"--memory-mx=1"}), HasSubstr("--memory-max?"));
  EXPECT_THAT(refusal({"extra"}), HasSubstr("\"extra\""));
  EXPECT_THAT(refusal({"--socket"}), HasSubstr("needs a PATH"));
}

TEST(Options, UnknownVariableIsAWarning) {
  const Result result =
      parse({}, {"SHOAL_SOKCET=/a", "SHOAL_ARENA=x", "SHOAL_SHOALD=/b", "SHOAL_QUOTA="});
  ASSERT_TRUE(result.options.ok());
  ASSERT_EQ(result.warnings.size(), 1u);
  EXPECT_THAT(result.warnings[0], HasSubstr("SHOAL_SOKCET"));
}

TEST(Options, BadVariableIsNamed) {
  EXPECT_THAT(refusal({}, {"SHOAL_MODE=9"}), HasSubstr("$SHOAL_MODE"));
}

TEST(Options, BadValues) {
  EXPECT_THAT(refusal({"--mode", "01000"}), HasSubstr("octal"));
  EXPECT_THAT(refusal({"--sessions-max", "0"}), HasSubstr("from 1 to 65534"));
  EXPECT_THAT(refusal({"--sessions-max", "65535"}), HasSubstr("from 1 to 65534"));
  EXPECT_THAT(refusal({"--parent-fd", "-1"}), HasSubstr("--parent-fd"));
  EXPECT_THAT(refusal({"--log-level", "loud"}), HasSubstr("warning"));
  EXPECT_THAT(refusal({"--memory-max", "0"}), HasSubstr("--memory-max"));
  EXPECT_THAT(refusal({"--memory-max=1GiB", "--quota=2GiB"}), HasSubstr("--quota"));
  EXPECT_THAT(refusal({"--memory-max=1GiB", "--warm-bytes=2GiB"}), HasSubstr("--warm-bytes"));
}

TEST(Options, HelpWinsOverMistakes) {
  const Result result = parse({"--nonsense", "--help"}, {"SHOAL_MODE=9"});
  ASSERT_TRUE(result.options.ok());
  EXPECT_TRUE(result.options->help);
  EXPECT_TRUE(parse({"--version"}).options->version);
  for (const char* piece : {"--memory-max SIZE", "$SHOAL_MEMORY_MAX", "default: 50%", "KiB"}) {
    EXPECT_THAT(help_text(), HasSubstr(piece));
  }
}

TEST(Log, HostileValuesStayOneField) {
  EXPECT_EQ(log_value("plain-1.2/x"), "plain-1.2/x");
  EXPECT_EQ(log_value(""), "\"\"");
  EXPECT_EQ(log_value("a b"), "\"a b\"");
  EXPECT_EQ(log_value("x=1"), "\"x=1\"");
  EXPECT_EQ(log_value("a\nlevel=error"), "\"a\\nlevel=error\"");
  EXPECT_EQ(log_value("\"\\"), "\"\\\"\\\\\"");
  EXPECT_EQ(log_value("\x1b[31m"), "\"\\x1b[31m\"");
  EXPECT_EQ(log_value("\xc2\x9b"), "\"\\xc2\\x9b\"");
  EXPECT_EQ(log_value("\xff"), "\"\\xff\"");
  EXPECT_EQ(log_value("\xc2"), "\"\\xc2\"");
  EXPECT_EQ(log_value("größe"), "\"größe\"");
  EXPECT_LT(log_value(std::string(100'000, '\x01')).size(), 1100u);
}

TEST(Log, OneLineAnEvent) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  Log log(Level::kInfo, ends[1]);
  log(Level::kDebug, "not.this");
  log(Level::kInfo, "session.open", {{"pid", 12}, {"label", std::string("a b")}, {"ok", true}});
  char bytes[512] = {};
  const ssize_t got = ::read(ends[0], bytes, sizeof bytes - 1);
  ASSERT_GT(got, 0);
  EXPECT_THAT(bytes, ::testing::MatchesRegex("time=[0-9-]+T[0-9:]+\\.[0-9]+Z level=info "
                                             "event=session.open pid=12 label=\"a b\" ok=true\n"));
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST(Log, NeverWaitsForAReader) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  Log log(Level::kInfo, ends[1]);
  const std::string filling(1000, 'x');
  for (int i = 0; i < 200; ++i) log(Level::kInfo, "filling", {{"v", filling}});
  EXPECT_GT(log.dropped(), 0u);
  const std::uint64_t dropped = log.dropped();
  std::string all(std::size_t{1} << 20, '\0');
  ASSERT_GT(::read(ends[0], all.data(), all.size()), 0);
  log(Level::kInfo, "again");
  EXPECT_EQ(log.dropped(), 0u);
  const ssize_t got = ::read(ends[0], all.data(), all.size());
  ASSERT_GT(got, 0);
  all.resize(static_cast<std::size_t>(got));
  EXPECT_THAT(all, HasSubstr("dropped=" + std::to_string(dropped)));
  // Nor does a reader that is gone end the process.
  ::close(ends[0]);
  log(Level::kInfo, "alone");
  EXPECT_EQ(log.dropped(), 1u);
  ::close(ends[1]);
}

}  // namespace
}  // namespace shoal::daemon
