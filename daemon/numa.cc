// See numa.h.
#include "daemon/numa.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <climits>
#include <cstring>
#include <fstream>

#include "schemas/text.h"

namespace shoal::daemon {
namespace {

using protocol::error;
using protocol::text;

constexpr int kPolicyBind = 2;   // MPOL_BIND of <numaif.h>, which is libnuma's
constexpr int kNodesMax = 1024;  // more than any kernel is built for
constexpr std::uint64_t kNodeReserveBytes = std::uint64_t{64} << 20;

std::string nodes_with_memory() {
  std::string nodes;
  std::ifstream("/sys/devices/system/node/has_memory") >> nodes;
  // A kernel without NUMA has one node.
  return nodes.empty() ? "0" : nodes;
}

// Free or reclaimable first; the lines are "Node 0 MemFree:  123 kB". Without the file: anything.
std::uint64_t free_bytes(int node) {
  std::ifstream file(text("/sys/devices/system/node/node", node, "/meminfo"));
  if (!file) return UINT64_MAX;
  std::uint64_t sum = 0;
  std::uint64_t kilobytes = 0;
  for (std::string line; std::getline(file, line);) {
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    const bool counts = line.find(" MemFree:") != std::string::npos ||
                        line.find(" Inactive(file):") != std::string::npos;
    const std::size_t digit = line.find_first_of("0123456789", colon);
    if (!counts || digit == std::string::npos) continue;
    const auto result = std::from_chars(line.data() + digit, line.data() + line.size(), kilobytes);
    if (result.ec == std::errc{}) sum += kilobytes * 1024;
  }
  return sum;
}

}  // namespace

bool list_has(const std::string& list, int node) {
  const char* at = list.data();
  const char* const end = at + list.size();
  while (at < end) {
    int first = 0;
    const auto begin = std::from_chars(at, end, first);
    if (begin.ec != std::errc{}) return false;
    int last = first;
    at = begin.ptr;
    if (at < end && *at == '-') {
      const auto range = std::from_chars(at + 1, end, last);
      if (range.ec != std::errc{}) return false;
      at = range.ptr;
    }
    if (node >= first && node <= last) return true;
    if (at < end) ++at;
  }
  return false;
}

absl::Status check_node(int node, std::uint64_t bytes) {
  const std::string nodes = nodes_with_memory();
  if (node < 0 || node >= kNodesMax || !list_has(nodes, node)) {
    return error(absl::StatusCode::kInvalidArgument, "there is no NUMA node ", node,
                 " with memory; there is ", nodes);
  }
  const std::uint64_t free = free_bytes(node);
  if (free < kNodeReserveBytes || free - kNodeReserveBytes < bytes) {
    return error(absl::StatusCode::kResourceExhausted, bytes, " bytes asked for on NUMA node ",
                 node, ", which has ", free, " free; take another node, or none");
  }
  return absl::OkStatus();
}

bool bind_to_node(int fd, std::uint64_t size, int node) {
  // The policy belongs to the file's pages and outlives this mapping.
  void* const mapped = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (mapped == MAP_FAILED) return false;
  constexpr std::size_t kWordBits = sizeof(unsigned long) * CHAR_BIT;
  unsigned long mask[kNodesMax / kWordBits] = {};
  const auto bit = static_cast<std::size_t>(node);
  mask[bit / kWordBits] = 1UL << bit % kWordBits;
  const long result = ::syscall(SYS_mbind, mapped, size, kPolicyBind, mask, kNodesMax + 1UL, 0U);
  const int why = errno;
  ::munmap(mapped, size);
  errno = why;
  return result == 0;
}

absl::Status node_refused(int node, int why) {
  // ENOSYS: a kernel without NUMA; EPERM: a container that filters the call.
  return error(absl::StatusCode::kFailedPrecondition, "cannot bind memory to NUMA node ", node,
               ": ", std::strerror(why), "; leave the node out");
}

}  // namespace shoal::daemon
