// Worker processes by fork(): each fills its part of one segment and notes its sum in a list. The
// mappings are inherited, and the client goes on working in the child, which gets a session of its
// own with its first control call.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <iostream>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include <shoal/shoal.h>

namespace {

constexpr int kWorkers = 4;
constexpr std::size_t kNumbersEach = 1000;

std::span<std::uint32_t> numbers_of(const shoal::SharedMemory& memory, int worker) {
  auto* all = reinterpret_cast<std::uint32_t*>(memory.data().data());
  return {all + worker * kNumbersEach, kNumbersEach};
}

// Runs in the child.
int work(const shoal::Client& client, const shoal::SharedMemory& memory,
         const shoal::ShareableList& sums, int worker) {
  const auto mine = numbers_of(memory, worker);
  std::iota(mine.begin(), mine.end(), static_cast<std::uint32_t>(worker * kNumbersEach));
  const auto sum = std::accumulate(mine.begin(), mine.end(), std::int64_t{0});
  if (const absl::Status status = sums.set(worker, sum); !status.ok()) {
    std::cerr << status << '\n';
    return 1;
  }
  // A control call, only to show that a child may make them.
  const auto stat = client.stat("numbers");
  return stat.ok() ? 0 : 1;
}

int fail(const absl::Status& status) {
  std::cerr << status << '\n';
  return 1;
}

}  // namespace

int main() {
  auto manager = shoal::Manager::start();
  if (!manager.ok()) return fail(manager.status());
  const auto client = manager->connect();
  if (!client.ok()) return fail(client.status());
  const auto memory = client->create<shoal::SharedMemory>(
      "numbers", {.size = kWorkers * kNumbersEach * sizeof(std::uint32_t)});
  if (!memory.ok()) return fail(memory.status());
  const auto sums = client->create<shoal::ShareableList>(
      "sums", {.values = std::vector<shoal::Value>(kWorkers, 0)});
  if (!sums.ok()) return fail(sums.status());

  std::vector<pid_t> children;
  for (int worker = 0; worker < kWorkers; ++worker) {
    const pid_t child = ::fork();
    // _exit: what the parent will destroy is not the child's to destroy.
    if (child == 0) ::_exit(work(*client, *memory, *sums, worker));
    if (child < 0) return fail(absl::ErrnoToStatus(errno, "fork"));
    children.push_back(child);
  }
  bool all_well = true;
  for (const pid_t child : children) {
    int status = 0;
    all_well &= ::waitpid(child, &status, 0) == child && status == 0;
  }
  if (!all_well) return fail(absl::InternalError("a worker failed"));

  std::int64_t total = 0;
  for (int worker = 0; worker < kWorkers; ++worker) {
    const auto sum = sums->get_int(worker);
    if (!sum.ok()) return fail(sum.status());
    total += *sum;
  }
  std::cout << "sum " << total << '\n';
}
