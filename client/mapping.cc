// See mapping.h.
#include "client/mapping.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "schemas/text.h"

namespace shoal::internal {
namespace {

using protocol::error;

int protection(Access access) {
  return access == Access::kReadWrite ? PROT_READ | PROT_WRITE : PROT_READ;
}

absl::Status cannot_map(std::uint64_t bytes) {
  if (errno == EPERM) {
    return error(absl::StatusCode::kFailedPrecondition, "cannot map ", bytes,
                 " bytes for writing: somebody has sealed them; open with read-only access");
  }
  return error(absl::StatusCode::kResourceExhausted, "cannot map ", bytes,
               " bytes: ", std::strerror(errno),
               "; raise the limits of address space (ulimit -v) and locked memory (ulimit -l)");
}

}  // namespace

absl::Status no_descriptor_came() {
  return error(absl::StatusCode::kResourceExhausted,
               "no descriptor came with the manager's reply: this process has no room for one; "
               "raise its limit of descriptors (ulimit -n)");
}

absl::StatusOr<std::shared_ptr<Mapping>> Mapping::map(int fd, std::uint64_t size,
                                                      std::uint64_t bytes, Access access,
                                                      Pages pages) {
  if (fd < 0) return no_descriptor_came();
  // Touching a page that the file does not have is a SIGBUS.
  struct stat status {};
  if (size > bytes || ::fstat(fd, &status) != 0 ||
      static_cast<std::uint64_t>(status.st_size) < size) {
    return error(absl::StatusCode::kDataLoss, "the manager sent a descriptor of ", status.st_size,
                 " bytes for an object of ", size);
  }
  const int now = pages == Pages::kNow ? MAP_POPULATE : 0;
  void* at = ::mmap(nullptr, bytes, protection(access), MAP_SHARED | now, fd, 0);
  if (at == MAP_FAILED) return cannot_map(bytes);
  // A core dump of every process need not hold every segment.
  ::madvise(at, bytes, MADV_DONTDUMP);
  return std::make_shared<Mapping>(static_cast<std::byte*>(at), size, bytes, access);
}

Mapping::~Mapping() { ::munmap(at_, bytes_); }

absl::Status Mapping::replace(int fd, Access access) {
  // Mapped elsewhere first: a MAP_FIXED that fails may leave a hole, which another thread fills.
  void* fresh = ::mmap(nullptr, bytes_, protection(access), MAP_SHARED, fd, 0);
  if (fresh == MAP_FAILED) return cannot_map(bytes_);
  if (::mremap(fresh, bytes_, bytes_, MREMAP_MAYMOVE | MREMAP_FIXED, at_) == MAP_FAILED) {
    absl::Status status = cannot_map(bytes_);
    ::munmap(fresh, bytes_);
    return status;
  }
  ::madvise(at_, bytes_, MADV_DONTDUMP);
  access_.store(access, std::memory_order_relaxed);
  return absl::OkStatus();
}

}  // namespace shoal::internal
