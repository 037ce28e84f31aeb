// Implements <shoal/shared_memory_manager.h>: a session of its own, and new names.
#include "shoal/shared_memory_manager.h"

#include <sys/random.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "client/fork.h"
#include "schemas/text.h"

namespace shoal {

struct SharedMemoryManager::State {
  explicit State(Client connected) : client(std::move(connected)) {}
  Client client;
  bool down = false;
  std::uint64_t epoch = internal::fork_epoch();
};

namespace {

// A name that nobody else has thought of.
absl::StatusOr<std::string> new_name() {
  unsigned char bytes[12];
  if (::getrandom(bytes, sizeof bytes, 0) != static_cast<ssize_t>(sizeof bytes)) {
    return protocol::error(absl::StatusCode::kUnavailable,
                           "no random bytes for a name: ", std::strerror(errno));
  }
  std::string name = "shm-";
  for (const unsigned char byte : bytes) {
    name.push_back("0123456789abcdef"[byte >> 4]);
    name.push_back("0123456789abcdef"[byte & 15]);
  }
  return name;
}

absl::Status is_down() {
  return absl::FailedPreconditionError("the SharedMemoryManager was shut down; start a new one");
}

}  // namespace

SharedMemoryManager::SharedMemoryManager(std::unique_ptr<State> state) : state_(std::move(state)) {}
SharedMemoryManager::SharedMemoryManager(SharedMemoryManager&&) noexcept = default;

SharedMemoryManager& SharedMemoryManager::operator=(SharedMemoryManager&& other) noexcept {
  if (this != &other) {
    (void)shutdown();
    state_ = std::move(other.state_);
  }
  return *this;
}

SharedMemoryManager::~SharedMemoryManager() { (void)shutdown(); }

absl::StatusOr<SharedMemoryManager> SharedMemoryManager::start(const ClientOptions& options) {
  absl::StatusOr<Client> client = Client::connect(options);
  if (!client.ok()) return client.status();
  return SharedMemoryManager(std::make_unique<State>(*std::move(client)));
}

absl::StatusOr<shoal::SharedMemory> SharedMemoryManager::SharedMemory(std::uint64_t size) const {
  if (state_ == nullptr || state_->down) return is_down();
  const absl::StatusOr<std::string> name = new_name();
  if (!name.ok()) return name.status();
  return state_->client.create<shoal::SharedMemory>(*name,
                                                    {.size = size, .lifetime = Lifetime::kSession});
}

absl::StatusOr<shoal::ShareableList> SharedMemoryManager::ShareableList(
    const std::vector<Value>& values) const {
  if (state_ == nullptr || state_->down) return is_down();
  const absl::StatusOr<std::string> name = new_name();
  if (!name.ok()) return name.status();
  return state_->client.create<shoal::ShareableList>(
      *name, {.values = values, .lifetime = Lifetime::kSession});
}

absl::Status SharedMemoryManager::shutdown() {
  if (state_ == nullptr || state_->down) return absl::OkStatus();
  state_->down = true;
  // What a forked child copied is the parent's.
  if (state_->epoch != internal::fork_epoch()) return absl::OkStatus();
  return state_->client.end_session();
}

const Client& SharedMemoryManager::client() const { return state_->client; }

}  // namespace shoal
