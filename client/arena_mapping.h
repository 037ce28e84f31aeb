// The memory of an arena, mapped whole, once for each access in this process: sessions share it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"

#include "client/mapping.h"
#include "memory/layout.h"
#include "shoal/object.h"

namespace shoal::internal {

class ArenaMapping {
 public:
  // `arena_bytes` as the manager says. RESOURCE_EXHAUSTED: no address space for it.
  // FAILED_PRECONDITION: its memory locking, or a layout or feature that we do not know.
  // DATA_LOSS: that is no arena of this size.
  static absl::StatusOr<std::shared_ptr<ArenaMapping>> map(int fd, std::uint64_t arena_bytes,
                                                           Access access);

  ArenaMapping(std::shared_ptr<Mapping> mapping, const memory::Geometry& geometry)
      : mapping_(std::move(mapping)), geometry_(geometry) {}

  [[nodiscard]] std::byte* at() const { return mapping_->data().data(); }
  [[nodiscard]] const memory::Geometry& geometry() const { return geometry_; }

 private:
  std::shared_ptr<Mapping> mapping_;
  memory::Geometry geometry_;
};

}  // namespace shoal::internal
