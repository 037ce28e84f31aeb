// A manager of one's own: started by this program, found by nobody else, gone when it ends, however
// it ends. For tests, and for programs that cannot count on a manager of the system.
#include <iostream>

#include <shoal/shoal.h>

int main() {
  auto manager = shoal::Manager::start();
  if (!manager.ok()) {
    std::cerr << manager.status() << '\n';
    return 1;
  }
  // Child processes find it by $SHOAL_SOCKET, if they are told.
  std::cout << "manager " << manager->pid() << " at " << manager->socket() << '\n';

  const auto client = manager->connect();
  if (!client.ok()) {
    std::cerr << client.status() << '\n';
    return 1;
  }
  const auto totals =
      client->create<shoal::ShareableList>("totals", {.values = {0, 0.5, "text", nullptr}});
  if (!totals.ok()) {
    std::cerr << totals.status() << '\n';
    return 1;
  }
  if (const absl::Status status = totals->set(0, 42); !status.ok()) {
    std::cerr << status << '\n';
    return 1;
  }
  for (const auto& value : *totals) {
    if (!value.ok()) {
      std::cerr << value.status() << '\n';
      return 1;
    }
    std::cout << *value << '\n';
  }
}
