// shoalctl locks, deadlocks, why: with processes that hold, wait, are stopped and die, and with a
// manager that runs, is stopped, or is gone.
#include <signal.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/shoalctl_fixture.h"
#include "tests/support/child.h"
#include "tests/support/watchdog.h"

namespace shoal::e2e {
namespace {

using test::Channel;
using test::Child;
using test::must;
using test::wait_until;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class ShoalctlLocks : public Shoalctl {
 protected:
  // A process with a session of its own.
  Child child(const std::function<void(const Client&, Channel&)>& body) const {
    const std::string path = socket();
    return Child([=](Channel& parent) -> std::string {
      body(must(Client::connect({.socket = path, .label = "worker"})), parent);
      return "done";
    });
  }

  // Holds the locks until it is told to go on, then waits for the next, if there is one.
  Child holder(const std::string& held, const std::string& then = {}) const {
    return child([=](const Client& client, Channel& parent) {
      const auto lock = must(client.open<Lock>(held));
      (void)must(lock.acquire());
      parent.say("held");
      (void)parent.hear();
      if (!then.empty()) (void)must(must(client.open<Lock>(then)).acquire());
      (void)lock.release();
    });
  }
  Child waiter(const std::string& lock) const {
    return child([=](const Client& client, Channel& parent) {
      const auto wanted = must(client.open<Lock>(lock));
      parent.say("ready");
      (void)must(wanted.acquire());
    });
  }

  // The row of an object in `locks`, once it has that many waiters.
  json row_with(const std::string& name, std::size_t waiters) const {
    json found;
    EXPECT_TRUE(wait_until([&] {
      found = row(ask({"locks"}).at("locks"), "name", name);
      return !found.is_null() && found.at("waiters").size() == waiters;
    })) << ctl({"locks"}).out;
    return found;
  }

  // The rows whose holder has this pid: of a manager that is asked nothing.
  json held_by(pid_t pid) const {
    json rows = json::array();
    const json answer = ctl({"locks", "--json"}).parsed();
    for (const json& lock : answer.at("locks")) {
      if (!lock.at("holder").is_null() && lock["holder"]["pid"] == pid) rows.push_back(lock);
    }
    return rows;
  }

  template <class T>
  T made(const std::string& name, const typename T::Options& options = {}) const {
    auto object = client_->create<T>(name, options);
    EXPECT_TRUE(object.ok()) << object.status();
    return object.ok() ? *object : T();
  }
};

TEST_F(ShoalctlLocks, NothingIsHeld) {
  const auto lock = made<Lock>("ledger");
  EXPECT_EQ(ask({"locks"}).at("locks"), json::array());
  EXPECT_THAT(ctl({"locks"}).err, HasSubstr("nothing is held"));
  EXPECT_EQ(ask({"deadlocks"}).at("deadlocks"), json::array());
  EXPECT_THAT(ctl({"deadlocks"}).err, HasSubstr("no deadlocks"));
}

TEST_F(ShoalctlLocks, TellsHolderWaitersAndWhetherTheHolderIsStopped) {
  const auto lock = made<Lock>("ledger");
  Child first = holder("ledger");
  ASSERT_EQ(first.hear(), "held");
  Child second = waiter("ledger");
  ASSERT_EQ(second.hear(), "ready");
  const json found = row_with("ledger", 1);
  EXPECT_EQ(found.at("kind"), "Lock");
  EXPECT_EQ(found.at("arena"), "default");
  EXPECT_EQ(found.at("token"), 1);
  EXPECT_EQ(found.at("abandoned"), false);
  EXPECT_EQ(found.at("holder").at("pid"), first.pid());
  EXPECT_EQ(found.at("holder").at("tid"), first.pid());
  EXPECT_EQ(found.at("holder").at("label"), "worker");
  EXPECT_EQ(found.at("holder").at("stopped"), false);
  EXPECT_EQ(found.at("waiters")[0].at("pid"), second.pid());
  EXPECT_TRUE(found.at("waiters")[0].at("since").is_string());
  EXPECT_EQ(found.at("since"), found.at("waiters")[0].at("since"));
  const std::string table = ctl({"locks"}).out;
  EXPECT_THAT(table, HasSubstr("OBJECT"));
  EXPECT_THAT(table, ContainsRegex(absl::StrCat("ledger +Lock .*pid ", first.pid())));
  EXPECT_THAT(ask({"locks", "--arena", "default"}).at("locks"), SizeIs(1));
  EXPECT_EQ(ctl({"locks", "--arena", "nowhere"}).status, 1);

  const std::string why = ctl({"why", absl::StrCat(second.pid())}).out;
  EXPECT_THAT(why, HasSubstr(absl::StrCat("waits for Lock \"ledger\"")));
  EXPECT_THAT(why, HasSubstr(absl::StrCat("held by pid ", first.pid())));
  EXPECT_EQ(
      ctl({"why", absl::StrCat(first.pid())}).out,
      absl::StrCat("pid ", first.pid(), " thread ", first.pid(), " (worker) waits for nothing\n"));
  const json threads = ask({"why", absl::StrCat(second.pid())}).at("threads");
  ASSERT_THAT(threads, SizeIs(1));
  EXPECT_EQ(threads[0].at("waits_for").at("name"), "ledger");
  EXPECT_EQ(threads[0].at("waits_for").at("holder").at("pid"), first.pid());
  // Who else waits for it would be told once for each thread.
  EXPECT_FALSE(threads[0].at("waits_for").contains("waiters"));

  ::kill(first.pid(), SIGSTOP);
  EXPECT_TRUE(wait_until([&] { return row_with("ledger", 1)["holder"]["stopped"] == true; }));
  EXPECT_THAT(ctl({"why", absl::StrCat(second.pid())}).out, HasSubstr("stopped"));
  ::kill(first.pid(), SIGCONT);
  first.say("go on");
  EXPECT_EQ(second.result(), "done");
  EXPECT_EQ(first.result(), "done");
}

TEST_F(ShoalctlLocks, ADeadHolderLeavesTheLockAbandoned) {
  const auto lock = made<Lock>("ledger");
  Child first = holder("ledger");
  ASSERT_EQ(first.hear(), "held");
  Child second = holder("ledger");
  row_with("ledger", 1);
  first.kill();
  ASSERT_EQ(second.hear(), "held");
  const json found = row_with("ledger", 0);
  EXPECT_EQ(found.at("holder").at("pid"), second.pid());
  EXPECT_EQ(found.at("abandoned"), true);
  EXPECT_EQ(found.at("recoveries"), 1);
  EXPECT_THAT(ctl({"stat", "ledger"}).out, HasSubstr("abandoned"));
}

TEST_F(ShoalctlLocks, TwoProcessesInADeadlockAreFoundAsAPath) {
  const auto a = made<Lock>("a");
  const auto b = made<Lock>("b");
  Child first = holder("a", "b");
  Child second = holder("b", "a");
  ASSERT_EQ(first.hear(), "held");
  ASSERT_EQ(second.hear(), "held");
  first.say("go on");
  row_with("b", 1);
  EXPECT_EQ(ctl({"deadlocks"}).status, 0);
  second.say("go on");
  row_with("a", 1);

  Result result = ctl({"deadlocks"});
  EXPECT_EQ(result.status, 1);
  const auto one = [](const Child& of, const char* waits_for, const Child& by) {
    return absl::StrCat("pid ", of.pid(), " thread ", of.pid(), " waits for Lock \"", waits_for,
                        "\" held by pid ", by.pid(), " thread ", by.pid());
  };
  EXPECT_THAT(result.out, HasSubstr(one(first, "b", second)));
  EXPECT_THAT(result.out, HasSubstr(one(second, "a", first)));
  EXPECT_EQ(std::count(result.out.begin(), result.out.end(), '\n'), 1);
  result = ctl({"deadlocks", "--json"});
  EXPECT_EQ(result.status, 1);
  const json found = result.parsed().at("deadlocks");
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].at("certain"), true);
  EXPECT_THAT(found[0].at("path"), SizeIs(2));

