// See job.h.
#include "examples/demo/job.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

#include "examples/demo/interrupt.h"
#include "examples/demo/words.h"
#include "examples/demo/worker.h"

namespace demo {
namespace {

constexpr absl::Duration kPollInterval = absl::Milliseconds(20);
// The manager notices a death at once; this only ends a demo in which something is wrong.
constexpr absl::Duration kPatience = absl::Seconds(60);

// Fills `text` from the file, which must be of just that size.
absl::Status read_all(int file, std::span<std::byte> text) {
  std::size_t got = 0;
  while (true) {
    std::byte beyond{};
    const bool full = got == text.size();
    const ssize_t n =
        full ? ::read(file, &beyond, 1) : ::read(file, text.data() + got, text.size() - got);
    if (n < 0 && errno == EINTR && interrupted() == 0) continue;
    if (interrupted() != 0) return absl::CancelledError("interrupted");
    if (n < 0) return absl::ErrnoToStatus(errno, "cannot read the file");
    if (full == (n == 0)) {
      if (full) return absl::OkStatus();
    } else {
      return absl::FailedPreconditionError(
          "the file is not as long as it says: it changes, or is not an ordinary file; copy it "
          "first");
    }
    got += static_cast<std::size_t>(n);
  }
}

}  // namespace

absl::StatusOr<Counts> Job::run(int file, std::uint64_t size) {
  absl::Status status = load(file, size);
  for (std::size_t i = 0; i < kWorkers && status.ok(); ++i) status = start(i, i == kVictim);
  if (status.ok()) status = watch();
  if (!status.ok()) return status;
  absl::StatusOr<Counts> counts = total();
  if (!counts.ok()) return counts.status();
  if (status = compare_words(*counts); !status.ok()) return status;
  if (status = unlink(); !status.ok()) return status;
  return counts;
}

absl::Status Job::load(int file, std::uint64_t size) {
  size_ = size;
  auto text =
      client_.create<shoal::SharedMemory>(kTextName, {.size = std::max<std::uint64_t>(size, 1)});
  if (!text.ok()) return text.status();
  text_ = *std::move(text);
  if (absl::Status status = read_all(file, text_.data().first(size)); !status.ok()) return status;
  std::cout << "put " << size << " bytes into SharedMemory \"" << kTextName << "\"\n";

  auto counts = client_.create<shoal::ShareableList>(
      kCountsName, {.values = std::vector<shoal::Value>(kWorkers * kFields, 0)});
  if (!counts.ok()) return counts.status();
  counts_ = *std::move(counts);
  std::cout << "made ShareableList \"" << kCountsName << "\" for the counts of " << kWorkers
            << " workers\n";

  auto words = client_.create<shoal::Dict>(kWordsName);
  if (!words.ok()) return words.status();
  words_ = *std::move(words);
  auto slices = client_.create<shoal::Dict>(kSlicesName);
  if (!slices.ok()) return slices.status();
  slices_ = *std::move(slices);
  std::cout << "made Dict \"" << kWordsName << "\" for the words, and Dict \"" << kSlicesName
            << "\" for the slices that are in it" << std::endl;
  return absl::OkStatus();
}

// By exec of this program, so that the worker has nothing of its parent but the socket's path.
absl::Status Job::start(std::size_t number, bool halt) {
  Worker& worker = workers_[number];
  if (++worker.starts > kStartsMax) {
    return absl::AbortedError(absl::StrCat("worker ", number, " was killed again and again"));
  }
  const Task task{number, slice_of(size_, number, kWorkers), halt};
  std::vector<std::string> words = worker_arguments(task);
  words.insert(words.begin(), folder_ + "/shoal_demo");
  absl::StatusOr<Child> child =
      Child::start(words, {.extra_environment = {"SHOAL_SOCKET=" + socket_}});
  if (!child.ok()) return child.status();
  worker.child = *std::move(child);
  std::cout << "worker " << number << " is process " << worker.child->pid() << ": bytes "
            << task.slice.begin << " to " << task.slice.end << std::endl;
  return absl::OkStatus();
}

absl::Status Job::watch() {
  while (!std::ranges::all_of(workers_, &Worker::done)) {
    if (interrupted() != 0) return absl::CancelledError("interrupted");
    if (absl::Status status = show_progress(); !status.ok()) return status;
    for (std::size_t i = 0; i < kWorkers; ++i) {
      if (absl::Status status = look_after(i); !status.ok()) return status;
    }
    absl::SleepFor(kPollInterval);
  }
  return show_progress();
}

absl::Status Job::look_after(std::size_t number) {
  Worker& worker = workers_[number];
  if (worker.done) return absl::OkStatus();
  const std::optional<int> ended = worker.child->ended();
  const absl::StatusOr<std::int64_t> state = read(number, kState);
  if (!state.ok()) return state.status();
  if (!ended) {
    return number == kVictim && *state == kHalted && !killed_ ? kill_victim() : absl::OkStatus();
  }
  if (WIFSIGNALED(*ended)) {
    std::cout << "worker " << number << " was killed by signal " << WTERMSIG(*ended)
              << "; its slice is done again\n";
    return start(number, number == kVictim && !killed_);
  }
  if (WEXITSTATUS(*ended) != 0 || *state != kDone) {
    return absl::InternalError(absl::StrCat("worker ", number, " failed"));
  }
  worker.done = true;
  return absl::OkStatus();
}

absl::Status Job::kill_victim() {
  Worker& worker = workers_[kVictim];
  const pid_t pid = worker.child->pid();
  const absl::StatusOr<std::int64_t> bytes = read(kVictim, kProgress);
  if (!bytes.ok()) return bytes.status();
  std::cout << "\nworker " << kVictim << " has counted " << *bytes
            << " bytes of its slice, is in the transaction that adds their words, and holds all"
            << " objects:\n";
  if (absl::Status status = shoalctl({"stat", kTextName}); !status.ok()) return status;
  for (const char* name : {kTextName, kCountsName}) {
    const absl::StatusOr<bool> held = holds(name, pid);
    if (!held.ok()) return held.status();
    if (!*held) return absl::InternalError(absl::StrCat("the worker does not hold ", name));
  }

  worker.child->kill();
  killed_ = true;
  std::cout << "\nkill -9 " << pid << ": worker " << kVictim << " is dead\n";
  if (absl::Status status = wait_until_forgotten(pid); !status.ok()) return status;
  std::cout << "its references are gone:\n";
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"stat", kTextName}, {"stat", kCountsName}, {"clients"}}) {
    if (absl::Status status = shoalctl(words); !status.ok()) return status;
  }
  std::cout << "\nthe slice is done again by a new process\n";
  return start(kVictim, /*halt=*/false);
}

