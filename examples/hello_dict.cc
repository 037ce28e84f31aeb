// A dict that several processes change at once. Each child takes pieces out of the stock and books
// them for itself, both or neither, by a transaction; one is killed in the middle of such a change.
// What is in the stock and what was booked add up all the same.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <iostream>

#include <shoal/shoal.h>

namespace {

constexpr int kChildren = 3;
constexpr int kPieces = 1000;
constexpr int kEach = 100;
constexpr int kKilledAfter = 20;

int fail(const absl::Status& status) {
  std::cerr << status << '\n';
  return 1;
}

// Takes one piece. `dies`: half way.
absl::Status take(const shoal::Client& client, const shoal::Dict& stock, const shoal::Dict& taken,
                  int who, bool dies) {
  return client.transact([&](shoal::Transaction& change) -> absl::Status {
    const auto left = change.increment(stock, "apples", -1);
    if (!left.ok()) return left.status();
    if (*left < 0) return absl::FailedPreconditionError("none left");  // nothing is changed
    if (dies) ::raise(SIGKILL);
    return change.increment(taken, who).status();
  });
}

}  // namespace

int main() {
  auto manager = shoal::Manager::start();
  if (!manager.ok()) return fail(manager.status());
  const auto client = manager->connect();
  if (!client.ok()) return fail(client.status());
  const auto stock = client->create<shoal::Dict>("stock");
  if (!stock.ok()) return fail(stock.status());
  const auto taken = client->create<shoal::Dict>("taken");
  if (!taken.ok()) return fail(taken.status());
  if (absl::Status status = stock->put("apples", kPieces); !status.ok()) return fail(status);

  std::array<pid_t, kChildren> children{};
  for (int who = 0; who < kChildren; ++who) {
    children[who] = ::fork();
    if (children[who] != 0) continue;
    for (int i = 0; i < kEach; ++i) {
      const bool dies = who == 1 && i == kKilledAfter;
      if (!take(*client, *stock, *taken, who, dies).ok()) ::_exit(1);
    }
    ::_exit(0);
  }
  for (const pid_t child : children) ::waitpid(child, nullptr, 0);

  const auto left = stock->get_as<std::int64_t>("apples");
  if (!left.ok()) return fail(left.status());
  const auto items = taken->items();
  if (!items.ok()) return fail(items.status());
  std::int64_t booked = 0;
  for (const shoal::DictEntry& entry : *items) booked += *entry.value.as_int();
  const auto victim = taken->get_as<std::int64_t>(1);
  std::cout << "the killed one had taken " << victim.value_or(0) << "\nleft " << *left
            << ", booked " << booked << '\n';
  return *left + booked == kPieces ? 0 : 1;
}
