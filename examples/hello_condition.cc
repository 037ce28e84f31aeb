// Two processes take turns: a condition variable between them, and what it guards in an array.
#include <sys/wait.h>
#include <unistd.h>

#include <iostream>
#include <mutex>

#include <shoal/shoal.h>

namespace {

constexpr int kTurns = 6;

int fail(const absl::Status& status) {
  std::cerr << status << '\n';
  return 1;
}

// Player 0 takes the even turns, player 1 the odd ones.
int play(const shoal::Condition& changed, const shoal::Array<int>& turn, int player) {
  for (int mine = player; mine < kTurns; mine += 2) {
    const std::scoped_lock guard(changed);
    const auto ready = changed.wait_for([&] { return turn.data()[0] == mine; }, absl::Seconds(60));
    if (!ready.ok()) return fail(ready.status());
    if (!*ready) return fail(absl::DeadlineExceededError("the other player never moved"));
    std::cout << (player == 0 ? "ping " : "pong ") << mine << std::endl;
    turn.data()[0] = mine + 1;
    if (const auto notified = changed.notify(); !notified.ok()) return fail(notified.status());
  }
  return 0;
}

}  // namespace

int main() {
  auto manager = shoal::Manager::start();
  if (!manager.ok()) return fail(manager.status());
  const auto client = manager->connect();
  if (!client.ok()) return fail(client.status());
  const auto changed = client->create<shoal::Condition>("changed");
  if (!changed.ok()) return fail(changed.status());
  const auto turn = client->create<shoal::Array<int>>("turn", {.size = 1});
  if (!turn.ok()) return fail(turn.status());

  const pid_t child = ::fork();
  if (child == 0) ::_exit(play(*changed, *turn, 1));
  const int outcome = play(*changed, *turn, 0);
  int status = 0;
  ::waitpid(child, &status, 0);
  return outcome == 0 && status == 0 ? 0 : 1;
}