  ::kill(manager_->pid(), SIGSTOP);
  result = ctl({"deadlocks"});
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.out, HasSubstr(absl::StrCat("pid ", first.pid(), " thread ", first.pid())));
  EXPECT_THAT(result.out, HasSubstr("waits for Lock #"));
  EXPECT_THAT(result.err, HasSubstr("without names"));
  ::kill(manager_->pid(), SIGCONT);

  first.kill();
  EXPECT_TRUE(wait_until([&] { return ctl({"deadlocks"}).status == 0; }));
  EXPECT_EQ(second.result(), "done");
}

TEST_F(ShoalctlLocks, ThreadsOfOneProcessAreToldApart) {
  const auto a = made<RLock>("a");
  Child both = child([](const Client& client, Channel& parent) {
    const auto lock = must(client.open<RLock>("a"));
    (void)must(lock.acquire());
    (void)must(lock.acquire());
    std::thread other([&] {
      (void)must(lock.acquire());
      (void)lock.release();
    });
    parent.say("held");
    (void)parent.hear();
    (void)lock.release();
    (void)lock.release();
    other.join();
  });
  ASSERT_EQ(both.hear(), "held");
  const json found = row_with("a", 1);
  EXPECT_EQ(found.at("depth"), 2);
  EXPECT_EQ(found.at("holder").at("tid"), both.pid());
  EXPECT_EQ(found.at("waiters")[0].at("pid"), both.pid());
  EXPECT_NE(found.at("waiters")[0].at("tid"), both.pid());
  const json threads = ask({"why", absl::StrCat(both.pid())}).at("threads");
  ASSERT_THAT(threads, SizeIs(2));
  EXPECT_TRUE(threads[0].at("waits_for").is_null());
  EXPECT_EQ(threads[1].at("waits_for").at("name"), "a");
  const json session = row(ask({"clients"}).at("clients"), "pid", both.pid());
  EXPECT_EQ(session.at("waiting"), 1);
  EXPECT_EQ(session.at("threads"), 2);
  both.say("go on");
  EXPECT_EQ(both.result(), "done");
}

