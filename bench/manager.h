// What shoal's side of every row needs: a private manager and a client of it.
#pragma once

#include <utility>

#include <shoal/client.h>
#include <shoal/manager.h>

#include "reference/side.h"

namespace bench {

// The value, or the end of the program with the message.
template <typename T>
T must(const char* what, absl::StatusOr<T> result) {
  if (!result.ok()) reference::give_up(what, result.status().ToString().c_str());
  return *std::move(result);
}

inline void must(const char* what, const absl::Status& status) {
  if (!status.ok()) reference::give_up(what, status.ToString().c_str());
}

// A manager with its default settings, the warm pool included.
struct ManagedClient {
  shoal::Manager manager = must("manager", shoal::Manager::start());
  shoal::Client client = must("client", manager.connect());
};

}  // namespace bench
