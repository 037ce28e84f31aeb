// shoald --slow-wait: a real process that waits too long stands in the manager's log, once.
#include <unistd.h>

#include <string>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "shoal/shoal.h"
#include "tests/support/test_manager.h"
#include "tests/support/watchdog.h"

namespace shoal::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::size_t count(const std::string& text, const std::string& word) {
  std::size_t found = 0;
  for (std::size_t at = 0; (at = text.find(word, at)) != std::string::npos; ++at) ++found;
  return found;
}

TEST(SlowWait, IsLoggedOnce) {
  const TestManager manager({"--slow-wait=100ms"});
  const Client holder_client = manager.client();
  Client waiter_client = manager.client();
  absl::StatusOr<Lock> held = holder_client.open_or_create<Lock>("ledger");
  ASSERT_TRUE(held.ok()) << held.status();
  ASSERT_TRUE(held->acquire().ok());
  absl::StatusOr<Lock> wanted = waiter_client.open<Lock>("ledger");
  ASSERT_TRUE(wanted.ok()) << wanted.status();
  std::thread waiter([&] { EXPECT_TRUE(wanted->acquire().ok()); });
  while (count(manager.log(), "event=wait.slow") == 0) std::this_thread::yield();
  EXPECT_THAT(manager.log(), AllOf(HasSubstr("name=ledger kind=Lock for=lock"),
                                   HasSubstr("holder_pid=" + std::to_string(::getpid()))));
  // A second wait, of another object, comes later in the log than any repetition of the first.
  absl::StatusOr<Event> event = holder_client.open_or_create<Event>("go");
  ASSERT_TRUE(event.ok()) << event.status();
  std::thread second([&] { EXPECT_TRUE(event->wait().ok()); });
  while (count(manager.log(), "name=go kind=Event for=event") == 0) std::this_thread::yield();
  EXPECT_EQ(count(manager.log(), "event=wait.slow"), 2U);
  EXPECT_TRUE(held->release().ok());
  EXPECT_TRUE(event->set().ok());
  waiter.join();
  second.join();
}

}  // namespace
}  // namespace shoal::test
