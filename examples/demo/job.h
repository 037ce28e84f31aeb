// The parent's side of the count: puts the text into shared memory, starts a worker process for
// each slice, kills one of them half way, has its slice done again, adds up, and compares the words
// that all have counted into one Dict with its own count.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include <shoal/shoal.h>

#include "examples/demo/child.h"
#include "examples/demo/count.h"
#include "examples/demo/shared.h"

namespace demo {

class Job {
 public:
  // `folder` is where the demo itself and shoalctl are.
  Job(shoal::Client client, std::string socket, std::string folder)
      : client_(std::move(client)), socket_(std::move(socket)), folder_(std::move(folder)) {}

  // Counts what can be read from `file`, which is `size` bytes. CANCELLED if the user interrupts.
  absl::StatusOr<Counts> run(int file, std::uint64_t size);

 private:
  static constexpr std::size_t kWorkers = 4;
  static constexpr std::size_t kVictim = 1;
  // A worker that somebody else kills is replaced too, within reason.
  static constexpr int kStartsMax = 8;

  struct Worker {
    std::optional<Child> child;
    bool done = false;
    int starts = 0;
  };

  absl::Status load(int file, std::uint64_t size);
  absl::Status start(std::size_t number, bool halt);
  absl::Status watch();
  absl::Status look_after(std::size_t number);
  absl::Status kill_victim();
  absl::Status wait_until_forgotten(pid_t pid);
  absl::StatusOr<bool> holds(const char* name, pid_t pid) const;
  absl::Status shoalctl(const std::vector<std::string>& words) const;
  absl::StatusOr<std::int64_t> read(std::size_t number, Field field) const;
  absl::Status show_progress();
  absl::StatusOr<Counts> total() const;
  absl::Status compare_words(const Counts& counts) const;
  absl::Status unlink() const;

  shoal::Client client_;
  std::string socket_;
  std::string folder_;
  std::uint64_t size_ = 0;
  shoal::SharedMemory text_;
  shoal::ShareableList counts_;
  shoal::Dict words_;
  shoal::Dict slices_;
  std::array<Worker, kWorkers> workers_;
  bool killed_ = false;
  std::string progress_shown_;
};

}  // namespace demo