TEST_F(ShoalctlLocks, WorksWhileTheManagerIsStoppedAndWhenItIsGone) {
  const auto lock = made<Lock>("ledger");
  Child first = holder("ledger");
  ASSERT_EQ(first.hear(), "held");
  Child second = waiter("ledger");
  row_with("ledger", 1);
  const auto expect_seen = [&] {
    const json rows = held_by(first.pid());
    ASSERT_THAT(rows, SizeIs(1)) << ctl({"locks"}).out;
    EXPECT_EQ(rows[0].at("kind"), "Lock");
    EXPECT_TRUE(rows[0].at("name").is_null());
    EXPECT_EQ(rows[0].at("token"), 1);
    ASSERT_THAT(rows[0].at("waiters"), SizeIs(1));
    EXPECT_EQ(rows[0]["waiters"][0].at("pid"), second.pid());
    const Result why = ctl({"why", absl::StrCat(second.pid())});
    EXPECT_EQ(why.status, 0);
    EXPECT_THAT(why.out, HasSubstr(absl::StrCat("held by pid ", first.pid())));
    EXPECT_EQ(ctl({"locks", "--arena", "default"}).status, 3);
  };
  ::kill(manager_->pid(), SIGSTOP);
  expect_seen();
  ::kill(manager_->pid(), SIGKILL);
  expect_seen();
  // Nobody recovers what it held; that its process is not there is told.
  first.kill();
  EXPECT_THAT(held_by(first.pid()), IsEmpty());
  EXPECT_THAT(ctl({"why", absl::StrCat(second.pid())}).out,
              HasSubstr("whose process is not there"));
}

