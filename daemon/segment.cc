// See segment.h.
#include "daemon/segment.h"

#include <fcntl.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <fstream>
#include <utility>

#include "daemon/numa.h"
#include "schemas/limits.h"
#include "schemas/text.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

namespace shoal::daemon {
namespace {

using protocol::error;
using protocol::UniqueFd;

constexpr std::uint64_t kBlockBytes = 512;  // the unit of st_blocks
constexpr std::uint32_t kHugePageBytes = 2U << 20;
constexpr unsigned kHugePage2MiB = 21U << 26;  // MFD_HUGE_2MB

std::uint32_t ordinary_page_size() {
  static const auto size = static_cast<std::uint32_t>(::sysconf(_SC_PAGESIZE));
  return size;
}

std::uint64_t round_up(std::uint64_t size, std::uint64_t unit) {
  return (size + unit - 1) / unit * unit;
}

absl::Status exhausted(const SegmentSpec& spec, int why) {
  return error(absl::StatusCode::kResourceExhausted, "cannot commit ", spec.size,
               " bytes for a segment: ", std::strerror(why),
               "; unlink objects, or give the manager more memory");
}

absl::Status system_failed(const char* call, int why) {
  const bool full = why == EMFILE || why == ENFILE || why == ENOMEM || why == ENOSPC;
  const auto code = full ? absl::StatusCode::kResourceExhausted : absl::StatusCode::kInternal;
  return error(code, call, " for a segment: ", std::strerror(why),
               why == EMFILE || why == ENFILE ? "; raise the limit of open files" : "");
}

UniqueFd new_memfd(const char* name, unsigned flags) {
  flags |= MFD_CLOEXEC | MFD_ALLOW_SEALING;
  UniqueFd fd(::memfd_create(name, flags | MFD_NOEXEC_SEAL));
  // Kernels before 6.3 do not know the flag.
  if (!fd.valid() && errno == EINVAL) fd.reset(::memfd_create(name, flags));
  return fd;
}

std::string huge_page_file(const char* name) {
  std::ifstream file(protocol::text("/sys/kernel/mm/hugepages/hugepages-2048kB/", name));
  std::string value;
  file >> value;
  return value;
}

std::string why_no_huge_pages(int why) {
  const std::string total = huge_page_file("nr_hugepages");
  if (total.empty()) return "the kernel has no 2 MiB huge pages";
  if (why == ENOMEM || why == ENOSPC) {
    return protocol::text("not enough free huge pages: ", huge_page_file("free_hugepages"), " of ",
                          total, " in the pool; see vm.nr_hugepages");
  }
  return protocol::text("the kernel refused huge pages: ", std::strerror(why));
}

// Everything after memfd_create; false with errno in `why`.
bool fill(int fd, const SegmentSpec& spec, std::uint64_t file_size, int& why) {
  const int seals = F_SEAL_SHRINK | F_SEAL_GROW | (spec.sealable ? 0 : F_SEAL_SEAL);
  const bool done = ::fchmod(fd, 0600) == 0 &&
                    ::ftruncate(fd, static_cast<off_t>(file_size)) == 0 &&
                    (spec.numa_node < 0 || bind_to_node(fd, file_size, spec.numa_node)) &&
                    (spec.sparse || ::fallocate(fd, 0, 0, static_cast<off_t>(file_size)) == 0) &&
                    ::fcntl(fd, F_ADD_SEALS, seals) == 0;
  why = done ? 0 : errno;
  return done;
}

}  // namespace

Segment::Segment(const SegmentSpec& spec, UniqueFd memfd, std::uint32_t page_size)
    : spec_(spec), page_size_(page_size), memfd_(std::move(memfd)) {}

std::uint64_t Segment::map_size() const { return round_up(spec_.size, page_size_); }

bool Segment::sealed() const {
  const int seals = spec_.sealable ? ::fcntl(fd(), F_GET_SEALS) : 0;
  return seals > 0 && (seals & F_SEAL_WRITE) != 0;
}

std::uint64_t Segment::committed() const {
  struct stat status {};
  if (::fstat(fd(), &status) != 0) return 0;
  return static_cast<std::uint64_t>(status.st_blocks) * kBlockBytes;
}

bool Segment::ordinary() const {
  return valid() && !given_to_others_ && !spec_.sealable && !spec_.sparse && spec_.numa_node < 0 &&
         page_size_ == ordinary_page_size();
}

bool Segment::alone() {
  spare_.reset();
  absl::StatusOr<UniqueFd> test = reopen(fd(), true);
  if (!test.ok()) return false;
  // A write lease is given only where no other open description is counted; a mapping holds one.
  // Whoever opens the memory in that moment (through our /proc, so of our uid) has the kernel send
  // a signal: not SIGIO, which would end us, but one that is ignored unless asked for.
  if (::fcntl(test->get(), F_SETSIG, SIGURG) != 0) return false;
  if (::fcntl(test->get(), F_SETLEASE, F_WRLCK) != 0) return false;
  if (::fcntl(test->get(), F_SETLEASE, F_UNLCK) != 0) return false;
  spare_ = *std::move(test);
  return true;
}

absl::StatusOr<UniqueFd> reopen(int fd, bool writable) {
  char path[32] = "/proc/self/fd/";
  char* const digits = path + std::strlen(path);
  *std::to_chars(digits, path + sizeof path - 1, fd).ptr = '\0';
  UniqueFd opened(::open(path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC));
  if (!opened.valid()) {
    if (errno == EPERM) {
      return error(absl::StatusCode::kFailedPrecondition,
                   "the segment is sealed; open it read-only");
    }
    return system_failed("open /proc/self/fd", errno);
  }
  return opened;
}

absl::StatusOr<Segment> make_segment(const SegmentSpec& spec) {
  if (spec.size == 0) {
    return error(absl::StatusCode::kInvalidArgument, "size 0; a segment has at least 1 byte");
  }
  if (spec.size > protocol::kSegmentBytesMax) {
    return error(absl::StatusCode::kInvalidArgument, "size ", spec.size,
                 " is over the limit of a segment, ", protocol::kSegmentBytesMax, " bytes");
  }
  if (spec.numa_node >= 0) {
    if (absl::Status status = check_node(spec.numa_node, spec.size); !status.ok()) return status;
  }
  int why = 0;
  std::string refused;
  if (spec.huge_pages) {
    UniqueFd fd = new_memfd(spec.name, MFD_HUGETLB | kHugePage2MiB);
    why = errno;
    if (fd.valid() && fill(fd.get(), spec, round_up(spec.size, kHugePageBytes), why)) {
      return Segment(spec, std::move(fd), kHugePageBytes);
    }
    refused = why_no_huge_pages(why);
  }
  UniqueFd fd = new_memfd(spec.name, 0);
  if (!fd.valid()) return system_failed("memfd_create", errno);
  if (!fill(fd.get(), spec, spec.size, why)) {
    const bool exhaustion = why == ENOSPC || why == ENOMEM || why == EINTR || why == EFBIG;
    if (exhaustion) return exhausted(spec, why);
    return spec.numa_node >= 0 ? node_refused(spec.numa_node, why)
                               : system_failed("preparing the memfd", why);
  }
  Segment segment(spec, std::move(fd), ordinary_page_size());
  segment.set_huge_pages_refused(std::move(refused));
  return segment;
}

bool leases_tell_holders() {
  const std::uint32_t page = ordinary_page_size();
  absl::StatusOr<Segment> probe = make_segment({.size = page});
  if (!probe.ok() || !probe->alone()) return false;
  probe->take_spare().reset();
  absl::StatusOr<UniqueFd> reader = reopen(probe->fd(), false);
  if (!reader.ok() || probe->alone()) return false;
  void* const mapped = ::mmap(nullptr, page, PROT_READ, MAP_SHARED, reader->get(), 0);
  if (mapped == MAP_FAILED) return false;
  reader->reset();
  const bool sees_mapping = !probe->alone();
  ::munmap(mapped, page);
  return sees_mapping && probe->alone();
}

}  // namespace shoal::daemon
