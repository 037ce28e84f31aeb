// shoalctl get, dump and rm: what is in an object comes out whole, with its types, and nothing is
// changed by looking.
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/shoalctl_fixture.h"

namespace shoal::e2e {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

constexpr std::int64_t kBig = (std::int64_t{1} << 53) + 1;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

std::vector<Value> every_kind() {
  return {nullptr,
          true,
          42,
          std::int64_t{1} << 53,
          kBig,
          std::numeric_limits<std::int64_t>::min(),
          0.5,
          1.0,
          1e300,
          std::nan(""),
          -kInfinity,
          "text \"quoted\" \n \xc3\xa4",
          Bytes("\x00\xff", 2),
          "",
          Bytes()};
}

TEST_F(Shoalctl, GetShowsTheElements) {
  const auto list = make_list("totals", every_kind());
  const json values = ask({"get", "totals"}).at("values");
  const json expected = {nullptr,
                         true,
                         42,
                         std::int64_t{1} << 53,
                         "9007199254740993",
                         "-9223372036854775808",
                         0.5,
                         1.0,
                         1e300,
                         "nan",
                         "-inf",
                         "text \"quoted\" \n \xc3\xa4",
                         {{"bytes", "AP8="}},
                         "",
                         {{"bytes", ""}}};
  EXPECT_EQ(values, expected);
  EXPECT_TRUE(values[7].is_number_float());

  EXPECT_EQ(ask({"get", "totals", "2"}).at("value"), 42);
  EXPECT_EQ(ask({"get", "totals", "-3"}).at("value"), json({{"bytes", "AP8="}}));
  EXPECT_EQ(ctl({"get", "totals", "2"}).out, "42\n");
  EXPECT_EQ(ctl({"get", "totals", "11"}).out, "text \"quoted\" \\n \xc3\xa4\n");
  const Result outside = ctl({"get", "totals", "15"});
  EXPECT_EQ(outside.status, 1);
  EXPECT_THAT(outside.out, IsEmpty());
  const Result no_index = ctl({"get", "totals", "a"});
  EXPECT_EQ(no_index.status, 2);
  EXPECT_THAT(no_index.err, HasSubstr("have an index, not a key"));

  const std::string table = ctl({"get", "totals"}).out;
  EXPECT_THAT(table, StartsWith("INDEX  TYPE"));
  EXPECT_THAT(table, HasSubstr("int64"));
  EXPECT_THAT(table, HasSubstr("\"text \"quoted\" \\n"));
}

// What `help dump` promises a reader.
Value loaded(const json& line) {
  if (line.is_null()) return nullptr;
  if (line.is_boolean()) return line.get<bool>();
  if (line.is_number_float()) return line.get<double>();
  if (line.is_number()) return line.get<std::int64_t>();
  if (line.is_string()) return line.get<std::string>();
  if (line.contains("int")) return std::int64_t{std::stoll(line.at("int").get<std::string>())};
  if (line.contains("double")) return std::stod(line.at("double").get<std::string>());
  std::string bytes;
  EXPECT_TRUE(absl::Base64Unescape(line.at("bytes").get<std::string>(), &bytes));
  return Bytes(bytes);
}

TEST_F(Shoalctl, DumpOfAListCanBeLoadedBack) {
  const std::vector<Value> values = every_kind();
  const auto list = make_list("totals", values);
  const Result dumped = ctl({"dump", "totals"});
  EXPECT_EQ(dumped.status, 0) << dumped.err;
  std::istringstream lines(dumped.out);
  std::string line;
  ASSERT_TRUE(std::getline(lines, line));
  EXPECT_EQ(line, R"({"kind":"ShareableList","name":"totals","size":15})");
  std::size_t at = 0;
  for (; std::getline(lines, line); ++at) {
    ASSERT_LT(at, values.size());
    const Value value = loaded(json::parse(line));
    EXPECT_EQ(value.kind(), values[at].kind()) << line;
    EXPECT_EQ(value.to_string(), values[at].to_string()) << line;  // NaN equals nothing
  }
  EXPECT_EQ(at, values.size());
  EXPECT_EQ(ctl({"dump", "totals", "--json"}).out, dumped.out);
  EXPECT_EQ(ctl({"dump", "totals", "--hex"}).status, 1);
}

TEST_F(Shoalctl, AnEmptyListIsEmpty) {
  const auto list = make_list("none", {});
  EXPECT_EQ(ask({"get", "none"}).at("values"), json::array());
  EXPECT_EQ(ctl({"get", "none"}).err, "shoalctl: none has no elements\n");
  EXPECT_EQ(ctl({"dump", "none"}).out,
            "{\"kind\":\"ShareableList\",\"name\":\"none\",\"size\":0}\n");
}

TEST_F(Shoalctl, DamageIsFour) {
  const auto list = make_list("totals", {1, 2, 3});
  const auto bytes = list.memory().data();
  std::fill(bytes.begin(), bytes.end(), std::byte{0xee});
  for (const char* command : {"get", "dump"}) {
    const Result result = ctl({command, "totals"});
    EXPECT_EQ(result.status, 4) << result.err;
    EXPECT_THAT(result.err, StartsWith("shoalctl: "));
  }
}

std::string pattern(std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t at = 0; at < size; ++at) bytes[at] = static_cast<char>(at * 7 + at / 256);
  return bytes;
}

void fill(const SharedMemory& memory, const std::string& bytes) {
  std::memcpy(memory.data().data(), bytes.data(), bytes.size());
}

