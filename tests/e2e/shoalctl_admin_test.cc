// shoalctl clients, managers, df, limits, arena, ping, version: what an operator asks.
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/shoalctl_fixture.h"

namespace shoal::e2e {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

TEST_F(Shoalctl, ListsClientsButNotItself) {
  const auto memory = make("frame0", 4096);
  const json clients = ask({"clients"}).at("clients");
  ASSERT_EQ(clients.size(), 1);
  EXPECT_EQ(clients[0].at("label"), "tester");
  EXPECT_EQ(clients[0].at("pid"), getpid());
  EXPECT_EQ(clients[0].at("uid"), geteuid());
  EXPECT_EQ(clients[0].at("arena"), "default");
  EXPECT_EQ(clients[0].at("objects"), 1);
  EXPECT_EQ(clients[0].at("references"), 1);
  EXPECT_EQ(clients[0].at("state"), "live");
  EXPECT_THAT(ctl({"clients"}).out, HasSubstr("tester"));
}

TEST_F(Shoalctl, ListsEveryManager) {
  auto second = Manager::start();
  ASSERT_TRUE(second.ok()) << second.status();
  const auto memory = make("frame0", 4096);
  const Result result = run({"managers", "--json"});
  EXPECT_EQ(result.status, 0) << result.err;
  const json managers = result.parsed().at("managers");
  const json first = row(managers, "pid", manager_->pid());
  ASSERT_TRUE(first.is_object()) << result.out;
  EXPECT_EQ(first.at("socket"), socket());
  EXPECT_EQ(first.at("uid"), geteuid());
  EXPECT_EQ(first.at("reachable"), true);
  EXPECT_EQ(first.at("sessions"), 1);
  EXPECT_EQ(first.at("objects"), 1);
  const json other = row(managers, "pid", second->pid());
  ASSERT_TRUE(other.is_object()) << result.out;
  EXPECT_EQ(other.at("socket"), second->socket());
  EXPECT_EQ(other.at("sessions"), 0);
  EXPECT_THAT(run({"managers"}).out, HasSubstr(socket()));
}

TEST_F(Shoalctl, ShowsWhyAManagerCannotBeAsked) {
  ASSERT_EQ(kill(manager_->pid(), SIGSTOP), 0);
  const Result text = run({"managers"});
  const Result result = run({"managers", "--json"});
  ASSERT_EQ(kill(manager_->pid(), SIGCONT), 0);
  EXPECT_EQ(result.status, 0) << result.err;
  const json stopped = row(result.parsed().at("managers"), "pid", manager_->pid());
  ASSERT_TRUE(stopped.is_object()) << result.out;
  EXPECT_EQ(stopped.at("reachable"), false);
  EXPECT_NE(stopped.at("reason"), "");
  EXPECT_THAT(text.out, HasSubstr("pid " + std::to_string(manager_->pid()) + " cannot be asked: "));
}

TEST_F(Shoalctl, ShowsWhereTheMemoryIs) {
  const auto memory = make("frame0", 1 << 20);
  const json usage = ask({"df"});
  EXPECT_EQ(usage.at("memory_max"), 256 << 20);
  EXPECT_EQ(usage.at("committed"), 1 << 20);
  EXPECT_GT(usage.at("available"), 0);
  EXPECT_TRUE(usage.contains("warm"));
  const json arena = row(usage.at("arenas"), "name", "default");
  EXPECT_EQ(arena.at("committed"), 1 << 20);
  EXPECT_EQ(arena.at("containers"), 0);
  EXPECT_GT(arena.at("quota"), 0);
  const json user = row(usage.at("users"), "uid", geteuid());
  EXPECT_EQ(user.at("committed"), 1 << 20);
  EXPECT_EQ(user.at("objects"), 1);
  EXPECT_EQ(usage.at("containers"), 0);
  const auto dict = client_->create<Dict>("dict");
  ASSERT_TRUE(dict.ok() && dict->put("key", std::string(100'000, 'x')).ok());
  const json with_dict = ask({"df"});
  EXPECT_GE(with_dict.at("containers"), 100'000);
  EXPECT_EQ(row(with_dict.at("arenas"), "name", "default").at("containers"),
            with_dict.at("containers"));
  const std::string text = ctl({"df"}).out;
  EXPECT_THAT(text, HasSubstr("256.0 MiB"));
  EXPECT_THAT(text, HasSubstr("default"));
  EXPECT_THAT(text, HasSubstr("%"));
}

TEST_F(Shoalctl, ShowsTheLimits) {
  const json limits = ask({"limits"}).at("limits");
  EXPECT_GT(limits.size(), 5);
  bool counted = false;
  for (const json& limit : limits) {
    EXPECT_FALSE(limit.at("name").get<std::string>().empty());
    EXPECT_FALSE(limit.at("unit").get<std::string>().empty());
    EXPECT_TRUE(limit.contains("limit"));
    counted = counted || limit.at("used").is_number();
  }
  EXPECT_TRUE(counted);
  EXPECT_THAT(ctl({"limits"}).out, StartsWith("NAME"));
}

TEST_F(Shoalctl, AnArenasLife) {
  const std::string uid = std::to_string(geteuid());
  const Words create = {"arena",
                        "create",
                        "lab",
                        "--mode",
                        "0660",
                        "--quota",
                        "1.5MiB",
                        "--owner",
                        uid,
                        "--group",
                        std::to_string(getegid())};
  EXPECT_EQ(ask(create).at("arena"), "lab");
  EXPECT_EQ(ctl(create).status, 1);  // already there
  json arena = ask({"arena", "stat", "lab"});
  EXPECT_EQ(arena.at("name"), "lab");
  EXPECT_EQ(arena.at("mode"), "0660");
  EXPECT_EQ(arena.at("quota"), 3 << 19);
  EXPECT_EQ(arena.at("owner_uid"), geteuid());

  const Result changed = ctl({"arena", "chmod", "lab", "600"});
  EXPECT_EQ(changed.status, 0) << changed.err;
  EXPECT_THAT(changed.out, IsEmpty());
  EXPECT_EQ(ctl({"arena", "quota", "lab", "1MiB"}).status, 0);
  arena = row(ask({"arena", "ls"}).at("arenas"), "name", "lab");
  EXPECT_EQ(arena.at("mode"), "0600");
  EXPECT_EQ(arena.at("quota"), 1 << 20);
  EXPECT_THAT(ctl({"arena", "ls"}).out, HasSubstr("default"));
  EXPECT_THAT(ctl({"arena", "stat", "lab"}).out, HasSubstr("1.0 MiB (1048576 bytes)"));

  {
    ClientOptions options;
    options.arena = "lab";
    auto client = manager_->connect(options);
    ASSERT_TRUE(client.ok()) << client.status();
    auto memory = client->create<SharedMemory>("here", sized(4096));
    ASSERT_TRUE(memory.ok()) << memory.status();
    EXPECT_EQ(ask({"ls", "--arena", "lab"}).at("objects").size(), 1);
    EXPECT_EQ(ask({"ls"}).at("objects").size(), 0);
    EXPECT_EQ(ctl({"arena", "rm", "lab"}).status, 1);  // in use
    ASSERT_TRUE(client->unlink("here").ok());
  }
  // The manager notices the end of that session in its own time.
  Result removed;
  for (int tries = 0; tries < 1000; ++tries) {
    removed = ctl({"arena", "rm", "lab"});
    if (removed.status == 0) break;
    usleep(10'000);
  }
  EXPECT_EQ(removed.status, 0) << removed.err;
  EXPECT_EQ(ctl({"arena", "stat", "lab"}).status, 1);
  EXPECT_EQ(ctl({"arena", "rm", "default"}).status, 1);
}

TEST_F(Shoalctl, SocketAndArenaComeFromTheEnvironmentToo) {
  EXPECT_EQ(ctl({"arena", "create", "lab"}).status, 0);
  ASSERT_EQ(setenv("SHOAL_SOCKET", socket().c_str(), 1), 0);
  ASSERT_EQ(setenv("SHOAL_ARENA", "lab", 1), 0);
  const Result result = run({"ls"});
  unsetenv("SHOAL_SOCKET");
  unsetenv("SHOAL_ARENA");
  EXPECT_EQ(result.status, 0);
  EXPECT_EQ(result.err, "shoalctl: no objects in arena lab\n");
}

TEST_F(Shoalctl, PingsAndTellsVersions) {
  const json ping = ask({"ping"});
  EXPECT_EQ(ping.at("pid"), manager_->pid());
  EXPECT_EQ(ping.at("socket"), socket());
  EXPECT_TRUE(ping.at("seconds").is_number());
  EXPECT_THAT(ctl({"ping"}).out, HasSubstr("pid " + std::to_string(manager_->pid())));
  const json version = ask({"version"});
  EXPECT_EQ(version.at("shoalctl"), SHOAL_VERSION);
  EXPECT_EQ(version.at("shoald"), SHOAL_VERSION);
  EXPECT_EQ(version.at("pid"), manager_->pid());
  EXPECT_THAT(ctl({"version"}).out, StartsWith("shoalctl " SHOAL_VERSION "\nshoald   "));
}

TEST_F(Shoalctl, AManagerThatHasGoneIsThree) {
  const std::string socket_path = socket();  // a stopped manager has none
  ASSERT_TRUE(manager_->stop().ok());
  EXPECT_EQ(run({"ls", "--socket", socket_path}).status, 3);
  EXPECT_EQ(run({"ping", "--socket", socket_path}).status, 3);
}

}  // namespace
}  // namespace shoal::e2e
