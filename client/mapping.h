// A mapped memfd. Proxies of one process for one object share it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "absl/status/statusor.h"

#include "shoal/object.h"

namespace shoal::internal {

// The kernel drops a descriptor that the receiver has no number left for.
absl::Status no_descriptor_came();

class Mapping {
 public:
  enum class Pages { kAtFirstTouch, kNow };

  // Maps `bytes` of `fd`, of which `size` belong to the object. RESOURCE_EXHAUSTED: no address
  // space. DATA_LOSS: the file is shorter than it should be.
  static absl::StatusOr<std::shared_ptr<Mapping>> map(int fd, std::uint64_t size,
                                                      std::uint64_t bytes, Access access,
                                                      Pages pages);
  Mapping(std::byte* at, std::uint64_t size, std::uint64_t bytes, Access access)
      : at_(at), size_(size), bytes_(bytes), access_(access) {}
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping();

  [[nodiscard]] std::span<std::byte> data() const { return {at_, size_}; }

  // What the pages allow now: seal() takes writing away.
  [[nodiscard]] Access access() const { return access_.load(std::memory_order_relaxed); }

  // Puts another descriptor's memory at the same address; on failure all is as before.
  absl::Status replace(int fd, Access access);

 private:
  std::byte* at_;
  std::uint64_t size_;
  std::uint64_t bytes_;
  std::atomic<Access> access_;
};

}  // namespace shoal::internal
