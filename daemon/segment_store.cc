// SegmentStore, see segment.h.
#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "daemon/segment.h"
#include "daemon/warm_pool.h"
#include "schemas/text.h"

namespace shoal::daemon {

using protocol::error;
using protocol::UniqueFd;

SegmentStore::SegmentStore(std::uint64_t warm_max)
    : warm_max_(warm_max != 0 && leases_tell_holders() ? warm_max : 0),
      warm_(std::make_unique<WarmPool>(warm_max_)) {}

SegmentStore::~SegmentStore() = default;

std::optional<Segment> SegmentStore::reuse(const SegmentSpec& spec) {
  if (spec.sealable || spec.sparse || spec.huge_pages || spec.numa_node >= 0) return std::nullopt;
  return warm_->take(spec.size, spec.uid);
}

absl::StatusOr<Segment> SegmentStore::create(const SegmentSpec& spec) {
  if (std::optional<Segment> warm = reuse(spec)) return *std::move(warm);
  absl::StatusOr<Segment> made = make_segment(spec);
  // What is warm stands in nobody's way, neither its pages nor its descriptors.
  if (made.status().code() == absl::StatusCode::kResourceExhausted && drop_warm(spec.size)) {
    made = make_segment(spec);
  }
  return made;
}

absl::StatusOr<UniqueFd> SegmentStore::descriptor(const Segment& segment, bool writable) {
  if (writable) {
    if (UniqueFd spare = segment.take_spare(); spare.valid()) return spare;
    // The kernel would open it; only writing would then fail.
    if (segment.sealed()) {
      return error(absl::StatusCode::kFailedPrecondition,
                   "the segment is sealed; open it read-only");
    }
  }
  return reopen(segment.fd(), writable);
}

absl::Status SegmentStore::seal(Segment& segment) {
  if (segment.sealed()) return absl::OkStatus();
  if (!segment.spec().sealable) {
    return error(absl::StatusCode::kFailedPrecondition,
                 "the segment was not created sealable, and cannot be sealed now");
  }
  if (::fcntl(segment.fd(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SEAL) == 0) return absl::OkStatus();
  if (errno == EBUSY) {
    return error(absl::StatusCode::kFailedPrecondition,
                 "the segment is mapped for writing; every writer must close it first");
  }
  if (errno == EPERM) {
    return error(absl::StatusCode::kFailedPrecondition,
                 "a holder of the segment has forbidden further seals");
  }
  return error(absl::StatusCode::kInternal, "cannot seal the segment: ", std::strerror(errno));
}

void SegmentStore::retire(Segment segment) {
  if (segment.ordinary()) warm_->put(std::move(segment));
}

bool SegmentStore::launder() { return warm_->wash_slice(); }

bool SegmentStore::drop_warm(std::uint64_t bytes_needed) { return warm_->drop(bytes_needed); }

std::uint64_t SegmentStore::warm_bytes() const { return warm_->bytes(); }

}  // namespace shoal::daemon