std::string decoded(const json& answer) {
  std::string bytes;
  EXPECT_TRUE(absl::Base64Unescape(answer.at("bytes").get<std::string>(), &bytes));
  return bytes;
}

TEST_F(Shoalctl, GetShowsTheFirstBytes) {
  const auto memory = make("frame0", 1000);
  fill(memory, "Hello, shoal!\n" + pattern(986));
  const std::string text = ctl({"get", "frame0"}).out;
  EXPECT_THAT(text, StartsWith("frame0: SharedMemory, 1000 bytes\n00000000  48 65 6c 6c 6f"));
  EXPECT_THAT(text, HasSubstr("|Hello, shoal!."));
  EXPECT_THAT(text, HasSubstr("\n000000f0 "));
  EXPECT_THAT(text, EndsWith("... 744 more bytes: shoalctl dump frame0 --hex\n"));
  EXPECT_EQ(ask({"get", "frame0"}).at("bytes").get<std::string>().substr(0, 16),
            "SGVsbG8sIHNob2Fs");
  EXPECT_EQ(ctl({"get", "frame0", "0"}).status, 1);
}

TEST_F(Shoalctl, GetAsJsonEndsAt64KiB) {
  const auto fits = make("fits", 65536);
  const auto over = make("over", 65537);
  fill(fits, pattern(65536));
  EXPECT_EQ(decoded(ask({"get", "fits"})), pattern(65536));
  const Result refused = ctl({"get", "over", "--json"});
  EXPECT_EQ(refused.status, 1);
  EXPECT_THAT(refused.out, IsEmpty());
  EXPECT_THAT(refused.err, HasSubstr("shoalctl dump over"));
}

TEST_F(Shoalctl, DumpWritesEveryByte) {
  const std::string bytes = pattern((2 << 20) + 5);
  const auto memory = make("frame0", bytes.size());
  fill(memory, bytes);
  const Result raw = ctl({"dump", "frame0"});
  EXPECT_EQ(raw.status, 0) << raw.err;
  EXPECT_TRUE(raw.out == bytes);
  const json answer = ask({"dump", "frame0"});
  EXPECT_EQ(answer.at("size"), bytes.size());
  EXPECT_TRUE(decoded(answer) == bytes);
  const Result hex = ctl({"dump", "frame0", "--hex"});
  EXPECT_THAT(hex.out, StartsWith("00000000  00 07 0e 15"));
  EXPECT_THAT(hex.out, HasSubstr("\n00200000  "));
}

TEST_F(Shoalctl, LookingAtASparseSegmentCommitsNothing) {
  SharedMemoryOptions options = sized(8 << 20);
  options.sparse = true;
  auto memory = client_->create<SharedMemory>("holes", options);
  ASSERT_TRUE(memory.ok()) << memory.status();
  const auto fd = memory->descriptor(Access::kReadOnly);
  ASSERT_TRUE(fd.ok()) << fd.status();
  EXPECT_EQ(ctl({"dump", "holes"}).out.size(), 8 << 20);
  EXPECT_EQ(ctl({"get", "holes"}).status, 0);
  struct stat status = {};
  ASSERT_EQ(fstat(*fd, &status), 0);
  EXPECT_EQ(status.st_blocks, 0);
  close(*fd);
}

TEST_F(Shoalctl, RawBytesAreRefusedOnATerminal) {
  const auto memory = make("frame0", 4096);
  const int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  ASSERT_GE(terminal, 0);
  ASSERT_EQ(grantpt(terminal), 0);
  ASSERT_EQ(unlockpt(terminal), 0);
  const int screen = open(ptsname(terminal), O_RDWR | O_NOCTTY | O_CLOEXEC);
  ASSERT_GE(screen, 0);
  const Result refused = run({"dump", "frame0", "--socket", socket()}, screen);
  EXPECT_EQ(refused.status, 1);
  EXPECT_THAT(refused.err, HasSubstr("--hex"));
  close(screen);
  close(terminal);
}

TEST_F(Shoalctl, AFullDiskIsNotSuccess) {
  const auto memory = make("frame0", 1 << 20);
  const int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
  ASSERT_GE(full, 0);
  for (const char* command : {"dump", "stat"}) {
    const Result result = run({command, "frame0", "--socket", socket()}, full);
    EXPECT_EQ(result.status, 1);
    EXPECT_THAT(result.err, HasSubstr("not complete"));
  }
  close(full);
}

TEST_F(Shoalctl, RemovesWhatItCan) {
  const auto a = make("a", 100);
  const auto b = make("b", 100);
  const auto c = make("c", 100);
  EXPECT_EQ(ctl({"rm", "a"}).status, 0);
  const Result some = ctl({"rm", "b", "none", "c", "--json"});
  EXPECT_EQ(some.status, 1);
  EXPECT_EQ(some.parsed().at("removed"), json({"b", "c"}));
  EXPECT_THAT(some.err, HasSubstr("none"));
  EXPECT_EQ(ask({"ls"}).at("objects"), json::array());
  EXPECT_EQ(ask({"ls", "--unnamed"}).at("objects").size(), 3);  // still attached
}

TEST_F(Shoalctl, ANameMayLookLikeAFlag) {
  const auto memory = make("--json", 100);
  EXPECT_EQ(ctl({"stat", "--", "--json"}).status, 0);
  EXPECT_EQ(ctl({"rm", "--", "--json"}).status, 0);
  EXPECT_EQ(ask({"ls"}).at("objects"), json::array());
}

}  // namespace
}  // namespace shoal::e2e