absl::Status Job::wait_until_forgotten(pid_t pid) {
  const absl::Time deadline = absl::Now() + kPatience;
  for (const char* name : {kTextName, kCountsName}) {
    while (true) {
      const absl::StatusOr<bool> held = holds(name, pid);
      if (!held.ok()) return held.status();
      if (!*held) break;
      if (interrupted() != 0) return absl::CancelledError("interrupted");
      if (absl::Now() > deadline) {
        return absl::InternalError(
            absl::StrCat("the manager still counts references of dead process ", pid));
      }
      absl::SleepFor(kPollInterval);
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> Job::holds(const char* name, pid_t pid) const {
  const absl::StatusOr<shoal::ObjectStat> stat = client_.stat(name);
  if (!stat.ok()) return stat.status();
  return std::ranges::find(stat->holders, pid, &shoal::Holder::pid) != stat->holders.end();
}

// The program that an operator would use, not the library behind it.
absl::Status Job::shoalctl(const std::vector<std::string>& words) const {
  std::vector<std::string> command = {folder_ + "/shoalctl"};
  std::cout << "$ shoalctl";
  for (const std::string& word : words) {
    std::cout << ' ' << word;
    command.push_back(word);
  }
  const absl::StatusOr<std::string> output =
      output_of(command, {.extra_environment = {"SHOAL_SOCKET=" + socket_}});
  if (!output.ok()) return output.status();
  std::cout << '\n' << *output << std::flush;
  return absl::OkStatus();
}

absl::StatusOr<std::int64_t> Job::read(std::size_t number, Field field) const {
  return counts_.get_int(element(number, field));
}

absl::Status Job::show_progress() {
  std::string line = "progress:";
  for (std::size_t i = 0; i < kWorkers; ++i) {
    const absl::StatusOr<std::int64_t> bytes = read(i, kProgress);
    if (!bytes.ok()) return bytes.status();
    const std::uint64_t size = slice_of(size_, i, kWorkers).size();
    const std::uint64_t done = std::min(static_cast<std::uint64_t>(*bytes), size);
    // Steps of an eighth: a line for each byte would be too much of a good thing.
    const auto eighths =
        size == 0 ? 8 : static_cast<int>(static_cast<double>(done) / static_cast<double>(size) * 8);
    absl::StrAppend(&line, "  ", i, " [", std::string(static_cast<std::size_t>(eighths), '#'),
                    std::string(static_cast<std::size_t>(8 - eighths), '.'), "]");
  }
  const absl::StatusOr<std::size_t> words = words_.size();
  if (!words.ok()) return words.status();
  absl::StrAppend(&line, "  different words: ", *words);
  if (line != progress_shown_) std::cerr << line << '\n';
  progress_shown_ = line;
  return absl::OkStatus();
}

absl::StatusOr<Counts> Job::total() const {
  Counts sum;
  for (std::size_t i = 0; i < kWorkers; ++i) {
    const auto lines = read(i, kLines);
    const auto words = read(i, kWords);
    const auto bytes = read(i, kBytes);
    for (const auto* value : {&lines, &words, &bytes}) {
      if (!value->ok()) return value->status();
    }
    sum += Counts{*lines, *words, *bytes};
  }
  return sum;
}

absl::Status Job::compare_words(const Counts& counts) const {
  const absl::StatusOr<SharedWords> shared = words_in(words_);
  if (!shared.ok()) return shared.status();
  std::cout << "\nall slices are done; " << shared->size() << " different words in Dict \""
            << kWordsName << "\"\n";
  if (absl::Status status = shoalctl({"verify", kWordsName}); !status.ok()) return status;
  const absl::StatusOr<std::size_t> slices = slices_.size();
  if (!slices.ok()) return slices.status();
  if (*slices != kWorkers) return absl::InternalError(absl::StrCat(*slices, " slices were added"));
  show_top(*shared);
  const auto text = std::as_bytes(text_.data().first(size_));
  return same_words(*shared, text, counts.words);
}

absl::Status Job::unlink() const {
  for (const char* name : {kTextName, kCountsName, kWordsName, kSlicesName}) {
    if (absl::Status status = client_.unlink(name); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace demo
