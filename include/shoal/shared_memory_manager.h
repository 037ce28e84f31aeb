// Segments and lists that all go when their maker does, as Python's SharedMemoryManager.
//
//   auto blocks = shoal::SharedMemoryManager::start();       // a session of its own
//   auto block  = blocks->SharedMemory(4096);                // named, so that others can open it
//   auto totals = blocks->ShareableList({0, 0, 0});
//
// Everything made by it is unlinked when it is shut down, destroyed, or its process dies. Who is
// attached then keeps his mapping. Thread and fork safety: as Client; a forked child's copy is
// inert and unlinks nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "shoal/client.h"
#include "shoal/export.h"
#include "shoal/shareable_list.h"
#include "shoal/shared_memory.h"
#include "shoal/value.h"

namespace shoal {

class SHOAL_EXPORT SharedMemoryManager {
 public:
  // Connects as Client::connect does.
  [[nodiscard]] static absl::StatusOr<SharedMemoryManager> start(const ClientOptions& options = {});

  SharedMemoryManager(SharedMemoryManager&&) noexcept;
  SharedMemoryManager& operator=(SharedMemoryManager&&) noexcept;
  SharedMemoryManager(const SharedMemoryManager&) = delete;
  SharedMemoryManager& operator=(const SharedMemoryManager&) = delete;
  ~SharedMemoryManager();  // shutdown()

  // A segment of `size` bytes under a new name. FAILED_PRECONDITION after shutdown().
  [[nodiscard]] absl::StatusOr<shoal::SharedMemory> SharedMemory(std::uint64_t size) const;

  // A list of `values` under a new name. FAILED_PRECONDITION after shutdown().
  [[nodiscard]] absl::StatusOr<shoal::ShareableList> ShareableList(
      const std::vector<Value>& values) const;

  // Unlinks everything now. Twice is fine.
  absl::Status shutdown();

  [[nodiscard]] const Client& client() const;

 private:
  struct State;
  explicit SharedMemoryManager(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace shoal
