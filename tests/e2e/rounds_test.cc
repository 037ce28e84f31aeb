// A thousand random rounds of create, attach, share, unlink and kill over several processes. At the
// end all have ended, and by the contract's measure nothing is left.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <deque>
#include <iostream>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <shoal/shoal.h>

#include "tests/support/child.h"
#include "tests/support/test_manager.h"
#include "tests/support/watchdog.h"

namespace {

using shoal::ShareableList;
using shoal::SharedMemory;
using namespace shoal::test;

constexpr int kRounds = 1000;
constexpr std::size_t kWorkers = 5;
constexpr int kOperationsPerRound = 8;
constexpr std::size_t kNames = 12;
constexpr std::size_t kTokens = 16;
constexpr std::size_t kTokenBytes = 64;

using Random = std::mt19937;

// Tokens that workers leave for one another, in memory that all inherit. Nobody minds a torn one.
char* token_board() {
  static char* const board = static_cast<char*>(::mmap(
      nullptr, kTokens * kTokenBytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  return board;
}

class Worker {
 public:
  Worker(const TestManager& manager, std::uint32_t seed)
      : random_(seed), client_(manager.client({.label = "worker"})) {}

  // What happened that may not; empty if nothing.
  std::string round() {
    for (int i = 0; i < kOperationsPerRound; ++i) {
      const absl::Status status = one_operation();
      // Others may be faster, and the quota is small; no other code is right.
      const std::set<absl::StatusCode> expected = {
          absl::StatusCode::kOk, absl::StatusCode::kNotFound, absl::StatusCode::kAlreadyExists,
          absl::StatusCode::kFailedPrecondition, absl::StatusCode::kResourceExhausted};
      if (!expected.contains(status.code())) return outcome(status);
    }
    return "";
  }

 private:
  std::string name() { return "name " + std::to_string(random_() % kNames); }

  template <typename T>
  absl::Status keep(absl::StatusOr<T> object, std::deque<T>& held) {
    if (!object.ok()) return object.status();
    held.push_back(*std::move(object));
    return absl::OkStatus();
  }

  absl::Status create() {
    const auto lifetime = static_cast<shoal::Lifetime>(random_() % 3);
    if (random_() % 4 == 0) {
      return keep(client_.open_or_create<ShareableList>(
                      name(), {.values = {1, "two", 3.0}, .lifetime = lifetime}),
                  lists_);
    }
    const shoal::SharedMemoryOptions options{.size = 1 + random_() % 40'000,
                                             .lifetime = lifetime,
                                             .sealable = random_() % 8 == 0,
                                             .sparse = random_() % 4 == 0};
    if (random_() % 4 == 0) return keep(client_.create<SharedMemory>(options), memories_);
    return keep(client_.create<SharedMemory>(name(), options), memories_);
  }

  absl::Status attach() {
    const auto access = random_() % 3 == 0 ? shoal::Access::kReadOnly : shoal::Access::kReadWrite;
    return keep(client_.open<SharedMemory>(name(), {.access = access}), memories_);
  }

  absl::Status share() {
    if (memories_.empty()) return absl::OkStatus();
    const auto token = client_.share(memories_[random_() % memories_.size()],
                                     absl::Milliseconds(1 + random_() % 500));
    if (!token.ok()) return token.status();
    char* const place = token_board() + random_() % kTokens * kTokenBytes;
    std::strncpy(place, token->text.c_str(), kTokenBytes - 1);
    return absl::OkStatus();
  }

  absl::Status take() {
    const char* const place = token_board() + random_() % kTokens * kTokenBytes;
    const std::string text(place, ::strnlen(place, kTokenBytes));
    return keep(
        client_.open<SharedMemory>(shoal::Token{text}, {.access = shoal::Access::kReadOnly}),
        memories_);
  }

  absl::Status write() {
    if (!lists_.empty()) return lists_.back().set(1, "t" + std::to_string(random_() % 100));
    for (const SharedMemory& memory : memories_) {
      if (memory.access() == shoal::Access::kReadWrite) memory.data().back() = std::byte{1};
    }
    return absl::OkStatus();
  }

  absl::Status let_go() {
    if (!memories_.empty() && random_() % 2 == 0) memories_.pop_front();
    if (!lists_.empty() && random_() % 2 == 0) lists_.pop_front();
    if (memories_.size() > 20) memories_.resize(10);
    return absl::OkStatus();
  }

  absl::Status one_operation() {
    switch (random_() % 8) {
      case 0:
      case 1:
        return create();
      case 2:
        return attach();
      case 3:
        return share();
      case 4:
        return take();
      case 5:
        return client_.unlink(name());
      case 6:
        return write();
      default:
        return let_go();
    }
  }

  Random random_;
  shoal::Client client_;
  std::deque<SharedMemory> memories_;
  std::deque<ShareableList> lists_;
};

// Does a round for each message, until there are no more.
Child start_worker(const TestManager& manager, std::uint32_t seed) {
  return Child([&manager, seed](Channel& parent) -> std::string {
    Worker worker(manager, seed);
    while (parent.hear() == "round") {
      const std::string wrong = worker.round();
      if (!wrong.empty()) return wrong;
    }
    return "done";
  });
}

TEST(Rounds, AThousandLeaveNothing) {
  const char* given = std::getenv("SHOAL_TEST_SEED");
  const std::uint32_t seed =
      given != nullptr ? static_cast<std::uint32_t>(std::stoul(given)) : std::random_device()();
  std::cout << "seed " << seed << " (SHOAL_TEST_SEED repeats it)\n";
  Random random(seed);
  const TestManager manager({"--warm-bytes=0", "--quota=2MiB", "--memory-max=64MiB"});
  const LeakMeasure leaks(manager);
  (void)token_board();
  std::vector<std::unique_ptr<Child>> workers;
  for (std::size_t i = 0; i < kWorkers; ++i) {
    workers.push_back(std::make_unique<Child>(start_worker(manager, random())));
  }
  int kills = 0;
  for (int round = 0; round < kRounds; ++round) {
    const std::size_t chosen = random() % workers.size();
    workers[chosen]->say("round");
    // Killed in the middle of a round, and another takes its place.
    if (random() % 6 != 0) continue;
    workers[chosen]->kill();
    ++kills;
    workers[chosen] = std::make_unique<Child>(start_worker(manager, random()));
  }
  for (std::size_t i = 0; i < workers.size(); ++i) {
    if (i == 0) {
      workers[i]->kill();
    } else {
      workers[i]->say("end");
      EXPECT_EQ(workers[i]->result(), "done");
    }
  }
  std::cout << kills << " kills\n";
  {
    const shoal::Client client = manager.client();
    for (const shoal::ObjectInfo& object : must(client.list())) must(client.unlink(object.name));
  }
  EXPECT_EQ(leaks.what_is_left(), "");
}

}  // namespace
