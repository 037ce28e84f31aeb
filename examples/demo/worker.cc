// See worker.h.
#include "examples/demo/worker.h"

#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <iostream>
#include <optional>

#include "absl/time/clock.h"
#include "absl/time/time.h"

#include <shoal/shoal.h>

#include "examples/demo/count.h"

namespace demo {
namespace {

// A short text would be counted before anybody could look: a nap after each step makes it visible.
constexpr std::uint64_t kSteps = 16;
constexpr absl::Duration kNap = absl::Milliseconds(20);
// The others' transactions may be long ones.
constexpr absl::Duration kPatience = absl::Minutes(10);
constexpr std::uint64_t kStepBytesMax = 1 << 20;  // larger slices take more steps and no naps

std::optional<std::uint64_t> number(const std::string& text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

absl::Status note(const shoal::ShareableList& counts, const Task& task, const Counts& found,
                  State state) {
  const std::pair<Field, std::int64_t> values[] = {{kLines, found.lines},
                                                   {kWords, found.words},
                                                   {kBytes, found.bytes},
                                                   {kProgress, found.bytes},
                                                   {kState, state}};
  for (const auto& [field, value] : values) {
    if (absl::Status status = counts.set_int(element(task.number, field), value); !status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

// Adds the words of a slice to all, unless that has been done.
absl::Status add(shoal::Transaction& transaction, const shoal::Dict& all, const shoal::Dict& slices,
                 const Task& task, const WordCounts& words) {
  const auto number = static_cast<std::int64_t>(task.number);
  const absl::StatusOr<bool> done = transaction.contains(slices, number);
  if (!done.ok() || *done) return done.status();
  for (const auto& [word, count] : words) {
    const auto sum = transaction.increment(all, shoal::Bytes(word), count);
    if (!sum.ok()) return sum.status();
  }
  return transaction.put(slices, number, ::getpid());
}

// Half of the slice is counted and noted, and will never be finished by this process.
[[noreturn]] void wait_to_be_killed() {
  for (;;) ::pause();
}

absl::Status work(const Task& task) {
  shoal::ClientOptions options;
  options.label = "demo worker " + std::to_string(task.number);
  options.op_timeout = kPatience;
  const auto client = shoal::Client::connect(options);  // by $SHOAL_SOCKET
  if (!client.ok()) return client.status();
  const auto memory =
      client->open<shoal::SharedMemory>(kTextName, {.access = shoal::Access::kReadOnly});
  if (!memory.ok()) return memory.status();
  const auto counts = client->open<shoal::ShareableList>(kCountsName);
  if (!counts.ok()) return counts.status();
  const auto all = client->open<shoal::Dict>(kWordsName);
  if (!all.ok()) return all.status();
  const auto slices = client->open<shoal::Dict>(kSlicesName);
  if (!slices.ok()) return slices.status();

  const std::span<const std::byte> text = memory->data();
  if (task.slice.begin > task.slice.end || task.slice.end > text.size()) {
    return absl::InvalidArgumentError("the slice is not in the text");
  }
  const std::span<const std::byte> slice = text.subspan(task.slice.begin, task.slice.size());
  const std::uint64_t half = slice.size() / 2;
  const std::uint64_t step = std::clamp<std::uint64_t>(slice.size() / kSteps, 1, kStepBytesMax);
  Counter counter(text.first(task.slice.begin));
  WordCounts words;
  for (std::uint64_t at = 0;;) {
    const bool halted = task.halt && at >= half;
    const bool done = !halted && at == slice.size();
    if (halted || done) {
      const absl::Status added = client->transact([&](shoal::Transaction& transaction) {
        const absl::Status status = add(transaction, *all, *slices, task, words);
        if (!halted || !status.ok()) return status;
        (void)note(*counts, task, counter.counts(), kHalted);
        wait_to_be_killed();
      });
      if (!added.ok()) return added;
    }
    const State state = done ? kDone : kCounting;
    if (absl::Status status = note(*counts, task, counter.counts(), state); !status.ok()) {
      return status;
    }
    if (done) return absl::OkStatus();
    const std::uint64_t next = std::min<std::uint64_t>(at + step, slice.size());
    counter.add(slice.subspan(at, next - at));
    add_words(text, task.slice.begin + at, task.slice.begin + next, words);
    at = next;
    if (step < kStepBytesMax) absl::SleepFor(kNap);
  }
}

// A worker without its parent has no reason to be.
bool end_with_parent(pid_t parent) {
  return ::prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && ::getppid() == parent;
}

}  // namespace

std::vector<std::string> worker_arguments(const Task& task) {
  return {kWorkerFlag,
          std::to_string(task.number),
          std::to_string(task.slice.begin),
          std::to_string(task.slice.end),
          task.halt ? "1" : "0",
          std::to_string(::getpid())};
}

int worker_main(const std::vector<std::string>& arguments) {
  std::vector<std::uint64_t> numbers;
  for (const std::string& argument : arguments) {
    if (const auto value = number(argument)) numbers.push_back(*value);
  }
  if (numbers.size() != 5 || arguments.size() != 5) {
    std::cerr << "demo: " << kWorkerFlag << " is for the demo itself\n";
    return 2;
  }
  const Task task{numbers[0], {numbers[1], numbers[2]}, numbers[3] != 0};
  if (!end_with_parent(static_cast<pid_t>(numbers[4]))) return 1;
  const absl::Status status = work(task);
  if (status.ok()) return 0;
  std::cerr << "demo: worker " << task.number << ": " << status << '\n';
  return 1;
}

}  // namespace demo
