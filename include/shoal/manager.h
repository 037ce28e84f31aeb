// A private manager as a sidecar of this process.
//
//   auto manager = shoal::Manager::start();
//   auto client  = manager->connect();
//
// The program is $SHOAL_SHOALD, else `shoald` beside the library or in ../bin of it, else on PATH.
// It ends with this process, however that dies, and with the destructor. Move-only; one thread at a
// time. In a forked child a Manager is inert: it stops nothing and may only be destroyed.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "shoal/client.h"
#include "shoal/export.h"

namespace shoal {

struct ManagerOptions {
  std::string socket = {};              // empty: in a new private folder, removed at the end
  std::string program = {};             // empty: found as said above
  std::vector<std::string> flags = {};  // more flags for shoald, such as "--memory-max=1GiB"
  std::string log_file = {};            // where its log lines go; empty: /dev/null; "-": our stderr
  absl::Duration start_timeout = absl::Seconds(10);
};

class SHOAL_EXPORT Manager {
 public:
  // Returns once the manager answers. NOT_FOUND: no such program. UNAVAILABLE: it did not come up;
  // the message has its last words.
  [[nodiscard]] static absl::StatusOr<Manager> start(const ManagerOptions& options = {});

  Manager(Manager&&) noexcept;
  Manager& operator=(Manager&&) noexcept;
  Manager(const Manager&) = delete;
  Manager& operator=(const Manager&) = delete;
  ~Manager();  // stop()

  [[nodiscard]] const std::string& socket() const;
  [[nodiscard]] pid_t pid() const;

  // A client of this manager; `options.socket` is filled in.
  [[nodiscard]] absl::StatusOr<Client> connect(ClientOptions options = {}) const;

  // Ends the manager and waits for it. Every object of it is gone. Stopping twice is fine.
  absl::Status stop();

 private:
  struct State;
  explicit Manager(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace shoal
