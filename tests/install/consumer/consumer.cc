// The least a user can write: connects where no manager is, and expects to be told so.
#include <cstdio>

#include <shoal/shoal.h>

int main() {
  const auto client = shoal::Client::connect();
  if (client.ok() || !absl::IsUnavailable(client.status())) {
    std::fprintf(stderr, "expected UNAVAILABLE, got %s\n", client.status().ToString().c_str());
    return 1;
  }
  std::puts("ok");
  return 0;
}