TEST_F(ShoalctlLocks, AForkedChildWithoutASessionHoldsNothing) {
  const auto lock = made<Lock>("ledger");
  Child first = child([](const Client& client, Channel& parent) {
    const auto lock = must(client.open<Lock>("ledger"));
    (void)must(lock.acquire());
    const Child fork([](Channel& up) { return up.hear(); });
    parent.say(absl::StrCat(fork.pid()));
    (void)parent.hear();
  });
  const std::string fork = first.hear();
  EXPECT_EQ(row_with("ledger", 0).at("holder").at("pid"), first.pid());
  const Result why = ctl({"why", fork});
  EXPECT_EQ(why.status, 1);
  EXPECT_THAT(why.err, HasSubstr("no session"));
  first.say("go on");
  EXPECT_EQ(first.result(), "done");
}

TEST_F(ShoalctlLocks, WhyRefusesWhatIsNoProcessOfOurs) {
  EXPECT_EQ(ctl({"why"}).status, 2);
  EXPECT_EQ(ctl({"why", "shoald"}).status, 2);
  EXPECT_EQ(ctl({"why", "0"}).status, 2);
  Child gone([](Channel&) { return std::string(); });
  gone.wait();
  EXPECT_THAT(ctl({"why", absl::StrCat(gone.pid())}).err, HasSubstr("there is no process"));
  const Result none = ctl({"why", "1"});
  EXPECT_EQ(none.status, 1);
  EXPECT_THAT(none.err, HasSubstr("no session"));
}

TEST_F(ShoalctlLocks, PermitsAndBarriersThatSomebodyWaitsFor) {
  const auto slots = made<Semaphore>("slots");
  must(slots.acquire());
  const auto round = made<Barrier>("round", {.parties = 2});
  const auto ready = made<Event>("ready");
  Child permit = child([](const Client& client, Channel&) {
    must(must(client.open<Semaphore>("slots")).acquire());
  });
  Child party = child([](const Client& client, Channel&) {
    (void)must(must(client.open<Barrier>("round")).wait());
  });
  Child event =
      child([](const Client& client, Channel&) { must(must(client.open<Event>("ready")).wait()); });
  const json found = row_with("slots", 1);
  EXPECT_EQ(found.at("waiters")[0].at("purpose"), "permit");
  EXPECT_EQ(found.at("held_by")[0].at("label"), "tester");
  EXPECT_EQ(row_with("round", 1).at("arrived"), 1);
  EXPECT_EQ(row_with("ready", 1).at("waiters")[0].at("purpose"), "event");
  EXPECT_THAT(ctl({"why", absl::StrCat(party.pid())}).out, HasSubstr("1 of 2 arrived"));
  EXPECT_EQ(ctl({"deadlocks"}).status, 0);
  must(slots.release());
  (void)must(round.wait());
  must(ready.set());
  EXPECT_EQ(permit.result(), "done");
  EXPECT_EQ(party.result(), "done");
  EXPECT_EQ(event.result(), "done");
}

TEST_F(ShoalctlLocks, APermitInTheCircleIsFoundToo) {
  const auto slots = made<Semaphore>("slots");
  const auto lock = made<Lock>("ledger");
  Child first = child([](const Client& client, Channel& parent) {
    must(must(client.open<Semaphore>("slots")).acquire());
    parent.say("held");
    (void)parent.hear();
  });
  ASSERT_EQ(first.hear(), "held");
  first.kill();  // a dead one's permit comes back
  Child second = child([](const Client& client, Channel& parent) {
    const auto permits = must(client.open<Semaphore>("slots"));
    must(permits.acquire());
    parent.say("held");
    (void)parent.hear();
    (void)must(must(client.open<Lock>("ledger")).acquire());
  });
  ASSERT_EQ(second.hear(), "held");
  Child third = child([](const Client& client, Channel& parent) {
    const auto ledger = must(client.open<Lock>("ledger"));
    (void)must(ledger.acquire());
    parent.say("held");
    must(must(client.open<Semaphore>("slots")).acquire());
  });
  ASSERT_EQ(third.hear(), "held");
  row_with("slots", 1);
  second.say("go on");
  row_with("ledger", 1);
  const Result result = ctl({"deadlocks"});
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.out, HasSubstr("waits for Semaphore \"slots\" held by"));
}

}  // namespace
}  // namespace shoal::e2e
