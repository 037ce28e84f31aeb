// SharedMemory for Boost.Interprocess. Optional: needs Boost's headers, which no other header of
// shoal does. It gives the bytes to Boost and takes no part in what Boost keeps there.
//
//   auto mappable = shoal::BoostMappable::of(memory);
//   boost::interprocess::mapped_region region(*mappable, boost::interprocess::read_write, 0,
//                                             memory.size());
//   boost::interprocess::managed_external_buffer heap(boost::interprocess::create_only,
//                                                     region.get_address(), region.get_size());
//
// Caveat: what Boost's containers keep in a segment does not survive a process that is killed while
// it changes them. shoal keeps the bytes; Boost's links between them may be half written, and a
// lock of Boost's stays locked for ever.
//
// The region keeps the memory; the mappable may go once the region is made. Neither counts as a
// reference of the object: keep the SharedMemory while the name or the object must stay.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <utility>

#include "absl/status/statusor.h"
#include <boost/interprocess/detail/os_file_functions.hpp>

#include "shoal/object.h"
#include "shoal/shared_memory.h"

namespace shoal {

// Models Boost.Interprocess's MemoryMappable. Holds a descriptor of its own; move-only.
class BoostMappable {
 public:
  // PERMISSION_DENIED, FAILED_PRECONDITION: as SharedMemory::descriptor.
  [[nodiscard]] static absl::StatusOr<BoostMappable> of(const SharedMemory& memory, Access access) {
    absl::StatusOr<int> descriptor = memory.descriptor(access);
    if (!descriptor.ok()) return descriptor.status();
    return BoostMappable(*descriptor, access, memory.size());
  }
  [[nodiscard]] static absl::StatusOr<BoostMappable> of(const SharedMemory& memory) {
    return of(memory, memory.access());
  }

  BoostMappable(BoostMappable&& other) noexcept
      : descriptor_(std::exchange(other.descriptor_, -1)),
        access_(other.access_),
        size_(std::exchange(other.size_, 0)) {}
  BoostMappable& operator=(BoostMappable&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    std::swap(access_, other.access_);
    std::swap(size_, other.size_);
    return *this;
  }
  BoostMappable(const BoostMappable&) = delete;
  BoostMappable& operator=(const BoostMappable&) = delete;
  ~BoostMappable() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }

  // What mapped_region asks for. The handle stays this object's.
  [[nodiscard]] boost::interprocess::mapping_handle_t get_mapping_handle() const {
    return boost::interprocess::ipcdetail::mapping_handle_from_file_handle(descriptor_);
  }
  [[nodiscard]] boost::interprocess::mode_t get_mode() const {
    return access_ == Access::kReadOnly ? boost::interprocess::read_only
                                        : boost::interprocess::read_write;
  }

  // Of the object; the memory behind it may be rounded up to whole pages.
  [[nodiscard]] std::uint64_t size() const { return size_; }

 private:
  BoostMappable(int descriptor, Access access, std::uint64_t size)
      : descriptor_(descriptor), access_(access), size_(size) {}

  int descriptor_ = -1;
  Access access_ = Access::kReadWrite;
  std::uint64_t size_ = 0;
};

}  // namespace shoal
