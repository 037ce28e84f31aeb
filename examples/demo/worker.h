// A worker: a process of its own that attaches to the objects by their names, counts one slice,
// adds its words to those of the others and notes the result. It knows of its parent only the
// process id.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"

#include "examples/demo/shared.h"

namespace demo {

struct Task {
  std::size_t number = 0;  // of the slice
  Slice slice;
  bool halt = false;  // stop half way, in a transaction, and wait to be killed
};

// The first argument of a program that is to be a worker.
inline constexpr const char* kWorkerFlag = "--worker";

// The task as arguments, and back.
std::vector<std::string> worker_arguments(const Task& task);
int worker_main(const std::vector<std::string>& arguments);

}  // namespace demo
