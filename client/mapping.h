// A mapped memfd. Proxies of one process for one object share it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "absl/status/statusor.h"

#include "shoal/object.h"

namespace shoal::internal {

class Mapping {
 public:
  enum class Pages { kAtFirstTouch, kNow };

  // Maps `bytes` of `fd`, of which `size` belong to the object. RESOURCE_EXHAUSTED: no address
  // space. DATA_LOSS: the file is shorter than it should be.
  static absl::StatusOr<std::shared_ptr<Mapping>> map(int fd, std::uint64_t size,
                                                      std::uint64_t bytes, Access access,
                                                      Pages pages);
  Mapping(std::byte* at, std::uint64_t size, std::uint64_t bytes)
      : at_(at), size_(size), bytes_(bytes) {}
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping();

  [[nodiscard]] std::span<std::byte> data() const { return {at_, size_}; }

  // Puts another descriptor's memory at the same address.
  absl::Status replace(int fd, Access access);

 private:
  std::byte* at_;
  std::uint64_t size_;
  std::uint64_t bytes_;
};

}  // namespace shoal::internal
