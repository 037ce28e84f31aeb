// shoalctl as users and scripts have it: the program, run against a manager of its own. What it
// prints as JSON is parsed back; exit statuses are those of the contract. Contents and
// administration: shoalctl_contents_test.cc, shoalctl_admin_test.cc.
#include <unistd.h>

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/shoalctl_fixture.h"

namespace shoal::e2e {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

const Words kCommands = {"set",          "load-object", "verify",     "ls",          "stat",
                         "get",          "dump",        "rm",         "clients",     "locks",
                         "deadlocks",    "why",         "managers",   "df",          "limits",
                         "arena create", "arena ls",    "arena stat", "arena chmod", "arena quota",
                         "arena rm",     "ping",        "version",    "help"};

Words split(const std::string& words) {
  const std::size_t space = words.find(' ');
  if (space == std::string::npos) return {words};
  return {words.substr(0, space), words.substr(space + 1)};
}

TEST(ShoalctlUsage, BadUsageIsTwo) {
  const std::vector<Words> lines = {
      {},
      {"nonsense"},
      {"locks", "a"},
      {"deadlocks", "a"},
      {"why"},
      {"why", "a"},
      {"--nonsense", "ls"},
      {"ls", "--nonsense"},
      {"ls", "-x"},
      {"--hex", "dump", "a"},  // a command's own flag stands after it
      {"ls", "a", "b"},
      {"ls", "a", "--unnamed"},
      {"ls", "--json=1"},
      {"ls", "--socket"},
      {"ls", "--socket="},
      {"stat"},
      {"stat", "a", "--id", "1"},
      {"stat", "--id", "x"},
      {"get"},
      {"set", "a", "b"},
      {"set", "a", "b", "no JSON"},
      {"load-object", "a", "--kind", "queue"},
      {"get", "a", "1", "2"},
      {"dump", "a", "--hex", "--json"},
      {"rm"},
      {"ping", "a"},
      {"arena"},
      {"arena", "nonsense"},
      {"arena", "create"},
      {"arena", "create", "a", "--mode", "rw"},
      {"arena", "create", "a", "--mode", "888"},
      {"arena", "create", "a", "--quota", "1.5"},
      {"arena", "create", "a", "--quota", "1KB"},
      {"arena", "create", "a", "--quota", "99999999999TiB"},
      {"arena", "create", "a", "--owner", "no-such-user-here"},
      {"arena", "chmod", "a"},
      {"arena", "chmod", "a", "9"},
      {"arena", "quota", "a", "much"},
      {"help", "nonsense"},
  };
  for (const Words& line : lines) {
    const Result result = run(line);
    EXPECT_EQ(result.status, 2) << json(line).dump();
    EXPECT_THAT(result.out, IsEmpty()) << json(line).dump();
    EXPECT_THAT(result.err, StartsWith("shoalctl: ")) << json(line).dump();
    EXPECT_THAT(result.err, HasSubstr("shoalctl help")) << json(line).dump();
  }
}

TEST(ShoalctlUsage, HelpKnowsEveryCommandAndNoOther) {
  const Result all = run({"help"});
  EXPECT_EQ(all.status, 0);
  EXPECT_EQ(run({"--help"}).out, all.out);
  EXPECT_EQ(run({"-h"}).out, all.out);
  for (const std::string& name : kCommands) {
    EXPECT_THAT(all.out, HasSubstr("\n  " + name)) << name;
    const Result page = run(joined({"help"}, split(name)));
    EXPECT_EQ(page.status, 0) << name;
    EXPECT_THAT(page.out, StartsWith("usage: shoalctl [FLAGS] " + name));
    EXPECT_EQ(run(joined(split(name), {"--help"})).out, page.out);
    EXPECT_EQ(run(joined({"--help"}, split(name))).out, page.out);
  }
  for (const char* later : {"evict", "top"}) {
    EXPECT_THAT(all.out, Not(HasSubstr(later)));
  }
  EXPECT_THAT(run({"help", "arena"}).out, HasSubstr("arena chmod"));
  EXPECT_THAT(run({"help", "dump"}).out, HasSubstr("{\"double\":\"nan\"}"));
}

TEST(ShoalctlUsage, NoManagerIsThree) {
  const std::vector<Words> lines = {{"ls"},
                                    {"stat", "a"},
                                    {"get", "a"},
                                    {"dump", "a"},
                                    {"rm", "a"},
                                    {"clients"},
                                    {"df"},
                                    {"limits"},
                                    {"ping"},
                                    {"arena", "ls"},
                                    {"arena", "stat", "a"},
                                    {"arena", "create", "a"},
                                    {"arena", "rm", "a"}};
  for (const Words& line : lines) {
    const Result result = run(joined(line, {"--socket", "/nonexistent/shoald.sock"}));
    EXPECT_EQ(result.status, 3) << json(line).dump() << result.err;
    EXPECT_THAT(result.out, IsEmpty());
    EXPECT_THAT(result.err, StartsWith("shoalctl: "));
    EXPECT_THAT(result.err, HasSubstr("/nonexistent/shoald.sock"));
  }
  const Result version = run({"version", "--socket", "/nonexistent/shoald.sock", "--json"});
  EXPECT_EQ(version.status, 0);
  EXPECT_EQ(version.parsed().at("shoald"), nullptr);
}

TEST_F(Shoalctl, GlobalFlagsStandAnywhere) {
  const auto memory = make("frame0", 4096);
  const Words flags = {"--json", "--socket", socket(), "--arena", "default"};
  const Result before = run(joined(flags, {"ls", "fr"}));
  const Result after = run(joined({"ls", "fr"}, flags));
  const Result between = run({"--json", "ls", "--socket=" + socket(), "fr", "--arena=default"});
  EXPECT_EQ(before.status, 0) << before.err;
  EXPECT_EQ(before.parsed().at("objects").size(), 1);
  EXPECT_EQ(before.out, after.out);
  EXPECT_EQ(before.out, between.out);
  EXPECT_EQ(run(joined({"ls", "--arena", "elsewhere"}, {"--socket", socket()})).status, 1);
}

TEST_F(Shoalctl, ListsObjectsSortedByName) {
  const Result empty = ctl({"ls"});
  EXPECT_EQ(empty.status, 0);
  EXPECT_THAT(empty.out, IsEmpty());
  EXPECT_EQ(empty.err, "shoalctl: no objects in arena default\n");
  EXPECT_EQ(ask({"ls"}).at("objects"), json::array());

  const auto b = make("b/2", 3 << 19);
  const auto a = make("a", 100);
  const auto list = make_list("b/1", {1, 2});
  const json objects = ask({"ls"}).at("objects");
  ASSERT_EQ(objects.size(), 3);
  EXPECT_EQ(objects[0].at("name"), "a");
  EXPECT_EQ(objects[0].at("size"), 100);
  EXPECT_EQ(objects[0].at("kind"), "SharedMemory");
  EXPECT_EQ(objects[0].at("lifetime"), "named");
  EXPECT_EQ(objects[0].at("references"), 1);
  EXPECT_THAT(objects[0].at("created").get<std::string>(),
              testing::MatchesRegex("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9.]+Z"));
  EXPECT_EQ(objects[1].at("name"), "b/1");
  EXPECT_EQ(objects[1].at("kind"), "ShareableList");
  EXPECT_EQ(ask({"ls", "b/"}).at("objects").size(), 2);

  const std::string table = ctl({"ls"}).out;
  EXPECT_THAT(table, HasSubstr("NAME"));
  EXPECT_THAT(table, HasSubstr("1.5 MiB"));
  EXPECT_THAT(table, HasSubstr("s ago"));
  EXPECT_LT(table.find("b/1"), table.find("b/2"));
}

TEST_F(Shoalctl, ListsAndStatsWhatHasNoName) {
  EXPECT_THAT(ctl({"ls", "--unnamed"}).err, HasSubstr("no unnamed objects in arena default"));
  const auto memory = make("gone", 4096);
  ASSERT_TRUE(client_->unlink("gone").ok());
  EXPECT_EQ(ask({"ls"}).at("objects").size(), 0);
  const json objects = ask({"ls", "--unnamed"}).at("objects");
  ASSERT_EQ(objects.size(), 1);
  EXPECT_EQ(objects[0].at("id"), memory.id());
  EXPECT_EQ(objects[0].at("name"), nullptr);
  EXPECT_EQ(ask({"stat", "--id", std::to_string(memory.id())}).at("holders").size(), 1);
}

TEST_F(Shoalctl, StatSaysWhoHolds) {
  auto memory = make("frame0", 8 << 20);
  auto other = connect_as("viewer \x1b[31m");
  ASSERT_TRUE(other.ok()) << other.status();
  auto view = other->open<SharedMemory>("frame0", {.access = Access::kReadOnly});
  ASSERT_TRUE(view.ok()) << view.status();

  const json stat = ask({"stat", "frame0"});
  EXPECT_EQ(stat.at("name"), "frame0");
  EXPECT_EQ(stat.at("size"), 8 << 20);
  EXPECT_EQ(stat.at("creator_pid"), getpid());
  ASSERT_EQ(stat.at("holders").size(), 2);
  const json writer = row(stat.at("holders"), "label", "tester");
  EXPECT_EQ(writer.at("pid"), getpid());
  EXPECT_EQ(writer.at("uid"), geteuid());
  EXPECT_EQ(writer.at("references"), 1);
  EXPECT_EQ(writer.at("access"), "write");
  EXPECT_EQ(writer.at("state"), "live");
  EXPECT_EQ(row(stat.at("holders"), "access", "read").at("references"), 1);

  const Result text = ctl({"stat", "frame0"});
  EXPECT_THAT(text.out, HasSubstr("8.0 MiB (8388608 bytes)"));
  EXPECT_THAT(text.out, HasSubstr("tester"));
  EXPECT_THAT(text.out, Not(HasSubstr("\x1b")));

  ASSERT_TRUE(view->close().ok());
  ASSERT_TRUE(memory.close().ok());
  // Closing waits for nobody; a call of the same session comes after it.
  ASSERT_TRUE(client_->ping().ok());
  ASSERT_TRUE(other->ping().ok());
  EXPECT_EQ(ask({"stat", "frame0"}).at("holders"), json::array());
  EXPECT_THAT(ctl({"stat", "frame0"}).out, HasSubstr("held by no process"));
}

TEST_F(Shoalctl, WhatIsNotThereIsOne) {
  const std::vector<Words> lines = {
      {"stat", "none"},           {"get", "none"},           {"dump", "none"},       {"rm", "none"},
      {"stat", "--id", "999999"}, {"arena", "stat", "none"}, {"arena", "rm", "none"}};
  for (const Words& line : lines) {
    const Result result = ctl(line);
    EXPECT_EQ(result.status, 1) << json(line).dump();
    EXPECT_THAT(result.out, IsEmpty());
    EXPECT_THAT(result.err, StartsWith("shoalctl: "));
  }
}

}  // namespace
}  // namespace shoal::e2e
