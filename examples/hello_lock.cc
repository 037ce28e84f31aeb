// A lock that survives its owner. One child takes the lock and is killed in the middle of a change;
// the next one gets the lock, is told so, and mends what the first had left.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <iostream>
#include <mutex>

#include <shoal/shoal.h>

namespace {

int fail(const absl::Status& status) {
  std::cerr << status << '\n';
  return 1;
}

// What the lock protects: two accounts whose sum stays the same.
void transfer(const shoal::Array<long>& accounts, long amount, bool dies) {
  accounts.data()[0] -= amount;
  if (dies) ::raise(SIGKILL);
  accounts.data()[1] += amount;
}

void wait_for(pid_t child) {
  int status = 0;
  ::waitpid(child, &status, 0);
}

}  // namespace

int main() {
  auto manager = shoal::Manager::start();
  if (!manager.ok()) return fail(manager.status());
  const auto client = manager->connect();
  if (!client.ok()) return fail(client.status());
  const auto lock = client->create<shoal::Lock>("ledger");
  if (!lock.ok()) return fail(lock.status());
  const auto accounts = client->create<shoal::Array<long>>("accounts", {.size = 2});
  if (!accounts.ok()) return fail(accounts.status());
  {
    const std::scoped_lock guard(*lock);  // as with any mutex
    accounts->data()[0] = 100;
  }

  const pid_t child = ::fork();
  if (child == 0) {
    const std::scoped_lock guard(*lock);
    transfer(*accounts, 30, /*dies=*/true);
  }
  wait_for(child);

  const auto held = lock->acquire(absl::Seconds(60));
  if (!held.ok()) return fail(held.status());
  std::cout << "token " << held->token << (held->abandoned ? ", abandoned\n" : "\n");
  if (held->abandoned) {
    accounts->data()[1] = 100 - accounts->data()[0];
    if (const absl::Status status = lock->mark_consistent(); !status.ok()) return fail(status);
  }
  std::cout << accounts->data()[0] << " + " << accounts->data()[1] << '\n';
  return lock->release().ok() ? 0 : 1;
}
